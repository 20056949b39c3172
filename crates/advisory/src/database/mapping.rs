//! The database file as memory. The only `unsafe` code of this crate.

use std::fs::File;
use std::io;

/// A file mapped read-only.
#[derive(Debug)]
pub(super) struct Mapping(memmap2::Mmap);

impl Mapping {
    /// Maps a whole file.
    ///
    /// Mapping is unsafe because somebody could change or shorten the file underneath. Tidewaiter never
    /// does: a database is written under another name, renamed when it is complete and never opened for
    /// writing again, so the bytes behind a mapping stay as they are even after a newer database takes the
    /// name. Whoever edits the file in place against that rule changes numbers and texts that are checked
    /// when they are read: every access is bounds-checked, texts are checked to be UTF-8 at each use, and
    /// nothing is cast to a reference of another type.
    #[expect(unsafe_code, reason = "a file can only be mapped by an unsafe call; the argument is above")]
    pub(super) fn of(file: &File) -> io::Result<Self> {
        // SAFETY: the file is not changed while it is mapped, see above.
        unsafe { memmap2::Mmap::map(file) }.map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
