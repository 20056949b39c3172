//! Taking in the records: one copy of each, the newest, reduced to what the database stores.

use std::collections::{BTreeMap, HashMap, btree_map};
use std::io;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::spool::{Reader, Spool, Spooled};
use super::{Skipped, Source, Unreadable};
use crate::database::details::LongText;
use crate::feeds::record::{self, Record, Status, Unmatchable};
use crate::feeds::support::Cycle;
use crate::feeds::{Item, Origin, SourceKind, epss, kev};
use crate::naming;
use crate::range::{self, Event, EventKind};
use crate::severity::{Cvss, Severity};
use crate::versions::Scheme;

/// How many unreadable records a report names; it counts them all.
const NAMED_UNREADABLE: usize = 20;
/// The longest summary that is kept with the hot data.
const MAX_SUMMARY: usize = 200;
/// A sentence shorter than this says too little alone.
const SHORT_SENTENCE: usize = 60;
/// How many packages of a record are kept for reading.
const NAMED_PACKAGES: usize = 12;
/// The longest description that is kept.
const MAX_DETAILS: usize = 256 << 10;

/// A record as it will be stored.
#[derive(Debug)]
pub(super) struct Advisory {
    pub(super) id: String,
    pub(super) modified: Option<Timestamp>,
    pub(super) published: Option<Timestamp>,
    pub(super) aliases: Vec<String>,
    /// The CVEs that a security announcement names.
    pub(super) named: Vec<String>,
    pub(super) summary: String,
    pub(super) cvss: Option<Cvss>,
    pub(super) rating: Option<Severity>,
    /// The module streams it is about, `nodejs:18` each.
    pub(super) streams: Vec<String>,
    pub(super) weakness: Option<String>,
    /// It is what the CVE programme says: of packages, others know better.
    pub(super) is_cve: bool,
    pub(super) affected: Vec<Affected>,
    pub(super) text: Spooled,
}

/// What a record says of one package.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Affected {
    pub(super) ecosystem: String,
    pub(super) name: String,
    pub(super) ranges: Vec<Vec<(EventKind, String)>>,
    pub(super) versions: Vec<String>,
    pub(super) severity: Severity,
    pub(super) status: Status,
    pub(super) note: String,
    /// A version in the ranges is none.
    pub(super) malformed: bool,
    /// See [`EntryRow::linked`](crate::database::layout::EntryRow).
    pub(super) linked: Vec<String>,
}

impl Advisory {
    /// Takes over what another record of the same name knows and this one does not.
    fn learn(&mut self, other: Self) {
        self.cvss = self.cvss.take().or(other.cvss);
        self.rating = self.rating.or(other.rating);
        self.weakness = self.weakness.take().or(other.weakness);
        if self.summary.is_empty() {
            self.summary = other.summary;
        }
        if self.affected.is_empty() {
            (self.affected, self.text) = (other.affected, other.text);
        }
    }
}

/// Everything that was taken in.
pub(super) struct Collected {
    pub(super) advisories: BTreeMap<String, Advisory>,
    pub(super) epss: BTreeMap<String, Epss>,
    pub(super) kev: BTreeMap<String, kev::Entry>,
    /// Until when releases are supported, sorted.
    pub(super) support: Vec<Cycle>,
    pub(super) sources: Vec<Source>,
    pub(super) skipped: Skipped,
}

/// Exploit prediction, in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epss {
    pub(super) score: u32,
    pub(super) percentile: u32,
}

/// Takes the pieces of the feeds.
pub(super) struct Collector {
    copies: HashMap<(SourceKind, String), Copy>,
    epss: BTreeMap<String, (Option<Timestamp>, Epss)>,
    kev: BTreeMap<String, kev::Entry>,
    kev_released: Option<Timestamp>,
    support: Vec<Cycle>,
    sources: BTreeMap<(String, SourceKind), Source>,
    skipped: Skipped,
    spool: Spool,
}

