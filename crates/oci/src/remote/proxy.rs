//! Which requests go through a proxy, and through which.
//!
//! The rules are those of Go's `httpproxy` package, which most clients of registries follow: `NO_PROXY` lists
//! hosts, domains, addresses and networks, each but networks with an optional port. This machine is never asked
//! through a proxy.

use std::fmt;
use std::net::IpAddr;

use url::Url;

use crate::error::{Error, Result};
use crate::remote::settings::{ProxySettings, is_this_machine};

/// Schemes of proxies that we can talk to.
const SCHEMES: &[&str] = &["http", "https", "socks5", "socks5h"];

/// The proxies of a client.
pub(super) struct Proxies {
    http: Option<ProxyAddress>,
    https: Option<ProxyAddress>,
    direct: Vec<Direct>,
}

/// A proxy. Shown without its password.
#[derive(Debug)]
pub(super) struct ProxyAddress {
    url: Url,
    /// Where it was given.
    variable: &'static str,
}

impl ProxyAddress {
    /// Reads an address; without a scheme it is that of an HTTP proxy. Empty is none.
    fn parse(text: Option<&str>, variable: &'static str) -> Result<Option<Self>> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let usable = |url: &Url| SCHEMES.contains(&url.scheme()) && url.host_str().is_some_and(is_host);
        let Some(mut url) = Url::parse(&whole).ok().filter(usable) else {
            // What stands before an `@` may be a password.
            let shown = text.rsplit('@').next().unwrap_or_default();
            return Err(Error::Config {
                what: format!("proxy address in {variable}"),
                reason: format!(
                    "\"{shown}\" is not the address of an HTTP or SOCKS5 proxy, such as http://proxy.example:3128"
                ),
            });
        };
        if url.scheme() == "socks5" {
            // The proxy looks names up, as it does for Go's clients: it may know more of them than we do. The
            // schemes are of one kind, so that the one can be made the other.
            let _ = url.set_scheme("socks5h");
        }
        Ok(Some(Self { url, variable }))
    }

    /// For the HTTP client, with user and password.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.url.scheme() == "socks5h" { "socks5" } else { self.url.scheme() };
        write!(f, "{scheme}://{}", self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        write!(f, " ({})", self.variable)
    }
}

/// A host name or an address, as against what merely parses as one.
fn is_host(host: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    host.starts_with('[') || (!host.is_empty() && host.chars().all(name))
}

impl Proxies {
    /// Reads the settings.
    pub(super) fn new(settings: &ProxySettings) -> Result<Self> {
        let listed = settings.no_proxy.as_deref().unwrap_or_default();
        Ok(Self {
            http: ProxyAddress::parse(settings.http.as_deref(), "HTTP_PROXY")?,
            https: ProxyAddress::parse(settings.https.as_deref(), "HTTPS_PROXY")?,
            direct: listed.split(',').filter_map(Direct::parse).collect(),
        })
    }

    /// The proxy for a request to this URL.
    pub(super) fn of(&self, url: &Url) -> Option<&ProxyAddress> {
        let proxy = self.of_scheme(url.scheme())?;
        let (host, port) = (url.host_str()?.to_ascii_lowercase(), url.port_or_known_default()?);
        let direct = is_this_machine(&host) || self.direct.iter().any(|entry| entry.covers(&host, port));
        (!direct).then_some(proxy)
    }

    /// The proxy for URLs of this scheme that go through one.
    pub(super) fn of_scheme(&self, scheme: &str) -> Option<&ProxyAddress> {
        if scheme == "http" { self.http.as_ref() } else { self.https.as_ref() }
    }
}

