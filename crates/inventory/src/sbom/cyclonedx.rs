//! CycloneDX 1.6 as JSON (ECMA-424, first edition).
//!
//! The image is the component the document is about; its packages follow, then the operating system. What
//! CycloneDX has no field for goes into properties named `tidewaiter:…`:
//!
//! | property | of | says |
//! | --- | --- | --- |
//! | `tidewaiter:layer` | image | `ordinal diff_id`, one per layer, bottom first |
//! | `tidewaiter:problem` | image | what could not be read, one per problem |
//! | `tidewaiter:path` | package | `ordinal path`, one per place it was found; members of archives behind `!/` |
//! | `tidewaiter:layer` | package | `ordinal diff_id` of the layer that brought it first |
//! | `tidewaiter:source` | package | `name version` of the source package |
//! | `tidewaiter:owner` | package | package URL of the operating system package that owns its files |

use std::collections::HashMap;

use serde::Serialize;

use super::Subject;
use crate::model::{Component, ComponentKind, Distro, Inventory};

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
    let layers = inventory.image.layers.iter().filter(|layer| !layer.diff_id.is_empty());
    let layers = layers.map(|layer| Property::new("layer", format!("{} {}", layer.ordinal, layer.diff_id)));
    let problems = inventory.problems.iter().map(|problem| {
        let place = [problem.path.as_deref(), problem.position.as_deref()];
        let mut value = place.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if !value.is_empty() {
            value.push_str(": ");
        }
        Property::new("problem", value + &problem.reason)
    });
    Entry {
        bom_ref: Some("image"),
        version: subject.digest.as_deref(),
        properties: layers.chain(problems).collect(),
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
    let mut properties = Vec::new();
    if let Some(first) = component.evidence.iter().min_by_key(|evidence| evidence.layer)
        && !first.diff_id.is_empty()
    {
        properties.push(Property::new("layer", format!("{} {}", first.layer, first.diff_id)));
    }
    if let Some(owner) = &component.owner {
        properties.push(Property::new("owner", owner.clone()));
    }
    let places = component.evidence.iter();
    properties.extend(places.map(|place| {
        let member = place.member.iter().map(|member| format!("!/{member}")).collect::<String>();
        Property::new("path", format!("{} {}{member}", place.layer, place.path))
    }));
    if let Some(source) = &component.source {
        properties.push(Property::new("source", format!("{} {}", source.name, source.version)));
    }
    let facts = [
        ("architecture", &component.architecture),
        ("modularity", &component.modularity),
        ("root", &component.root),
    ];
    let facts = facts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    properties.extend(facts.map(|(name, value)| Property::new(name, value)));
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
        licenses: component.licenses.iter().map(|license| license_choice(license)).collect(),
        purl: Some(&component.purl),
        properties,
        ..Entry::new("library", name)
    }
}

/// Identifiers of the SPDX list that packages use most. Only exact members of that list may be written as an
/// identifier; any other licence is a name, which is always valid.
const SPDX_IDS: [&str; 40] = [
    "0BSD",
    "AFL-2.1",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "EPL-2.0",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "ISC",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MIT-0",
    "MPL-1.1",
    "MPL-2.0",
    "OFL-1.1",
    "OpenSSL",
    "PSF-2.0",
    "Python-2.0",
    "Unicode-3.0",
    "Unlicense",
    "WTFPL",
    "X11",
    "ZPL-2.1",
    "Zlib",
];

fn license_choice(license: &str) -> LicenseChoice<'_> {
    let license = match SPDX_IDS.contains(&license) {
        true => License { id: Some(license), name: None },
        false => License { id: None, name: Some(license) },
    };
    LicenseChoice { license }
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
    purl: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
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
struct LicenseChoice<'a> {
    license: License<'a>,
}

#[derive(Serialize)]
struct License<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Property {
    name: String,
    value: String,
}

impl Property {
    fn new(name: &str, value: String) -> Self {
        Self { name: format!("tidewaiter:{name}"), value }
    }
}
