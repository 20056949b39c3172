//! `Cargo.lock`, of any version.

use serde::Deserialize;

use super::{locked, toml};
use crate::fragment::{Package, Requirement};
use crate::model::ComponentKind;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    /// Absent for the crates of the workspace.
    source: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let lock: Lock = toml(bytes)?;
    let published = lock.package.into_iter().filter(|entry| entry.source.is_some());
    let each = published.map(|entry| Package {
        requires: entry.dependencies.iter().map(|dependency| requirement(dependency)).collect(),
        ..locked(ComponentKind::Cargo, entry.name, entry.version)
    });
    Ok(each.collect())
}

/// `name`, `name version` or `name version (source)`.
fn requirement(text: &str) -> Requirement {
    let mut words = text.split(' ');
    let name = words.next().unwrap_or_default().to_owned();
    Requirement { name, version: words.next().map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn crates_that_were_published() {
        check(
            "Cargo.lock",
            "version = 4\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\"serde\"]\n[[package]]\nname = \"serde\"\nversion = \"1.0.1\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"x\"\n",
            &["pkg:cargo/serde@1.0.1"],
        );
        check(
            "Cargo.lock",
            "version = ",
            &[
                "file: the lock file is damaged: string values must be quoted, expected literal string; its packages are not listed",
            ],
        );
    }
}
