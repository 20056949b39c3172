//! Which addresses that a registry names we believe: upload locations, next pages, token servers, redirects.
//!
//! Upload locations and next pages get our credentials, so they must stay on the registry's host and port.
//! Where a proxy in front of a registry hides that we came by HTTPS, they come back as `http:`; then we keep
//! to HTTPS. Token servers may be anywhere, but not in plain text when the registry is not.

use url::Url;

use crate::error::{Error, Result};
use crate::remote::endpoint::Endpoint;
use crate::remote::observer::shown_url;

/// The upload location or next page that an answer to `method` `asked` names.
pub(super) fn same_registry(endpoint: &Endpoint, method: &str, asked: &Url, named: &str) -> Result<Url> {
    let refused =
        |reason: String| Error::Protocol { method: method.to_owned(), url: shown_url(asked), reason };
    let mut url =
        asked.join(named).map_err(|error| refused(format!("\"{named}\" is not a location: {error}")))?;
    let base = endpoint.base();
    if base.scheme() == "https" && url.scheme() == "http" {
        if url.port().is_none() && base.port().is_some() {
            return Err(elsewhere(&url, base, refused));
        }
        // Between the two web schemes this cannot fail.
        let _ = url.set_scheme("https");
    }
    if url.origin() != base.origin() {
        return Err(elsewhere(&url, base, refused));
    }
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    Ok(url)
}

fn elsewhere(url: &Url, base: &Url, refused: impl Fn(String) -> Error) -> Error {
    let origin = |url: &Url| url.origin().ascii_serialization();
    refused(format!(
        "it points to {} instead of {}, which would get our credentials",
        origin(url),
        origin(base)
    ))
}

/// The token server that a challenge names.
pub(super) fn realm(endpoint: &Endpoint, realm: &str, insecure: bool) -> Result<Url> {
    let base = endpoint.base();
    let refused = |reason: String| Error::Protocol {
        method: "GET".to_owned(),
        url: shown_url(base),
        reason: format!("its token server \"{realm}\" {reason}"),
    };
    let url = Url::parse(realm).map_err(|error| refused(format!("is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused("is not reached by HTTP".to_owned()));
    }
    if base.scheme() == "https" && url.scheme() == "http" && !insecure {
        return Err(refused(
            "would get our credentials in plain text; allow that with --insecure if you must".to_owned(),
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("names a user".to_owned()));
    }
    Ok(url)
}

/// Where a redirect of `asked` leads.
pub(super) fn redirect(asked: &Url, location: &str, insecure: bool) -> Result<Url, String> {
    let url = asked.join(location).map_err(|error| format!("it redirects to no URL: {error}"))?;
    match (asked.scheme(), url.scheme()) {
        (_, "https") | ("http", "http") => Ok(url),
        ("https", "http") if insecure => Ok(url),
        ("https", "http") => {
            Err("it redirects from HTTPS to plain HTTP; allow that with --insecure if you must".to_owned())
        }
        (_, scheme) => Err(format!("it redirects to a \"{scheme}\" URL")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(base: &str) -> Endpoint {
        Endpoint::of("r.example", Url::parse(base).expect("valid"))
    }

    #[test]
    fn locations_stay_on_the_registry() {
        let check = |base: &str, named: &str, expected: Option<&str>| {
            let endpoint = endpoint(base);
            let asked = endpoint.base().join("/v2/a/blobs/uploads/").expect("valid");
            let found = same_registry(&endpoint, "POST", &asked, named).ok().map(String::from);
            assert_eq!(found.as_deref(), expected, "{base} {named}");
        };
        let https = "https://r.example/";
        check(
            https,
            "/v2/a/blobs/uploads/1?_state=x",
            Some("https://r.example/v2/a/blobs/uploads/1?_state=x"),
        );
        check(https, "1", Some("https://r.example/v2/a/blobs/uploads/1"));
        check(https, "https://r.example:443/u", Some("https://r.example/u"));
        check(https, "http://r.example/u", Some("https://r.example/u"));
        check(https, "https://u:p@r.example/u", Some("https://r.example/u"));
        check(https, "https://evil.example/u", None);
        check(https, "//evil.example/u", None);
        check(https, "https://r.example:8443/u", None);
        check(https, "ftp://r.example/u", None);
        check("https://r.example:8443/", "http://r.example:8443/u", Some("https://r.example:8443/u"));
        check("https://r.example:8443/", "http://r.example/u", None);
        check("http://r.example:5000/", "http://r.example:5000/u", Some("http://r.example:5000/u"));
        check("http://r.example:5000/", "https://r.example:5000/u", None);
    }

    #[test]
    fn token_servers_do_not_get_credentials_in_plain_text() {
        let https = endpoint("https://r.example/");
        assert!(realm(&https, "https://auth.example/token", false).is_ok());
        assert!(realm(&https, "http://auth.example/token", false).is_err());
        assert!(realm(&https, "http://auth.example/token", true).is_ok());
        assert!(realm(&https, "/token", false).is_err());
        assert!(realm(&https, "file:///etc/passwd", true).is_err());
        assert!(realm(&endpoint("http://localhost/"), "http://localhost/token", false).is_ok());
    }

    #[test]
    fn redirects_do_not_leave_https() {
        let asked = Url::parse("https://r.example/v2/a/blobs/x").expect("valid");
        assert!(redirect(&asked, "https://s3.example/x", false).is_ok());
        assert!(redirect(&asked, "http://s3.example/x", false).is_err());
        assert!(redirect(&asked, "http://s3.example/x", true).is_ok());
        assert!(redirect(&asked, "file:///x", true).is_err());
    }
}
