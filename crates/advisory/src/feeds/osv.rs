//! Advisories in the OSV schema (1.x), reduced to what matching and reports need.
//!
//! Members of the wrong type that do not decide a verdict (ratings, references) are passed over; where they
//! do (ids, packages, ranges) the record is refused as a whole, with a reason.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::range::EventKind;
use crate::versions::Scheme;

/// The longest id, package name or version that is believed; real ones stay under 200 characters.
const MAX_NAME: usize = 1024;

/// One advisory.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) modified: Option<Timestamp>,
    pub(crate) published: Option<Timestamp>,
    pub(crate) withdrawn: bool,
    /// Other names of the same vulnerability.
    pub(crate) aliases: Vec<String>,
    /// Vulnerabilities this record passes on (a distribution's record of a CVE).
    pub(crate) upstream: Vec<String>,
    /// Vulnerabilities that have to do with it (the CVEs of a security announcement).
    pub(crate) related: Vec<String>,
    pub(crate) summary: String,
    pub(crate) details: String,
    pub(crate) references: Vec<Reference>,
    /// CVSS vectors.
    pub(crate) vectors: Vec<String>,
    /// The database's own rating, for example `MODERATE`.
    pub(crate) rating: Option<String>,
    /// What is affected, as far as we can match it.
    pub(crate) affected: Vec<Affected>,
    /// What is affected but cannot be matched, by reason.
    pub(crate) unmatchable: Vec<Unmatchable>,
}

/// A link for further reading.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Reference {
    /// What is there, in OSV's words: `ADVISORY`, `FIX`, `WEB`, …
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Where it is.
    pub url: String,
}

/// One package that is affected, in one ecosystem.
#[derive(Debug)]
pub(crate) struct Affected {
    /// For example `Debian:12`.
    pub(crate) ecosystem: String,
    pub(crate) scheme: Scheme,
    pub(crate) name: String,
    /// Ranges that can be ordered; those of git commits are left out.
    pub(crate) ranges: Vec<Vec<(EventKind, String)>>,
    /// Versions affected by name.
    pub(crate) versions: Vec<String>,
    /// Debian's urgency of the vulnerability in this package.
    pub(crate) urgency: Option<String>,
}

/// Why something that is affected cannot be matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unmatchable {
    /// No package is named: sources in git.
    NoPackage,
    /// An ecosystem whose versions we cannot order.
    Ecosystem(String),
    /// Only git ranges, no versions.
    OnlyCommits,
}

impl Record {
    /// Reads a record; the reason says what is wrong with it.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        let raw: RawRecord<'_> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if raw.id.is_empty() || raw.id.len() > MAX_NAME {
            return Err("its id is empty or too long".to_owned());
        }
        let mut record = Self {
            id: raw.id,
            modified: raw.modified.as_deref().and_then(|time| time.parse().ok()),
            published: raw.published.as_deref().and_then(|time| time.parse().ok()),
            withdrawn: raw.withdrawn.is_some(),
            aliases: names(raw.aliases),
            upstream: names(raw.upstream),
            related: names(raw.related),
            summary: raw.summary.unwrap_or_default(),
            details: raw.details.unwrap_or_default(),
            references: raw
                .references
                .into_iter()
                .flatten()
                .filter_map(|one| serde_json::from_value(one).ok())
                .collect(),
            vectors: raw.severity.into_iter().flatten().filter_map(vector).collect(),
            rating: raw.database_specific.and_then(|extra| Some(extra.get("severity")?.as_str()?.to_owned())),
            affected: Vec::new(),
            unmatchable: Vec::new(),
        };
        for affected in raw.affected.into_iter().flatten() {
            match affected.read()? {
                Ok(affected) => record.affected.push(affected),
                Err(reason) => record.unmatchable.push(reason),
            }
        }
        Ok(record)
    }
}

#[derive(Deserialize)]
struct RawRecord<'a> {
    id: String,
    modified: Option<String>,
    published: Option<String>,
    withdrawn: Option<String>,
    aliases: Option<Vec<String>>,
    upstream: Option<Vec<String>>,
    related: Option<Vec<String>>,
    summary: Option<String>,
    details: Option<String>,
    references: Option<Vec<Value>>,
    severity: Option<Vec<Value>>,
    database_specific: Option<Value>,
    #[serde(borrow)]
    affected: Option<Vec<RawAffected<'a>>>,
}

#[derive(Deserialize)]
struct RawAffected<'a> {
    package: Option<RawPackage>,
    ranges: Option<Vec<RawRange>>,
    /// Read only for ecosystems that are kept: these lists are most of the bytes of some exports.
    #[serde(borrow)]
    versions: Option<&'a RawValue>,
    ecosystem_specific: Option<Value>,
}

#[derive(Deserialize)]
struct RawPackage {
    ecosystem: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct RawRange {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<RawEvent>,
}

#[derive(Deserialize)]
struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

impl RawAffected<'_> {
    fn read(self) -> Result<Result<Affected, Unmatchable>, String> {
        let Some(RawPackage { ecosystem: Some(ecosystem), name: Some(name) }) = self.package else {
            return Ok(Err(Unmatchable::NoPackage));
        };
        let Some(scheme) = Scheme::of_ecosystem(&ecosystem) else {
            return Ok(Err(Unmatchable::Ecosystem(ecosystem)));
        };
        let versions: Vec<String> = match self.versions {
            Some(raw) => serde_json::from_str::<Option<_>>(raw.get())
                .map_err(|error| format!("the versions of {name} cannot be read: {error}"))?
                .unwrap_or_default(),
            None => Vec::new(),
        };
        let ranges: Vec<_> = self
            .ranges
            .into_iter()
            .flatten()
            .filter(|range| range.kind != "GIT")
            .map(|range| range.events.into_iter().flat_map(RawEvent::events).collect::<Vec<_>>())
            .collect();
        if ranges.is_empty() && versions.is_empty() {
            return Ok(Err(Unmatchable::OnlyCommits));
        }
        let urgency =
            self.ecosystem_specific.and_then(|extra| Some(extra.get("urgency")?.as_str()?.to_owned()));
        let affected = Affected { ecosystem, scheme, name, ranges, versions, urgency };
        if affected.texts().any(|text| text.is_empty() || text.len() > MAX_NAME) {
            return Err("a package name or version is empty or too long".to_owned());
        }
        Ok(Ok(affected))
    }
}

impl Affected {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let events = self.ranges.iter().flatten().map(|(_, version)| version.as_str());
        [self.ecosystem.as_str(), self.name.as_str()]
            .into_iter()
            .chain(events)
            .chain(self.versions.iter().map(String::as_str))
    }
}

impl RawEvent {
    fn events(self) -> impl Iterator<Item = (EventKind, String)> {
        [
            (EventKind::Introduced, self.introduced),
            (EventKind::Fixed, self.fixed),
            (EventKind::LastAffected, self.last_affected),
            (EventKind::Limit, self.limit),
        ]
        .into_iter()
        .filter_map(|(kind, version)| Some((kind, version?)))
    }
}

fn names(list: Option<Vec<String>>) -> Vec<String> {
    list.into_iter().flatten().filter(|name| !name.is_empty() && name.len() <= MAX_NAME).collect()
}

/// Takes the vector out of `{"type": "CVSS_V3", "score": "CVSS:3.1/…"}`.
fn vector(severity: Value) -> Option<String> {
    let kind = severity.get("type")?.as_str()?;
    let score = severity.get("score")?.as_str()?;
    (kind.starts_with("CVSS") && score.len() <= MAX_NAME).then(|| score.to_owned())
}
