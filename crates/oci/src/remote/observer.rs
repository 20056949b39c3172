//! Who wants to know what goes over the wire: debug logs, warnings of registries, waits.
//!
//! The library prints nothing; a command line implements [`Observer`] and prints what it likes. Everything an
//! observer is shown is already free of secrets.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use url::Url;

/// The most of an answer's body that is shown, in bytes.
pub const MAX_EXCERPT: usize = 16 * 1024;

/// What stands for a secret.
const MASK: &str = "*****";

/// A request about to be sent.
#[derive(Debug, Clone)]
pub struct RequestEvent {
    /// Counts from 0; the answer has the same number.
    pub number: u64,
    /// HTTP method.
    pub method: Method,
    /// URL without secrets.
    pub url: String,
    /// Names as usually spelled (`Content-Type`) and values, secrets masked, sorted by name.
    pub headers: Vec<(String, String)>,
}

/// What there is to show of an answer's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excerpt {
    /// There is none.
    Empty,
    /// It is not text.
    NotText {
        /// Its `Content-Type`, empty when there is none.
        content_type: String,
    },
    /// Text, secrets masked.
    Text {
        /// At most [`MAX_EXCERPT`] bytes.
        text: String,
        /// There is more.
        cut: bool,
    },
}

/// An answer that came.
#[derive(Debug, Clone)]
pub struct ResponseEvent {
    /// Number of the request.
    pub number: u64,
    /// HTTP status.
    pub status: StatusCode,
    /// Names as usually spelled and values, secrets masked, sorted by name.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Excerpt,
}

/// A wait before a request is sent again.
#[derive(Debug, Clone)]
pub struct Wait {
    /// Whom we wait for.
    pub host: String,
    /// Why, in one line.
    pub reason: String,
    /// How long.
    pub delay: Duration,
    /// Which retry comes after it, from 1.
    pub retry: u32,
}

/// Is told what goes over the wire. Calls come from many tasks and must return at once.
pub trait Observer: Send + Sync {
    /// Wants requests and answers; without it they are not prepared.
    fn wants_wire(&self) -> bool {
        false
    }

    /// A request is about to be sent.
    fn request(&self, _event: &RequestEvent) {}

    /// An answer came.
    fn response(&self, _event: &ResponseEvent) {}

    /// A request got no answer.
    fn failed(&self, _number: u64, _reason: &str) {}

    /// A registry's `Warning` header, once per host and text.
    fn warning(&self, _host: &str, _text: &str) {}

    /// We wait before trying again.
    fn waiting(&self, _wait: &Wait) {}
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Query names whose values grant something: signatures of storage providers, tokens, passwords.
fn is_secret_query(name: &str) -> bool {
    const NAMES: &[&str] = &["sig", "code", "policy", "verify", "key-pair-id", "account", "awsaccesskeyid"];
    const PARTS: &[&str] = &["signature", "credential", "token", "secret", "password", "googleaccessid"];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || PARTS.iter().any(|part| name.contains(part))
}

/// A URL as it may be shown: without user, password, and values that grant something.
pub(crate) fn shown_url(url: &Url) -> String {
    let mut shown = url.clone();
    if !shown.username().is_empty() || shown.password().is_some() {
        // Fails only for URLs that cannot have them.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
    }
    let Some(query) = url.query() else { return shown.into() };
    let masked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret_query(name) => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    });
    let masked = masked.collect::<Vec<_>>().join("&");
    shown.set_query(Some(&masked));
    shown.into()
}

/// Headers as they may be shown. `secret` holds lower-case names.
pub(crate) fn shown_headers(
    headers: &HeaderMap,
    secret: &std::collections::HashSet<String>,
) -> Vec<(String, String)> {
    let mut shown: Vec<(String, String)> = Vec::with_capacity(headers.len());
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let value = if secret.contains(name.as_str()) {
            MASK.to_owned()
        } else if name == http::header::LOCATION {
            values.map(|value| Url::parse(&value).map_or(value.into_owned(), |url| shown_url(&url))).collect()
        } else {
            values.collect::<Vec<_>>().join(", ")
        };
        shown.push((usual_spelling(name.as_str()), value));
    }
    shown.sort();
    shown
}

/// `content-type` as `Content-Type`.
fn usual_spelling(name: &str) -> String {
    let words = name.split('-').map(|word| match word {
        "oci" => "OCI".to_owned(),
        word => word.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(word.chars().skip(1)).collect(),
    });
    words.collect::<Vec<_>>().join("-")
}

/// A body of this content type is text people may want to read.
pub(crate) fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or(content_type).trim().to_ascii_lowercase();
    essence.starts_with("text/") || essence == "application/json" || essence.ends_with("+json")
}

/// A body's text as it may be shown: members of JSON objects that hold secrets are masked.
pub(crate) fn shown_text(text: &str) -> String {
    const NAMES: &[&str] = &[
        "token",
        "access_token",
        "refresh_token",
        "id_token",
        "identitytoken",
        "password",
        "secret",
        "auth",
    ];
    fn mask(value: &mut Value) -> bool {
        let mut masked = false;
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if NAMES.contains(&name.to_ascii_lowercase().as_str()) && value.is_string() {
                        *value = Value::from(MASK);
                        masked = true;
                    } else {
                        masked |= mask(value);
                    }
                }
            }
            Value::Array(values) => {
                for value in values {
                    masked |= mask(value);
                }
            }
            _ => {}
        }
        masked
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            if mask(&mut value) {
                value.to_string()
            } else {
                text.to_owned()
            }
        }
        // Cut JSON cannot be masked member by member.
        Err(_) if NAMES.iter().any(|name| text.contains(&format!("\"{name}\""))) => MASK.to_owned(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_what_grants_something() {
        let check = |url: &str, expected: &str| {
            assert_eq!(shown_url(&Url::parse(url).expect("valid")), expected);
        };
        check("https://u:p@r.example/v2/", "https://r.example/v2/");
        check("https://r.example/v2/a/tags/list?n=5&last=x", "https://r.example/v2/a/tags/list?n=5&last=x");
        check(
            "https://s3.example/b?X-Amz-Signature=abc&X-Amz-Date=1&sig=2",
            "https://s3.example/b?X-Amz-Signature=*****&X-Amz-Date=1&sig=*****",
        );
    }

    #[test]
    fn tokens_in_bodies_are_masked() {
        assert_eq!(shown_text(r#"{"expires_in":3,"token":"abc"}"#), r#"{"expires_in":3,"token":"*****"}"#);
        assert_eq!(shown_text(r#"{ "tags": [] }"#), r#"{ "tags": [] }"#);
        assert_eq!(shown_text(r#"{"access_token":"abc"#), MASK);
    }

    #[test]
    fn headers_are_masked_by_name() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", http::HeaderValue::from_static("Basic abc"));
        headers.insert("oci-subject", http::HeaderValue::from_static("x"));
        let shown = shown_headers(&headers, &["authorization".to_owned()].into());
        assert_eq!(
            shown,
            [("Authorization".to_owned(), MASK.to_owned()), ("OCI-Subject".to_owned(), "x".to_owned())]
        );
    }
}
