//! `yarn.lock`: the form of its own that Yarn 1 writes, and the YAML of later ones.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{locked, requirements, text, yaml};
use crate::fragment::{Package, Requirement};
use crate::model::ComponentKind;

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let text = text(bytes)?;
    if text.lines().any(|line| line.starts_with("__metadata:")) { modern(bytes) } else { Ok(classic(text)) }
}

#[derive(Deserialize)]
struct Entry {
    resolution: Option<String>,
    #[serde(default)]
    version: String,
    #[serde(default)]
    dependencies: BTreeMap<String, Value>,
}

fn modern(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let entries: BTreeMap<String, Entry> = yaml(bytes)?;
    let each = entries.into_values().filter_map(|entry| {
        // `name@npm:1.0.0`; what is in the project, patched or linked has another protocol.
        let resolution = entry.resolution?;
        let (name, _) = resolution.rsplit_once("@npm:").or_else(|| patched(&resolution))?;
        let requires = requirements(entry.dependencies.keys());
        Some(Package { requires, ..locked(ComponentKind::Npm, name, entry.version) })
    });
    Ok(each.collect())
}

/// A published package with changes of the project: `name@patch:name@npm%3A1.0.0#…`.
fn patched(resolution: &str) -> Option<(&str, &str)> {
    resolution.split_once("@patch:")
}

fn classic(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = Vec::new();
    let mut in_dependencies = false;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start().len();
        let (key, value) = words(line.trim());
        match (indent, key) {
            (0, _) => {
                let first = line.trim_end_matches(':').split(", ").next().unwrap_or_default();
                packages.push(locked(ComponentKind::Npm, name_of(first.trim_matches('"')), ""));
                in_dependencies = false;
            }
            (2, "version") => {
                if let Some(package) = packages.last_mut() {
                    value.clone_into(&mut package.version);
                }
            }
            (2, key) => in_dependencies = matches!(key, "dependencies:" | "optionalDependencies:"),
            (4, name) if in_dependencies => {
                if let Some(package) = packages.last_mut() {
                    package.requires.push(Requirement { name: name.to_owned(), version: None });
                }
            }
            _ => {}
        }
    }
    packages
}

/// `name "value"`, where either may stand in quotes.
fn words(line: &str) -> (&str, &str) {
    let (key, value) = match line.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((key, value)) => (key, value),
        None => line.split_once(' ').unwrap_or((line, "")),
    };
    (key, value.trim().trim_matches('"'))
}

/// The name in `name@^1.0.0`, `@scope/name@^1.0.0` and the alias `other@npm:name@^1.0.0`.
fn name_of(pattern: &str) -> &str {
    let real = pattern.split_once("@npm:").map_or(pattern, |(_, real)| real);
    match real.rfind('@') {
        Some(at) if at > 0 => real.get(..at).unwrap_or(real),
        _ => real,
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn both_forms() {
        check(
            "yarn.lock",
            "# yarn lockfile v1\n\n\n\"@a/b@^1.0.0\", \"@a/b@^1.1.0\":\n  version \"1.2.0\"\n  resolved \"x\"\n  dependencies:\n    c \"^2\"\n\nc@^2, c@~2.0:\n  version \"2.0.1\"\n\n\"d@npm:real@^3\":\n  version \"3.0.0\"\n",
            &["pkg:npm/%40a/b@1.2.0", "pkg:npm/c@2.0.1", "pkg:npm/real@3.0.0"],
        );
        check(
            "yarn.lock",
            "__metadata:\n  version: 8\n  cacheKey: 10\n\n\"@a/b@npm:^1.0.0\":\n  version: 1.2.0\n  resolution: \"@a/b@npm:1.2.0\"\n  dependencies:\n    c: \"npm:^2\"\n  languageName: node\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n  resolution: \"app@workspace:.\"\n\n\"c@patch:c@npm%3A2.0.0#x\":\n  version: 2.0.0\n  resolution: \"c@patch:c@npm%3A2.0.0#x::version=2.0.0\"\n",
            &["pkg:npm/%40a/b@1.2.0", "pkg:npm/c@2.0.0"],
        );
    }
}
