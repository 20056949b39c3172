//! PHP packages as Composer installed them: the list `vendor/composer/installed.json`, in the forms of Composer 1 and 2.

use serde::Deserialize;
use serde_json::Value;

use super::Room;
use crate::fragment::{Content, Package, Requirement};
use crate::model::{ComponentKind, EvidenceKind};
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room { name: "composer", claims, parse, ..Room::EMPTY };

/// Names and versions that are longer are nobody's.
const MAX_TEXT: usize = 512;

fn claims(directory: &str, name: &str) -> bool {
    name == "installed.json" && path::split(directory).1 == "composer"
}

/// Composer 1 wrote the list alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Installed {
    Second { packages: Vec<Value> },
    First(Vec<Value>),
}

#[derive(Deserialize)]
pub(super) struct Entry {
    name: String,
    version: String,
    #[serde(default)]
    license: Value,
    #[serde(default)]
    require: Value,
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let list = match serde_json::from_slice(bytes) {
        Ok(Installed::Second { packages } | Installed::First(packages)) => packages,
        Err(error) => {
            problems.file(file, format!("not a list of Composer: {error}; its packages are not listed"));
            return None;
        }
    };
    let mut packages = Vec::new();
    for (number, entry) in list.into_iter().enumerate() {
        match serde_json::from_value(entry).map(package) {
            Ok(Some(package)) => packages.push(package),
            Ok(None) => {
                problems.file(file, format!("package {number} has no usable name or version; it is skipped"));
            }
            Err(error) => problems.file(file, format!("package {number} is skipped: {error}")),
        }
    }
    Some(Content::Packages(packages))
}

/// The package of an entry; none when it has no usable name or version.
pub(super) fn package(entry: Entry) -> Option<Package> {
    let name = entry.name.to_lowercase();
    let version = entry.version.strip_prefix(['v', 'V']).unwrap_or(&entry.version);
    let is_fit = |text: &str| !text.is_empty() && text.len() <= MAX_TEXT;
    if !is_fit(version) || !is_fit(&name) || !name.contains('/') {
        return None;
    }
    // What has no slash is PHP itself or an extension of it.
    let requires = entry.require.as_object().into_iter().flatten().filter(|(name, _)| name.contains('/'));
    let requires = requires.map(|(name, _)| Requirement { name: name.to_lowercase(), version: None });
    Some(Package {
        licenses: super::texts(&entry.license),
        requires: requires.collect(),
        ..Package::new(ComponentKind::Composer, name, version, EvidenceKind::Metadata)
    })
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    const LIST: &str = "app/vendor/composer/installed.json";

    #[test]
    fn both_forms_are_read() {
        let monolog = r#"{"name": "Monolog/Monolog", "version": "v2.9.1", "version_normalized": "2.9.1.0",
            "require": {"php": ">=7.2", "psr/log": "^1.0"}, "license": ["MIT"], "type": "library"}"#;
        let expected = ["pkg:composer/monolog/monolog@2.9.1 MIT"];
        check(LIST, &format!("[{monolog}]"), &expected);
        check(
            LIST,
            &format!(r#"{{"packages": [{monolog}], "dev": true, "dev-package-names": []}}"#),
            &expected,
        );
        check("usr/share/php/installed.json", "[]", &[]);
    }

    #[test]
    fn one_odd_package_costs_only_itself() {
        check(
            LIST,
            r#"[{"name": "a/b", "version": "dev-main", "license": "MIT"}, {"name": "a/c"}, {"name": "", "version": "1"}, 7]"#,
            &[
                "pkg:composer/a/b@dev-main MIT",
                "file: package 1 is skipped: missing field `version`",
                "file: package 2 has no usable name or version; it is skipped",
                "file: package 3 is skipped: invalid type: integer `7`, expected struct Entry",
            ],
        );
    }
}
