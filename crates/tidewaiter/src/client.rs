//! The registry client of the command line: settings, proxies and credentials from where Docker keeps them.

use std::sync::Arc;

use anyhow::Result;
use tidewaiter_oci::credentials::{CredentialSource, Store, StoreSettings};
use tidewaiter_oci::remote::{Client, PlainHttp, Settings};

use crate::environment;

/// How to talk to a registry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transport {
    /// Without TLS, wherever it is.
    pub(crate) plain_http: bool,
    /// Without checking certificates.
    pub(crate) insecure: bool,
}

/// A client with these credentials, or else the user's.
pub(crate) fn new(transport: Transport, credentials: Option<Arc<dyn CredentialSource>>) -> Result<Client> {
    let stored = || Arc::new(Store::new(StoreSettings::new(environment::credential_files())));
    let settings = Settings {
        plain_http: if transport.plain_http { PlainHttp::Always } else { PlainHttp::Auto },
        insecure: transport.insecure,
        proxy: environment::proxies(),
        credentials: credentials.unwrap_or_else(|| stored()),
        ..Settings::default()
    };
    Ok(Client::new(settings)?)
}
