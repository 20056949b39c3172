//! What every engine has to do: the same tests run on SQLite and on PostgreSQL.

use std::collections::BTreeSet;
use std::time::Duration;

use tidewaiter_db::jobs::{self, Failed, NewJob};
use tidewaiter_db::{Db, DbLocation, Error, ErrorKind, Options, args, testing};

const LEASE: Duration = Duration::from_secs(60);
const SECOND: i64 = 1_000_000;

/// Opens the location several times at once, as programs that share a database do, then runs everything.
pub(crate) async fn run(location: &DbLocation) {
    let options = Options::default();
    let (first, second, third) = tokio::join!(
        Db::open(location, &options),
        Db::open(location, &options),
        Db::open(location, &options)
    );
    let db = first.expect("opens");
    let other = second.expect("opens beside another");
    third.expect("opens beside two others").close().await;

    testing::check_statements(&db, jobs::STATEMENTS).await;
    values_come_back(&db).await;
    transactions_keep_all_or_nothing(&db, &other).await;
    a_unique_rule_is_a_conflict(&db).await;
    jobs_are_claimed_in_order(&db).await;
    a_key_is_one_job_while_it_is_unfinished(&db).await;
    a_job_enqueued_while_it_runs_runs_again(&db).await;
    a_lost_lease_takes_the_effects_back(&db).await;
    failures_wait_longer_and_end(&db).await;
    a_job_that_kills_its_worker_is_buried(&db).await;
    a_released_job_has_lost_nothing(&db).await;
    workers_share_the_jobs(&db, &other).await;
    news_is_heard(&db, &other, location).await;
}

async fn values_come_back(db: &Db) {
    let none: Option<String> = None;
    let sql = "SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), $3, CAST($4 AS TEXT), CAST($5 AS BIGINT)";
    let row = db.fetch_one(sql, args![i64::MIN, "ü'\"", vec![0_u8, 255], none, true]).await;
    // SQLite calls a cast column by its value's type, so both engines agree on what comes out.
    let row = row.expect("a row");
    assert_eq!(row.i64(0).expect("integer"), i64::MIN);
    assert_eq!(row.text(1).expect("text"), "ü'\"");
    assert_eq!(row.str(1).expect("text"), "ü'\"");
    assert_eq!(row.bytes(2).expect("bytes"), [0, 255]);
    assert_eq!(row.optional_text(3).expect("text or NULL"), None);
    assert!(row.bool(4).expect("truth"));
    assert!(matches!(row.i64(1), Err(Error::Column { index: 1, .. })));
    assert!(matches!(row.text(3), Err(Error::Column { index: 3, .. })));
    assert!(matches!(row.i64(9), Err(Error::Column { index: 9, .. })));
}

async fn transactions_keep_all_or_nothing(db: &Db, other: &Db) {
    let count = async |db: &Db| {
        let sql = "SELECT COUNT(*) FROM registry_cursors";
        db.fetch_one(sql, args![]).await.expect("a row").i64(0).expect("a count")
    };
    let insert = "INSERT INTO registry_cursors (reader, sequence, leased_until) VALUES ($1, $2, 0)";
    let mut tx = db.begin().await.expect("begins");
    tx.execute(insert, args!["a", 1_i64]).await.expect("inserts");
    assert_eq!(count(other).await, 0, "not visible before the commit");
    drop(tx);
    let mut tx = db.begin().await.expect("begins");
    tx.lock("a test").await.expect("locks");
    tx.execute(insert, args!["b", 1_i64]).await.expect("inserts");
    tx.commit().await.expect("commits");
    assert_eq!(count(other).await, 1, "visible to others after the commit");
}

async fn a_unique_rule_is_a_conflict(db: &Db) {
    let insert = "INSERT INTO registry_cursors (reader, sequence, leased_until) VALUES ($1, $2, 0)";
    let error = db.execute(insert, args!["b", 2_i64]).await.expect_err("b is there");
    assert!(error.is_conflict(), "{error}");
    let error = db.execute("SELECT nonsense", args![]).await.expect_err("no such column");
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
}

async fn drain(db: &Db) {
    db.execute("DELETE FROM jobs", args![]).await.expect("deletes");
}

async fn jobs_are_claimed_in_order(db: &Db) {
    let job = |payload: &str, priority, run_at| NewJob {
        priority,
        run_at: Some(run_at),
        ..NewJob::new("resolve", payload)
    };
    for new in [job("later", 0, 30), job("first", 0, 10), job("urgent", 5, 20), job("future", 9, 1000)] {
        jobs::enqueue_now(db, &new, 0).await.expect("enqueues");
    }
    assert!(jobs::claim(db, &["resolv", "match"], "w", LEASE, 100).await.expect("claims").is_none());
    for expected in ["urgent", "first", "later"] {
        let job = jobs::claim(db, &["match", "resolve"], "w", LEASE, 100).await.expect("claims");
        assert_eq!(job.expect("one is due").payload, expected);
    }
    assert!(jobs::claim(db, &["resolve"], "w", LEASE, 100).await.expect("claims").is_none());
    let counts = jobs::counts(db).await.expect("counts");
    let [counts] = counts.as_slice() else { panic!("{counts:?}") };
    assert_eq!((counts.waiting, counts.running, counts.dead, counts.oldest), (1, 3, 0, Some(0)));
    drain(db).await;
}

