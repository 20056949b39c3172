//! What the readers of all formats share: a package as some document describes it becomes a component, and the
//! components an inventory.
//!
//! Beside our own names (see [`properties`]) those of syft (`syft:…`, as BuildKit's scanner writes them too) and of
//! trivy (`aquasecurity:trivy:…`) are understood: source packages, places, layers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::properties;
use crate::model::{
    Component, ComponentKind, Confidence, Distro, Evidence, EvidenceKind, Inventory, LayerFacts, Relation,
    SourcePackage,
};
use crate::purl::{self, Purl};

/// A package as a document describes it.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) purl: Option<String>,
    pub(super) group: Option<String>,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) licenses: Vec<String>,
    pub(super) cpes: Vec<String>,
    pub(super) vendor: Option<String>,
    pub(super) maintainer: Option<String>,
    /// Whether it is worth a component without a package URL.
    pub(super) is_software: bool,
    /// Names and values as the document spells them.
    pub(super) facts: Vec<(String, String)>,
    pub(super) relations: Vec<Relation>,
}

impl Described {
    /// The component, or nothing when the document does not say enough for one.
    pub(super) fn component(self) -> Option<Component> {
        let taken = self.purl.as_deref().and_then(Purl::parse);
        let is_ours = self.facts.iter().any(|(name, _)| properties::ours(name).is_some());
        let mut component = match (&taken, self.purl) {
            (Some(parts), Some(purl)) => {
                Component::new(parts.component_kind(), parts.full_name(), parts.full_version(), purl)
            }
            (None, Some(purl)) if is_ours => {
                Component::new(ComponentKind::Other, &self.name, &self.version, purl)
            }
            _ if self.is_software && !self.name.is_empty() && !self.version.is_empty() => {
                let purl = purl::write("generic", self.group.as_deref(), &self.name, &self.version, &[]);
                Component::new(ComponentKind::Generic, &self.name, &self.version, purl)
            }
            _ => return None,
        };
        component.licenses = self.licenses;
        component.cpes = self.cpes;
        component.vendor = self.vendor;
        component.maintainer = self.maintainer;
        component.relations = self.relations;
        if is_ours {
            component.version = self.version;
            if self.facts.iter().any(|(name, _)| properties::ours(name) == Some("license")) {
                component.licenses.clear();
            }
            for (name, value) in &self.facts {
                if let Some(name) = properties::ours(name) {
                    properties::apply_to_package(&mut component, name, value);
                }
            }
        } else {
            let parts = taken.unwrap_or_default();
            apply_foreign(&mut component, &parts, &self.facts);
        }
        Some(component)
    }
}

/// Takes over what package URLs and the names of other programs say.
fn apply_foreign(component: &mut Component, parts: &Purl, facts: &[(String, String)]) {
    component.architecture = parts.qualifier("arch").map(str::to_owned);
    if component.kind == ComponentKind::Gem {
        component.architecture = parts.qualifier("platform").map(str::to_owned);
    }
    component.modularity = parts.qualifier("rpmmod").map(str::to_owned);
    let get = |names: &[&str]| {
        let found = facts.iter().find(|(name, value)| names.contains(&name.as_str()) && !value.is_empty());
        found.map(|(_, value)| value.clone())
    };
    let modularity = ["syft:metadata:modularityLabel", "aquasecurity:trivy:Modularitylabel"];
    component.modularity = get(&modularity).or(component.modularity.take());
    component.source = source(component, parts, &get);
    let layers = ["aquasecurity:trivy:LayerDiffID"];
    if let Some(path) = get(&["aquasecurity:trivy:FilePath"]) {
        component.evidence.push(seen_at(&path, get(&layers).unwrap_or_default()));
    }
    let mut places: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for (name, value) in facts {
        let Some((index, field)) = name.strip_prefix("syft:location:").and_then(|rest| rest.split_once(':'))
        else {
            continue;
        };
        match field {
            "path" => places.entry(index).or_default().0.clone_from(value),
            "layerID" => places.entry(index).or_default().1.clone_from(value),
            _ => {}
        }
    }
    let places = places.into_values().filter(|(path, _)| !path.is_empty());
    component.evidence.extend(places.map(|(path, layer)| seen_at(&path, layer)));
    let cpes = facts.iter().filter(|(name, _)| name == "syft:cpe23").map(|(_, cpe)| cpe.clone());
    for cpe in cpes {
        if !component.cpes.contains(&cpe) {
            component.cpes.push(cpe);
        }
    }
}

