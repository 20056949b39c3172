//! What records say of each other: which name each is shown under, how bad it is when it does not say so
//! itself, and which security announcements are already told by the records of their CVEs.
//!
//! **Announcements** of distributions (DSA, ALSA, RHSA, USN …) are one record per update, and name the CVEs it
//! fixes. Some distributions also publish a record of each CVE, with a verdict per release and package; others do
//! not, or not for all releases. So, per release and package: a CVE that has a record there is *covered*, its record
//! alone decides, and the announcement is only linked to it; for the CVEs that are not covered the announcement
//! decides, and for itself alone when it names none.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::collect::{Advisory, Affected};
use crate::naming;
use crate::severity::{Cvss, Severity, SeveritySource};

/// What was found out about one record.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    /// The name it is shown under.
    pub(super) canonical: String,
    pub(super) severity: Severity,
    pub(super) severity_source: SeveritySource,
    /// The vector the severity follows from, or else the record's own.
    pub(super) cvss: Option<Cvss>,
}

type Advisories = BTreeMap<String, Advisory>;

/// Drops what announcements say of covered CVEs, and links both ways. Returns how many entries were dropped.
pub(super) fn fold_announcements(advisories: &mut Advisories) -> u64 {
    let covered = covered(advisories);
    let mut announced: HashMap<(String, String, String), Vec<String>> = HashMap::new();
    let mut folded = 0;
    for advisory in advisories.values_mut().filter(|advisory| naming::is_announcement(&advisory.id)) {
        let Advisory { id, named, affected, .. } = advisory;
        affected.retain_mut(|affected| {
            let key = |cve: &String| (affected.ecosystem.clone(), affected.name.clone(), cve.clone());
            let (told, untold): (Vec<_>, Vec<_>) = named.iter().partition(|cve| covered.contains(&key(cve)));
            for cve in &told {
                announced.entry(key(cve)).or_default().push(id.clone());
            }
            affected.linked = untold.into_iter().cloned().collect();
            let keep = told.is_empty() || !affected.linked.is_empty();
            folded += u64::from(!keep);
            keep
        });
    }
    for advisory in advisories.values_mut().filter(|advisory| !naming::is_announcement(&advisory.id)) {
        let Some(cve) = own_cve(advisory).map(str::to_owned) else { continue };
        for affected in &mut advisory.affected {
            let key = (affected.ecosystem.clone(), affected.name.clone(), cve.clone());
            if let Some(announcements) = announced.get(&key) {
                affected.linked.extend(announcements.iter().cloned());
                affected.linked.sort_unstable();
                affected.linked.dedup();
            }
        }
    }
    folded
}

/// Every (ecosystem, package, CVE) that a record of the CVE itself decides.
fn covered(advisories: &Advisories) -> HashSet<(String, String, String)> {
    let announcements = advisories.values().filter(|advisory| naming::is_announcement(&advisory.id));
    let announcing: HashSet<&str> = announcements
        .flat_map(|advisory| &advisory.affected)
        .map(|affected| affected.ecosystem.as_str())
        .collect();
    let mut covered = HashSet::new();
    for advisory in advisories.values().filter(|advisory| !naming::is_announcement(&advisory.id)) {
        let Some(cve) = own_cve(advisory) else { continue };
        for Affected { ecosystem, name, .. } in &advisory.affected {
            // Ecosystems without announcements would only fill the set.
            if announcing.contains(ecosystem.as_str()) {
                covered.insert((ecosystem.clone(), name.clone(), cve.to_owned()));
            }
        }
    }
    covered
}

/// The CVE a record is about, by its own id and aliases. With several aliases, the oldest.
fn own_cve(advisory: &Advisory) -> Option<&str> {
    naming::cve_of(&advisory.id).or_else(|| oldest_cve(advisory.aliases.iter().map(String::as_str)))
}

fn oldest_cve<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.filter_map(|name| Some((naming::cve_number(name)?, name))).min().map(|(_, name)| name)
}

