//! Where a registry is.

use url::Url;

/// A registry's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    host: String,
    base: Url,
}

impl Endpoint {
    pub(super) fn of(host: &str, base: Url) -> Self {
        Self { host: host.to_owned(), base }
    }

    /// Host and port, as credentials are filed under.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Scheme, host and port, ending in `/`.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Scheme, host and port as text.
    pub(super) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// The URL of a path below `/v2/`. `path` is made of names, digests and tags, which need no escaping.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{path}"));
        url
    }

    /// A URL is on this registry.
    pub(super) fn owns(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }
}
