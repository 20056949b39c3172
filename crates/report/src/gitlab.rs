//! GitLab's report of a container scan (schema 15), as `gl-container-scanning-report.json` is to be.

use serde_json::{Value, json};
use tidewaiter_advisory::Severity;

use crate::sarif::to_bytes;
use crate::{Report, ReportedFinding, link, packages};

/// The version of the schema that is followed.
const SCHEMA: &str = "15.0.6";

/// Writes the document. Both times are those of the analysis, `YYYY-MM-DDTHH:MM:SS`.
#[must_use]
pub fn write(report: &Report, tool_version: &str, at: &str) -> Vec<u8> {
    let mut vulnerabilities = Vec::new();
    let mut remediations = Vec::new();
    for package in packages::of(report) {
        for finding in package.findings {
            let id = identity(&package.purl, &finding.id);
            if finding.fix.is_available() {
                remediations.push(json!({"fixes": [{"id": id}], "summary": solution(finding), "diff": ""}));
            }
            vulnerabilities.push(json!({
                "id": id,
                "name": finding.id,
                "description": finding.description.as_deref().unwrap_or(&finding.summary),
                "severity": severity(finding.severity),
                "solution": solution(finding),
                "identifiers": identifiers(finding),
                "links": [{"url": link(&finding.id)}],
                "location": {
                    "image": report.image.name,
                    "operating_system": report.image.distro.as_deref().unwrap_or("Unknown"),
                    "dependency": {"package": {"name": package.name}, "version": package.version},
                },
            }));
        }
    }
    let scanner = json!({
        "id": "tidewaiter", "name": "Tidewaiter", "vendor": {"name": "Tidewaiter"}, "version": tool_version,
    });
    to_bytes(&json!({
        "version": SCHEMA,
        "schema": format!(
            "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v{SCHEMA}/dist/container-scanning-report-format.json"
        ),
        "scan": {
            "type": "container_scanning", "status": "success", "start_time": at, "end_time": at,
            "scanner": scanner, "analyzer": scanner,
        },
        "vulnerabilities": vulnerabilities,
        "remediations": remediations,
    }))
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Negligible => "Info",
        Severity::Unknown => "Unknown",
    }
}

fn solution(finding: &ReportedFinding) -> String {
    match finding.fix.is_available() {
        true => format!("Upgrade {} to {}", finding.package.name, finding.fix.to_text()),
        false => format!("No fix: {}", finding.fix.to_text()),
    }
}

fn identifiers(finding: &ReportedFinding) -> Vec<Value> {
    let names = std::iter::once(&finding.id).chain(&finding.aliases);
    let known = names.map(|name| {
        let kind = match name.split('-').next() {
            Some("CVE") => "cve",
            Some("GHSA") => "ghsa",
            _ => "tidewaiter",
        };
        json!({"type": kind, "name": name, "value": name, "url": link(name)})
    });
    let weakness = finding.weakness.iter().map(|id| {
        let number = id.trim_start_matches("CWE-");
        let url = format!("https://cwe.mitre.org/data/definitions/{number}.html");
        json!({"type": "cwe", "name": id, "value": number, "url": url})
    });
    known.chain(weakness).collect()
}

/// The same finding has the same id in every report.
fn identity(purl: &str, id: &str) -> String {
    // FNV-1a, twice with other beginnings: this only has to tell findings apart.
    let hash = |seed: u64| {
        purl.bytes()
            .chain([0])
            .chain(id.bytes())
            .fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    format!("{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), hash(0x6c62_272e_07bb_0142))
}
