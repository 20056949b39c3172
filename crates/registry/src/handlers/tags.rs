//! The tags of a repository.

use axum::http::StatusCode;
use serde::Serialize;
use tidewaiter_oci::RepositoryName;

use super::{Answer, Call};
use crate::response::{ApiError, json_response, query_value, set_next};

/// Most tags of a page. Larger than what clients that know no paging are likely to meet.
const LARGEST_PAGE: u32 = 10_000;

/// A page as the distribution specification writes it.
#[derive(Serialize)]
struct List<'a> {
    name: &'a str,
    tags: &'a [String],
}

/// `GET …/tags/list?n=&last=`
pub(super) async fn list(call: &Call, name: &RepositoryName) -> Answer {
    let limit = call.page_size()?.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    let last = call.query("last").unwrap_or("");
    let page = call.shared.metadata.tags(name, last, limit).await?;
    let page = page.ok_or_else(|| ApiError::name_unknown(name.as_str()))?;
    let mut response = json_response(StatusCode::OK, &List { name: name.as_str(), tags: &page.tags });
    if let (true, Some(last)) = (page.more, page.tags.last()) {
        set_next(&mut response, &format!("/v2/{name}/tags/list?last={}&n={limit}", query_value(last)));
    }
    Ok(response)
}
