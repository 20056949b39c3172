//! One sync of a SQLite file's journal for all who wait for one.
//!
//! SQLite itself would wait for the disk at each commit, with the one write connection held. Here commits only write
//! their pages to the journal (`synchronous = NORMAL`), which lets the next writer in, and then wait until a sync has
//! ended that began after they were written: one for all that were written before it
//! (<https://sqlite.org/wal.html>, "Performance Considerations").

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The journal of one database.
#[derive(Debug, Clone)]
pub(crate) struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    asked: Mutex<Asked>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Default)]
struct Asked {
    /// How many have asked for a sync.
    count: u64,
    /// Somebody is syncing, and will look again.
    syncing: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// The first so many who asked have what they wrote on the disk.
    synced: u64,
    /// A sync failed. After that nobody knows what the disk holds, and a later sync may succeed without it: nothing
    /// is acknowledged any more by this process.
    failed: Option<io::ErrorKind>,
}

impl Journal {
    /// That of a database file.
    pub(crate) fn of(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let (progress, _) = watch::channel(Progress::default());
        Self(Arc::new(Inner { path: path.into(), asked: Mutex::default(), progress }))
    }

    /// Waits until everything that was committed before is on the disk.
    pub(crate) async fn sync(&self) -> io::Result<()> {
        let mut progress = self.0.progress.subscribe();
        let (ticket, lead) = {
            let mut asked = self.0.asked();
            asked.count += 1;
            (asked.count, !std::mem::replace(&mut asked.syncing, true))
        };
        if lead {
            let inner = Arc::clone(&self.0);
            // Not awaited: whoever asked may go, and the others still wait for it.
            tokio::task::spawn_blocking(move || inner.sync_all_who_ask());
        }
        // The sender lives as long as `self`.
        let reached =
            progress.wait_for(|progress| progress.synced >= ticket || progress.failed.is_some()).await;
        match reached.map_or(Some(io::ErrorKind::BrokenPipe), |progress| progress.failed) {
            None => Ok(()),
            Some(kind) => Err(io::Error::new(
                kind,
                format!(
                    "{} could not be written to the disk; what is on it is certain again after a restart",
                    self.0.path.display()
                ),
            )),
        }
    }
}

impl Inner {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs until nobody waits any more.
    fn sync_all_who_ask(&self) {
        let mut synced = 0;
        loop {
            let count = {
                let mut asked = self.asked();
                if asked.count == synced {
                    asked.syncing = false;
                    return;
                }
                asked.count
            };
            // Opened each time: the file is made anew when all connections were closed in between. SQLite keeps no
            // locks on it, which closing would drop.
            let done = File::open(&self.path).and_then(|file| file.sync_data());
            synced = count;
            self.progress.send_modify(|progress| match done {
                Ok(()) => progress.synced = count,
                Err(error) => {
                    tracing::error!(%error, path = %self.path.display(), "the database's journal cannot be synced");
                    progress.failed = Some(error.kind());
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_who_ask_are_served_and_failures_stay() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("a.db");
        let path = directory.path().join("a.db-wal");
        std::fs::write(&path, b"pages").expect("a file");
        let journal = Journal::of(&database);
        let asking: Vec<_> = (0..50)
            .map(|_| {
                let journal = journal.clone();
                tokio::spawn(async move { journal.sync().await })
            })
            .collect();
        for asked in asking {
            asked.await.expect("no panic").expect("synced");
        }
        std::fs::remove_file(&path).expect("removed");
        journal.sync().await.expect_err("nothing to sync");
        std::fs::write(&path, b"pages").expect("a file");
        let error = journal.sync().await.expect_err("uncertain since");
        assert!(error.to_string().contains("after a restart"), "{error}");
    }
}
