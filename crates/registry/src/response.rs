//! Answers: errors in the registry's JSON codes, pages with `Link`, headers that clients depend on.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use tidewaiter_oci::{Digest, RepositoryName};

use crate::error::{Error, ErrorKind};

/// An answer.
pub(crate) type ApiResponse = Response<Body>;

/// Most characters of a repository's name, by the distribution specification.
const MAX_NAME: usize = 255;

/// Most characters that are shown of what somebody made up: more than any valid tag has.
const SHOWN: usize = 150;

/// The header that says what was stored or sent.
pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Who sent a request: an extension of the answer, for the log.
#[derive(Debug, Clone)]
pub(crate) struct UserName(String);

impl UserName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a client made up, cut to what a line of a log or an answer has room for.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// Leaves it with the answer who sent the request, when that is known.
pub(crate) fn set_user(response: &mut ApiResponse, name: Option<String>) {
    if let Some(name) = name {
        response.extensions_mut().insert(UserName(name));
    }
}

/// An error answer: `{"errors": [{"code", "message", "detail"}]}`.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Option<Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Who is refused, for the log.
    user: Option<Box<str>>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None, headers: Vec::new(), user: None }
    }

    pub(crate) fn detail(mut self, detail: Value) -> Self {
        self.detail = Some(detail);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.push((name, value));
        }
        self
    }

    /// Says who is refused, when they proved who they are.
    pub(crate) fn refusing(mut self, name: Option<&str>) -> Self {
        self.user = name.map(Into::into);
        self
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn name_invalid(name: &str) -> Self {
        let (length, shown) = (name.len(), shortened(name));
        let message = if length > MAX_NAME {
            format!("a repository name has at most {MAX_NAME} characters, and \"{shown}\" has {length}")
        } else {
            format!(
                "\"{shown}\" is not a repository name: lower-case letters and digits, separated by . _ - and /"
            )
        };
        Self::new(StatusCode::BAD_REQUEST, "NAME_INVALID", message).detail(json!({ "name": shown }))
    }

    pub(crate) fn name_unknown(name: &str) -> Self {
        let message = format!("repository \"{name}\" is not found");
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", message).detail(json!({ "name": name }))
    }

    pub(crate) fn tag_invalid(tag: &str) -> Self {
        let tag = shortened(tag);
        let message =
            format!("\"{tag}\" is not a tag: up to 128 letters, digits and . _ -, not beginning with . or -");
        Self::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message).detail(json!({ "tag": tag }))
    }

    pub(crate) fn digest_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    pub(crate) fn digest_mismatch(expected: &Digest, actual: &Digest) -> Self {
        Self::digest_invalid(format!(
            "the content has digest {actual}, not {expected}: it was damaged or cut off"
        ))
        .detail(json!({ "expected": expected.as_str(), "actual": actual.as_str() }))
    }

    pub(crate) fn blob_unknown(digest: &Digest) -> Self {
        let message = format!("blob {digest} is not in this repository");
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", message).detail(json!({ "digest": digest.as_str() }))
    }

    pub(crate) fn manifest_unknown(name: &RepositoryName, reference: &str) -> Self {
        let reference = shortened(reference);
        let message = format!("manifest {reference} is not in repository \"{name}\"");
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", message)
            .detail(json!({ "name": name.as_str(), "reference": reference }))
    }

    pub(crate) fn upload_unknown(id: &str) -> Self {
        let message =
            "this upload is not known: it has ended, was cancelled, or was idle for too long; start again";
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", message)
            .detail(json!({ "upload": shortened(id) }))
    }

    pub(crate) fn upload_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message)
    }

    pub(crate) fn unsupported(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "UNSUPPORTED", message)
    }

    pub(crate) fn not_found() -> Self {
        Self::unsupported(StatusCode::NOT_FOUND, "there is nothing at this path")
    }

    pub(crate) fn into_response(self) -> ApiResponse {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(detail), Some(error)) = (self.detail, error.as_object_mut()) {
            error.insert("detail".to_owned(), detail);
        }
        let mut response = json_response(self.status, &json!({ "errors": [error] }));
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        set_user(&mut response, self.user.map(String::from));
        response
    }
}

impl From<Error> for ApiError {
    /// What went wrong inside is logged; the client learns whether to come back.
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Full => {
                tracing::error!(%error, "the disk is full");
                let message = "the registry has no space left; nothing was stored";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "DENIED", message)
            }
            ErrorKind::Temporary => {
                tracing::warn!(%error, "a request failed for now");
                let message = "the registry cannot do this right now; try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
                    .header(header::RETRY_AFTER, "1")
            }
            ErrorKind::NotFound | ErrorKind::User | ErrorKind::Config | ErrorKind::Internal => {
                tracing::error!(%error, "a request failed");
                let message = "the registry failed; its log says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message)
            }
        }
    }
}

/// A JSON answer.
pub(crate) fn json_response(status: StatusCode, value: &impl Serialize) -> ApiResponse {
    // Only maps with keys that are no text cannot be written, and none of ours are.
    with_body(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

/// An answer with a body.
pub(crate) fn with_body(status: StatusCode, content_type: &str, body: impl Into<Body>) -> ApiResponse {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, content_type);
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> ApiResponse {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

/// Sets a header. A value that cannot stand in one is left out.
pub(crate) fn set(response: &mut ApiResponse, name: HeaderName, value: impl TryInto<HeaderValue>) {
    if let Ok(value) = value.try_into() {
        response.headers_mut().insert(name, value);
    }
}

/// Says that a next page is at this path.
pub(crate) fn set_next(response: &mut ApiResponse, path: &str) {
    set(response, header::LINK, format!("<{path}>; rel=\"next\""));
}

/// Escapes a value for a query.
pub(crate) fn query_value(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}
