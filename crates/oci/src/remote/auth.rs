//! Who we are to a registry: challenges answered with Basic or with tokens, which are kept per host and scope.
//!
//! Tokens are fetched as Docker's token specification says (GET with Basic), or by OAuth2 (POST) with an
//! identity token, which is how Azure's registry wants it.

pub(super) mod challenge;
pub(super) mod scope;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::credentials::Credential;
use crate::error::{Error, Result};
use crate::remote::client::Client;
use crate::remote::endpoint::Endpoint;
use challenge::Challenge;
use scope::Scopes;
use token::Token;

/// Tokens kept per host; the oldest goes first. A copy of thousands of repositories needs few at a time.
const MAX_TOKENS: usize = 256;

/// What we know of how to authenticate, shared by all requests of a client.
#[derive(Default)]
pub(super) struct Auth {
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

/// What we know of one registry.
#[derive(Default)]
struct Host {
    /// How it wants it, once it has said so.
    challenge: Mutex<Option<Challenge>>,
    credential: tokio::sync::OnceCell<Credential>,
    tokens: Mutex<Vec<(Scopes, Token)>>,
    /// Held while a token is fetched, so that many requests at once fetch one.
    fetching: tokio::sync::Mutex<()>,
}

/// An `Authorization` header, and what it was made from.
#[derive(Clone)]
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
}

impl Auth {
    fn host(&self, endpoint: &Endpoint) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(endpoint.origin()).or_default())
    }

    /// What to send without being asked, from what the registry said before.
    pub(super) async fn known(
        &self,
        client: &Client,
        endpoint: &Endpoint,
        scopes: &Scopes,
    ) -> Result<Option<Authorization>> {
        let host = self.host(endpoint);
        let known = host.challenge.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            None => Ok(None),
            Some(challenge) => host.authorize(client, endpoint, &challenge, scopes, None).await.map(Some),
        }
    }

    /// Answers a challenge. `refused` is what was sent with the request that was challenged.
    pub(super) async fn answer(
        &self,
        client: &Client,
        endpoint: &Endpoint,
        challenge: &Challenge,
        scopes: &Scopes,
        refused: Option<&Authorization>,
    ) -> Result<Option<Authorization>> {
        let host = self.host(endpoint);
        *host.challenge.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge.clone());
        let mut wanted = scopes.clone();
        if let Challenge::Bearer { scope, .. } = challenge {
            wanted.add(scope);
        }
        let refused = refused.map(|authorization| &authorization.header);
        let authorization = host.authorize(client, endpoint, challenge, &wanted, refused).await?;
        // The same again would be refused again.
        Ok(Some(authorization).filter(|authorization| Some(&authorization.header) != refused))
    }
}

impl Host {
    async fn credential(&self, client: &Client, endpoint: &Endpoint) -> Result<&Credential> {
        let source = &client.settings().credentials;
        self.credential.get_or_try_init(|| source.credential(endpoint.host())).await
    }

    async fn authorize(
        &self,
        client: &Client,
        endpoint: &Endpoint,
        challenge: &Challenge,
        scopes: &Scopes,
        refused: Option<&HeaderValue>,
    ) -> Result<Authorization> {
        let credential = self.credential(client, endpoint).await?;
        let header = match challenge {
            Challenge::Basic => basic(endpoint, credential)?,
            Challenge::Bearer { .. } if !credential.registry_token.is_empty() => {
                bearer(endpoint, &credential.registry_token)?
            }
            Challenge::Bearer { realm, service, .. } => {
                let usable = |header: &HeaderValue| Some(header) != refused;
                if let Some(header) = self.cached(scopes).filter(&usable) {
                    return Ok(Authorization { header });
                }
                let _fetching = self.fetching.lock().await;
                // Somebody may have fetched it while we waited.
                if let Some(header) = self.cached(scopes).filter(&usable) {
                    return Ok(Authorization { header });
                }
                let token = token::fetch(client, endpoint, realm, service, scopes, credential).await?;
                let header = token.header.clone();
                self.keep(scopes.clone(), token);
                header
            }
        };
        Ok(Authorization { header })
    }

    fn cached(&self, scopes: &Scopes) -> Option<HeaderValue> {
        let now = Instant::now();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|(_, token)| now < token.refresh_at);
        let found = tokens.iter().rev().find(|(own, _)| own.cover(scopes));
        found.map(|(_, token)| token.header.clone())
    }

    fn keep(&self, scopes: Scopes, token: Token) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|(own, _)| *own != scopes);
        if tokens.len() >= MAX_TOKENS {
            tokens.remove(0);
        }
        tokens.push((scopes, token));
    }
}

/// `Basic` of user name and password.
fn basic(endpoint: &Endpoint, credential: &Credential) -> Result<HeaderValue> {
    if credential.username.is_empty() || credential.password.is_empty() {
        return Err(Error::MissingCredential { host: endpoint.host().to_owned() });
    }
    let pair = STANDARD.encode(format!("{}:{}", credential.username, credential.password));
    secret_header(endpoint, format!("Basic {pair}"))
}

fn bearer(endpoint: &Endpoint, token: &str) -> Result<HeaderValue> {
    secret_header(endpoint, format!("Bearer {token}"))
}

fn secret_header(endpoint: &Endpoint, text: String) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(text).map_err(|_| Error::Config {
        what: format!("credential of {}", endpoint.host()),
        reason: "it has characters that cannot be sent".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}
