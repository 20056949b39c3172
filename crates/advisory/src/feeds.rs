//! Advisory data as it is published: finding it in files, archives and directories, and handing it on piece
//! by piece. What a file is follows from its content, never from its name.

mod archive;
pub(crate) mod epss;
pub(crate) mod kev;
mod osv;
pub(crate) mod record;
pub(crate) mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::record::Record;
use crate::Error;

/// The largest single document that is read: one OSV record, one KEV catalogue. Real ones stay under 10 MB.
const MAX_DOCUMENT: u64 = 64 << 20;
/// How deep directories are searched.
const MAX_DEPTH: usize = 16;

/// What kind of data a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Advisories in the OSV schema.
    Osv,
    /// The catalogue of known exploited vulnerabilities of CISA.
    Kev,
    /// Exploit prediction scores of FIRST.
    Epss,
    /// Until when distributions are supported.
    Support,
}

/// Where a piece of data comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// The last part of the path of the file or directory.
    pub(crate) source: &'a str,
    pub(crate) kind: SourceKind,
}

/// A piece of data.
pub(crate) enum Item<'a> {
    /// An OSV record.
    Advisory(Box<Record>, &'a [u8]),
    /// The KEV catalogue.
    Kev(kev::Catalogue),
    /// The date of the EPSS scores that follow.
    EpssDate(Option<jiff::Timestamp>),
    /// One EPSS score.
    Epss(epss::Row<'a>),
    /// Until when releases of distributions are supported.
    Support(Vec<support::Cycle>),
    /// A record that could not be read, by name, and why.
    Unreadable(&'a str, String),
}

/// Takes the pieces.
pub(crate) type Receiver<'a> = dyn FnMut(Origin<'_>, Item<'_>) -> Result<(), Error> + 'a;

/// Reads an input and hands on all it holds. Returns the files of a directory that were not advisory data.
pub(crate) fn read(input: &Path, receive: &mut Receiver<'_>) -> Result<Vec<PathBuf>, Error> {
    let mut passed_over = Vec::new();
    let metadata = std::fs::metadata(input).map_err(|source| cannot_read(input, source))?;
    if metadata.is_dir() {
        read_directory(input, 0, receive, &mut passed_over)?;
    } else if !read_file(input, &base_name(input), receive)? {
        return Err(Error::UnknownInput { path: input.to_owned() });
    }
    Ok(passed_over)
}

fn read_directory(
    directory: &Path,
    depth: usize,
    receive: &mut Receiver<'_>,
    passed_over: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    let name = base_name(directory);
    let mut paths = std::fs::read_dir(directory)
        .and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
        })
        .map_err(|source| cannot_read(directory, source))?;
    paths.sort();
    for path in paths {
        // Followed links could lead in circles; a linked file is read, a linked directory is not.
        let is_link = path.is_symlink();
        let metadata = std::fs::metadata(&path).map_err(|source| cannot_read(&path, source))?;
        if metadata.is_dir() && !is_link && depth < MAX_DEPTH {
            read_directory(&path, depth + 1, receive, passed_over)?;
        } else if !metadata.is_file() || !read_file(&path, &name, receive)? {
            passed_over.push(path);
        }
    }
    Ok(())
}

/// Reads one file; `false` when it is none of the known kinds. A single record is counted as part of
/// `record_source`.
fn read_file(path: &Path, record_source: &str, receive: &mut Receiver<'_>) -> Result<bool, Error> {
    let mut file = File::open(path).map_err(|source| cannot_read(path, source))?;
    let mut head = [0; 4];
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(|source| cannot_read(path, source))?;
    file.rewind().map_err(|source| cannot_read(path, source))?;
    head[..start.len()].copy_from_slice(&start);
    match head {
        [b'P', b'K', 3 | 5, 4 | 6] => archive::read(path, file, receive).map(|()| true),
        [0x1f, 0x8b, ..] => {
            let reader = BufReader::new(flate2::read::MultiGzDecoder::new(file));
            read_text(path, reader, record_source, receive)
        }
        _ => read_text(path, BufReader::new(file), record_source, receive),
    }
}

/// Reads a file of text: EPSS scores, the KEV catalogue, one record, or a record a line.
fn read_text(
    path: &Path,
    mut reader: impl BufRead,
    record_source: &str,
    receive: &mut Receiver<'_>,
) -> Result<bool, Error> {
    let name = base_name(path);
    let start = reader.fill_buf().map_err(|source| cannot_read(path, source))?;
    if epss::is_start(start) {
        return epss::read(path, &name, reader, receive).map(|()| true);
    }
    if start.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Ok(false);
    }
    let mut json = Vec::new();
    read_line(path, &mut reader, &mut json)?;
    if serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok() {
        return read_lines(path, reader, json, record_source, receive);
    }
    let limit = (MAX_DOCUMENT + 1).saturating_sub(json.len() as u64);
    reader.take(limit).read_to_end(&mut json).map_err(|source| cannot_read(path, source))?;
    check_length(path, &json)?;
    read_document(path, &name, &json, record_source, receive)
}

