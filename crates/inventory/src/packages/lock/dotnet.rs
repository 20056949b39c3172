//! Lock files of NuGet: `packages.lock.json`, `project.assets.json` and the older `packages.config`.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Reader;
use quick_xml::events::Event;
use serde::Deserialize;
use serde_json::Value;

use super::{json, locked, requirements};
use crate::fragment::Package;
use crate::model::ComponentKind;

#[derive(Deserialize)]
struct Lock {
    /// By framework, then by name.
    #[serde(default)]
    dependencies: BTreeMap<String, BTreeMap<String, Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    /// Absent for other projects of the solution.
    resolved: Option<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, Value>,
}

pub(super) fn lock(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let lock: Lock = json(bytes)?;
    let mut seen = BTreeSet::new();
    let each = lock.dependencies.into_values().flatten().filter_map(|(name, entry)| {
        let version = entry.resolved?;
        let requires = requirements(entry.dependencies.keys());
        seen.insert((name.clone(), version.clone()))
            .then(|| Package { requires, ..locked(ComponentKind::Nuget, name, version) })
    });
    Ok(each.collect())
}

#[derive(Deserialize)]
struct Assets {
    /// `name/version`.
    #[serde(default)]
    libraries: BTreeMap<String, Library>,
}

#[derive(Deserialize)]
struct Library {
    r#type: String,
}

pub(super) fn assets(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let assets: Assets = json(bytes)?;
    let published = assets.libraries.into_iter().filter(|(_, library)| library.r#type == "package");
    let each = published.filter_map(|(key, _)| {
        let (name, version) = key.split_once('/')?;
        Some(locked(ComponentKind::Nuget, name, version))
    });
    Ok(each.collect())
}

/// `<package id="…" version="…"/>`, one each.
pub(super) fn config(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let mut reader = Reader::from_reader(bytes);
    let mut packages = Vec::new();
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(element) | Event::Empty(element) if element.local_name().as_ref() == b"package" => {
                let value = |name: &[u8]| {
                    let found = element.attributes().flatten().find(|one| one.key.as_ref() == name)?;
                    Some(String::from_utf8_lossy(&found.value).into_owned())
                };
                if let (Some(name), Some(version)) = (value(b"id"), value(b"version")) {
                    packages.push(locked(ComponentKind::Nuget, name, version));
                }
            }
            Event::Eof => return Ok(packages),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn all_three_forms() {
        check(
            "app/packages.lock.json",
            r#"{"version": 1, "dependencies": {"net6.0": {
                "Newtonsoft.Json": {"type": "Direct", "requested": "[13.0.1, )", "resolved": "13.0.1"},
                "own": {"type": "Project"}}, "net8.0": {"Newtonsoft.Json": {"type": "Direct", "resolved": "13.0.1"}}}}"#,
            &["pkg:nuget/Newtonsoft.Json@13.0.1"],
        );
        check(
            "obj/project.assets.json",
            r#"{"version": 3, "libraries": {"Serilog/2.10.0": {"type": "package"}, "own/1.0.0": {"type": "project"}}}"#,
            &["pkg:nuget/Serilog@2.10.0"],
        );
        check(
            "packages.config",
            "<?xml version=\"1.0\"?><packages><package id=\"jQuery\" version=\"3.1.1\" targetFramework=\"net46\" /></packages>",
            &["pkg:nuget/jQuery@3.1.1"],
        );
    }
}
