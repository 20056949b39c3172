//! Tags.

use std::sync::Arc;

use tidewaiter_db::args;
use tidewaiter_oci::{RepositoryName, TagName};

use super::{Metadata, find_repository, size};
use crate::error::Result;
use crate::events::{self, Action, NewEvent, Origin};
use crate::sql;

/// A page of a repository's tags.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TagsPage {
    /// Names in byte order.
    pub(crate) tags: Vec<String>,
    /// There are more.
    pub(crate) more: bool,
}

impl Metadata {
    /// Up to `limit` tags after `last`; `None` when there is no such repository.
    pub(crate) async fn tags(
        &self,
        name: &RepositoryName,
        last: &str,
        limit: u32,
    ) -> Result<Option<Arc<TagsPage>>> {
        let ask = async {
            let arguments = args![name.as_str(), last, limit.saturating_add(1)];
            let rows = self.db.fetch_all(sql::TAGS, arguments).await?;
            if rows.is_empty() {
                return Ok(None);
            }
            let mut tags = Vec::with_capacity(rows.len());
            for row in &rows {
                tags.extend(row.optional_text(0)?);
            }
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let more = tags.len() > limit;
            tags.truncate(limit);
            let bytes = tags.iter().map(|tag| tag.len() + size_of::<String>()).sum();
            Ok(Some((TagsPage { tags, more }, bytes)))
        };
        self.remembered(&self.memos.tags, &[name.as_str(), last, &limit.to_string()], ask).await
    }

    /// Removes a tag and leaves its manifest; `false` when it was not there.
    pub(crate) async fn untag(
        &self,
        name: &RepositoryName,
        tag: &TagName,
        origin: Option<&Origin>,
        now: i64,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let Some(repository) = find_repository(&mut tx, name.as_str()).await? else { return Ok(false) };
        tx.execute(sql::TOUCH_TAGGED, args![repository, tag.as_str(), "", now]).await?;
        let row = tx.fetch_optional(sql::DELETE_TAG, args![repository, tag.as_str()]).await?;
        let Some(row) = row else { return Ok(false) };
        let digest = row.text(0)?;
        let facts = tx.fetch_one(sql::MANIFEST_FACTS, args![repository, &digest]).await?;
        let event = NewEvent {
            action: Action::Untag,
            repository: name.as_str(),
            tag: Some(tag.as_str()),
            digest: &digest,
            media_type: facts.str(0)?,
            size: size(facts.i64(1)?),
        };
        events::record(&mut tx, &event, origin, now).await?;
        tx.execute(sql::TOUCH_REPOSITORY, args![repository, now]).await?;
        tx.commit().await?;
        Ok(true)
    }
}
