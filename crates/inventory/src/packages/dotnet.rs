//! .NET packages as applications and runtimes carry them: the `.deps.json` that the SDK writes beside the assemblies.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Room;
use crate::fragment::{Content, Package, Requirement};
use crate::model::{ComponentKind, EvidenceKind};
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room { name: "dotnet", claims, parse, ..Room::EMPTY };

/// Names and versions that are longer are nobody's.
const MAX_TEXT: usize = 512;

fn claims(_: &str, name: &str) -> bool {
    name.ends_with(".deps.json")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    runtime_target: RuntimeTarget,
    /// By target, then by `name/version`.
    targets: BTreeMap<String, BTreeMap<String, Assets>>,
    #[serde(default)]
    libraries: BTreeMap<String, Library>,
}

#[derive(Deserialize)]
struct RuntimeTarget {
    name: String,
}

#[derive(Deserialize)]
struct Library {
    r#type: String,
}

/// What of a library is shipped, and what it needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assets {
    #[serde(default)]
    runtime: Option<BTreeMap<String, IgnoredAny>>,
    #[serde(default)]
    native: Option<BTreeMap<String, IgnoredAny>>,
    #[serde(default)]
    runtime_targets: Option<BTreeMap<String, IgnoredAny>>,
    #[serde(default)]
    resources: Option<BTreeMap<String, IgnoredAny>>,
    #[serde(default)]
    dependencies: Option<BTreeMap<String, String>>,
}

impl Assets {
    /// Some are listed because something was compiled against them, and are not there.
    fn is_shipped(&self) -> bool {
        let files = [&self.runtime, &self.native, &self.runtime_targets, &self.resources];
        files.into_iter().flatten().any(|files| !files.is_empty())
    }
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let document: Document = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => {
            problems.line(
                file,
                error.line(),
                format!("not a list of .NET: {error}; its packages are not listed"),
            );
            return None;
        }
    };
    // There may be a target for compiling beside the one that is run.
    let target = document.targets.get(&document.runtime_target.name)?;
    let mut packages = Vec::new();
    for (key, assets) in target.iter().filter(|(_, assets)| assets.is_shipped()) {
        let kind = document.libraries.get(key).map(|library| library.r#type.as_str());
        let name = match kind {
            Some("package") => key,
            // The runtime that a self-contained application brings is the package behind this prefix.
            Some("runtimepack") => key.strip_prefix("runtimepack.").unwrap_or(key),
            _ => continue,
        };
        let Some((name, version)) = name.split_once('/') else { continue };
        if name.is_empty() || version.is_empty() || key.len() > MAX_TEXT {
            problems.file(file, "a library has no usable name or version; it is skipped");
            continue;
        }
        let needs = assets.dependencies.iter().flatten();
        let requires = needs.map(|(name, version)| Requirement {
            name: name.strip_prefix("runtimepack.").unwrap_or(name).to_owned(),
            version: Some(version.clone()),
        });
        packages.push(Package {
            requires: requires.collect(),
            ..Package::new(ComponentKind::Nuget, name, version, EvidenceKind::Metadata)
        });
    }
    Some(Content::Packages(packages))
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn what_is_shipped_is_listed() {
        let list = r#"{
            "runtimeTarget": {"name": ".NETCoreApp,Version=v8.0/linux-x64", "signature": ""},
            "compilationOptions": {},
            "targets": {".NETCoreApp,Version=v8.0": {}, ".NETCoreApp,Version=v8.0/linux-x64": {
                "app/1.0.0": {"dependencies": {"Newtonsoft.Json": "13.0.3"}, "runtime": {"app.dll": {}}},
                "Newtonsoft.Json/13.0.3": {"runtime": {"lib/net6.0/Newtonsoft.Json.dll":
                    {"assemblyVersion": "13.0.0.0", "fileVersion": "13.0.3.27908"}}},
                "NETStandard.Library/2.0.3": {"dependencies": {"Microsoft.NETCore.Platforms": "1.1.0"}},
                "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"runtime": {"System.dll": {}}}
            }},
            "libraries": {
                "app/1.0.0": {"type": "project", "serviceable": false, "sha512": ""},
                "Newtonsoft.Json/13.0.3": {"type": "package", "serviceable": true, "sha512": "x"},
                "NETStandard.Library/2.0.3": {"type": "package", "serviceable": true, "sha512": "x"},
                "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"type": "runtimepack", "sha512": ""}
            }}"#;
        let expected =
            ["pkg:nuget/Newtonsoft.Json@13.0.3", "pkg:nuget/Microsoft.NETCore.App.Runtime.linux-x64@8.0.1"];
        check("app/app.deps.json", list, &expected);
        check("app/app.deps.json", &format!("\u{feff}{list}"), &expected);
    }

    #[test]
    fn what_is_no_list_says_so() {
        let reason =
            "not a list of .NET: EOF while parsing an object at line 1 column 1; its packages are not listed";
        check("app/app.deps.json", "{", &[&format!("line 1: {reason}")]);
    }
}
