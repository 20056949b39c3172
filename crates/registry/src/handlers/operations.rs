//! What operators ask for: life, readiness, metrics; and the access log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use hyper::body::Body as _;

use crate::access::Need;
use crate::metrics::Resource;
use crate::registry::Shared;
use crate::response::{ApiError, ApiResponse, UserName, with_body};
use crate::server::{ClientAddress, Stalled};

/// `GET /healthz`: the process answers. Open to everybody, as readiness is: load balancers have no credentials.
pub(super) async fn health() -> ApiResponse {
    with_body(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")
}

/// How long the database and the blob store may take to be called ready: probes mostly wait little longer.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// `GET /readyz`: the database can be read and written, and the blob store can be reached, without long waits.
pub(super) async fn readiness(State(shared): State<Arc<Shared>>) -> ApiResponse {
    let checks = async { tokio::try_join!(shared.metadata.check(), shared.blobs.check()) };
    match tokio::time::timeout(READY_WITHIN, checks).await {
        Ok(Ok(_)) => return with_body(StatusCode::OK, "text/plain; charset=utf-8", "ok\n"),
        Ok(Err(error)) => tracing::warn!(%error, "the registry is not ready"),
        Err(_) => {
            let waited = READY_WITHIN.as_secs();
            tracing::warn!(
                waited,
                "the registry is not ready: its database or its blob store does not answer"
            );
        }
    }
    let text = "the database or the blob store cannot be used; the log says why\n";
    with_body(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text)
}

/// A path that nothing is at.
pub(super) async fn nothing() -> ApiResponse {
    ApiError::not_found().into_response()
}

/// A path that answers to other methods only.
pub(super) async fn no_such_method(method: Method) -> ApiResponse {
    let message = format!("{method} has no meaning here");
    ApiError::unsupported(StatusCode::METHOD_NOT_ALLOWED, message).into_response()
}

/// `GET /metrics`: for everybody who has an account, because it tells how much is going on; a registry that is open
/// to everybody shows it to everybody. No repository is named in it.
pub(super) async fn metrics(State(shared): State<Arc<Shared>>, request: Request) -> ApiResponse {
    let (parts, _) = request.into_parts();
    if let Err(refused) = shared.access.admit(&parts, &Need::Account).await {
        return refused.into_response();
    }
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    with_body(StatusCode::OK, content_type, shared.metrics.render())
}

/// Counts and logs every request, with the target `tidewaiter_registry::access`.
pub(super) async fn record(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> ApiResponse {
    let started = Instant::now();
    let resource = resource(request.uri().path());
    let method = method_name(request.method());
    let wanted = tracing::enabled!(target: "tidewaiter_registry::access", tracing::Level::INFO);
    let entry = wanted.then(|| Entry::new(&request));
    let stalled = request.extensions().get::<Stalled>().cloned().unwrap_or_default();
    let response = next.run(request).await;
    let took = started.elapsed();
    // The server puts an answer of its own into the place of ours then.
    let status = if stalled.happened() { StatusCode::REQUEST_TIMEOUT } else { response.status() };
    shared.metrics.answered(resource, method, status.as_u16(), took);
    if let Some(entry) = entry {
        entry.log(&response, status, took);
    }
    response
}

/// What the access log says of a request.
struct Entry {
    method: Method,
    path: String,
    client: String,
    user_agent: String,
}

impl Entry {
    fn new(request: &Request) -> Self {
        let header = |name| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or("").to_owned()
        };
        let address = request.extensions().get::<ClientAddress>();
        Self {
            method: request.method().clone(),
            // Without the query: upload sessions and digests stand in it, and clients' secrets may.
            path: request.uri().path().to_owned(),
            client: address.map(|address| address.0.to_string()).unwrap_or_default(),
            user_agent: header(header::USER_AGENT),
        }
    }

    fn log(&self, response: &ApiResponse, status: StatusCode, took: Duration) {
        let user = response.extensions().get::<UserName>();
        tracing::info!(
            target: "tidewaiter_registry::access",
            method = %self.method,
            path = self.path,
            status = status.as_u16(),
            bytes = self.size(response).unwrap_or_else(|| "-".to_owned()),
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            client = self.client,
            user = user.map_or("-", UserName::as_str),
            user_agent = self.user_agent,
        );
    }

    /// Bytes of the answer's body, as far as they are known before it is sent.
    fn size(&self, response: &ApiResponse) -> Option<String> {
        if self.method == Method::HEAD {
            return Some("0".to_owned());
        }
        let length = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        length.map(str::to_owned).or_else(|| Some(response.body().size_hint().exact()?.to_string()))
    }
}

fn resource(path: &str) -> Resource {
    let Some(path) = path.strip_prefix("/v2") else {
        return match path {
            path if path.starts_with("/acr/") => Resource::Acr,
            path if path.starts_with("/oauth2/") => Resource::Token,
            _ => Resource::Other,
        };
    };
    match path {
        "" | "/" => Resource::Ping,
        "/_catalog" => Resource::Catalog,
        path if path.ends_with("/tags/list") => Resource::Tags,
        path if path.contains("/blobs/uploads") => Resource::Upload,
        path => match path.rsplit('/').nth(1) {
            Some("manifests") => Resource::Manifest,
            Some("blobs") => Resource::Blob,
            Some("referrers") => Resource::Referrers,
            _ => Resource::Other,
        },
    }
}

/// Methods that clients make up must not make up labels.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use base64::Engine as _;
    use tidewaiter_db::testing::TempDb;
    use tower::ServiceExt as _;

    use super::*;
    use crate::access::{Rules, Slot};
    use crate::{Anonymous, BlobStore, Clock, Options, Registry};

    #[tokio::test]
    async fn the_log_learns_who_was_refused() {
        let temp = TempDb::new().await;
        let blobs = BlobStore::local(temp.directory.path()).await.expect("a store");
        let options = Options { anonymous: Anonymous::Nothing, ..Options::new(Clock::new(|| 1_000)) };
        let registry = Registry::open(temp.db.clone(), blobs, options).await.expect("opens");
        let rules = Rules::parse(&["repositories/app/content/read"]).expect("valid");
        registry.scope_maps().create("ci", "", &rules).await.expect("a scope map");
        registry.tokens().create("ci", "ci").await.expect("a token");
        let password = registry.tokens().generate_password("ci", Slot::Password1, None).await;
        let password = password.expect("a password").as_str().to_owned();
        for (method, path, password, expected) in [
            ("GET", "/v2/", password.as_str(), (200, Some("ci"))),
            ("GET", "/v2/other/tags/list", &password, (403, Some("ci"))),
            ("PUT", "/v2/app/manifests/v1", &password, (403, Some("ci"))),
            ("DELETE", "/acr/v1/app", &password, (403, Some("ci"))),
            ("DELETE", "/acr/v1/app", "wrong", (401, None)),
        ] {
            let credentials = base64::engine::general_purpose::STANDARD.encode(format!("ci:{password}"));
            let request = Request::builder().method(method).uri(path);
            let request = request.header("authorization", format!("Basic {credentials}"));
            let request = request.body(Body::empty()).expect("a request");
            let response = registry.router().oneshot(request).await.unwrap_or_else(|never| match never {});
            let user = response.extensions().get::<UserName>().map(UserName::as_str);
            assert_eq!((response.status().as_u16(), user), expected, "{method} {path}");
        }
    }
}
