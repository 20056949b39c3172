//! What a remote client is told: nothing here is read from the environment or from files, the caller does that.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::credentials::{CredentialSource, NoCredentials};
use crate::remote::observer::{Observer, Silent};

/// When to talk plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// With registries on this machine: `localhost`, names under `.localhost`, and loopback addresses.
    #[default]
    Auto,
    /// With every registry.
    Always,
    /// With none.
    Never,
}

/// How to find and record what refers to a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReferrersMode {
    /// The referrers API where the registry has it, the tag scheme where it has not.
    #[default]
    Auto,
    /// The referrers API only (`v1.1-referrers-api`).
    Api,
    /// The referrers tag scheme only (`v1.1-referrers-tag`).
    Tag,
}

/// A certificate and its key for servers that ask for one, both PEM.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate chain.
    pub certificate: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// Connect to a fixed address for one host and port, as curl's `--resolve` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveRule {
    /// Host the rule is for.
    pub host: String,
    /// Port the rule is for.
    pub port: u16,
    /// Where to connect to.
    pub address: IpAddr,
    /// Port to connect to.
    pub address_port: u16,
}

/// The text is not `host:port:address[:address_port]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse resolve flag \"{text}\": {reason}")]
pub struct InvalidResolveRule {
    /// What was given.
    pub text: String,
    /// Which part is wrong.
    pub reason: &'static str,
}

impl FromStr for ResolveRule {
    type Err = InvalidResolveRule;

    /// Takes `host:port:address[:address_port]`; an IPv6 address is written in brackets.
    fn from_str(text: &str) -> Result<Self, InvalidResolveRule> {
        let invalid = |reason| InvalidResolveRule { text: text.to_owned(), reason };
        let shape = || invalid("expecting host:port:address[:address_port]");
        let (host, rest) = match text.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
            Some((host, rest)) => (host, rest),
            None => text.split_once(':').ok_or_else(shape)?,
        };
        let (port, rest) = rest.split_once(':').ok_or_else(shape)?;
        let (address, address_port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => (address, port.strip_prefix(':')),
            None => match rest.split_once(':') {
                Some((address, port)) => (address, Some(port)),
                None => (rest, None),
            },
        };
        let port: u16 = port.parse().map_err(|_| invalid("expecting uint64 host port"))?;
        let address: IpAddr = address.parse().map_err(|_| invalid("invalid IP address"))?;
        let address_port = match address_port {
            Some(text) => text.parse().map_err(|_| invalid("expecting uint64 address port"))?,
            None => port,
        };
        Ok(Self { host: host.to_owned(), port, address, address_port })
    }
}

/// Proxies, spelled as in the usual environment variables: `http`, `https` or `socks5` URLs; without a scheme, the
/// address of an HTTP proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// For `http` URLs.
    pub http: Option<String>,
    /// For `https` URLs.
    pub https: Option<String>,
    /// Hosts, domains, addresses and networks to reach without a proxy, comma-separated, each but networks with
    /// an optional port. This machine always is.
    pub no_proxy: Option<String>,
}

/// How often and how long to try again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySettings {
    /// Tries after the first one.
    pub retries: u32,
    /// Wait before the second try; doubles with each further one.
    pub base: Duration,
    /// The longest wait that is our own idea. What `Retry-After` asks for is waited whole.
    pub longest: Duration,
    /// The longest that all waits of one operation may take together: when the registry asks for more, the
    /// operation fails at once and says so.
    pub budget: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            retries: 5,
            base: Duration::from_millis(250),
            longest: Duration::from_secs(8),
            budget: Duration::from_secs(300),
        }
    }
}

/// How content is moved. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferSettings {
    /// The largest body sent in one request; larger blobs are sent in chunks. `None`: no limit of ours.
    /// Some registries cap it (Azure has trouble over 20 MB, GitHub over 4 MiB per chunk).
    pub max_body: Option<u64>,
    /// Chunk size where blobs have to be sent in chunks, unless the registry asks for larger ones.
    pub chunk: u64,
    /// Blobs up to this size are first offered in a single request; a registry that does not take it is
    /// not asked again. 0 turns it off.
    pub single_request: u64,
    /// Blobs from this size on are sent while they are still being hashed. What turns out to be there already
    /// has been sent in part for nothing.
    pub ahead_from: u64,
    /// Blobs from this size on are downloaded to files over several connections.
    pub parallel_from: u64,
    /// Size of the parts of such a download.
    pub part: u64,
    /// Connections of such a download.
    pub connections: usize,
}

impl Default for TransferSettings {
    fn default() -> Self {
        Self {
            max_body: None,
            chunk: 8 << 20,
            single_request: 256 << 10,
            ahead_from: 16 << 20,
            parallel_from: 64 << 20,
            part: 8 << 20,
            connections: 4,
        }
    }
}

