//! From the records that name a package to what is said of it: each record by itself first, then all that speak of the
//! same vulnerability together.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use tidewaiter_inventory::Component;

use super::explain::{How, RecordMatch, explain};
use super::finding::{Finding, Fix, FixState, Undecided};
use super::lookup::{self, Target};
use super::redhat::{self, Flavour};
use crate::database::layout::{EntryRow, RecordRow, Run};
use crate::database::{Database, time};
use crate::feeds::record::Status;
use crate::naming;
use crate::range::{self, BEGINNING, End, Event, EventKind};
use crate::severity::{Score, Severity, SeveritySource};
use crate::versions::{Prepared, Scheme};

/// What is said of a component.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// What is wrong, by id.
    pub(super) findings: Vec<Finding>,
    /// What may be wrong, by id.
    pub(super) undecided: Vec<Undecided>,
}

/// A record that affects a component.
#[derive(Debug, Clone, Copy)]
struct Hit<'a> {
    record: RecordRow,
    entry: EntryRow,
    ecosystem: &'a str,
    how: How<'a>,
}

/// What a record says of a component.
pub(super) enum Verdict<'a> {
    /// It is about other packages of the same name.
    Beside,
    /// In each of these ways it is affected; none at all when it is not.
    Decided {
        ways: Vec<How<'a>>,
        /// The fix of the record that the component already has.
        reached: Option<&'a str>,
    },
    /// It may be affected.
    Open(String),
}

/// All that is said of one vulnerability.
#[derive(Default)]
struct Group<'a> {
    hits: Vec<Hit<'a>>,
    /// Some record decided that the component is not affected.
    is_spared: bool,
    /// A fix that the component has.
    is_mended: bool,
    /// The distribution says that the package is not affected at all.
    is_denied: bool,
    /// What is told of the source package in the distribution that this one is rebuilt from.
    disclosed: Vec<Hit<'a>>,
    open: Option<(RecordRow, EntryRow, String)>,
}

/// Judges a component by all records that name its package.
pub(super) fn judge(database: &Database, target: &Target<'_, '_, '_>, component: &Component) -> Judgement {
    let installed = Installed::of(target);
    let mut groups: BTreeMap<u32, Group<'_>> = BTreeMap::new();
    for (row, ecosystem) in &target.scope.rows {
        let Some(key) = database.key(row, &target.package) else { continue };
        for entry in database.entries(&key) {
            let Some(record) = database.record(entry.record) else { continue };
            let verdict = installed.verdict(database, target, component, &record, &entry);
            if matches!(verdict, Verdict::Beside) {
                continue;
            }
            for name in names_of(database, &record, &entry) {
                let group = groups.entry(name).or_default();
                group.is_denied |= Status::from_byte(entry.status) == Status::NotAffected;
                match &verdict {
                    Verdict::Beside => {}
                    Verdict::Decided { ways, reached } => {
                        group.is_spared |= ways.is_empty();
                        group.is_mended |= reached.is_some();
                        group.hits.extend(ways.iter().map(|how| Hit { record, entry, ecosystem, how: *how }));
                    }
                    Verdict::Open(reason) => {
                        group.open.get_or_insert((record, entry, reason.clone()));
                    }
                }
            }
        }
    }
    disclosures(database, target, &mut groups);
    // Asked for by few, and the same for all.
    let mended_later = OnceCell::new();
    let mut judgement = Judgement::default();
    for (name, mut group) in groups {
        if group.hits.is_empty() && !group.is_spared && !group.is_mended {
            group.hits = std::mem::take(&mut group.disclosed);
        }
        if group.hits.iter().any(|hit| hit.how.end() == Some(End::Open))
            && mended_later.get_or_init(|| installed.mended_later(database, target)).contains(&name)
        {
            group.hits.retain(|hit| hit.how.end() != Some(End::Open));
        }
        if group.is_mended {
            group
                .hits
                .retain(|hit| hit.how.fix().is_none_or(|fixed| redhat::concerns(target.version, fixed)));
        }
        if group.is_denied {
            group.hits.clear();
        }
        if !group.hits.is_empty() {
            judgement.findings.extend(finding(database, target, component, name, group.hits));
        } else if let (Some((record, entry, reason)), false) =
            (group.open, group.is_spared || group.is_denied)
        {
            judgement.undecided.extend(undecided(database, component, name, &record, &entry, reason));
        }
    }
    judgement.findings.sort_by(|a, b| by_name(&a.id, &b.id));
    judgement.undecided.sort_by(|a, b| by_name(&a.id, &b.id));
    judgement
}

