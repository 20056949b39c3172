//! The compiled database: opening it, and looking things up in it.
//!
//! The file is mapped, not read: opening checks the header and the checksums of what matching uses, and
//! lookups touch only the pages they need. The [`layout`] is shared with the writer. A database never
//! changes; a new one takes its place by rename, and whoever has the old one open keeps it.

mod changes;
pub(crate) mod details;
pub(crate) mod layout;
mod mapping;
mod support;

use std::fs::File;
use std::marker::PhantomData;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::changes::{ChangedPackage, PackageChange};
use self::layout::{
    EcosystemRow, EntryRow, EpssRow, EventRow, FIXED_HEADER, FORMAT, Field, HEADER, KevRow, KeyRow, MAGIC,
    NO_TIME, NameRow, RecordRow, Run, SECTION_ENTRY, Section,
};
use self::mapping::Mapping;
use crate::compile::Source;
use crate::feeds::record::Reference;
use crate::range::{Event, EventKind};
use crate::severity::{Score, Severity};
use crate::{Epss, Error, Kev};

/// The digest of the content of a database: the same exactly when the content is the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseId([u8; 32]);

impl DatabaseId {
    pub(crate) fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl std::fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for DatabaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DatabaseId({self})")
    }
}

impl Serialize for DatabaseId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How much is known of one ecosystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EcosystemCount {
    /// For example `Debian:12` or `npm`.
    pub name: String,
    /// How many packages have advisories.
    pub packages: u64,
    /// How many times a record names one of them.
    pub entries: u64,
}

/// What a database says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) built_at: Timestamp,
    pub(crate) sources: Vec<Source>,
    pub(crate) advisories: u64,
    pub(crate) ecosystems: Vec<EcosystemCount>,
    pub(crate) epss: u64,
    pub(crate) kev: u64,
}

/// All that is told of one record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advisory {
    /// Its own id.
    pub id: String,
    /// The name its findings are shown under.
    pub canonical: String,
    /// Other names of the same vulnerability.
    pub aliases: Vec<String>,
    /// Records that have to do with it.
    pub related: Vec<String>,
    /// One line.
    pub summary: String,
    /// The description, in Markdown as published.
    pub details: String,
    /// How bad it is, apart from what a distribution says for one of its packages.
    pub severity: Severity,
    /// The CVSS vector that counts.
    pub score: Option<Score>,
    /// Every CVSS vector of the record.
    pub vectors: Vec<String>,
    /// The packages it names, `ecosystem name` each.
    pub packages: Vec<String>,
    /// Links.
    pub references: Vec<Reference>,
    /// When it was published.
    pub published: Option<Timestamp>,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
}

/// A compiled advisory database, open for lookups. Share it between threads behind an `Arc`.
#[derive(Debug)]
pub struct Database {
    mapping: Mapping,
    sections: [(usize, usize); Section::ALL.len()],
    id: DatabaseId,
    meta: Meta,
}

