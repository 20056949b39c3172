//! `package-lock.json` of npm (versions 1 to 3) and `pnpm-lock.yaml` (versions 5 to 9).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{json, locked, requirements, yaml};
use crate::fragment::Package;
use crate::model::ComponentKind;

#[derive(Deserialize)]
struct PackageLock {
    packages: Option<BTreeMap<String, Installed>>,
    #[serde(default)]
    dependencies: BTreeMap<String, Nested>,
}

/// An entry since version 2, under the directory it goes to.
#[derive(Deserialize)]
struct Installed {
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    link: bool,
    #[serde(default)]
    dependencies: BTreeMap<String, Value>,
}

/// An entry of version 1, inside of the one whose directory it goes to.
#[derive(Deserialize)]
struct Nested {
    version: Option<String>,
    #[serde(default)]
    requires: Value,
    #[serde(default)]
    dependencies: BTreeMap<String, Self>,
}

pub(super) fn package_lock(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let lock: PackageLock = json(bytes)?;
    let Some(packages) = lock.packages else {
        let mut found = Vec::new();
        nested(lock.dependencies, &mut found);
        return Ok(found);
    };
    let each = packages.into_iter().filter(|(_, entry)| !entry.link).filter_map(|(directory, entry)| {
        let (_, name) = directory.rsplit_once("node_modules/")?;
        let name = entry.name.unwrap_or_else(|| name.to_owned());
        Some(Package {
            requires: requirements(entry.dependencies.keys()),
            ..locked(ComponentKind::Npm, name, entry.version?)
        })
    });
    Ok(each.collect())
}

/// The parser bounds how deeply they are nested.
fn nested(entries: BTreeMap<String, Nested>, found: &mut Vec<Package>) {
    for (name, entry) in entries {
        // An alias: `npm:real@1.0.0`. Other texts with a colon are places of code that has no version.
        let stated = entry.version.unwrap_or_default();
        let (name, version) = match stated.strip_prefix("npm:").and_then(|real| real.rsplit_once('@')) {
            Some((real, version)) => (real.to_owned(), version.to_owned()),
            None => (name, stated),
        };
        if !version.contains(':') {
            let needed = entry.requires.as_object().into_iter().flatten().map(|(name, _)| name);
            let requires = requirements(needed);
            found.push(Package { requires, ..locked(ComponentKind::Npm, name, version) });
        }
        nested(entry.dependencies, found);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PnpmLock {
    lockfile_version: String,
    #[serde(default)]
    packages: BTreeMap<String, PnpmEntry>,
    /// Since version 9 the edges stand by themselves.
    #[serde(default)]
    snapshots: BTreeMap<String, PnpmEntry>,
}

#[derive(Deserialize, Default)]
struct PnpmEntry {
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
}

pub(super) fn pnpm(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let lock: PnpmLock = yaml(bytes)?;
    let is_old = lock.lockfile_version.starts_with("5.");
    let mut edges: BTreeMap<(String, String), BTreeMap<String, String>> = BTreeMap::new();
    for (key, entry) in lock.snapshots {
        if let Some(place) = pnpm_key(&key, is_old) {
            edges.entry(place).or_default().extend(entry.dependencies);
        }
    }
    let each = lock.packages.into_iter().filter_map(|(key, entry)| {
        let place = match (entry.name, entry.version) {
            (Some(name), Some(version)) => (name, version),
            (name, _) => {
                let (from_key, version) = pnpm_key(&key, is_old)?;
                (name.unwrap_or(from_key), version)
            }
        };
        let needed = edges.get(&place).unwrap_or(&entry.dependencies);
        let requires = requirements(needed.keys());
        Some(Package { requires, ..locked(ComponentKind::Npm, place.0, place.1) })
    });
    Ok(each.collect())
}

/// Name and version of `/@a/b/1.0.0_peer` (before version 6), `/@a/b@1.0.0(peer)` and `@a/b@1.0.0`.
fn pnpm_key(key: &str, is_old: bool) -> Option<(String, String)> {
    let key = key.strip_prefix('/').unwrap_or(key);
    let (name, version) = if is_old {
        let parts = if key.starts_with('@') { 2 } else { 1 };
        let end = key.match_indices('/').nth(parts - 1)?.0;
        let version = key.get(end + 1..)?;
        (key.get(..end)?, version.split('_').next().unwrap_or(version))
    } else {
        let key = key.split('(').next().unwrap_or(key);
        key.rsplit_once('@').filter(|(name, _)| !name.is_empty())?
    };
    (!version.contains([':', '/'])).then(|| (name.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn package_lock_of_npm() {
        check(
            "app/package-lock.json",
            r#"{"name": "app", "lockfileVersion": 3, "packages": {
                "": {"name": "app", "version": "1.0.0", "dependencies": {"@a/b": "^1"}},
                "node_modules/@a/b": {"version": "1.2.3", "resolved": "x", "dependencies": {"c": "*"}},
                "node_modules/@a/b/node_modules/c": {"version": "2.0.0"},
                "node_modules/alias": {"name": "real", "version": "3.0.0"},
                "packages/own": {"name": "own", "version": "0.0.1"}, "node_modules/own": {"resolved": "packages/own", "link": true}}}"#,
            &["pkg:npm/%40a/b@1.2.3", "pkg:npm/c@2.0.0", "pkg:npm/real@3.0.0"],
        );
        check(
            "app/npm-shrinkwrap.json",
            r#"{"lockfileVersion": 1, "dependencies": {
                "a": {"version": "1.0.0", "requires": {"b": "2"}, "dependencies": {"b": {"version": "2.0.0"}}},
                "c": {"version": "npm:@real/c@3.0.0"}, "d": {"version": "git+ssh://x/d.git#1"}}}"#,
            &["pkg:npm/a@1.0.0", "pkg:npm/b@2.0.0", "pkg:npm/%40real/c@3.0.0"],
        );
        check("app/node_modules/x/package-lock.json", "{", &[]);
        check(
            "package-lock.json",
            "{",
            &[
                "file: the lock file is damaged: EOF while parsing an object at line 1 column 1; its packages are not listed",
            ],
        );
    }

    #[test]
    fn lock_of_pnpm() {
        let expect = ["pkg:npm/%40a/b@1.0.0", "pkg:npm/c@2.10"];
        check(
            "pnpm-lock.yaml",
            "lockfileVersion: 5.4\npackages:\n  /@a/b/1.0.0_@x+y@1.0.0:\n    resolution: {integrity: x}\n    dependencies:\n      c: 2.10\n  /c/2.10:\n    dev: true\n",
            &expect,
        );
        check(
            "pnpm-lock.yaml",
            "lockfileVersion: '6.0'\npackages:\n  /@a/b@1.0.0(@x/y@1.0.0):\n    resolution: {integrity: x}\n  /c@2.10:\n    dev: true\n  github.com/a/b/1234:\n    name: c\n    version: '9'\n",
            &["pkg:npm/%40a/b@1.0.0", "pkg:npm/c@2.10", "pkg:npm/c@9"],
        );
        check(
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\npackages:\n  '@a/b@1.0.0':\n    resolution: {integrity: x}\n  c@2.10:\n    engines: {node: '>=1'}\nsnapshots:\n  '@a/b@1.0.0(c@2.10)':\n    dependencies:\n      c: 2.10\n  c@2.10: {}\n",
            &expect,
        );
    }
}
