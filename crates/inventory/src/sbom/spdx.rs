//! SPDX 2.3 as JSON (ISO/IEC 5962, and the schema of release 2.3).
//!
//! The image is the package the document describes; its packages follow. What SPDX has no field for is in
//! annotations of type `OTHER` whose comment is `NAME: VALUE`, with the names that [`properties`] lists.

mod read;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

pub(super) use self::read::{from_json, recognises};
use super::properties::Fact;
use super::{Subject, license, properties};
use crate::model::{Component, Inventory, RelationKind};

/// What stands for a fact that nobody looked for.
const NO_ASSERTION: &str = "NOASSERTION";
/// The package that the document describes.
const ROOT: &str = "SPDXRef-DocumentRoot";
/// When nobody says when: the format wants a time.
const NO_TIME: &str = "1970-01-01T00:00:00Z";

/// Writes the document, indented, with a line break at the end.
#[must_use]
pub fn write(inventory: &Inventory, subject: &Subject) -> Vec<u8> {
    let tool = format!("tidewaiter-{}", subject.tool_version);
    let note =
        Note { annotator: format!("Tool: {tool}"), date: subject.timestamp.as_deref().unwrap_or(NO_TIME) };
    let identifiers: Vec<String> =
        (0..).zip(&inventory.components).map(|(n, one)| identifier(n, one)).collect();
    let mut references = BTreeMap::new();
    let mut packages = vec![image(inventory, subject, &note)];
    for (component, identifier) in inventory.components.iter().zip(&identifiers) {
        packages.push(package(component, identifier, &note, &mut references));
    }
    let name = if subject.name.is_empty() { "image" } else { &subject.name };
    let document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: "SPDXRef-DOCUMENT",
        name,
        document_namespace: subject.identity(),
        creation_info: CreationInfo { creators: vec![note.annotator.clone()], created: note.date },
        document_describes: vec![ROOT],
        packages,
        relationships: relationships(inventory, &identifiers),
        has_extracted_licensing_infos: references
            .into_iter()
            .map(|(license_id, name)| ExtractedLicense { license_id, extracted_text: name.clone(), name })
            .collect(),
    };
    let mut bytes =
        serde_json::to_vec_pretty(&document).expect("a document has string keys and plain values");
    bytes.push(b'\n');
    bytes
}

/// Letters, digits, `.` and `-`, which is all that SPDX allows; the number makes it unique.
fn identifier(number: usize, component: &Component) -> String {
    let plain = component.name.chars().map(|character| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' => character,
        _ => '-',
    });
    let plain: String = plain.take(60).collect();
    format!("SPDXRef-Package-{}-{plain}-{number}", component.kind.purl_type())
}

/// What every annotation says of itself.
struct Note<'a> {
    annotator: String,
    date: &'a str,
}

impl<'a> Note<'a> {
    fn all(&self, facts: Vec<Fact>) -> Vec<Annotation<'a>> {
        let each = facts.into_iter().map(|(name, value)| Annotation {
            annotator: self.annotator.clone(),
            annotation_date: self.date,
            annotation_type: "OTHER",
            comment: format!("{}: {value}", properties::spelled(name)),
        });
        each.collect()
    }
}

fn image<'a>(inventory: &'a Inventory, subject: &'a Subject, note: &Note<'a>) -> Package<'a> {
    let digest = subject.digest.as_deref().and_then(|digest| digest.strip_prefix("sha256:"));
    Package {
        primary_package_purpose: "CONTAINER",
        version_info: subject.digest.as_deref(),
        checksums: digest
            .map(|value| Checksum { algorithm: "SHA256", checksum_value: value })
            .into_iter()
            .collect(),
        annotations: note.all(properties::of_image(inventory)),
        ..Package::new(ROOT, if subject.name.is_empty() { "image" } else { &subject.name })
    }
}

