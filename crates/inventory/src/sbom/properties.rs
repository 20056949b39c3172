//! The facts of an inventory that the standard formats have no field for, as names and values. Every format
//! keeps them where it keeps such things (CycloneDX: `properties`; SPDX: annotations; Scout's JSON:
//! `properties`), under names that begin with `tidewaiter:`, and reading them back gives the same inventory.
//!
//! | name | of | value |
//! | --- | --- | --- |
//! | `facts` | image | [`ImageFacts`](crate::ImageFacts) as JSON: platform, configuration, layers, history |
//! | `distro` | image | [`Distro`](crate::Distro) as JSON |
//! | `base-image` | image | a [`BaseImage`] as JSON, the nearest first |
//! | `root` | image | a [`NestedRoot`](crate::NestedRoot) as JSON, one each |
//! | `problem` | image | a [`Problem`] as JSON, one each |
//! | `evidence` | package | `layer kind confidence path`, one per place; members of archives behind `!/`, `%` and `!` in the parts as `%25` and `%21` |
//! | `kind` | package | what sort of package, where the purl type does not tell |
//! | `name` | package | its name, where the package URL spells it differently |
//! | `license` | package | a licence as it was found, one each, where the format's own field says it differently |
//! | `source` | package | `name version` of the source package |
//! | `architecture`, `modularity`, `vendor`, `maintainer` | package | as the package database spells them |
//! | `cpe` | package | a CPE 2.3 name, one each, where the format has no room for it |
//! | `root` | package | path of the nested root it belongs to |
//! | `owner` | package | package URL of the operating system package that owns its files |
//! | `contains` | package | package URL of a package that is built into it, one each |
//! | `depends-on` | package | package URL of a package that it needs, one each |

use std::fmt::Write as _;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::reading::{array, text};
use crate::model::{
    BaseImage, Component, Confidence, Evidence, EvidenceKind, Inventory, LayerFacts, Problem, Relation,
    RelationKind, SourcePackage,
};
use crate::purl::Purl;

/// What every name begins with.
const PREFIX: &str = "tidewaiter:";

