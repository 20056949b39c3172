//! The durable queue: work that is done at least once, whatever happens to the process that promised it.
//!
//! A job has a kind (which handler), a payload (JSON text, read by the handler), a priority (higher first) and
//! a time before which it does not start. Jobs of one kind and one dedup key are one job while it is
//! unfinished; when it is enqueued again while it runs, it runs once more afterwards, because what it has
//! read may be old by then.
//!
//! A worker claims a job with a lease, extends the lease by [`heartbeat`] while it works, and ends it with
//! [`finish`] in the transaction that keeps the effects. When the worker dies, the lease runs out and another
//! worker claims the job. A worker that slept through its lease gets [`Error::LeaseLost`] from [`finish`] and
//! drops its transaction, so effects are kept once.
//!
//! `now` is microseconds since 1970 and handed in everywhere.

use std::time::Duration;

use crate::args;
use crate::database::Db;
use crate::error::{Error, Result};
use crate::transaction::Tx;
use crate::value::Row;
use crate::wake::Wake;

/// The topic told when a job is enqueued or can run again.
pub const TOPIC: &str = "jobs";

/// The wait after the first failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);

mod sql {
    crate::statements! {
        ENQUEUE = "
            INSERT INTO jobs (kind, dedup_key, payload, priority, due_at, claims, attempts, max_attempts, again, dead,
                created_at)
            VALUES ($1, $2, $3, $4, $5, 0, 0, $6, 0, 0, $7)
            ON CONFLICT (kind, dedup_key) WHERE dead = 0 DO UPDATE SET
                payload = excluded.payload,
                priority = CASE WHEN excluded.priority > jobs.priority THEN excluded.priority ELSE jobs.priority END,
                due_at = CASE WHEN jobs.owner IS NULL AND excluded.due_at < jobs.due_at
                    THEN excluded.due_at ELSE jobs.due_at END,
                again = CASE WHEN jobs.owner IS NULL THEN 0 ELSE 1 END
            RETURNING id";
        // The list of kinds is one text, `,resolve,match,`: neither engine takes a list as one argument.
        CLAIM = sqlite "
            UPDATE jobs SET owner = $1, due_at = $2, claims = claims + 1, attempts = attempts + 1
            WHERE id = (
                SELECT id FROM jobs WHERE dead = 0 AND due_at <= $3 AND $4 LIKE '%,' || kind || ',%'
                ORDER BY priority DESC, due_at, id LIMIT 1)
            RETURNING id, kind, payload, attempts, max_attempts, last_error, claims",
        postgres "
            UPDATE jobs SET owner = $1, due_at = $2, claims = claims + 1, attempts = attempts + 1
            WHERE id = (
                SELECT id FROM jobs WHERE dead = 0 AND due_at <= $3 AND $4 LIKE '%,' || kind || ',%'
                ORDER BY priority DESC, due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, kind, payload, attempts, max_attempts, last_error, claims";
        HEARTBEAT = "UPDATE jobs SET due_at = $4 WHERE id = $1 AND owner = $2 AND claims = $3 AND dead = 0";
        REQUEUE = "
            UPDATE jobs SET owner = NULL, again = 0, attempts = 0, due_at = $4, last_error = NULL
            WHERE id = $1 AND owner = $2 AND claims = $3 AND dead = 0 AND again = 1";
        DELETE = "DELETE FROM jobs WHERE id = $1 AND owner = $2 AND claims = $3 AND dead = 0";
        RETRY = "
            UPDATE jobs SET owner = NULL, again = 0, due_at = $4, last_error = $5
            WHERE id = $1 AND owner = $2 AND claims = $3 AND dead = 0";
        RELEASE = "
            UPDATE jobs SET owner = NULL, again = 0, due_at = $4, attempts = attempts - 1
            WHERE id = $1 AND owner = $2 AND claims = $3 AND dead = 0";
        BURY = "
            UPDATE jobs SET owner = NULL, dead = 1, last_error = $4
            WHERE id = $1 AND owner = $2 AND claims = $3 AND dead = 0";
        COUNTS = "
            SELECT kind,
                SUM(CASE WHEN dead = 0 AND owner IS NULL THEN 1 ELSE 0 END),
                SUM(CASE WHEN dead = 0 AND owner IS NOT NULL THEN 1 ELSE 0 END),
                SUM(CASE WHEN dead = 1 THEN 1 ELSE 0 END),
                MIN(CASE WHEN dead = 0 THEN created_at END)
            FROM jobs GROUP BY kind ORDER BY kind";
        DEAD = "
            SELECT id, kind, dedup_key, payload, attempts, last_error FROM jobs WHERE dead = 1 AND id > $1
            ORDER BY id LIMIT $2";
        REVIVE = "
            UPDATE jobs SET dead = 0, attempts = 0, due_at = $2 WHERE id = $1 AND dead = 1
            AND NOT EXISTS (SELECT 1 FROM jobs AS twin
                WHERE twin.kind = jobs.kind AND twin.dedup_key = jobs.dedup_key AND twin.dead = 0)";
        FORGET = "DELETE FROM jobs WHERE id = $1 AND dead = 1";
    }
}

/// The statements of this module, for the test that prepares them.
pub use sql::ALL as STATEMENTS;

/// A job to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Which handler: lower-case letters and dashes.
    pub kind: &'static str,
    /// Jobs of one kind with the same key are one job while it is unfinished; without a key every job is
    /// its own.
    pub dedup_key: Option<String>,
    /// JSON for the handler. Of several jobs that are one, the last payload counts.
    pub payload: String,
    /// Higher first.
    pub priority: i64,
    /// Not before this time, in microseconds; `None` is at once.
    pub run_at: Option<i64>,
    /// How often it is tried before it is dead.
    pub max_attempts: i64,
}

