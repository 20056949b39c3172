//! Reading a directory as if it were the one layer of an image, for file systems that are already unpacked; or a single
//! file as if it were alone in one.
//!
//! The walk stays inside: links are written down, never followed, so a link that leads out of the directory
//! leads nowhere. The directory should not change meanwhile.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::ReadError;
use crate::fragment::{Builder, Entry, Fragment, Interest};
use crate::limits::Limits;
use crate::packages::{self, Origin};
use crate::path;

/// Directories of a running system whose files the kernel makes up, when they are file systems of their own.
const KERNEL_DIRECTORIES: [&str; 4] = ["dev", "proc", "run", "sys"];

/// Large files are read in pieces of this size.
const PIECE: usize = 256 << 10;

/// Reads the file system below `root`, in the order of names, or the file that `root` is.
///
/// The fragment has an empty `diff_id`; both its sizes are the sum of the file sizes in bytes. What cannot be
/// read inside is a problem of the fragment.
///
/// # Errors
/// [`ReadError::ReadDirectory`] when `root` itself cannot be listed or read.
pub fn read(root: &Path, limits: &Limits) -> Result<Fragment, ReadError> {
    let failed = |source| ReadError::ReadDirectory { path: root.to_owned(), source };
    let facts = fs::metadata(root).map_err(failed)?;
    let mut walk = Walk {
        builder: Builder::new(limits, Origin::Directory),
        device: facts.dev(),
        bytes: 0,
        waiting: Vec::new(),
    };
    if facts.is_file() {
        let name = printable(root.file_name().unwrap_or_default());
        walk.add_file(root, &facts, &name).map_err(failed)?;
        return Ok(walk.builder.finish(String::new(), walk.bytes, walk.bytes));
    }
    walk.list(root, "").map_err(failed)?;
    while let Some((directory, name)) = walk.waiting.pop() {
        if let Err(error) = walk.list(&directory, &name) {
            walk.builder
                .problems
                .file(&name, format!("the directory cannot be listed ({error}); it is left out"));
        }
    }
    Ok(walk.builder.finish(String::new(), walk.bytes, walk.bytes))
}

struct Walk<'l> {
    builder: Builder<'l>,
    device: u64,
    bytes: u64,
    /// Directories still to list: where they are, and their path inside.
    waiting: Vec<(PathBuf, String)>,
}

impl Walk<'_> {
    /// Takes in the entries of one directory and leaves its directories waiting.
    fn list(&mut self, directory: &Path, name: &str) -> io::Result<()> {
        let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(DirEntry::file_name);
        let first = self.waiting.len();
        for entry in entries {
            let name = path::join(name, &printable(&entry.file_name()));
            if name.len() > path::MAX_PATH {
                self.builder.problems.file(&name, "the path is longer than any can be; it is left out");
            } else if let Err(error) = self.add(&entry, &name) {
                self.builder
                    .problems
                    .file(&name, format!("it cannot be read ({error}); what it describes is missing"));
            }
        }
        // The last one is taken first, so this keeps the order of names.
        self.waiting[first..].reverse();
        Ok(())
    }

    fn add(&mut self, entry: &DirEntry, name: &str) -> io::Result<()> {
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            let target = printable(fs::read_link(entry.path())?.as_os_str());
            self.builder.entry(name, Entry::Symlink(&target));
        } else if kind.is_dir() {
            self.builder.entry(name, Entry::Directory);
            if !(KERNEL_DIRECTORIES.contains(&name) && entry.metadata()?.dev() != self.device) {
                self.waiting.push((entry.path(), name.to_owned()));
            }
        } else if kind.is_file() {
            return self.add_file(&entry.path(), &entry.metadata()?, name);
        } else {
            self.builder.entry(name, Entry::File);
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path, metadata: &Metadata, name: &str) -> io::Result<()> {
        let size = metadata.len();
        self.bytes = self.bytes.saturating_add(size);
        let mut opened = None;
        let mut head = Vec::new();
        if may_be_recognised(metadata, name) {
            let mut file = open(path)?;
            (&mut file).take(packages::HEAD as u64).read_to_end(&mut head)?;
            opened = Some(file);
        }
        let Some(interest) = self.builder.interest(name, size, &head) else {
            self.builder.entry(name, Entry::File);
            return Ok(());
        };
        let rest = opened.map_or_else(|| open(path), Ok)?;
        // No more than was asked for, should it grow.
        let mut whole = head.as_slice().chain(rest).take(size);
        match interest {
            Interest::Whole(reader) => {
                self.builder.file(name, reader, size, |into| whole.read_to_end(into).map(|_| ()))
            }
            Interest::Stream(reader, sink) => {
                self.builder.streamed(name, reader, sink, |each| stream(whole, each))
            }
        }
    }
}

/// Hands the bytes of a file to `each`, piece by piece.
fn stream(mut reader: impl Read, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => each(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a file may be known by its bytes, so that it is opened although its name says nothing. In a layer
/// all bytes come by anyway; here every file that is opened costs.
fn may_be_recognised(metadata: &Metadata, name: &str) -> bool {
    metadata.mode() & 0o111 != 0 || packages::is_evidence(name)
}

/// Opens a file that was regular a moment ago: no link, and no waiting for the other end of a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

fn printable(name: &OsStr) -> String {
    let mut out = String::new();
    path::push_printable(name.as_bytes(), &mut out);
    out
}
