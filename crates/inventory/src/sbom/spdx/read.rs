//! Reading SPDX 2.2 and 2.3 as JSON.

use std::collections::HashMap;

use serde_json::Value;

use crate::model::{ComponentKind, Inventory, Relation, RelationKind};
use crate::sbom::reading::{Described, array, finish, text};
use crate::sbom::{Document, Subject, properties};

/// Whether this is such a document.
pub(in crate::sbom) fn recognises(root: &Value) -> bool {
    let version = root.get("spdxVersion").and_then(Value::as_str);
    version.is_some_and(|version| version.starts_with("SPDX-2."))
}

/// Reads the document.
pub(in crate::sbom) fn from_json(root: &Value) -> Document {
    let described = described(root);
    let mut inventory = Inventory::default();
    let mut subject = Subject {
        name: text(root, "name").unwrap_or_default(),
        timestamp: root.get("creationInfo").and_then(|info| text(info, "created")),
        ..Subject::default()
    };
    let mut packages = Vec::new();
    let mut purls = HashMap::new();
    for package in array(root, "packages") {
        let id = package.get("SPDXID").and_then(Value::as_str).unwrap_or_default();
        if described.contains(&id) && is_image(package) {
            subject.name = text(package, "name").unwrap_or(subject.name);
            subject.digest = text(package, "versionInfo").filter(|version| version.starts_with("sha256:"));
            for (name, value) in facts(package) {
                if let Some(name) = properties::ours(&name) {
                    properties::apply_to_image(&mut inventory, name, &value);
                }
            }
            continue;
        }
        let package = read_package(package);
        if let Some(purl) = &package.purl {
            purls.insert(id, purl.clone());
        }
        packages.push((id, package));
    }
    let mut relations = relations(root, &purls);
    for (id, mut package) in packages {
        package.relations = relations.remove(id).unwrap_or_default();
        inventory.components.extend(package.component());
    }
    Document { subject, inventory: finish(inventory) }
}

/// What the document is about.
fn described(root: &Value) -> Vec<&str> {
    let listed = array(root, "documentDescribes").iter().filter_map(Value::as_str);
    let relations = array(root, "relationships").iter().filter_map(|relation| {
        let kind = relation.get("relationshipType").and_then(Value::as_str)?;
        (kind == "DESCRIBES").then(|| relation.get("relatedSpdxElement").and_then(Value::as_str))?
    });
    listed.chain(relations).collect()
}

/// A document may also describe the very packages it lists.
fn is_image(package: &Value) -> bool {
    let purl = external(package, "purl").next();
    let purpose = package.get("primaryPackagePurpose").and_then(Value::as_str);
    purpose == Some("CONTAINER")
        || purl.as_deref().is_none_or(|purl| purl.starts_with("pkg:oci/") || purl.starts_with("pkg:docker/"))
}

fn external<'a>(package: &'a Value, kind: &'a str) -> impl Iterator<Item = String> + 'a {
    let each = array(package, "externalRefs").iter();
    let of_kind = each.filter(move |reference| {
        reference.get("referenceType").and_then(Value::as_str).is_some_and(|has| has.ends_with(kind))
    });
    of_kind.filter_map(|reference| text(reference, "referenceLocator"))
}

fn read_package(package: &Value) -> Described {
    let declared = ["licenseDeclared", "licenseConcluded"].into_iter();
    let mut licenses = declared.filter_map(|key| text(package, key)).filter(|license| is_stated(license));
    let person = |key: &str| {
        let value = text(package, key).filter(|value| is_stated(value))?;
        let name = value.strip_prefix("Person: ").or_else(|| value.strip_prefix("Organization: "));
        Some(name.unwrap_or(&value).to_owned())
    };
    Described {
        purl: external(package, "purl").next(),
        name: text(package, "name").unwrap_or_default(),
        version: text(package, "versionInfo").unwrap_or_default(),
        licenses: licenses.next().into_iter().collect(),
        cpes: external(package, "cpe23Type").collect(),
        vendor: person("supplier"),
        maintainer: person("originator"),
        is_software: false,
        group: None,
        facts: facts(package),
        relations: Vec::new(),
    }
    .with_places(package)
}

impl Described {
    /// Where syft says in a sentence what it found a package in.
    fn with_places(mut self, package: &Value) -> Self {
        let is_ours = self.facts.iter().any(|(name, _)| properties::ours(name).is_some());
        let sentence = text(package, "sourceInfo").filter(|_| !is_ours).unwrap_or_default();
        if let Some((_, places)) = sentence.split_once(": ") {
            let each = places.split(", ").filter(|place| place.starts_with('/'));
            let facts = (0..)
                .zip(each)
                .map(|(n, place): (u32, &str)| (format!("syft:location:{n}:path"), place.to_owned()));
            self.facts.extend(facts.collect::<Vec<_>>());
        }
        // Suppliers of a document of others are as often the maintainer; only vendors of RPM packages decide.
        let kind = self.purl.as_deref().and_then(crate::purl::Purl::parse).map(|purl| purl.component_kind());
        if !is_ours && kind != Some(ComponentKind::Rpm) && self.maintainer.is_none() {
            self.maintainer = self.vendor.take();
        }
        self
    }
}

pub(super) fn is_stated(value: &str) -> bool {
    !matches!(value, "NOASSERTION" | "NONE")
}

/// Facts in annotations (ours, trivy's) and in attribution texts (trivy's of before).
fn facts(package: &Value) -> Vec<(String, String)> {
    let comments = array(package, "annotations").iter().filter_map(|annotation| text(annotation, "comment"));
    let texts = array(package, "attributionTexts").iter().filter_map(Value::as_str).map(str::to_owned);
    let split = |line: String| {
        let (name, value) = line.split_once(": ")?;
        let name = match properties::ours(name) {
            Some(_) => name.to_owned(),
            None => format!("aquasecurity:trivy:{name}"),
        };
        Some((name, value.to_owned()))
    };
    comments.chain(texts).filter_map(split).collect()
}

fn relations<'a>(root: &'a Value, purls: &HashMap<&str, String>) -> HashMap<&'a str, Vec<Relation>> {
    let mut found: HashMap<&str, Vec<Relation>> = HashMap::new();
    for relation in array(root, "relationships") {
        let part = |key: &str| relation.get(key).and_then(Value::as_str);
        let ends = (part("spdxElementId"), part("relatedSpdxElement"), part("relationshipType"));
        let (Some(one), Some(other), Some(kind)) = ends else { continue };
        let (from, kind, to) = match kind {
            "DEPENDS_ON" => (one, RelationKind::DependsOn, other),
            "DEPENDENCY_OF" => (other, RelationKind::DependsOn, one),
            "CONTAINS" => (one, RelationKind::Contains, other),
            _ => continue,
        };
        if let Some(purl) = purls.get(to) {
            found.entry(from).or_default().push(Relation { kind, purl: purl.clone() });
        }
    }
    found
}