async fn a_key_is_one_job_while_it_is_unfinished(db: &Db) {
    let job = |payload: &str| NewJob::new("resolve", payload).dedup("k");
    let first = jobs::enqueue_now(db, &job("old"), 0).await.expect("enqueues");
    let second = jobs::enqueue_now(db, &job("new"), 1).await.expect("enqueues");
    assert_eq!(first, second);
    let other_kind = NewJob::new("match", "").dedup("k");
    assert_ne!(jobs::enqueue_now(db, &other_kind, 1).await.expect("enqueues"), first);
    let claimed = jobs::claim(db, &["resolve"], "w", LEASE, 2).await.expect("claims").expect("due");
    assert_eq!(claimed.payload, "new");
    jobs::bury(db, &claimed, "no use").await.expect("buries");
    let third = jobs::enqueue_now(db, &job("fresh"), 3).await.expect("a dead job holds no key");
    assert_ne!(third, first);
    assert!(!jobs::revive(db, first, 4).await.expect("a living twin is no error"));
    let dead = jobs::dead(db, 0, 10).await.expect("lists");
    assert_eq!(dead.iter().map(|job| job.reason.as_str()).collect::<Vec<_>>(), ["no use"]);
    assert!(jobs::forget(db, first).await.expect("forgets"));
    drain(db).await;
}

async fn a_job_enqueued_while_it_runs_runs_again(db: &Db) {
    let job = |payload: &str| NewJob::new("resolve", payload).dedup("k");
    jobs::enqueue_now(db, &job("one"), 0).await.expect("enqueues");
    let running = jobs::claim(db, &["resolve"], "w", LEASE, 0).await.expect("claims").expect("due");
    jobs::enqueue_now(db, &job("two"), 1).await.expect("enqueues");
    assert!(
        jobs::claim(db, &["resolve"], "w", LEASE, 1).await.expect("claims").is_none(),
        "not twice at once"
    );
    let mut tx = db.begin().await.expect("begins");
    jobs::finish(&mut tx, &running, 2).await.expect("finishes");
    tx.commit().await.expect("commits");
    let again = jobs::claim(db, &["resolve"], "w", LEASE, 2).await.expect("claims").expect("runs again");
    assert_eq!((again.payload.as_str(), again.attempts), ("two", 1));
    let mut tx = db.begin().await.expect("begins");
    jobs::finish(&mut tx, &again, 3).await.expect("finishes");
    tx.commit().await.expect("commits");
    assert_eq!(jobs::counts(db).await.expect("counts"), []);
}

async fn a_lost_lease_takes_the_effects_back(db: &Db) {
    jobs::enqueue_now(db, &NewJob::new("resolve", ""), 0).await.expect("enqueues");
    let slow = jobs::claim(db, &["resolve"], "w", LEASE, 0).await.expect("claims").expect("due");
    jobs::heartbeat(db, &slow, LEASE, 50 * SECOND).await.expect("still ours");
    let early = jobs::claim(db, &["resolve"], "w", LEASE, 100 * SECOND).await.expect("claims");
    assert!(early.is_none(), "the heartbeat extended the lease");
    // The same owner: a process that lost a job to itself must not mix the two runs up either.
    let quick = jobs::claim(db, &["resolve"], "w", LEASE, 110 * SECOND).await.expect("claims").expect("due");
    assert_eq!((quick.id, quick.attempts), (slow.id, 2));
    let mut tx = db.begin().await.expect("begins");
    let error = jobs::finish(&mut tx, &slow, 111 * SECOND).await.expect_err("lost");
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    drop(tx);
    let error = jobs::heartbeat(db, &slow, LEASE, 111 * SECOND).await.expect_err("lost");
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    let mut tx = db.begin().await.expect("begins");
    jobs::finish(&mut tx, &quick, 112 * SECOND).await.expect("finishes");
    tx.commit().await.expect("commits");
}