/// A fact by its name without prefix.
pub(super) type Fact = (&'static str, String);

/// A fact in a list of `properties`, as CycloneDX has them and Scout's JSON of ours.
#[derive(Serialize)]
pub(super) struct Property {
    name: String,
    value: String,
}

/// Facts as such a list.
pub(super) fn listed(facts: Vec<Fact>) -> Vec<Property> {
    facts.into_iter().map(|(name, value)| Property { name: spelled(name), value }).collect()
}

/// Names and values, as spelled, of the list that an object has.
pub(super) fn stated(object: &Value) -> Vec<(String, String)> {
    let each = array(object, "properties").iter();
    each.filter_map(|property| Some((text(property, "name")?, text(property, "value")?))).collect()
}

/// The name as documents spell it.
pub(super) fn spelled(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The name without prefix, when it is one of ours.
pub(super) fn ours(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)
}

/// What is said of the image.
pub(super) fn of_image(inventory: &Inventory) -> Vec<Fact> {
    let mut facts = vec![("facts", json(&inventory.image))];
    facts.extend(inventory.distro.iter().map(|distro| ("distro", json(distro))));
    facts.extend(inventory.base_images.iter().map(|base| ("base-image", json(base))));
    facts.extend(inventory.roots.iter().map(|root| ("root", json(root))));
    facts.extend(inventory.problems.iter().map(|problem| ("problem", json(problem))));
    facts
}

/// What is said of a package in every format.
pub(super) fn of_package(component: &Component) -> Vec<Fact> {
    let mut facts: Vec<Fact> =
        component.evidence.iter().map(|evidence| ("evidence", evidence_text(evidence))).collect();
    let told = Purl::parse(&component.purl);
    if told.as_ref().map(Purl::component_kind) != Some(component.kind) {
        facts.push(("kind", word(&component.kind)));
    }
    if told.is_none_or(|purl| purl.full_name() != component.name) {
        facts.push(("name", component.name.clone()));
    }
    if let Some(source) = &component.source {
        facts.push(("source", format!("{} {}", source.name, source.version)));
    }
    let optional = [
        ("architecture", &component.architecture),
        ("modularity", &component.modularity),
        ("root", &component.root),
        ("owner", &component.owner),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    facts
}

/// Takes over what is said of the image. Names nobody knows are left to the reader of another version.
pub(super) fn apply_to_image(inventory: &mut Inventory, name: &str, value: &str) {
    match name {
        "facts" => {
            if let Some(facts) = parse(value) {
                inventory.image = facts;
            }
        }
        "distro" => inventory.distro = parse(value),
        "base-image" => inventory.base_images.extend(parse::<BaseImage>(value)),
        "root" => inventory.roots.extend(parse(value)),
        "problem" => inventory.problems.extend(parse::<Problem>(value)),
        _ => {}
    }
}

/// Takes over what is said of a package. The `diff_id`s of its evidence are not known yet
/// ([`name_layers`]).
pub(super) fn apply_to_package(component: &mut Component, name: &str, value: &str) {
    let value_of = || Some(value.to_owned());
    match name {
        "evidence" => component.evidence.extend(evidence(value)),
        "name" => value.clone_into(&mut component.name),
        "kind" => component.kind = parse_word(value).unwrap_or(component.kind),
        "license" => component.licenses.push(value.to_owned()),
        "source" => {
            if let Some((name, version)) = value.split_once(' ') {
                component.source = Some(SourcePackage { name: name.to_owned(), version: version.to_owned() });
            }
        }
        "architecture" => component.architecture = value_of(),
        "modularity" => component.modularity = value_of(),
        "vendor" => component.vendor = value_of(),
        "maintainer" => component.maintainer = value_of(),
        "cpe" => component.cpes.push(value.to_owned()),
        "root" => component.root = value_of(),
        "owner" => component.owner = value_of(),
        "contains" => {
            component.relations.push(Relation { kind: RelationKind::Contains, purl: value.to_owned() });
        }
        "depends-on" => {
            component.relations.push(Relation { kind: RelationKind::DependsOn, purl: value.to_owned() });
        }
        _ => {}
    }
}

/// Gives evidence the `diff_id` of its layer.
pub(super) fn name_layers(components: &mut [Component], layers: &[LayerFacts]) {
    for evidence in components.iter_mut().flat_map(|component| &mut component.evidence) {
        let layer = usize::try_from(evidence.layer).ok().and_then(|ordinal| layers.get(ordinal));
        if let Some(layer) = layer
            && evidence.diff_id.is_empty()
        {
            evidence.diff_id.clone_from(&layer.diff_id);
        }
    }
}

fn evidence_text(evidence: &Evidence) -> String {
    let mut text = format!("{} {} {} ", evidence.layer, word(&evidence.kind), word(&evidence.confidence));
    text.push_str(&escaped(&evidence.path));
    if let Some(member) = &evidence.member {
        for part in member.split("!/") {
            let _ = write!(text, "!/{}", escaped(part));
        }
    }
    text
}

fn evidence(text: &str) -> Option<Evidence> {
    let mut parts = text.splitn(4, ' ');
    let layer = parts.next()?.parse().ok()?;
    let kind: EvidenceKind = parse_word(parts.next()?)?;
    let confidence: Confidence = parse_word(parts.next()?)?;
    let place = parts.next()?;
    let (path, member) = match place.split_once("!/") {
        Some((path, member)) => {
            let members: Vec<_> = member.split("!/").map(unescaped).collect();
            (unescaped(path), Some(members.join("!/")))
        }
        None => (unescaped(place), None),
    };
    Some(Evidence { path, member, kind, confidence, layer, diff_id: String::new() })
}

fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace('!', "%21")
}

fn unescaped(path: &str) -> String {
    path.replace("%21", "!").replace("%25", "%")
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the model has string keys and plain values")
}

fn parse<T: DeserializeOwned>(value: &str) -> Option<T> {
    serde_json::from_str(value).ok()
}

/// The one word that a value of an enumeration is written as.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn parse_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}