/// The newest copy of a record so far.
struct Copy {
    /// What decides which copy is the newest; the digest makes it independent of the order of the inputs.
    age: (Option<Timestamp>, [u8; 8]),
    /// `None` when the record was withdrawn.
    advisory: Option<Advisory>,
}

impl Collector {
    pub(super) fn new(spool: Spool) -> Self {
        Self {
            copies: HashMap::new(),
            epss: BTreeMap::new(),
            kev: BTreeMap::new(),
            kev_released: None,
            support: Vec::new(),
            sources: BTreeMap::new(),
            skipped: Skipped::default(),
            spool,
        }
    }

    /// Takes one piece. Only writing to the spool can fail.
    pub(super) fn receive(&mut self, origin: Origin<'_>, item: Item<'_>) -> io::Result<()> {
        match item {
            Item::Advisory(record, json) => {
                self.source(origin, record.modified, 1);
                self.advisory(origin.kind, *record, json)?;
            }
            Item::Unreadable(name, reason) => {
                self.source(origin, None, 0);
                self.skipped.unreadable += 1;
                if self.skipped.unreadable_named.len() < NAMED_UNREADABLE {
                    let name = format!("{}: {name}", origin.source);
                    self.skipped.unreadable_named.push(Unreadable { name, reason });
                }
            }
            Item::Kev(catalogue) => {
                self.source(origin, catalogue.released, catalogue.vulnerabilities.len() as u64);
                self.catalogue(catalogue);
            }
            Item::Support(cycles) => {
                self.source(origin, None, cycles.len() as u64);
                self.support.extend(cycles);
            }
            Item::EpssDate(date) => self.source(origin, date, 0),
            Item::Epss(row) => {
                self.source(origin, None, 1);
                self.prediction(origin, row);
            }
        }
        Ok(())
    }

    /// Counts what a source brought, and remembers the newest time in it.
    fn source(&mut self, origin: Origin<'_>, time: Option<Timestamp>, entries: u64) {
        let key = (origin.source.to_owned(), origin.kind);
        let source = self.sources.entry(key).or_insert_with(|| Source {
            name: origin.source.to_owned(),
            kind: origin.kind,
            data_time: None,
            entries: 0,
        });
        source.entries += entries;
        source.data_time = source.data_time.max(time);
    }

    fn advisory(&mut self, kind: SourceKind, record: Record, json: &[u8]) -> io::Result<()> {
        // A record made of a larger document has no text of its own.
        let digest =
            if json.is_empty() { Sha256::digest(format!("{record:?}")) } else { Sha256::digest(json) };
        let digest = digest.first_chunk().copied().unwrap_or_default();
        let age = (record.modified, digest);
        let key = (kind, record.id.clone());
        if let Some(known) = self.copies.get_mut(&key) {
            // The repositories of a release are files of their own, and what they say of a vulnerability adds up.
            if let (SourceKind::Secdb, Some(advisory)) = (kind, &mut known.advisory) {
                advisory.affected.extend(record.affected.into_iter().map(reduce_affected));
                advisory.affected.sort_unstable();
                advisory.affected.dedup();
                return Ok(());
            }
            self.skipped.older_copies += 1;
            if known.age >= age {
                return Ok(());
            }
        }
        let advisory = if record.withdrawn { None } else { Some(self.reduce(kind, record)?) };
        self.copies.insert(key, Copy { age, advisory });
        Ok(())
    }

