//! Holding what is installed against what is known.
//!
//! Every component is looked up in exactly one ecosystem: packages of a distribution by their source package
//! in the records of the release, packages of npm, Python, Go, Rust and Ruby by name. Each record is judged by itself, range by
//! range; only then are records that say the same of the component merged into one finding.

mod explain;
mod finding;
mod ownership;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};
use tidewaiter_inventory::{Component, ComponentKind, Distro, Inventory, Problem};

pub use self::explain::{Explanation, RecordMatch};
use self::explain::{How, explain};
pub use self::finding::{Epss, Finding, Fix, FixState, Kev, Matches, Suppressed};
pub use self::ownership::suppression;
use crate::database::layout::{EcosystemRow, EntryRow, RecordRow, Urgency};
use crate::database::{Database, time};
use crate::distro::{self, Release};
use crate::naming;
use crate::range::{self, End};
use crate::severity::{Score, Severity, SeveritySource};
use crate::versions::Scheme;

/// Part of every lookup fingerprint. It changes when the same records would give other findings, so that
/// what an older version of Tidewaiter judged is judged again.
const RULES: u32 = 2;

/// The records that all components of a kind are judged by.
#[derive(Debug, Clone, Copy)]
struct Scope<'a> {
    row: EcosystemRow,
    ecosystem: &'a str,
    scheme: Scheme,
}

/// What a component is looked up as.
#[derive(Debug)]
struct Target<'a> {
    scope: Scope<'a>,
    package: Cow<'a, str>,
    version: &'a str,
    /// Package and version are those of the source package.
    is_source: bool,
}

impl Target<'_> {
    /// The linker of Go knew no version of what it built: older than everything would be as wrong as newer.
    fn has_no_version(&self) -> bool {
        self.version == "(devel)"
    }
}

/// Why a component cannot be looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    /// The image names no operating system.
    NoDistro,
    /// No advisories are known for this operating system.
    UnknownDistro,
    /// The package is of another package manager than the operating system's.
    ForeignPackage,
    /// The database holds no records of this ecosystem.
    NotCovered(String),
    /// Nothing is known about advisories for packages of this kind.
    NoOrder,
}

/// Finds what is wrong with one component.
///
/// `distro` decides which release's records distribution packages are judged by. The findings are sorted by
/// id. What cannot be judged has no findings; [`match_inventory`] says so in its problems. Whether the
/// findings of a component that another one owns count is for [`suppression`] to say.
#[must_use]
pub fn match_component(database: &Database, distro: Option<&Distro>, component: &Component) -> Vec<Finding> {
    scope(database, distro, component.kind)
        .map(|scope| findings(database, &scope.target(component), component))
        .unwrap_or_default()
}

/// Finds what is wrong with everything in an image.
#[must_use]
pub fn match_inventory(database: &Database, inventory: &Inventory) -> Matches {
    let mut owners: HashMap<(Option<&str>, &str), &Component> = HashMap::new();
    if inventory.components.iter().any(|component| component.owner.is_some()) {
        let each = inventory.components.iter();
        owners
            .extend(each.map(|component| ((component.root.as_deref(), component.purl.as_str()), component)));
    }
    let mut matches = Matches::default();
    let mut scopes: BTreeMap<(ComponentKind, Option<&str>), Result<Scope<'_>, Gap>> = BTreeMap::new();
    let mut gaps: BTreeMap<(ComponentKind, Option<&str>, Gap), u64> = BTreeMap::new();
    for component in &inventory.components {
        // A nested root is another system with advisories of its own.
        let distro = inventory.distro_of(component);
        let root = component.root.as_deref();
        let scope =
            scopes.entry((component.kind, root)).or_insert_with(|| scope(database, distro, component.kind));
        let target = match scope {
            Ok(scope) => scope.target(component),
            // A program that a package of the system owns is judged with that package.
            Err(Gap::NoOrder) if component.kind == ComponentKind::Generic && component.owner.is_some() => {
                continue;
            }
            Err(gap) => {
                *gaps.entry((component.kind, root, gap.clone())).or_default() += 1;
                continue;
            }
        };
        let owner = component.owner.as_deref().and_then(|owner| owners.get(&(root, owner)));
        for finding in findings(database, &target, component) {
            match owner.and_then(|owner| suppression(database, distro, owner, &finding)) {
                Some(reason) => matches.suppressed.push(Suppressed { finding, reason }),
                None => matches.findings.push(finding),
            }
        }
        matches.problems.extend(bad_version(database, &target, component));
    }
    let of_system = inventory.components.iter().filter(|component| component.kind.is_os_package());
    let systems: BTreeMap<Option<&str>, Option<&Distro>> =
        of_system.map(|component| (component.root.as_deref(), inventory.distro_of(component))).collect();
    matches.problems.extend(systems.values().filter_map(|distro| rolling(database, *distro)));
    matches.problems.extend(gaps.into_iter().map(|((kind, root, gap), count)| {
        let distro = systems.get(&root).copied().flatten();
        gap.problem(database, distro, kind, count)
    }));
    matches
}

