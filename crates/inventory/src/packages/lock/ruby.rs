//! `Gemfile.lock` of Bundler.

use super::{locked, text};
use crate::fragment::{Package, Requirement};
use crate::model::ComponentKind;

/// Gems of a registry and of repositories; those in the project stand under `PATH`.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let mut packages: Vec<Package> = Vec::new();
    let mut section = "";
    for line in text(bytes)?.lines() {
        let indent = line.len() - line.trim_start().len();
        let mut words = line.split_whitespace();
        match (indent, words.next()) {
            (0, Some(name)) => section = name,
            (4, Some(name)) if matches!(section, "GEM" | "GIT") => {
                let version = words.next().unwrap_or_default().trim_matches(['(', ')']);
                // The platform that a gem was built for stands behind its version.
                let (version, platform) = version.split_once('-').unwrap_or((version, ""));
                packages.push(Package {
                    architecture: Some(platform).filter(|text| !text.is_empty()).map(str::to_owned),
                    ..locked(ComponentKind::Gem, name, version)
                });
            }
            (6, Some(name)) if matches!(section, "GEM" | "GIT") => {
                if let Some(package) = packages.last_mut() {
                    package.requires.push(Requirement { name: name.to_owned(), version: None });
                }
            }
            _ => {}
        }
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    #[test]
    fn gems_with_and_without_a_platform() {
        check(
            "Gemfile.lock",
            "PATH\n  remote: .\n  specs:\n    own (0.1)\n\nGEM\n  remote: https://gems.example/\n  specs:\n    nokogiri (1.15.4-x86_64-linux)\n      racc (~> 1.4)\n    racc (1.7.1)\n\nPLATFORMS\n  x86_64-linux\n\nDEPENDENCIES\n  own!\n\nBUNDLED WITH\n   2.4.1\n",
            &["pkg:gem/nokogiri@1.15.4?platform=x86_64-linux", "pkg:gem/racc@1.7.1"],
        );
    }
}
