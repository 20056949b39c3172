//! Reading the JSON of syft (its own format, of any schema version since 1.0).

use serde_json::Value;

use super::reading::{Described, array, finish, layers, seen_at, text};
use super::{Document, Subject};
use crate::model::{Distro, Inventory};

/// Whether this is such a document.
pub(super) fn recognises(root: &Value) -> bool {
    let schema = root.get("schema").and_then(|schema| schema.get("url")).and_then(Value::as_str);
    schema.is_some_and(|url| url.contains("/syft/"))
        || root.get("artifactRelationships").is_some() && root.get("artifacts").is_some()
}

/// Reads the document.
pub(super) fn from_json(root: &Value) -> Document {
    let metadata = root.get("source").and_then(|source| source.get("metadata")).unwrap_or(&Value::Null);
    let subject = Subject {
        name: text(metadata, "userInput").unwrap_or_default(),
        digest: text(metadata, "manifestDigest"),
        tags: array(metadata, "tags").iter().filter_map(|tag| Some(tag.as_str()?.to_owned())).collect(),
        ..Subject::default()
    };
    let mut inventory = Inventory::default();
    inventory.image.os = text(metadata, "os").unwrap_or_default();
    inventory.image.architecture = text(metadata, "architecture").unwrap_or_default();
    let diff_ids = array(metadata, "layers").iter().filter_map(|layer| layer.get("digest")?.as_str());
    inventory.image.layers = layers(diff_ids);
    let distro = root.get("distro").unwrap_or(&Value::Null);
    inventory.distro = text(distro, "id").map(|id| Distro {
        id,
        version_id: text(distro, "versionID"),
        codename: text(distro, "versionCodename"),
        pretty_name: text(distro, "prettyName"),
        id_like: array(distro, "idLike").iter().filter_map(|id| Some(id.as_str()?.to_owned())).collect(),
    });
    for artifact in array(root, "artifacts") {
        let Some(mut component) = package(artifact).component() else { continue };
        component.evidence.extend(array(artifact, "locations").iter().filter_map(|place| {
            Some(seen_at(&text(place, "path")?, text(place, "layerID").unwrap_or_default()))
        }));
        inventory.components.push(component);
    }
    Document { subject, inventory: finish(inventory) }
}

fn package(artifact: &Value) -> Described {
    let metadata = artifact.get("metadata").unwrap_or(&Value::Null);
    let stated = array(artifact, "licenses").iter();
    // Newer schemas have objects, older ones texts.
    let licenses = stated.filter_map(|license| {
        text(license, "spdxExpression")
            .or_else(|| text(license, "value"))
            .or_else(|| Some(license.as_str()?.to_owned()))
    });
    let cpes = array(artifact, "cpes").iter();
    let cpes = cpes.filter_map(|cpe| text(cpe, "cpe").or_else(|| Some(cpe.as_str()?.to_owned())));
    let named = ["source", "sourceVersion", "originPackage", "sourceRpm", "modularityLabel"];
    let facts =
        named.into_iter().filter_map(|key| Some((format!("syft:metadata:{key}"), text(metadata, key)?)));
    Described {
        purl: text(artifact, "purl"),
        name: text(artifact, "name").unwrap_or_default(),
        version: text(artifact, "version").unwrap_or_default(),
        licenses: licenses.collect(),
        cpes: cpes.collect(),
        vendor: text(metadata, "vendor"),
        maintainer: text(metadata, "maintainer"),
        is_software: true,
        facts: facts.collect(),
        ..Described::default()
    }
}
