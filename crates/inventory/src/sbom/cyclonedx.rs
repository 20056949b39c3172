//! CycloneDX 1.6 as JSON (ECMA-424, first edition).
//!
//! The image is the component the document is about; its packages follow, then the operating system. What
//! CycloneDX has no field for is in the properties that [`properties`] lists.

mod read;

use std::collections::HashMap;

use serde::Serialize;

pub(super) use self::read::{from_json, from_xml, recognises_json, recognises_xml};
use super::properties::Property;
use super::{Subject, license, properties};
use crate::model::{
    Component, ComponentKind, Confidence, Distro, Evidence, EvidenceKind, Inventory, RelationKind,
};

/// Writes the document, indented, with a line break at the end.
#[must_use]
pub fn write(inventory: &Inventory, subject: &Subject) -> Vec<u8> {
    let references = references(inventory);
    let mut components: Vec<Entry<'_>> =
        inventory.components.iter().zip(&references).map(|(component, id)| package(component, id)).collect();
    components.extend(inventory.distro.as_ref().map(operating_system));
    let bom = Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: subject.serial_number.as_deref(),
        version: 1,
        metadata: Metadata {
            timestamp: subject.timestamp.as_deref(),
            tools: Tools { components: vec![tool(subject)] },
            component: image(inventory, subject),
        },
        components,
        dependencies: dependencies(inventory, &references),
    };
    let mut bytes = serde_json::to_vec_pretty(&bom).expect("a document has string keys and plain values");
    bytes.push(b'\n');
    bytes
}

/// A `bom-ref` per component: its package URL, which is unique up to content that means to confuse.
fn references(inventory: &Inventory) -> Vec<String> {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    let number = |component: &'_ Component, count: u32| match count {
        1 => component.purl.clone(),
        _ => format!("{}#{count}", component.purl),
    };
    let each = inventory.components.iter().map(|component| {
        let count = seen.entry(&component.purl).or_default();
        *count += 1;
        number(component, *count)
    });
    each.collect()
}

fn tool(subject: &Subject) -> Entry<'_> {
    let version = Some(subject.tool_version.as_str()).filter(|version| !version.is_empty());
    Entry { version, ..Entry::new("application", "tidewaiter") }
}

fn image<'a>(inventory: &'a Inventory, subject: &'a Subject) -> Entry<'a> {
    Entry {
        bom_ref: Some("image"),
        version: subject.digest.as_deref(),
        properties: properties::listed(properties::of_image(inventory)),
        ..Entry::new("container", if subject.name.is_empty() { "image" } else { &subject.name })
    }
}

fn operating_system(distro: &Distro) -> Entry<'_> {
    Entry {
        bom_ref: Some("operating-system"),
        version: distro.version_id.as_deref().or(distro.codename.as_deref()),
        description: distro.pretty_name.as_deref(),
        ..Entry::new("operating-system", &distro.id)
    }
}

fn package<'a>(component: &'a Component, reference: &'a str) -> Entry<'a> {
    let mut facts = properties::of_package(component);
    facts.extend(component.cpes.iter().skip(1).map(|cpe| ("cpe", cpe.clone())));
    // Everything that is needed stands among the dependencies; what is built in has no place of its own.
    let contained = component.relations.iter().filter(|relation| relation.kind == RelationKind::Contains);
    facts.extend(contained.map(|relation| ("contains", relation.purl.clone())));
    // Scopes of npm packages and groups of Java artifacts have a field of their own.
    let parts = match component.kind {
        ComponentKind::Npm => component.name.split_once('/').filter(|(scope, _)| scope.starts_with('@')),
        ComponentKind::Maven => component.name.split_once(':'),
        _ => None,
    };
    let (group, name) = parts.map_or((None, component.name.as_str()), |(group, name)| (Some(group), name));
    Entry {
        bom_ref: Some(reference),
        supplier: component.vendor.as_deref().map(|name| Organisation { name }),
        publisher: component.maintainer.as_deref(),
        group,
        version: Some(&component.version),
        licenses: licenses(&component.licenses),
        cpe: component.cpes.first().map(String::as_str),
        purl: Some(&component.purl),
        properties: properties::listed(facts),
        evidence: proofs(&component.evidence),
        ..Entry::new("library", name)
    }
}

