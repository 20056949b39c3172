//! How people and programs reach the platform: the API under `/api/v1`, and the pages.
//!
//! [`router`] is all of it. Programs send the owner token as a bearer token; people log in with it, or with a
//! link that works once, and carry a session cookie. Pages work without scripts; a small script keeps them
//! current.

mod api;
mod assets;
mod error;
mod login;
mod pages;
mod session;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use tidewaiter_platform::Platform;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

/// What handlers share.
type Shared = Arc<Platform>;

/// The largest request body, in bytes: people send a token, programs nothing yet.
const MAX_BODY: usize = 64 * 1024;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Nothing from elsewhere, nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Everything under one roof: pages, API, assets, health.
pub fn router(platform: Shared) -> Router {
    let api = Router::new()
        .route("/images", get(api::images::list))
        .route("/images/{digest}/findings", get(api::images::findings))
        .route("/images/{digest}/sbom", get(api::images::sbom))
        .fallback(error::no_such_endpoint)
        .layer(middleware::from_fn_with_state(platform.clone(), session::require_api));
    let pages = Router::new()
        .route("/", get(pages::images))
        .route("/images/{digest}", get(pages::image))
        .route("/images/{digest}/sbom", get(api::images::sbom))
        .layer(middleware::from_fn_with_state(platform.clone(), session::require_page));
    Router::new()
        .nest("/api/v1", api)
        .merge(pages)
        .route("/login", get(login::form).post(login::submit))
        .route("/logout", post(login::log_out))
        .route("/assets/{name}", get(assets::serve))
        .route("/healthz", get(async || Json(serde_json::json!({"status": "ok"}))))
        .fallback(error::no_such_page)
        .with_state(platform)
        .layer(CsrfLayer::new())
        .layer(middleware::from_fn(add_security_headers))
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(CatchPanicLayer::new())
}

async fn add_security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    response
}
