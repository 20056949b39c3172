//! Zip archives of OSV records, as OSV's bulk exports are: read entry by entry, never unpacked, with limits
//! that no real export comes near.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::{Item, cannot_read};
use super::{MAX_DOCUMENT, Origin, Receiver, SourceKind, base_name, receive_record, too_long};
use crate::Error;

/// The most entries in one archive. The largest export has a few hundred thousand.
const MAX_ENTRIES: usize = 4 << 20;
/// The most that all entries together may unpack to. The largest export has a few hundred megabytes.
const MAX_UNPACKED: u64 = 16 << 30;

/// Reads every `.json` entry of an archive as one record.
pub(super) fn read(path: &Path, file: File, receive: &mut Receiver<'_>) -> Result<(), Error> {
    let bad = |reason: String| Error::BadArchive { path: path.to_owned(), reason };
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| bad(error.to_string()))?;
    if archive.len() > MAX_ENTRIES {
        return Err(bad(format!("it has more than {MAX_ENTRIES} entries")));
    }
    let source = base_name(path);
    let origin = Origin { source: &source, kind: SourceKind::Osv };
    let mut unpacked = 0;
    let mut json = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| bad(error.to_string()))?;
        let name = entry.name().map_err(|error| bad(error.to_string()))?.into_owned();
        if !entry.is_file() || !has_json_suffix(&name) {
            continue;
        }
        json.clear();
        entry.take(MAX_DOCUMENT + 1).read_to_end(&mut json).map_err(|source| match source.kind() {
            std::io::ErrorKind::InvalidData
            | std::io::ErrorKind::InvalidInput
            | std::io::ErrorKind::UnexpectedEof => bad(format!("its entry {name} is damaged: {source}")),
            _ => cannot_read(path, source),
        })?;
        unpacked += json.len() as u64;
        if unpacked > MAX_UNPACKED {
            return Err(bad(format!("it unpacks to more than {} GiB", MAX_UNPACKED >> 30)));
        }
        if json.len() as u64 > MAX_DOCUMENT {
            receive(origin, Item::Unreadable(&name, too_long()))?;
            continue;
        }
        receive_record(origin, &name, &json, receive)?;
    }
    Ok(())
}

fn has_json_suffix(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}
