//! Bills of materials with what is wrong: CycloneDX with its vulnerabilities, SPDX with links to advisories, Scout's JSON
//! with its list of vulnerabilities. Each is the document that the inventory gives, and more.

use serde_json::{Map, Value, json};
use tidewaiter_advisory::{FixState, Severity};
use tidewaiter_inventory::Inventory;
use tidewaiter_inventory::sbom::{Format, Subject};

use crate::sarif::{range, to_bytes};
use crate::text::label;
use crate::{Report, ReportedFinding, link, packages, weakness};

/// CycloneDX 1.6 with vulnerabilities.
#[must_use]
pub fn cyclonedx(inventory: &Inventory, subject: &Subject, report: &Report) -> Vec<u8> {
    let findings = report.findings.iter().map(|finding| cyclonedx_finding(finding, None));
    let suppressed = report.suppressed.iter().filter_map(|one| {
        let component =
            inventory.components.iter().find(|component| component.purl == one.finding.component)?;
        let finding = ReportedFinding::new(&one.finding, component, &component.evidence);
        Some(cyclonedx_finding(&finding, Some(&one.reason)))
    });
    let vulnerabilities: Vec<Value> = findings.chain(suppressed).collect();
    with_member(Format::Cyclonedx.write(inventory, subject), "vulnerabilities", Value::Array(vulnerabilities))
}

fn cyclonedx_finding(finding: &ReportedFinding, suppressed: Option<&str>) -> Value {
    let severity = match finding.severity {
        Severity::Negligible => "info",
        other => other.as_str(),
    };
    let mut rating = json!({"severity": severity, "source": {"name": source(finding)}});
    if let Some(score) = &finding.score {
        rating["score"] = json!(score.value);
        rating["vector"] = json!(score.vector);
        rating["method"] = json!(match score.vector.get(..8) {
            Some("CVSS:4.0") => "CVSSv4",
            Some("CVSS:3.1") => "CVSSv31",
            Some("CVSS:3.0") => "CVSSv3",
            _ => "CVSSv2",
        });
    }
    let mut one = Map::new();
    one.insert("id".to_owned(), json!(finding.id));
    one.insert("source".to_owned(), json!({"name": "OSV", "url": link(&finding.id)}));
    let references = finding.aliases.iter().map(|alias| json!({"id": alias, "source": {"url": link(alias)}}));
    let references: Vec<Value> = references.collect();
    if !references.is_empty() {
        one.insert("references".to_owned(), Value::Array(references));
    }
    one.insert("ratings".to_owned(), json!([rating]));
    let number = finding.weakness.as_deref().and_then(|id| id.strip_prefix("CWE-")?.parse::<u32>().ok());
    if let Some(number) = number {
        one.insert("cwes".to_owned(), json!([number]));
    }
    one.insert("description".to_owned(), json!(finding.description.as_deref().unwrap_or(&finding.summary)));
    one.insert(
        "recommendation".to_owned(),
        json!(match finding.fix.is_available() {
            true => format!("Upgrade {} to {}", finding.package.name, finding.fix.to_text()),
            false => finding.fix.to_text(),
        }),
    );
    for (name, time) in [("published", finding.published), ("updated", finding.modified)] {
        if let Some(time) = time {
            one.insert(name.to_owned(), json!(time.to_string()));
        }
    }
    let response = match finding.fix.state {
        FixState::Fixed => Some("update"),
        FixState::WontFix | FixState::EndOfLife => Some("will_not_fix"),
        _ => None,
    };
    let mut analysis = json!({});
    if let Some(reason) = suppressed {
        analysis = json!({"state": "not_affected", "detail": reason});
    } else if let Some(response) = response {
        analysis = json!({"state": "exploitable", "response": [response], "detail": finding.explanation});
    }
    if analysis.as_object().is_some_and(|members| !members.is_empty()) {
        one.insert("analysis".to_owned(), analysis);
    }
    one.insert("affects".to_owned(), json!([{
        "ref": finding.package.purl,
        "versions": [{"version": finding.package.version, "status": if suppressed.is_some() { "unaffected" } else { "affected" }}],
    }]));
    Value::Object(one)
}

fn source(finding: &ReportedFinding) -> String {
    serde_json::to_value(finding.severity_source)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// SPDX 2.3; every vulnerability is a reference of its package.
#[must_use]
pub fn spdx(inventory: &Inventory, subject: &Subject, report: &Report) -> Vec<u8> {
    let bytes = Format::Spdx.write(inventory, subject);
    let Ok(mut document) = serde_json::from_slice::<Value>(&bytes) else { return bytes };
    for package in document.get_mut("packages").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(references) = package.get_mut("externalRefs").and_then(Value::as_array_mut) else {
            continue;
        };
        let purl = references.iter().find(|one| one["referenceType"] == "purl");
        let Some(purl) = purl.and_then(|one| one["referenceLocator"].as_str()).map(str::to_owned) else {
            continue;
        };
        for finding in report.findings.iter().filter(|finding| finding.package.purl == purl) {
            references.push(json!({
                "referenceCategory": "SECURITY", "referenceType": "advisory", "referenceLocator": link(&finding.id),
                "comment": format!("{} {} (fixed version: {})", label(finding.severity), finding.id, finding.fix.to_text()),
            }));
        }
    }
    to_bytes(&document)
}

/// The JSON of Docker Scout, vulnerabilities included (structure of its public predecessor).
#[must_use]
pub fn scout(inventory: &Inventory, subject: &Subject, report: &Report) -> Vec<u8> {
    let by_package = packages::of(report).into_iter().map(|package| {
        let vulnerabilities = package.findings.iter().map(|finding| {
            let cwes: Vec<Value> = finding
                .weakness
                .iter()
                .map(|id| json!({"cwe_id": id, "description": weakness::title(id).unwrap_or_default()}))
                .collect();
            json!({
                "source": source(finding), "source_id": finding.id, "aliases": finding.aliases,
                "description": finding.description.as_deref().unwrap_or(&finding.summary),
                "vulnerable_range": range(finding), "fixed_by": finding.fix.versions.join(", "), "fix": finding.fix,
                "url": link(&finding.id), "published_at": finding.published, "updated_at": finding.modified, "cwes": cwes,
                "cvss": {
                    "severity": label(finding.severity),
                    "score": finding.score.as_ref().map(|score| format!("{:.1}", score.value)),
                    "vector": finding.score.as_ref().map(|score| &score.vector),
                },
                "epss": finding.epss, "cisa_exploited": finding.kev.is_some(),
            })
        });
        json!({"purl": package.purl, "vulnerabilities": vulnerabilities.collect::<Vec<_>>()})
    });
    let by_package = Value::Array(by_package.collect());
    let bytes = Format::Json.write(inventory, subject);
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(mut document) => {
            document["vulnerabilities"] = by_package;
            to_bytes(&document)
        }
        Err(_) => bytes,
    }
}

/// Adds a member at the end of a document, and leaves all before it in its order.
fn with_member(mut document: Vec<u8>, name: &str, value: Value) -> Vec<u8> {
    const END: &[u8] = b"\n}\n";
    if document.ends_with(END) {
        document.truncate(document.len() - END.len());
        let text = String::from_utf8(to_bytes(&value)).unwrap_or_default();
        document.extend_from_slice(
            format!(",\n  \"{name}\": {}", text.trim_end().replace('\n', "\n  ")).as_bytes(),
        );
        document.extend_from_slice(END);
    }
    document
}
