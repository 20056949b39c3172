//! The token service: Docker's token protocol and the two calls of ACR's.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::json;

use super::parse_form;
use crate::access::bearer::ACCESS_SECONDS;
use crate::access::{Caller, Scope, basic};
use crate::registry::Shared;
use crate::response::{ApiError, ApiResponse, json_response};

/// Forms are short.
const FORM_LIMIT: usize = 64 * 1024;

/// A token request: query or form.
struct TokenRequest {
    values: Vec<(String, String)>,
    /// User and password of the `Authorization` header.
    credentials: Option<(String, String)>,
}

impl TokenRequest {
    async fn read(parts: &Parts, body: Body) -> Result<Self, ApiError> {
        let mut values = parse_form(parts.uri.query().unwrap_or(""));
        if parts.method == Method::POST {
            let body = Limited::new(body, FORM_LIMIT).collect().await;
            let body = body.map_err(|_| invalid("the form is too long or was cut off"))?.to_bytes();
            values.extend(parse_form(&String::from_utf8_lossy(&body)));
        }
        let credentials = match parts.headers.get(header::AUTHORIZATION) {
            Some(value) => {
                let value = value.to_str().unwrap_or("");
                let (_, encoded) = value
                    .split_once(' ')
                    .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
                    .ok_or_else(|| invalid("the token service takes Basic credentials"))?;
                Some(basic(encoded).ok_or_else(|| invalid("the Basic credentials cannot be read"))?)
            }
            None => None,
        };
        Ok(Self { values, credentials })
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All scopes; one parameter may hold several, separated by spaces.
    fn scopes(&self) -> Vec<Scope> {
        let given = self.values.iter().filter(|(key, _)| key == "scope");
        given.flat_map(|(_, value)| value.split(' ')).filter_map(Scope::parse).collect()
    }

    /// Who asks: by header, by password or by refresh token; `None` is nobody.
    async fn caller(&self, shared: &Shared) -> Result<Option<Caller>, ApiError> {
        let (access, now) = (&shared.access, shared.now());
        let wrong = || ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "the credentials are wrong");
        let caller = match (self.value("grant_type"), &self.credentials) {
            (_, Some((user, password))) => access.principal(user, password, now).await?,
            (Some("password"), None) => {
                let (user, password) = (self.value("username"), self.value("password"));
                let (user, password) = user
                    .zip(password)
                    .ok_or_else(|| invalid("grant_type=password needs username and password"))?;
                access.principal(user, password, now).await?
            }
            (Some("refresh_token" | "access_token_refresh_token"), None) => {
                let token = self
                    .value("refresh_token")
                    .ok_or_else(|| invalid("there is no refresh_token in the form"))?;
                access.refreshed(token, now).await?
            }
            (Some(other), None) => {
                return Err(invalid(format!(
                    "grant_type={other} is not supported; password and refresh_token are"
                )));
            }
            (None, None) => return Ok(None),
        };
        caller.map(Some).ok_or_else(wrong)
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message)
}

/// `GET /oauth2/token?service=&scope=` with Basic credentials or none, and `POST /oauth2/token` with a form
pub(super) async fn token(State(shared): State<Arc<Shared>>, request: Request) -> ApiResponse {
    let (parts, body) = request.into_parts();
    give_token(&shared, &parts, body).await.unwrap_or_else(ApiError::into_response)
}

async fn give_token(shared: &Shared, parts: &Parts, body: Body) -> Result<ApiResponse, ApiError> {
    let request = TokenRequest::read(parts, body).await?;
    let access = &shared.access;
    let caller = match request.caller(shared).await? {
        Some(caller) => caller,
        None if access.admits_anonymous() => access.anonymous(),
        None => {
            let message = "authentication required";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
                .header(header::WWW_AUTHENTICATE, "Basic realm=\"Tidewaiter\""));
        }
    };
    let now = shared.now();
    let service = request.value("service").unwrap_or("");
    let token = access.keys.sign_access(&caller, service, &request.scopes(), now);
    let issued = jiff::Timestamp::from_microsecond(now).unwrap_or_default();
    let mut answer = json!({
        "access_token": token,
        "token": token,
        "expires_in": ACCESS_SECONDS,
        "issued_at": format!("{issued:.0}"),
    });
    let wants_refresh =
        request.value("offline_token") == Some("true") || request.value("access_type") == Some("offline");
    if caller.name.is_some() && wants_refresh {
        answer["refresh_token"] = json!(access.keys.sign_refresh(&caller, service, now));
    }
    Ok(json_response(StatusCode::OK, &answer))
}

/// `POST /oauth2/exchange`: credentials or a refresh token for a refresh token
pub(super) async fn exchange(State(shared): State<Arc<Shared>>, request: Request) -> ApiResponse {
    let (parts, body) = request.into_parts();
    exchange_token(&shared, &parts, body).await.unwrap_or_else(ApiError::into_response)
}

async fn exchange_token(shared: &Shared, parts: &Parts, body: Body) -> Result<ApiResponse, ApiError> {
    let request = TokenRequest::read(parts, body).await?;
    let caller =
        request.caller(shared).await?.ok_or_else(|| invalid("there is no grant_type in the form"))?;
    let service = request.value("service").unwrap_or("");
    let token = shared.access.keys.sign_refresh(&caller, service, shared.now());
    Ok(json_response(StatusCode::OK, &json!({ "refresh_token": token })))
}