/// An expression must stand alone, so of several licences each is an identifier or a name.
fn licenses(licenses: &[String]) -> Vec<LicenseChoice<'_>> {
    if let [license] = licenses
        && !license::is_id(license)
        && license::is_expression(license)
    {
        return vec![LicenseChoice::Expression { expression: license }];
    }
    let each = licenses.iter().map(|license| {
        let license = match license::is_id(license) {
            true => License { id: Some(license), name: None },
            false => License { id: None, name: Some(license) },
        };
        LicenseChoice::License { license }
    });
    each.collect()
}

/// What proves a component, in the words of CycloneDX.
fn proofs(evidence: &[Evidence]) -> Option<Proofs> {
    let surest = evidence.iter().map(|evidence| evidence.confidence).max()?;
    let methods = evidence.iter().map(|evidence| Method {
        technique: technique(evidence.kind),
        confidence: probability(evidence.confidence),
        value: place(evidence),
    });
    let identity = Identity { field: "purl", confidence: probability(surest), methods: methods.collect() };
    let occurrences = evidence.iter().map(|evidence| Occurrence { location: place(evidence) });
    Some(Proofs { identity: vec![identity], occurrences: occurrences.collect() })
}

fn place(evidence: &Evidence) -> String {
    let member = evidence.member.iter().map(|member| format!("!/{member}")).collect::<String>();
    format!("{}{member}", evidence.path)
}

fn technique(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Database | EvidenceKind::Metadata | EvidenceKind::LockFile | EvidenceKind::Archive => {
            "manifest-analysis"
        }
        EvidenceKind::BuildInfo | EvidenceKind::Pattern => "binary-analysis",
        EvidenceKind::FileName => "filename",
        EvidenceKind::Sbom => "attestation",
    }
}

/// Ours has three steps and CycloneDX the numbers from 0 to 1.
fn probability(confidence: Confidence) -> f32 {
    match confidence {
        Confidence::Low => 0.3,
        Confidence::Medium => 0.7,
        Confidence::High => 1.0,
    }
}

/// Who needs whom. Every component that needs another has an entry, as the format asks for.
fn dependencies<'a>(inventory: &'a Inventory, references: &'a [String]) -> Vec<Dependency<'a>> {
    let each = inventory.components.iter().zip(references).filter_map(|(component, reference)| {
        let needed = component.relations.iter().filter(|relation| relation.kind == RelationKind::DependsOn);
        // Relations name package URLs, and those are the references of the first component that has them.
        let depends_on: Vec<_> = needed.map(|relation| relation.purl.as_str()).collect();
        (!depends_on.is_empty()).then_some(Dependency { reference, depends_on })
    });
    each.collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<&'a str>,
    version: u32,
    metadata: Metadata<'a>,
    components: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Dependency<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency<'a> {
    #[serde(rename = "ref")]
    reference: &'a str,
    depends_on: Vec<&'a str>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    tools: Tools<'a>,
    component: Entry<'a>,
}

#[derive(Serialize)]
struct Tools<'a> {
    components: Vec<Entry<'a>>,
}

/// A `component` object.
#[derive(Serialize, Default)]
struct Entry<'a> {
    r#type: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    bom_ref: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<Organisation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<LicenseChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpe: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Proofs>,
}

impl<'a> Entry<'a> {
    fn new(kind: &'static str, name: &'a str) -> Self {
        Self { r#type: kind, name, ..Self::default() }
    }
}

#[derive(Serialize)]
struct Organisation<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum LicenseChoice<'a> {
    License { license: License<'a> },
    Expression { expression: &'a str },
}

#[derive(Serialize)]
struct License<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Proofs {
    identity: Vec<Identity>,
    occurrences: Vec<Occurrence>,
}

#[derive(Serialize)]
struct Identity {
    field: &'static str,
    confidence: f32,
    methods: Vec<Method>,
}

#[derive(Serialize)]
struct Method {
    technique: &'static str,
    confidence: f32,
    value: String,
}

#[derive(Serialize)]
struct Occurrence {
    location: String,
}
