//! Archives of records, zip as OSV's bulk exports are and tar as Red Hat's documents: read entry by entry, never
//! unpacked, with limits that no real export comes near.
//!
//! The entries of zip archives are inflated here rather than by the `zip` crate, with one decoder for all of them: a new one
//! for each of many thousand small entries costs more than the inflating, and left a gigabyte of holes in
//! the heap.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::{
    Item, MAX_DOCUMENT, Origin, Place, Receiver, SourceKind, base_name, cannot_read, read_document, too_long,
};
use crate::Error;

/// The most entries in one archive. The largest export has a few hundred thousand.
const MAX_ENTRIES: usize = 4 << 20;
/// The most that all entries together may unpack to. The largest export has a few hundred megabytes.
const MAX_UNPACKED: u64 = 16 << 30;

/// Whether content that begins like this is a tar archive.
pub(super) fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar")
}

/// Reads every `.json` member of a tar archive as one document.
pub(super) fn read_tar(path: &Path, content: impl Read, receive: &mut Receiver<'_>) -> Result<(), Error> {
    let bad = |error: io::Error| Error::BadArchive { path: path.to_owned(), reason: error.to_string() };
    let source = base_name(path);
    let mut archive = tar::Archive::new(content.take(MAX_UNPACKED));
    let mut json = Vec::new();
    for (index, member) in archive.entries().map_err(bad)?.enumerate() {
        let mut member = member.map_err(bad)?;
        if index >= MAX_ENTRIES {
            let reason = format!("it has more than {MAX_ENTRIES} entries");
            return Err(Error::BadArchive { path: path.to_owned(), reason });
        }
        let name = member.path().map_err(bad)?.to_string_lossy().into_owned();
        if !member.header().entry_type().is_file() || !has_json_suffix(&name) {
            continue;
        }
        json.clear();
        member.by_ref().take(MAX_DOCUMENT + 1).read_to_end(&mut json).map_err(bad)?;
        if json.len() as u64 > MAX_DOCUMENT {
            receive(Origin { source: &source, kind: SourceKind::Osv }, Item::Unreadable(&name, too_long()))?;
            continue;
        }
        read_document(&Place { path, name: &name, source: &source, is_of_many: true }, &json, receive)?;
    }
    Ok(())
}

/// Reads every `.json` entry of a zip archive as one document.
pub(super) fn read_zip(path: &Path, file: File, receive: &mut Receiver<'_>) -> Result<(), Error> {
    let bad = |reason: String| Error::BadArchive { path: path.to_owned(), reason };
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| bad(error.to_string()))?;
    if archive.len() > MAX_ENTRIES {
        return Err(bad(format!("it has more than {MAX_ENTRIES} entries")));
    }
    let source = base_name(path);
    let origin = Origin { source: &source, kind: SourceKind::Osv };
    let mut inflater = Inflater::default();
    let mut unpacked = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index_raw(index).map_err(|error| bad(error.to_string()))?;
        let name = entry.name().map_err(|error| bad(error.to_string()))?.into_owned();
        if !entry.is_file() || !has_json_suffix(&name) {
            continue;
        }
        let (method, checksum) = (entry.compression(), entry.crc32());
        let outcome =
            inflater.inflate(&mut entry, method, checksum).map_err(|source| match source.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                    bad(format!("its entry {name} is damaged: {source}"))
                }
                _ => cannot_read(path, source),
            })?;
        unpacked += inflater.content.len() as u64;
        if unpacked > MAX_UNPACKED {
            return Err(bad(format!("it unpacks to more than {} GiB", MAX_UNPACKED >> 30)));
        }
        match outcome {
            Outcome::Whole => {
                let place = Place { path, name: &name, source: &source, is_of_many: true };
                if !read_document(&place, &inflater.content, receive)? {
                    receive(origin, Item::Unreadable(&name, "it is no advisory".to_owned()))?;
                }
            }
            Outcome::TooLong => receive(origin, Item::Unreadable(&name, too_long()))?,
        }
    }
    Ok(())
}

fn has_json_suffix(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// What became of an entry.
enum Outcome {
    /// All of it is there.
    Whole,
    /// It is longer than any record.
    TooLong,
}

/// Inflates one entry after the other, with the same memory.
struct Inflater {
    decoder: DeflateDecoder<Cursor<Vec<u8>>>,
    content: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { decoder: DeflateDecoder::new(Cursor::default()), content: Vec::new() }
    }
}

impl Inflater {
    /// Puts the content of an entry into `content`.
    fn inflate(&mut self, raw: impl Read, method: CompressionMethod, checksum: u32) -> io::Result<Outcome> {
        let mut packed = std::mem::take(self.decoder.get_mut()).into_inner();
        packed.clear();
        self.content.clear();
        raw.take(MAX_DOCUMENT + 1).read_to_end(&mut packed)?;
        match method {
            CompressionMethod::Stored => std::mem::swap(&mut packed, &mut self.content),
            CompressionMethod::Deflated => {
                self.decoder.reset(Cursor::new(packed));
                (&mut self.decoder).take(MAX_DOCUMENT + 1).read_to_end(&mut self.content)?;
            }
            other => {
                let reason = format!("it is compressed with {other}, which no export uses");
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        }
        if self.content.len() as u64 > MAX_DOCUMENT {
            return Ok(Outcome::TooLong);
        }
        if crc32fast::hash(&self.content) != checksum {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum does not match"));
        }
        Ok(Outcome::Whole)
    }
}