impl Database {
    /// A digest of everything that could be said of a component: while it stays the same, so do the findings
    /// of [`match_component`], apart from their EPSS scores, which change daily and are cheap to look up
    /// ([`Database::epss`]).
    #[must_use]
    pub fn lookup_fingerprint(&self, distro: Option<&Distro>, component: &Component) -> [u8; 16] {
        let mut hasher = Sha256::new();
        hasher.update(RULES.to_le_bytes());
        if let Ok(scope) = scope(self, distro, component.kind) {
            let target = scope.target(component);
            hasher.update(scope.ecosystem);
            if let Some(key) = self.key(&target.scope.row, &target.package) {
                hasher.update(key.fingerprint);
            }
        }
        hasher.finalize().first_chunk().copied().unwrap_or_default()
    }
}

/// Finds the records that components of a kind are judged by.
fn scope<'a>(database: &'a Database, distro: Option<&Distro>, kind: ComponentKind) -> Result<Scope<'a>, Gap> {
    let (ecosystem, scheme) = match kind {
        ComponentKind::Npm => (Cow::Borrowed("npm"), Scheme::SemVer),
        ComponentKind::Golang => (Cow::Borrowed("Go"), Scheme::SemVer),
        ComponentKind::Cargo => (Cow::Borrowed("crates.io"), Scheme::SemVer),
        ComponentKind::Gem => (Cow::Borrowed("RubyGems"), Scheme::Gem),
        ComponentKind::Pypi => (Cow::Borrowed("PyPI"), Scheme::Pep440),
        ComponentKind::Deb => (release(database, distro, "Debian")?, Scheme::Dpkg),
        ComponentKind::Apk => (release(database, distro, "Alpine")?, Scheme::Apk),
        ComponentKind::Rpm
        | ComponentKind::Maven
        | ComponentKind::Nuget
        | ComponentKind::Composer
        | ComponentKind::Generic
        | ComponentKind::Other => return Err(Gap::NoOrder),
    };
    let Some(row) = database.ecosystem(&ecosystem) else {
        return Err(Gap::NotCovered(ecosystem.into_owned()));
    };
    Ok(Scope { row, ecosystem: database.string(row.name).unwrap_or_default(), scheme })
}

impl<'a> Scope<'a> {
    fn target<'c>(&self, component: &'c Component) -> Target<'c>
    where
        'a: 'c,
    {
        let (name, version, is_source) = match &component.source {
            Some(source) if component.kind.is_os_package() => (&source.name, &source.version, true),
            _ => (&component.name, &component.version, false),
        };
        Target { scope: *self, package: naming::package_name(self.scheme, name), version, is_source }
    }
}

/// The release that packages of a family are judged by.
fn release(database: &Database, distro: Option<&Distro>, family: &str) -> Result<Cow<'static, str>, Gap> {
    let found = match distro::release(distro.ok_or(Gap::NoDistro)?) {
        Release::Exact(release) => release,
        Release::Rolling(family) => {
            newest(database, family).ok_or_else(|| Gap::NotCovered(family.to_owned()))?.to_owned()
        }
        Release::Unknown => return Err(Gap::UnknownDistro),
    };
    if found.split(':').next() != Some(family) {
        return Err(Gap::ForeignPackage);
    }
    Ok(Cow::Owned(found))
}

/// The newest release of a family that the database covers.
fn newest<'a>(database: &'a Database, family: &str) -> Option<&'a str> {
    let number = |name: &str| {
        let release = name.split_once(':').map_or("", |(_, release)| release).trim_start_matches('v');
        release.split('.').map(|part| part.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>()
    };
    let names = database.ecosystems().iter().map(|ecosystem| ecosystem.name.as_str());
    names.filter(|name| name.split(':').next() == Some(family)).max_by_key(|name| number(name))
}

/// A record that affects a component.
struct Hit<'a> {
    record: RecordRow,
    entry: EntryRow,
    how: How<'a>,
}

fn findings(database: &Database, target: &Target<'_>, component: &Component) -> Vec<Finding> {
    let Some(key) = database.key(&target.scope.row, &target.package) else { return Vec::new() };
    if target.has_no_version() {
        return Vec::new();
    }
    let installed = target.scope.scheme.prepare(target.version);
    let mut hits: Vec<Hit<'_>> = Vec::new();
    for entry in database.entries(&key) {
        let in_ranges = database.ranges(&entry).filter_map(|range| {
            range::walk(target.scope.scheme, &installed, database.events(range)).map(How::Range)
        });
        let is_listed = database.list(entry.versions).any(|version| version == target.version);
        for how in in_ranges.chain(is_listed.then_some(How::Listed)) {
            hits.extend(database.record(entry.record).map(|record| Hit { record, entry, how }));
        }
    }
    hits.sort_by_key(|hit| (hit.record.canonical, hit.record.id));
    let mut findings: Vec<Finding> = hits
        .chunk_by(|a, b| a.record.canonical == b.record.canonical)
        .filter_map(|hits| finding(database, target, component, hits))
        .collect();
    findings.sort_by(|a, b| by_name(&a.id, &b.id));
    findings
}