    fn reduce(&mut self, kind: SourceKind, mut record: Record) -> io::Result<Advisory> {
        for reason in std::mem::take(&mut record.unmatchable) {
            match reason {
                Unmatchable::NoPackage => self.skipped.without_package += 1,
                Unmatchable::OnlyCommits => self.skipped.without_versions += 1,
                Unmatchable::Ecosystem(name) => {
                    // Releases (`Red Hat:enterprise_linux:9`) would make a long list of the same reason.
                    let family = name.split(':').next().unwrap_or_default().to_owned();
                    *self.skipped.ecosystems.entry(family).or_default() += 1;
                }
            }
        }
        let announcement = naming::is_announcement(&record.id);
        let mut named: Vec<String> = Vec::new();
        let mut aliases = record.aliases;
        if announcement {
            let names = record.related.iter().chain(&record.upstream).chain(&aliases);
            named.extend(names.filter(|name| naming::cve_number(name).is_some()).cloned());
            named.sort_by_key(|name| naming::cve_number(name));
            named.dedup();
            aliases.retain(|name| naming::cve_number(name).is_none());
        } else {
            aliases.extend(record.upstream);
        }
        if named.is_empty() && naming::is_enhancement(&record.id) {
            self.skipped.enhancements += record.affected.len() as u64;
            record.affected.clear();
        }
        let summary = shorten(&record.summary, &record.details);
        let text = if record.affected.is_empty() {
            Spooled::default()
        } else {
            let mut details = record.details;
            details.truncate(details.floor_char_boundary(MAX_DETAILS));
            let text = LongText {
                summary: record.summary,
                details,
                packages: packages_named(&record.affected),
                references: record.references,
                related: record.related,
                vectors: record.vectors.clone(),
            };
            self.spool.push(&serde_json::to_vec(&text)?)?
        };
        Ok(Advisory {
            id: record.id,
            modified: record.modified,
            published: record.published,
            aliases,
            named,
            cvss: Cvss::best(record.vectors.iter().map(String::as_str)),
            rating: record.rating.as_deref().and_then(Severity::from_rating).or_else(|| rating_of(&summary)),
            streams: if announcement { streams(&summary) } else { Vec::new() },
            weakness: record.weaknesses.into_iter().next(),
            is_cve: kind == SourceKind::Cve,
            summary,
            affected: record.affected.into_iter().map(reduce_affected).collect(),
            text,
        })
    }

    /// Of several catalogues the newest counts.
    fn catalogue(&mut self, catalogue: kev::Catalogue) {
        if catalogue.released >= self.kev_released {
            self.kev_released = catalogue.released;
            self.kev =
                catalogue.vulnerabilities.into_iter().map(|entry| (entry.cve.clone(), entry)).collect();
        }
    }

    /// Of several scores of a CVE the newest counts.
    fn prediction(&mut self, origin: Origin<'_>, row: epss::Row<'_>) {
        let date =
            self.sources.get(&(origin.source.to_owned(), origin.kind)).and_then(|source| source.data_time);
        let epss = Epss { score: billionths(row.score), percentile: billionths(row.percentile) };
        match self.epss.get_mut(row.cve) {
            Some(known) if (known.0, known.1.score) < (date, epss.score) => *known = (date, epss),
            Some(_) => {}
            None => {
                self.epss.insert(row.cve.to_owned(), (date, epss));
            }
        }
    }

    /// The records, and the reader of their long texts.
    pub(super) fn finish(mut self) -> io::Result<(Collected, Reader)> {
        let mut advisories = BTreeMap::new();
        let mut copies: Vec<_> = self.copies.into_iter().collect();
        // CVE records come last: others may go by the same name.
        copies.sort_by(|((kind_a, a), _), ((kind_b, b), _)| (kind_a, a).cmp(&(kind_b, b)));
        for ((_, id), copy) in copies {
            match (copy.advisory, advisories.entry(id)) {
                (None, _) => self.skipped.withdrawn += 1,
                (Some(advisory), btree_map::Entry::Vacant(vacant)) => drop(vacant.insert(advisory)),
                (Some(advisory), btree_map::Entry::Occupied(mut known)) => known.get_mut().learn(advisory),
            }
        }
        // Of several tables the one that says the longest support is the newest, as far as one can tell.
        self.support.sort_unstable();
        self.support.reverse();
        self.support.dedup_by(|a, b| (&a.id, &a.version) == (&b.id, &b.version));
        self.support.reverse();
        let collected = Collected {
            advisories,
            epss: self.epss.into_iter().map(|(cve, (_, epss))| (cve, epss)).collect(),
            kev: self.kev,
            support: self.support,
            sources: self.sources.into_values().collect(),
            skipped: self.skipped,
        };
        Ok((collected, self.spool.finish()?))
    }
}

