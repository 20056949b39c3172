//! The JSON of Docker Scout's `sbom` (structure of its public predecessor, docker/index-cli-plugin, `types.go`).
//!
//! Each package of an operating system is there twice, as Scout has it: itself, and the source package that it
//! names as `parent`. Package URLs name the system in the qualifiers `os_name`, `os_version` and `os_distro`.
//! What the form has no field for is in `properties`, names and values as [`properties`] lists them.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::properties::Property;
use super::reading::{Described, array, finish, layers, seen_at, text};
use super::{Document, Subject, properties};
use crate::model::{BaseImage, Component, ComponentKind, Distro, Inventory, RelationKind, SourcePackage};
use crate::purl::{self, Purl};

/// Names what the packages are found by: another one where the same bytes would give other packages.
const SBOM_VERSION: &str = "1";

/// Writes the document, indented, with a line break at the end.
#[must_use]
pub fn write(inventory: &Inventory, subject: &Subject) -> Vec<u8> {
    let places = Places::of(inventory);
    let mut artifacts = Vec::with_capacity(inventory.components.len());
    let mut sources: BTreeMap<String, Artifact<'_>> = BTreeMap::new();
    for component in &inventory.components {
        let distro = inventory.distro_of(component);
        let artifact = artifact(component, distro, &places);
        if let (Some(parent), Some(source)) = (&artifact.parent, &component.source)
            && *parent != artifact.purl
        {
            let entry = sources.entry(parent.clone());
            entry.or_insert_with(|| of_source(component, source, parent, &artifact));
        }
        artifacts.push(artifact);
    }
    // What is a package of its own name and version already is not there twice.
    for artifact in &artifacts {
        sources.remove(&artifact.purl);
    }
    artifacts.extend(sources.into_values());
    let document = Scout {
        source: Source {
            r#type: "image",
            image: image(inventory, subject),
            base_images: inventory.base_images.iter().map(|base| base_image(inventory, base)).collect(),
            properties: properties::listed(properties::of_image(inventory)),
        },
        artifacts,
        vulnerabilities: [],
        secrets: [],
        descriptor: Descriptor {
            name: "tidewaiter",
            version: &subject.tool_version,
            sbom_version: SBOM_VERSION,
        },
    };
    let mut bytes =
        serde_json::to_vec_pretty(&document).expect("a document has string keys and plain values");
    bytes.push(b'\n');
    bytes
}

/// The place in the history of each layer, by its place among the layers.
struct Places<'a> {
    inventory: &'a Inventory,
    ordinals: Vec<usize>,
}

impl<'a> Places<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let history = inventory.image.history.iter().enumerate();
        let ordinals: Vec<_> =
            history.filter(|(_, entry)| !entry.empty_layer).map(|(index, _)| index).collect();
        let fits = ordinals.len() == inventory.image.layers.len();
        Self { inventory, ordinals: if fits { ordinals } else { Vec::new() } }
    }

    fn location(&self, evidence: &'a crate::Evidence) -> Location<'a> {
        let layer = usize::try_from(evidence.layer).unwrap_or(usize::MAX);
        let facts = self.inventory.image.layers.get(layer);
        Location {
            path: format!("/{}", evidence.path),
            ordinal: self.ordinals.get(layer).copied().unwrap_or(layer),
            digest: facts.map_or("", |facts| &facts.digest),
            diff_id: &evidence.diff_id,
        }
    }
}

fn artifact<'a>(component: &'a Component, distro: Option<&'a Distro>, places: &Places<'a>) -> Artifact<'a> {
    let (namespace, name) = parts(component, distro);
    let purl = scout_purl(component, &component.name, &component.version, distro);
    let parent = component.source.as_ref().filter(|_| component.kind.is_os_package());
    let parent = parent.map(|source| scout_purl(component, &source.name, &source.version, distro));
    let mut facts = properties::of_package(component);
    if purl != component.purl {
        facts.push(("purl", component.purl.clone()));
    }
    facts.extend(component.vendor.iter().map(|vendor| ("vendor", vendor.clone())));
    facts.extend(component.cpes.iter().map(|cpe| ("cpe", cpe.clone())));
    facts.extend(component.relations.iter().map(|relation| match relation.kind {
        RelationKind::DependsOn => ("depends-on", relation.purl.clone()),
        RelationKind::Contains => ("contains", relation.purl.clone()),
    }));
    Artifact {
        r#type: component.kind.purl_type(),
        namespace,
        name,
        version: &component.version,
        purl,
        author: component.maintainer.as_deref().unwrap_or_default(),
        licenses: component.licenses.iter().map(String::as_str).collect(),
        locations: component.evidence.iter().map(|evidence| places.location(evidence)).collect(),
        parent,
        properties: properties::listed(facts),
    }
}

fn of_source<'a>(
    component: &Component,
    source: &'a SourcePackage,
    purl: &str,
    binary: &Artifact<'a>,
) -> Artifact<'a> {
    Artifact {
        r#type: component.kind.purl_type(),
        namespace: binary.namespace,
        name: &source.name,
        version: &source.version,
        purl: purl.to_owned(),
        author: binary.author,
        licenses: binary.licenses.clone(),
        locations: Vec::new(),
        parent: None,
        properties: Vec::new(),
    }
}

