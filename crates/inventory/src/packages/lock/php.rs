//! `composer.lock`: the lists of Composer's own `installed.json`, one for the program and one for its makers.

use serde::Deserialize;
use serde_json::Value;

use super::json;
use crate::fragment::Package;
use crate::model::EvidenceKind;
use crate::packages::composer;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Lock {
    #[serde(default)]
    packages: Vec<Value>,
    packages_dev: Option<Vec<Value>>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let lock: Lock = json(bytes)?;
    let all = lock.packages.into_iter().chain(lock.packages_dev.unwrap_or_default());
    let each = all.filter_map(|entry| composer::package(serde_json::from_value(entry).ok()?));
    Ok(each.map(|package| Package { proof: EvidenceKind::LockFile, ..package }).collect())
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn both_lists() {
        check(
            "composer.lock",
            r#"{"packages": [{"name": "psr/log", "version": "1.1.4", "license": ["MIT"]}],
                "packages-dev": [{"name": "phpunit/phpunit", "version": "v9.0"}]}"#,
            &["pkg:composer/psr/log@1.1.4 MIT", "pkg:composer/phpunit/phpunit@9.0"],
        );
    }
}
