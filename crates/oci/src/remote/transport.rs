//! The one place where HTTP clients are built: TLS, proxies, fixed addresses, connection pools.
//!
//! Pools are made when first needed, so that talking plain HTTP, or to nobody, costs no loading of root
//! certificates and works where the system has none. Redirects are never followed here: that is decided hop
//! by hop in [`call`](super::call), where it is known whose credentials are at stake.

use std::collections::HashMap;
use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use crate::error::{Error, Result};
use crate::remote::proxy::{Proxies, ProxyAddress};
use crate::remote::settings::{ResolveRule, Settings};

/// Which connections a request may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Pool {
    tls: Tls,
    /// Index of the fixed address in the settings.
    rule: Option<usize>,
    /// Through the proxy for its scheme.
    proxied: bool,
    /// Many bytes: over several connections rather than over one that is shared.
    bulk: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Tls {
    /// Plain HTTP.
    None,
    /// Without a client certificate.
    Anonymous,
    /// With the client certificate of the settings.
    Identified,
}

/// A request as it goes over the wire.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: reqwest::Body,
    /// It goes to the registry itself, not to somebody it pointed at.
    pub(super) to_registry: bool,
    /// It moves many bytes.
    pub(super) bulk: bool,
}

/// A request that got no answer.
#[derive(Debug)]
pub(super) struct NoAnswer {
    /// In one line.
    pub(super) reason: String,
    /// What may be done about it.
    pub(super) kind: NoAnswerKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswerKind {
    /// Trying again will not help: a certificate, a broken URL.
    Permanent,
    /// No such host, or nobody listens: helps only if somebody did before.
    Unreachable,
    /// The network or the server failed on the way.
    Broken,
    /// The server hung up instead of answering.
    Dropped,
    /// Nobody we trust signed the server's certificate.
    Untrusted,
}

/// Sends requests.
pub(super) struct Transport {
    settings: Arc<Settings>,
    proxies: Proxies,
    pools: Mutex<HashMap<Pool, reqwest::Client>>,
}

impl Transport {
    /// Checks what can be checked without connecting.
    pub(super) fn new(settings: Arc<Settings>) -> Result<Self> {
        certificates(&settings)?;
        identity(&settings)?;
        let proxies = Proxies::new(&settings.proxy)?;
        Ok(Self { settings, proxies, pools: Mutex::default() })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<Result<reqwest::Response, NoAnswer>> {
        let Outgoing { method, mut url, mut headers, body, to_registry, bulk } = outgoing;
        let rule = self.rule_for(&url);
        let tls = match (url.scheme(), to_registry && self.settings.client_certificate.is_some()) {
            ("http", _) => Tls::None,
            (_, true) => Tls::Identified,
            (_, false) => Tls::Anonymous,
        };
        // A fixed address is connected to directly.
        let proxy = self.proxies.of(&url).filter(|_| rule.is_none());
        let client = self.pool(Pool { tls, rule, proxied: proxy.is_some(), bulk })?;
        if let Some(rule) = rule.and_then(|rule| self.settings.resolve.get(rule)) {
            redirect_to_address(rule, &mut url, &mut headers);
        }
        let request = client.request(method, url).headers(headers).body(body);
        Ok(request.send().await.map_err(|error| no_answer(&error, proxy)))
    }

    /// Which fixed address applies: the last one given for host and port.
    fn rule_for(&self, url: &Url) -> Option<usize> {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_or_known_default()?;
        self.settings
            .resolve
            .iter()
            .rposition(|rule| rule.port == port && rule.host.eq_ignore_ascii_case(host))
    }

    fn pool(&self, pool: Pool) -> Result<reqwest::Client> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = pools.get(&pool) {
            return Ok(client.clone());
        }
        let scheme = if pool.tls == Tls::None { "http" } else { "https" };
        let proxy = self.proxies.of_scheme(scheme).filter(|_| pool.proxied);
        let client = build(&self.settings, pool, proxy)?;
        pools.insert(pool, client.clone());
        Ok(client)
    }
}

/// Keeps the name in `Host` and in TLS, and changes where the connection goes.
fn redirect_to_address(rule: &ResolveRule, url: &mut Url, headers: &mut HeaderMap) {
    let authority = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return,
    };
    if let Ok(authority) = HeaderValue::from_str(&authority) {
        headers.insert(HOST, authority);
    }
    // Both can only fail for URLs without a host.
    let _ = url.set_port(Some(rule.address_port));
    if url.scheme() == "http" {
        let _ = url.set_ip_host(rule.address);
    }
}

