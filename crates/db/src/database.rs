//! Opens a database and sends statements to it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::Connection as _;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Postgres, Sqlite, SqliteConnection};
use tokio::task::AbortHandle;

use crate::changes::Changes;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::journal::Journal;
use crate::location::DbLocation;
use crate::migrations;
use crate::reserve::Reserve;
use crate::statement::Statement;
use crate::transaction::{Tx, TxInner};
use crate::value::{Inner, Row, Value};
use crate::wake::{CHANNEL, Topics, Wake};

/// Marks a SQLite file as ours (`PRAGMA application_id`): "TWDB".
const APPLICATION_ID: i64 = 0x5457_4442;
/// SQLite's result code of a file that is something else.
const SQLITE_NOTADB: &str = "26";

/// How long to wait before a locked file is opened again.
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

/// A copy is made where the disk has room for so many of it: for itself, for its journal, and for others.
const COPY_ROOM: u64 = 4;

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most connections that read at once (SQLite), or do anything at once (PostgreSQL).
    pub connections: u32,
    /// How long a statement waits for a connection or for another process's lock.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 8, patience: Duration::from_secs(30) }
    }
}

/// A database. Clones share its connections.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    topics: Topics,
    /// Hears the news of other processes; it ends with the last clone.
    listener: Option<Arc<AbortOnDrop>>,
}