impl NewJob {
    /// A job that may start at once, with priority 0 and ten attempts.
    #[must_use]
    pub fn new(kind: &'static str, payload: impl Into<String>) -> Self {
        Self { kind, dedup_key: None, payload: payload.into(), priority: 0, run_at: None, max_attempts: 10 }
    }

    /// The same job under a dedup key.
    #[must_use]
    pub fn dedup(mut self, key: impl Into<String>) -> Self {
        self.dedup_key = Some(key.into());
        self
    }
}

/// A claimed job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Number in the table.
    pub id: i64,
    /// Which handler.
    pub kind: String,
    /// What for.
    pub payload: String,
    /// Which attempt this is, from 1.
    pub attempts: i64,
    /// How many there may be.
    pub max_attempts: i64,
    /// Why the attempt before failed.
    pub last_error: Option<String>,
    /// Who has it: with `claims` the proof that the lease is still ours.
    owner: String,
    /// How often it was ever claimed.
    claims: i64,
}

/// How many jobs of a kind there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Which handler.
    pub kind: String,
    /// Waiting for a worker, for their time, or for another attempt.
    pub waiting: i64,
    /// Claimed by a worker, perhaps by one that has died.
    pub running: i64,
    /// Given up.
    pub dead: i64,
    /// When the oldest unfinished one was enqueued, in microseconds.
    pub oldest: Option<i64>,
}

/// A job that was given up.
#[derive(Debug, Clone)]
pub struct DeadJob {
    /// Number in the table.
    pub id: i64,
    /// Which handler.
    pub kind: String,
    /// Its dedup key.
    pub dedup_key: Option<String>,
    /// What for.
    pub payload: String,
    /// How often it was tried.
    pub attempts: i64,
    /// Why the last attempt failed.
    pub reason: String,
}

/// What became of a failed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It is tried again at this time, in microseconds.
    RetryAt(i64),
    /// It is dead: it was the last attempt.
    Dead,
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Adds a job in a transaction, or freshens the unfinished one with the same kind and key. Its number. Workers
/// are told after the commit.
pub async fn enqueue(tx: &mut Tx, job: &NewJob, now: i64) -> Result<i64> {
    let row = tx
        .fetch_one(
            sql::ENQUEUE,
            args![
                job.kind,
                job.dedup_key.as_ref(),
                &job.payload,
                job.priority,
                job.run_at.unwrap_or(now),
                job.max_attempts.max(1),
                now,
            ],
        )
        .await?;
    tx.notify(TOPIC);
    row.i64(0)
}

/// [`enqueue`] in a transaction of its own.
pub async fn enqueue_now(db: &Db, job: &NewJob, now: i64) -> Result<i64> {
    let mut tx = db.begin().await?;
    let id = enqueue(&mut tx, job, now).await?;
    tx.commit().await?;
    Ok(id)
}

/// Hears of jobs that were enqueued or given back. Wait at most some seconds at a time: a job that becomes due
/// by its time, or a lease that runs out, makes no news.
#[must_use]
pub fn subscribe(db: &Db) -> Wake {
    db.subscribe(TOPIC)
}

/// Takes the first due job of these kinds for `lease`; `None` when nothing is due. Jobs whose lease ran out on
/// their last attempt are buried on the way.
pub async fn claim(db: &Db, kinds: &[&str], owner: &str, lease: Duration, now: i64) -> Result<Option<Job>> {
    let kinds = format!(",{},", kinds.join(","));
    loop {
        let mut tx = db.begin().await?;
        let arguments = args![owner, now.saturating_add(micros(lease)), now, &kinds];
        let Some(row) = tx.fetch_optional(sql::CLAIM, arguments).await? else {
            return Ok(None);
        };
        let job = read_job(&row, owner)?;
        if job.attempts <= job.max_attempts {
            tx.commit().await?;
            return Ok(Some(job));
        }
        let reason = match &job.last_error {
            Some(last) => format!("the worker stopped without an answer; before that: {last}"),
            None => "the worker stopped without an answer".to_owned(),
        };
        tx.execute(sql::BURY, args![job.id, &job.owner, job.claims, reason]).await?;
        tx.commit().await?;
        tracing::warn!(
            job = job.id,
            kind = job.kind,
            "a job was given up: its workers stopped without an answer"
        );
    }
}

