//! Reading tar streams entry by entry: USTAR, PAX and GNU long names, after POSIX `pax` and GNU tar's manual.
//!
//! The `tar` crate decodes single header blocks here; walking is done by ourselves because every length an
//! archive states is foreign input: extended headers are bounded, positions are known for random access, and
//! what follows is skipped without reading where the source can seek.

use std::io::{self, Read};

use tar::EntryType;

const BLOCK: u64 = 512;
/// Long names and PAX records larger than this are not read, in bytes.
const MAX_EXTENDED_HEADER: u64 = 1024 * 1024;

/// A source of tar blocks.
pub(crate) trait Source: Read + Sized {
    /// Passes over `count` bytes. Reading is the way for sources that cannot seek.
    fn skip(&mut self, count: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.by_ref().take(count), &mut io::sink())?;
        if skipped == count { Ok(()) } else { Err(cut_off()) }
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the tar archive is cut off")
}

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

/// One file, directory or link.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Name as stored.
    pub(crate) path: Vec<u8>,
    /// Target of a link, else empty.
    pub(crate) link: Vec<u8>,
    /// What it is.
    pub(crate) kind: EntryType,
    /// Bytes of content.
    pub(crate) size: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Modification time in seconds since 1970.
    pub(crate) mtime: i64,
    /// Where the content begins in the stream.
    pub(crate) position: u64,
}

/// What extended headers say of the entry that follows them.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    mtime: Option<i64>,
}

/// Walks a tar stream.
pub(crate) struct Entries<R> {
    source: R,
    position: u64,
    /// Content of the current entry that was not read yet.
    unread: u64,
    /// Fill bytes after it.
    padding: u64,
    ended: bool,
}

impl<R: Source> Entries<R> {
    /// Starts at the beginning of a tar stream.
    pub(crate) fn new(source: R) -> Self {
        Self { source, position: 0, unread: 0, padding: 0, ended: false }
    }

    /// The source, positioned behind the headers and content read so far.
    pub(crate) fn source(&self) -> &R {
        &self.source
    }

    /// The source, for reading what follows the archive.
    pub(crate) fn into_source(self) -> R {
        self.source
    }

    /// The next entry, or nothing at the end of the archive. Unread content of the last one is skipped.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let mut extended = Extended::default();
        while let Some(header) = self.next_header()? {
            let size = number(&header.as_old().size).and_then(|size| u64::try_from(size).ok());
            let size = size.ok_or_else(|| invalid("a tar header has an invalid size"))?;
            let kind = header.entry_type();
            match kind {
                EntryType::XHeader => parse_pax(&self.read_extended(size)?, &mut extended)?,
                EntryType::XGlobalHeader => drop(self.read_extended(size)?),
                EntryType::GNULongName => extended.path = Some(until_nul(self.read_extended(size)?)),
                EntryType::GNULongLink => extended.link = Some(until_nul(self.read_extended(size)?)),
                EntryType::GNUSparse => {
                    return Err(invalid("sparse files in tar archives are not supported"));
                }
                _ => return self.entry(&header, kind, size, extended).map(Some),
            }
        }
        Ok(None)
    }

    fn entry(
        &mut self,
        header: &tar::Header,
        kind: EntryType,
        size: u64,
        extended: Extended,
    ) -> io::Result<Entry> {
        let has_content = !matches!(
            kind,
            EntryType::Link
                | EntryType::Symlink
                | EntryType::Char
                | EntryType::Block
                | EntryType::Directory
                | EntryType::Fifo
        );
        let size = if has_content { extended.size.unwrap_or(size) } else { 0 };
        self.expect_content(size)?;
        let fields = header.as_old();
        let mode = number(&fields.mode).and_then(|mode| u32::try_from(mode).ok());
        let mode = mode.ok_or_else(|| invalid("a tar header has an invalid mode"))?;
        let mtime = number(&fields.mtime).ok_or_else(|| invalid("a tar header has an invalid time"))?;
        let link = extended.link.or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
        Ok(Entry {
            path: extended.path.unwrap_or_else(|| header.path_bytes().into_owned()),
            link: link.unwrap_or_default(),
            kind,
            size,
            mode: mode & 0o7777,
            mtime: extended.mtime.unwrap_or(mtime),
            position: self.position,
        })
    }

    fn expect_content(&mut self, size: u64) -> io::Result<()> {
        let padding = size.wrapping_neg() % BLOCK;
        if self.position.checked_add(size).and_then(|end| end.checked_add(padding)).is_none() {
            return Err(invalid("a tar header has an impossible size"));
        }
        (self.unread, self.padding) = (size, padding);
        Ok(())
    }

    fn next_header(&mut self) -> io::Result<Option<tar::Header>> {
        if self.ended {
            return Ok(None);
        }
        let rest = self.unread + self.padding;
        self.source.skip(rest)?;
        self.position += rest;
        (self.unread, self.padding) = (0, 0);
        let mut header = tar::Header::new_old();
        let length = read_block(&mut self.source, header.as_mut_bytes())?;
        self.position += length as u64;
        // Archives should end with two empty blocks; some end with one, and some just end.
        if length == 0 || header.as_bytes().iter().all(|&byte| byte == 0) {
            self.ended = true;
            return Ok(None);
        }
        if length < header.as_bytes().len() {
            return Err(cut_off());
        }
        if number(&header.as_old().cksum) != Some(checksum(header.as_bytes())) {
            return Err(invalid("a tar header has a wrong checksum"));
        }
        Ok(Some(header))
    }

    fn read_extended(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > MAX_EXTENDED_HEADER {
            return Err(invalid(format!("a tar header of {size} bytes is over the limit")));
        }
        self.expect_content(size)?;
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        Ok(content)
    }
}

