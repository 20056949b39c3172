//! Logging in and out: the owner token, or a link that works once.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tidewaiter_platform::access::SESSION_LIFETIME;
use tidewaiter_platform::clock::SECOND;

use crate::Shared;
use crate::error::{PageError, render};
use crate::session::{COOKIE, cookie};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    message: Option<&'static str>,
}

/// The query of a login link.
#[derive(Deserialize)]
pub(crate) struct Link {
    code: Option<String>,
}

/// The login page; with a code, the login itself.
pub(crate) async fn form(
    State(platform): State<Shared>,
    headers: HeaderMap,
    Query(link): Query<Link>,
) -> Result<Response, PageError> {
    let Some(code) = link.code else {
        return Ok(render(&LoginPage { message: None }));
    };
    match platform.access.redeem(&code).await? {
        Some(secret) => Ok(welcome(&headers, &secret)),
        None => {
            let message = Some("This link was used already, or is too old. Log in with the owner token.");
            Ok((StatusCode::FORBIDDEN, render(&LoginPage { message })).into_response())
        }
    }
}

/// What the login form sends.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    token: String,
}

/// Logs in with the owner token.
pub(crate) async fn submit(
    State(platform): State<Shared>,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Result<Response, PageError> {
    if platform.access.is_owner_token(credentials.token.trim()) {
        return Ok(welcome(&headers, &platform.access.open_session().await?));
    }
    let message = Some("This is not the owner token.");
    Ok((StatusCode::FORBIDDEN, render(&LoginPage { message })).into_response())
}

/// Ends the session.
pub(crate) async fn log_out(
    State(platform): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if let Some(secret) = cookie(&headers) {
        platform.access.close_session(secret).await?;
    }
    Ok(with_cookie(Redirect::to("/login"), &headers, "", 0))
}

fn welcome(headers: &HeaderMap, secret: &str) -> Response {
    with_cookie(Redirect::to("/"), headers, secret, SESSION_LIFETIME / SECOND)
}

/// Sets the session cookie; over HTTPS, ours or that of a proxy in front of us, for HTTPS only.
fn with_cookie(redirect: Redirect, headers: &HeaderMap, secret: &str, seconds: i64) -> Response {
    let mut response = redirect.into_response();
    let is_https = headers.get("x-forwarded-proto").is_some_and(|protocol| protocol == "https");
    let secure = if is_https { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
