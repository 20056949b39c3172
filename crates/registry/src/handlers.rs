//! The HTTP side: one module per resource of the distribution specification.
//!
//! Every request under `/v2/` comes through [`dispatch`], which reads the path ([`crate::route`]) and hands a
//! [`Call`] to the resource.

mod acr;
mod blobs;
mod catalog;
mod manifests;
mod operations;
mod referrers;
mod tags;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{Method, StatusCode, Version, request};
use axum::middleware;
use axum::routing::{any, get};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use serde_json::json;

use crate::access::{Caller, Need, Right, oauth2};
use crate::events::Origin;
use crate::registry::Shared;
use crate::response::{ApiError, ApiResponse, json_response, set, set_user};
use crate::route::Route;

/// What a handler gives.
type Answer = Result<ApiResponse, ApiError>;

/// Tells clients that this is a registry.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// How much of an unwanted body is read, and for how long.
const DRAIN_LIMIT: usize = 16 * 1024 * 1024;
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// A request, read as far as all handlers need it.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) caller: Caller,
    query: Vec<(String, String)>,
}

impl Call {
    /// Finds out who sends it, and refuses what they may not do before anything is looked up.
    async fn admit(
        shared: Arc<Shared>,
        parts: request::Parts,
        need: impl FnOnce(&[(String, String)]) -> Need,
    ) -> Result<Self, ApiError> {
        let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes());
        let query: Vec<_> = query.into_owned().collect();
        let caller = shared.access.admit(&parts, &need(&query)).await?;
        Ok(Self { shared, method: parts.method, headers: parts.headers, caller, query })
    }

    /// The first value of a query parameter.
    pub(crate) fn query(&self, name: &'static str) -> Option<&str> {
        self.query_all(name).next()
    }

    /// All values of a query parameter.
    pub(crate) fn query_all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header as text; one that is not text is none.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What the client tells of itself, for events.
    pub(crate) fn origin(&self) -> Origin {
        let text = |name| self.header(name).unwrap_or("").to_owned();
        Origin {
            id: format!("{:032x}", rand::random::<u128>()),
            host: text(header::HOST),
            method: self.method.to_string(),
            user_agent: text(header::USER_AGENT),
            user: self.caller.name().map(str::to_owned),
        }
    }

    /// The size of a page that the client asks for with `n`.
    pub(crate) fn page_size(&self) -> Result<Option<u32>, ApiError> {
        let Some(text) = self.query("n") else { return Ok(None) };
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("n={text} is not a number of entries");
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", message));
        }
        // Whatever is more than there is means all.
        Ok(Some(text.parse().unwrap_or(u32::MAX)))
    }

    fn is_read(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}

/// All paths of the registry.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v2", any(dispatch))
        .route("/v2/", any(dispatch))
        .route("/v2/{*rest}", any(dispatch))
        .route("/acr/v1/{*rest}", any(acr::dispatch))
        .fallback(operations::nothing)
        .route("/healthz", get(operations::health))
        .route("/readyz", get(operations::readiness))
        .route("/metrics", get(operations::metrics))
        .with_state(Arc::clone(&shared))
        .merge(oauth2::router(Arc::clone(&shared.access)))
        .method_not_allowed_fallback(operations::no_such_method)
        .layer(middleware::from_fn_with_state(shared, operations::record))
}

async fn dispatch(State(shared): State<Arc<Shared>>, request: Request) -> ApiResponse {
    let (parts, mut body) = request.into_parts();
    let method = parts.method.clone();
    let version = parts.version;
    let expects_leave = parts.headers.contains_key(header::EXPECT);
    // Once only: repositories may be called `v2ray/core`.
    let path = parts.uri.path();
    let path = path.strip_prefix("/v2").map_or(path, |rest| rest.strip_prefix('/').unwrap_or(rest));
    let route = Route::parse(path);
    let mut user = None;
    let answer = async {
        let route = route?.ok_or_else(ApiError::not_found)?;
        let call = Call::admit(shared, parts, |query| need(&route, &method, query)).await?;
        user = call.caller.name().map(str::to_owned);
        handle(&call, &mut body, route).await
    }
    .await;
    let mut response = answer.unwrap_or_else(ApiError::into_response);
    set_user(&mut response, user);
    set(&mut response, API_VERSION, "registry/2.0");
    // A client that still sends may see its connection break before it sees our answer. One that asked for leave
    // to send has not been given it.
    if !expects_leave {
        drain(&mut body).await;
    }
    if !body.is_end_stream() && version < Version::HTTP_2 {
        set(&mut response, header::CONNECTION, "close");
    }
    response
}

/// Reads what is left of a body that an answer did not need, if it is not much.
async fn drain(body: &mut Body) {
    let rest = async {
        let mut size = 0;
        while size < DRAIN_LIMIT
            && let Some(Ok(frame)) = body.frame().await
        {
            size += frame.data_ref().map_or(0, bytes::Bytes::len);
        }
    };
    // What takes longer is not worth waiting for.
    let _ = tokio::time::timeout(DRAIN_PATIENCE, rest).await;
}