fn package<'a>(
    component: &'a Component,
    identifier: &'a str,
    note: &Note<'a>,
    references: &mut BTreeMap<String, String>,
) -> Package<'a> {
    let declared = license::declared(&component.licenses);
    let mut facts = properties::of_package(component);
    // An expression of several parts, or of references, does not give the list back.
    let is_plain = matches!(component.licenses.as_slice(), [one] if declared.expression.as_ref() == Some(one) && read::is_stated(one));
    if !is_plain {
        facts.extend(component.licenses.iter().map(|license| ("license", license.clone())));
    }
    references.extend(declared.references);
    let purl = ExternalRef {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: &component.purl,
    };
    let cpes = component.cpes.iter().map(|cpe| ExternalRef {
        reference_category: "SECURITY",
        reference_type: "cpe23Type",
        reference_locator: cpe,
    });
    let places = component.evidence.iter().map(|evidence| evidence.path.as_str()).take(3);
    let source_info = format!("found by way of {}", places.collect::<Vec<_>>().join(", "));
    Package {
        primary_package_purpose: "LIBRARY",
        version_info: Some(&component.version).filter(|version| !version.is_empty()).map(String::as_str),
        supplier: component.vendor.as_ref().map(|vendor| format!("Organization: {vendor}")),
        originator: component.maintainer.as_ref().map(|maintainer| format!("Person: {maintainer}")),
        license_declared: declared.expression.unwrap_or_else(|| NO_ASSERTION.to_owned()),
        source_info: Some(source_info).filter(|_| !component.evidence.is_empty()),
        external_refs: std::iter::once(purl).chain(cpes).collect(),
        annotations: note.all(facts),
        ..Package::new(identifier, &component.name)
    }
}

fn relationships<'a>(inventory: &'a Inventory, identifiers: &'a [String]) -> Vec<Relationship<'a>> {
    let mut by_purl: HashMap<&str, &str> = HashMap::new();
    for (component, identifier) in inventory.components.iter().zip(identifiers) {
        by_purl.entry(&component.purl).or_insert(identifier);
    }
    let relation = |from, kind, to| Relationship {
        spdx_element_id: from,
        relationship_type: kind,
        related_spdx_element: to,
    };
    let mut all = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", ROOT)];
    all.extend(identifiers.iter().map(|identifier| relation(ROOT, "CONTAINS", identifier)));
    for (component, identifier) in inventory.components.iter().zip(identifiers) {
        let known = component
            .relations
            .iter()
            .filter_map(|edge| Some((edge.kind, *by_purl.get(edge.purl.as_str())?)));
        all.extend(known.map(|(kind, other)| match kind {
            RelationKind::DependsOn => relation(identifier, "DEPENDS_ON", other),
            RelationKind::Contains => relation(identifier, "CONTAINS", other),
        }));
    }
    all
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: &'a str,
    document_namespace: String,
    creation_info: CreationInfo<'a>,
    document_describes: Vec<&'static str>,
    packages: Vec<Package<'a>>,
    relationships: Vec<Relationship<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    has_extracted_licensing_infos: Vec<ExtractedLicense>,
}

#[derive(Serialize)]
struct CreationInfo<'a> {
    creators: Vec<String>,
    created: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package<'a> {
    #[serde(rename = "SPDXID")]
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<&'a str>,
    primary_package_purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    originator: Option<String>,
    download_location: &'static str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation<'a>>,
}

impl<'a> Package<'a> {
    fn new(id: &'a str, name: &'a str) -> Self {
        Self {
            id,
            name,
            version_info: None,
            primary_package_purpose: "",
            supplier: None,
            originator: None,
            download_location: NO_ASSERTION,
            files_analyzed: false,
            checksums: Vec::new(),
            source_info: None,
            license_concluded: NO_ASSERTION,
            license_declared: NO_ASSERTION.to_owned(),
            copyright_text: NO_ASSERTION,
            external_refs: Vec::new(),
            annotations: Vec::new(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum<'a> {
    algorithm: &'static str,
    checksum_value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef<'a> {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation<'a> {
    annotator: String,
    annotation_date: &'a str,
    annotation_type: &'static str,
    comment: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship<'a> {
    spdx_element_id: &'a str,
    relationship_type: &'static str,
    related_spdx_element: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtractedLicense {
    license_id: String,
    extracted_text: String,
    name: String,
}
