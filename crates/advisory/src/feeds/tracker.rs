//! Debian's security tracker as it publishes itself: one document, by source package and vulnerability, with a verdict for
//! each release. It knows what the OSV export does not pass on: what will not be fixed, what is put off, and why.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::record::{Affected, Record, Status};
use crate::distro;
use crate::severity::Severity;

/// Packages, vulnerabilities, what is said of them.
type Tracker = BTreeMap<String, BTreeMap<String, Vulnerability>>;

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default)]
    description: String,
    #[serde(default)]
    releases: BTreeMap<String, Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    status: String,
    #[serde(default)]
    urgency: String,
    #[serde(rename = "fixed_version")]
    fixed: Option<String>,
    /// Why there is no announcement, in a sentence.
    nodsa: Option<String>,
    /// `ignored`, `postponed`, or empty.
    #[serde(rename = "nodsa_reason")]
    nodsa_reason: Option<String>,
}

/// Whether a file that begins like this is the tracker: `{"389-ds-base": {"CVE-2012-0833": …`.
pub(super) fn is_start(start: &[u8]) -> bool {
    let text: String =
        start.iter().take(512).map(|byte| char::from(*byte)).filter(|c| !c.is_whitespace()).collect();
    let Some(rest) = text.strip_prefix("{\"") else { return false };
    let Some((_, rest)) = rest.split_once("\":{\"") else { return false };
    ["CVE-", "TEMP-", "DSA-"].iter().any(|prefix| rest.starts_with(prefix))
}

/// Reads the tracker as one record for each vulnerability.
pub(super) fn parse(json: impl std::io::Read) -> Result<Vec<Record>, serde_json::Error> {
    let tracker: Tracker = serde_json::from_reader(json)?;
    let mut records: BTreeMap<String, Record> = BTreeMap::new();
    for (package, vulnerabilities) in tracker {
        for (id, vulnerability) in vulnerabilities {
            let affected: Vec<Affected> = vulnerability
                .releases
                .iter()
                .filter_map(|(release, verdict)| verdict.affected(release, &package))
                .collect();
            let record = records.entry(id).or_insert_with_key(|id| Record {
                id: format!("DEBIAN-{id}"),
                upstream: vec![id.clone()],
                details: vulnerability.description,
                ..Record::default()
            });
            record.affected.extend(affected);
        }
    }
    Ok(records.into_values().collect())
}

impl Verdict {
    /// What is said for a release; `None` where nothing is, or where it is not known.
    fn affected(&self, release: &str, package: &str) -> Option<Affected> {
        let affected = Affected::new(format!("Debian:{}", distro::debian_release(release)?), package)?;
        if self.fixed.as_deref() == Some("0") {
            return Some(Affected { status: Status::NotAffected, ..affected });
        }
        if self.status == "undetermined" {
            return None;
        }
        let urgency = self.urgency.trim_end_matches('*');
        let status = match (urgency, self.nodsa_reason.as_deref(), &self.nodsa) {
            ("end-of-life", ..) => Status::EndOfLife,
            (_, Some("ignored"), _) => Status::WontFix,
            (_, Some("postponed"), _) | (_, _, Some(_)) => Status::Deferred,
            _ => Status::Open,
        };
        Some(Affected {
            severity: Severity::from_rating(urgency).unwrap_or_default(),
            status,
            note: self.nodsa.clone().unwrap_or_default(),
            ..affected.until(self.fixed.clone())
        })
    }
}
