//! Findings by package. What a distribution says of a source package is told once, of that, and not of everything that
//! was built from it.

use std::collections::BTreeMap;

use tidewaiter_inventory::Purl;

use crate::{Counts, Location, Report, ReportedFinding};

/// A package with what is wrong with it.
#[derive(Debug, Clone)]
pub struct PackageFindings<'a> {
    /// The name, of the source package where there is one.
    pub name: String,
    /// The version.
    pub version: String,
    /// The type of its package URL.
    pub kind: String,
    /// Its package URL, with the name and version above.
    pub purl: String,
    /// What of it is installed: itself, or what was built from it.
    pub built: Vec<&'a str>,
    /// Where it shows.
    pub locations: Vec<&'a Location>,
    /// How much is wrong.
    pub counts: Counts,
    /// What is wrong, each vulnerability once, the worst first.
    pub findings: Vec<&'a ReportedFinding>,
}

/// Puts the findings of a report together by package, the worst package first.
#[must_use]
pub fn of(report: &Report) -> Vec<PackageFindings<'_>> {
    let mut packages: BTreeMap<(String, String, String), PackageFindings<'_>> = BTreeMap::new();
    for finding in &report.findings {
        let (kind, name, version, purl) = subject(finding);
        let package = packages.entry((name.clone(), version.clone(), purl.clone())).or_insert_with(|| {
            PackageFindings {
                name,
                version,
                kind,
                purl,
                built: Vec::new(),
                locations: Vec::new(),
                counts: Counts::default(),
                findings: Vec::new(),
            }
        });
        let built = finding.package.name.as_str();
        if !package.built.contains(&built) {
            package.built.push(built);
        }
        for location in &finding.locations {
            if !package.locations.contains(&location) {
                package.locations.push(location);
            }
        }
        // Other packages of the same source have the same.
        if !package.findings.iter().any(|known| known.id == finding.id) {
            package.counts.add(finding.severity);
            package.findings.push(finding);
        }
    }
    let mut packages: Vec<_> = packages.into_values().collect();
    let key = |counts: Counts| {
        std::cmp::Reverse((counts.critical, counts.high, counts.medium, counts.low, counts.unspecified))
    };
    packages.sort_by_key(|package| key(package.counts));
    packages
}

/// Type, name, version and package URL of what a finding is told of.
fn subject(finding: &ReportedFinding) -> (String, String, String, String) {
    let package = &finding.package;
    let purl = Purl::parse(&package.purl);
    let kind = purl.as_ref().map_or_else(String::new, |purl| purl.kind.clone());
    match (&package.source, purl) {
        (Some(source), Some(purl)) if kind != "rpm" => {
            (kind, source.name.clone(), source.version.clone(), purl.of_source(&source.name, &source.version))
        }
        _ => (kind, package.name.clone(), package.version.clone(), package.purl.clone()),
    }
}
