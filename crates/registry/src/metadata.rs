//! The metadata store: what repositories hold, in a database, in transactions.
//!
//! Every transaction that writes begins with [`Metadata::begin`], which makes writers wait for each other on
//! both engines. That keeps the rules simple: a manifest is stored only while the blobs it names are linked,
//! tags never point nowhere, and events are numbered in the order of their commits.

mod blobs;
pub(crate) mod collect;
mod details;
mod manifests;
mod memo;
mod referrers;
mod tags;

use std::path::Path;
use std::sync::Arc;

use tidewaiter_db::{Db, Tx, args};

use crate::error::Result;
use crate::sql;
pub(crate) use blobs::BlobRecord;
pub use details::{ChangeableAttributes, ManifestDetails};
pub(crate) use details::{ListQuery, Order};
use manifests::ManifestRecord;
pub(crate) use manifests::{PushOutcome, PushRequest};
use memo::Memo;
pub(crate) use referrers::{ReferrerCursor, ReferrerQuery};
use tags::TagsPage;

/// The metadata store.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    db: Db,
    memos: Arc<Memos>,
}

/// What clients ask for all the time.
#[derive(Debug, Default)]
struct Memos {
    manifests: Memo<Arc<ManifestRecord>>,
    blobs: Memo<Arc<BlobRecord>>,
    tags: Memo<Arc<TagsPage>>,
}

impl Metadata {
    pub(crate) fn new(db: Db) -> Self {
        Self { db, memos: Arc::default() }
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// The same in a database of its own, in a directory, where there can be one: see [`Db::copy`].
    pub(crate) async fn copy(&self, directory: &Path) -> Result<Option<Self>> {
        Ok(self.db.copy(directory).await?.map(Self::new))
    }

    /// Begins a transaction that is alone among the registry's writers until it ends.
    async fn begin(&self) -> Result<Tx> {
        let mut tx = self.db.begin().await?;
        tx.lock("registry").await?;
        Ok(tx)
    }

    /// An answer that is remembered, or asked for and remembered, with its size in bytes.
    async fn remembered<T>(
        &self,
        memo: &Memo<Arc<T>>,
        key: &[&str],
        ask: impl Future<Output = Result<Option<(T, usize)>>>,
    ) -> Result<Option<Arc<T>>> {
        // Before the answer is: what is written while it comes makes it one of the past.
        let Some(version) = self.db.version().await? else {
            return Ok(ask.await?.map(|(answer, _)| Arc::new(answer)));
        };
        let key = key.join("\0");
        if let Some(answer) = memo.get(version, &key) {
            return Ok(Some(answer));
        }
        let Some((answer, size)) = ask.await? else { return Ok(None) };
        let answer = Arc::new(answer);
        memo.insert(version, key, Arc::clone(&answer), size);
        Ok(Some(answer))
    }

    /// The database answers, and takes writers. Not one that waits for other registries: they may be at work.
    pub(crate) async fn check(&self) -> Result<()> {
        self.db.fetch_optional(sql::REPOSITORY, args![""]).await?;
        drop(self.db.begin().await?);
        Ok(())
    }

    /// Names of repositories that hold manifests, after `last`, in byte order.
    pub(crate) async fn catalog(&self, last: &str, limit: u32) -> Result<Vec<String>> {
        let rows = self.db.fetch_all(sql::CATALOG, args![last, limit]).await?;
        Ok(rows.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?)
    }
}

/// The number of a repository, which is made when it is not there.
async fn ensure_repository(tx: &mut Tx, name: &str, now: i64) -> Result<i64> {
    Ok(tx.fetch_one(sql::ENSURE_REPOSITORY, args![name, now]).await?.i64(0)?)
}

/// The number of a repository.
async fn find_repository(tx: &mut Tx, name: &str) -> Result<Option<i64>> {
    let row = tx.fetch_optional(sql::REPOSITORY, args![name]).await?;
    Ok(row.map(|row| row.i64(0)).transpose()?)
}

fn size(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
