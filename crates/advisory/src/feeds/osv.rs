//! Advisories in the OSV schema (1.x), reduced to what matching and reports need.
//!
//! Members of the wrong type that do not decide a verdict (ratings, references) are passed over; where they
//! do (ids, packages, ranges) the record is refused as a whole, with a reason.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::record::{Affected, MAX_NAME, Record, Status, Unmatchable};
use crate::range::EventKind;
use crate::severity::Severity;

/// Reads a record; the reason says what is wrong with it.
pub(super) fn parse(json: &[u8]) -> Result<Record, String> {
    let raw: RawRecord<'_> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if raw.id.is_empty() || raw.id.len() > MAX_NAME {
        return Err("its id is empty or too long".to_owned());
    }
    let severities: Vec<Value> = raw.severity.into_iter().flatten().collect();
    // Ubuntu rates its records with its own priorities, and so its packages.
    let priority = severities.iter().find_map(priority).unwrap_or_default();
    let extra = raw.database_specific.as_ref();
    let mut record = Record {
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
        vectors: severities.into_iter().filter_map(vector).collect(),
        rating: extra.and_then(|extra| Some(extra.get("severity")?.as_str()?.to_owned())),
        weaknesses: extra.map(weaknesses).unwrap_or_default(),
        affected: Vec::new(),
        unmatchable: Vec::new(),
    };
    for affected in raw.affected.into_iter().flatten() {
        match affected.read()? {
            Ok(affected) => {
                let severity = affected.severity.max(priority);
                record.affected.push(Affected { severity, ..affected });
            }
            Err(reason) => record.unmatchable.push(reason),
        }
    }
    Ok(record)
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
        let Some(mut affected) = Affected::new(ecosystem.as_str(), name.as_str()) else {
            return Ok(Err(Unmatchable::Ecosystem(ecosystem)));
        };
        affected.versions = match self.versions {
            Some(raw) => serde_json::from_str::<Option<_>>(raw.get())
                .map_err(|error| format!("the versions of {name} cannot be read: {error}"))?
                .unwrap_or_default(),
            None => Vec::new(),
        };
        affected.ranges = self
            .ranges
            .into_iter()
            .flatten()
            .filter(|range| range.kind != "GIT")
            .map(|range| range.events.into_iter().flat_map(RawEvent::events).collect::<Vec<_>>())
            .collect();
        if affected.ranges.is_empty() && affected.versions.is_empty() {
            return Ok(Err(Unmatchable::OnlyCommits));
        }
        let urgency = self.ecosystem_specific.as_ref().and_then(|extra| extra.get("urgency")?.as_str());
        (affected.severity, affected.status) = urgency.map(read_urgency).unwrap_or_default();
        if affected.texts().any(|text| text.is_empty() || text.len() > MAX_NAME) {
            return Err("a package name or version is empty or too long".to_owned());
        }
        Ok(Ok(affected))
    }
}

/// Reads Debian's words; `**` marks those that the tracker guessed.
fn read_urgency(word: &str) -> (Severity, Status) {
    match word.trim_end_matches('*') {
        "unimportant" => (Severity::Negligible, Status::Open),
        "low" => (Severity::Low, Status::Open),
        "medium" => (Severity::Medium, Status::Open),
        "high" => (Severity::High, Status::Open),
        "end-of-life" => (Severity::Unknown, Status::EndOfLife),
        _ => (Severity::Unknown, Status::Open),
    }
}

/// Takes the rating out of `{"type": "Ubuntu", "score": "medium"}`.
fn priority(severity: &Value) -> Option<Severity> {
    let score = severity.get("score")?.as_str()?;
    (severity.get("type")?.as_str()? == "Ubuntu").then(|| Severity::from_rating(score))?
}

/// The weaknesses that GitHub and others list beside a record.
fn weaknesses(extra: &Value) -> Vec<String> {
    let listed = extra.get("cwe_ids").and_then(Value::as_array).into_iter().flatten();
    listed
        .filter_map(Value::as_str)
        .filter(|id| id.starts_with("CWE-") && id.len() < 16)
        .map(str::to_owned)
        .collect()
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