/// An entry of `NO_PROXY`.
enum Direct {
    Everything,
    Network {
        address: IpAddr,
        bits: u32,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    /// A host and what is below it, or only that. The name begins with a dot.
    Domain {
        below: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl Direct {
    /// Reads an entry; what is none is left out.
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, bits)) = entry.split_once('/') {
            let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse().ok()?);
            let longest = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= longest).then_some(Self::Network { address, bits });
        }
        let (host, port) = split_port(&entry);
        let port = match port {
            Some(port) => Some(port.parse().ok()?),
            None => None,
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address { address: address.to_canonical(), port });
        }
        let name = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let itself = !name.starts_with('.');
        let below = if itself { format!(".{name}") } else { name.to_owned() };
        (below.len() > 1).then_some(Self::Domain { below, itself, port })
    }

    /// A lower-case host, as URLs have it, and a port are reached without a proxy.
    fn covers(&self, host: &str, at: u16) -> bool {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let address = address.ok().map(|address| address.to_canonical());
        match self {
            Self::Everything => true,
            Self::Network { address: network, bits } => {
                address.is_some_and(|address| within(address, *network, *bits))
            }
            Self::Address { address: own, port } => {
                address.as_ref() == Some(own) && port.is_none_or(|port| port == at)
            }
            Self::Domain { below, itself, port } => {
                let named = host.ends_with(below) || (*itself && host == &below[1..]);
                named && port.is_none_or(|port| port == at)
            }
        }
    }
}

/// Host and port of `host:port`, `[address]:port`, or either without a port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

/// The first `bits` of both addresses are the same.
fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits() ^ network.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (address.to_bits() ^ network.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(https: &str, no_proxy: &str) -> Result<Proxies> {
        let (https, no_proxy) = (Some(https.to_owned()), Some(no_proxy.to_owned()));
        Proxies::new(&ProxySettings { http: None, https, no_proxy })
    }

    #[test]
    fn exceptions_are_gos() {
        let check = |entry: &str, url: &str, direct: bool| {
            let proxies = proxies("proxy.test:3128", &format!("other.test, {entry}")).expect("valid");
            assert_eq!(proxies.of(&Url::parse(url).expect("a URL")).is_none(), direct, "{entry}: {url}");
        };
        // After the cases of Go's httpproxy package.
        check("r.test", "https://r.test", true);
        check("r.test", "https://sub.r.test:5000", true);
        check("r.test", "https://other-r.test", false);
        check(".r.test", "https://r.test", false);
        check(".r.test", "https://sub.r.test", true);
        check("*.r.test", "https://sub.r.test", true);
        check("*.r.test", "https://r.test", false);
        check("R.test:5000", "https://r.test:5000", true);
        check("r.test:5000", "https://R.TEST:5000", true);
        check("r.test:5000", "https://r.test", false);
        check("r.test:443", "https://r.test", true);
        check("r.test:x", "https://r.test", false);
        check("10.1.2.3", "https://10.1.2.3:5000", true);
        check("10.1.2.3:80", "https://10.1.2.3:5000", false);
        check("10.0.0.0/8", "https://10.1.2.3:5000", true);
        check("10.0.0.0/8", "https://11.1.2.3", false);
        check("10.0.0.0/8", "https://r10.0.0.1.test", false);
        check("0.0.0.0/0", "https://11.1.2.3", true);
        check("10.0.0.0/33", "https://10.0.0.0", false);
        check("2001:db8::/32", "https://[2001:db8::1]", true);
        check("[2001:db8::1]:5000", "https://[2001:db8::1]:5000", true);
        check("[2001:db8::1]:5000", "https://[2001:db8::1]", false);
        check("2001:db8::1", "https://[2001:db8::1]", true);
        check("*", "https://r.test", true);
        check("", "https://localhost:5000", true);
        check("", "https://127.0.0.2", true);
        check("", "https://[::1]", true);
        check(" , .,:5000", "https://r.test", false);
        // There is no proxy for this scheme.
        check("", "http://r.test", true);
    }

    #[test]
    fn addresses_are_read_as_go_does_and_shown_without_passwords() {
        let check = |text: &str, expected: Option<&str>| {
            let shown = proxies(text, "").expect("valid").https.map(|proxy| proxy.to_string());
            assert_eq!(shown.as_deref(), expected, "{text}");
        };
        check("", None);
        check("proxy.test:3128", Some("http://proxy.test:3128 (HTTPS_PROXY)"));
        check("http://u:secret@proxy.test", Some("http://proxy.test (HTTPS_PROXY)"));
        check("socks5://u:secret@[::1]:1080", Some("socks5://[::1]:1080 (HTTPS_PROXY)"));
        for wrong in ["ht!tp:/x", "ftp://proxy.test", "u:secret@:x", "http://", "socks4://proxy.test"] {
            let message = proxies(wrong, "").err().expect("no proxy").to_string();
            assert!(message.starts_with("proxy address in HTTPS_PROXY: \""), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
