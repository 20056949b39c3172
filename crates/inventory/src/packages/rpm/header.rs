//! The header of an RPM package as databases hold it: an index of tags and a store of values, all numbers big-endian
//! (RPM's documentation, "RPM v4 header format" and "RPM tags").

use super::bytes::{Order, slice};

/// Numbers of tags.
pub(super) const NAME: u32 = 1000;
pub(super) const VERSION: u32 = 1001;
pub(super) const RELEASE: u32 = 1002;
pub(super) const EPOCH: u32 = 1003;
pub(super) const VENDOR: u32 = 1011;
pub(super) const LICENSE: u32 = 1014;
pub(super) const PACKAGER: u32 = 1015;
pub(super) const ARCHITECTURE: u32 = 1022;
pub(super) const SOURCE_RPM: u32 = 1044;
pub(super) const DIRECTORY_INDEXES: u32 = 1116;
pub(super) const BASE_NAMES: u32 = 1117;
pub(super) const DIRECTORIES: u32 = 1118;
pub(super) const MODULARITY: u32 = 5096;

/// Types of values.
const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// Bytes of an entry of the index: tag, type, offset, count.
const ENTRY: usize = 16;

/// Texts longer than this are no names or versions.
const MAX_TEXT: usize = 4096;

/// A header.
pub(super) struct Header<'a> {
    index: &'a [u8],
    store: &'a [u8],
}

/// Where the values of a tag are.
struct Entry<'a> {
    kind: u32,
    count: usize,
    values: &'a [u8],
}

impl<'a> Header<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let broken = |_| "a header is cut off";
        let entries = Order::Big.usize(bytes, 0).map_err(broken)?;
        let size = Order::Big.usize(bytes, 4).map_err(broken)?;
        let length = entries.checked_mul(ENTRY).ok_or("a header has too many entries")?;
        let index = slice(bytes, 8, length).map_err(broken)?;
        let store = slice(bytes, 8 + length, size).map_err(broken)?;
        Ok(Self { index, store })
    }

    fn entry(&self, tag: u32) -> Option<Entry<'a>> {
        let number = |entry: &[u8], at| Order::Big.u32(entry, at).ok();
        let entry = self.index.chunks_exact(ENTRY).find(|entry| number(entry, 0) == Some(tag))?;
        let offset = Order::Big.usize(entry, 8).ok()?;
        let count = Order::Big.usize(entry, 12).ok()?;
        Some(Entry { kind: number(entry, 4)?, count, values: self.store.get(offset..)? })
    }

    /// The value of a tag as text; empty is none.
    pub(super) fn text(&self, tag: u32) -> Option<String> {
        let entry =
            self.entry(tag).filter(|entry| [STRING, STRING_ARRAY, I18N_STRING].contains(&entry.kind))?;
        let text = strings(entry).next().filter(|text| !text.is_empty() && text.len() <= MAX_TEXT)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// All values of a tag as texts.
    pub(super) fn texts(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> {
        self.entry(tag).filter(|entry| entry.kind == STRING_ARRAY).into_iter().flat_map(strings)
    }

    /// The value of a tag as a number.
    pub(super) fn number(&self, tag: u32) -> Option<u32> {
        self.numbers(tag).next()
    }

    /// All values of a tag as numbers.
    pub(super) fn numbers(&self, tag: u32) -> impl Iterator<Item = u32> {
        let entry = self.entry(tag).filter(|entry| entry.kind == INT32);
        entry.into_iter().flat_map(|entry| {
            let values = entry.values.chunks_exact(4).take(entry.count);
            values.filter_map(|value| Order::Big.u32(value, 0).ok())
        })
    }
}

/// Texts that end with a zero each, as many as there are to be and are whole.
fn strings(entry: Entry<'_>) -> impl Iterator<Item = &[u8]> {
    let mut rest = entry.values;
    std::iter::from_fn(move || {
        let end = rest.iter().position(|&byte| byte == 0)?;
        let (text, after) = rest.split_at(end);
        rest = after.get(1..)?;
        Some(text)
    })
    .take(entry.count)
}
