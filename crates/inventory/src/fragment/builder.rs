//! Building a fragment entry by entry, within the budget.

use super::{Content, Entry, FRAGMENT_VERSION, Fragment, Kept, toc::TocWriter};
use crate::limits::Limits;
use crate::packages::{self, Origin, Reader, Room, Sink};
use crate::problems::Problems;

/// Largest file that is read for nothing but the chance of a hard link to it.
const MAX_STORED_FILE: u64 = 256 << 10;

/// How a file is to be read.
pub(crate) enum Interest {
    /// Into memory, by [`Builder::file`].
    Whole(Reader),
    /// Piece by piece, by [`Builder::streamed`].
    Stream(Reader, Box<dyn Sink>),
}

/// Collects the entries of one layer or directory.
#[derive(Debug)]
pub(crate) struct Builder<'l> {
    limits: &'l Limits,
    toc: TocWriter,
    full: bool,
    origin: Origin,
    contents: Vec<Kept>,
    captured: u64,
    packages: usize,
    buffer: Vec<u8>,
    pub(crate) problems: Problems,
}

impl<'l> Builder<'l> {
    pub(crate) fn new(limits: &'l Limits, origin: Origin) -> Self {
        Self {
            limits,
            origin,
            toc: TocWriter::new(limits.name_bytes),
            full: false,
            contents: Vec::new(),
            captured: 0,
            packages: 0,
            buffer: Vec::new(),
            problems: Problems::new(limits.problems),
        }
    }

    /// Adds an entry that has no content to keep.
    pub(crate) fn entry(&mut self, path: &str, entry: Entry<'_>) {
        let _ = self.push(path, entry);
    }

    /// Whether and how a file of that path and size, which begins with `head`, is to be read. Notes why not, when
    /// only the budget is against it.
    pub(crate) fn interest(&mut self, path: &str, size: u64, head: &[u8]) -> Option<Interest> {
        let reader = packages::reader(self.origin, path, head)?;
        let limits = self.limits;
        let left = limits.captured_bytes.saturating_sub(self.captured);
        let room = match reader {
            Reader::Stored(_) => {
                return (size <= MAX_STORED_FILE.min(left)).then_some(Interest::Whole(reader));
            }
            Reader::Room(room) => Some(room),
            Reader::System => None,
        };
        let is_free = room.is_some_and(Room::leaves_little);
        if size > limits.file_bytes.min(room.map_or(u64::MAX, |room| room.held)) {
            if let Some(stream) = room.and_then(|room| room.stream) {
                return Some(Interest::Stream(reader, stream(path, size)));
            }
            let reason =
                format!("the file has {size} bytes and only files up to {} are read", limits.file_bytes);
            self.problems.file(path, format!("{reason}; what it describes is missing"));
        } else if size > left && !is_free {
            let reason = format!(
                "the interesting files of this layer exceed {} bytes together",
                limits.captured_bytes
            );
            self.problems.file(path, format!("{reason}; what it describes is missing"));
        } else {
            return Some(Interest::Whole(reader));
        }
        None
    }

    /// Reads a file of `size` bytes into memory through `read`, which appends its bytes, and keeps what it says.
    /// The buffer is used again for the next file.
    pub(crate) fn file<E>(
        &mut self,
        path: &str,
        reader: Reader,
        size: u64,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        // Sizes come from the image, but only those within the limit for one file get here.
        buffer.reserve_exact(usize::try_from(size.min(self.limits.file_bytes)).unwrap_or_default());
        read(&mut buffer)?;
        if !matches!(reader, Reader::Room(room) if room.leaves_little()) {
            self.captured = self.captured.saturating_add(buffer.len() as u64);
        }
        let kept = packages::parse(reader, path, &buffer, &mut self.problems);
        self.buffer = buffer;
        self.keep(path, kept);
        Ok(())
    }

    /// Reads a file piece by piece through `read`, which hands on its bytes, and keeps what it says.
    pub(crate) fn streamed<E>(
        &mut self,
        path: &str,
        reader: Reader,
        mut sink: Box<dyn Sink>,
        read: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<(), E> {
        read(&mut |bytes| sink.take(bytes))?;
        let content = sink.finish(path, &mut self.problems);
        self.keep(path, content.map(|content| packages::kept(reader, content)));
        Ok(())
    }

    fn keep(&mut self, path: &str, kept: Option<Kept>) {
        match kept.map(|kept| self.within_budget(path, kept)) {
            Some(kept) if self.push(path, Entry::Kept) => self.contents.push(kept),
            Some(_) => {}
            None => self.entry(path, Entry::File),
        }
    }

    fn within_budget(&mut self, path: &str, mut kept: Kept) -> Kept {
        if let Content::Packages(packages) = &mut kept.content {
            let room = self.limits.packages.saturating_sub(self.packages);
            if packages.len() > room {
                let reason =
                    format!("the layer has more than {} packages; the rest is missing", self.limits.packages);
                self.problems.file(path, reason);
                packages.truncate(room);
            }
            self.packages += packages.len();
        }
        kept
    }

    fn push(&mut self, path: &str, entry: Entry<'_>) -> bool {
        let pushed = !self.full && self.toc.push(path, entry);
        if !pushed && !self.full {
            self.full = true;
            self.problems.file(
                path,
                format!(
                    "the names of this layer take more than {} bytes; nothing from this one on is looked at",
                    self.limits.name_bytes
                ),
            );
        }
        pushed
    }

    pub(crate) fn finish(self, diff_id: String, size: u64, uncompressed_size: u64) -> Fragment {
        let layer = Some(diff_id.as_str()).filter(|id| !id.is_empty());
        Fragment {
            version: FRAGMENT_VERSION,
            size,
            uncompressed_size,
            problems: self.problems.finish(layer),
            toc: self.toc.finish(),
            contents: self.contents,
            diff_id,
        }
    }
}
