//! Advisory data as it is published: finding it in files, archives and directories, and handing it on piece
//! by piece. What a file is follows from its content, never from its name.

mod archive;
mod csaf;
mod cve;
pub(crate) mod epss;
pub(crate) mod kev;
mod osv;
pub(crate) mod record;
mod secdb;
pub(crate) mod support;
mod tracker;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::record::Record;
use crate::Error;

/// The largest single document that is read: one OSV record, one KEV catalogue. Real ones stay under 10 MB.
const MAX_DOCUMENT: u64 = 64 << 20;
/// The largest tracker of Debian that is read; the real one has 70 MB.
const MAX_TRACKER: u64 = 1 << 30;
/// How deep directories are searched.
const MAX_DEPTH: usize = 16;

/// What kind of data a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Advisories in the OSV schema.
    Osv,
    /// Debian's security tracker.
    DebianTracker,
    /// Security databases in Alpine's form.
    Secdb,
    /// CSAF documents of vulnerabilities.
    Csaf,
    /// CVE records.
    Cve,
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
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(|source| cannot_read(path, source))?;
    file.rewind().map_err(|source| cannot_read(path, source))?;
    match start.as_slice() {
        [b'P', b'K', 3 | 5, 4 | 6] => archive::read_zip(path, file, receive).map(|()| true),
        [0x1f, 0x8b, ..] => {
            read_unpacked(path, flate2::read::MultiGzDecoder::new(file), record_source, receive)
        }
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let decoder =
                zstd::stream::read::Decoder::new(file).map_err(|source| cannot_read(path, source))?;
            read_unpacked(path, decoder, record_source, receive)
        }
        _ => read_unpacked(path, file, record_source, receive),
    }
}

/// Reads what a file holds once it is unpacked: a tar archive, or text.
fn read_unpacked(
    path: &Path,
    content: impl Read,
    record_source: &str,
    receive: &mut Receiver<'_>,
) -> Result<bool, Error> {
    let mut reader = BufReader::with_capacity(64 << 10, content);
    let start = reader.fill_buf().map_err(|source| cannot_read(path, source))?;
    if archive::is_tar(start) {
        return archive::read_tar(path, reader, receive).map(|()| true);
    }
    read_text(path, reader, record_source, receive)
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
    if tracker::is_start(start) {
        let limited = reader.take(MAX_TRACKER);
        let records = tracker::parse(limited).map_err(|error| broken(path, &error))?;
        let origin = Origin { source: &name, kind: SourceKind::DebianTracker };
        records.into_iter().try_for_each(|record| receive_parsed(origin, record, receive))?;
        return Ok(true);
    }
    let mut json = Vec::new();
    read_line(path, &mut reader, &mut json)?;
    if serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok() {
        return read_lines(path, reader, json, record_source, receive);
    }
    let limit = (MAX_DOCUMENT + 1).saturating_sub(json.len() as u64);
    reader.take(limit).read_to_end(&mut json).map_err(|source| cannot_read(path, source))?;
    check_length(path, &json)?;
    read_document(&Place { path, name: &name, source: record_source, is_of_many: false }, &json, receive)
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
            known |= read_document(&Place { path, name: &name, source, is_of_many: false }, &line, receive)?;
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

/// Where a document is.
struct Place<'a> {
    path: &'a Path,
    /// What it is called in messages.
    name: &'a str,
    /// What its records are counted as part of.
    source: &'a str,
    /// It is one of many in an archive: if it cannot be read, the others can.
    is_of_many: bool,
}

