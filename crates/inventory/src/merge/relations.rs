//! Edges between components: what a package says it needs, and what it was found inside of.

use std::collections::HashMap;

use super::components::Finds;
use crate::fragment::{Package, Requirement};
use crate::model::{Component, ComponentKind, Relation, RelationKind};

/// Packages of one name that are considered for a requirement. Real images have a handful; made-up ones could
/// have every package need a name that every package has.
const MAX_CANDIDATES: usize = 64;

/// A package that somebody may require.
struct Candidate<'o> {
    path: &'o str,
    version: &'o str,
    index: usize,
}

/// Adds the relations to `components`; `indices` says which component each package of `finds` became.
pub(super) fn relate(finds: &Finds<'_, '_>, indices: &[usize], components: &mut [Component]) {
    let mut by_name: HashMap<(ComponentKind, &str), Vec<Candidate<'_>>> = HashMap::new();
    for ((find, _, package), &index) in finds.packages().zip(indices) {
        for name in std::iter::once(&package.name).chain(&package.provides) {
            let candidates = by_name.entry((package.kind, name)).or_default();
            if candidates.len() < MAX_CANDIDATES {
                candidates.push(Candidate { path: find.path, version: &package.version, index });
            }
        }
    }
    let mut found: Vec<(usize, RelationKind, usize)> = Vec::new();
    for (number, (find, position, package)) in finds.packages().enumerate() {
        let index = indices[number];
        for requirement in &package.requires {
            let candidates = by_name.get(&(package.kind, requirement.name.as_str()));
            let needed =
                candidates.and_then(|candidates| nearest(candidates, find.path, package, requirement));
            found.extend(needed.map(|needed| (index, RelationKind::DependsOn, needed)));
        }
        // Packages of one file follow each other, so the container stands as far before this one as in its file.
        let container = package.inside.and_then(|inside| {
            let back = position.checked_sub(inside as usize)?;
            indices.get(number.checked_sub(back)?)
        });
        found.extend(container.map(|&container| (container, RelationKind::Contains, index)));
    }
    for (from, kind, to) in found {
        if from != to && components[from].root == components[to].root {
            let purl = components[to].purl.clone();
            components[from].relations.push(Relation { kind, purl });
        }
    }
    for component in components {
        component.relations.sort();
        component.relations.dedup();
    }
}

/// The candidate that meets a requirement of the package in the file at `path`: of the exact version when one is
/// asked for, and where it can be found from there. As Node looks for modules in the directories above, the one
/// that shares most directories wins, then the one that lies least deep.
fn nearest(
    candidates: &[Candidate<'_>],
    path: &str,
    package: &Package,
    requirement: &Requirement,
) -> Option<usize> {
    let fits = |candidate: &&Candidate<'_>| {
        requirement.version.as_ref().is_none_or(|version| version == candidate.version)
            && (package.kind != ComponentKind::Npm || is_above(candidate.path, path))
    };
    let depth = |text: &str| text.bytes().filter(|&byte| byte == b'/').count();
    let shared = |candidate: &Candidate<'_>| {
        candidate.path.split('/').zip(path.split('/')).take_while(|(one, other)| one == other).count()
    };
    let best = candidates.iter().filter(fits).max_by(|one, other| {
        shared(one).cmp(&shared(other)).then_with(|| depth(other.path).cmp(&depth(one.path)))
    });
    best.map(|candidate| candidate.index)
}

/// Whether a module described at `candidate` is in a `node_modules` that programs at `path` look into.
fn is_above(candidate: &str, path: &str) -> bool {
    match candidate.rfind("node_modules/") {
        Some(end) => path.starts_with(&candidate[..end]),
        // Lock files describe all modules in one file.
        None => candidate == path,
    }
}