/// Takes in what is told of the source package: that it is affected and not mended, or that it is not affected.
fn disclosures<'a>(
    database: &'a Database,
    target: &Target<'_, 'a, '_>,
    groups: &mut BTreeMap<u32, Group<'a>>,
) {
    let Some(package) = &target.disclosed else { return };
    for (row, ecosystem) in &target.scope.disclosures {
        let Some(key) = database.key(row, package) else { continue };
        for entry in database.entries(&key) {
            let Some(record) = database.record(entry.record) else { continue };
            let group = groups.entry(record.canonical).or_default();
            if Status::from_byte(entry.status) == Status::NotAffected {
                group.is_denied = true;
            } else {
                let how = How::Range(range::Interval { introduced: BEGINNING, end: End::Open });
                group.disclosed.push(Hit { record, entry, ecosystem, how });
            }
        }
    }
}

/// The vulnerabilities that a record speaks of: the CVEs that an announcement stands for here, else its own.
pub(super) fn names_of(database: &Database, record: &RecordRow, entry: &EntryRow) -> Vec<u32> {
    if record.announcement == 1 && entry.linked.count > 0 {
        database.list_numbers(entry.linked).collect()
    } else {
        vec![record.canonical]
    }
}

/// The installed version, prepared for comparing.
pub(super) struct Installed<'c> {
    version: &'c str,
    prepared: Prepared<'c>,
    is_version: bool,
    flavour: Option<Flavour>,
    /// A commit of a Go module that no release came before.
    is_untagged: bool,
}

impl<'c> Installed<'c> {
    pub(super) fn of(target: &Target<'_, '_, 'c>) -> Self {
        let scheme = target.scope.scheme;
        let version =
            if target.ignores_epoch { redhat::without_epoch(target.version) } else { target.version };
        Self {
            version,
            prepared: scheme.prepare(version),
            is_version: scheme.is_valid(version),
            flavour: (scheme == Scheme::Rpm).then(|| Flavour::of(version)),
            is_untagged: scheme == Scheme::SemVer && is_untagged(version),
        }
    }

    /// What a record says of the component.
    pub(super) fn verdict<'a>(
        &self,
        database: &'a Database,
        target: &Target<'_, 'a, '_>,
        component: &Component,
        record: &RecordRow,
        entry: &EntryRow,
    ) -> Verdict<'a> {
        let ranges: Vec<Run> = database.ranges(entry).collect();
        let streams: Vec<&str> = database.list(record.streams).collect();
        if let Some(flavour) = self.flavour
            && let Some(fixed) = ranges.iter().flat_map(|range| fixes(database, *range)).last()
            && Flavour::of(fixed) != flavour
        {
            return Verdict::Beside;
        }
        let is_listed = database.list(entry.versions).any(|version| version == target.version);
        if is_listed {
            return Verdict::Decided { ways: vec![How::Listed], reached: None };
        }
        if ranges.is_empty() {
            return Verdict::Decided { ways: Vec::new(), reached: None };
        }
        if let Some(reason) = self.undecidable(database, target, component, entry, &ranges) {
            return Verdict::Open(reason);
        }
        let compare = |version: &str| {
            let version = if target.ignores_epoch { redhat::without_epoch(version) } else { version };
            self.prepared.cmp(&target.scope.scheme.prepare(version))
        };
        let ways: Vec<How<'a>> = ranges
            .iter()
            .filter_map(|range| range::walk(database.events(*range), compare).map(How::Range))
            .collect();
        if !ways.is_empty() && self.flavour.is_some_and(|flavour| flavour.is_modular) && !streams.is_empty() {
            match stream_of(component) {
                Some(stream) if streams.contains(&stream) => {}
                Some(_) => return Verdict::Beside,
                None => return Verdict::Open(unknown_stream(component, &streams)),
            }
        }
        let fixes = || ranges.iter().flat_map(|range| fixes(database, *range));
        let reached = self.flavour.and_then(|_| fixes().find(|fixed| compare(fixed).is_ge()));
        Verdict::Decided { ways, reached }
    }

    /// The vulnerabilities that a later release mended in a version that this one has already: the package came from
    /// there.
    fn mended_later(&self, database: &Database, target: &Target<'_, '_, '_>) -> HashSet<u32> {
        let mut names = HashSet::new();
        for (row, _) in lookup::newer(database, &target.scope.label) {
            let Some(key) = database.key(&row, &target.package) else { continue };
            for entry in database.entries(&key) {
                let mut fixes = database.ranges(&entry).flat_map(|range| fixes(database, range));
                if fixes.any(|fixed| self.prepared >= target.scope.scheme.prepare(fixed))
                    && let Some(record) = database.record(entry.record)
                {
                    names.extend(names_of(database, &record, &entry));
                }
            }
        }
        names
    }

    /// Why ranges cannot tell whether this version is affected.
    fn undecidable(
        &self,
        database: &Database,
        target: &Target<'_, '_, '_>,
        component: &Component,
        entry: &EntryRow,
        ranges: &[Run],
    ) -> Option<String> {
        let (name, order) = (&component.name, target.scope.scheme.name());
        // Every version is affected, whatever it is.
        let is_every = |range: &Run| {
            let mut events = database.events(*range);
            let first = events.next();
            first.is_some_and(|event| event.kind == EventKind::Introduced && event.version == BEGINNING)
                && events.next().is_none()
        };
        if ranges.iter().any(is_every) {
            return None;
        }
        if self.version == "(devel)" || self.version.is_empty() {
            return Some(format!("{name} says no version; it was built from a working copy."));
        }
        if !self.is_version {
            return Some(format!("{:?} is not a version in the {order} order.", self.version));
        }
        if entry.malformed == 1 {
            return Some(format!("The record names a version that is none in the {order} order."));
        }
        let names_release = |event: Event<'_>| event.version != BEGINNING && !is_untagged(event.version);
        if self.is_untagged && ranges.iter().flat_map(|range| database.events(*range)).any(names_release) {
            return Some(format!(
                "{} is a commit that no release came before, and the record speaks of releases.",
                self.version
            ));
        }
        None
    }
}