/// Hands on one JSON document; `false` when it is none of the known kinds.
///
/// One bad record never costs the others: it is handed on as unreadable.
fn read_document(place: &Place<'_>, json: &[u8], receive: &mut Receiver<'_>) -> Result<bool, Error> {
    let origin = |kind| Origin { source: place.source, kind };
    // By far the most documents are OSV records; they are not read twice to find that out.
    let reason = match osv::parse(json) {
        Ok(record) => {
            receive(origin(SourceKind::Osv), Item::Advisory(Box::new(record), json))?;
            return Ok(true);
        }
        Err(reason) => reason,
    };
    let file = base_name(place.path);
    let whole = |kind| Origin { source: &file, kind };
    let unreadable = |kind, error: &dyn std::fmt::Display, receive: &mut Receiver<'_>| {
        receive(origin(kind), Item::Unreadable(place.name, error.to_string())).map(|()| true)
    };
    match Document::of(json) {
        Ok(Document::Kev) => {
            let catalogue = kev::Catalogue::parse(json).map_err(|error| broken(place.path, &error))?;
            receive(whole(SourceKind::Kev), Item::Kev(catalogue))?;
        }
        Ok(Document::Support) => {
            let cycles = support::parse(json).map_err(|error| broken(place.path, &error))?;
            receive(whole(SourceKind::Support), Item::Support(cycles))?;
        }
        Ok(Document::Secdb) => {
            let records = secdb::parse(json).map_err(|error| broken(place.path, &error))?;
            for record in records {
                match record {
                    Ok(record) => receive_parsed(origin(SourceKind::Secdb), record, receive)?,
                    Err(reason) => drop(unreadable(SourceKind::Secdb, &reason, receive)?),
                }
            }
        }
        Ok(Document::Csaf) => match csaf::parse(json) {
            Ok(records) => {
                records
                    .into_iter()
                    .try_for_each(|record| receive_parsed(origin(SourceKind::Csaf), record, receive))?;
            }
            Err(error) => return unreadable(SourceKind::Csaf, &error, receive),
        },
        Ok(Document::Cve) => match cve::parse(json) {
            Ok(record) => receive_parsed(origin(SourceKind::Cve), record, receive)?,
            Err(error) => return unreadable(SourceKind::Cve, &error, receive),
        },
        Ok(Document::Record) => return unreadable(SourceKind::Osv, &reason, receive),
        Ok(Document::Other) => return Ok(false),
        Err(_) if place.is_of_many => return unreadable(SourceKind::Osv, &reason, receive),
        Err(error) => return Err(broken(place.path, &error)),
    }
    Ok(true)
}

/// Hands on a record that a feed made of a larger document.
fn receive_parsed(origin: Origin<'_>, record: Record, receive: &mut Receiver<'_>) -> Result<(), Error> {
    receive(origin, Item::Advisory(Box::new(record), &[]))
}

/// What a JSON document is, by the members it has.
enum Document {
    Kev,
    Record,
    Support,
    Secdb,
    Csaf,
    Cve,
    Other,
}

impl Document {
    fn of(json: &[u8]) -> Result<Self, serde_json::Error> {
        type Member<'a> = Option<&'a serde_json::value::RawValue>;
        #[derive(Deserialize)]
        struct Members<'a> {
            #[serde(rename = "catalogVersion", borrow)]
            catalogue: Member<'a>,
            #[serde(borrow)]
            vulnerabilities: Member<'a>,
            #[serde(borrow)]
            id: Member<'a>,
            #[serde(borrow)]
            modified: Member<'a>,
            #[serde(borrow)]
            debian: Member<'a>,
            #[serde(borrow)]
            alpine: Member<'a>,
            #[serde(borrow)]
            result: Member<'a>,
            #[serde(borrow)]
            packages: Member<'a>,
            #[serde(borrow)]
            urlprefix: Member<'a>,
            #[serde(borrow)]
            document: Member<'a>,
            #[serde(rename = "cveMetadata", borrow)]
            cve: Member<'a>,
        }
        let members: Members<'_> = serde_json::from_slice(json)?;
        Ok(match members {
            Members { catalogue: Some(_), vulnerabilities: Some(_), .. } => Self::Kev,
            Members { document: Some(_), vulnerabilities: Some(_), .. } => Self::Csaf,
            Members { id: Some(_), modified: Some(_), .. } => Self::Record,
            Members { cve: Some(_), .. } => Self::Cve,
            Members { packages: Some(_), urlprefix: Some(_), .. } => Self::Secdb,
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

fn broken(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::BadInput { path: path.to_owned(), reason: error.to_string() }
}

fn cannot_read(path: &Path, source: std::io::Error) -> Error {
    Error::ReadInput { path: path.to_owned(), source }
}

/// The last part of a path: reports and databases name sources without the machine's directories.
fn base_name(path: &Path) -> String {
    path.file_name().map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned())
}