async fn failures_wait_longer_and_end(db: &Db) {
    let new = NewJob { max_attempts: 3, ..NewJob::new("resolve", "") };
    let id = jobs::enqueue_now(db, &new, 0).await.expect("enqueues");
    let mut now = 0;
    let mut waits = Vec::new();
    let end = loop {
        let job = jobs::claim(db, &["resolve"], "w", LEASE, now).await.expect("claims").expect("due");
        match jobs::fail(db, &job, "no route", now).await.expect("fails") {
            Failed::RetryAt(at) => {
                assert!(jobs::claim(db, &["resolve"], "w", LEASE, at - 1).await.expect("claims").is_none());
                waits.push(at - now);
                now = at;
            }
            Failed::Dead => break job,
        }
    };
    assert_eq!((end.attempts, end.last_error.as_deref()), (3, Some("no route")));
    assert!(waits.len() == 2 && waits[0] >= SECOND && waits[1] >= 2 * waits[0] - 1, "{waits:?}");
    assert!(jobs::revive(db, id, now).await.expect("revives"));
    assert!(jobs::claim(db, &["resolve"], "w", LEASE, now).await.expect("claims").is_some());
    drain(db).await;
}

async fn a_job_that_kills_its_worker_is_buried(db: &Db) {
    let new = NewJob { max_attempts: 2, ..NewJob::new("resolve", "deadly") };
    jobs::enqueue_now(db, &new, 0).await.expect("enqueues");
    jobs::enqueue_now(db, &NewJob::new("resolve", "harmless"), 1).await.expect("enqueues");
    for attempt in 1..=2 {
        let now = attempt * 100 * SECOND;
        let job = jobs::claim(db, &["resolve"], "w", LEASE, now).await.expect("claims").expect("due");
        if attempt == 1 {
            assert_eq!(job.payload, "deadly");
            let other = jobs::claim(db, &["resolve"], "w", LEASE, now).await.expect("claims").expect("due");
            jobs::release(db, &other, 290 * SECOND).await.expect("releases");
        } else {
            assert_eq!((job.payload.as_str(), job.attempts), ("deadly", 2));
        }
    }
    let next = jobs::claim(db, &["resolve"], "w", LEASE, 300 * SECOND).await.expect("claims").expect("due");
    assert_eq!(next.payload, "harmless");
    let dead = jobs::dead(db, 0, 10).await.expect("lists");
    assert_eq!(dead.len(), 1);
    assert!(dead[0].reason.contains("stopped without an answer"), "{}", dead[0].reason);
    drain(db).await;
}

async fn a_released_job_has_lost_nothing(db: &Db) {
    jobs::enqueue_now(db, &NewJob::new("resolve", ""), 0).await.expect("enqueues");
    for _ in 0..3 {
        let job = jobs::claim(db, &["resolve"], "w", LEASE, 0).await.expect("claims").expect("due");
        assert_eq!(job.attempts, 1);
        jobs::release(db, &job, 0).await.expect("releases");
    }
    drain(db).await;
}

async fn workers_share_the_jobs(db: &Db, other: &Db) {
    const JOBS: usize = 200;
    let mut tx = db.begin().await.expect("begins");
    for number in 0..JOBS {
        jobs::enqueue(&mut tx, &NewJob::new("resolve", number.to_string()), 0).await.expect("enqueues");
    }
    tx.commit().await.expect("commits");
    let workers = (0..8).map(|number| {
        let db = if number % 2 == 0 { db.clone() } else { other.clone() };
        tokio::spawn(async move {
            let owner = format!("w{number}");
            let mut done = Vec::new();
            while let Some(job) = jobs::claim(&db, &["resolve"], &owner, LEASE, 1).await.expect("claims") {
                let mut tx = db.begin().await.expect("begins");
                jobs::finish(&mut tx, &job, 1).await.expect("finishes");
                tx.commit().await.expect("commits");
                done.push(job.payload);
            }
            done
        })
    });
    let mut seen = BTreeSet::new();
    let mut runs = 0;
    for worker in workers.collect::<Vec<_>>() {
        let done = worker.await.expect("the worker ends");
        runs += done.len();
        seen.extend(done);
    }
    assert_eq!((runs, seen.len()), (JOBS, JOBS), "every job ran exactly once");
}

async fn news_is_heard(db: &Db, other: &Db, location: &DbLocation) {
    let long = Duration::from_secs(30);
    let heard = async |wake: &mut tidewaiter_db::Wake| {
        tokio::time::timeout(long / 2, wake.wait(long)).await.expect("the news is heard before the limit");
    };
    let mut wake = jobs::subscribe(db);
    // Told before anybody waits: it is kept.
    jobs::enqueue_now(db, &NewJob::new("resolve", ""), 0).await.expect("enqueues");
    heard(&mut wake).await;
    if matches!(location, DbLocation::Postgres(_)) {
        let mut wake = jobs::subscribe(db);
        jobs::enqueue_now(other, &NewJob::new("resolve", ""), 0).await.expect("enqueues");
        heard(&mut wake).await;
    }
    let mut quiet = db.subscribe("nothing");
    quiet.wait(Duration::from_millis(1)).await;
    drain(db).await;
}