fn fixes(database: &Database, range: Run) -> impl Iterator<Item = &str> {
    database.events(range).filter(|event| event.kind == EventKind::Fixed).map(|event| event.version)
}

/// `name:stream` of the module a package was built in.
fn stream_of(component: &Component) -> Option<&str> {
    let module = component.modularity.as_deref()?;
    let mut colons = module.match_indices(':').map(|(at, _)| at);
    colons.next()?;
    Some(colons.next().map_or(module, |second| &module[..second]))
}

fn unknown_stream(component: &Component, streams: &[&str]) -> String {
    format!(
        "The record is about the module stream {}; of which stream {} is, its metadata does not say.",
        streams.join(", "),
        component.name
    )
}

/// `v0.0.0-20240414223325-4c6b2a6a3f4b`: a pseudo-version of Go without a release before it.
fn is_untagged(version: &str) -> bool {
    let rest = version.trim_start_matches('v').strip_prefix("0.0.0-");
    rest.and_then(|rest| rest.split_once('-')).is_some_and(|(date, commit)| {
        date.len() == 14 && date.bytes().all(|byte| byte.is_ascii_digit()) && !commit.is_empty()
    })
}

/// CVEs first, by year and number; then everything else.
fn by_name(a: &str, b: &str) -> std::cmp::Ordering {
    let order = |name| (naming::cve_number(name).is_none(), naming::cve_number(name));
    order(a).cmp(&order(b)).then_with(|| a.cmp(b))
}

fn undecided(
    database: &Database,
    component: &Component,
    name: u32,
    record: &RecordRow,
    entry: &EntryRow,
    reason: String,
) -> Option<Undecided> {
    let hit = Hit { record: *record, entry: *entry, ecosystem: "", how: How::Listed };
    let (severity, severity_source, _) = rate(database, name, &[hit]);
    Some(Undecided {
        id: database.string(name)?.to_owned(),
        record: database.string(record.id)?.to_owned(),
        component: component.purl.clone(),
        severity,
        severity_source,
        summary: database.summary(record).to_owned(),
        reason,
    })
}

/// Puts the hits of one vulnerability together.
fn finding(
    database: &Database,
    target: &Target<'_, '_, '_>,
    component: &Component,
    name: u32,
    mut hits: Vec<Hit<'_>>,
) -> Option<Finding> {
    // Repositories of one release repeat each other.
    hits.sort_by_key(|hit| hit.record.id);
    hits.dedup_by(|a, b| a.record.id == b.record.id && a.how == b.how);
    let mut names = vec![name];
    let mut announcements = Vec::new();
    for hit in &hits {
        if hit.record.announcement == 1 && hit.record.id != name {
            announcements.extend(database.string(hit.record.id).map(str::to_owned));
            continue;
        }
        names.extend([hit.record.canonical, hit.record.id]);
        names.extend(database.list_numbers(hit.record.aliases));
        announcements.extend(database.list(hit.entry.linked).map(str::to_owned));
    }
    names.sort_unstable();
    names.dedup();
    announcements.sort_unstable();
    announcements.dedup();
    let mut aliases: Vec<String> = names
        .iter()
        .filter(|alias| **alias != name)
        .filter_map(|name| database.string(*name))
        .map(str::to_owned)
        .collect();
    aliases.sort_by(|a, b| by_name(a, b));
    let (severity, severity_source, score) = rate(database, name, &hits);
    let records = || hits.iter().map(|hit| hit.record).chain(bearing(database, name));
    let summary = records().map(|record| database.summary(&record)).find(|text| !text.is_empty());
    let matches = hits
        .iter()
        .filter_map(|hit| {
            Some(RecordMatch::new(database.string(hit.record.id)?, target, hit.ecosystem, hit.how))
        })
        .collect();
    Some(Finding {
        id: database.string(name)?.to_owned(),
        aliases,
        severity,
        severity_source,
        score,
        weakness: records().find_map(|record| database.string(record.weakness)).map(str::to_owned),
        component: component.purl.clone(),
        fix: fix(database, target.scope.scheme, &hits),
        epss: names
            .iter()
            .filter_map(|name| database.epss_of(*name))
            .max_by(|a, b| a.score.total_cmp(&b.score)),
        kev: names.iter().find_map(|name| database.kev_of(*name)),
        summary: summary.unwrap_or_default().to_owned(),
        announcements,
        published: hits.iter().filter_map(|hit| time(hit.record.published)).min(),
        modified: hits.iter().filter_map(|hit| time(hit.record.modified)).max(),
        explanation: explain(matches, target, &component.name),
    })
}

