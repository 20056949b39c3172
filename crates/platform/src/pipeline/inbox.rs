//! Follows the embedded registry's outbox: keeps where manifests and tags are, and enqueues what was pushed.

use std::sync::Arc;

use tidewaiter_db::jobs::{self, NewJob};
use tidewaiter_db::{Tx, args};
use tidewaiter_registry::{Action, Event};
use tokio_util::sync::CancellationToken;

use super::{ManifestPayload, PATIENCE, resolve, sql};
use crate::Platform;
use crate::error::Result;
use crate::images::{EMBEDDED, sql as images};

/// Name of the cursor.
const CURSOR: &str = "inbox:embedded";

/// Events taken in one transaction.
const BATCH: u32 = 200;

/// Reads events until `stop`.
pub(super) async fn run(platform: Arc<Platform>, stop: CancellationToken) {
    let mut wake = platform.registry.wake();
    while !stop.is_cancelled() {
        match take(&platform).await {
            Ok(taken) if taken > 0 => continue,
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the registry's events cannot be read"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.wait(PATIENCE) => {}
        }
    }
}

/// Takes the next events, in order, and says how many there were.
async fn take(platform: &Platform) -> Result<usize> {
    let mut tx = platform.db.begin().await?;
    tx.lock(CURSOR).await?;
    let cursor = match tx.fetch_optional(sql::CURSOR, args![CURSOR]).await? {
        Some(row) => row.i64(0)?,
        None => 0,
    };
    let events = platform.registry.events_after(cursor, BATCH).await?;
    let Some(last) = events.last() else {
        return Ok(0);
    };
    for event in &events {
        apply(&mut tx, platform.clock.now(), event).await?;
    }
    tx.execute(sql::SET_CURSOR, args![CURSOR, last.sequence]).await?;
    tx.commit().await?;
    Ok(events.len())
}

async fn apply(tx: &mut Tx, now: i64, event: &Event) -> Result<()> {
    let (repository, digest) = (event.repository.as_str(), event.digest.as_str());
    match event.action {
        Action::Push => {
            tx.execute(images::PLACE, args![EMBEDDED, repository, digest, &event.media_type, event.time])
                .await?;
            if let Some(tag) = &event.tag {
                tx.execute(images::TAG, args![EMBEDDED, repository, tag, digest, event.time]).await?;
            }
            let payload = ManifestPayload { repository: repository.to_owned(), digest: digest.to_owned() };
            let job = NewJob::new(resolve::KIND, payload.to_json()).dedup(format!("{repository}@{digest}"));
            jobs::enqueue(tx, &job, now).await?;
        }
        Action::Untag => {
            tx.execute(images::REMOVE_TAG, args![EMBEDDED, repository, event.tag.as_ref()]).await?;
        }
        Action::Delete => {
            tx.execute(images::REMOVE_TAGS_OF, args![EMBEDDED, repository, digest]).await?;
            tx.execute(images::REMOVE_PLACEMENT, args![EMBEDDED, repository, digest]).await?;
            tx.execute(images::DROP_UNPLACED_IMAGES, args![]).await?;
            tx.execute(images::DROP_UNPLACED_MEMBERS, args![]).await?;
            tx.execute(images::DROP_UNPLACED_INDEXES, args![]).await?;
            tx.execute(images::DROP_UNPLACED_ARTIFACTS, args![]).await?;
            tx.execute(images::DROP_UNPLACED_SUBJECTS, args![]).await?;
            tx.execute(images::DROP_UNUSED_COMPONENTS, args![]).await?;
        }
    }
    Ok(())
}
