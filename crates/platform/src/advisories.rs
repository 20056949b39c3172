//! The advisory database in use: opened from a file, and opened again when the file has been replaced.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tidewaiter_advisory::Database;

/// The database in use, behind a lock that is held only to copy a pointer.
#[derive(Debug)]
pub struct Advisories {
    path: PathBuf,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: Option<Stamp>,
    current: Option<Arc<Database>>,
    failure: Option<String>,
}

/// What tells one file from the next under the same name: inode, size, modification time in nanoseconds.
type Stamp = (u64, u64, i64, i64);

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}

impl Advisories {
    /// Looks for the database at `path`; nothing is opened before [`Advisories::refresh`].
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, state: RwLock::default() }
    }

    /// Where the database is looked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database in use.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Database>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    /// Why the file that is there now is not in use, when it is not.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).failure.clone()
    }

    /// Opens the file when it is another one than before. A file that cannot be used leaves the database in
    /// use as it is: what was known stays known.
    pub async fn refresh(&self) {
        let seen = stamp(&self.path);
        if seen == self.state.read().unwrap_or_else(PoisonError::into_inner).seen {
            return;
        }
        let path = self.path.clone();
        let opened = match seen {
            Some(_) => tokio::task::spawn_blocking(move || Database::open(&path)).await.ok(),
            None => None,
        };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.seen = seen;
        match opened {
            Some(Ok(database)) => {
                tracing::info!(id = %database.id(), path = %self.path.display(), "advisory database in use");
                state.current = Some(Arc::new(database));
                state.failure = None;
            }
            Some(Err(error)) => {
                tracing::error!(%error, "the advisory database cannot be used; the one before stays in use");
                state.failure = Some(error.to_string());
            }
            None => state.failure = None,
        }
    }
}
