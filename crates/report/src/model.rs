//! The shape in which the findings of an image leave the house: one for the API, the command line and every document.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidewaiter_advisory::{
    Database, Epss, Finding, FixState, Gap, Kev, Matches, RecordMatch, Score, Severity, SeveritySource,
    Suppressed, Undecided,
};
use tidewaiter_inventory::{Component, Evidence, Inventory, Problem, SourcePackage};

use crate::Counts;

/// What is known to be wrong with an image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Which image.
    pub image: ReportedImage,
    /// How much is wrong, by severity: each vulnerability counts once for each package that has it.
    #[serde(default)]
    pub counts: Counts,
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReportedImage {
    /// The name it was asked for by.
    pub name: String,
    /// Digest of its manifest; a file system root has none.
    pub digest: Option<String>,
    /// `os/architecture[/variant]`.
    pub platform: String,
    /// Its operating system, as that calls itself.
    pub distro: Option<String>,
    /// Bytes of its layers as stored.
    #[serde(default)]
    pub size: u64,
    /// How many packages are in it.
    #[serde(default)]
    pub packages: u64,
    /// Where its source code is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_repository: Option<String>,
    /// The commit it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_revision: Option<String>,
    /// The image it stands on, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

impl ReportedImage {
    /// The image of an inventory, under a name.
    #[must_use]
    pub fn new(name: &str, digest: Option<&str>, inventory: &Inventory) -> Self {
        let facts = &inventory.image;
        let distro = inventory.distro.as_ref();
        Self {
            name: name.to_owned(),
            digest: digest.map(str::to_owned),
            platform: facts.platform(),
            distro: distro.map(|distro| distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone())),
            size: facts.layers.iter().map(|layer| layer.size).sum(),
            packages: inventory.components.len() as u64,
            source_repository: facts.source_repository.clone(),
            source_revision: facts.source_revision.clone(),
            base: inventory.base_images.first().map(|base| base.name.clone()).filter(|name| !name.is_empty()),
        }
    }
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
    /// Who says so.
    #[serde(default)]
    pub severity_source: SeveritySource,
    /// CVSS vector and score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// How likely it is to be exploited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss: Option<Epss>,
    /// That it is known to be exploited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kev: Option<Kev>,
    /// What sort of mistake it is, `CWE-79`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weakness: Option<String>,
    /// What it is about, in a line.
    pub summary: String,
    /// What it is about, in Markdown; only where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The package.
    pub package: ReportedPackage,
    /// The versions that the records call affected.
    #[serde(default)]
    pub affected: Vec<AffectedRange>,
    /// What helps.
    pub fix: ReportedFix,
    /// Announcements of the fix.
    #[serde(default)]
    pub announcements: Vec<String>,
    /// Why the package is affected, in a sentence that can be checked.
    #[serde(default)]
    pub explanation: String,
    /// When it was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// The layer that brought the package.
    pub layer: Option<ReportedLayer>,
    /// Where in the image the package shows, without leading slash.
    pub path: Option<String>,
    /// Everywhere it shows.
    #[serde(default)]
    pub locations: Vec<Location>,
    /// Whether the base image brought it; nothing where no base image is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_base: Option<bool>,
}

/// A range of versions that a record calls affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AffectedRange {
    /// Id of the record.
    pub record: String,
    /// Conditions that must all hold: `>=1.0.0`, `<1.2.4`.
    pub range: Vec<String>,
}

impl AffectedRange {
    fn new(one: &RecordMatch) -> Self {
        let mut range = Vec::new();
        if one.listed {
            range.push(format!("={}", one.version));
        } else {
            range.extend(one.introduced.as_ref().map(|version| format!(">={version}")));
            range.extend(one.fixed.as_ref().map(|version| format!("<{version}")));
            range.extend(one.last_affected.as_ref().map(|version| format!("<={version}")));
            if range.is_empty() {
                range.push(">=0".to_owned());
            }
        }
        Self { record: one.record.clone(), range }
    }
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
    /// Why there is none, in the words of whoever says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedLayer {
    /// Position from the bottom, from 0.
    pub ordinal: u32,
    /// Digest of the uncompressed layer.
    pub diff_id: String,
}

