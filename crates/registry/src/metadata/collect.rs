//! The database side of collecting garbage.
//!
//! Candidates are found by reading, without stopping anybody; each is looked at again in the transaction that
//! deletes it. A dry run does the same in one transaction that is taken back, so what it reports is what would
//! happen, down to what becomes garbage because other garbage goes. It is handed a copy of the database for that,
//! because the transaction keeps all other writers waiting.

use tidewaiter_db::{Row, Statement, Tx, Value, args};

use super::manifests::delete_cascading;
use super::{Metadata, size};
use crate::error::Result;
use crate::sql;

/// Candidates that are looked at in one transaction: few enough that pushes hardly wait.
const BATCH: u32 = 200;

/// A collection under way.
pub(crate) struct Collection<'a> {
    metadata: &'a Metadata,
    /// What was touched at this time or later stays.
    cutoff: i64,
    now: i64,
    /// The transaction of a dry run.
    dry: Option<Tx>,
}

/// A blob whose row is gone.
#[derive(Debug)]
pub(crate) struct CollectedBlob {
    pub(crate) size: u64,
    pub(crate) object: String,
}

impl Metadata {
    /// Begins to collect what was not touched since `cutoff`.
    pub(crate) async fn collection(&self, dry_run: bool, cutoff: i64, now: i64) -> Result<Collection<'_>> {
        let dry = if dry_run { Some(self.begin().await?) } else { None };
        Ok(Collection { metadata: self, cutoff, now, dry })
    }

    /// Those of these objects that no blob is kept in.
    pub(crate) async fn unknown_objects(&self, names: &[String]) -> Result<Vec<String>> {
        let rows =
            self.db.fetch_all(sql::UNKNOWN_OBJECTS, args![serde_json::json!(names).to_string()]).await?;
        Ok(rows.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?)
    }
}

impl Collection<'_> {
    async fn find(&mut self, statement: Statement, arguments: Vec<Value>) -> Result<Vec<Row>> {
        Ok(match &mut self.dry {
            Some(tx) => tx.fetch_all(statement, arguments).await?,
            None => self.metadata.db.fetch_all(statement, arguments).await?,
        })
    }

    /// Deletes manifests without tags that no index lists, with what refers to them. How many.
    pub(crate) async fn untagged_manifests(&mut self, with_referrers: bool) -> Result<usize> {
        let mut deleted = 0;
        loop {
            let rows = self.find(sql::UNTAGGED_MANIFESTS, args![self.cutoff, BATCH]).await?;
            let before = deleted;
            let mut batch = Batch::begin(self.metadata, &mut self.dry).await?;
            for row in &rows {
                let (name, digest) = (row.text(0)?, row.text(1)?);
                let arguments = args![&name, &digest, self.cutoff];
                let Some(found) = batch.tx().fetch_optional(sql::IS_UNTAGGED, arguments).await? else {
                    continue;
                };
                // Only valid names are ever stored.
                let Ok(name) = name.parse() else { continue };
                let (tx, repository) = (batch.tx(), found.i64(0)?);
                deleted +=
                    delete_cascading(tx, &name, repository, &digest, with_referrers, None, self.now).await?;
            }
            batch.end().await?;
            if deleted == before {
                return Ok(deleted);
            }
        }
    }

    /// Hides blobs that no manifest points at from their repositories. How many.
    pub(crate) async fn links(&mut self) -> Result<usize> {
        let mut deleted = 0;
        let mut last = (0, String::new());
        loop {
            let rows = self.find(sql::UNUSED_LINKS, args![self.cutoff, last.0, &last.1, BATCH]).await?;
            let Some(end) = rows.last() else { return Ok(deleted) };
            last = (end.i64(0)?, end.text(1)?);
            let mut batch = Batch::begin(self.metadata, &mut self.dry).await?;
            for row in &rows {
                let arguments = args![row.i64(0)?, row.str(1)?, self.cutoff];
                deleted += usize::from(batch.tx().execute(sql::DELETE_UNUSED_LINK, arguments).await? > 0);
            }
            batch.end().await?;
        }
    }

    /// Forgets the next blobs that no repository shows; `None` after the last. Their objects can go now: whoever
    /// uploads the same content makes a new one.
    pub(crate) async fn blobs(&mut self, last: &mut String) -> Result<Option<Vec<CollectedBlob>>> {
        let rows = self.find(sql::UNLINKED_BLOBS, args![&*last, BATCH]).await?;
        let Some(end) = rows.last() else { return Ok(None) };
        *last = end.text(0)?;
        let mut collected = Vec::new();
        let mut batch = Batch::begin(self.metadata, &mut self.dry).await?;
        for row in &rows {
            let found = batch.tx().fetch_optional(sql::DELETE_UNLINKED_BLOB, args![row.str(0)?]).await?;
            if let Some(found) = found {
                collected.push(CollectedBlob { size: size(found.i64(0)?), object: found.text(1)? });
            }
        }
        batch.end().await?;
        Ok(Some(collected))
    }

    /// Forgets repositories that hold nothing. How many.
    pub(crate) async fn repositories(&mut self) -> Result<u64> {
        let mut batch = Batch::begin(self.metadata, &mut self.dry).await?;
        let deleted = batch.tx().execute(sql::DELETE_EMPTY_REPOSITORIES, args![self.cutoff]).await?;
        batch.end().await?;
        Ok(deleted)
    }
}

/// A transaction of its own, or a part of the dry run's.
enum Batch<'a> {
    Own(Tx),
    Dry(&'a mut Tx),
}

impl<'a> Batch<'a> {
    async fn begin(metadata: &Metadata, dry: &'a mut Option<Tx>) -> Result<Self> {
        Ok(match dry {
            Some(tx) => Self::Dry(tx),
            None => Self::Own(metadata.begin().await?),
        })
    }

    fn tx(&mut self) -> &mut Tx {
        match self {
            Self::Own(tx) => tx,
            Self::Dry(tx) => tx,
        }
    }

    async fn end(self) -> Result<()> {
        match self {
            Self::Own(tx) => Ok(tx.commit().await?),
            Self::Dry(_) => Ok(()),
        }
    }
}
