//! The list of repositories, and of extensions.

use axum::http::StatusCode;
use serde_json::json;

use super::{Answer, Call};
use crate::response::{ApiError, json_response, query_value, set_next};

/// Repositories of a page when the client does not say how many it wants.
const PAGE: u32 = 100;
/// Most repositories of a page.
const LARGEST_PAGE: u32 = 10_000;
/// Repositories that are read at a time.
const BATCH: u32 = 1000;

/// `GET /v2/_catalog?n=&last=`, and the same list at ACR's path
pub(super) async fn page(call: &Call, path: &str) -> Answer {
    let limit = call.page_size()?.unwrap_or(PAGE).min(LARGEST_PAGE);
    let (names, more) = readable(call, call.query("last").unwrap_or(""), limit).await?;
    let mut response = json_response(StatusCode::OK, &json!({ "repositories": names }));
    if let (true, Some(last)) = (more, names.last()) {
        set_next(&mut response, &format!("{path}?last={}&n={limit}", query_value(last)));
    }
    Ok(response)
}

/// Up to `limit` repositories after `last` that the caller may know of, and whether there are more.
async fn readable(call: &Call, last: &str, limit: u32) -> Result<(Vec<String>, bool), ApiError> {
    let wanted = limit as usize;
    let mut last = last.to_owned();
    let mut names = Vec::new();
    loop {
        let batch = call.shared.metadata.catalog(&last, BATCH).await?;
        let Some(end) = batch.last() else { return Ok((names, false)) };
        last.clone_from(end);
        names.extend(batch.into_iter().filter(|name| call.caller.sees(name)));
        if names.len() > wanted {
            names.truncate(wanted);
            return Ok((names, true));
        }
    }
}

/// `GET /v2/_oci/ext/discover`: there are none.
pub(super) fn extensions() -> Answer {
    Ok(json_response(StatusCode::OK, &json!({ "extensions": [] })))
}
