//! Reading CycloneDX, JSON and XML, of any version: what is used of it has been the same since 1.0.

use std::collections::HashMap;

use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use crate::model::{Distro, Inventory, Relation, RelationKind};
use crate::sbom::reading::{Described, array, finish, layers, text};
use crate::sbom::{Document, Subject, properties};

/// Elements within elements that are followed.
const MAX_DEPTH: usize = 64;

/// Whether this is such a document.
pub(in crate::sbom) fn recognises_json(root: &Value) -> bool {
    root.get("bomFormat").and_then(Value::as_str) == Some("CycloneDX")
}

/// Whether these bytes begin like such a document.
pub(in crate::sbom) fn recognises_xml(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head.get(..2048).unwrap_or(head));
    head.trim_start_matches('\u{feff}').trim_start().starts_with('<')
        && head.contains("cyclonedx.org/schema/bom")
}

/// Reads the JSON form.
pub(in crate::sbom) fn from_json(root: &Value) -> Document {
    let mut inventory = Inventory::default();
    let metadata = root.get("metadata").unwrap_or(&Value::Null);
    let about = metadata.get("component").unwrap_or(&Value::Null);
    let subject = Subject {
        name: text(about, "name").unwrap_or_default(),
        digest: digest(about),
        timestamp: text(metadata, "timestamp"),
        serial_number: text(root, "serialNumber"),
        ..Subject::default()
    };
    let mut diff_ids = Vec::new();
    for (name, value) in properties::stated(about).into_iter().chain(properties::stated(metadata)) {
        match properties::ours(&name) {
            Some(name) => properties::apply_to_image(&mut inventory, name, &value),
            None if name == "aquasecurity:trivy:DiffID" => diff_ids.push(value),
            None => {}
        }
    }
    if inventory.image.layers.is_empty() {
        inventory.image.layers = layers(diff_ids.iter().map(String::as_str));
    }
    let mut pending: Vec<&Value> = array(root, "components").iter().rev().collect();
    let mut purls: HashMap<&str, String> = HashMap::new();
    let mut described = Vec::new();
    while let Some(component) = pending.pop() {
        pending.extend(array(component, "components").iter().rev());
        let kind = component.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind == "operating-system" && inventory.distro.is_none() {
            inventory.distro = operating_system(component);
        }
        let reference = component.get("bom-ref").and_then(Value::as_str).unwrap_or_default();
        let package = package(component, kind);
        if let Some(purl) = &package.purl {
            purls.insert(reference, purl.clone());
        }
        described.push((reference, package));
    }
    let mut needs: HashMap<&str, Vec<Relation>> = HashMap::new();
    for dependency in array(root, "dependencies") {
        let reference = dependency.get("ref").and_then(Value::as_str).unwrap_or_default();
        let needed = array(dependency, "dependsOn").iter().filter_map(Value::as_str);
        let needed = needed.filter_map(|needed| purls.get(needed));
        let relations = needed.map(|purl| Relation { kind: RelationKind::DependsOn, purl: purl.clone() });
        needs.entry(reference).or_default().extend(relations);
    }
    for (reference, mut package) in described {
        package.relations = needs.remove(reference).unwrap_or_default();
        inventory.components.extend(package.component());
    }
    Document { subject, inventory: finish(inventory) }
}

/// The digest of the image: as version, or in the package URL that trivy and others give images.
fn digest(about: &Value) -> Option<String> {
    let version = text(about, "version").filter(|version| version.starts_with("sha256:"));
    version.or_else(|| {
        let purl = crate::purl::Purl::parse(about.get("purl")?.as_str()?)?;
        Some(purl.version).filter(|version| version.starts_with("sha256:"))
    })
}

fn operating_system(component: &Value) -> Option<Distro> {
    let facts = properties::stated(component);
    let fact = |name: &str| facts.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let id = fact("syft:distro:id").or_else(|| text(component, "name"))?;
    Some(Distro {
        id: id.to_lowercase(),
        version_id: fact("syft:distro:versionID").or_else(|| text(component, "version")),
        codename: fact("syft:distro:versionCodename"),
        pretty_name: fact("syft:distro:prettyName").or_else(|| text(component, "description")),
        ..Distro::default()
    })
}

fn package(component: &Value, kind: &str) -> Described {
    let supplier = component.get("supplier").unwrap_or(&Value::Null);
    Described {
        purl: text(component, "purl"),
        group: text(component, "group"),
        name: text(component, "name").unwrap_or_default(),
        version: text(component, "version").unwrap_or_default(),
        licenses: array(component, "licenses").iter().filter_map(license).collect(),
        cpes: text(component, "cpe").into_iter().collect(),
        vendor: text(supplier, "name"),
        maintainer: text(component, "publisher"),
        is_software: matches!(kind, "library" | "framework" | "application"),
        facts: properties::stated(component),
        relations: Vec::new(),
    }
}

