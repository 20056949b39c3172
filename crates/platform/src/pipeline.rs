//! How a push becomes a report: inbox → resolve → analyse → judge.
//!
//! The inbox follows the registry's outbox by a cursor, keeps where manifests and tags are, and enqueues a
//! *resolve* for each pushed manifest. *resolve* finds out what it is and enqueues an *analyse* for each image.
//! *analyse* reads the layers, stores the inventory and interns its components. *judge* matches the components
//! that were not matched with this advisory database yet. Each step ends in the transaction that keeps its
//! effects, so that a step which is cut off is done again and has effect once.

mod analyse;
mod inbox;
mod judge;
mod payload;
mod resolve;
pub mod sql;
mod worker;

pub use judge::Subject;
pub(crate) use judge::Verdict;
use payload::ManifestPayload;

use std::sync::Arc;
use std::time::Duration;

use tidewaiter_db::jobs::{self, NewJob};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Platform;
use crate::error::Result;

/// How many jobs run at the same time.
const WORKERS: usize = 2;

/// The longest wait between two looks for news that may not announce itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs the pipeline until `stop`; returns when everything under way has come to a safe end.
pub async fn run(platform: Arc<Platform>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    tasks.spawn(inbox::run(platform.clone(), stop.clone()));
    tasks.spawn(watch_advisories(platform.clone(), stop.clone()));
    for number in 0..WORKERS {
        tasks.spawn(worker::run(platform.clone(), number, stop.clone()));
    }
    tasks.close();
    tasks.wait().await;
}

/// Notices a new advisory database and has everything judged again with it.
async fn watch_advisories(platform: Arc<Platform>, stop: CancellationToken) {
    loop {
        if let Err(error) = judge_with_current(&platform).await {
            tracing::error!(%error, "the advisory database could not be taken into use");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PATIENCE) => {}
        }
    }
}

async fn judge_with_current(platform: &Platform) -> Result<()> {
    platform.advisories.refresh().await;
    let Some(database) = platform.advisories.current() else {
        return Ok(());
    };
    let id = database.id().to_string();
    let stale = platform.db.fetch_optional(sql::ANY_STALE, tidewaiter_db::args![&id]).await?;
    if stale.is_some() {
        let payload = judge::Payload::Database { after: 0 };
        let job = NewJob::new(judge::KIND, payload.to_json()).dedup(format!("database:{id}"));
        jobs::enqueue_now(&platform.db, &job, platform.clock.now()).await?;
    }
    Ok(())
}
