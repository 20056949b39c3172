//! Credentials for registries: what they are, and the files and helper programs they are kept in.
//!
//! [`Store`] reads Docker's `config.json` and Podman's `auth.json`, and writes the first file it is given.
//! Where those files are, and what helper programs may see of the environment, the caller says.

mod file;
mod helper;
mod store;

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;

pub use store::{RepositoryCredentials, Store, StoreSettings};

/// What a registry is told of who we are. All empty: nobody in particular.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credential {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
    /// An identity token: exchanged for access tokens by OAuth2.
    pub identity_token: String,
    /// A ready access token, sent as it is.
    pub registry_token: String,
}

impl Credential {
    /// A user name and a password.
    #[must_use]
    pub fn password(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into(), ..Self::default() }
    }

    /// An identity token.
    #[must_use]
    pub fn identity_token(token: impl Into<String>) -> Self {
        Self { identity_token: token.into(), ..Self::default() }
    }

    /// There is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.username.is_empty()
            && self.password.is_empty()
            && self.identity_token.is_empty()
            && self.registry_token.is_empty()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Knows credentials by host.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The credential for a registry, named by host and optional port as it is contacted; an empty one when
    /// there is none.
    async fn credential(&self, host: &str) -> Result<Credential>;
}

/// Knows none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

#[async_trait]
impl CredentialSource for NoCredentials {
    async fn credential(&self, _host: &str) -> Result<Credential> {
        Ok(Credential::default())
    }
}

/// Knows the credential of one registry.
#[derive(Debug, Clone)]
pub struct OneCredential {
    host: String,
    credential: Credential,
}

impl OneCredential {
    /// For a registry as references name it.
    #[must_use]
    pub fn new(registry: &str, credential: Credential) -> Self {
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        Self { host: host.to_owned(), credential }
    }
}

#[async_trait]
impl CredentialSource for OneCredential {
    async fn credential(&self, host: &str) -> Result<Credential> {
        Ok(if host == self.host { self.credential.clone() } else { Credential::default() })
    }
}
