//! Language packages that came in an operating system package.
//!
//! A distribution patches what it ships without changing the upstream version, so the upstream advisory of a
//! Python module from `python3-requests` is wrong more often than right. Where the advisories of the
//! distribution cover the source package that owns the files, or the vulnerability itself, their verdict is
//! the better one; where they know neither, the upstream advisory stands.

use tidewaiter_inventory::{Component, Distro};

use super::Finding;
use super::lookup::Scope;
use crate::database::Database;

/// Why a finding of a component that `owner` owns does not count; `None` when it does.
#[must_use]
pub fn suppression(
    database: &Database,
    distro: Option<&Distro>,
    owner: &Component,
    finding: &Finding,
) -> Option<String> {
    let scope = Scope::of(database, distro, owner).ok()?;
    let target = scope.target(owner).ok()?;
    let owner_name = format!("{} {}", owner.name, owner.version);
    let release = &scope.label;
    if scope.rows.iter().any(|(row, _)| database.key(row, &target.package).is_some()) {
        return Some(format!(
            "It was installed by {owner_name}, and {release} keeps track of source package {} itself: \
             what {release} says of that package counts.",
            target.package
        ));
    }
    let cve = std::iter::once(&finding.id)
        .chain(&finding.aliases)
        .find(|name| scope.rows.iter().any(|(row, _)| database.is_covered(row.name, name)))?;
    Some(format!(
        "It was installed by {owner_name}, and {release} keeps track of {cve} itself without naming source \
         package {}: what {release} says counts.",
        target.package
    ))
}