/// What somebody must be allowed to be answered.
fn need(route: &Route, method: &Method, query: &[(String, String)]) -> Need {
    let (name, right) = match (route, method) {
        (Route::Ping | Route::Extensions, _) => return Need::Introduction,
        (Route::Catalog, _) => return Need::Listing,
        (Route::Tags(name), _) => (name, Right::MetadataRead),
        (Route::Referrers(name, _), _) => (name, Right::ContentRead),
        (Route::Uploads(name), &Method::POST) if mount_source(query).is_some_and(|from| from != *name) => {
            let from = mount_source(query).unwrap_or_else(|| name.clone());
            return Need::Mount { into: name.clone(), from };
        }
        // An upload that somebody cancels is their own; its status is nobody else's business.
        (Route::Uploads(name) | Route::Upload(name, _), _) => (name, Right::ContentWrite),
        (Route::Manifest(name, _) | Route::Blob(name, _), &Method::GET | &Method::HEAD) => {
            (name, Right::ContentRead)
        }
        (Route::Manifest(name, _) | Route::Blob(name, _), &Method::DELETE) => (name, Right::ContentDelete),
        (Route::Manifest(name, _) | Route::Blob(name, _), _) => (name, Right::ContentWrite),
    };
    Need::Repository(name.clone(), right)
}

/// The repository that a blob is to be mounted from.
fn mount_source(query: &[(String, String)]) -> Option<tidewaiter_oci::RepositoryName> {
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    value("mount").and(value("from"))?.parse().ok()
}

async fn handle(call: &Call, body: &mut Body, route: Route) -> Answer {
    let method = call.method.clone();
    if !call.is_read() {
        check_writable(call)?;
    }
    match (route, method) {
        (Route::Ping, Method::GET | Method::HEAD) => Ok(json_response(StatusCode::OK, &json!({}))),
        (Route::Extensions, Method::GET | Method::HEAD) => catalog::extensions(),
        (Route::Catalog, Method::GET | Method::HEAD) => catalog::page(call, "/v2/_catalog").await,
        (Route::Tags(name), Method::GET | Method::HEAD) => tags::list(call, &name).await,
        (Route::Referrers(name, digest), Method::GET | Method::HEAD) => {
            referrers::list(call, &name, &digest).await
        }
        (Route::Manifest(name, target), Method::GET | Method::HEAD) => {
            manifests::get(call, &name, &target).await
        }
        (Route::Manifest(name, target), Method::PUT) => manifests::put(call, body, &name, target).await,
        (Route::Manifest(name, target), Method::DELETE) => manifests::delete(call, &name, target).await,
        (Route::Blob(name, digest), Method::GET) => blobs::get(call, &name, &digest).await,
        (Route::Blob(name, digest), Method::HEAD) => blobs::head(call, &name, &digest).await,
        (Route::Blob(name, digest), Method::DELETE) => blobs::delete(call, &name, &digest).await,
        (Route::Uploads(name), Method::POST) => uploads::begin(call, body, &name).await,
        (Route::Upload(name, id), Method::GET | Method::HEAD) => uploads::status(call, &name, &id),
        (Route::Upload(name, id), Method::PATCH) => uploads::append(call, body, &name, &id).await,
        (Route::Upload(name, id), Method::PUT) => uploads::finish(call, body, &name, &id).await,
        (Route::Upload(name, id), Method::DELETE) => uploads::cancel(call, &name, &id),
        (route, method) => Err(wrong_method(&route, &method)),
    }
}

fn wrong_method(route: &Route, method: &Method) -> ApiError {
    let allowed = match route {
        Route::Ping | Route::Catalog | Route::Extensions | Route::Tags(_) | Route::Referrers(..) => {
            "GET, HEAD"
        }
        Route::Manifest(..) => "GET, HEAD, PUT, DELETE",
        Route::Blob(..) => "GET, HEAD, DELETE",
        Route::Uploads(_) => "POST",
        Route::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
    };
    ApiError::unsupported(StatusCode::METHOD_NOT_ALLOWED, format!("{method} has no meaning here"))
        .header(header::ALLOW, allowed)
}

/// Refuses changes where they are switched off.
fn check_writable(call: &Call) -> Result<(), ApiError> {
    if call.shared.options.read_only {
        return Err(ApiError::unsupported(StatusCode::METHOD_NOT_ALLOWED, "this registry is read-only"));
    }
    Ok(())
}

/// Refuses deletes where they are switched off.
fn check_deletes(call: &Call) -> Result<(), ApiError> {
    if call.shared.options.deletes {
        return Ok(());
    }
    let message = "deleting is switched off in this registry";
    Err(ApiError::unsupported(StatusCode::METHOD_NOT_ALLOWED, message))
}

/// The client has this content already (`If-None-Match`).
fn is_known(call: &Call, digest: &tidewaiter_oci::Digest) -> bool {
    let tags = call.header(header::IF_NONE_MATCH).unwrap_or("");
    tags.split(',').any(|tag| tag.trim().trim_start_matches("W/").trim_matches('"') == digest.as_str())
}
