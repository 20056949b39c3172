//! A registry as a whole: is it there, may we in, what repositories does it have.

use std::sync::Arc;

use http::{Method, StatusCode};

use crate::error::{Error, Result};
use crate::reference::RepositoryName;
use crate::remote::auth::scope::Scopes;
use crate::remote::call::Call;
use crate::remote::client::Client;
use crate::remote::endpoint::Endpoint;
use crate::remote::repository::Repository;
use crate::remote::tags::Pages;

/// A registry.
#[derive(Debug, Clone)]
pub struct Registry {
    client: Client,
    name: Arc<str>,
    endpoint: Arc<Endpoint>,
}

impl Registry {
    pub(super) fn new(client: Client, name: &str, endpoint: Endpoint) -> Self {
        Self { client, name: name.into(), endpoint: Arc::new(endpoint) }
    }

    /// Its host and optional port, as typed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One of its repositories.
    #[must_use]
    pub fn repository(&self, name: RepositoryName) -> Repository {
        Repository::new(self.client.clone(), Arc::clone(&self.endpoint), Arc::clone(&self.name), name)
    }

    /// Asks whether the registry is there and lets us in with the credentials we have: what `login` checks.
    pub async fn ping(&self) -> Result<()> {
        let call = Call::new(Method::GET, self.endpoint.url(""));
        let answer = self.client.send(&self.endpoint, call).await?;
        match answer.status() {
            StatusCode::OK => {
                answer.discard().await;
                Ok(())
            }
            StatusCode::NOT_FOUND => {
                answer.discard().await;
                Err(Error::not_found(format!("{}: the registry API", self.name)))
            }
            _ => Err(answer.into_error().await),
        }
    }

    /// The registry's repositories, in its order, after `last` when one is given. Registries often keep this
    /// from anonymous or unprivileged callers.
    #[must_use]
    pub fn catalog(&self, last: Option<&str>) -> Pages {
        let url = self.endpoint.url("_catalog");
        Pages::new(self.client.clone(), (*self.endpoint).clone(), Scopes::catalog(), url, last)
    }
}