fn license(choice: &Value) -> Option<String> {
    let license = choice.get("license").unwrap_or(&Value::Null);
    text(choice, "expression").or_else(|| text(license, "id")).or_else(|| text(license, "name"))
}

/// Reads the XML form, by way of the same document as JSON.
pub(in crate::sbom) fn from_xml(bytes: &[u8]) -> Result<Document, String> {
    let mut reader = quick_xml::Reader::from_reader(bytes);
    let mut open: Vec<Element> = Vec::new();
    loop {
        let position = reader.buffer_position();
        let fail =
            |reason: &dyn std::fmt::Display| format!("it is not well-formed at byte {position}: {reason}");
        match reader.read_event().map_err(|error| fail(&error))? {
            Event::Start(start) if open.len() < MAX_DEPTH => open.push(Element::new(&start)),
            Event::Start(_) => return Err(fail(&"its elements are nested too deeply")),
            Event::Empty(start) => {
                let element = Element::new(&start);
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Err(fail(&"it is empty")),
                }
            }
            Event::End(_) => {
                let Some(done) = open.pop() else { return Err(fail(&"an element ends that never began")) };
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return Ok(from_json(&done.document())),
                }
            }
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text.xml10_content().map_err(|error| fail(&error))?);
                }
            }
            Event::CData(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&String::from_utf8_lossy(&text));
                }
            }
            Event::GeneralRef(name) => {
                let character = match name.resolve_char_ref() {
                    Ok(Some(character)) => character.to_string(),
                    _ => entity(&name).to_owned(),
                };
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&character);
                }
            }
            Event::Eof => return Err(fail(&"it ends too early")),
            _ => {}
        }
    }
}

/// The five entities that need no declaration; others are left out, for declarations are not followed.
fn entity(name: &[u8]) -> &'static str {
    match name {
        b"lt" => "<",
        b"gt" => ">",
        b"amp" => "&",
        b"quot" => "\"",
        b"apos" => "'",
        _ => "",
    }
}

#[derive(Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Self>,
}

impl Element {
    fn new(start: &BytesStart<'_>) -> Self {
        let attributes = start.attributes().flatten().filter_map(|attribute| {
            let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?.into_owned();
            Some((String::from_utf8_lossy(attribute.key.local_name().as_ref()).into_owned(), value))
        });
        Self {
            name: String::from_utf8_lossy(start.local_name().as_ref()).into_owned(),
            attributes: attributes.collect(),
            ..Self::default()
        }
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    fn children_of(&self, name: &str) -> &[Self] {
        self.child(name).map_or(&[], |child| &child.children)
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| Value::from(value.as_str()))
    }

    fn value(&self, name: &str) -> Option<Value> {
        self.child(name).map(|child| Value::from(child.text.trim()))
    }

    /// The whole document as its JSON form.
    fn document(&self) -> Value {
        let mut root = Map::new();
        root.extend(self.attribute("serialNumber").map(|value| ("serialNumber".to_owned(), value)));
        if let Some(metadata) = self.child("metadata") {
            let mut about = Map::new();
            about.extend(metadata.value("timestamp").map(|value| ("timestamp".to_owned(), value)));
            about.extend(metadata.child("component").map(|one| ("component".to_owned(), one.component())));
            about.insert("properties".to_owned(), metadata.properties());
            root.insert("metadata".to_owned(), about.into());
        }
        let components = self.children_of("components").iter().map(Self::component);
        root.insert("components".to_owned(), components.collect());
        let dependencies = self.children_of("dependencies").iter().map(|dependency| {
            let needed = dependency.children.iter().filter_map(|needed| needed.attribute("ref"));
            serde_json::json!({"ref": dependency.attribute("ref"), "dependsOn": needed.collect::<Value>()})
        });
        root.insert("dependencies".to_owned(), dependencies.collect());
        root.into()
    }

    fn component(&self) -> Value {
        let mut component = Map::new();
        for key in ["type", "bom-ref"] {
            component.extend(self.attribute(key).map(|value| (key.to_owned(), value)));
        }
        for key in ["group", "name", "version", "description", "publisher", "purl", "cpe"] {
            component.extend(self.value(key).map(|value| (key.to_owned(), value)));
        }
        if let Some(name) = self.child("supplier").and_then(|supplier| supplier.value("name")) {
            component.insert("supplier".to_owned(), serde_json::json!({ "name": name }));
        }
        let licenses = self.children_of("licenses").iter().map(|license| match license.name.as_str() {
            "expression" => serde_json::json!({"expression": license.text.trim()}),
            _ => serde_json::json!({"license": {"id": license.value("id"), "name": license.value("name")}}),
        });
        component.insert("licenses".to_owned(), licenses.collect());
        component.insert("properties".to_owned(), self.properties());
        let components = self.children_of("components").iter().map(Self::component);
        component.insert("components".to_owned(), components.collect());
        component.into()
    }

    fn properties(&self) -> Value {
        let each = self.children_of("properties").iter();
        each.map(|one| serde_json::json!({"name": one.attribute("name"), "value": one.text.trim()})).collect()
    }
}
