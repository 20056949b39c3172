//! Holding what is installed against what is known.
//!
//! Every component is looked up in the records of exactly one ecosystem: packages of a distribution in those of the
//! release, packages of languages by name ([`lookup`]). Each record is judged by itself, range by range ([`judge`]);
//! only then are records that speak of the same vulnerability put together into one finding. What cannot be decided is
//! said apart: vulnerabilities that may or may not be there ([`Undecided`]), and packages of which nothing is known at
//! all ([`Gap`]).

mod explain;
mod finding;
mod gap;
mod judge;
mod lookup;
mod ownership;
mod redhat;
mod trace;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tidewaiter_inventory::{Component, ComponentKind, Distro, Inventory};

pub use self::explain::{Explanation, RecordMatch};
pub use self::finding::{Epss, Finding, Fix, FixState, Kev, Matches, Suppressed, Undecided};
pub use self::gap::{Gap, GapKind};
use self::lookup::{Missing, Scope};
pub use self::ownership::suppression;
pub use self::trace::{Trace, trace};
use crate::database::Database;

/// Part of every lookup fingerprint. It changes when the same records would give other findings, so that
/// what an older version of Tidewaiter judged is judged again.
const RULES: u32 = 4;

/// Finds what is wrong with one component.
///
/// `distro` decides which release's records distribution packages are judged by. The findings are sorted by
/// id. What cannot be judged has no findings; [`match_inventory`] says so. Whether the findings of a component that
/// another one owns count is for [`suppression`] to say.
#[must_use]
pub fn match_component(database: &Database, distro: Option<&Distro>, component: &Component) -> Vec<Finding> {
    let Ok(scope) = Scope::of(database, distro, component) else { return Vec::new() };
    scope
        .target(component)
        .map(|target| judge::judge(database, &target, component).findings)
        .unwrap_or_default()
}

/// Finds what is wrong with everything in an image, at a time: whether a system is still supported depends on it.
#[must_use]
pub fn match_inventory(database: &Database, inventory: &Inventory, now: Timestamp) -> Matches {
    let mut owners: HashMap<(Option<&str>, &str), &Component> = HashMap::new();
    if inventory.components.iter().any(|component| component.owner.is_some()) {
        let each = inventory.components.iter();
        owners
            .extend(each.map(|component| ((component.root.as_deref(), component.purl.as_str()), component)));
    }
    let mut matches = Matches::default();
    let mut scopes: BTreeMap<_, Result<Scope<'_>, Missing>> = BTreeMap::new();
    let mut missing: BTreeMap<(ComponentKind, Option<&str>, Missing), u64> = BTreeMap::new();
    for component in &inventory.components {
        // A nested root is another system with advisories of its own.
        let distro = inventory.distro_of(component);
        let root = component.root.as_deref();
        let scope = scopes
            .entry((component.kind, root, lookup::variant(component)))
            .or_insert_with(|| Scope::of(database, distro, component));
        let target = match scope.as_ref().map_err(Clone::clone).and_then(|scope| scope.target(component)) {
            Ok(target) => target,
            // A program that a package of the system owns is judged with that package.
            Err(Missing::Order) if component.kind == ComponentKind::Generic && component.owner.is_some() => {
                continue;
            }
            Err(reason) => {
                *missing.entry((component.kind, root, reason)).or_default() += 1;
                continue;
            }
        };
        let owner = component.owner.as_deref().and_then(|owner| owners.get(&(root, owner)));
        let judgement = judge::judge(database, &target, component);
        for finding in judgement.findings {
            match owner.and_then(|owner| suppression(database, distro, owner, &finding)) {
                Some(reason) => matches.suppressed.push(Suppressed { finding, reason }),
                None => matches.findings.push(finding),
            }
        }
        if owner.is_none() {
            matches.undecided.extend(judgement.undecided);
        }
    }
    let of_system = inventory.components.iter().filter(|component| component.kind.is_os_package());
    let systems: BTreeMap<Option<&str>, Option<&Distro>> =
        of_system.map(|component| (component.root.as_deref(), inventory.distro_of(component))).collect();
    for distro in systems.values().copied().flatten() {
        matches.gaps.extend(gap::of_system(database, distro, now));
    }
    matches.gaps.extend(missing.into_iter().map(|((kind, root, missing), count)| {
        let distro = systems.get(&root).copied().flatten();
        gap::of_packages(database, distro, &missing, kind, count)
    }));
    matches
}

impl Database {
    /// A digest of everything that could be said of a component: while it stays the same, so do the findings
    /// of [`match_component`], apart from their EPSS scores, which change daily and are cheap to look up
    /// ([`Database::epss`]).
    #[must_use]
    pub fn lookup_fingerprint(&self, distro: Option<&Distro>, component: &Component) -> [u8; 16] {
        let mut hasher = Sha256::new();
        hasher.update(RULES.to_le_bytes());
        if let Ok(scope) = Scope::of(self, distro, component)
            && let Ok(target) = scope.target(component)
        {
            for (ecosystem, key) in target.keys(self) {
                hasher.update(ecosystem);
                hasher.update(key.fingerprint);
            }
        }
        hasher.finalize().first_chunk().copied().unwrap_or_default()
    }
}