/// A place that shows a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Path in the image without leading slash.
    pub path: String,
    /// The layer that brought it.
    pub layer: ReportedLayer,
}

impl ReportedFix {
    /// What helps, for people: the versions, or why there are none.
    #[must_use]
    pub fn to_text(&self) -> String {
        let text = match self.state {
            FixState::Fixed => return self.versions.join(", "),
            FixState::NotFixed | FixState::Unknown => "not fixed",
            FixState::WontFix => "will not be fixed",
            FixState::Deferred => "deferred",
            FixState::EndOfLife => "end of life",
            FixState::UnderInvestigation => "under investigation",
        };
        match &self.reason {
            Some(reason) => format!("{text} ({reason})"),
            None => text.to_owned(),
        }
    }

    /// Whether a version is known that has a fix.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.state == FixState::Fixed
    }
}

impl ReportedFinding {
    /// A finding about a component that shows in these places.
    #[must_use]
    pub fn new(finding: &Finding, component: &Component, evidence: &[Evidence]) -> Self {
        let layer = |place: &Evidence| ReportedLayer { ordinal: place.layer, diff_id: place.diff_id.clone() };
        let mut affected: Vec<AffectedRange> =
            finding.explanation.matches.iter().map(AffectedRange::new).collect();
        affected.dedup();
        Self {
            id: finding.id.clone(),
            aliases: finding.aliases.clone(),
            severity: finding.severity,
            severity_source: finding.severity_source,
            score: finding.score.clone(),
            epss: finding.epss,
            kev: finding.kev.clone(),
            weakness: finding.weakness.clone(),
            summary: finding.summary.clone(),
            description: None,
            package: ReportedPackage {
                name: component.name.clone(),
                version: component.version.clone(),
                purl: component.purl.clone(),
                source: component.source.clone().filter(|_| component.kind.is_os_package()),
            },
            affected,
            fix: ReportedFix {
                state: finding.fix.state,
                versions: finding.fix.versions.clone(),
                reason: finding.fix.reason.clone(),
            },
            announcements: finding.announcements.clone(),
            explanation: finding.explanation.text.clone(),
            published: finding.published,
            modified: finding.modified,
            layer: evidence.first().map(layer),
            path: evidence.first().map(|place| place.path.clone()),
            locations: evidence
                .iter()
                .map(|place| Location { path: place.path.clone(), layer: layer(place) })
                .collect(),
            from_base: None,
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
        let components: HashMap<&str, &Component> =
            inventory.components.iter().rev().map(|component| (component.purl.as_str(), component)).collect();
        let base = inventory.base_images.first().map(|base| base.layers).filter(|layers| *layers > 0);
        let mut findings: Vec<_> = matches
            .findings
            .iter()
            .filter_map(|finding| {
                let component = components.get(finding.component.as_str())?;
                let mut reported = ReportedFinding::new(finding, component, &component.evidence);
                reported.from_base =
                    base.zip(reported.layer.as_ref()).map(|(layers, layer)| layer.ordinal < layers);
                Some(reported)
            })
            .collect();
        sort(&mut findings);
        let mut report = Self {
            image,
            counts: Counts::default(),
            findings,
            undecided: matches.undecided.clone(),
            suppressed: matches.suppressed.clone(),
            gaps: matches.gaps.clone(),
            problems: inventory.problems.clone(),
        };
        report.count();
        report
    }

    /// Counts anew, after some findings were taken out.
    pub fn count(&mut self) {
        self.counts = crate::packages::of(self).iter().map(|package| package.counts).sum();
    }

    /// Adds to every finding what it is about, in full.
    pub fn describe(&mut self, database: &Database) {
        let mut known: HashMap<String, Option<String>> = HashMap::new();
        for finding in &mut self.findings {
            let description = known.entry(finding.id.clone()).or_insert_with(|| {
                let records = database.advisories_named(&finding.id);
                let longest = records.into_iter().map(|record| record.details).max_by_key(String::len);
                longest.filter(|details| !details.is_empty())
            });
            finding.description.clone_from(description);
        }
    }
}
