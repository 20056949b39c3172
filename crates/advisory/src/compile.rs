//! From published advisory data to the compiled database.
//!
//! Reading is one pass over the inputs ([`crate::feeds`]); [`collect`] keeps the newest copy of every
//! record, its long text in a scratch file; [`resolve`] decides what the records say of each other;
//! [`mod@write`] puts everything into one file. The same inputs give the same bytes, in whatever order they are
//! named.

mod collect;
mod resolve;
mod spool;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::collect::Collector;
use self::spool::Spool;
use crate::Error;
use crate::database::{DatabaseId, EcosystemCount};
use crate::feeds::{self, SourceKind};

/// What the caller decides about a build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The time of the build, stored in the database and shown to people.
    pub built_at: Timestamp,
}

/// What a build did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BuildReport {
    /// The content digest of the database.
    pub id: DatabaseId,
    /// Size of the file in bytes.
    pub size: u64,
    /// How many records were stored.
    pub advisories: u64,
    /// What they are about.
    pub ecosystems: Vec<EcosystemCount>,
    /// How many CVEs have an exploit prediction score.
    pub epss: u64,
    /// How many CVEs are known to be exploited.
    pub kev: u64,
    /// What was read.
    pub sources: Vec<Source>,
    /// What was read but not stored.
    pub skipped: Skipped,
}

/// A file or directory that data was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The last part of its path.
    pub name: String,
    /// What kind of data it holds.
    pub kind: SourceKind,
    /// The newest time in the data: the latest change of a record, or the date of the catalogue or scores.
    pub data_time: Option<Timestamp>,
    /// How many records, vulnerabilities or scores it holds.
    pub entries: u64,
}

/// What was read but not stored, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Records that were withdrawn.
    pub withdrawn: u64,
    /// Copies of a record of which another input has a newer or the same.
    pub older_copies: u64,
    /// Mentions of packages in ecosystems whose versions cannot be ordered yet, by ecosystem.
    pub ecosystems: BTreeMap<String, u64>,
    /// Mentions without a package: source code in git.
    pub without_package: u64,
    /// Mentions that name commits but no versions.
    pub without_versions: u64,
    /// Mentions in Debian's announcements that the records of their CVEs decide.
    pub announced: u64,
    /// Mentions in announcements of mended bugs and new features that name no vulnerability.
    pub enhancements: u64,
    /// Records that could not be read.
    pub unreadable: u64,
    /// The first of them.
    pub unreadable_named: Vec<Unreadable>,
    /// Files in directories that are not advisory data.
    pub files: Vec<PathBuf>,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Its source, and its name there.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Compiles advisory data into a database at `output`.
///
/// `inputs` are files or directories (searched through) of OSV records, as zip archives or single JSON
/// files, the KEV catalogue and EPSS scores, told apart by content. Of several copies of a record the newest
/// counts. The file at `output` is replaced in one step, or not at all.
///
/// # Errors
///
/// When an input cannot be read or is of no known kind, when nothing in them can be matched, and when the
/// database cannot be written. A single broken record is no error; it is counted in the report.
pub fn build(inputs: &[PathBuf], output: &Path, options: &BuildOptions) -> Result<BuildReport, Error> {
    let failed = |source| Error::Write { path: output.to_owned(), source };
    let mut collector = Collector::new(Spool::new_in(directory_of(output)).map_err(failed)?);
    let mut files = Vec::new();
    for input in inputs {
        files
            .extend(feeds::read(input, &mut |origin, item| collector.receive(origin, item).map_err(failed))?);
    }
    let (mut collected, texts) = collector.finish().map_err(failed)?;
    collected.skipped.files = files;
    if collected.advisories.values().any(|advisory| advisory.is_cve) {
        resolve::yield_to_others(&mut collected.advisories);
    }
    collected.skipped.announced = resolve::fold_announcements(&mut collected.advisories);
    if collected.advisories.values().all(|advisory| advisory.affected.is_empty()) {
        return Err(Error::NothingToStore);
    }
    let resolved = resolve::resolve(&collected.advisories);
    let content = write::Content { collected: &collected, resolved: &resolved };
    let write::Written { id, size, meta } = write::write(&content, texts, options.built_at, output)?;
    Ok(BuildReport {
        id,
        size,
        advisories: meta.advisories,
        ecosystems: meta.ecosystems,
        epss: meta.epss,
        kev: meta.kev,
        sources: meta.sources,
        skipped: collected.skipped,
    })
}

/// Reads an input as [`build`] would, and keeps nothing of it: whether it can take the place of one that can be read.
///
/// # Errors
/// When `build` would fail because of it.
pub fn check(input: &Path) -> Result<(), Error> {
    feeds::read(input, &mut |_, _| Ok(())).map(|_| ())
}

/// The directory that a file is in.
fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