fn build(settings: &Settings, pool: Pool, proxy: Option<&ProxyAddress>) -> Result<reqwest::Client> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(Error::Config {
            what: "TLS".to_owned(),
            reason: "the program installed no cryptography provider".to_owned(),
        });
    }
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(settings.connect_timeout)
        .pool_max_idle_per_host(settings.connections)
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .http2_adaptive_window(true);
    if pool.bulk {
        builder = builder.http1_only();
    }
    builder = match pool.tls {
        // Root certificates would be loaded for nothing, and need not exist. This pool gets `http` URLs only, and
        // nobody to speak TLS with.
        Tls::None if proxy.is_none_or(|proxy| proxy.url().scheme() != "https") => {
            builder.tls_danger_accept_invalid_certs(true).http1_only()
        }
        Tls::None | Tls::Anonymous | Tls::Identified => {
            let builder = builder
                .tls_certs_merge(certificates(settings)?)
                .tls_danger_accept_invalid_certs(settings.insecure);
            match identity(settings)?.filter(|_| pool.tls == Tls::Identified) {
                Some(identity) => builder.identity(identity),
                None => builder,
            }
        }
    };
    builder = match pool.rule.and_then(|rule| settings.resolve.get(rule)) {
        // HTTP/2 would name the port connected to, not the one meant.
        Some(rule) => {
            builder.resolve(&rule.host, SocketAddr::new(rule.address, rule.address_port)).http1_only()
        }
        None => builder,
    };
    if let Some(proxy) = proxy {
        let proxy =
            reqwest::Proxy::all(proxy.url().clone()).map_err(|error| invalid("proxy address", &error))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| invalid("TLS settings", &error))
}

fn certificates(settings: &Settings) -> Result<Vec<reqwest::Certificate>> {
    let Some(pem) = &settings.ca_certificates else { return Ok(Vec::new()) };
    let certificates =
        reqwest::Certificate::from_pem_bundle(pem).map_err(|error| invalid("CA certificates", &error))?;
    if certificates.is_empty() {
        return Err(Error::Config {
            what: "CA certificates".to_owned(),
            reason: "there is no PEM certificate in the file".to_owned(),
        });
    }
    Ok(certificates)
}

fn identity(settings: &Settings) -> Result<Option<reqwest::Identity>> {
    let Some(client) = &settings.client_certificate else { return Ok(None) };
    let mut pem = client.certificate.clone();
    pem.push(b'\n');
    pem.extend_from_slice(&client.key);
    let identity =
        reqwest::Identity::from_pem(&pem).map_err(|error| invalid("client certificate and key", &error))?;
    Ok(Some(identity))
}

fn invalid(what: &str, error: &reqwest::Error) -> Error {
    Error::Config { what: what.to_owned(), reason: innermost(error) }
}

/// The innermost cause says what happened; what is around it says only that a request failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn no_answer(error: &reqwest::Error, proxy: Option<&ProxyAddress>) -> NoAnswer {
    let other_protocol = other_protocol(error);
    let kind = if untrusted(error) {
        NoAnswerKind::Untrusted
    } else if tls(error).is_some() || error.is_builder() || other_protocol.is_some() {
        NoAnswerKind::Permanent
    } else if error.is_connect() && !error.is_timeout() {
        NoAnswerKind::Unreachable
    } else if dropped(error) {
        NoAnswerKind::Dropped
    } else {
        NoAnswerKind::Broken
    };
    let reason = if error.is_connect() && error.is_timeout() {
        "connecting took too long".to_owned()
    } else {
        innermost(error)
    };
    let reason = match (other_protocol, proxy) {
        (Some(meaning), _) => format!("{meaning} ({reason})"),
        (None, Some(proxy)) if error.is_connect() && tls(error).is_none() => {
            format!("through the proxy {proxy}: {reason}")
        }
        (None, _) => reason,
    };
    NoAnswer { reason, kind }
}

/// What it means when one side speaks TLS and the other does not.
fn other_protocol(error: &reqwest::Error) -> Option<&'static str> {
    if let Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) = tls(error) {
        return Some("the server does not speak TLS here; it may speak plain HTTP");
    }
    causes(error)
        .any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_parse))
        .then_some("the server does not speak plain HTTP here; it may speak HTTPS")
}

/// The server's certificate was issued by somebody who is not trusted.
fn untrusted(error: &reqwest::Error) -> bool {
    let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    tls(error).is_some_and(|error| *error == unknown)
}

/// The other side closed the connection instead of answering.
fn dropped(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    causes(error).any(|cause| {
        let broken = |error: &std::io::Error| {
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        };
        cause.downcast_ref().is_some_and(broken)
            || cause.downcast_ref().is_some_and(hyper::Error::is_incomplete_message)
    })
}

/// What TLS could not agree on, which it will not the next time either.
fn tls(error: &reqwest::Error) -> Option<&rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// All that an error says of its causes. I/O errors carry others inside that their `source` skips.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| {
        let cause = *cause;
        match cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => cause.source(),
        }
    })
}