/// Namespace and name as the form has them.
fn parts<'a>(component: &'a Component, distro: Option<&'a Distro>) -> (&'a str, &'a str) {
    let name = component.name.as_str();
    let split = match component.kind {
        ComponentKind::Npm | ComponentKind::Golang | ComponentKind::Composer => name.rsplit_once('/'),
        ComponentKind::Maven => name.rsplit_once(':'),
        _ => None,
    };
    let system = distro.filter(|_| component.kind.is_os_package()).map_or("", namespace);
    split.unwrap_or((system, name))
}

/// Scout's own names for some systems.
fn namespace(distro: &Distro) -> &str {
    match distro.id.as_str() {
        "ol" | "oracle" => "oraclelinux",
        "amzn" | "amazon" => "amazonlinux",
        "rhel" => "redhatlinux",
        id => id,
    }
}

/// The package URL as Scout writes it: packages of a system name it in three qualifiers.
fn scout_purl(component: &Component, name: &str, version: &str, distro: Option<&Distro>) -> String {
    if !component.kind.is_os_package() {
        return component.purl.clone();
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let qualifiers = [
        ("os_distro", distro.map(|distro| text(&distro.codename)).unwrap_or_default()),
        ("os_name", distro.map(|distro| namespace(distro).to_owned()).unwrap_or_default()),
        ("os_version", distro.map(|distro| text(&distro.version_id)).unwrap_or_default()),
    ];
    let qualifiers = qualifiers.each_ref().map(|(key, value)| (*key, value.as_str()));
    purl::write(component.kind.purl_type(), distro.map(namespace), name, version, &qualifiers)
}

fn image<'a>(inventory: &'a Inventory, subject: &'a Subject) -> Image<'a> {
    let facts = &inventory.image;
    let distro = inventory.distro.as_ref();
    let text = |value: Option<&'a Option<String>>| value.and_then(Option::as_deref).unwrap_or_default();
    Image {
        name: &subject.name,
        digest: subject.digest.as_deref().unwrap_or_default(),
        tags: &subject.tags,
        manifest: raw(&subject.manifest),
        config: raw(&subject.config),
        raw_manifest: BASE64_STANDARD.encode(&subject.manifest),
        raw_config: BASE64_STANDARD.encode(&subject.config),
        distro: System {
            os_name: distro.map(namespace).unwrap_or_default(),
            os_version: text(distro.map(|distro| &distro.version_id)),
            os_distro: text(distro.map(|distro| &distro.codename)),
        },
        platform: Platform {
            os: &facts.os,
            architecture: &facts.architecture,
            variant: facts.variant.as_deref().unwrap_or_default(),
        },
        size: facts.layers.iter().map(|layer| layer.size).sum(),
    }
}

/// The base and the others that have the same layers.
fn base_image<'a>(inventory: &'a Inventory, base: &'a BaseImage) -> Base<'a> {
    let layers = inventory.image.layers.iter().take(usize::try_from(base.layers).unwrap_or(0));
    let named = |name: &'a str, digest: &'a str| {
        let (path, tag) = match name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((path, tag)) => (path, Some(Tag { name: tag })),
            None => (name, None),
        };
        let (host, repo) = path
            .split_once('/')
            .filter(|(host, _)| host.contains(['.', ':']))
            .unwrap_or(("hub.docker.com", path));
        BaseOf { digest, repository: Repository { host, repo }, tags: tag.into_iter().collect() }
    };
    let first = named(&base.name, base.digest.as_deref().unwrap_or_default());
    let others = base.alternatives.iter().map(|name| named(name, ""));
    Base {
        diff_ids: layers.map(|layer| layer.diff_id.as_str()).collect(),
        images: std::iter::once(first).chain(others).collect(),
    }
}

/// A document inside the document, as it is; nothing when it is no JSON.
fn raw(bytes: &[u8]) -> Option<Box<RawValue>> {
    serde_json::from_slice(bytes).ok()
}

/// Whether this is such a document.
pub(super) fn recognises(root: &Value) -> bool {
    root.get("source").is_some()
        && root.get("artifacts").is_some_and(Value::is_array)
        && !super::syft::recognises(root)
}

