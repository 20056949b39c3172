//! The shape in which the findings of an image leave the house: one for the API and the command line.

use serde::{Deserialize, Serialize};
use tidewaiter_advisory::{Finding, FixState, Gap, Matches, Severity, Suppressed, Undecided};
use tidewaiter_inventory::{Component, Evidence, Inventory, Problem, SourcePackage};

/// What is known to be wrong with an image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Which image.
    pub image: ReportedImage,
    /// What is wrong, the worst first.
    pub findings: Vec<ReportedFinding>,
    /// What may be wrong: advisories speak of it, and cannot tell.
    #[serde(default)]
    pub undecided: Vec<Undecided>,
    /// What would be wrong if somebody did not say otherwise.
    #[serde(default)]
    pub suppressed: Vec<Suppressed>,
    /// What could not be judged, and what makes the judgement doubtful.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// The image a report is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportedImage {
    /// The name it was asked for by.
    pub name: String,
    /// Digest of its manifest; a file system root has none.
    pub digest: Option<String>,
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// Its operating system, as that calls itself.
    pub distro: Option<String>,
}

/// One thing that is wrong with one package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportedFinding {
    /// The CVE id where there is one, else the advisory's own.
    pub id: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, in a line.
    pub summary: String,
    /// The package.
    pub package: ReportedPackage,
    /// What helps.
    pub fix: ReportedFix,
    /// The layer that brought the package.
    pub layer: Option<ReportedLayer>,
    /// Where in the image the package shows, without leading slash.
    pub path: Option<String>,
}

/// A package with something wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its package URL.
    pub purl: String,
    /// The source package it was built from.
    pub source: Option<SourcePackage>,
}

/// Whether there is a fix, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportedFix {
    /// Whether there is one.
    pub state: FixState,
    /// Versions that have it.
    pub versions: Vec<String>,
}

/// A layer of an image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportedLayer {
    /// Position from the bottom, from 0.
    pub ordinal: u32,
    /// Digest of the uncompressed layer.
    pub diff_id: String,
}

impl ReportedFix {
    /// What helps, for people: the versions, or why there are none.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self.state {
            FixState::Fixed => self.versions.join(", "),
            FixState::NotFixed => "not fixed yet".to_owned(),
            FixState::WontFix => "will not be fixed".to_owned(),
            FixState::Deferred => "deferred".to_owned(),
            FixState::EndOfLife => "end of life".to_owned(),
            FixState::UnderInvestigation => "under investigation".to_owned(),
            FixState::Unknown => "unknown".to_owned(),
        }
    }
}

impl ReportedFinding {
    /// A finding about a component that shows in these places.
    #[must_use]
    pub fn new(finding: &Finding, component: &Component, evidence: &[Evidence]) -> Self {
        let place = evidence.first();
        Self {
            id: finding.id.clone(),
            aliases: finding.aliases.clone(),
            severity: finding.severity,
            summary: finding.summary.clone(),
            package: ReportedPackage {
                name: component.name.clone(),
                version: component.version.clone(),
                purl: component.purl.clone(),
                source: component.source.clone(),
            },
            fix: ReportedFix { state: finding.fix.state, versions: finding.fix.versions.clone() },
            layer: place.map(|place| ReportedLayer { ordinal: place.layer, diff_id: place.diff_id.clone() }),
            path: place.map(|place| place.path.clone()),
        }
    }
}

/// Puts the worst first, then by package and id, so that equal reports read the same.
pub fn sort(findings: &mut [ReportedFinding]) {
    findings.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.package.name.cmp(&b.package.name))
            .then_with(|| a.id.cmp(&b.id))
            .then_with(|| a.package.purl.cmp(&b.package.purl))
    });
}

impl Report {
    /// The report of an inventory that was matched with a database.
    #[must_use]
    pub fn new(image: ReportedImage, inventory: &Inventory, matches: &Matches) -> Self {
        let mut findings: Vec<_> = matches
            .findings
            .iter()
            .filter_map(|finding| {
                let component =
                    inventory.components.iter().find(|component| component.purl == finding.component)?;
                Some(ReportedFinding::new(finding, component, &component.evidence))
            })
            .collect();
        sort(&mut findings);
        Self {
            image,
            findings,
            undecided: matches.undecided.clone(),
            suppressed: matches.suppressed.clone(),
            gaps: matches.gaps.clone(),
            problems: inventory.problems.clone(),
        }
    }
}