/// The source package, from the first who names it; packages of dpkg and apk that name none are their own.
fn source(
    component: &Component,
    parts: &Purl,
    get: &dyn Fn(&[&str]) -> Option<String>,
) -> Option<SourcePackage> {
    let own = |name: String| SourcePackage { name, version: component.version.clone() };
    if let Some(name) = get(&["aquasecurity:trivy:SrcName"]) {
        let version = get(&["aquasecurity:trivy:SrcVersion"]).unwrap_or_default();
        let release = get(&["aquasecurity:trivy:SrcRelease"]).map(|release| format!("-{release}"));
        let epoch = get(&["aquasecurity:trivy:SrcEpoch"]).filter(|epoch| epoch != "0");
        let epoch = epoch.filter(|_| component.kind != ComponentKind::Rpm).map(|epoch| format!("{epoch}:"));
        let version = format!("{}{version}{}", epoch.unwrap_or_default(), release.unwrap_or_default());
        return Some(SourcePackage { name, version });
    }
    if let Some(name) = get(&["syft:metadata:source", "syft:metadata:originPackage"]) {
        let version = get(&["syft:metadata:sourceVersion"]);
        let version = version.unwrap_or_else(|| component.version.clone());
        return Some(SourcePackage { name, version });
    }
    let source_rpm = get(&["syft:metadata:sourceRpm"]);
    let upstream = source_rpm.as_deref().or_else(|| parts.qualifier("upstream"));
    match (component.kind, upstream) {
        (ComponentKind::Rpm, Some(file)) => crate::packages::source_of_rpm(file),
        (ComponentKind::Deb | ComponentKind::Apk, Some(upstream)) => Some(match upstream.split_once('@') {
            Some((name, version)) => SourcePackage { name: name.to_owned(), version: version.to_owned() },
            None => own(upstream.to_owned()),
        }),
        (ComponentKind::Deb | ComponentKind::Apk, None) => Some(own(component.name.clone())),
        _ => None,
    }
}

/// A place that somebody else saw.
pub(super) fn seen_at(path: &str, diff_id: String) -> Evidence {
    Evidence {
        path: path.trim_start_matches('/').to_owned(),
        member: None,
        kind: EvidenceKind::Sbom,
        confidence: Confidence::High,
        layer: 0,
        diff_id,
    }
}

/// Layers of which no more is known than what they unpack to, bottom first.
pub(super) fn layers<'a>(diff_ids: impl Iterator<Item = &'a str>) -> Vec<LayerFacts> {
    let each = (0..).zip(diff_ids).map(|(ordinal, diff_id)| LayerFacts {
        ordinal,
        diff_id: diff_id.to_owned(),
        ..LayerFacts::default()
    });
    each.collect()
}

/// Puts an inventory together: names the layers of its evidence, and the operating system when no more than the
/// package URLs tell it, and sorts.
pub(super) fn finish(mut inventory: Inventory) -> Inventory {
    let layers = &inventory.image.layers;
    properties::name_layers(&mut inventory.components, layers);
    for evidence in inventory.components.iter_mut().flat_map(|component| &mut component.evidence) {
        let known = layers.iter().find(|layer| layer.diff_id == evidence.diff_id);
        evidence.layer = known.map_or(evidence.layer, |layer| layer.ordinal);
    }
    for component in &mut inventory.components {
        component.evidence.sort();
        component.evidence.dedup();
        component.relations.sort();
        component.relations.dedup();
    }
    if inventory.distro.is_none() {
        let of_system = inventory.components.iter().filter(|component| component.root.is_none());
        inventory.distro = of_system.filter(|component| component.kind.is_os_package()).find_map(distro);
    }
    inventory.components.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
    inventory
}

/// The operating system that a package URL names: `distro=debian-12`, or `os_name` and `os_version` as Scout writes.
fn distro(component: &Component) -> Option<Distro> {
    let parts = Purl::parse(&component.purl)?;
    let text = |value: &str| Some(value.to_owned());
    if let Some(name) = parts.qualifier("os_name") {
        return Some(Distro {
            id: name.to_lowercase(),
            version_id: parts.qualifier("os_version").and_then(text),
            codename: parts.qualifier("os_distro").and_then(text),
            ..Distro::default()
        });
    }
    let (id, version) = match parts.qualifier("distro")? {
        both if both.contains('-') => both.rsplit_once('-').map(|(id, version)| (id, Some(version)))?,
        // `distro=bookworm` is what the specification's own example has.
        codename => {
            let codename = Some(codename.to_owned());
            return Some(Distro { id: parts.namespace, codename, ..Distro::default() });
        }
    };
    Some(Distro { id: id.to_lowercase(), version_id: version.and_then(text), ..Distro::default() })
}

/// The texts of a field that is an array.
pub(super) fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A field that is a text and says something.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}
