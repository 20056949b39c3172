//! Graphs of artifacts: the tree of what refers to an artifact, and deleting an artifact with all of it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, try_join_all};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::Semaphore;

use crate::content::{ReadTarget, Target, fetch_manifest};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::View;
use crate::remote::fallback_tag;

/// Levels that are followed at the most: a registry that makes referrers up without end must not keep us.
///
/// Copying recurses: in a build without optimisation this many levels take some 1.5 MiB of a stack.
pub(crate) const MAX_DEPTH: usize = 48;
/// Referrers that are listed at the most, for the same reason.
const MAX_REFERRERS: usize = 100_000;
/// Requests at the same time.
const PARALLEL: usize = 16;

/// A manifest that refers to another, and what refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// With artifact type and annotations.
    pub descriptor: Descriptor,
    /// What refers to it, in the store's order.
    pub referrers: Vec<Self>,
}

/// What refers to `root`, and what refers to that, down to `depth` levels (all when not given); at every level
/// only what has the artifact type, when one is given. Siblings are asked for at the same time; their order
/// is the store's. A manifest that a store lists as a referrer of itself, directly or not, is not followed again:
/// it ends its branch.
pub async fn referrer_tree(
    target: &dyn ReadTarget,
    root: &Descriptor,
    artifact_type: Option<&str>,
    depth: Option<usize>,
) -> Result<Vec<Referrer>> {
    let walk =
        Walk { target, root, artifact_type, requests: Semaphore::new(PARALLEL), found: AtomicUsize::new(0) };
    walk.below(root.clone(), Vec::new(), depth.unwrap_or(MAX_DEPTH)).await
}

struct Walk<'a> {
    target: &'a dyn ReadTarget,
    root: &'a Descriptor,
    artifact_type: Option<&'a str>,
    requests: Semaphore,
    found: AtomicUsize,
}

impl Walk<'_> {
    /// `above` is what the subject refers to, directly or not, up to the root.
    fn below(
        &self,
        subject: Descriptor,
        mut above: Vec<Digest>,
        depth: usize,
    ) -> BoxFuture<'_, Result<Vec<Referrer>>> {
        async move {
            if depth == 0 || above.contains(&subject.digest) {
                return Ok(Vec::new());
            }
            let found = {
                let _permit = self.requests.acquire().await.expect("nobody closes the semaphore");
                self.target.referrers(&subject, self.artifact_type).await?
            };
            if self.found.fetch_add(found.len(), Ordering::Relaxed) + found.len() > MAX_REFERRERS {
                return Err(Error::TooMany { digest: self.root.digest.clone(), limit: MAX_REFERRERS });
            }
            above.push(subject.digest);
            let above = &above;
            try_join_all(found.into_iter().map(|descriptor| async move {
                let referrers = self.below(descriptor.clone(), above.clone(), depth - 1).await?;
                Ok(Referrer { descriptor, referrers })
            }))
            .await
        }
        .boxed()
    }
}

/// What else goes when an artifact is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeleteScope {
    /// What refers to it, at all levels.
    #[default]
    Referrers,
    /// That, and of an index also the manifests it lists with what refers to them, unless a tag, or an index
    /// with a tag, still needs them. Finding that out takes looking at every tag.
    ReferrersAndManifests,
}

/// What deleting an artifact would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletePlan {
    /// What would be deleted, in this order: whatever points at something goes before it, so that an
    /// interruption leaves nothing that points at what is gone.
    pub manifests: Vec<Descriptor>,
    /// What the artifact lists and would stay, because something else needs it.
    pub kept: Vec<Descriptor>,
    /// Tags of indexes that would stay and list something that would not. Looked for with
    /// [`DeleteScope::ReferrersAndManifests`].
    pub broken: Vec<String>,
}

/// Finds out what deleting `root` with everything that hangs on it would delete. Changes nothing.
pub async fn plan_delete(target: &dyn Target, root: &Descriptor, scope: DeleteScope) -> Result<DeletePlan> {
    let (children, tagged) = match scope {
        DeleteScope::Referrers => (Vec::new(), Vec::new()),
        DeleteScope::ReferrersAndManifests => (listed_manifests(target, root).await?, tagged(target).await?),
    };
    // Everything that tags lead to without going through the root.
    let needed: HashSet<&Digest> =
        tagged.iter().filter(|tagged| tagged.digest != root.digest).flat_map(Tagged::needs).collect();
    let (kept, gone): (Vec<_>, Vec<_>) =
        children.into_iter().partition(|child| needed.contains(&child.digest));
    let mut plan = DeletePlan { manifests: Vec::new(), kept, broken: Vec::new() };
    let mut seen = HashSet::new();
    for manifest in std::iter::once(root.clone()).chain(gone) {
        let tree = referrer_tree(target, &manifest, None, None).await?;
        add_leaves_first(Referrer { descriptor: manifest, referrers: tree }, &mut seen, &mut plan.manifests);
    }
    let lists: HashSet<String> = seen.iter().map(fallback_tag).collect();
    let breaks = |tagged: &&Tagged| {
        // The tag scheme's lists of referrers are struck or go with their subjects.
        !seen.contains(&tagged.digest)
            && !lists.contains(&tagged.tag)
            && tagged.lists.iter().any(|listed| seen.contains(listed))
    };
    plan.broken = tagged.iter().filter(breaks).map(|tagged| tagged.tag.clone()).collect();
    plan.broken.sort_unstable();
    Ok(plan)
}

/// Post-order, each manifest once. The tree is at most [`MAX_DEPTH`] levels deep.
fn add_leaves_first(node: Referrer, seen: &mut HashSet<Digest>, order: &mut Vec<Descriptor>) {
    for referrer in node.referrers {
        add_leaves_first(referrer, seen, order);
    }
    if seen.insert(node.descriptor.digest.clone()) {
        order.push(node.descriptor);
    }
}

async fn listed_manifests(target: &dyn Target, manifest: &Descriptor) -> Result<Vec<Descriptor>> {
    let View::Index(index) = fetch_manifest(target, manifest).await?.view else { return Ok(Vec::new()) };
    Ok(index.manifests.into_iter().filter(Descriptor::is_manifest).collect())
}

/// A tag, and what its manifest needs.
struct Tagged {
    tag: String,
    digest: Digest,
    lists: Vec<Digest>,
}

impl Tagged {
    fn needs(&self) -> impl Iterator<Item = &Digest> {
        self.lists.iter().chain([&self.digest])
    }
}

/// All tags with what they need.
async fn tagged(target: &dyn Target) -> Result<Vec<Tagged>> {
    let tags = target.tags(None).await?;
    let tagged = stream::iter(tags).map(|tag| async move {
        match target.fetch_reference(&tag).await {
            Ok(manifest) => {
                let lists = manifest.successors().into_iter().map(|child| child.digest.clone()).collect();
                Ok(Some(Tagged { tag, digest: manifest.descriptor.digest, lists }))
            }
            // Somebody removed it since the tags were listed.
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    });
    let tagged: Vec<_> = tagged.buffer_unordered(PARALLEL).try_collect().await?;
    Ok(tagged.into_iter().flatten().collect())
}

/// Deletes what a plan lists, in its order, and tells `deleted` after each. What is gone already (stores may
/// collect referrers themselves) counts as deleted.
pub async fn delete_planned(
    target: &dyn Target,
    plan: &DeletePlan,
    mut deleted: impl FnMut(&Descriptor) + Send,
) -> Result<()> {
    for manifest in &plan.manifests {
        match target.delete(manifest).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => deleted(manifest),
        }
    }
    Ok(())
}
