//! Manifests: storing, finding and deleting them.

use std::sync::Arc;

use bytes::Bytes;
use tidewaiter_db::{Row, Tx, args};
use tidewaiter_oci::{Descriptor, Digest, Manifest, RepositoryName, TagName, View, media_type};

use super::{Metadata, ensure_repository, find_repository, size};
use crate::error::Result;
use crate::events::{self, Action, NewEvent, Origin};
use crate::sql;

/// What a manifest request needs to know before its bytes.
#[derive(Debug, Clone)]
pub(crate) struct ManifestRecord {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) size: u64,
}

/// A manifest to be stored.
#[derive(Debug)]
pub(crate) struct PushRequest<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) manifest: &'a Manifest,
    pub(crate) tags: &'a [TagName],
    /// What the image runs on, from its configuration.
    pub(crate) runs_on: Option<(String, String)>,
    /// It may name content that is not there.
    pub(crate) sparse: bool,
    pub(crate) origin: Option<&'a Origin>,
    pub(crate) now: i64,
}

/// What became of a push.
#[derive(Debug)]
pub(crate) enum PushOutcome {
    /// It is stored, tagged and recorded.
    Stored,
    /// Content it names is not in the repository; nothing was changed.
    Missing(Vec<String>),
}

impl Metadata {
    /// The manifest a tag or a digest names.
    pub(crate) async fn manifest(
        &self,
        name: &RepositoryName,
        reference: Result<&Digest, &TagName>,
    ) -> Result<Option<Arc<ManifestRecord>>> {
        let (statement, reference) = match reference {
            Ok(digest) => (sql::MANIFEST_BY_DIGEST, digest.as_str()),
            Err(tag) => (sql::MANIFEST_BY_TAG, tag.as_str()),
        };
        let ask = async {
            let row = self.db.fetch_optional(statement, args![name.as_str(), reference]).await?;
            let Some(row) = row else { return Ok(None) };
            // Only valid digests are ever stored.
            let Ok(digest) = row.str(0)?.parse() else { return Ok(None) };
            let record = ManifestRecord { digest, media_type: row.text(1)?, size: size(row.i64(2)?) };
            let bytes = record.digest.as_str().len() + record.media_type.len();
            Ok(Some((record, bytes)))
        };
        self.remembered(&self.memos.manifests, &[name.as_str(), reference], ask).await
    }

    /// The bytes of a manifest that some repository holds.
    pub(crate) async fn content(&self, digest: &Digest) -> Result<Option<Bytes>> {
        let row = self.db.fetch_optional(sql::CONTENT, args![digest.as_str()]).await?;
        Ok(row.map(|row| row.bytes(0)).transpose()?.map(Bytes::from))
    }

    /// Stores a manifest, moves tags to it and records the events, all or nothing.
    pub(crate) async fn push(&self, request: &PushRequest<'_>) -> Result<PushOutcome> {
        let mut tx = self.begin().await?;
        let name = request.repository.as_str();
        let repository = ensure_repository(&mut tx, name, request.now).await?;
        let missing = missing_content(&mut tx, repository, request).await?;
        if !missing.is_empty() {
            return Ok(PushOutcome::Missing(missing));
        }
        let descriptor = &request.manifest.descriptor;
        let digest = descriptor.digest.as_str();
        tx.execute(sql::BEGIN_REPOSITORY, args![repository, request.now]).await?;
        tx.execute(sql::INSERT_CONTENT, args![digest, &request.manifest.bytes[..]]).await?;
        insert_manifest(&mut tx, repository, request).await?;
        let targets = json_list(request.manifest.successors().into_iter());
        tx.execute(sql::INSERT_REFERENCES, args![repository, digest, targets]).await?;
        for tag in request.tags {
            let arguments = args![repository, tag.as_str(), digest, request.now];
            tx.execute(sql::TOUCH_TAGGED, arguments).await?;
            tx.execute(sql::SET_TAG, args![repository, tag.as_str(), digest, request.now]).await?;
        }
        let untagged = request.tags.is_empty().then_some(None);
        for tag in request.tags.iter().map(|tag| Some(tag.as_str())).chain(untagged) {
            let event = NewEvent {
                action: Action::Push,
                repository: name,
                tag,
                digest,
                media_type: &descriptor.media_type,
                size: descriptor.size,
            };
            events::record(&mut tx, &event, request.origin, request.now).await?;
        }
        tx.commit().await?;
        Ok(PushOutcome::Stored)
    }

    /// Deletes a manifest with its tags and, when asked, everything that refers to it, directly or not. How
    /// many manifests were deleted; none when it was not there.
    pub(crate) async fn delete(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        with_referrers: bool,
        origin: Option<&Origin>,
        now: i64,
    ) -> Result<usize> {
        let mut tx = self.begin().await?;
        let Some(repository) = find_repository(&mut tx, name.as_str()).await? else { return Ok(0) };
        let deleted =
            delete_cascading(&mut tx, name, repository, digest.as_str(), with_referrers, origin, now).await?;
        if deleted > 0 {
            tx.execute(sql::TOUCH_REPOSITORY, args![repository, now]).await?;
            tx.commit().await?;
        }
        Ok(deleted)
    }