#[derive(Clone)]
enum Engine {
    /// SQLite takes one writer: a pool of one connection for writing, another for reading.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
        reserve: Reserve,
        journal: Journal,
        changes: Changes,
    },
    Postgres(PgPool),
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Db {
    /// Opens the database, creates it when it is a SQLite file that is not there, and brings its schema up to
    /// date.
    ///
    /// Errors: [`Error::Unwritable`], [`Error::Foreign`], [`Error::TooNew`], [`Error::Open`],
    /// [`Error::Migrate`].
    pub async fn open(location: &DbLocation, options: &Options) -> Result<Self> {
        match location {
            DbLocation::Sqlite(path) => match Self::open_sqlite_patiently(path, options).await {
                Err(error) if error.kind() == ErrorKind::Full && Reserve::of(path).give_up() => {
                    Self::open_sqlite_patiently(path, options).await
                }
                result => result,
            },
            DbLocation::Postgres(url) => Self::open_postgres(location, url, options).await,
        }
    }

    /// Opens a SQLite file that others may be opening for the first time. Some of the locks that takes SQLite refuses at
    /// once, without waiting as long as it was told to.
    async fn open_sqlite_patiently(path: &Path, options: &Options) -> Result<Self> {
        let begun = Instant::now();
        loop {
            match Self::open_sqlite(path, options).await {
                Err(error) if error.is_locked() && begun.elapsed() < options.patience => {
                    tokio::time::sleep(LOCKED_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    async fn open_sqlite(path: &Path, options: &Options) -> Result<Self> {
        check_writable(path)?;
        let failed = |source: sqlx::Error| match &source {
            sqlx::Error::Database(error) if error.code().as_deref() == Some(SQLITE_NOTADB) => {
                Error::Foreign { path: path.to_owned() }
            }
            _ => Error::Open { location: path.display().to_string(), source: Cause(source) },
        };
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What is acknowledged must survive the loss of power: commits wait for the disk in `journal`, together.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(options.patience)
            .statement_cache_capacity(512);
        // An idle connection keeps its prepared statements; opening another costs more than keeping it. The
        // connection is a file handle, so it needs no test before use.
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(options.patience)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        let write = pool().max_connections(1).before_acquire(|connection, _| {
            // On a full disk and the like SQLite takes a transaction back by itself. The driver then finds none to
            // take back, believes it in progress for ever, and can only be closed.
            Box::pin(async { Ok(!connection.is_in_transaction()) })
        });
        let write = write.connect_with(connect.clone()).await.map_err(failed)?;
        let mut connection = write.acquire().await.map_err(failed)?;
        claim_file(&mut connection, path).await?;
        migrations::migrate_sqlite(&mut connection, &path.display().to_string()).await?;
        drop(connection);
        // `query_only` and not a read-only file: the latter cannot recover a journal after a crash.
        let connect = connect.pragma("query_only", "ON");
        let read = pool()
            .max_connections(options.connections.max(1))
            .connect_with(connect.clone())
            .await
            .map_err(failed)?;
        let changes = Changes::new(pool().max_connections(1).connect_with(connect).await.map_err(failed)?);
        let journal = Journal::of(path);
        journal.sync().await.map_err(|error| failed(error.into()))?;
        let engine = Engine::Sqlite { write, read, reserve: Reserve::of(path), journal, changes };
        Ok(Self { engine, topics: Topics::default(), listener: None })
    }

    async fn open_postgres(location: &DbLocation, url: &str, options: &Options) -> Result<Self> {
        let failed = |source: sqlx::Error| {
            // The pool tries again while the server may be starting, and then says only that it gave up.
            let source = match source {
                sqlx::Error::PoolTimedOut => sqlx::Error::Io(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("no server answered for {} s", options.patience.as_secs()),
                )),
                other => other,
            };
            Error::Open { location: location.to_string(), source: Cause(source) }
        };
        let connect: PgConnectOptions = url.parse().map_err(failed)?;
        let pool = PgPoolOptions::new()
            .max_connections(options.connections.max(2))
            .acquire_timeout(options.patience)
            .connect_with(connect.application_name("tidewaiter"))
            .await
            .map_err(failed)?;
        let mut connection = pool.acquire().await.map_err(failed)?;
        migrations::migrate_postgres(&mut connection, &location.to_string()).await?;
        drop(connection);
        let topics = Topics::default();
        let mut listener = PgListener::connect_with(&pool).await.map_err(failed)?;
        listener.listen(CHANNEL).await.map_err(failed)?;
        let task = tokio::spawn(listen(listener, topics.clone()));
        let listener = Some(Arc::new(AbortOnDrop(task.abort_handle())));
        Ok(Self { engine: Engine::Postgres(pool), topics, listener })
    }

    /// All rows of a result, read outside any transaction.
    pub async fn fetch_all(&self, statement: impl Into<Statement>, args: Vec<Value>) -> Result<Vec<Row>> {
        let statement = statement.into();
        match &self.engine {
            Engine::Sqlite { read, .. } => {
                let rows = bind_sqlite(statement, args).fetch_all(read).await;
                rows.map(|rows| rows.into_iter().map(|row| Row(Inner::Sqlite(row))).collect())
            }
            Engine::Postgres(pool) => {
                let rows = bind_postgres(statement, args).fetch_all(pool).await;
                rows.map(|rows| rows.into_iter().map(|row| Row(Inner::Postgres(row))).collect())
            }
        }
        .map_err(|source| Error::statement(statement, source))
    }

    /// The first row of a result, if it has one.
    pub async fn fetch_optional(
        &self,
        statement: impl Into<Statement>,
        args: Vec<Value>,
    ) -> Result<Option<Row>> {
        let statement = statement.into();
        match &self.engine {
            Engine::Sqlite { read, .. } => {
                let row = bind_sqlite(statement, args).fetch_optional(read).await;
                row.map(|row| row.map(|row| Row(Inner::Sqlite(row))))
            }
            Engine::Postgres(pool) => {
                let row = bind_postgres(statement, args).fetch_optional(pool).await;
                row.map(|row| row.map(|row| Row(Inner::Postgres(row))))
            }
        }
        .map_err(|source| Error::statement(statement, source))
    }

    /// The first row of a result that has one; [`Error::NoRow`] otherwise.
    pub async fn fetch_one(&self, statement: impl Into<Statement>, args: Vec<Value>) -> Result<Row> {
        let statement = statement.into();
        let row = self.fetch_optional(statement, args).await?;
        row.ok_or_else(|| Error::NoRow { statement: statement.in_one_line() })
    }

    /// Runs one writing statement; the number of rows it changed. A write that returns rows needs
    /// [`Db::begin`].
    pub async fn execute(&self, statement: impl Into<Statement>, args: Vec<Value>) -> Result<u64> {
        let statement = statement.into();
        match &self.engine {
            Engine::Sqlite { write, journal, changes, .. } => {
                let writing = changes.writing();
                match bind_sqlite(statement, args).execute(write).await {
                    Ok(done) => {
                        drop(writing);
                        journal.sync().await.map(|()| done.rows_affected()).map_err(sqlx::Error::Io)
                    }
                    Err(error) => Err(error),
                }
            }
            Engine::Postgres(pool) => {
                bind_postgres(statement, args).execute(pool).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|source| Error::statement(statement, source))
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Tx> {
        let inner = match &self.engine {
            // A deferred transaction that reads and then writes fails at once when another process wrote
            // in between, whatever the busy timeout says. An immediate one waits for its turn instead.
            Engine::Sqlite { write, journal, changes, .. } => {
                let begun = write.begin_with("BEGIN IMMEDIATE").await;
                begun.map(|tx| TxInner::Sqlite(tx, journal.clone(), changes.clone()))
            }
            // In a task of its own, because the driver cannot give it up half way: whoever waits may go, and the
            // transaction would stay open on a connection that somebody else gets, and keeps nothing of theirs.
            Engine::Postgres(pool) => {
                let pool = pool.clone();
                let begun = tokio::spawn(async move { pool.begin().await });
                begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed)).map(TxInner::Postgres)
            }
        }
        .map_err(|source| Error::Transaction { operation: "begin", source: Cause(source) })?;
        Ok(Tx { inner, topics: self.topics.clone(), news: Vec::new() })
    }

    /// A number that has changed when anything was written since it was last asked for, so that an answer can be
    /// remembered with it: asked for before the database is. Writes of other processes to a SQLite file show within
    /// 20 ms. Nothing of the kind is known of a PostgreSQL database.
    pub async fn version(&self) -> Result<Option<u64>> {
        let Engine::Sqlite { changes, .. } = &self.engine else { return Ok(None) };
        let failed =
            |source| Error::Statement { statement: "PRAGMA data_version".to_owned(), source: Cause(source) };
        changes.version().await.map(Some).map_err(failed)
    }

    /// Keeps some room on the disk of a SQLite file for deleting when everything else is full, as far as there is
    /// room now. A PostgreSQL server looks after itself.
    pub async fn keep_room(&self) {
        if let Engine::Sqlite { reserve, .. } = &self.engine {
            let reserve = reserve.clone();
            // Without it everything works but deleting on a full disk, which has its own error.
            let _ = tokio::task::spawn_blocking(move || reserve.keep()).await;
        }
    }

    /// Gives up the room that [`Db::keep_room`] keeps. Whether a statement that failed with [`ErrorKind::Full`] has
    /// a better chance now.
    pub async fn give_up_room(&self) -> bool {
        let Engine::Sqlite { reserve, .. } = &self.engine else { return false };
        let reserve = reserve.clone();
        tokio::task::spawn_blocking(move || reserve.give_up()).await.unwrap_or(false)
    }

    /// A copy of a SQLite database as it is now, in a new file of this directory, for work that must not keep writers
    /// waiting; they go on while it is made. `None` where there is none: of a PostgreSQL database, and when the disk
    /// has not room for it several times over, so that it takes the last bytes from nobody.
    ///
    /// Errors: [`Error::Copy`], and those of [`Db::open`].
    pub async fn copy(&self, directory: &Path) -> Result<Option<Self>> {
        let Engine::Sqlite { write, .. } = &self.engine else { return Ok(None) };
        let from = write.connect_options();
        let to = directory.join("copy.db");
        let failed = |source: sqlx::Error| Error::Copy { path: to.clone(), source: Cause(source) };
        if !has_room_for_copy(from.get_filename(), directory) {
            return Ok(None);
        }
        // A connection of its own: that of the pool is for writers, and those that read cannot make files.
        let mut connection = SqliteConnection::connect_with(&from).await.map_err(failed)?;
        let copy = sqlx::query("VACUUM INTO ?").bind(to.to_string_lossy());
        copy.execute(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
        Self::open(&DbLocation::Sqlite(to), &Options::default()).await.map(Some)
    }

    /// Hears of the transactions that say [`Tx::notify`] with this topic.
    #[must_use]
    pub fn subscribe(&self, topic: &'static str) -> Wake {
        self.topics.subscribe(topic)
    }

    /// Closes all connections, after what is running has ended.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { write, read, changes, .. } => {
                changes.close().await;
                read.close().await;
                write.close().await;
            }
            Engine::Postgres(pool) => {
                // The listener holds a connection that the pool would wait for.
                if let Some(listener) = &self.listener {
                    listener.0.abort();
                }
                pool.close().await;
            }
        }
    }

    /// Asks the engine to parse and plan a statement without running it.
    #[cfg(feature = "testing")]
    pub(crate) async fn prepare(&self, statement: Statement) -> Result<()> {
        use sqlx::{Executor as _, SqlSafeStr as _};
        match &self.engine {
            Engine::Sqlite { write, .. } => write.prepare(statement.sqlite.into_sql_str()).await.map(|_| ()),
            Engine::Postgres(pool) => pool.prepare(statement.postgres.into_sql_str()).await.map(|_| ()),
        }
        .map_err(|source| Error::statement(statement, source))
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let engine = match self.engine {
            Engine::Sqlite { .. } => "SQLite",
            Engine::Postgres(_) => "PostgreSQL",
        };
        f.debug_tuple("Db").field(&engine).finish()
    }
}

/// SQLite says "unable to open database file" to everything; the operating system says why.
fn check_writable(path: &Path) -> Result<()> {
    let opened = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    opened.map(|_| ()).map_err(|source| Error::Unwritable { path: path.to_owned(), source })
}

/// A directory's disk has room for a copy of a database and for what is done to it, and some is left.
fn has_room_for_copy(database: &Path, directory: &Path) -> bool {
    let size = std::fs::metadata(database).map(|metadata| metadata.len());
    let free = rustix::fs::statvfs(directory).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    matches!((size, free), (Ok(size), Ok(free)) if size.saturating_mul(COPY_ROOM) <= free)
}

/// Marks a fresh file as ours, and refuses a database that somebody else's program made.
async fn claim_file(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let failed = |source| Error::Open { location: path.display().to_string(), source: Cause(source) };
    if application_id(connection).await.map_err(failed)? == APPLICATION_ID {
        return Ok(());
    }
    // Another process may be claiming the same fresh file, and filling it at once.
    let mut claiming = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let id = application_id(&mut claiming).await.map_err(failed)?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master")
        .fetch_one(&mut *claiming)
        .await
        .map_err(failed)?;
    if id != 0 || tables != 0 {
        return Err(Error::Foreign { path: path.to_owned() });
    }
    sqlx::raw_sql("PRAGMA application_id = 0x54574442").execute(&mut *claiming).await.map_err(failed)?;
    claiming.commit().await.map_err(failed)
}

async fn application_id(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("PRAGMA application_id").fetch_one(connection).await
}

/// Hands on what other processes tell. The listener reconnects by itself; what was said meanwhile is lost,
/// so everybody is told to look.
async fn listen(mut listener: PgListener, topics: Topics) {
    loop {
        match listener.try_recv().await {
            Ok(Some(notification)) => topics.tell(notification.payload()),
            Ok(None) => topics.tell_all(),
            Err(error) => {
                tracing::warn!(%error, "the database connection that listens for news failed; trying again");
                topics.tell_all();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

macro_rules! bind {
    ($query:expr, $args:expr) => {
        $args.into_iter().fold($query, |query, value| match value {
            Value::I64(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        })
    };
}

pub(crate) fn bind_sqlite(statement: Statement, args: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    bind!(sqlx::query(statement.sqlite), args)
}

pub(crate) fn bind_postgres(statement: Statement, args: Vec<Value>) -> Query<'static, Postgres, PgArguments> {
    bind!(sqlx::query(statement.postgres), args)
}