impl Database {
    /// Opens a database file.
    ///
    /// Checks the header and the checksum of every section that matching reads; the frames of long texts carry
    /// checksums of their own and are checked when they are read.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, is no database, was made by another version of Tidewaiter, or is
    /// damaged.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, Checks::All)
    }

    /// Opens a database file that was opened before and has not changed since, which is for the caller to know: only
    /// the header is checked, so that nothing is read but what is looked up. Reading is safe whatever the file holds;
    /// what damage there is goes unnoticed and gives wrong answers.
    ///
    /// # Errors
    ///
    /// As [`Database::open`], apart from damage to what the header does not hold.
    pub fn open_checked_before(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, Checks::Header)
    }

    fn open_with(path: &Path, checks: Checks) -> Result<Self, Error> {
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(Error::NotADatabase { path: path.to_owned() });
        }
        let mapping = Mapping::of(&file).map_err(failed)?;
        let (id, sections) = read_header(mapping.bytes(), path, checks)?;
        let meta = serde_json::from_slice(&mapping.bytes()[range_of(sections[0])])
            .map_err(|_| damaged(path, "its description cannot be read"))?;
        Ok(Self { mapping, sections, id, meta })
    }

    /// The digest of the content: two databases with the same id say the same.
    #[must_use]
    pub fn id(&self) -> DatabaseId {
        self.id
    }

    /// When it was built.
    #[must_use]
    pub fn built_at(&self) -> Timestamp {
        self.meta.built_at
    }

    /// What it was built from, with the time of the data.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.meta.sources
    }

    /// What it covers, by name.
    #[must_use]
    pub fn ecosystems(&self) -> &[EcosystemCount] {
        &self.meta.ecosystems
    }

    /// How many records it holds.
    #[must_use]
    pub fn advisories(&self) -> u64 {
        self.meta.advisories
    }

    /// Everything told of a vulnerability by any record that bears the name, as id or as alias.
    #[must_use]
    pub fn advisories_named(&self, name: &str) -> Vec<Advisory> {
        self.records_named(name).filter_map(|record| self.advisory(record)).collect()
    }

    /// Every name of a vulnerability, by number: the one asked for, and those of the records that bear it.
    pub(crate) fn names_of_vulnerability(&self, name: &str) -> Vec<u32> {
        let records = self.records_named(name).filter_map(|record| self.record(record));
        let mut names: Vec<u32> = records.flat_map(|row| [row.canonical, row.id]).collect();
        names.extend(self.string_number(name));
        names.sort_unstable();
        names.dedup();
        names
    }

    fn advisory(&self, record: u32) -> Option<Advisory> {
        let row = self.record(record)?;
        let text = self.long_text(&row).unwrap_or_default();
        Some(Advisory {
            id: self.string(row.id)?.to_owned(),
            canonical: self.string(row.canonical)?.to_owned(),
            aliases: self.list(row.aliases).map(str::to_owned).collect(),
            related: text.related,
            summary: if text.summary.is_empty() { self.summary(&row).to_owned() } else { text.summary },
            details: text.details,
            severity: Severity::from_byte(row.severity),
            score: self.score(&row),
            vectors: text.vectors,
            packages: text.packages,
            references: text.references,
            published: time(row.published),
            modified: time(row.modified),
        })
    }

    /// The exploit prediction of a CVE.
    #[must_use]
    pub fn epss(&self, cve: &str) -> Option<Epss> {
        self.epss_of(self.string_number(cve)?)
    }

    /// Whether a CVE is known to be exploited.
    #[must_use]
    pub fn kev(&self, cve: &str) -> Option<Kev> {
        self.kev_of(self.string_number(cve)?)
    }

    pub(crate) fn epss_of(&self, cve: u32) -> Option<Epss> {
        let table = self.table::<EpssRow>(Section::Epss);
        let row = table.get(table.partition_point(|row| row.cve < cve)).filter(|row| row.cve == cve)?;
        Some(Epss { score: f64::from(row.score) / 1e9, percentile: f64::from(row.percentile) / 1e9 })
    }

    pub(crate) fn kev_of(&self, cve: u32) -> Option<Kev> {
        let table = self.table::<KevRow>(Section::Kev);
        let row = table.get(table.partition_point(|row| row.cve < cve)).filter(|row| row.cve == cve)?;
        Some(Kev {
            date_added: self.string(row.added)?.to_owned(),
            due_date: self.string(row.due)?.to_owned(),
            ransomware: row.ransomware == 1,
        })
    }

    /// The ecosystem of a name; `None` when no record is about it.
    pub(crate) fn ecosystem(&self, name: &str) -> Option<EcosystemRow> {
        let number = self.string_number(name)?;
        let table = self.table::<EcosystemRow>(Section::Ecosystems);
        table.get(table.partition_point(|row| row.name < number)).filter(|row| row.name == number)
    }

    /// The ecosystems whose names begin so, by name.
    pub(crate) fn ecosystems_beginning<'a, 'p>(
        &'a self,
        prefix: &'p str,
    ) -> impl Iterator<Item = (EcosystemRow, &'a str)> + use<'a, 'p> {
        let table = self.table::<EcosystemRow>(Section::Ecosystems);
        let first = table.partition_point(|row| self.string(row.name).unwrap_or_default() < prefix);
        let rows = table.iter(Run { first, count: u32::MAX });
        rows.filter_map(|row| Some((row, self.string(row.name)?)))
            .take_while(move |(_, name)| name.starts_with(prefix))
    }

    /// Whether a record that bears the name speaks of an ecosystem, given by the number of its name.
    pub(crate) fn is_covered(&self, ecosystem: u32, name: &str) -> bool {
        self.records_named(name)
            .filter_map(|record| self.record(record))
            .any(|row| self.list_numbers(row.ecosystems).any(|covered| covered == ecosystem))
    }

    /// The records that bear a name, as id or as alias.
    fn records_named(&self, name: &str) -> impl Iterator<Item = u32> {
        self.records_bearing(self.string_number(name))
    }

    /// The records that bear a name, given by its number.
    pub(crate) fn records_bearing(&self, number: Option<u32>) -> impl Iterator<Item = u32> {
        let names = self.table::<NameRow>(Section::Names);
        let first = number.map_or(u32::MAX, |number| names.partition_point(|row| row.name < number));
        let rows = names.iter(Run { first, count: u32::MAX });
        rows.take_while(move |row| Some(row.name) == number).map(|row| row.record)
    }

    /// What is known of a package of an ecosystem.
    pub(crate) fn key(&self, ecosystem: &EcosystemRow, package: &str) -> Option<KeyRow> {
        let number = self.string_number(package)?;
        let table = self.table::<KeyRow>(Section::Keys).of_run(ecosystem.keys);
        table.get(table.partition_point(|row| row.name < number)).filter(|row| row.name == number)
    }

    /// The entries that name a package.
    pub(crate) fn entries(&self, key: &KeyRow) -> impl Iterator<Item = EntryRow> {
        self.table::<EntryRow>(Section::Entries).iter(key.entries)
    }

    /// The ranges of an entry, each as a run of events.
    pub(crate) fn ranges(&self, entry: &EntryRow) -> impl Iterator<Item = Run> {
        let table = self.table::<EventRow>(Section::Events);
        let mut rest = table.clip(entry.events);
        std::iter::from_fn(move || {
            let first = rest.next()?;
            while rest.start < rest.end && table.get(rest.start).is_some_and(|row| row.starts_range == 0) {
                rest.next();
            }
            Some(Run { first, count: rest.start - first })
        })
    }

    /// The events of a range, in their order.
    pub(crate) fn events(&self, range: Run) -> impl Iterator<Item = Event<'_>> {
        self.table::<EventRow>(Section::Events).iter(range).filter_map(|row| {
            Some(Event { version: self.string(row.version)?, kind: EventKind::from_byte(row.kind)? })
        })
    }

    pub(crate) fn record(&self, number: u32) -> Option<RecordRow> {
        self.table::<RecordRow>(Section::Records).get(number)
    }

    /// One line that says what a record is about; empty when there is none.
    pub(crate) fn summary(&self, row: &RecordRow) -> &str {
        let bytes = range_of((row.summary.first as usize, row.summary.count as usize));
        let text = self.section(Section::Summaries).get(bytes).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    pub(crate) fn score(&self, row: &RecordRow) -> Option<Score> {
        let vector = self.string(row.vector)?.to_owned();
        Some(Score { vector, value: f64::from(row.tenths) / 10.0 })
    }

    /// The texts of a list.
    pub(crate) fn list(&self, run: Run) -> impl Iterator<Item = &str> {
        self.list_numbers(run).filter_map(|number| self.string(number))
    }

    /// The numbers of the texts of a list.
    pub(crate) fn list_numbers(&self, run: Run) -> impl Iterator<Item = u32> {
        self.table::<u32>(Section::Lists).iter(run)
    }

    /// The text of a number.
    pub(crate) fn string(&self, number: u32) -> Option<&str> {
        std::str::from_utf8(self.string_bytes(number)?).ok()
    }

    fn string_bytes(&self, number: u32) -> Option<&[u8]> {
        let ends = self.table::<u32>(Section::StringEnds);
        let start = if number == 0 { 0 } else { ends.get(number - 1)? };
        self.section(Section::Strings).get(start as usize..ends.get(number)? as usize)
    }

    /// The number of a text, if any row uses it.
    pub(crate) fn string_number(&self, text: &str) -> Option<u32> {
        let ends = self.table::<u32>(Section::StringEnds);
        let (mut low, mut high) = (0, ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.string_bytes(middle)?.cmp(text.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    fn section(&self, section: Section) -> &[u8] {
        self.mapping.bytes().get(range_of(self.sections[section as usize])).unwrap_or_default()
    }

    fn table<R: Field>(&self, section: Section) -> Table<'_, R> {
        Table { bytes: self.section(section), row: PhantomData }
    }
}

/// A time from a row.
pub(crate) fn time(microseconds: i64) -> Option<Timestamp> {
    (microseconds != NO_TIME).then(|| Timestamp::from_microsecond(microseconds).ok()).flatten()
}

/// Rows of one kind. Reading one copies its numbers out.
#[derive(Debug, Clone, Copy)]
struct Table<'a, R> {
    bytes: &'a [u8],
    row: PhantomData<R>,
}

impl<'a, R: Field> Table<'a, R> {
    fn len(self) -> u32 {
        u32::try_from(self.bytes.len() / R::SIZE).unwrap_or(u32::MAX)
    }

    fn get(self, number: u32) -> Option<R> {
        let start = (number as usize).checked_mul(R::SIZE)?;
        R::take(&mut self.bytes.get(start..start.checked_add(R::SIZE)?)?)
    }

    /// The rows of a run; what of it lies outside the table is left out.
    fn iter(self, run: Run) -> impl Iterator<Item = R> + use<'a, R> {
        self.clip(run).map_while(move |number| self.get(number))
    }

    /// The row numbers of a run, as far as they lie inside the table.
    fn clip(self, run: Run) -> std::ops::Range<u32> {
        run.first..run.first.saturating_add(run.count).min(self.len())
    }

    /// Only the rows of a run, as a table.
    fn of_run(self, run: Run) -> Self {
        let start = (run.first as usize).saturating_mul(R::SIZE).min(self.bytes.len());
        let length = (run.count as usize).saturating_mul(R::SIZE).min(self.bytes.len() - start);
        Self { bytes: &self.bytes[start..start + length], row: PhantomData }
    }

    /// How many rows at the beginning fulfil the condition; they come before all that do not.
    fn partition_point(self, condition: impl Fn(R) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle) {
                Some(row) if condition(row) => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }
}

