//! CycloneDX with `analysis` of vulnerabilities.

use serde::Deserialize;
use serde_json::Value;

use super::{Product, Statement, VexStatus};

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    timestamp: Option<String>,
    #[serde(default)]
    authors: Vec<Contact>,
    supplier: Option<Contact>,
}

#[derive(Deserialize)]
struct Contact {
    #[serde(default)]
    name: String,
    email: Option<String>,
}

#[derive(Deserialize)]
struct Vulnerability {
    id: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
    analysis: Option<Analysis>,
    #[serde(default)]
    affects: Vec<Affected>,
    updated: Option<String>,
}

#[derive(Deserialize)]
struct Reference {
    id: Option<String>,
}

#[derive(Deserialize)]
struct Analysis {
    state: Option<String>,
    justification: Option<String>,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct Affected {
    #[serde(rename = "ref")]
    reference: String,
}

pub(super) fn recognises(root: &Value) -> bool {
    root.get("bomFormat").and_then(Value::as_str) == Some("CycloneDX")
}

pub(super) fn read(name: &str, root: Value) -> Result<Vec<Statement>, serde_json::Error> {
    let document: Document = serde_json::from_value(root)?;
    let contacts = document.metadata.authors.iter().chain(&document.metadata.supplier);
    let author = contacts.map(Contact::describe).next().unwrap_or_default();
    let each = document.vulnerabilities.into_iter().filter_map(|one| {
        let analysis = one.analysis?;
        let status = match analysis.state?.as_str() {
            "not_affected" | "false_positive" => VexStatus::NotAffected,
            "exploitable" => VexStatus::Affected,
            "resolved" | "resolved_with_pedigree" => VexStatus::Fixed,
            "in_triage" => VexStatus::UnderInvestigation,
            _ => return None,
        };
        let at = one.updated.or_else(|| document.metadata.timestamp.clone());
        Some(Statement {
            document: name.to_owned(),
            author: author.clone(),
            vulnerability: one
                .id
                .into_iter()
                .chain(one.references.into_iter().filter_map(|one| one.id))
                .collect(),
            products: one.affects.into_iter().filter_map(|affected| product(&affected.reference)).collect(),
            status,
            justification: analysis.justification,
            text: analysis.detail,
            at: at.and_then(|at| at.parse().ok()),
        })
    });
    Ok(each.collect())
}

/// A reference into this document, or into another (BOM-Link: `urn:cdx:serial/version#ref`). References are package URLs
/// wherever documents are made by tools; what is none means the whole.
fn product(reference: &str) -> Option<Product> {
    let inner = reference
        .split_once('#')
        .filter(|_| reference.starts_with("urn:cdx:"))
        .map_or(reference, |(_, inner)| inner);
    let decoded = inner.replace("%3A", ":").replace("%2F", "/").replace("%40", "@");
    let purl = if inner.starts_with("pkg:") { inner.to_owned() } else { decoded };
    purl.starts_with("pkg:").then(|| Product { id: purl, parts: Vec::new() })
}

impl Contact {
    fn describe(&self) -> String {
        match &self.email {
            Some(email) => format!("{} <{email}>", self.name),
            None => self.name.clone(),
        }
    }
}
