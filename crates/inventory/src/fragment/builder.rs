//! Building a fragment entry by entry, within the budget.

use super::{Content, Entry, FRAGMENT_VERSION, Fragment, toc::TocWriter};
use crate::limits::Limits;
use crate::packages;
use crate::problems::Problems;

/// Largest file that is read for nothing but the chance of a hard link to it.
const MAX_STORED_FILE: u64 = 256 << 10;

/// Collects the entries of one layer or directory.
#[derive(Debug)]
pub(crate) struct Builder<'l> {
    limits: &'l Limits,
    toc: TocWriter,
    full: bool,
    contents: Vec<Content>,
    captured: u64,
    packages: usize,
    buffer: Vec<u8>,
    pub(crate) problems: Problems,
}

impl<'l> Builder<'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
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

    /// Whether a file of that path and size is to be read into [`file`](Self::file). Notes why not, when only
    /// the budget is against it.
    pub(crate) fn wants(&mut self, path: &str, size: u64) -> bool {
        let limits = self.limits;
        if !packages::is_interesting(path) {
            let room = limits.captured_bytes.saturating_sub(self.captured);
            return packages::may_be_linked(path) && size <= MAX_STORED_FILE.min(room);
        }
        let over = if size > limits.file_bytes {
            Some(format!("the file has {size} bytes and only files up to {} are read", limits.file_bytes))
        } else if self.captured.saturating_add(size) > limits.captured_bytes {
            Some(format!(
                "the interesting files of this layer exceed {} bytes together",
                limits.captured_bytes
            ))
        } else {
            None
        };
        if let Some(reason) = over {
            self.problems.file(path, format!("{reason}; what it describes is missing"));
            return false;
        }
        true
    }

    /// Reads a wanted file through `read`, which appends its bytes, and keeps what it says. The buffer is used
    /// again for the next file.
    pub(crate) fn file<E>(
        &mut self,
        path: &str,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        read(&mut buffer)?;
        self.captured = self.captured.saturating_add(buffer.len() as u64);
        let content = packages::parse(path, &buffer, &mut self.problems);
        self.buffer = buffer;
        match content.and_then(|content| self.within_budget(path, content)) {
            Some(content) if self.push(path, Entry::Kept) => self.contents.push(content),
            Some(_) => {}
            None => self.entry(path, Entry::File),
        }
        Ok(())
    }

    fn within_budget(&mut self, path: &str, mut content: Content) -> Option<Content> {
        if let Content::Packages(packages) = &mut content {
            let room = self.limits.packages.saturating_sub(self.packages);
            if packages.len() > room {
                let reason =
                    format!("the layer has more than {} packages; the rest is missing", self.limits.packages);
                self.problems.file(path, reason);
                packages.truncate(room);
            }
            self.packages += packages.len();
        }
        Some(content)
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