/// Reads the content of the current entry.
impl<R: Source> Read for Entries<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.unread).unwrap_or(usize::MAX).min(buffer.len());
        if limit == 0 {
            return Ok(0);
        }
        let count = self.source.read(&mut buffer[..limit])?;
        if count == 0 {
            return Err(cut_off());
        }
        self.unread -= count as u64;
        self.position += count as u64;
        Ok(count)
    }
}

fn read_block(source: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        match source.read(&mut block[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// A number in octal digits between spaces and zero bytes (nothing means 0), or, with the highest bit of the
/// field set, big-endian in two's complement.
fn number(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // The highest bit is the mark, the next one the sign.
        let start = i64::from(first & 0x7f) - if first & 0x40 != 0 { 0x80 } else { 0 };
        return rest.iter().try_fold(start, |value, &byte| value.checked_mul(256)?.checked_add(byte.into()));
    }
    let digits = until_nul(field.iter().copied().skip_while(|&byte| byte == b' ' || byte == 0).collect());
    let digits = std::str::from_utf8(&digits).ok()?.trim_end();
    if digits.is_empty() { Some(0) } else { i64::from_str_radix(digits, 8).ok() }
}

/// The sum of all header bytes, those of the checksum itself counted as spaces.
fn checksum(header: &[u8; 512]) -> i64 {
    let spaces = 8 * i64::from(b' ');
    header[..148].iter().chain(&header[156..]).map(|&byte| i64::from(byte)).sum::<i64>() + spaces
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(end) = name.iter().position(|&byte| byte == 0) {
        name.truncate(end);
    }
    name
}

/// Reads `length key=value\n` records.
fn parse_pax(mut records: &[u8], extended: &mut Extended) -> io::Result<()> {
    let broken = || invalid("a PAX header is broken");
    while !records.is_empty() {
        let space = records.iter().position(|&byte| byte == b' ').ok_or_else(broken)?;
        let length = decimal(&records[..space]).ok_or_else(broken)?;
        let (record, rest) = records.split_at_checked(length).ok_or_else(broken)?;
        let record =
            record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(broken)?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(broken)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => extended.path = Some(value.to_vec()),
            b"linkpath" => extended.link = Some(value.to_vec()),
            b"size" => extended.size = Some(decimal(value).ok_or_else(broken)? as u64),
            b"mtime" => extended.mtime = Some(seconds(value).ok_or_else(broken)?),
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(invalid("sparse files in tar archives are not supported"));
            }
            _ => {}
        }
        records = rest;
    }
    Ok(())
}

fn decimal(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whole seconds of a PAX time, rounded down.
fn seconds(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok()?;
    let below = text.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
    whole.checked_sub(i64::from(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Source for &[u8] {}

    fn entries(archive: &[u8]) -> io::Result<Vec<(String, u64)>> {
        let mut entries = Entries::new(archive);
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            found.push((String::from_utf8_lossy(&entry.path).into_owned(), entry.size));
        }
        Ok(found)
    }

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in [("short", &b"1"[..]), (&"long/".repeat(60), b""), ("last", &[7; 1000])] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, content).expect("append");
        }
        builder.into_inner().expect("finish")
    }

    #[test]
    fn names_and_sizes_are_read() {
        let found = entries(&archive()).expect("read");
        let expected = [("short".to_owned(), 1), ("long/".repeat(60), 0), ("last".to_owned(), 1000)];
        assert_eq!(found, expected);
    }

    #[test]
    fn cut_archives_are_refused() {
        let archive = archive();
        for length in [100, 513, 1024 + 512 + 10, archive.len() - 1024 - 600] {
            assert!(entries(&archive[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn damage_is_noticed() {
        let mut archive = archive();
        archive[3] ^= 1;
        assert!(entries(&archive).expect_err("damaged").to_string().contains("checksum"));
    }

    #[test]
    fn numbers_are_octal_or_binary() {
        let check = |field: &[u8], expected| assert_eq!(number(field), expected, "{field:?}");
        check(b"0000644\0", Some(0o644));
        check(b"   17 \0", Some(15));
        check(b"\0\0\0\0", Some(0));
        check(b"12x\0", None);
        check(&[0x80, 0, 0, 1, 0], Some(256));
        check(&[0xff, 0xff, 0xff, 0xfe], Some(-2));
        check(&[0xbf; 12], None);
    }

    #[test]
    fn pax_records_override_the_header() {
        let mut extended = Extended::default();
        parse_pax(b"12 path=a/b\n11 size=42\n16 mtime=-1.500\n", &mut extended).expect("parse");
        assert_eq!(extended.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!((extended.size, extended.mtime), (Some(42), Some(-2)));
        for broken in [&b"12 path=a/b"[..], b"99 path=a\n", b"x path=a\n", b"3 a\n", b"7 size\n", b"0 a=b\n"]
        {
            assert!(parse_pax(broken, &mut Extended::default()).is_err());
        }
    }
}