/// Drops what CVE records say of packages of which another record of the same vulnerability speaks: those who look
/// after an ecosystem know its packages and versions better than whoever numbered the vulnerability.
pub(super) fn yield_to_others(advisories: &mut Advisories) {
    let mut told: HashSet<(String, String, String)> = HashSet::new();
    for advisory in advisories.values().filter(|advisory| !advisory.is_cve) {
        let cves = std::iter::once(&advisory.id)
            .chain(&advisory.aliases)
            .filter(|name| naming::cve_of(name).is_some());
        for cve in cves {
            for Affected { ecosystem, name, .. } in &advisory.affected {
                told.insert((cve.clone(), ecosystem.clone(), name.clone()));
            }
        }
    }
    for advisory in advisories.values_mut().filter(|advisory| advisory.is_cve) {
        let Advisory { id, affected, .. } = advisory;
        affected.retain(|one| !told.contains(&(id.clone(), one.ecosystem.clone(), one.name.clone())));
    }
}

/// Finds the name and the severity of every record that is stored.
pub(super) fn resolve(advisories: &Advisories) -> BTreeMap<&str, Resolved> {
    let mut borne_by: HashMap<&str, Vec<&Advisory>> = HashMap::new();
    for advisory in advisories.values() {
        for alias in &advisory.aliases {
            borne_by.entry(alias).or_default().push(advisory);
        }
    }
    advisories
        .values()
        .filter(|advisory| !advisory.affected.is_empty())
        .map(|advisory| {
            let others = others(advisory, advisories, &borne_by);
            let canonical = canonical(advisory, &others);
            let (severity, severity_source, cvss) = severity(advisory, &others);
            (advisory.id.as_str(), Resolved { canonical, severity, severity_source, cvss: cvss.cloned() })
        })
        .collect()
}

/// The records that this one names, or that name it: one step, never a chain, because chains of aliases run
/// together what is not the same.
fn others<'a>(
    advisory: &Advisory,
    advisories: &'a Advisories,
    borne_by: &HashMap<&str, Vec<&'a Advisory>>,
) -> Vec<&'a Advisory> {
    let named = advisory.aliases.iter().filter_map(|name| advisories.get(name));
    let naming = borne_by.get(advisory.id.as_str()).into_iter().flatten().copied();
    named.chain(naming).filter(|other| other.id != advisory.id).collect()
}

/// The name to show: the CVE, be it only another record of the same thing that knows it; else GitHub's name;
/// else the record's own.
fn canonical(advisory: &Advisory, others: &[&Advisory]) -> String {
    if naming::is_announcement(&advisory.id) {
        return advisory.id.clone();
    }
    let of_others = || oldest_cve(others.iter().filter_map(|other| own_cve(other)));
    let names = || std::iter::once(&advisory.id).chain(&advisory.aliases).map(String::as_str);
    own_cve(advisory)
        .or_else(of_others)
        .or_else(|| names().filter(|name| name.starts_with("GHSA-")).min())
        .unwrap_or(&advisory.id)
        .to_owned()
}

/// How bad it is, who says so, and the vector it follows from.
type Rating<'a> = (Severity, SeveritySource, Option<&'a Cvss>);

fn severity<'a>(advisory: &'a Advisory, others: &[&'a Advisory]) -> Rating<'a> {
    if let Some(own) = own_severity(advisory) {
        return own;
    }
    // CVE records are the common ground of all databases; the others are asked only when there is none.
    let worst = |of_cves: bool| {
        others
            .iter()
            .filter(|other| naming::cve_of(&other.id).is_some() == of_cves)
            .filter_map(|other| own_severity(other))
            .max_by_key(|(severity, _, cvss)| (*severity, cvss.map(|cvss| cvss.tenths)))
    };
    if let Some((severity, _, cvss)) = worst(true).or_else(|| worst(false)) {
        return (severity, SeveritySource::Alias, cvss);
    }
    if naming::is_malware(&advisory.id) {
        return (Severity::Critical, SeveritySource::Malware, None);
    }
    (Severity::Unknown, SeveritySource::Nobody, None)
}

fn own_severity(advisory: &Advisory) -> Option<Rating<'_>> {
    if let (true, Some(rating)) = (naming::is_announcement(&advisory.id), advisory.rating) {
        return Some((rating, SeveritySource::Distribution, advisory.cvss.as_ref()));
    }
    let cvss = advisory.cvss.as_ref().map(|cvss| (cvss.severity, SeveritySource::Cvss, Some(cvss)));
    cvss.or_else(|| advisory.rating.map(|rating| (rating, SeveritySource::Rating, None)))
}
