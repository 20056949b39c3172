//! Who asks: a bearer token, or the cookie of a session.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tidewaiter_platform::Result;

use crate::Shared;
use crate::error::{ApiError, PageError};

/// Name of the session cookie.
pub(crate) const COOKIE: &str = "tidewaiter_session";

/// The secret in the session cookie.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

async fn is_known(platform: &Shared, headers: &HeaderMap) -> Result<bool> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    if bearer.is_some_and(|token| platform.access.is_owner_token(token)) {
        return Ok(true);
    }
    match cookie(headers) {
        Some(secret) => platform.access.is_session(secret).await,
        None => Ok(false),
    }
}

/// Lets a program through, or answers 401.
pub(crate) async fn require_api(State(platform): State<Shared>, request: Request, next: Next) -> Response {
    match is_known(&platform, request.headers()).await {
        Ok(true) => next.run(request).await,
        Ok(false) => ApiError::unauthorized().into_response(),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// Lets a person through, or sends them to log in.
pub(crate) async fn require_page(State(platform): State<Shared>, request: Request, next: Next) -> Response {
    match is_known(&platform, request.headers()).await {
        Ok(true) => next.run(request).await,
        Ok(false) => Redirect::to("/login").into_response(),
        Err(error) => PageError::from(error).into_response(),
    }
}
