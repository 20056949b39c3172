//! The names of a layer in the order of its archive, small enough to keep for every layer.
//!
//! Each entry shares a prefix with the one before it, so only the rest is written:
//! `kind`, length of the shared prefix, `,`, length of the rest, `:`, the rest; links continue with the length
//! of their target, `:`, the target. Lengths are decimal and count bytes. `f17,6:python` is a plain file whose
//! path has its first 17 bytes from the entry before. A Debian base layer takes about 25 bytes per file.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What an entry of a layer does to the file system below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A directory is there from now on; a file or link of that name is gone.
    Directory,
    /// A file nobody asked for; whatever had that name is gone.
    File,
    /// A file whose content was kept: the next one in the fragment's list of contents.
    Kept,
    /// A symbolic link with its target as written.
    Symlink(&'a str),
    /// A second name for the file at this path.
    HardLink(&'a str),
    /// The name is removed from the layers below.
    Whiteout,
    /// Everything in this directory is removed from the layers below.
    Opaque,
}

impl<'a> Entry<'a> {
    fn code(self) -> char {
        match self {
            Self::Directory => 'd',
            Self::File => 'f',
            Self::Kept => 'k',
            Self::Symlink(_) => 's',
            Self::HardLink(_) => 'h',
            Self::Whiteout => 'w',
            Self::Opaque => 'o',
        }
    }

    fn target(self) -> Option<&'a str> {
        match self {
            Self::Symlink(target) | Self::HardLink(target) => Some(target),
            _ => None,
        }
    }
}

/// The table of names of one layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Toc(String);

/// Writes a [`Toc`] entry by entry.
#[derive(Debug)]
pub(crate) struct TocWriter {
    text: String,
    last: String,
    limit: usize,
}

impl TocWriter {
    /// A writer that refuses entries once the table has `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { text: String::new(), last: String::new(), limit }
    }

    /// Adds an entry; false when the table is full and the entry was left out.
    #[must_use]
    pub(crate) fn push(&mut self, path: &str, entry: Entry<'_>) -> bool {
        let shared = shared_prefix(&self.last, path);
        let rest = &path[shared..];
        let target = entry.target();
        if self.text.len() + rest.len() + target.map_or(0, str::len) + 24 > self.limit {
            return false;
        }
        let _ = write!(self.text, "{}{shared},{}:{rest}", entry.code(), rest.len());
        if let Some(target) = target {
            let _ = write!(self.text, "{}:{target}", target.len());
        }
        self.last.truncate(shared);
        self.last.push_str(rest);
        true
    }

    pub(crate) fn finish(self) -> Toc {
        Toc(self.text)
    }
}

/// Bytes both paths begin with, cut back to a character.
fn shared_prefix(one: &str, other: &str) -> usize {
    let mut shared = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    while !other.is_char_boundary(shared) {
        shared -= 1;
    }
    shared
}

/// Walks a [`Toc`]. A table that was tampered with ends early; [`Toc::is_sound`] tells.
#[derive(Debug)]
pub(crate) struct TocReader<'a> {
    rest: &'a str,
    path: String,
}

impl Toc {
    pub(crate) fn reader(&self) -> TocReader<'_> {
        TocReader { rest: &self.0, path: String::new() }
    }

    /// Whether the whole table can be read and has exactly `kept` entries with content.
    pub(crate) fn is_sound(&self, kept: usize) -> bool {
        let mut reader = self.reader();
        let mut seen = 0;
        while let Some((_, entry)) = reader.next() {
            seen += usize::from(entry == Entry::Kept);
        }
        reader.rest.is_empty() && seen == kept
    }
}

impl<'a> TocReader<'a> {
    /// The next path and what happens there. (Not an `Iterator`: the path is lent from a buffer.)
    pub(crate) fn next(&mut self) -> Option<(&str, Entry<'a>)> {
        let mut cursor = self.rest;
        let code = cursor.chars().next()?;
        cursor = &cursor[code.len_utf8()..];
        let shared = take_number(&mut cursor, ',')?;
        let rest = take_text(&mut cursor)?;
        let entry = match code {
            'd' => Entry::Directory,
            'f' => Entry::File,
            'k' => Entry::Kept,
            's' => Entry::Symlink(take_text(&mut cursor)?),
            'h' => Entry::HardLink(take_text(&mut cursor)?),
            'w' => Entry::Whiteout,
            'o' => Entry::Opaque,
            _ => return None,
        };
        if !self.path.is_char_boundary(shared) {
            return None;
        }
        self.path.truncate(shared);
        self.path.push_str(rest);
        self.rest = cursor;
        Some((&self.path, entry))
    }
}

fn take_number(cursor: &mut &str, end: char) -> Option<usize> {
    let (digits, rest) = cursor.split_once(end)?;
    *cursor = rest;
    digits.parse().ok()
}

fn take_text<'a>(cursor: &mut &'a str) -> Option<&'a str> {
    let length = take_number(cursor, ':')?;
    let (text, rest) = cursor.split_at_checked(length)?;
    *cursor = rest;
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(code: u8, target: &str) -> Entry<'_> {
        match code % 7 {
            0 => Entry::Directory,
            1 => Entry::File,
            2 => Entry::Kept,
            3 => Entry::Symlink(target),
            4 => Entry::HardLink(target),
            5 => Entry::Whiteout,
            _ => Entry::Opaque,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in prop::collection::vec((".{0,12}", any::<u8>(), ".{0,6}"), 0..20)) {
            let mut writer = TocWriter::new(1 << 20);
            for (path, code, target) in &entries {
                prop_assert!(writer.push(path, entry(*code, target)));
            }
            let toc = writer.finish();
            let mut reader = toc.reader();
            for (path, code, target) in &entries {
                prop_assert_eq!(reader.next(), Some((path.as_str(), entry(*code, target))));
            }
            prop_assert_eq!(reader.next(), None);
            let kept = entries.iter().filter(|(_, code, _)| code % 7 == 2).count();
            prop_assert!(toc.is_sound(kept));
            prop_assert!(!toc.is_sound(kept + 1));
        }

        #[test]
        fn any_text_is_walked_without_panic(text in "[dfkshwo0-9,:é]{0,40}") {
            Toc(text).is_sound(0);
        }
    }

    #[test]
    fn a_full_table_takes_no_more() {
        let mut writer = TocWriter::new(60);
        assert!(writer.push("usr/lib/python3", Entry::Directory));
        assert!(writer.push("usr/lib/python3/a", Entry::File));
        assert!(!writer.push("usr/lib/python3/a-longer-name", Entry::File));
        assert!(writer.finish().is_sound(0));
    }
}
