//! Uploads of blobs: in one request, in chunks, as a stream, by mounting; their status and their end.

use axum::body::Body;
use axum::http::{HeaderName, StatusCode, header};
use http_body_util::BodyDataStream;
use serde_json::json;
use tidewaiter_oci::{Algorithm, Digest, RepositoryName};

use super::{Answer, Call};
use crate::access::Right;
use crate::blobs::{AppendError, Staged};
use crate::registry::Shared;
use crate::response::{ApiError, ApiResponse, DOCKER_CONTENT_DIGEST, empty, set};
use crate::route;
use crate::uploads::{Session, Used};

const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// A mount that names no source looks through this many repositories that hold the blob.
const MOUNT_SOURCES: u32 = 100;

/// `POST …/blobs/uploads/`, with `?mount=&from=`, `?digest=` and the content, or `?digest-algorithm=`
pub(super) async fn begin(call: &Call, body: &mut Body, name: &RepositoryName) -> Answer {
    if let Some(text) = call.query("mount") {
        let digest = route::digest(text)?;
        if mount(call, name, &digest).await? {
            return Ok(created(name, &digest));
        }
    }
    if let Some(text) = call.query("digest").filter(|_| call.query("mount").is_none()) {
        let digest = route::digest(text)?;
        let staged = call.shared.blobs.stage(digest.algorithm()).await?;
        let added = staged.append(0, BodyDataStream::new(body)).await;
        added.map_err(|error| refused(error, None))?;
        keep(&call.shared, name, &staged, &digest).await?;
        return Ok(created(name, &digest));
    }
    let algorithm = match call.query("digest-algorithm").or(call.query("mount")) {
        Some(text) => text.split(':').next().unwrap_or(text).parse().map_err(|_| {
            ApiError::digest_invalid(format!("\"{text}\" is not a known algorithm; sha256 and sha512 are"))
        })?,
        None => Algorithm::default(),
    };
    let staged = call.shared.blobs.stage(algorithm).await?;
    let session = call.shared.uploads.begin(name, staged).ok_or_else(too_many)?;
    Ok(progress(StatusCode::ACCEPTED, &session))
}

/// `GET …/blobs/uploads/<session>`
pub(super) fn status(call: &Call, name: &RepositoryName, id: &str) -> Answer {
    let session = find(call, name, id)?;
    Ok(progress(StatusCode::NO_CONTENT, &session))
}

/// `PATCH …/blobs/uploads/<session>`: a chunk with `Content-Range`, or a stream without.
pub(super) async fn append(call: &Call, body: &mut Body, name: &RepositoryName, id: &str) -> Answer {
    let session = find(call, name, id)?;
    add(call, &session, body).await?;
    // Cancelled or finished by another request, meanwhile.
    if !call.shared.uploads.has(id) {
        return Err(ApiError::upload_unknown(id));
    }
    Ok(progress(StatusCode::ACCEPTED, &session))
}

/// `PUT …/blobs/uploads/<session>?digest=`, with the last chunk, or all of it, or nothing
pub(super) async fn finish(call: &Call, body: &mut Body, name: &RepositoryName, id: &str) -> Answer {
    let session = find(call, name, id)?;
    let text = call.query("digest").unwrap_or("");
    let digest = route::digest(text)?;
    add(call, &session, body).await?;
    // Of two requests that end one session, the first does it.
    if !call.shared.uploads.end(id) {
        return Err(ApiError::upload_unknown(id));
    }
    keep(&call.shared, name, &session.staged, &digest).await?;
    Ok(created(name, &digest))
}

/// `DELETE …/blobs/uploads/<session>`
pub(super) fn cancel(call: &Call, name: &RepositoryName, id: &str) -> Answer {
    let session = find(call, name, id)?;
    call.shared.uploads.end(id);
    session.staged.abandon();
    Ok(empty(StatusCode::NO_CONTENT))
}

fn find(call: &Call, name: &RepositoryName, id: &str) -> Result<Used, ApiError> {
    let session = call.shared.uploads.find(name, id).filter(|session| !session.staged.has_ended());
    session.ok_or_else(|| ApiError::upload_unknown(id))
}

fn too_many() -> ApiError {
    let message = "too many uploads are under way; try again";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message).header(header::RETRY_AFTER, "5")
}

/// Shows a blob of another repository in this one; `false` when there is none that the client may read.
async fn mount(call: &Call, name: &RepositoryName, digest: &Digest) -> Result<bool, ApiError> {
    let shared = &call.shared;
    let sources = match call.query("from") {
        Some(from) => vec![route::repository(from)?],
        None => {
            let holders = shared.metadata.holders(digest, MOUNT_SOURCES).await?;
            holders.iter().filter_map(|holder| holder.parse().ok()).collect()
        }
    };
    // What the client may not read is not there for it.
    let readable = |source: &RepositoryName| call.caller.may(source.as_str(), Right::ContentRead);
    for source in sources.into_iter().filter(readable) {
        let Some(blob) = shared.metadata.blob(&source, digest).await? else { continue };
        if shared.blobs.holds(&blob.object, blob.size).await? {
            return Ok(shared.metadata.link(name, digest, &blob.object, shared.now()).await?);
        }
    }
    Ok(false)
}

