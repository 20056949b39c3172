//! Whether anything has been written to a SQLite file: so that answers can be remembered as long as nothing was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::sqlite::SqlitePool;

/// How long a write of another process may go unnoticed. Those of this process are known at once.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Counts the writes to one database.
#[derive(Debug, Clone)]
pub(crate) struct Changes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    version: AtomicU64,
    /// One connection that does nothing else: what it says of others is told per connection.
    connection: SqlitePool,
    looked: Mutex<Looked>,
}

#[derive(Debug)]
struct Looked {
    at: Option<Instant>,
    data_version: i64,
}

/// Says that something was written when it is dropped, also when whoever wrote was given up half way.
pub(crate) struct Writing(Changes);

impl Changes {
    pub(crate) fn new(connection: SqlitePool) -> Self {
        let looked = Mutex::new(Looked { at: None, data_version: 0 });
        Self(Arc::new(Inner { version: AtomicU64::new(1), connection, looked }))
    }

    /// Something will have been written when the result is dropped.
    pub(crate) fn writing(&self) -> Writing {
        Writing(self.clone())
    }

    /// A number that has changed when anything was written in between, by this process, or by another one more than a
    /// moment ago. To be asked before the database is.
    pub(crate) async fn version(&self) -> sqlx::Result<u64> {
        if self.is_time_to_look() {
            // `PRAGMA data_version` changes when another connection has committed (SQLite's documentation of pragmas).
            let found: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&self.0.connection).await?;
            let mut looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::replace(&mut looked.data_version, found) != found {
                self.count();
            }
        }
        Ok(self.0.version.load(Ordering::Acquire))
    }

    /// Closes the connection.
    pub(crate) async fn close(&self) {
        self.0.connection.close().await;
    }

    fn is_time_to_look(&self) -> bool {
        let mut looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = looked.at.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if is_time {
            looked.at = Some(Instant::now());
        }
        is_time
    }

    fn count(&self) {
        self.0.version.fetch_add(1, Ordering::AcqRel);
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.count();
    }
}
