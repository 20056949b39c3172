//! What refers to a manifest.

use axum::http::{HeaderName, StatusCode};
use bytes::{BufMut as _, BytesMut};
use tidewaiter_oci::{Digest, RepositoryName, media_type};

use super::{Answer, Call};
use crate::metadata::{ReferrerCursor, ReferrerQuery};
use crate::response::{ApiError, query_value, set, set_next, with_body};

/// Descriptors of a page when the client does not say how many it wants.
const PAGE: u32 = 1000;
/// Most bytes of a page: clients read no larger index.
const PAGE_BYTES: u64 = 3 * 1024 * 1024;
/// Says that the list was filtered.
const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// `GET …/referrers/<digest>?artifactType=&n=&last=`: always an index, an empty one for what is not known.
pub(super) async fn list(call: &Call, name: &RepositoryName, subject: &Digest) -> Answer {
    if !call.shared.options.referrers {
        return Err(ApiError::unsupported(StatusCode::NOT_FOUND, "this registry has no referrers API"));
    }
    let artifact_type = call.query("artifactType").filter(|artifact_type| !artifact_type.is_empty());
    let query = ReferrerQuery {
        repository: name,
        subject,
        artifact_type,
        after: call.query("last").map(parse_cursor).transpose()?,
        limit: call.page_size()?.unwrap_or(PAGE).clamp(1, PAGE),
        bytes: PAGE_BYTES,
    };
    let page = call.shared.metadata.referrers(&query).await?;
    let mut response = with_body(StatusCode::OK, media_type::OCI_INDEX, index(&page.descriptors));
    if artifact_type.is_some() {
        set(&mut response, OCI_FILTERS_APPLIED, "artifactType");
    }
    if let Some(next) = page.next {
        let mut path = format!("/v2/{name}/referrers/{subject}?last={}:{}", next.created_at, next.digest);
        if let Some(artifact_type) = artifact_type {
            path.push_str(&format!("&artifactType={}", query_value(artifact_type)));
        }
        if let Some(limit) = call.query("n") {
            path.push_str(&format!("&n={}", query_value(limit)));
        }
        set_next(&mut response, &path);
    }
    Ok(response)
}

fn parse_cursor(text: &str) -> Result<ReferrerCursor, ApiError> {
    let cursor = text.split_once(':').and_then(|(created_at, digest)| {
        Some(ReferrerCursor { created_at: created_at.parse().ok()?, digest: digest.to_owned() })
    });
    cursor.ok_or_else(|| {
        let message = format!("last={text} does not come from this registry");
        ApiError::new(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", message)
    })
}

/// An index of descriptors that are JSON already.
fn index(descriptors: &[Vec<u8>]) -> bytes::Bytes {
    let mut body = BytesMut::new();
    body.put_slice(b"{\"schemaVersion\":2,\"mediaType\":\"");
    body.put_slice(media_type::OCI_INDEX.as_bytes());
    body.put_slice(b"\",\"manifests\":[");
    for (position, descriptor) in descriptors.iter().enumerate() {
        if position > 0 {
            body.put_u8(b',');
        }
        body.put_slice(descriptor);
    }
    body.put_slice(b"]}");
    body.freeze()
}
