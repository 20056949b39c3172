//! What matching returns: findings, in the shape that reports and the API pass on.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::explain::Explanation;
use super::gap::Gap;
use crate::feeds::record::Status;
use crate::severity::{Score, Severity, SeveritySource};

/// One vulnerability of one component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The name to show: the CVE where there is one, else the id of the record.
    pub id: String,
    /// Every other name of it, CVEs first.
    pub aliases: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Who says so.
    pub severity_source: SeveritySource,
    /// The CVSS vector and score, when a record has one.
    pub score: Option<Score>,
    /// What sort of mistake it is, `CWE-79`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weakness: Option<String>,
    /// The component, as its purl.
    pub component: String,
    /// What can be done about it.
    pub fix: Fix,
    /// How likely it is to be exploited.
    pub epss: Option<Epss>,
    /// That it is known to be exploited.
    pub kev: Option<Kev>,
    /// One line.
    pub summary: String,
    /// The distribution's announcements of the fix, for example `DSA-5103-1`.
    pub announcements: Vec<String>,
    /// When the first of its records was published.
    pub published: Option<Timestamp>,
    /// When the last of its records was changed.
    pub modified: Option<Timestamp>,
    /// Why the component is affected.
    pub explanation: Explanation,
}

/// What can be done about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// Whether there is a fix.
    pub state: FixState,
    /// The versions that fix it, lowest first; empty unless the state is [`FixState::Fixed`].
    pub versions: Vec<String>,
    /// Why there is none, in the words of whoever says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether there is a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FixState {
    /// In the versions named.
    Fixed,
    /// There is none yet.
    NotFixed,
    /// There will be none.
    WontFix,
    /// It was put off.
    Deferred,
    /// There will be none: the package or its release is not supported any more.
    EndOfLife,
    /// It is being looked into.
    UnderInvestigation,
    /// The records do not say.
    Unknown,
}

impl FixState {
    /// What a status says of a fix, if anything.
    pub(super) fn of_status(status: Status) -> Option<Self> {
        match status {
            Status::Open | Status::NotAffected => None,
            Status::WontFix => Some(Self::WontFix),
            Status::Deferred => Some(Self::Deferred),
            Status::EndOfLife => Some(Self::EndOfLife),
            Status::UnderInvestigation => Some(Self::UnderInvestigation),
        }
    }
}

/// Exploit prediction (EPSS).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epss {
    /// Probability of being exploited within 30 days, 0 to 1.
    pub score: f64,
    /// Share of all vulnerabilities that have this score or less, 0 to 1.
    pub percentile: f64,
}

/// An entry of CISA's catalogue of known exploited vulnerabilities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kev {
    /// When it was added, `YYYY-MM-DD`.
    pub date_added: String,
    /// By when federal agencies must have acted, `YYYY-MM-DD`.
    pub due_date: String,
    /// Ransomware is known to use it.
    pub ransomware: bool,
}

/// What holds of an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Matches {
    /// What is wrong, by component in the order of the inventory, then by id.
    pub findings: Vec<Finding>,
    /// What would be wrong if the distribution did not say otherwise of the package that owns the files.
    pub suppressed: Vec<Suppressed>,
    /// What may be wrong: the records speak of it, and cannot tell. Neither a finding nor none.
    #[serde(default)]
    pub undecided: Vec<Undecided>,
    /// What could not be judged at all, and what makes the judgement doubtful. Never empty when components were left
    /// out: that nothing was found is then no sign that nothing is there.
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

/// A vulnerability of which nobody can tell whether a component has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undecided {
    /// The name to show.
    pub id: String,
    /// Id of the record that cannot tell.
    pub record: String,
    /// The component, as its purl.
    pub component: String,
    /// How bad it would be.
    pub severity: Severity,
    /// Who says so.
    pub severity_source: SeveritySource,
    /// One line.
    pub summary: String,
    /// One sentence: why it cannot be told.
    pub reason: String,
}

/// A finding that does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suppressed {
    /// The finding.
    pub finding: Finding,
    /// One sentence: why it does not count.
    pub reason: String,
}