/// Reads the document.
pub(super) fn from_json(root: &Value) -> Document {
    let source = root.get("source").unwrap_or(&Value::Null);
    let image = source.get("image").unwrap_or(&Value::Null);
    let decoded = |key: &str| {
        let encoded = image.get(key).and_then(Value::as_str).unwrap_or_default();
        BASE64_STANDARD.decode(encoded).unwrap_or_default()
    };
    let subject = Subject {
        name: text(image, "name").unwrap_or_default(),
        digest: text(image, "digest"),
        tags: array(image, "tags").iter().filter_map(|tag| Some(tag.as_str()?.to_owned())).collect(),
        manifest: decoded("raw_manifest"),
        config: decoded("raw_config"),
        ..Subject::default()
    };
    let mut inventory = Inventory::default();
    for (name, value) in properties::stated(source) {
        if let Some(name) = properties::ours(&name) {
            properties::apply_to_image(&mut inventory, name, &value);
        }
    }
    if let Some(distro) = image.get("distro").filter(|_| inventory.distro.is_none()) {
        inventory.distro = text(distro, "os_name").map(|name| Distro {
            id: name.to_lowercase(),
            version_id: text(distro, "os_version"),
            codename: text(distro, "os_distro"),
            ..Distro::default()
        });
    }
    if inventory.image.layers.is_empty() {
        let config = image.get("config").unwrap_or(&Value::Null);
        let diff_ids = array(config.get("rootfs").unwrap_or(&Value::Null), "diff_ids");
        inventory.image.layers = layers(diff_ids.iter().filter_map(Value::as_str));
        let platform = image.get("platform").unwrap_or(&Value::Null);
        inventory.image.os = text(platform, "os").unwrap_or_default();
        inventory.image.architecture = text(platform, "architecture").unwrap_or_default();
        inventory.image.variant = text(platform, "variant");
    }
    let mut parents: HashMap<&str, Option<SourcePackage>> = HashMap::new();
    for artifact in array(root, "artifacts") {
        if let Some(parent) =
            artifact.get("parent").and_then(Value::as_str).filter(|parent| !parent.is_empty())
        {
            let parts = Purl::parse(parent);
            let parts = parts.map(|parts| SourcePackage { version: parts.full_version(), name: parts.name });
            parents.insert(parent, parts);
        }
    }
    for artifact in array(root, "artifacts") {
        let purl = artifact.get("purl").and_then(Value::as_str).unwrap_or_default();
        let places = array(artifact, "locations");
        if places.is_empty() && properties::stated(artifact).is_empty() && parents.contains_key(purl) {
            continue;
        }
        let is_ours = !properties::stated(artifact).is_empty();
        if let Some(mut component) = read_artifact(artifact).component() {
            if !is_ours {
                component.evidence.extend(places.iter().filter_map(|place| {
                    Some(seen_at(&text(place, "path")?, text(place, "diff_id").unwrap_or_default()))
                }));
                let parent =
                    artifact.get("parent").and_then(Value::as_str).and_then(|purl| parents.get(purl));
                if let Some(Some(source)) = parent {
                    component.source = Some(source.clone());
                }
            }
            inventory.components.push(component);
        }
    }
    Document { subject, inventory: finish(inventory) }
}

fn read_artifact(artifact: &Value) -> Described {
    let facts = properties::stated(artifact);
    let stated = facts.iter().find(|(name, _)| properties::ours(name) == Some("purl"));
    let purl = stated.map(|(_, purl)| purl.clone()).or_else(|| text(artifact, "purl"));
    Described {
        purl,
        group: text(artifact, "namespace"),
        name: text(artifact, "name").unwrap_or_default(),
        version: text(artifact, "version").unwrap_or_default(),
        licenses: array(artifact, "licenses")
            .iter()
            .filter_map(|one| Some(one.as_str()?.to_owned()))
            .collect(),
        maintainer: text(artifact, "author"),
        facts,
        ..Described::default()
    }
}

#[derive(Serialize)]
struct Scout<'a> {
    source: Source<'a>,
    artifacts: Vec<Artifact<'a>>,
    vulnerabilities: [(); 0],
    secrets: [(); 0],
    descriptor: Descriptor<'a>,
}

#[derive(Serialize)]
struct Source<'a> {
    r#type: &'static str,
    image: Image<'a>,
    base_images: Vec<Base<'a>>,
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Base<'a> {
    diff_ids: Vec<&'a str>,
    images: Vec<BaseOf<'a>>,
}

#[derive(Serialize)]
struct BaseOf<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    digest: &'a str,
    repository: Repository<'a>,
    tags: Vec<Tag<'a>>,
}

#[derive(Serialize)]
struct Repository<'a> {
    host: &'a str,
    repo: &'a str,
}

#[derive(Serialize)]
struct Tag<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Image<'a> {
    name: &'a str,
    digest: &'a str,
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Box<RawValue>>,
    raw_manifest: String,
    raw_config: String,
    distro: System<'a>,
    platform: Platform<'a>,
    size: u64,
}

#[derive(Serialize)]
struct System<'a> {
    os_name: &'a str,
    os_version: &'a str,
    os_distro: &'a str,
}

#[derive(Serialize)]
struct Platform<'a> {
    os: &'a str,
    architecture: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    variant: &'a str,
}

#[derive(Serialize)]
struct Artifact<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    name: &'a str,
    version: &'a str,
    purl: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    author: &'a str,
    licenses: Vec<&'a str>,
    locations: Vec<Location<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Location<'a> {
    path: String,
    ordinal: usize,
    digest: &'a str,
    diff_id: &'a str,
}

#[derive(Serialize)]
struct Descriptor<'a> {
    name: &'static str,
    version: &'a str,
    sbom_version: &'static str,
}
