//! Blobs: get whole or in ranges, ask for, delete.

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use tidewaiter_oci::{Digest, RepositoryName, media_type};

use super::{Answer, Call, check_deletes, is_known};
use crate::blobs::Content;
use crate::collect::SEEN_EVERY;
use crate::error::ErrorKind;
use crate::metadata::BlobRecord;
use crate::response::{ApiError, ApiResponse, DOCKER_CONTENT_DIGEST, empty, set, with_body};

/// Content never changes under its digest.
const FOREVER: &str = "max-age=31536000, immutable";

/// `GET …/blobs/<digest>`
pub(super) async fn get(call: &Call, name: &RepositoryName, digest: &Digest) -> Answer {
    let unknown = || ApiError::blob_unknown(digest);
    let blob = call.shared.metadata.blob(name, digest).await?.ok_or_else(unknown)?;
    if is_known(call, digest) {
        return Ok(described(empty(StatusCode::NOT_MODIFIED), digest));
    }
    let size = blob.size;
    let range = call.header(header::RANGE).filter(|_| may_be_continued(call, digest));
    let (status, range) = match range.map_or(Asked::Whole, |text| parse_range(text, size)) {
        Asked::Whole => (StatusCode::OK, 0..size),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Unsatisfiable => {
            let message = format!("the blob has {size} bytes; the range asked for lies outside");
            return Err(ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", message)
                .header(header::CONTENT_RANGE, format!("bytes */{size}")));
        }
    };
    let body = read(call, digest, &blob, range.clone()).await?;
    let mut response = described(with_body(status, media_type::OCTET_STREAM, body), digest);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        set(&mut response, header::CONTENT_RANGE, text);
    }
    Ok(response)
}

/// `HEAD …/blobs/<digest>`. A client that is told that the blob is there will not send it: so its file is looked
/// for, and the blob's grace period starts anew.
pub(super) async fn head(call: &Call, name: &RepositoryName, digest: &Digest) -> Answer {
    let shared = &call.shared;
    let unknown = || ApiError::blob_unknown(digest);
    let blob = shared.metadata.blob(name, digest).await?.ok_or_else(unknown)?;
    if !shared.blobs.holds(&blob.object, blob.size).await? {
        tracing::error!(%digest, object = blob.object, "a blob has disappeared from the store");
        return Err(unknown());
    }
    let now = shared.now();
    let noted = i64::try_from(SEEN_EVERY.as_micros()).unwrap_or(i64::MAX);
    if blob.seen_at < now.saturating_sub(noted) && !shared.options.read_only {
        shared.metadata.blob_seen(&blob, digest, now).await?;
    }
    let mut response = described(with_body(StatusCode::OK, media_type::OCTET_STREAM, Body::empty()), digest);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(blob.size));
    Ok(response)
}

/// `DELETE …/blobs/<digest>`
pub(super) async fn delete(call: &Call, name: &RepositoryName, digest: &Digest) -> Answer {
    check_deletes(call)?;
    let shared = &call.shared;
    if shared.with_kept_room(|| shared.metadata.unlink(name, digest)).await? {
        Ok(empty(StatusCode::ACCEPTED))
    } else {
        Err(ApiError::blob_unknown(digest))
    }
}

fn described(mut response: ApiResponse, digest: &Digest) -> ApiResponse {
    set(&mut response, DOCKER_CONTENT_DIGEST, digest.as_str());
    set(&mut response, header::ETAG, format!("\"{digest}\""));
    set(&mut response, header::CACHE_CONTROL, FOREVER);
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    response
}

/// Bytes of a blob, small ones from memory.
async fn read(call: &Call, digest: &Digest, blob: &BlobRecord, range: Range<u64>) -> Result<Body, ApiError> {
    let shared = &call.shared;
    let cached = shared.cache.takes(blob.size);
    if cached && let Some(bytes) = shared.cache.get(digest) {
        return Ok(Body::from(part(&bytes, &range)));
    }
    let wanted = if cached { 0..blob.size } else { range.clone() };
    match shared.blobs.read(&blob.object, wanted).await {
        Ok(Content::Bytes(bytes)) if cached => {
            shared.cache.insert(digest, bytes.clone());
            Ok(Body::from(part(&bytes, &range)))
        }
        Ok(Content::Bytes(bytes)) => Ok(Body::from(bytes)),
        Ok(content) if cached => {
            let bytes = content.collect().await.map_err(|error| lost(digest, &error))?;
            shared.cache.insert(digest, bytes.clone());
            Ok(Body::from(part(&bytes, &range)))
        }
        Ok(Content::Stream(stream)) => Ok(Body::from_stream(stream)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(lost(digest, &error)),
        Err(error) => Err(error.into()),
    }
}

fn part(bytes: &bytes::Bytes, range: &Range<u64>) -> bytes::Bytes {
    let limit = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(limit(range.start)..limit(range.end))
}

/// The database knows a blob whose content is not there. Pushing it again heals it.
fn lost(digest: &Digest, error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(%digest, %error, "a blob has disappeared from the store; push it again");
    ApiError::blob_unknown(digest)
}

/// The client has a part of this content, if it has one (`If-Range`, RFC 9110, section 13.1.5). Dates never match: blobs
/// are not sent with any.
fn may_be_continued(call: &Call, digest: &Digest) -> bool {
    let condition = call.headers.get(header::IF_RANGE);
    condition.is_none_or(|tag| tag.as_bytes().trim_ascii() == format!("\"{digest}\"").as_bytes())
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Unsatisfiable,
}

/// Reads a `Range` header (RFC 9110, section 14.2). Several ranges, or what is none, mean the whole; so says the
/// standard. An inverted range means nothing there, and is refused as clients expect.
fn parse_range(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-'))
    else {
        return Asked::Whole;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..size.min(last.saturating_add(1)),
        (Ok(_), Ok(_)) => return Asked::Unsatisfiable,
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
        _ => return Asked::Whole,
    };
    if range.is_empty() { Asked::Unsatisfiable } else { Asked::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let check = |text: &str, expected: Asked| assert_eq!(parse_range(text, 2048), expected, "{text}");
        check("bytes=500-1499", Asked::Part(500..1500));
        check("bytes=500-", Asked::Part(500..2048));
        check("bytes=-500", Asked::Part(1548..2048));
        check("bytes=-5000", Asked::Part(0..2048));
        check("bytes=2000-5000", Asked::Part(2000..2048));
        check("bytes=0-0", Asked::Part(0..1));
        check("bytes=0-18446744073709551615", Asked::Part(0..2048));
        check("bytes=500-0", Asked::Unsatisfiable);
        check("bytes=2048-", Asked::Unsatisfiable);
        check("bytes=5000-10000", Asked::Unsatisfiable);
        check("bytes=-0", Asked::Unsatisfiable);
        for whole in ["bytes=0-1,3-4", "lines=1-2", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-b", ""] {
            check(whole, Asked::Whole);
        }
        assert_eq!(parse_range("bytes=-5", 0), Asked::Unsatisfiable);
    }
}