/// Where the body of a request belongs.
enum Chunk {
    /// At the end of what is there.
    AtEnd(u64),
    /// Where its `Content-Range` says, which must be the end of what is there, and as long as that says.
    Exactly { position: u64, length: u64 },
}

fn chunk(call: &Call, session: &Session) -> Result<Chunk, ApiError> {
    let size = session.staged.size();
    let Some(text) = call.header(header::CONTENT_RANGE) else { return Ok(Chunk::AtEnd(size)) };
    let range = text.trim_start_matches("bytes").trim_start_matches(['=', ' ']);
    let range = range.split('/').next().unwrap_or(range);
    let parsed = range.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?);
        Some((first, last.checked_sub(first)?.checked_add(1)?))
    });
    let Some((position, length)) = parsed else {
        return Err(ApiError::upload_invalid(format!("Content-Range \"{text}\" is not <first>-<last>")));
    };
    if position != size {
        return Err(out_of_order(session, size));
    }
    let announced = call.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced != length) {
        return Err(wrong_length());
    }
    Ok(Chunk::Exactly { position, length })
}

fn wrong_length() -> ApiError {
    let message = "the chunk is not as long as its Content-Range says; nothing of it was kept";
    ApiError::new(StatusCode::BAD_REQUEST, "SIZE_INVALID", message)
}

fn out_of_order(session: &Session, size: u64) -> ApiError {
    let message = format!("this upload has {size} bytes; the next chunk must begin there");
    ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message)
        .detail(json!({ "received": size }))
        .header(header::LOCATION, location(session))
        .header(header::RANGE, received(size))
        .header(DOCKER_UPLOAD_UUID, session.id.as_str())
}

/// Adds the body of a request to a session.
async fn add(call: &Call, session: &Session, body: &mut Body) -> Result<(), ApiError> {
    let stream = BodyDataStream::new(body);
    let added = match chunk(call, session)? {
        Chunk::AtEnd(position) => session.staged.append(position, stream).await,
        Chunk::Exactly { position, length } => session.staged.append_exactly(position, length, stream).await,
    };
    added.map(|_| ()).map_err(|error| refused(error, Some(session)))
}

fn refused(error: AppendError, session: Option<&Session>) -> ApiError {
    match (error, session) {
        (AppendError::Moved(size), Some(session)) => out_of_order(session, size),
        (AppendError::Ended, Some(session)) => ApiError::upload_unknown(&session.id),
        (AppendError::Moved(_) | AppendError::Ended, None) => {
            ApiError::upload_invalid("the upload has ended")
        }
        (AppendError::Length, _) => wrong_length(),
        (AppendError::Receive(error), _) => {
            tracing::debug!(%error, "an upload was cut off");
            ApiError::upload_invalid("the upload was cut off on its way")
        }
        (AppendError::Store(error), _) => error.into(),
    }
}

/// Makes a finished upload a blob of a repository.
async fn keep(
    shared: &Shared,
    name: &RepositoryName,
    staged: &Staged,
    digest: &Digest,
) -> Result<(), ApiError> {
    let size = match staged.finish(digest).await? {
        Ok(size) => size,
        Err(actual) => return Err(ApiError::digest_mismatch(digest, &actual)),
    };
    let mut replaces = None;
    if let Some((stored, object)) = shared.metadata.stored_blob(digest).await? {
        if !shared.blobs.holds(&object, stored).await? {
            tracing::warn!(%digest, "a blob that had disappeared was pushed again");
            replaces = Some(object);
        } else if shared.metadata.link(name, digest, &object, shared.now()).await? {
            return Ok(());
        }
    }
    let object = shared.blobs.keep(staged, digest).await?;
    shared.metrics.stored_bytes.inc_by(size);
    let added =
        shared.metadata.add_blob(name, digest, size, &object, replaces.as_deref(), shared.now()).await;
    let superfluous = match &added {
        Ok(superfluous) => superfluous.as_deref(),
        Err(_) => Some(object.as_str()),
    };
    if let Some(superfluous) = superfluous
        && let Err(error) = shared.blobs.remove(superfluous).await
    {
        tracing::warn!(%error, "an object that nothing points at is left to the garbage collector");
    }
    added?;
    Ok(())
}

fn location(session: &Session) -> String {
    format!("/v2/{}/blobs/uploads/{}", session.repository, session.id)
}

/// What was received, as clients expect it: `0-<last byte>`, and `0-0` for nothing.
fn received(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

fn progress(status: StatusCode, session: &Session) -> ApiResponse {
    let mut response = empty(status);
    set(&mut response, header::LOCATION, location(session));
    set(&mut response, header::RANGE, received(session.staged.size()));
    set(&mut response, DOCKER_UPLOAD_UUID, session.id.as_str());
    response
}

fn created(name: &RepositoryName, digest: &Digest) -> ApiResponse {
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, header::LOCATION, format!("/v2/{name}/blobs/{digest}"));
    set(&mut response, DOCKER_CONTENT_DIGEST, digest.as_str());
    response
}
