//! Takes jobs from the table, runs their handlers, keeps their leases.

use std::sync::Arc;
use std::time::Duration;

use tidewaiter_db::jobs::{self, Failed, Job};
use tokio_util::sync::CancellationToken;

use super::{PATIENCE, analyse, judge, resolve};
use crate::Platform;
use crate::error::{Error, Result};

/// How long a job stays claimed without a sign of life. After a crash its job waits this long for the next worker.
const LEASE: Duration = Duration::from_secs(10);

/// How often a running job gives a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(3);

const KINDS: &[&str] = &[resolve::KIND, analyse::KIND, judge::KIND];

/// Works until `stop`; a job that is under way then is given back.
pub(super) async fn run(platform: Arc<Platform>, number: usize, stop: CancellationToken) {
    let owner = format!("{}:{number}", platform.instance);
    let mut wake = jobs::subscribe(&platform.db);
    while !stop.is_cancelled() {
        match jobs::claim(&platform.db, KINDS, &owner, LEASE, platform.clock.now()).await {
            Ok(Some(job)) => perform(&platform, job, &stop).await,
            Ok(None) => tokio::select! {
                () = stop.cancelled() => return,
                () = wake.wait(PATIENCE) => {}
            },
            Err(error) => {
                tracing::error!(%error, "jobs cannot be claimed");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(PATIENCE) => {}
                }
            }
        }
    }
}

/// Runs one job in a task of its own, so that a panic in a parser fails the job and not the worker.
async fn perform(platform: &Arc<Platform>, job: Job, stop: &CancellationToken) {
    let mut task = tokio::spawn(handle(platform.clone(), job.clone()));
    let outcome = loop {
        tokio::select! {
            outcome = &mut task => break outcome,
            () = tokio::time::sleep(HEARTBEAT) => {
                let beat = jobs::heartbeat(&platform.db, &job, LEASE, platform.clock.now()).await;
                if let Err(error) = beat {
                    tracing::warn!(%error, job = job.id, kind = job.kind, "a job was taken from its worker");
                    task.abort();
                    return;
                }
            }
            () = stop.cancelled() => {
                task.abort();
                if let Err(error) = jobs::release(&platform.db, &job, platform.clock.now()).await {
                    tracing::debug!(%error, job = job.id, "a job ended while it was being given back");
                }
                return;
            }
        }
    };
    let error = match outcome {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(source) => Error::Task { what: "a job", source },
    };
    if let Err(error) = settle_failure(platform, &job, &error).await {
        tracing::error!(%error, job = job.id, kind = job.kind, "a failed job could not be put back");
    }
}

async fn handle(platform: Arc<Platform>, job: Job) -> Result<()> {
    tracing::debug!(job = job.id, kind = job.kind, attempt = job.attempts, "job starts");
    match job.kind.as_str() {
        resolve::KIND => resolve::run(&platform, &job).await,
        analyse::KIND => analyse::run(&platform, &job).await,
        _ => judge::run(&platform, &job).await,
    }
}

/// What cannot end differently is not tried again; whoever waits for it is told why.
async fn settle_failure(platform: &Platform, job: &Job, error: &Error) -> Result<()> {
    tracing::warn!(%error, job = job.id, kind = job.kind, attempt = job.attempts, "job failed");
    let reason = error.to_string();
    let given_up = if error.is_final() {
        jobs::bury(&platform.db, job, &reason).await?;
        true
    } else {
        let failed = jobs::fail(&platform.db, job, &reason, platform.clock.now()).await?;
        matches!(failed, Failed::Dead)
    };
    if given_up && job.kind == analyse::KIND {
        analyse::give_up(platform, job, &reason).await?;
    }
    Ok(())
}
