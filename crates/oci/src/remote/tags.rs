//! Lists that come in pages: tags of a repository, repositories of a registry.

use std::collections::HashSet;

use http::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::error::Result;
use crate::remote::auth::scope::Scopes;
use crate::remote::call::{Answer, Call};
use crate::remote::client::Client;
use crate::remote::endpoint::Endpoint;
use crate::remote::repository::{PULL, Repository};
use crate::remote::trust;

/// The most one page may have, in bytes.
pub(super) const MAX_PAGE: u64 = 8 << 20;

/// The most entries read of one list.
const MAX_ENTRIES: usize = 2_000_000;

/// How many entries to ask for at a time: without, some registries give all, others few.
const PAGE: &str = "1000";

/// A list that is read page by page.
#[derive(Debug)]
pub struct Pages {
    client: Client,
    endpoint: Endpoint,
    scopes: Scopes,
    next: Option<Url>,
    last: Option<String>,
    seen: HashSet<Url>,
    entries: usize,
}

/// Either list: each has one of the two members.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

impl Pages {
    pub(super) fn new(
        client: Client,
        endpoint: Endpoint,
        scopes: Scopes,
        mut url: Url,
        last: Option<&str>,
    ) -> Self {
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("n", PAGE);
            if let Some(last) = last {
                query.append_pair("last", last);
            }
        }
        let last = last.map(str::to_owned);
        Self { client, endpoint, scopes, next: Some(url), last, seen: HashSet::new(), entries: 0 }
    }

    /// The entries of the next page, in the registry's order; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<String>>> {
        let Some(url) = self.next.take() else { return Ok(None) };
        let call = Call::new(Method::GET, url).scopes(self.scopes.clone()).whole(MAX_PAGE);
        let answer = self.client.send(&self.endpoint, call).await?.expect(&[StatusCode::OK]).await?;
        let protocol = answer.protocol_error();
        let next = next_page(&self.endpoint, &answer)?;
        let body = answer.read_all(MAX_PAGE).await?;
        let page: Page = serde_json::from_slice(&body)
            .map_err(|error| protocol(format!("the list is not JSON: {error}")))?;
        let mut entries = page.tags.or(page.repositories).unwrap_or_default();
        self.entries += entries.len();
        if self.entries > MAX_ENTRIES {
            return Err(protocol(format!("the list has more than {MAX_ENTRIES} entries")));
        }
        // An empty page that names another one would go on for ever.
        self.next = next.filter(|_| !entries.is_empty());
        if let Some(next) = &self.next
            && !self.seen.insert(next.clone())
        {
            return Err(protocol("its pages lead in a circle".to_owned()));
        }
        // Registries without paging answer with everything, in any order.
        if let Some(last) = &self.last
            && entries.contains(last)
        {
            entries.retain(|entry| entry > last);
        }
        Ok(Some(entries))
    }

    /// All that is left.
    pub async fn all(mut self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await? {
            all.extend(page);
        }
        Ok(all)
    }
}

impl Repository {
    /// The repository's tags, in the registry's order, after `last` when one is given.
    #[must_use]
    pub fn tag_pages(&self, last: Option<&str>) -> Pages {
        let url = self.endpoint.url(&format!("{}/tags/list", self.name()));
        let scopes = self.scopes(PULL);
        Pages::new(self.client.clone(), (*self.endpoint).clone(), scopes, url, last)
    }
}

/// The next page that an answer's `Link` header names (RFC 8288, relation `next`).
pub(super) fn next_page(endpoint: &Endpoint, answer: &Answer) -> Result<Option<Url>> {
    let values = answer.headers().get_all(http::header::LINK);
    let Some(target) = values.iter().filter_map(|value| value.to_str().ok()).find_map(next_target) else {
        return Ok(None);
    };
    trust::same_registry(endpoint, answer.method().as_str(), answer.asked(), target).map(Some)
}

/// The target of the link with relation `next` among those of a header value.
fn next_target(value: &str) -> Option<&str> {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        let parameters = after.split('<').next().unwrap_or(after);
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').split(' ').any(|word| word.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_links_are_found_among_others() {
        let check = |value: &str, expected: Option<&str>| assert_eq!(next_target(value), expected, "{value}");
        check(r#"</v2/a/tags/list?n=1&last=b>; rel="next""#, Some("/v2/a/tags/list?n=1&last=b"));
        check(r#"</x>; rel="prev", </y>; title="a"; rel=next"#, Some("/y"));
        check(r#"</x>; rel="prev""#, None);
        check("</x", None);
        check("", None);
    }
}
