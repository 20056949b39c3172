//! The list of repositories, and of extensions.

use axum::http::StatusCode;
use serde_json::json;

use super::{Answer, Call};
use crate::response::{json_response, query_value, set_next};

/// Repositories of a page when the client does not say how many it wants.
const PAGE: u32 = 100;
/// Most repositories of a page.
const LARGEST_PAGE: u32 = 10_000;

/// `GET /v2/_catalog?n=&last=`
pub(super) async fn list(call: &Call) -> Answer {
    let limit = call.page_size()?.unwrap_or(PAGE).min(LARGEST_PAGE);
    let last = call.query("last").unwrap_or("");
    let mut names = call.shared.metadata.catalog(last, limit.saturating_add(1)).await?;
    let more = names.len() > limit as usize;
    names.truncate(limit as usize);
    let mut response = json_response(StatusCode::OK, &json!({ "repositories": names }));
    if let (true, Some(last)) = (more, names.last()) {
        set_next(&mut response, &format!("/v2/_catalog?last={}&n={limit}", query_value(last)));
    }
    Ok(response)
}

/// `GET /v2/_oci/ext/discover`: there are none.
pub(super) fn extensions() -> Answer {
    Ok(json_response(StatusCode::OK, &json!({ "extensions": [] })))
}
