//! A directory as a layer: tar, compressed and hashed in one pass into a temporary file.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::gzip::ParallelGzip;
use super::tar::{END, Header, Kind, padding};
use super::{Compression, DirectoryOptions, Times};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, Result};

/// A packed directory.
pub(super) struct Archive {
    /// The compressed archive; a file without a name.
    pub(super) file: File,
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// Digest of the archive before compression.
    pub(super) content_digest: Digest,
}

/// Packs the directory at `root`; its entries are called `name` and `name/…`.
pub(super) fn pack(root: &Path, name: &str, options: &DirectoryOptions) -> Result<Archive> {
    let temporary = &options.temporary_directory;
    let file =
        tempfile::tempfile_in(temporary).map_err(Error::file("create a temporary file in", temporary))?;
    let spool = Spool { file, hasher: Algorithm::Sha256.hasher(), size: 0 };
    let write_failed = |error| Error::file("write a temporary file in", temporary)(error);
    let compressor = match options.compression {
        Compression::Gzip { level } => {
            ParallelGzip::new(spool, level, options.threads).map(Compressor::Gzip).map_err(write_failed)?
        }
        Compression::Zstd { level } => {
            let encoder = zstd::Encoder::new(spool, level).map_err(write_failed)?;
            Compressor::Zstd(encoder)
        }
        Compression::None => Compressor::None(spool),
    };
    let mut tar = TarWriter { compressor, hasher: Algorithm::Sha256.hasher(), times: options.times };
    walk(root, name, |path, name, metadata| tar.entry(path, name, metadata, &write_failed))?;
    tar.write(&END).map_err(write_failed)?;
    let content_digest = tar.hasher.finish();
    let spool = tar.compressor.finish().map_err(write_failed)?;
    Ok(Archive { file: spool.file, digest: spool.hasher.finish(), size: spool.size, content_digest })
}

/// A file that hashes and counts what is written to it.
struct Spool {
    file: File,
    hasher: Hasher,
    size: u64,
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

enum Compressor {
    Gzip(ParallelGzip<Spool>),
    Zstd(zstd::Encoder<'static, Spool>),
    None(Spool),
}

impl Compressor {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(gzip) => gzip.write_all(bytes),
            Self::Zstd(zstd) => zstd.write_all(bytes),
            Self::None(spool) => spool.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<Spool> {
        match self {
            Self::Gzip(gzip) => gzip.finish(),
            Self::Zstd(zstd) => zstd.finish(),
            Self::None(spool) => Ok(spool),
        }
    }
}

struct TarWriter {
    compressor: Compressor,
    hasher: Hasher,
    times: Times,
}

impl TarWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.compressor.write_all(bytes)
    }

    fn entry(
        &mut self,
        path: &Path,
        name: &[u8],
        metadata: &Metadata,
        write_failed: &dyn Fn(io::Error) -> Error,
    ) -> Result<()> {
        let file_type = metadata.file_type();
        let (kind, size, link) = if file_type.is_file() {
            (Kind::File, metadata.len(), OsString::new())
        } else if file_type.is_dir() {
            (Kind::Directory, 0, OsString::new())
        } else if file_type.is_symlink() {
            let target = fs::read_link(path).map_err(Error::file("read the link", path))?;
            (Kind::Symlink, 0, target.into_os_string())
        } else {
            let kind =
                io::Error::new(io::ErrorKind::Unsupported, "it is no file, directory or symbolic link");
            return Err(Error::file("pack", path)(kind));
        };
        let mtime = match self.times {
            // To the nearest second, as Go does.
            Times::Keep => metadata.mtime().saturating_add(i64::from(metadata.mtime_nsec() >= 500_000_000)),
            Times::Fixed(seconds) => seconds,
        };
        let header =
            Header { name, link: link.as_bytes(), kind, mode: metadata.mode() & 0o7777, size, mtime };
        self.write(&header.to_bytes()).map_err(write_failed)?;
        if kind == Kind::File { self.content(path, size, write_failed) } else { Ok(()) }
    }

    fn content(&mut self, path: &Path, size: u64, write_failed: &dyn Fn(io::Error) -> Error) -> Result<()> {
        let read_failed = |error| Error::file("read", path)(error);
        // What is added to the file meanwhile is not for us: the header is written.
        let mut file = File::open(path).map_err(read_failed)?.take(size);
        let mut buffer = vec![0; usize::try_from(size.clamp(1, 256 * 1024)).unwrap_or(1)];
        let mut left = size;
        while left > 0 {
            let count = file.read(&mut buffer).map_err(read_failed)?;
            if count == 0 {
                let shrunk = io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter meanwhile");
                return Err(read_failed(shrunk));
            }
            self.write(&buffer[..count]).map_err(write_failed)?;
            left -= count as u64;
        }
        self.write(&[0; 512][..padding(size)]).map_err(write_failed)
    }
}

/// Visits a directory and everything in it, entries in the order of their names' bytes, without following
/// links.
fn walk(root: &Path, name: &str, mut visit: impl FnMut(&Path, &[u8], &Metadata) -> Result<()>) -> Result<()> {
    // The directory itself may be named by a link.
    let metadata = fs::metadata(root).map_err(Error::file("read", root))?;
    visit(root, name.as_bytes(), &metadata)?;
    // Directories to be gone on with: what is left of each, last name first.
    let mut levels: Vec<(PathBuf, Vec<u8>, Vec<OsString>)> =
        vec![(root.to_owned(), name.as_bytes().to_vec(), names(root)?)];
    while let Some((directory, prefix, names_left)) = levels.last_mut() {
        let Some(entry) = names_left.pop() else {
            levels.pop();
            continue;
        };
        let path = directory.join(&entry);
        let name = match prefix.as_slice() {
            b"." => entry.into_vec(),
            b"/" => [b"/", entry.as_bytes()].concat(),
            prefix => [prefix, b"/", entry.as_bytes()].concat(),
        };
        let metadata = fs::symlink_metadata(&path).map_err(Error::file("read", &path))?;
        visit(&path, &name, &metadata)?;
        if metadata.is_dir() {
            let names = names(&path)?;
            levels.push((path, name, names));
        }
    }
    Ok(())
}

/// The names in a directory, sorted backwards.
fn names(directory: &Path) -> Result<Vec<OsString>> {
    let read = fs::read_dir(directory).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()
    });
    let mut names = read.map_err(Error::file("read", directory))?;
    names.sort_unstable_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
    Ok(names)
}
