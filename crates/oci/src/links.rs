//! Which manifest points at what: the index that stores without a referrers API answer from.

use std::collections::{BTreeSet, HashMap};

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::manifest::Manifest;

/// A manifest in the graph.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// With artifact type and annotations, as referrers are listed.
    pub(crate) descriptor: Descriptor,
    subject: Option<Digest>,
    /// Everything it points at, the subject too.
    targets: Vec<Descriptor>,
}

impl Node {
    /// What a manifest says of itself and of others.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let mut descriptor = manifest.descriptor.plain();
        descriptor.artifact_type = manifest.artifact_type().map(str::to_owned);
        descriptor.annotations = manifest.annotations().cloned();
        let targets = manifest.successors().into_iter().chain(manifest.subject());
        Self {
            descriptor,
            subject: manifest.subject().map(|subject| subject.digest.clone()),
            targets: targets.map(Descriptor::plain).collect(),
        }
    }

    /// Everything it points at, the subject too.
    pub(crate) fn targets(&self) -> &[Descriptor] {
        &self.targets
    }

    /// It refers to another manifest.
    pub(crate) fn has_subject(&self) -> bool {
        self.subject.is_some()
    }
}

/// Manifests and what they point at, in both directions.
#[derive(Debug, Default)]
pub(crate) struct Links {
    nodes: HashMap<Digest, Node>,
    /// From content to the manifests that point at it; sorted, so that answers do not depend on hashing.
    sources: HashMap<Digest, BTreeSet<Digest>>,
}

impl Links {
    /// Adds a manifest.
    pub(crate) fn insert(&mut self, node: Node) {
        let digest = node.descriptor.digest.clone();
        for target in &node.targets {
            self.sources.entry(target.digest.clone()).or_default().insert(digest.clone());
        }
        self.nodes.insert(digest, node);
    }

    /// Takes a manifest out. Returns those of its parts that nothing points at any more because of that; its
    /// subject is no part of it and can do without.
    pub(crate) fn remove(&mut self, digest: &Digest) -> Vec<Descriptor> {
        let Some(node) = self.nodes.remove(digest) else { return Vec::new() };
        let mut orphans = Vec::new();
        for target in &node.targets {
            let Some(sources) = self.sources.get_mut(&target.digest) else { continue };
            if sources.remove(digest) && sources.is_empty() {
                self.sources.remove(&target.digest);
                orphans.push(target.clone());
            }
        }
        orphans.retain(|orphan| Some(&orphan.digest) != node.subject.as_ref());
        orphans
    }

    /// A manifest.
    pub(crate) fn get(&self, digest: &Digest) -> Option<&Node> {
        self.nodes.get(digest)
    }

    /// Some manifest points at it.
    pub(crate) fn is_pointed_at(&self, digest: &Digest) -> bool {
        self.sources.contains_key(digest)
    }

    /// The manifests whose subject this is, by digest.
    pub(crate) fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Vec<Descriptor> {
        let sources = self.sources.get(subject).into_iter().flatten();
        sources
            .filter_map(|source| self.nodes.get(source))
            .filter(|node| node.subject.as_ref() == Some(subject))
            .filter(|node| artifact_type.is_none_or(|t| node.descriptor.artifact_type.as_deref() == Some(t)))
            .map(|node| node.descriptor.clone())
            .collect()
    }
}
