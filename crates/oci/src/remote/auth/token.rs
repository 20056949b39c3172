//! Fetching access tokens: Docker's token specification (GET) and OAuth2 (POST).

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::credentials::Credential;
use crate::error::Result;
use crate::remote::auth::scope::Scopes;
use crate::remote::auth::{basic, bearer};
use crate::remote::call::{Call, Payload};
use crate::remote::client::Client;
use crate::remote::endpoint::Endpoint;
use crate::remote::trust;

/// The most a token server may answer, in bytes.
const MAX_ANSWER: u64 = 128 * 1024;

/// Life of a token whose server does not say, after Docker's specification.
const DEFAULT_LIFE: u64 = 60;

/// An access token.
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// When to fetch another: shortly before it runs out.
    pub(super) refresh_at: Instant,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    /// In seconds; some servers write a text.
    #[serde(default)]
    expires_in: serde_json::Value,
}

/// Fetches a token from the server that a challenge names.
pub(super) async fn fetch(
    client: &Client,
    endpoint: &Endpoint,
    realm: &str,
    service: &str,
    scopes: &Scopes,
    credential: &Credential,
) -> Result<Token> {
    let url = trust::realm(endpoint, realm, client.settings().insecure)?;
    let mut call = if credential.identity_token.is_empty() {
        by_get(endpoint, url, service, scopes, credential)?
    } else {
        by_oauth2(url, service, scopes, &credential.identity_token, &client.settings().client_id)
    };
    call.stay = true;
    call.whole = Some(MAX_ANSWER);
    let asked = Instant::now();
    let answer = client.send_unauthorized(endpoint, call).await?;
    let answer = answer.expect(&[StatusCode::OK]).await?;
    let protocol = answer.protocol_error();
    let body = answer.read_all(MAX_ANSWER).await?;
    let parsed: Answer =
        serde_json::from_slice(&body).map_err(|error| protocol(format!("the token is not JSON: {error}")))?;
    let text = if parsed.access_token.is_empty() { parsed.token } else { parsed.access_token };
    if text.is_empty() {
        return Err(protocol("empty token returned".to_owned()));
    }
    // A window longer than the life would make every token stale at birth.
    let life = match &parsed.expires_in {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let life = Duration::from_secs(life.unwrap_or(DEFAULT_LIFE).min(86_400));
    let early = (life / 10).min(Duration::from_secs(15));
    Ok(Token { header: bearer(endpoint, &text)?, refresh_at: asked + (life - early) })
}

fn by_get(
    endpoint: &Endpoint,
    mut url: Url,
    service: &str,
    scopes: &Scopes,
    credential: &Credential,
) -> Result<Call> {
    {
        let mut query = url.query_pairs_mut();
        if !service.is_empty() {
            query.append_pair("service", service);
        }
        for scope in scopes.texts() {
            query.append_pair("scope", &scope);
        }
    }
    if url.query() == Some("") {
        url.set_query(None);
    }
    let mut call = Call::new(Method::GET, url);
    if !credential.username.is_empty() || !credential.password.is_empty() {
        call.headers.insert(http::header::AUTHORIZATION, basic(endpoint, credential)?);
    }
    Ok(call)
}

fn by_oauth2(url: Url, service: &str, scopes: &Scopes, identity_token: &str, client_id: &str) -> Call {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", identity_token)
        .append_pair("service", service)
        .append_pair("client_id", client_id)
        .extend_pairs(Some(("scope", scopes.texts().join(" "))).filter(|(_, texts)| !texts.is_empty()))
        .finish();
    let mut call = Call::new(Method::POST, url);
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    call.headers.insert(http::header::CONTENT_TYPE, form_type);
    call.body = Payload::Bytes(Bytes::from(form));
    call
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}
