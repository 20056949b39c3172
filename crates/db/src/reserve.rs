//! Room kept beside a SQLite file, so that deleting works when the disk is full.
//!
//! What is deleted goes to the journal before it frees anything, and a full disk has no room for a journal. The
//! reserve is a file without content that is given up then, and made again when there is room for it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};

/// Bytes kept: the journal of the largest transactions that delete, twice.
const SIZE: u64 = 16 << 20;
/// A disk with less room than this many reserves is not asked for one.
const LEAVE: u64 = 4;

/// The reserve of one database.
#[derive(Debug, Clone)]
pub(crate) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// That of a database file.
    pub(crate) fn of(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-reserve");
        Self { path: path.into() }
    }

    /// Makes it, unless it is there or the disk is too full or cannot promise room.
    pub(crate) fn keep(&self) {
        if std::fs::metadata(&self.path).is_ok_and(|there| there.len() >= SIZE) {
            return;
        }
        if let Err(error) = self.make() {
            tracing::debug!(%error, path = %self.path.display(), "no room is kept for deleting");
            self.give_up();
        }
    }

    fn make(&self) -> std::io::Result<()> {
        let file: File = OpenOptions::new().write(true).create(true).truncate(true).open(&self.path)?;
        let disk = fstatvfs(&file)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < SIZE * LEAVE {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(fallocate(&file, FallocateFlags::empty(), 0, SIZE)?)
    }

    /// Gives the room to whoever needs it now. Whether there was any.
    pub(crate) fn give_up(&self) -> bool {
        let held = std::fs::metadata(&self.path).is_ok_and(|there| there.len() > 0);
        std::fs::remove_file(&self.path).is_ok() && held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_really_taken_and_given_back_once() {
        use std::os::unix::fs::MetadataExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let reserve = Reserve::of(&directory.path().join("some.db"));
        assert!(!reserve.give_up(), "nothing is kept yet");
        reserve.keep();
        reserve.keep();
        let kept = std::fs::metadata(directory.path().join("some.db-reserve")).expect("it is there");
        assert!(kept.blocks() * 512 >= SIZE, "a hole would keep nothing");
        assert!(reserve.give_up());
        assert!(!reserve.give_up());
        assert_eq!(std::fs::read_dir(directory.path()).expect("reads").count(), 0);
    }
}
