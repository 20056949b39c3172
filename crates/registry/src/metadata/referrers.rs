//! What refers to a manifest by its `subject`.

use tidewaiter_db::args;
use tidewaiter_oci::{Digest, RepositoryName};

use super::{Metadata, size};
use crate::error::Result;
use crate::sql;

/// Where a page of referrers begins: after the one that was stored at this time under this digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReferrerCursor {
    pub(crate) created_at: i64,
    pub(crate) digest: String,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct ReferrerQuery<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) subject: &'a Digest,
    pub(crate) artifact_type: Option<&'a str>,
    pub(crate) after: Option<ReferrerCursor>,
    /// Most descriptors of a page.
    pub(crate) limit: u32,
    /// Most bytes of a page.
    pub(crate) bytes: u64,
}

/// A page of referrers, oldest first.
#[derive(Debug)]
pub(crate) struct ReferrersPage {
    /// Descriptors, each as JSON.
    pub(crate) descriptors: Vec<Vec<u8>>,
    /// Where the next page begins, when there is one.
    pub(crate) next: Option<ReferrerCursor>,
}

impl Metadata {
    /// A page of referrers. Unknown repositories and subjects have none.
    pub(crate) async fn referrers(&self, query: &ReferrerQuery<'_>) -> Result<ReferrersPage> {
        let (created_at, digest) =
            query.after.as_ref().map_or((i64::MIN, ""), |after| (after.created_at, after.digest.as_str()));
        let mut arguments = args![
            query.repository.as_str(),
            query.subject.as_str(),
            created_at,
            digest,
            query.limit.saturating_add(1)
        ];
        let statement = match query.artifact_type {
            Some(artifact_type) => {
                arguments.push(artifact_type.into());
                sql::REFERRERS_OF_TYPE
            }
            None => sql::REFERRERS,
        };
        let rows = self.db.fetch_all(statement, arguments).await?;
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let (mut digests, mut bytes) = (Vec::new(), 0);
        let mut last = None;
        let mut next = None;
        for row in &rows {
            bytes += size(row.i64(0)?) + 1;
            if digests.len() == limit || (bytes > query.bytes && last.is_some()) {
                next = last;
                break;
            }
            let digest = row.text(2)?;
            digests.push(format!("\"{digest}\""));
            last = Some(ReferrerCursor { created_at: row.i64(1)?, digest });
        }
        if digests.is_empty() {
            return Ok(ReferrersPage { descriptors: Vec::new(), next: None });
        }
        let digests = format!("[{}]", digests.join(","));
        let rows =
            self.db.fetch_all(sql::REFERRER_DESCRIPTORS, args![query.repository.as_str(), digests]).await?;
        let descriptors = rows.iter().map(|row| row.bytes(0)).collect::<Result<_, _>>()?;
        Ok(ReferrersPage { descriptors, next })
    }
}