/// The records of a vulnerability that are no announcements.
fn bearing(database: &Database, name: u32) -> impl Iterator<Item = RecordRow> {
    let records = database.records_bearing(Some(name)).filter_map(|record| database.record(record));
    records.filter(|record| record.announcement == 0)
}

/// How bad it is, who says so, and the vector and score.
type Rating = (Severity, SeveritySource, Option<Score>);

/// Rates by the most trusted source, and where several are trusted alike, by the worst.
fn rate(database: &Database, name: u32, hits: &[Hit<'_>]) -> Rating {
    let ratings = hits.iter().map(|hit| rate_hit(database, name, hit));
    let best = ratings.min_by_key(|(severity, source, score)| {
        let tenths = score.as_ref().map(|score| (score.value * 10.0).round().to_bits());
        (*source, Reverse(*severity), Reverse(tenths))
    });
    let (severity, source, score) = best.unwrap_or_default();
    (severity, source, score.or_else(|| hits.iter().find_map(|hit| database.score(&hit.record))))
}

fn rate_hit(database: &Database, name: u32, hit: &Hit<'_>) -> Rating {
    let of_package = Severity::from_byte(hit.entry.severity);
    if of_package != Severity::Unknown {
        return (of_package, SeveritySource::Distribution, database.score(&hit.record));
    }
    let own = rating_of(database, &hit.record);
    // What an announcement says of several vulnerabilities at once holds for the worst of them.
    if hit.record.announcement == 1 && (hit.entry.linked.count > 1 || own.0 == Severity::Unknown) {
        let others = bearing(database, name).map(|record| rating_of(database, &record));
        let known = others.filter(|(severity, ..)| *severity != Severity::Unknown);
        if let Some((severity, _, score)) = known.max_by_key(|(severity, ..)| *severity) {
            return (severity, SeveritySource::Alias, score);
        }
    }
    own
}

fn rating_of(database: &Database, record: &RecordRow) -> Rating {
    let source = SeveritySource::from_byte(record.severity_source);
    (Severity::from_byte(record.severity), source, database.score(record))
}

/// What the records say of a fix, put together. Each record's own fix is the version from which nothing in
/// it affects the package any more; where records differ, all their versions are listed.
fn fix(database: &Database, scheme: Scheme, hits: &[Hit<'_>]) -> Fix {
    let mut versions: Vec<&str> = Vec::new();
    let mut state = FixState::Unknown;
    let mut reason = None;
    for of_record in hits.chunk_by(|a, b| a.entry.record == b.entry.record) {
        let ends = of_record.iter().map(|hit| hit.how.end());
        let fixes = of_record.iter().map(|hit| hit.how.fix());
        if let Some(fixes) = fixes.collect::<Option<Vec<_>>>() {
            versions.extend(fixes.into_iter().max_by(|a, b| scheme.compare(a, b)));
            continue;
        }
        let said = of_record.iter().find_map(|hit| {
            let state = FixState::of_status(Status::from_byte(hit.entry.status))?;
            Some((state, database.string(hit.entry.note).map(str::to_owned)))
        });
        match said {
            Some((said, why)) => (state, reason) = (said, why),
            None if state == FixState::Unknown && ends.into_iter().any(|end| end == Some(End::Open)) => {
                state = FixState::NotFixed;
            }
            None => {}
        }
    }
    versions.sort_by(|a, b| scheme.compare(a, b));
    versions.dedup();
    if !versions.is_empty() {
        (state, reason) = (FixState::Fixed, None);
    }
    Fix { state, versions: versions.into_iter().map(str::to_owned).collect(), reason }
}