    /// Deletes all manifests of a repository with their tags: digests and tags that were deleted. `None` when there
    /// is no such repository.
    pub(crate) async fn delete_repository(
        &self,
        name: &RepositoryName,
        origin: Option<&Origin>,
        now: i64,
    ) -> Result<Option<(Vec<String>, Vec<String>)>> {
        let mut tx = self.begin().await?;
        let Some(repository) = find_repository(&mut tx, name.as_str()).await? else { return Ok(None) };
        let texts = |rows: Vec<Row>| rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>();
        let digests = texts(tx.fetch_all(sql::ALL_DIGESTS, args![repository]).await?)?;
        let tags = texts(tx.fetch_all(sql::ALL_TAGS, args![repository]).await?)?;
        if digests.is_empty() {
            return Ok(None);
        }
        for digest in &digests {
            delete_one(&mut tx, name, repository, digest, origin, now).await?;
        }
        tx.commit().await?;
        Ok(Some((digests, tags)))
    }
}

/// Deletes a manifest and, when asked, what refers to it. How many manifests were deleted.
pub(super) async fn delete_cascading(
    tx: &mut Tx,
    name: &RepositoryName,
    repository: i64,
    digest: &str,
    with_referrers: bool,
    origin: Option<&Origin>,
    now: i64,
) -> Result<usize> {
    let mut waiting = vec![digest.to_owned()];
    let mut deleted = 0;
    while let Some(digest) = waiting.pop() {
        // What refers to two deleted manifests is met twice.
        if !delete_one(tx, name, repository, &digest, origin, now).await? {
            continue;
        }
        deleted += 1;
        if with_referrers {
            let rows = tx.fetch_all(sql::DIGESTS_OF_REFERRERS, args![repository, &digest]).await?;
            for row in &rows {
                waiting.push(row.text(0)?);
            }
        }
    }
    Ok(deleted)
}

/// Deletes one manifest with its tags and records it; `false` when it is not there.
async fn delete_one(
    tx: &mut Tx,
    name: &RepositoryName,
    repository: i64,
    digest: &str,
    origin: Option<&Origin>,
    now: i64,
) -> Result<bool> {
    let row = tx.fetch_optional(sql::DELETE_MANIFEST, args![repository, digest]).await?;
    let Some(row) = row else { return Ok(false) };
    tx.execute(sql::DELETE_CONTENT, args![digest]).await?;
    let event = NewEvent {
        action: Action::Delete,
        repository: name.as_str(),
        tag: None,
        digest,
        media_type: row.str(0)?,
        size: size(row.i64(1)?),
    };
    events::record(tx, &event, origin, now).await?;
    Ok(true)
}

/// Digests that the manifest names and the repository does not hold. Layers that registries need not hold, and
/// the subject, are not asked for.
async fn missing_content(tx: &mut Tx, repository: i64, request: &PushRequest<'_>) -> Result<Vec<String>> {
    if request.sparse {
        return Ok(Vec::new());
    }
    let statement = match &request.manifest.view {
        View::Index(_) => sql::MISSING_MANIFESTS,
        View::Image(_) | View::Artifact(_) => sql::MISSING_BLOBS,
    };
    let needed = request.manifest.successors().into_iter();
    let needed = needed.filter(|descriptor| !media_type::is_nondistributable(&descriptor.media_type));
    let rows = tx.fetch_all(statement, args![repository, json_list(needed)]).await?;
    Ok(rows.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?)
}

/// Digests as a JSON list. They hold no character that JSON would escape.
fn json_list<'a>(descriptors: impl Iterator<Item = &'a Descriptor>) -> String {
    let digests: Vec<_> = descriptors.map(|descriptor| format!("\"{}\"", descriptor.digest)).collect();
    format!("[{}]", digests.join(","))
}

async fn insert_manifest(tx: &mut Tx, repository: i64, request: &PushRequest<'_>) -> Result<()> {
    let manifest = request.manifest;
    let config = match &manifest.view {
        View::Image(image) => Some(image.config.media_type.as_str()),
        View::Index(_) | View::Artifact(_) => None,
    };
    let content: u64 = manifest.successors().iter().fold(0, |sum, next| sum.saturating_add(next.size));
    let (architecture, os) = request.runs_on.clone().unzip();
    let arguments = args![
        repository,
        manifest.digest().as_str(),
        &manifest.descriptor.media_type,
        manifest.descriptor.size,
        manifest.artifact_type(),
        manifest.subject().map(|subject| subject.digest.as_str()),
        manifest.subject().and_then(|_| referrer(manifest)),
        config,
        content.saturating_add(manifest.descriptor.size),
        architecture,
        os,
        request.now
    ];
    tx.execute(sql::INSERT_MANIFEST, arguments).await?;
    Ok(())
}

/// The descriptor that a list of referrers shows, as JSON.
fn referrer(manifest: &Manifest) -> Option<Vec<u8>> {
    let mut descriptor = manifest.descriptor.plain();
    descriptor.artifact_type = manifest.artifact_type().map(str::to_owned);
    descriptor.annotations = manifest.annotations().cloned();
    serde_json::to_vec(&descriptor).ok()
}
