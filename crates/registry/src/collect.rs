//! Collects garbage while clients push and pull.
//!
//! In this order: manifests without tags (when asked), links to blobs that no manifest of the repository points at,
//! blobs that no repository shows, their objects, and objects that never became blobs because a process died.
//! Everything that a client touched within the grace period stays: it may be about to push the manifest.

use std::time::Duration;

use serde::Serialize;

use crate::blobs::Scratch;
use crate::error::Result;
use crate::metadata::Metadata;
use crate::registry::Shared;

/// An object that no blob is kept in may be of an upload that is being finished: it stays at least this long.
const OBJECT_GRACE: Duration = Duration::from_secs(3600);
/// How long after a client asked for a blob it may ask again without that being noted.
pub(crate) const SEEN_EVERY: Duration = Duration::from_secs(3600);
/// Objects that are held against the database at once.
const OBJECT_BATCH: usize = 500;

/// What to collect.
#[derive(Debug, Clone, Copy, Default)]
pub struct CollectOptions {
    /// Report what would be deleted, and delete nothing.
    pub dry_run: bool,
    /// Delete manifests that have no tag and that no index lists, too.
    pub untagged: bool,
}

/// What was collected, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Collected {
    /// Manifests without tags, and what referred to them.
    pub manifests: usize,
    /// Blobs that were hidden from a repository, counted once for each.
    pub links: usize,
    /// Blobs that were deleted.
    pub blobs: usize,
    /// Bytes of the blobs that were deleted.
    pub bytes: u64,
    /// Objects that never became blobs.
    pub stray_objects: usize,
}

/// What a dry run works on, so that clients can push meanwhile.
struct PrivateCopy {
    metadata: Metadata,
    _directory: Scratch,
}

impl PrivateCopy {
    async fn make(shared: &Shared) -> Result<Option<Self>> {
        let directory = shared.blobs.scratch().await?;
        let copy = shared.metadata.copy(directory.path()).await?;
        if copy.is_none() {
            tracing::debug!("the dry run works on the database itself: whoever writes waits for it");
        }
        Ok(copy.map(|metadata| Self { metadata, _directory: directory }))
    }
}

pub(crate) async fn collect(shared: &Shared, options: CollectOptions) -> Result<Collected> {
    let now = shared.now();
    let grace = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    // What a client asked for is noted now and then only.
    let noted = if shared.options.grace.is_zero() { Duration::ZERO } else { SEEN_EVERY };
    let cutoff = now.saturating_sub(grace(shared.options.grace.saturating_add(noted)));
    let mut collected = Collected::default();
    let copy = if options.dry_run { PrivateCopy::make(shared).await? } else { None };
    let metadata = copy.as_ref().map_or(&shared.metadata, |copy| &copy.metadata);
    let mut collection = metadata.collection(options.dry_run, cutoff, now).await?;
    if options.untagged {
        collected.manifests = collection.untagged_manifests(shared.options.cascades()).await?;
    }
    collected.links = collection.links().await?;
    let mut last = String::new();
    while let Some(blobs) = collection.blobs(&mut last).await? {
        for blob in blobs {
            collected.blobs += 1;
            collected.bytes += blob.size;
            if !options.dry_run {
                shared.blobs.remove(&blob.object).await?;
            }
        }
    }
    collection.repositories().await?;
    drop(collection);
    if let Some(copy) = copy {
        copy.metadata.db().close().await;
    }
    let cutoff = cutoff.min(now.saturating_sub(grace(OBJECT_GRACE)));
    collected.stray_objects = stray_objects(shared, cutoff, options.dry_run).await?;
    Ok(collected)
}

/// Removes objects that no blob is kept in. How many.
async fn stray_objects(shared: &Shared, cutoff: i64, dry_run: bool) -> Result<usize> {
    let mut stray = 0;
    let mut listing = shared.blobs.list();
    loop {
        let batch = listing.next(OBJECT_BATCH).await?;
        if batch.is_empty() {
            return Ok(stray);
        }
        let old = batch.into_iter().filter(|object| object.modified < cutoff);
        let names: Vec<_> = old.map(|object| object.name).collect();
        for name in shared.metadata.unknown_objects(&names).await? {
            stray += 1;
            if !dry_run {
                shared.blobs.remove(&name).await?;
            }
        }
    }
}
