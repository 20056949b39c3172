//! SARIF 2.1.0, for code scanning: a rule for each vulnerability, a result for each package that has it. Members are
//! those that Docker Scout writes, and `properties.security-severity`, which GitHub sorts by.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidewaiter_advisory::Severity;

use crate::packages::{self, PackageFindings};
use crate::text::label;
use crate::{Report, ReportedFinding, link, weakness};

/// Writes the document, indented, with a line break at the end.
#[must_use]
pub fn write(report: &Report, tool_version: &str) -> Vec<u8> {
    let packages = packages::of(report);
    let mut rules: Vec<Value> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut results = Vec::new();
    for package in &packages {
        for finding in &package.findings {
            let place = *places.entry(&finding.id).or_insert_with(|| {
                let of_rule =
                    packages.iter().filter(|other| other.findings.iter().any(|one| one.id == finding.id));
                rules.push(rule(finding, of_rule.map(|package| package.purl.as_str()).collect()));
                rules.len() - 1
            });
            results.push(result(report, package, finding, place));
        }
    }
    let document = json!({
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{
            "tool": {"driver": {
                "name": "tidewaiter", "fullName": "Tidewaiter", "version": tool_version,
                "informationUri": "https://github.com/tidewaiter/tidewaiter", "rules": rules,
            }},
            "results": results,
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": report.gaps.iter().map(|gap| json!({
                    "level": "warning", "message": {"text": gap.text},
                })).collect::<Vec<_>>(),
            }],
        }],
    });
    to_bytes(&document)
}

pub(crate) fn to_bytes(document: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(document).expect("a document has string keys and plain values");
    bytes.push(b'\n');
    bytes
}

/// The conditions of the first range, one behind the other.
pub(crate) fn range(finding: &ReportedFinding) -> String {
    finding.affected.first().map(|affected| affected.range.join(" ")).unwrap_or_default()
}

/// What GitHub sorts by: the score, or for want of one the middle of what the severity stands for.
fn security_severity(finding: &ReportedFinding) -> String {
    let value = finding.score.as_ref().map_or(
        match finding.severity {
            Severity::Critical => 9.5,
            Severity::High => 8.0,
            Severity::Medium => 5.5,
            Severity::Low => 2.0,
            Severity::Negligible | Severity::Unknown => 0.0,
        },
        |score| score.value,
    );
    format!("{value:.1}")
}

fn rule(finding: &ReportedFinding, purls: Vec<&str>) -> Value {
    let title = finding.weakness.as_deref().map(|id| weakness::title(id).unwrap_or(id));
    let short = match title {
        Some(title) => format!("{}: {title}", finding.id),
        None => format!("{}: {}", finding.id, finding.summary),
    };
    let about = finding.description.as_deref().unwrap_or(&finding.summary);
    let fix = finding.fix.to_text();
    let markdown = format!(
        "> {}\n\n| | |\n|---|---|\n| Package | {} |\n| Affected range | `{}` |\n| Fixed version | {fix} |\n",
        about.replace('\n', "\n> "),
        purls.join("<br>"),
        range(finding),
    );
    json!({
        "id": finding.id,
        "name": "OsPackageVulnerability",
        "shortDescription": {"text": short},
        "fullDescription": {"text": if finding.summary.is_empty() { &finding.id } else { &finding.summary }},
        "helpUri": link(&finding.id),
        "help": {"text": about, "markdown": markdown},
        "defaultConfiguration": {"level": level(finding.severity)},
        "properties": {
            "affected_version": range(finding),
            "fixed_version": fix,
            "purls": purls,
            "cvssV3_severity": label(finding.severity),
            "security-severity": security_severity(finding),
            "tags": [label(finding.severity)],
        },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Negligible | Severity::Unknown => "note",
    }
}

fn result(report: &Report, package: &PackageFindings<'_>, finding: &ReportedFinding, rule: usize) -> Value {
    // GitHub refuses what lies nowhere.
    let path = finding.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("image");
    let lines = [
        ("Vulnerability", finding.id.as_str()),
        ("Severity", label(finding.severity)),
        ("Package", package.purl.as_str()),
        ("Affected range", &range(finding)),
        ("Fixed version", &finding.fix.to_text()),
    ];
    let lines: Vec<String> = lines.iter().map(|(name, value)| format!("  {name:<15}: {value}")).collect();
    json!({
        "ruleId": finding.id,
        "ruleIndex": rule,
        "kind": "fail",
        "level": level(finding.severity),
        "message": {"text": lines.join("\n")},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": encoded(path)},
            "region": {"startLine": 1},
        }, "message": {"text": report.image.name}}],
        "partialFingerprints": {"tidewaiter/v1": format!("{} {}", finding.id, package.purl)},
    })
}

/// A path as the relative reference that a URI wants.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~+@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