/// Offset and length as a range.
fn range_of((offset, length): (usize, usize)) -> std::ops::Range<usize> {
    offset..offset.saturating_add(length)
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::Damaged { path: path.to_owned(), what: what.to_owned() }
}

type Sections = [(usize, usize); Section::ALL.len()];

/// Which checksums are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checks {
    Header,
    /// Of everything but the texts, which are checked when they are read.
    All,
}

/// Checks header, section table and the checksums of all sections but the texts.
fn read_header(bytes: &[u8], path: &Path, checks: Checks) -> Result<(DatabaseId, Sections), Error> {
    let not_a_database = || Error::NotADatabase { path: path.to_owned() };
    let mut rest = bytes;
    if <[u8; 16]>::take(&mut rest).ok_or_else(not_a_database)? != MAGIC {
        return Err(not_a_database());
    }
    let cut_short = || damaged(path, "it is cut short");
    let format = u32::take(&mut rest).ok_or_else(cut_short)?;
    if format != FORMAT {
        return Err(Error::OtherFormat { path: path.to_owned(), found: format, expected: FORMAT });
    }
    let header = bytes.get(..HEADER).ok_or_else(cut_short)?;
    let (content, mut checksum) = header.split_at(HEADER - size_of::<u32>());
    if u32::take(&mut checksum) != Some(crc32fast::hash(content)) {
        return Err(damaged(path, "its header does not match its checksum"));
    }
    let count = u32::take(&mut rest).ok_or_else(cut_short)?;
    let id = <[u8; 32]>::take(&mut rest).ok_or_else(cut_short)?;
    let length = u64::take(&mut rest).ok_or_else(cut_short)?;
    if count as usize != Section::ALL.len() || length != bytes.len() as u64 {
        return Err(cut_short());
    }
    let mut sections = [(0, 0); Section::ALL.len()];
    debug_assert_eq!(bytes.len() - rest.len(), FIXED_HEADER);
    for section in Section::ALL {
        let (entry, after) = rest.split_at_checked(SECTION_ENTRY).ok_or_else(cut_short)?;
        rest = after;
        sections[section as usize] =
            read_section(entry, section, bytes, checks).map_err(|what| damaged(path, &what))?;
    }
    Ok((DatabaseId(id), sections))
}

/// Checks one entry of the section table; returns offset and length.
fn read_section(
    mut entry: &[u8],
    section: Section,
    bytes: &[u8],
    checks: Checks,
) -> Result<(usize, usize), String> {
    let name = section.name();
    let outside = || format!("its {name} lie outside the file");
    let kind = u32::take(&mut entry).ok_or_else(outside)?;
    let offset = u64::take(&mut entry).and_then(|offset| usize::try_from(offset).ok()).ok_or_else(outside)?;
    let length = u64::take(&mut entry).and_then(|length| usize::try_from(length).ok()).ok_or_else(outside)?;
    let content = bytes.get(range_of((offset, length))).ok_or_else(outside)?;
    if kind != section.number() {
        return Err(format!("its {name} are not where they belong"));
    }
    let is_checked = checks == Checks::All && section != Section::Texts;
    if is_checked && u32::take(&mut entry) != Some(crc32fast::hash(content)) {
        return Err(format!("its {name} do not match their checksum"));
    }
    Ok((offset, length))
}
