//! What is read from files, and read again when they change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long the files are not looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something that stands in files.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    paths: Vec<PathBuf>,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    value: T,
    /// One for each file, absent where one could not be looked at.
    stamps: Vec<Option<Stamp>>,
    looked_at: Instant,
}

/// What changes when a file is written or replaced.
type Stamp = (SystemTime, u64, Option<u64>);

impl<T: Clone> Watched<T> {
    /// Reads the files for the first time. Blocks: call it where that is allowed.
    pub(crate) fn open<E>(paths: &[&Path], read: impl FnOnce() -> Result<T, E>) -> Result<Self, E> {
        let paths: Vec<_> = paths.iter().map(|&path| path.to_owned()).collect();
        // Taken before the files are read: what changes while they are read is seen by the next look.
        let stamps = paths.iter().map(|path| stamp(path)).collect();
        let state = State { value: read()?, stamps, looked_at: Instant::now() };
        Ok(Self { paths, state: Mutex::new(state) })
    }

    /// What the files say. Looks at them at most once a second, which takes microseconds, and reads them only when
    /// they have changed. When reading gives nothing, what they said before stays.
    pub(crate) fn current(&self, read: impl FnOnce() -> Option<T>) -> T {
        let mut state = self.lock();
        if state.looked_at.elapsed() >= LOOK_EVERY {
            self.look(&mut state, read);
        }
        state.value.clone()
    }

    /// What the files say at this moment.
    #[cfg(test)]
    pub(crate) fn now(&self, read: impl FnOnce() -> Option<T>) -> T {
        let mut state = self.lock();
        self.look(&mut state, read);
        state.value.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, state: &mut State<T>, read: impl FnOnce() -> Option<T>) {
        state.looked_at = Instant::now();
        let stamps: Vec<_> = self.paths.iter().map(|path| stamp(path)).collect();
        if stamps == state.stamps {
            return;
        }
        // Kept also when reading fails, so that a failure is reported once for each change.
        state.stamps = stamps;
        if let Some(value) = read() {
            state.value = value;
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = Some(std::os::unix::fs::MetadataExt::ino(&metadata));
    #[cfg(not(unix))]
    let inode = None;
    Some((metadata.modified().ok()?, metadata.len(), inode))
}
