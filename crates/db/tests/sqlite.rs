//! The behaviour of SQLite databases: the common suite, and what is wrong with files.

mod suite;

use tidewaiter_db::{Db, DbLocation, Error, ErrorKind, Options, args, testing::TempDb};

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_does_what_every_engine_does() {
    let directory = tempfile::tempdir().expect("a directory");
    suite::run(&DbLocation::Sqlite(directory.path().join("a.db"))).await;
}

async fn open(path: &std::path::Path) -> Result<Db, Error> {
    Db::open(&DbLocation::Sqlite(path.to_owned()), &Options::default()).await
}

#[tokio::test]
async fn a_file_of_something_else_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "not a database at all, but long enough to have a header").expect("writes");
    let error = open(&text).await.expect_err("text");
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert!(std::fs::read_to_string(&text).expect("reads").starts_with("not a database"));

    // A database of another program: made by one of ours, with the mark taken off.
    let theirs = TempDb::new().await;
    let DbLocation::Sqlite(path) = &theirs.location else { unreachable!("a file") };
    theirs.db.execute("PRAGMA application_id = 1", args![]).await.expect("marks");
    theirs.db.close().await;
    let error = open(path).await.expect_err("foreign");
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing/a.db");
    let error = open(&missing).await.expect_err("no directory");
    assert!(matches!(error, Error::Unwritable { .. }), "{error}");
    assert!(error.to_string().contains("missing/a.db"), "{error}");
    let error = open(directory.path()).await.expect_err("a directory");
    assert!(matches!(error, Error::Unwritable { .. }), "{error}");
}

#[tokio::test]
async fn a_newer_database_is_not_touched() {
    let temp = TempDb::new().await;
    let insert = "INSERT INTO schema_version (version, name) VALUES (9999, 'from the future')";
    temp.db.execute(insert, args![]).await.expect("inserts");
    let error = Db::open(&temp.location, &Options::default()).await.expect_err("newer");
    assert!(matches!(error, Error::TooNew { found: 9999, .. }), "{error}");
}

#[tokio::test]
async fn reads_cannot_write() {
    let temp = TempDb::new().await;
    let sql =
        "INSERT INTO registry_cursors (reader, sequence, leased_until) VALUES ('a', 1, 0) RETURNING reader";
    temp.db.fetch_all(sql, args![]).await.expect_err("the read pool only reads");
}

/// The journal is synced by its name: without one, nobody can promise anything.
#[tokio::test]
async fn every_commit_waits_for_the_disk() {
    let temp = TempDb::new().await;
    let mut tx = temp.db.begin().await.expect("begins");
    let row = tx.fetch_one("PRAGMA journal_mode", args![]).await.expect("a row");
    assert_eq!(row.text(0).expect("text"), "wal");
    tx.execute("CREATE TABLE kept (number BIGINT NOT NULL)", args![]).await.expect("creates");
    tx.commit().await.expect("synced");
    let insert = "INSERT INTO kept (number) VALUES ($1)";
    let writers = (0..20).map(|number| {
        let db = temp.db.clone();
        tokio::spawn(async move {
            let mut tx = db.begin().await?;
            tx.execute(insert, args![number]).await?;
            tx.commit().await
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no panic").expect("synced");
    }
    let DbLocation::Sqlite(path) = &temp.location else { unreachable!("a file") };
    let mut journal = path.clone().into_os_string();
    journal.push("-wal");
    std::fs::remove_file(&journal).expect("it is there");
    temp.db.execute(insert, args![20]).await.expect_err("one statement waits too");
    let mut tx = temp.db.begin().await.expect("begins");
    tx.execute(insert, args![21]).await.expect("inserts");
    let error = tx.commit().await.expect_err("a transaction waits");
    assert!(error.to_string().contains("-wal could not be written to the disk"), "{error}");
}

#[tokio::test]
async fn writes_change_the_version_and_reads_do_not() {
    let temp = TempDb::new().await;
    let version = async || temp.db.version().await.expect("answers").expect("SQLite has one");
    temp.db.execute("CREATE TABLE seen (number BIGINT NOT NULL)", args![]).await.expect("creates");
    let insert = "INSERT INTO seen (number) VALUES ($1)";
    let before = version().await;
    temp.db.execute(insert, args![1]).await.expect("inserts");
    let after = version().await;
    assert_ne!(before, after);
    let mut tx = temp.db.begin().await.expect("begins");
    tx.execute(insert, args![2]).await.expect("inserts");
    drop(tx);
    temp.db.fetch_all("SELECT number FROM seen", args![]).await.expect("reads");
    // Looked for anew as often as it takes to see our own write of before through the other connection.
    let settled = async || {
        let mut last = version().await;
        for _ in 0..3 {
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            last = version().await;
        }
        last
    };
    let before = settled().await;
    assert_eq!(before, settled().await);
    let DbLocation::Sqlite(path) = &temp.location else { unreachable!("a file") };
    let other = open(path).await.expect("another process opens it");
    other.execute(insert, args![3]).await.expect("inserts");
    assert_ne!(before, settled().await);
}

/// A limit on its pages stands for a full disk: SQLite says the same, and takes the transaction back by itself.
#[tokio::test]
async fn a_transaction_that_found_no_room_does_not_stop_the_next() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(&directory.path().join("some.db")).await.expect("opens");
    db.execute("CREATE TABLE fat (content BLOB NOT NULL)", vec![]).await.expect("creates");
    db.execute("PRAGMA max_page_count = 1", vec![]).await.expect("limits");
    let insert = "INSERT INTO fat (content) VALUES (ZEROBLOB($1))";
    let mut tx = db.begin().await.expect("begins");
    let error = tx.execute(insert, args![50_000_000]).await.expect_err("there is no room");
    assert_eq!(error.kind(), ErrorKind::Full);
    drop(tx);
    let mut tx = db.begin().await.expect("begins again");
    tx.execute(insert, args![1]).await.expect("inserts");
    tx.commit().await.expect("commits");
}

/// Some locks SQLite refuses at once, whatever the patience: those of a file that several begin with.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_open_a_new_file_at_once() {
    for _ in 0..15 {
        let directory = tempfile::tempdir().expect("a directory");
        let location = DbLocation::Sqlite(directory.path().join("new.db"));
        let opening: Vec<_> = (0..8)
            .map(|_| {
                let location = location.clone();
                tokio::spawn(async move { Db::open(&location, &Options::default()).await })
            })
            .collect();
        for opened in opening {
            opened.await.expect("no panic").expect("opens").close().await;
        }
    }
}