fn read_job(row: &Row, owner: &str) -> Result<Job> {
    Ok(Job {
        id: row.i64(0)?,
        kind: row.text(1)?,
        payload: row.text(2)?,
        attempts: row.i64(3)?,
        max_attempts: row.i64(4)?,
        last_error: row.optional_text(5)?,
        owner: owner.to_owned(),
        claims: row.i64(6)?,
    })
}

/// Extends the lease to `now + lease`. [`Error::LeaseLost`] tells the worker to stop: somebody else has the job.
pub async fn heartbeat(db: &Db, job: &Job, lease: Duration, now: i64) -> Result<()> {
    let until = now.saturating_add(micros(lease));
    let changed = db.execute(sql::HEARTBEAT, args![job.id, &job.owner, job.claims, until]).await?;
    still_ours(job, changed)
}

/// Ends a job that succeeded, in the transaction of its effects. When it was enqueued again meanwhile, it
/// waits for its next run instead of going away. On [`Error::LeaseLost`] drop the transaction.
pub async fn finish(tx: &mut Tx, job: &Job, now: i64) -> Result<()> {
    if tx.execute(sql::REQUEUE, args![job.id, &job.owner, job.claims, now]).await? == 1 {
        tx.notify(TOPIC);
        return Ok(());
    }
    let changed = tx.execute(sql::DELETE, args![job.id, &job.owner, job.claims]).await?;
    still_ours(job, changed)
}

/// Ends an attempt that failed: another follows after a wait that doubles each time, unless this was the last.
pub async fn fail(db: &Db, job: &Job, reason: &str, now: i64) -> Result<Failed> {
    if job.attempts >= job.max_attempts {
        bury(db, job, reason).await?;
        return Ok(Failed::Dead);
    }
    let at = now.saturating_add(micros(backoff(job.id, job.attempts)));
    let changed = db.execute(sql::RETRY, args![job.id, &job.owner, job.claims, at, reason]).await?;
    still_ours(job, changed)?;
    Ok(Failed::RetryAt(at))
}

/// Ends a job that can never succeed, without further attempts.
pub async fn bury(db: &Db, job: &Job, reason: &str) -> Result<()> {
    let changed = db.execute(sql::BURY, args![job.id, &job.owner, job.claims, reason]).await?;
    still_ours(job, changed)
}

/// Gives a job back untouched, as a worker does that is asked to stop; the attempt does not count.
pub async fn release(db: &Db, job: &Job, now: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    let changed = tx.execute(sql::RELEASE, args![job.id, &job.owner, job.claims, now]).await?;
    tx.notify(TOPIC);
    tx.commit().await?;
    still_ours(job, changed)
}

fn still_ours(job: &Job, changed: u64) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Error::LeaseLost { id: job.id, kind: job.kind.clone() }) }
}

/// 1 s, 2 s, 4 s … up to an hour, and up to a quarter more that differs from job to job, so that jobs which
/// failed together do not come back together.
fn backoff(id: i64, attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(20);
    let wait = (FIRST_BACKOFF * 2_u32.pow(doublings)).min(LONGEST_BACKOFF);
    let spread = u32::try_from(id.rem_euclid(16)).unwrap_or(0);
    wait + wait / 64 * spread
}

/// How many jobs there are of each kind that has any.
pub async fn counts(db: &Db) -> Result<Vec<Counts>> {
    let rows = db.fetch_all(sql::COUNTS, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok(Counts {
                kind: row.text(0)?,
                waiting: row.i64(1)?,
                running: row.i64(2)?,
                dead: row.i64(3)?,
                oldest: row.optional_i64(4)?,
            })
        })
        .collect()
}

/// Up to `limit` jobs that were given up, with a number above `after`.
pub async fn dead(db: &Db, after: i64, limit: u32) -> Result<Vec<DeadJob>> {
    let rows = db.fetch_all(sql::DEAD, args![after, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(DeadJob {
                id: row.i64(0)?,
                kind: row.text(1)?,
                dedup_key: row.optional_text(2)?,
                payload: row.text(3)?,
                attempts: row.i64(4)?,
                reason: row.optional_text(5)?.unwrap_or_default(),
            })
        })
        .collect()
}

/// Lets a dead job start over; `false` when there is none of this number, or a living one took its place.
pub async fn revive(db: &Db, id: i64, now: i64) -> Result<bool> {
    let mut tx = db.begin().await?;
    let revived = tx.execute(sql::REVIVE, args![id, now]).await? == 1;
    tx.notify(TOPIC);
    tx.commit().await?;
    Ok(revived)
}

/// Removes a dead job for good; `false` when there is none of this number.
pub async fn forget(db: &Db, id: i64) -> Result<bool> {
    Ok(db.execute(sql::FORGET, args![id]).await? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stay_under_an_hour_and_a_quarter() {
        assert_eq!(backoff(0, 1), Duration::from_secs(1));
        assert_eq!(backoff(0, 4), Duration::from_secs(8));
        assert!(backoff(15, 1) > backoff(0, 1));
        assert!(backoff(15, i64::MAX) <= LONGEST_BACKOFF + LONGEST_BACKOFF / 4);
    }
}
