//! Blobs, and which repositories show them.

use std::sync::Arc;

use tidewaiter_db::args;
use tidewaiter_oci::{Digest, RepositoryName};

use super::{Metadata, ensure_repository, size};
use crate::error::Result;
use crate::sql;

/// A blob as a repository shows it.
#[derive(Debug, Clone)]
pub(crate) struct BlobRecord {
    /// Bytes.
    pub(crate) size: u64,
    /// Its object in the blob store.
    pub(crate) object: String,
    /// When a client last uploaded, mounted or asked for it.
    pub(crate) seen_at: i64,
    repository_id: i64,
}

impl Metadata {
    /// A blob in a repository.
    pub(crate) async fn blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Arc<BlobRecord>>> {
        let ask = async {
            let row = self.db.fetch_optional(sql::BLOB, args![name.as_str(), digest.as_str()]).await?;
            let Some(row) = row else { return Ok(None) };
            let record = BlobRecord {
                size: size(row.i64(0)?),
                object: row.text(1)?,
                seen_at: row.i64(2)?,
                repository_id: row.i64(3)?,
            };
            let bytes = record.object.len();
            Ok(Some((record, bytes)))
        };
        self.remembered(&self.memos.blobs, &[name.as_str(), digest.as_str()], ask).await
    }

    /// Size and object of a blob of any repository.
    pub(crate) async fn stored_blob(&self, digest: &Digest) -> Result<Option<(u64, String)>> {
        let row = self.db.fetch_optional(sql::BLOB_OBJECT, args![digest.as_str()]).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((size(row.i64(0)?), row.text(1)?)))
    }

    /// Starts the grace period of a blob anew.
    pub(crate) async fn blob_seen(&self, blob: &BlobRecord, digest: &Digest, now: i64) -> Result<()> {
        self.db.execute(sql::SEEN, args![blob.repository_id, digest.as_str(), now]).await?;
        Ok(())
    }

    /// Shows a stored blob in a repository; `false` when it is not stored (any more) as this object.
    pub(crate) async fn link(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        object: &str,
        now: i64,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let row = tx.fetch_optional(sql::BLOB_OBJECT, args![digest.as_str()]).await?;
        let same = match row {
            Some(row) => row.str(1)? == object,
            None => false,
        };
        if same {
            let repository = ensure_repository(&mut tx, name.as_str(), now).await?;
            tx.execute(sql::LINK, args![repository, digest.as_str(), now]).await?;
            tx.commit().await?;
        }
        Ok(same)
    }

    /// Records a new object of a blob and shows it in a repository. The object that the blob had before, which
    /// nothing points at any more, or the new one, when an upload of the same content came first.
    pub(crate) async fn add_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        bytes: u64,
        object: &str,
        replaces: Option<&str>,
        now: i64,
    ) -> Result<Option<String>> {
        let mut tx = self.begin().await?;
        let current = match tx.fetch_optional(sql::BLOB_OBJECT, args![digest.as_str()]).await? {
            Some(row) => Some(row.text(1)?),
            None => None,
        };
        let superfluous = match current {
            Some(current) if Some(current.as_str()) != replaces => Some(object.to_owned()),
            current => {
                tx.execute(sql::INSERT_BLOB, args![digest.as_str(), bytes, object, now]).await?;
                current
            }
        };
        let repository = ensure_repository(&mut tx, name.as_str(), now).await?;
        tx.execute(sql::LINK, args![repository, digest.as_str(), now]).await?;
        tx.commit().await?;
        Ok(superfluous)
    }

    /// Hides a blob from a repository; `false` when it was not there. The garbage collector removes its object
    /// once no repository shows it.
    pub(crate) async fn unlink(&self, name: &RepositoryName, digest: &Digest) -> Result<bool> {
        let mut tx = self.begin().await?;
        let changed = tx.execute(sql::UNLINK, args![name.as_str(), digest.as_str()]).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Names of up to `limit` repositories that show a blob.
    pub(crate) async fn holders(&self, digest: &Digest, limit: u32) -> Result<Vec<String>> {
        let rows = self.db.fetch_all(sql::HOLDERS, args![digest.as_str(), limit]).await?;
        Ok(rows.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?)
    }
}
