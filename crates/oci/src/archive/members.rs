//! The files inside a tar archive, by name, each readable at any time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tar::EntryType;

use super::gzip::{self, Checkpoints, GzipReader};
use crate::error::{Error, Result};
use crate::tarball::{Entries, Source};

/// More files than any image archive has: beyond it is some other tar file, and no reason to grow.
const MAX_MEMBERS: usize = 100_000;
const MAX_LINKS: usize = 8;

/// Where a file's content is in the tar stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) position: u64,
    pub(super) size: u64,
}

enum Named {
    File(Member),
    /// The name it stands for.
    Link(String),
}

enum Backing {
    Plain,
    Gzip(Checkpoints),
}

/// An indexed tar archive, plain or compressed with gzip.
pub(super) struct Members {
    path: PathBuf,
    file: Arc<File>,
    backing: Backing,
    names: HashMap<String, Named>,
}

impl Members {
    /// Reads the archive once and notes where everything is.
    pub(super) fn index(path: &Path) -> Result<Self> {
        let file = Arc::new(File::open(path).map_err(Error::file("open", path))?);
        let mut magic = [0; 2];
        let length = file.read_at(&mut magic, 0).map_err(Error::file("read", path))?;
        let mut names = HashMap::new();
        let indexed = if length == 2 && magic == gzip::MAGIC {
            let mut checkpoints = Checkpoints::new();
            let entries = Entries::new(GzipReader::new(Arc::clone(&file)));
            index(entries, &mut names, |reader| checkpoints.offer(reader))
                .map(|()| Backing::Gzip(checkpoints))
        } else {
            file.metadata().and_then(|metadata| {
                let entries =
                    Entries::new(Slice { file: Arc::clone(&file), position: 0, end: metadata.len() });
                index(entries, &mut names, |_| {}).map(|()| Backing::Plain)
            })
        };
        let backing = indexed.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Error::invalid_store(path, format!("it is no sound tar archive: {error}"))
            }
            _ => Error::file("read", path)(error),
        })?;
        Ok(Self { path: path.to_owned(), file, backing, names })
    }

    /// The archive's own path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// All names of files and links.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// A file, through links.
    pub(super) fn find(&self, name: &str) -> Option<Member> {
        let mut named = self.names.get(&normalised(name)?)?;
        for _ in 0..MAX_LINKS {
            match named {
                Named::File(member) => return Some(*member),
                Named::Link(target) => named = self.names.get(target)?,
            }
        }
        None
    }

    /// Opens a file's content.
    pub(super) fn open(&self, member: Member) -> io::Result<Box<dyn Read + Send + Unpin>> {
        let file = Arc::clone(&self.file);
        let Member { position, size } = member;
        Ok(match &self.backing {
            Backing::Plain => Box::new(Slice { file, position, end: position.saturating_add(size) }),
            Backing::Gzip(checkpoints) => Box::new(checkpoints.reader(file, position)?.take(size)),
        })
    }

    /// Reads a small file.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Bytes>> {
        let Some(member) = self.find(name) else { return Ok(None) };
        if member.size > limit {
            let reason = format!("{name} has {} bytes, over the limit of {limit}", member.size);
            return Err(Error::invalid_store(&self.path, reason));
        }
        let mut bytes = Vec::new();
        let read = self.open(member).and_then(|mut reader| reader.read_to_end(&mut bytes));
        read.map_err(Error::file("read", &self.path))?;
        Ok(Some(Bytes::from(bytes)))
    }
}

fn index<R: Source>(
    mut entries: Entries<R>,
    names: &mut HashMap<String, Named>,
    mut at_content: impl FnMut(&R),
) -> io::Result<()> {
    while let Some(entry) = entries.next_entry()? {
        let Some(name) = std::str::from_utf8(&entry.path).ok().and_then(normalised) else { continue };
        let named = match entry.kind {
            EntryType::Regular | EntryType::Continuous => {
                at_content(entries.source());
                Named::File(Member { position: entry.position, size: entry.size })
            }
            EntryType::Symlink | EntryType::Link => {
                let Ok(link) = std::str::from_utf8(&entry.link) else { continue };
                let target = match name.rsplit_once('/') {
                    Some((directory, _)) if entry.kind == EntryType::Symlink => format!("{directory}/{link}"),
                    _ => link.to_owned(),
                };
                let Some(target) = normalised(&target) else { continue };
                Named::Link(target)
            }
            _ => continue,
        };
        names.insert(name, named);
        if names.len() > MAX_MEMBERS {
            let reason = format!("it has more than {MAX_MEMBERS} files, which no image archive has");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
    }
    Ok(())
}

/// A name without `.`, `..` and doubled slashes; nothing when it points out of the archive.
fn normalised(name: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A range of a file.
struct Slice {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let limit = left.min(buffer.len());
        let count = self.file.read_at(&mut buffer[..limit], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Source for Slice {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        match self.position.checked_add(count).filter(|&position| position <= self.end) {
            Some(position) => self.position = position,
            None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar archive is cut off")),
        }
        Ok(())
    }
}
