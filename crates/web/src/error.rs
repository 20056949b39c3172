//! Errors as programs and people get them: one JSON shape for the API, one page for the rest.

use askama::Template;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;
use tidewaiter_platform::{Error, ErrorKind};

/// An answer that says what went wrong: `{"error": {"code", "message"}}`.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    /// The caller has shown no valid token or session.
    pub(crate) fn unauthorized() -> Self {
        let message = "send the owner token as `Authorization: Bearer TOKEN`; it is in the file owner-token of \
            the data directory";
        Self { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message: message.to_owned() }
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message }
    }
}

impl From<Error> for ApiError {
    /// What is our own fault is logged in full and told in general terms.
    fn from(error: Error) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::User => (StatusCode::BAD_REQUEST, "bad_request"),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            ErrorKind::Corrupt | ErrorKind::Temporary | ErrorKind::Internal => {
                tracing::error!(%error, "a request failed");
                let message = "the server could not answer; its log says why".to_owned();
                return Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "internal", message };
            }
        };
        Self { status, code, message: error.to_string() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"tidewaiter\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// A page that says what went wrong.
pub(crate) struct PageError(ApiError);

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    title: &'a str,
    text: &'a str,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let ApiError { status, message, .. } = self.0;
        let title = status.canonical_reason().unwrap_or("Error");
        (status, render(&Message { title, text: &message })).into_response()
    }
}

/// Renders a page; templates are checked when this program is built, so that only memory can fail.
pub(crate) fn render(template: &impl Template) -> Response {
    match template.render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The answer to an unknown path of the API.
pub(crate) async fn no_such_endpoint() -> ApiError {
    let message = "there is no such endpoint; see /api/v1/images".to_owned();
    ApiError { status: StatusCode::NOT_FOUND, code: "not_found", message }
}

/// The answer to an unknown page.
pub(crate) async fn no_such_page() -> PageError {
    let message = "There is no such page.".to_owned();
    PageError(ApiError { status: StatusCode::NOT_FOUND, code: "not_found", message })
}