/// CVEs first, by year and number; then everything else.
fn by_name(a: &str, b: &str) -> std::cmp::Ordering {
    let order = |name| (naming::cve_number(name).is_none(), naming::cve_number(name));
    order(a).cmp(&order(b)).then_with(|| a.cmp(b))
}

/// Merges the hits of one vulnerability.
fn finding(
    database: &Database,
    target: &Target<'_>,
    component: &Component,
    hits: &[Hit<'_>],
) -> Option<Finding> {
    let id = database.string(hits.first()?.record.canonical)?.to_owned();
    let mut names = vec![hits.first()?.record.canonical];
    let mut announcements = Vec::new();
    for hit in hits {
        names.push(hit.record.id);
        names.extend(database.list_numbers(hit.record.aliases));
        if hit.record.announcement == 1 {
            names.extend(database.list_numbers(hit.entry.linked));
        } else {
            announcements.extend(database.list(hit.entry.linked).map(str::to_owned));
        }
    }
    names.sort_unstable();
    names.dedup();
    announcements.sort_unstable();
    announcements.dedup();
    let mut aliases: Vec<String> = names
        .iter()
        .filter_map(|name| database.string(*name))
        .filter(|name| *name != id)
        .map(str::to_owned)
        .collect();
    aliases.sort_by(|a, b| by_name(a, b));
    let (severity, severity_source, score) = rate(database, hits);
    let summary = hits.iter().map(|hit| database.summary(&hit.record)).find(|text| !text.is_empty());
    let matches = hits
        .iter()
        .filter_map(|hit| Some(RecordMatch::new(database.string(hit.record.id)?, target, hit.how)))
        .collect();
    Some(Finding {
        id,
        aliases,
        severity,
        severity_source,
        score,
        component: component.purl.clone(),
        fix: fix(target.scope.scheme, hits),
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

/// How bad it is, who says so, and the vector and score.
type Rating = (Severity, SeveritySource, Option<Score>);

/// Rates by the most trusted source, and where several are trusted alike, by the worst.
fn rate(database: &Database, hits: &[Hit<'_>]) -> Rating {
    let ratings = hits.iter().map(|hit| rate_hit(database, hit));
    let best = ratings.min_by_key(|(severity, source, score)| {
        let tenths = score.as_ref().map(|score| (score.value * 10.0).round().to_bits());
        (*source, Reverse(*severity), Reverse(tenths))
    });
    let (severity, source, score) = best.unwrap_or_default();
    (severity, source, score.or_else(|| hits.iter().find_map(|hit| database.score(&hit.record))))
}

fn rate_hit(database: &Database, hit: &Hit<'_>) -> Rating {
    let distribution = match Urgency::from_byte(hit.entry.urgency) {
        Urgency::Unimportant => Some(Severity::Negligible),
        Urgency::Low => Some(Severity::Low),
        Urgency::Medium => Some(Severity::Medium),
        Urgency::High => Some(Severity::High),
        Urgency::Unassigned | Urgency::EndOfLife => None,
    };
    if let Some(severity) = distribution {
        return (severity, SeveritySource::Distribution, database.score(&hit.record));
    }
    let other = database.record(hit.entry.rated);
    let record = other.as_ref().unwrap_or(&hit.record);
    let mut source = SeveritySource::from_byte(record.severity_source);
    if other.is_some() && source != SeveritySource::Nobody {
        source = SeveritySource::Alias;
    }
    (Severity::from_byte(record.severity), source, database.score(record))
}

/// What the records say of a fix, put together. Each record's own fix is the version from which nothing in
/// it affects the package any more; where records differ, all their versions are listed.
fn fix(scheme: Scheme, hits: &[Hit<'_>]) -> Fix {
    let mut versions: Vec<&str> = Vec::new();
    let mut state = FixState::Unknown;
    for of_record in hits.chunk_by(|a, b| a.entry.record == b.entry.record) {
        let ends = of_record.iter().map(|hit| match hit.how {
            How::Range(range::Interval { end, .. }) => Some(end),
            How::Listed => None,
        });
        let fixes = ends.clone().map(|end| match end {
            Some(End::Fixed(version)) => Some(version),
            _ => None,
        });
        if let Some(fixes) = fixes.collect::<Option<Vec<_>>>() {
            versions.extend(fixes.into_iter().max_by(|a, b| scheme.compare(a, b)));
        } else if of_record.iter().any(|hit| Urgency::from_byte(hit.entry.urgency) == Urgency::EndOfLife) {
            state = FixState::WontFix;
        } else if state == FixState::Unknown && ends.into_iter().any(|end| end == Some(End::Open)) {
            state = FixState::NotFixed;
        }
    }
    versions.sort_by(|a, b| scheme.compare(a, b));
    versions.dedup();
    if !versions.is_empty() {
        state = FixState::Fixed;
    }
    Fix { state, versions: versions.into_iter().map(str::to_owned).collect() }
}

/// Tells when a version could not be read, and so was compared by a rule of last resort.
fn bad_version(database: &Database, target: &Target<'_>, component: &Component) -> Option<Problem> {
    if target.scope.scheme.is_valid(target.version)
        || database.key(&target.scope.row, &target.package).is_none()
    {
        return None;
    }
    let (version, ecosystem, name) = (target.version, target.scope.ecosystem, &component.name);
    let reason = if target.has_no_version() {
        format!(
            "{ecosystem} {name} was built from a working copy and says no version, so it could not be judged; what it is \
             built of was."
        )
    } else {
        let order = target.scope.scheme.name();
        format!(
            "{version:?} is not a version in the {order} order, so {ecosystem} {name} was judged as older than every real version."
        )
    };
    let evidence = component.evidence.first();
    Some(Problem {
        layer: evidence.map(|evidence| evidence.diff_id.clone()),
        path: evidence.map(|evidence| evidence.path.clone()),
        position: None,
        reason,
    })
}

/// Tells when a rolling release was judged by the records of a fixed one.
fn rolling(database: &Database, distro: Option<&Distro>) -> Option<Problem> {
    let distro = distro?;
    let Release::Rolling(family) = distro::release(distro) else { return None };
    let newest = newest(database, family)?;
    Some(problem(format!(
        "{} is a rolling release that nobody publishes advisories for; its packages were judged by those of \
         {newest}, the newest release the advisory database covers. What is fixed only in newer packages may be \
         missing or too much.",
        describe(distro),
    )))
}

impl Gap {
    fn problem(
        &self,
        database: &Database,
        distro: Option<&Distro>,
        kind: ComponentKind,
        count: u64,
    ) -> Problem {
        let packages = packages(kind, count);
        let system = distro.map_or_else(|| "the operating system".to_owned(), describe);
        problem(match self {
            Self::NoOrder => format!(
                "{packages} are listed and not judged: this version of Tidewaiter does not read advisories for them."
            ),
            Self::NoDistro => format!(
                "The image names no operating system (it has no os-release file), so {packages} could not be \
                 judged."
            ),
            Self::UnknownDistro => format!(
                "No advisories are known for {system}, so {packages} could not be judged. Tidewaiter judges \
                 packages of Debian and Alpine Linux and of what is built directly from them."
            ),
            Self::ForeignPackage => {
                format!("{packages} could not be judged: {system} has another package manager.")
            }
            Self::NotCovered(ecosystem) => {
                let family = ecosystem.split(':').next().unwrap_or_default();
                let covered: Vec<&str> = database
                    .ecosystems()
                    .iter()
                    .map(|covered| covered.name.as_str())
                    .filter(|covered| covered.split(':').next() == Some(family) && *covered != family)
                    .collect();
                let covered = match covered.as_slice() {
                    [] => String::new(),
                    covered => format!(" (it does for {})", covered.join(", ")),
                };
                format!(
                    "The advisory database holds nothing for {ecosystem}{covered}, so {packages} could not be \
                     judged. Build one from newer or more data with `tidewaiter db build`."
                )
            }
        })
    }
}

fn packages(kind: ComponentKind, count: u64) -> String {
    let name = match kind {
        ComponentKind::Deb => "Debian",
        ComponentKind::Apk => "Alpine",
        ComponentKind::Npm => "npm",
        ComponentKind::Pypi => "Python",
        ComponentKind::Rpm => "RPM",
        ComponentKind::Golang => "Go",
        ComponentKind::Cargo => "Rust",
        ComponentKind::Maven => "Java",
        ComponentKind::Nuget => ".NET",
        ComponentKind::Gem => "Ruby",
        ComponentKind::Composer => "PHP",
        ComponentKind::Generic => "unpackaged binary",
        ComponentKind::Other => "other",
    };
    if count == 1 { format!("1 {name} package") } else { format!("{count} {name} packages") }
}

fn describe(distro: &Distro) -> String {
    let named = distro.pretty_name.clone().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| {
        format!("{} {}", distro.id, distro.version_id.as_deref().unwrap_or_default()).trim_end().to_owned()
    })
}

fn problem(reason: String) -> Problem {
    Problem { layer: None, path: None, position: None, reason }
}
