//! What one database says otherwise than another.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Database;
use super::layout::{EcosystemRow, KeyRow, Section};

/// A package of which two databases do not say the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ChangedPackage {
    /// For example `Debian:12`.
    pub ecosystem: String,
    /// The package.
    pub package: String,
    /// What is otherwise.
    pub change: PackageChange,
}

/// How a package is spoken of otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageChange {
    /// Only the newer one speaks of it.
    Added,
    /// Both do, and not the same.
    Changed,
    /// Only the older one does.
    Removed,
}

impl Database {
    /// The packages of which a newer database does not say the same, by ecosystem and name. EPSS scores do not count.
    #[must_use]
    pub fn changes_to(&self, newer: &Self) -> Vec<ChangedPackage> {
        let (before, after) = (self.fingerprints(), newer.fingerprints());
        let changed = |key: &(&str, &str), change| ChangedPackage {
            ecosystem: key.0.to_owned(),
            package: key.1.to_owned(),
            change,
        };
        let mut changes: Vec<ChangedPackage> = before
            .iter()
            .filter_map(|(key, fingerprint)| match after.get(key) {
                None => Some(changed(key, PackageChange::Removed)),
                Some(new) if new != fingerprint => Some(changed(key, PackageChange::Changed)),
                Some(_) => None,
            })
            .collect();
        let added = after.keys().filter(|key| !before.contains_key(*key));
        changes.extend(added.map(|key| changed(key, PackageChange::Added)));
        changes.sort();
        changes
    }

    /// What is known of every package, as a digest.
    fn fingerprints(&self) -> BTreeMap<(&str, &str), [u8; 16]> {
        let mut all = BTreeMap::new();
        let ecosystems = self.table::<EcosystemRow>(Section::Ecosystems);
        for number in 0..ecosystems.len() {
            let Some(row) = ecosystems.get(number) else { continue };
            let Some(ecosystem) = self.string(row.name) else { continue };
            for key in self.table::<KeyRow>(Section::Keys).iter(row.keys) {
                if let Some(package) = self.string(key.name) {
                    all.insert((ecosystem, package), key.fingerprint);
                }
            }
        }
        all
    }
}
