//! The behaviour of a real PostgreSQL server, and that both engines have the same schema.

mod suite;

use std::collections::BTreeSet;

use tidewaiter_db::testing::{PostgresServer, TempDb};
use tidewaiter_db::{Db, DbLocation, Error, Options, Statement, args};

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_does_what_every_engine_does() {
    let server = PostgresServer::start();
    suite::run(&server.database()).await;
    both_engines_have_the_same_schema(&server).await;
    a_begin_that_is_given_up_leaves_nothing_open(&server).await;
    a_server_that_is_away_is_named().await;
}

async fn a_begin_that_is_given_up_leaves_nothing_open(server: &PostgresServer) {
    // One connection for the news, one for everything else.
    let options = Options { connections: 2, ..Options::default() };
    let location = server.database();
    let db = Db::open(&location, &options).await.expect("opens");
    let others = Db::open(&location, &Options::default()).await.expect("opens");
    for polls in 1..20 {
        let mut begin = Box::pin(db.begin());
        for _ in 0..polls {
            tokio::select! {
                biased;
                _ = &mut begin => break,
                () = tokio::task::yield_now() => {}
            }
        }
        drop(begin);
        db.execute("CREATE TABLE given_up (polls bigint)", args![]).await.expect("creates");
        others.execute("DROP TABLE given_up", args![]).await.expect("what was executed is there for all");
    }
}

async fn both_engines_have_the_same_schema(server: &PostgresServer) {
    const COLUMNS: Statement = Statement::each(
        "SELECT m.name, c.name, LOWER(c.type), c.\"notnull\" FROM sqlite_master AS m, pragma_table_info(m.name) AS c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
        "SELECT table_name::text, column_name::text, data_type::text,
             CASE is_nullable WHEN 'NO' THEN 1::bigint ELSE 0::bigint END
         FROM information_schema.columns WHERE table_schema = 'public'",
    );
    const INDEXES: Statement = Statement::each(
        "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "SELECT tablename::text, indexname::text FROM pg_indexes
         WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE '%_key'",
    );
    let postgres = Db::open(&server.database(), &Options::default()).await.expect("opens");
    let sqlite = TempDb::new().await;
    let columns = async |db: &Db| -> BTreeSet<(String, String, &'static str, bool)> {
        let rows = db.fetch_all(COLUMNS, args![]).await.expect("columns");
        rows.iter()
            .map(|row| {
                let class = match row.str(2).expect("a type") {
                    "integer" | "bigint" => "integer",
                    "text" => "text",
                    "blob" | "bytea" => "bytes",
                    other => panic!("unexpected type {other}"),
                };
                let table = row.text(0).expect("a table");
                // SQLite does not say NOT NULL of a primary key that is an alias of the row id, and its
                // version table was made by the common statement.
                let required = row.bool(3).expect("a flag")
                    || row.str(1).expect("a column") == "id"
                    || ["sequence", "version"].contains(&row.str(1).expect("a column"))
                    || row.str(1).expect("a column") == "digest" && table == "registry_contents";
                (table, row.text(1).expect("a column"), class, required)
            })
            .collect()
    };
    let indexes = async |db: &Db| -> BTreeSet<(String, String)> {
        let rows = db.fetch_all(INDEXES, args![]).await.expect("indexes");
        rows.iter().map(|row| (row.text(0).expect("a table"), row.text(1).expect("an index"))).collect()
    };
    let (ours, theirs) = (columns(&sqlite.db).await, columns(&postgres).await);
    assert!(ours.len() > 50, "the schema has more columns than {}", ours.len());
    assert_eq!(ours.difference(&theirs).collect::<Vec<_>>(), theirs.difference(&ours).collect::<Vec<_>>());
    assert_eq!(indexes(&sqlite.db).await, indexes(&postgres).await);
}

async fn a_server_that_is_away_is_named() {
    let location = DbLocation::Postgres("postgres://u:secret@127.0.0.1:1/d".to_owned());
    let options = Options { patience: std::time::Duration::from_secs(2), ..Options::default() };
    let error = Db::open(&location, &options).await.expect_err("nobody listens");
    assert!(matches!(error, Error::Open { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("postgres://u@127.0.0.1:1/d") && !message.contains("secret"), "{message}");
    assert!(message.contains("no server answered for 2 s"), "{message}");
}
