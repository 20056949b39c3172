//! An advisory as every feed hands it on, reduced to what matching and reports need.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::range::EventKind;
use crate::severity::Severity;
use crate::versions::Scheme;

/// The longest id, package name or version that is believed; real ones stay under 200 characters.
pub(super) const MAX_NAME: usize = 1024;

/// One advisory.
#[derive(Debug, Default)]
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
    /// What sort of mistake it is, `CWE-79` each.
    pub(crate) weaknesses: Vec<String>,
    /// What is affected, as far as we can match it.
    pub(crate) affected: Vec<Affected>,
    /// What is affected but cannot be matched, by reason.
    pub(crate) unmatchable: Vec<Unmatchable>,
}

/// A link for further reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// What is there, in OSV's words: `ADVISORY`, `FIX`, `WEB`, …
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Where it is.
    pub url: String,
}

/// What is said of one package in one ecosystem.
#[derive(Debug, Clone)]
pub(crate) struct Affected {
    /// For example `Debian:12`.
    pub(crate) ecosystem: String,
    pub(crate) scheme: Scheme,
    pub(crate) name: String,
    /// Ranges that can be ordered; those of git commits are left out.
    pub(crate) ranges: Vec<Vec<(EventKind, String)>>,
    /// Versions affected by name.
    pub(crate) versions: Vec<String>,
    /// How bad the distribution rates the vulnerability in this package.
    pub(crate) severity: Severity,
    pub(crate) status: Status,
    /// Why the status is what it is, in the words of whoever says so.
    pub(crate) note: String,
    /// Announcements of the fix.
    pub(crate) announcements: Vec<String>,
}

impl Affected {
    /// A package of which nothing is said yet; `None` when its versions cannot be ordered.
    pub(super) fn new(ecosystem: impl Into<String>, name: impl Into<String>) -> Option<Self> {
        let ecosystem = ecosystem.into();
        Some(Self {
            scheme: Scheme::of_ecosystem(&ecosystem)?,
            ecosystem,
            name: name.into(),
            ranges: Vec::new(),
            versions: Vec::new(),
            severity: Severity::Unknown,
            status: Status::default(),
            note: String::new(),
            announcements: Vec::new(),
        })
    }

    /// Every version, up to the one that fixes it if there is one.
    pub(super) fn until(mut self, fixed: Option<String>) -> Self {
        let mut events = vec![(EventKind::Introduced, crate::range::BEGINNING.to_owned())];
        events.extend(fixed.map(|version| (EventKind::Fixed, version)));
        self.ranges.push(events);
        self
    }
}

/// What is to be expected where no fix is named. Negative facts are kept: they prevent false alarms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// Nothing is said.
    #[default]
    Open,
    /// It will not be fixed.
    WontFix,
    /// It was put off.
    Deferred,
    /// The package or its release is not supported any more.
    EndOfLife,
    /// It is being looked into.
    UnderInvestigation,
    /// The package is not affected at all.
    NotAffected,
}

impl Status {
    const ALL: [Self; 6] = [
        Self::Open,
        Self::WontFix,
        Self::Deferred,
        Self::EndOfLife,
        Self::UnderInvestigation,
        Self::NotAffected,
    ];

    pub(crate) fn to_byte(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or_default()
    }
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