/// Reads JSON Lines: a document a line. A file of one document in one line is one of these.
fn read_lines(
    path: &Path,
    mut reader: impl BufRead,
    mut line: Vec<u8>,
    record_source: &str,
    receive: &mut Receiver<'_>,
) -> Result<bool, Error> {
    let file = base_name(path);
    // The records of a file of many are its own, not its directory's.
    let mut source = record_source;
    let mut number = 0_u64;
    let mut known = false;
    while !line.is_empty() {
        number += 1;
        let mut next = Vec::new();
        read_line(path, &mut reader, &mut next)?;
        if number == 1 && !next.is_empty() {
            source = &file;
        }
        if !line.iter().all(u8::is_ascii_whitespace) {
            let name = format!("{file} line {number}");
            known |= read_document(path, &name, &line, source, receive)?;
        }
        line = next;
    }
    Ok(known)
}

fn read_line(path: &Path, reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<(), Error> {
    let mut bounded = reader.take(MAX_DOCUMENT + 1);
    bounded.read_until(b'\n', line).map_err(|source| cannot_read(path, source))?;
    check_length(path, line)
}

fn check_length(path: &Path, json: &[u8]) -> Result<(), Error> {
    if json.len() as u64 > MAX_DOCUMENT {
        return Err(Error::BadInput { path: path.to_owned(), reason: too_long() });
    }
    Ok(())
}

/// Hands on one JSON document; `false` when it is none of the known kinds.
fn read_document(
    path: &Path,
    name: &str,
    json: &[u8],
    record_source: &str,
    receive: &mut Receiver<'_>,
) -> Result<bool, Error> {
    match Document::of(json) {
        Ok(Document::Kev) => {
            let catalogue = kev::Catalogue::parse(json)
                .map_err(|error| Error::BadInput { path: path.to_owned(), reason: error.to_string() })?;
            receive(Origin { source: &base_name(path), kind: SourceKind::Kev }, Item::Kev(catalogue))?;
            Ok(true)
        }
        Ok(Document::Record) => {
            receive_record(Origin { source: record_source, kind: SourceKind::Osv }, name, json, receive)?;
            Ok(true)
        }
        Ok(Document::Support) => {
            let cycles = support::parse(json)
                .map_err(|error| Error::BadInput { path: path.to_owned(), reason: error.to_string() })?;
            receive(Origin { source: &base_name(path), kind: SourceKind::Support }, Item::Support(cycles))?;
            Ok(true)
        }
        Ok(Document::Other) => Ok(false),
        Err(error) => Err(Error::BadInput { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// Hands on one record, or the fact that it cannot be read: one bad record never costs the others.
fn receive_record(
    origin: Origin<'_>,
    name: &str,
    json: &[u8],
    receive: &mut Receiver<'_>,
) -> Result<(), Error> {
    match osv::parse(json) {
        Ok(record) => receive(origin, Item::Advisory(Box::new(record), json)),
        Err(reason) => receive(origin, Item::Unreadable(name, reason)),
    }
}

/// What a JSON document is, by the members it has.
enum Document {
    Kev,
    Record,
    Support,
    Other,
}

impl Document {
    fn of(json: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Members<'a> {
            #[serde(rename = "catalogVersion", borrow)]
            catalogue: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow)]
            vulnerabilities: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow)]
            id: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow)]
            modified: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow)]
            debian: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow)]
            alpine: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow)]
            result: Option<&'a serde_json::value::RawValue>,
        }
        let members: Members<'_> = serde_json::from_slice(json)?;
        Ok(match members {
            Members { catalogue: Some(_), vulnerabilities: Some(_), .. } => Self::Kev,
            Members { id: Some(_), modified: Some(_), .. } => Self::Record,
            Members { debian: Some(_), alpine: Some(_), .. } | Members { result: Some(_), .. } => {
                Self::Support
            }
            _ => Self::Other,
        })
    }
}

fn too_long() -> String {
    format!("it is longer than {} MiB", MAX_DOCUMENT >> 20)
}

fn cannot_read(path: &Path, source: std::io::Error) -> Error {
    Error::ReadInput { path: path.to_owned(), source }
}

/// The last part of a path: reports and databases name sources without the machine's directories.
fn base_name(path: &Path) -> String {
    path.file_name().map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned())
}
