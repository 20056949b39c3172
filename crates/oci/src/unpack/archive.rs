//! Unpacking a tar stream into an empty directory of ours.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{
    AtFlags, FileType, Timespec, Timestamps, UTIME_OMIT, futimens, linkat, symlinkat, unlinkat, utimensat,
};
use tar::EntryType;
use tokio_util::io::SyncIoBridge;

use super::beneath::{Directory, Missing, names};
use super::{Output, Unpacked, shown};
use crate::content::BlobReader;
use crate::descriptor::Descriptor;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::pack::CONTENT_DIGEST;
use crate::tarball::{Entries, Entry, Source};

/// Zstandard streams that want more memory than 2 to this power are refused.
const ZSTD_WINDOW_LOG: u32 = 25;

/// A directory whose mode and time are set when everything is in place.
pub(super) struct DirectoryEntry {
    pub(super) names: Vec<OsString>,
    pub(super) mode: u32,
    pub(super) mtime: i64,
}

/// What was unpacked.
pub(super) struct Outcome {
    pub(super) summary: Unpacked,
    pub(super) directories: Vec<DirectoryEntry>,
}

/// The decompressed archive: hashed, and never more of it than is allowed.
struct Content<R> {
    inner: R,
    hasher: Option<Hasher>,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let limit = self.limit;
            io::Error::new(io::ErrorKind::FileTooLarge, format!("it unpacks to more than {limit} bytes"))
        })?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}

impl<R: Read> Source for Content<R> {}

type Reader = BufReader<SyncIoBridge<BlobReader>>;

/// Unpacks an archive into `staging`, which will become a directory `depth` levels below the output. What the
/// archive calls `title` is `staging` itself.
pub(super) fn unpack(
    output: &Output,
    title: &str,
    descriptor: &Descriptor,
    reader: SyncIoBridge<BlobReader>,
    staging: &Directory,
    depth: usize,
) -> Result<Outcome> {
    let failed = |error: io::Error| match error.downcast::<Error>() {
        Ok(own) => own,
        Err(error) => Error::Unpack { title: title.to_owned(), reason: error.to_string() },
    };
    let expected = match descriptor.annotation(CONTENT_DIGEST) {
        Some(text) => Some(text.parse::<Digest>()?),
        None => None,
    };
    let mut reader = BufReader::with_capacity(256 * 1024, reader);
    let magic = reader.fill_buf().map_err(failed)?;
    let (is_gzip, is_zstd) = (magic.starts_with(&[0x1f, 0x8b]), magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    let mut plain: Box<dyn Read + '_> = if is_gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(&mut reader))
    } else if is_zstd {
        let mut decoder = zstd::Decoder::with_buffer(&mut reader).map_err(failed)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(failed)?;
        Box::new(decoder)
    } else {
        Box::new(&mut reader)
    };
    let limit = output.options.limits.bytes;
    let hasher = expected.as_ref().map(|expected| expected.algorithm().hasher());
    let content = Content { inner: &mut plain, hasher, left: limit, limit };
    let mut unpacking = Unpacking { output, title, staging, depth, prefix: None, outcome: Outcome::new() };
    let mut content = unpacking.all(content).map_err(failed)?;
    // To the very end: the digest covers what stands behind the last entry too.
    io::copy(&mut content, &mut io::sink()).map_err(failed)?;
    let actual = content.hasher.take().map(Hasher::finish);
    drop(plain);
    // And what is left of the compressed stream, whose reader checks it when it ends.
    drain(&mut reader).map_err(failed)?;
    match (expected, actual) {
        (Some(expected), Some(actual)) if expected != actual => {
            Err(Error::DigestMismatch { expected, actual })
        }
        _ => Ok(unpacking.outcome),
    }
}

fn drain(reader: &mut Reader) -> io::Result<()> {
    io::copy(reader, &mut io::sink()).map(drop)
}

impl Outcome {
    fn new() -> Self {
        Self { summary: Unpacked::default(), directories: Vec::new() }
    }
}

struct Unpacking<'a> {
    output: &'a Output,
    title: &'a str,
    staging: &'a Directory,
    depth: usize,
    /// What the archive calls the directory that is unpacked.
    prefix: Option<Vec<u8>>,
    outcome: Outcome,
}

