//! The registry client of the command line: settings, proxies and credentials from where Docker keeps them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use tidewaiter_oci::credentials::{Store, StoreSettings};
use tidewaiter_oci::remote::{Client, PlainHttp, ProxySettings, Settings};

use crate::environment::{self, variable};

/// How to talk to a registry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transport {
    /// Without TLS, wherever it is.
    pub(crate) plain_http: bool,
    /// Without checking certificates.
    pub(crate) insecure: bool,
}

/// A client with the user's credentials.
pub(crate) fn new(transport: Transport) -> Result<Client> {
    let settings = Settings {
        plain_http: if transport.plain_http { PlainHttp::Always } else { PlainHttp::Auto },
        insecure: transport.insecure,
        proxy: proxies(),
        credentials: Arc::new(Store::new(StoreSettings::new(credential_files()))),
        ..Settings::default()
    };
    Ok(Client::new(settings)?)
}

/// Docker's file, then Podman's.
pub(crate) fn credential_files() -> Vec<PathBuf> {
    let docker = variable(environment::DOCKER_CONFIG)
        .map(PathBuf::from)
        .or_else(|| Some(environment::home()?.join(".docker")))
        .map(|directory| directory.join("config.json"));
    let podman = variable(environment::XDG_RUNTIME_DIR)
        .map(|directory| PathBuf::from(directory).join("containers/auth.json"));
    docker.into_iter().chain(podman).collect()
}

/// Proxies, by the lower-case name first, as curl does.
pub(crate) fn proxies() -> ProxySettings {
    let either = |lower: &str, upper: &str| variable(lower).or_else(|| variable(upper));
    ProxySettings {
        // `HTTP_PROXY` in capitals can be set by a web request to a CGI program; nothing of ours runs as one.
        http: either("http_proxy", "HTTP_PROXY"),
        https: either("https_proxy", "HTTPS_PROXY"),
        no_proxy: either("no_proxy", "NO_PROXY"),
    }
}
