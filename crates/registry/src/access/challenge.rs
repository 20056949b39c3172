//! How a registry says no: challenges that tell a client where to get a token and for what, and refusals.

use std::time::Duration;

use axum::http::header::{self, HeaderMap};
use axum::http::{StatusCode, Uri};
use serde_json::json;

use super::accounts::Unusable;
use super::login::Refusal;
use crate::options::Challenge;
use crate::response::ApiError;

/// Tells what protocol the client spoke: to our own TLS, or to a proxy in front of us.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The address by which a client reached us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    /// `https://registry.example`, without a path.
    origin: String,
    /// `registry.example`
    pub(crate) service: String,
}

impl Reached {
    /// By what the request says. A client can only mislead itself with it.
    pub(crate) fn by(uri: &Uri, headers: &HeaderMap) -> Self {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or(uri.authority().map(|authority| authority.as_str())).unwrap_or("");
        // What stands here is written between quotes.
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
        let host = if !host.is_empty() && host.bytes().all(allowed) { host } else { "localhost" };
        // Of several proxies, the first one in the list is where the client came to.
        let forwarded = headers.get(FORWARDED_PROTO).and_then(|proto| proto.to_str().ok()).unwrap_or("");
        let first = forwarded.split(',').next().unwrap_or("").trim();
        let scheme = if first.eq_ignore_ascii_case("https") { "https" } else { "http" };
        Self { origin: format!("{scheme}://{host}"), service: host.to_owned() }
    }

    /// By the address that the registry was told is its own.
    pub(crate) fn at(url: &url::Url) -> Self {
        let origin = url.origin().ascii_serialization();
        let service = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host).to_owned();
        Self { origin, service }
    }
}

/// Makes refusals in the form that the client can act on.
#[derive(Debug, Clone)]
pub(crate) struct Refuser {
    pub(crate) reached: Reached,
    pub(crate) challenge: Challenge,
}

/// What is wrong with the token that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None was shown.
    Absent,
    /// It is not ours, too old, or of somebody who may not log in any more.
    Invalid,
    /// It is not good for this.
    Insufficient,
}

impl Refuser {
    /// 401: come back with a token for this scope.
    pub(crate) fn challenge(&self, scope: Option<&str>, fault: Fault) -> ApiError {
        self.unauthorized("authentication required", scope, fault)
    }

    /// 403: whatever you come back with, you may not.
    pub(crate) fn denied(scope: &str) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "DENIED", "requested access to the resource is denied")
            .detail(detail(scope))
    }

    /// The answer to credentials that were not taken.
    pub(crate) fn refused(&self, refusal: Refusal) -> ApiError {
        let user = match &refusal {
            Refusal::Unusable { name, .. } => Some(name.clone()),
            Refusal::Wrong | Refusal::Throttled(_) | Refusal::Failed(_) => None,
        };
        let message = match refusal {
            Refusal::Wrong => "unknown user name or wrong password".to_owned(),
            Refusal::Unusable { name, why: Unusable::Disabled } => {
                format!("the token \"{name}\" is disabled")
            }
            Refusal::Unusable { name, why: Unusable::Expired } => {
                format!("this password of the token \"{name}\" has expired")
            }
            Refusal::Unusable { name, why: Unusable::Replaced } => {
                format!("this password of the token \"{name}\" was replaced")
            }
            Refusal::Throttled(wait) => return throttled(wait),
            Refusal::Failed(error) => return error.into(),
        };
        self.unauthorized(&message, None, Fault::Invalid).refusing(user.as_deref())
    }

    fn unauthorized(&self, message: &str, scope: Option<&str>, fault: Fault) -> ApiError {
        let error = ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
        let error = match scope {
            Some(scope) => error.detail(detail(scope)),
            None => error,
        };
        error.header(header::WWW_AUTHENTICATE, self.header(scope, fault))
    }

    /// Only one scheme is offered at a time: the Azure command line cannot read a header with two.
    fn header(&self, scope: Option<&str>, fault: Fault) -> String {
        let Reached { origin, service } = &self.reached;
        match self.challenge {
            Challenge::Basic => format!("Basic realm=\"{service}\""),
            Challenge::Bearer => {
                let scope = scope.map(|scope| format!(",scope=\"{scope}\"")).unwrap_or_default();
                let error = match fault {
                    Fault::Absent => "",
                    Fault::Invalid => ",error=\"invalid_token\"",
                    Fault::Insufficient => ",error=\"insufficient_scope\"",
                };
                format!("Bearer realm=\"{origin}/oauth2/token\",service=\"{service}\"{scope}{error}")
            }
        }
    }
}

/// 429: too many failed logins, or too much to do.
fn throttled(wait: Duration) -> ApiError {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let message = format!("too many attempts to log in; try again in {seconds} s");
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message)
        .header(header::RETRY_AFTER, seconds.to_string())
}

/// What was asked for, as registries list it.
fn detail(scope: &str) -> serde_json::Value {
    let entries = |scope: &str| {
        let (kind, rest) = scope.split_once(':').unwrap_or((scope, ""));
        let (name, actions) = rest.rsplit_once(':').unwrap_or(("", ""));
        let entry = |action| json!({ "Type": kind, "Name": name, "Action": action });
        actions.split(',').map(entry).collect::<Vec<_>>()
    };
    scope.split(' ').flat_map(entries).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuser(host: &str) -> Refuser {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a value"));
        let reached = Reached::by(&Uri::from_static("/v2/"), &headers);
        Refuser { reached, challenge: Challenge::Bearer }
    }

    #[test]
    fn challenges_say_where_and_for_what() {
        let refuser = refuser("localhost:5000");
        assert_eq!(
            refuser.header(Some("repository:a:pull,push"), Fault::Insufficient),
            concat!(
                r#"Bearer realm="http://localhost:5000/oauth2/token",service="localhost:5000","#,
                r#"scope="repository:a:pull,push",error="insufficient_scope""#
            )
        );
        let basic = Refuser { challenge: Challenge::Basic, ..refuser };
        assert_eq!(basic.header(Some("x"), Fault::Absent), r#"Basic realm="localhost:5000""#);
    }

    #[test]
    fn a_host_cannot_break_out_of_the_header() {
        assert_eq!(refuser(r#"a",scope="x"#).reached.service, "localhost");
        assert_eq!(refuser("[::1]:5000").reached.service, "[::1]:5000");
        let url = "https://Registry.Example:443/ignored".parse().expect("a URL");
        let reached = Reached::at(&url);
        assert_eq!(
            (reached.origin.as_str(), reached.service.as_str()),
            ("https://registry.example", "registry.example")
        );
    }

    #[test]
    fn details_name_every_action() {
        let detail = detail("repository:a/b:pull,push repository:c:pull");
        assert_eq!(detail[1], json!({"Type": "repository", "Name": "a/b", "Action": "push"}));
        assert_eq!(detail[2], json!({"Type": "repository", "Name": "c", "Action": "pull"}));
    }
}