fn refused(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl Unpacking<'_> {
    fn all<R: Source>(&mut self, source: R) -> io::Result<R> {
        let mut entries = Entries::new(source);
        while let Some(entry) = entries.next_entry()? {
            let limit = self.output.options.limits.entries;
            if self.outcome.summary.entries + self.outcome.summary.left_out >= limit {
                return Err(refused(format!("it has more than {limit} files")));
            }
            let written =
                self.entry(&entry, &mut entries).map_err(|error| match error.downcast::<Error>() {
                    Ok(own) => io::Error::other(own),
                    Err(error) => io::Error::new(error.kind(), format!("{}: {error}", shown(&entry.path))),
                })?;
            let summary = &mut self.outcome.summary;
            let count = if written { &mut summary.entries } else { &mut summary.left_out };
            *count += 1;
        }
        Ok(entries.into_source())
    }

    /// The names of an entry below the directory that is unpacked.
    ///
    /// All entries begin with that directory's name: the title, or, where the title was given later, what the
    /// archive's first entry is called.
    fn names(&mut self, path: &[u8], kind: EntryType) -> io::Result<Vec<OsString>> {
        let prefix = self.prefix.get_or_insert_with(|| match below(path, self.title.as_bytes()) {
            None if kind == EntryType::Directory => without_slashes(path).to_vec(),
            _ => self.title.as_bytes().to_vec(),
        });
        let names = below(path, prefix).and_then(names);
        names.ok_or_else(|| {
            io::Error::other(self.output.outside(&format!("{} in {}", shown(path), self.title)))
        })
    }

    /// Makes what an entry describes. `false` when it is left out.
    fn entry(&mut self, entry: &Entry, content: &mut impl Read) -> io::Result<bool> {
        match entry.kind {
            EntryType::Regular
            | EntryType::Continuous
            | EntryType::Directory
            | EntryType::Symlink
            | EntryType::Link => {}
            _ => return Ok(false),
        }
        let names = self.names(&entry.path, entry.kind)?;
        if entry.kind == EntryType::Directory {
            return self.directory(entry, names).map(|()| true);
        }
        let Some((name, parents)) = names.split_last() else {
            return Err(refused("the directory that is unpacked would be a file".to_owned()));
        };
        let parent = self.staging.descend(parents, Missing::Create)?;
        match entry.kind {
            EntryType::Symlink => {
                self.output
                    .check_link(&shown(&entry.path), &entry.link, self.depth + parents.len())
                    .map_err(io::Error::other)?;
                let target = OsStr::from_bytes(&entry.link);
                replacing(&parent, name, || Ok(symlinkat(target, &parent, name)?))?;
                utimensat(&parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            EntryType::Link => self.hard_link(entry, &parent, name)?,
            _ => {
                let mode = entry.mode & 0o777;
                let mut file = replacing(&parent, name, || parent.create(name, mode))?;
                let mut buffer = vec![0; usize::try_from(entry.size.clamp(1, 256 * 1024)).unwrap_or(1)];
                loop {
                    match content.read(&mut buffer)? {
                        0 => break,
                        count => file.write_all(&buffer[..count])?,
                    }
                }
                futimens(&file, &times(entry.mtime))?;
            }
        }
        Ok(true)
    }

    fn directory(&mut self, entry: &Entry, names: Vec<OsString>) -> io::Result<()> {
        if let Some((name, parents)) = names.split_last() {
            let parent = self.staging.descend(parents, Missing::Create)?;
            // While it is filled we need all rights on it.
            parent.make(name, (entry.mode & 0o777) | 0o700)?;
            // Fails when an earlier entry made something else of that name.
            parent.child(name)?;
        }
        self.outcome.directories.push(DirectoryEntry { names, mode: entry.mode & 0o777, mtime: entry.mtime });
        Ok(())
    }

    /// Links to a file that this archive has brought, and to nothing else.
    fn hard_link(&mut self, entry: &Entry, parent: &Directory, name: &OsStr) -> io::Result<()> {
        let target = self.names(&entry.link, EntryType::Link)?;
        let Some((target_name, target_parents)) = target.split_last() else {
            return Err(refused("it is a hard link to a directory".to_owned()));
        };
        let directory = self.staging.descend(target_parents, Missing::Fail)?;
        if directory.kind(target_name)? != Some(FileType::RegularFile) {
            let reason =
                format!("it is a hard link to {}, which is no file of the archive", shown(&entry.link));
            return Err(refused(reason));
        }
        replacing(parent, name, || Ok(linkat(&directory, target_name, parent, name, AtFlags::empty())?))
    }
}

fn without_slashes(mut path: &[u8]) -> &[u8] {
    while let Some(shorter) = path.strip_suffix(b"/") {
        path = shorter;
    }
    path
}

/// What is left of a path below a prefix; nothing when it is elsewhere.
fn below<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    match prefix {
        b"" | b"." => Some(path),
        prefix => {
            let rest = path.strip_prefix(prefix)?;
            if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
        }
    }
}

/// Makes something new under a name that an earlier entry may have used for a file or a link.
fn replacing<T>(parent: &Directory, name: &OsStr, mut make: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            unlinkat(parent, name, AtFlags::empty())?;
            make()
        }
        made => made,
    }
}

/// Sets the modification time only.
pub(super) fn times(seconds: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
    }
}