/// The packages that a record names, as people read them, each once.
fn packages_named(affected: &[record::Affected]) -> Vec<String> {
    let mut packages: Vec<String> = Vec::new();
    for one in affected.iter().take(NAMED_PACKAGES) {
        let package = format!("{} {}", one.ecosystem, one.name);
        if packages.last() != Some(&package) {
            packages.push(package);
        }
    }
    packages
}

/// What some distributions begin the line about an update with: `Important: openssl security update`.
fn rating_of(summary: &str) -> Option<Severity> {
    Severity::from_rating(summary.split_once(": ")?.0)
}

/// The module streams that the line about an update names: `nodejs:18 security update`.
fn streams(summary: &str) -> Vec<String> {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte))
    };
    let words = summary.split_whitespace().map(|word| word.trim_matches([',', ';', '(', ')']));
    words
        .filter(|word| word.split_once(':').is_some_and(|(name, stream)| is_part(name) && is_part(stream)))
        .map(str::to_owned)
        .collect()
}

fn reduce_affected(affected: record::Affected) -> Affected {
    let record::Affected {
        ecosystem,
        scheme,
        name,
        mut ranges,
        versions,
        severity,
        status,
        note,
        announcements,
    } = affected;
    for events in &mut ranges {
        range::sort(scheme, events);
    }
    let is_version = |version: &String| version == range::BEGINNING || scheme.is_valid(version);
    let malformed = !ranges.iter().flatten().all(|(_, version)| is_version(version));
    let mut versions = not_in_ranges(scheme, versions, &ranges);
    versions.sort();
    versions.dedup();
    let name = naming::package_name(scheme, &name).into_owned();
    Affected { name, ecosystem, ranges, versions, severity, status, note, malformed, linked: announcements }
}

/// Exports list every affected version beside the ranges that say the same; only what the ranges do not
/// cover needs to be kept.
fn not_in_ranges(
    scheme: Scheme,
    mut versions: Vec<String>,
    ranges: &[Vec<(EventKind, String)>],
) -> Vec<String> {
    versions.retain(|version| {
        let prepared = scheme.prepare(version);
        !ranges.iter().any(|events| {
            let events = events.iter().map(|(kind, version)| Event { kind: *kind, version });
            range::walk(events, |other| prepared.cmp(&scheme.prepare(other))).is_some()
        })
    });
    versions
}

fn billionths(share: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
    let billionths = (share.clamp(0.0, 1.0) * 1e9).round() as u32;
    billionths
}

/// One line for lists: the summary, or else the first sentence of the details.
fn shorten(summary: &str, details: &str) -> String {
    let summary = summary.trim();
    let text = if summary.is_empty() { details.trim() } else { summary };
    // A line that ends in a colon only leads over to what follows: "…the following has been resolved:".
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let line = if first.ends_with(':') { lines.next().unwrap_or(first) } else { first };
    let sentence = match line.match_indices(". ").map(|(end, _)| end).find(|end| *end >= SHORT_SENTENCE) {
        Some(end) if summary.is_empty() => &line[..=end],
        _ => line,
    };
    let cut = &sentence[..sentence.floor_char_boundary(MAX_SUMMARY)];
    let mut short: String = cut.chars().filter(|character| !character.is_control()).collect();
    if cut.len() < sentence.len() {
        short.truncate(short.rfind(' ').unwrap_or(short.len()));
        short.push('…');
    }
    short
}