/// Everything a [`Client`](crate::remote::Client) is told.
#[derive(Clone)]
pub struct Settings {
    /// When to talk plain HTTP.
    pub plain_http: PlainHttp,
    /// Accept any certificate, and redirects from HTTPS to plain HTTP.
    pub insecure: bool,
    /// Certificates (PEM) to trust in addition to the system's.
    pub ca_certificates: Option<Vec<u8>>,
    /// Shown to the registry itself when it asks, never to token servers or redirect targets elsewhere.
    pub client_certificate: Option<ClientCertificate>,
    /// Fixed addresses.
    pub resolve: Vec<ResolveRule>,
    /// Sent to the registry itself, never to token servers or redirect targets elsewhere.
    pub headers: HeaderMap,
    /// Proxies.
    pub proxy: ProxySettings,
    /// `User-Agent`.
    pub user_agent: String,
    /// `client_id` in token requests.
    pub client_id: String,
    /// Idle connections kept per host: at least the number of parallel operations, or they are dialled anew.
    pub connections: usize,
    /// The longest a connection may take.
    pub connect_timeout: Duration,
    /// The longest a transfer may stand still.
    pub stall_timeout: Duration,
    /// The longest a registry may think before it answers a request that is sent whole.
    pub answer_timeout: Duration,
    /// When to try again.
    pub retry: RetrySettings,
    /// How content is moved.
    pub transfer: TransferSettings,
    /// How referrers are found and recorded.
    pub referrers: ReferrersMode,
    /// Where credentials come from.
    pub credentials: Arc<dyn CredentialSource>,
    /// Who is told of requests, warnings and waits.
    pub observer: Arc<dyn Observer>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            plain_http: PlainHttp::Auto,
            insecure: false,
            ca_certificates: None,
            client_certificate: None,
            resolve: Vec::new(),
            headers: HeaderMap::new(),
            proxy: ProxySettings::default(),
            user_agent: concat!("tidewaiter/", env!("CARGO_PKG_VERSION")).to_owned(),
            client_id: "tidewaiter".to_owned(),
            connections: 32,
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(300),
            retry: RetrySettings::default(),
            transfer: TransferSettings::default(),
            referrers: ReferrersMode::Auto,
            credentials: Arc::new(NoCredentials),
            observer: Arc::new(Silent),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers, proxies and credentials may hold secrets.
        f.debug_struct("Settings").field("plain_http", &self.plain_http).finish_non_exhaustive()
    }
}

impl Settings {
    /// The scheme to talk to a host (with optional port) in.
    pub(super) fn scheme(&self, host: &str) -> &'static str {
        let plain = match self.plain_http {
            PlainHttp::Auto => is_this_machine(host),
            PlainHttp::Always => true,
            PlainHttp::Never => false,
        };
        if plain { "http" } else { "https" }
    }

    /// Lower-case names of the headers whose values must not be shown.
    pub(super) fn secret_headers(&self) -> HashSet<String> {
        // Whatever people give as a header of their own may be one.
        const TELLING: [&str; 7] = ["auth", "token", "key", "secret", "cookie", "password", "credential"];
        let own = ["authorization", "proxy-authorization", "cookie", "set-cookie"].map(str::to_owned);
        let given = self.headers.keys().map(|name| name.as_str().to_owned());
        own.into_iter().chain(given.filter(|name| TELLING.iter().any(|part| name.contains(part)))).collect()
    }
}

/// A host, with an optional port, names this machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => return address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => host.split(':').next().unwrap_or(host),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_spoken_to_plainly() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "a.localhost"] {
            assert_eq!(Settings::default().scheme(host), "http", "{host}");
        }
        for host in ["localhost.example", "10.0.0.1:5000", "[2001:db8::1]", "registry.example"] {
            assert_eq!(Settings::default().scheme(host), "https", "{host}");
        }
        let never = Settings { plain_http: PlainHttp::Never, ..Settings::default() };
        assert_eq!(never.scheme("localhost"), "https");
    }

    #[test]
    fn resolve_rules_are_curls() {
        let check = |text: &str, expected: Result<(&str, u16, &str, u16), &str>| {
            let parsed = text.parse::<ResolveRule>();
            let shown = parsed
                .as_ref()
                .map(|rule| (rule.host.as_str(), rule.port, rule.address.to_string(), rule.address_port))
                .map_err(|error| error.reason);
            assert_eq!(shown, expected.map(|(host, port, to, at)| (host, port, to.to_owned(), at)), "{text}");
        };
        check("r.example:443:10.0.0.1", Ok(("r.example", 443, "10.0.0.1", 443)));
        check("r.example:443:10.0.0.1:5000", Ok(("r.example", 443, "10.0.0.1", 5000)));
        check("r.example:443:[::1]:5000", Ok(("r.example", 443, "::1", 5000)));
        check("r.example:443", Err("expecting host:port:address[:address_port]"));
        check("r.example:x:10.0.0.1", Err("expecting uint64 host port"));
        check("r.example:443:nowhere", Err("invalid IP address"));
        check("r.example:443:10.0.0.1:x", Err("expecting uint64 address port"));
    }
}
