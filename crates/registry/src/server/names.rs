//! The names that a server without accounts answers to.
//!
//! Whoever reaches such a server may do everything, which on a loopback address means the people of the machine. A
//! page in their browser reaches it too: by a name of its own that it lets point at a loopback address ("DNS
//! rebinding"), or by requests across sites. The name in `Host` tells the first apart, `Origin` the second.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, StatusCode, header, uri::Authority};

use crate::response::ApiError;

/// The names of one server, beside those of the loopback interface.
#[derive(Debug, Clone, Default)]
pub struct Names {
    hosts: Vec<String>,
    /// Where pages come from that are the server's own behind a proxy, as scheme, host and port.
    origin: Option<String>,
}

impl Names {
    /// The loopback names and these: host names or addresses, in any case, without port.
    pub fn and(others: impl IntoIterator<Item = String>) -> Self {
        let plain = |name: String| name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Self { hosts: others.into_iter().map(plain).collect(), origin: None }
    }

    /// The same for a server that a proxy gives this origin, such as `https://registry.example.com`.
    #[must_use]
    pub fn with_origin(self, origin: Option<String>) -> Self {
        Self { origin, ..self }
    }

    /// Refuses a request that came under another name, or that a page of another site would change something with.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = text(headers, header::HOST);
        if let Some(host) = host
            && !host.parse().is_ok_and(|host: Authority| self.has(host.host()))
        {
            let message = format!(
                "{host:?} is not a name of this server, which is open to everybody on this machine; \
                 --allow-host adds a name, --external-url says where a proxy in front of it is reached"
            );
            return Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, "DENIED", message));
        }
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        match text(headers, header::ORIGIN) {
            Some(origin) if !reads && !self.is_own(origin, host) => {
                let message = format!("a page of {origin:?} may not change anything here");
                Err(ApiError::new(StatusCode::FORBIDDEN, "DENIED", message))
            }
            _ => Ok(()),
        }
    }

    fn has(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            || self.hosts.contains(&host)
    }

    /// Whether the page came from this very server: from where the request went, or from where a proxy shows it.
    /// Another port of this machine is another site.
    fn is_own(&self, origin: &str, host: Option<&str>) -> bool {
        let Some((_, authority)) = origin.split_once("://") else { return false };
        host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
            || self.origin.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(origin))
    }
}

/// The value of a header; one that is no text is no name of ours.
fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(method: &Method, host: &str, origin: Option<&str>, expect: Option<StatusCode>) {
        let hosts = ["Registry.example.com", "[fd00::1]", "127.0.0.1"].map(str::to_owned);
        let names = Names::and(hosts).with_origin(Some("https://registry.example.com".to_owned()));
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).expect("a value"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).expect("a value"));
        }
        let refused = names.check(method, &headers).err().map(|error| error.status());
        assert_eq!(refused, expect, "{method} {host} {origin:?}");
    }

    #[test]
    fn only_own_names_are_answered() {
        for host in
            ["localhost", "LOCALHOST:5000", "a.localhost:1", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"]
        {
            check(&Method::GET, host, None, None);
        }
        check(&Method::GET, "registry.EXAMPLE.com", None, None);
        check(&Method::GET, "[fd00::1]:5000", None, None);
        for host in ["evil.example.com:5000", "localhost.evil.com", "10.0.0.1", "", "a b"] {
            check(&Method::GET, host, None, Some(StatusCode::MISDIRECTED_REQUEST));
        }
    }

    #[test]
    fn pages_of_others_change_nothing() {
        let (put, host) = (Method::PUT, "localhost:5000");
        check(&put, host, Some("http://localhost:5000"), None);
        check(&put, host, Some("https://registry.example.com"), None);
        check(&Method::GET, host, Some("http://evil.example.com"), None);
        let foreign =
            ["http://evil.example.com", "http://localhost:3000", "null", "http://registry.example.com:8080"];
        for origin in foreign {
            check(&put, host, Some(origin), Some(StatusCode::FORBIDDEN));
        }
        check(&put, "127.0.0.1:5000", Some("http://127.0.0.1:3000"), Some(StatusCode::FORBIDDEN));
    }
}
