//! Copying artifacts between any two stores: one algorithm over the traits of [`content`](crate::content).
//!
//! The graph of a manifest is walked from the root and pushed from the leaves, many nodes at a time: whatever
//! a manifest points at is there before the manifest is, and the tag comes last. What the destination has is
//! not sent again; blobs are mounted where source and destination share a registry. Manifests are pushed byte
//! for byte as they were read.
//!
//! No permit is held while a node waits for its children, so that a limit of one still ends.

mod lanes;
mod options;
mod transfer;

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::OnceCell;

pub use self::lanes::Lanes;
pub use self::options::{Concurrency, CopyOptions, Event, ReferrerFilter, Reporter, Selection};
use crate::content::{Content, ReadTarget, Target, Unnamed, fetch_manifest};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::Error;
use crate::graph::MAX_DEPTH;
use crate::manifest::{Manifest, View};
use crate::media_type;
use crate::pack::TITLE;
use crate::select::{filtered_index, select_children, select_platform};

/// Which side of a copy failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Where it comes from, when asked what is to be copied.
    Reference,
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
}

/// A copy that failed. Reads as its cause does; the origin tells whose fault it was.
#[derive(Debug)]
pub struct CopyError {
    /// The side that failed.
    pub origin: Origin,
    /// What happened there.
    pub error: Error,
}

impl std::fmt::Display for CopyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for CopyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl From<CopyError> for Error {
    fn from(failed: CopyError) -> Self {
        failed.error
    }
}

fn at_source(error: Error) -> CopyError {
    CopyError { origin: Origin::Source, error }
}

fn at_destination(error: Error) -> CopyError {
    CopyError { origin: Origin::Destination, error }
}

type Result<T, E = CopyError> = std::result::Result<T, E>;

/// Copies from one store to another. One copier remembers what it has dealt with, so that what several
/// artifacts share moves once.
pub struct Copier {
    run: Arc<Run>,
}

/// What all parts of a run share.
struct Run {
    source: Arc<dyn ReadTarget>,
    destination: Arc<dyn Target>,
    options: CopyOptions,
    reporter: Arc<dyn Reporter>,
    lanes: Lanes,
    /// Content that is at the destination, or on its way: whoever else needs it waits.
    nodes: Mutex<HashMap<Digest, Arc<OnceCell<()>>>>,
    /// Blobs that were told of: their media types, with the title each had then.
    told: Mutex<HashMap<Digest, BTreeMap<String, Option<String>>>>,
    /// How often the destination refused to mount in a row.
    refused_mounts: AtomicU32,
    /// How often it had what it was asked for, and had not.
    found: AtomicU32,
    missed: AtomicU32,
}

/// A manifest to copy, with the part of its graph that is wanted.
struct Root {
    manifest: Manifest,
    /// The children to copy when not all of them are wanted.
    children: Option<Vec<Descriptor>>,
}

/// Where in the graph a node was come upon.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Levels below the root.
    depth: usize,
    /// As the subject of its parent, or in a list of referrers, not as a part of something.
    may_be_missing: bool,
}

impl Copier {
    /// Will copy from `source` to `destination` and tell `reporter` what happens.
    #[must_use]
    pub fn new(
        source: Arc<dyn ReadTarget>,
        destination: Arc<dyn Target>,
        options: CopyOptions,
        reporter: Arc<dyn Reporter>,
    ) -> Self {
        let run = Run {
            source,
            destination,
            reporter,
            lanes: Lanes::new(options.concurrency),
            options,
            nodes: Mutex::default(),
            told: Mutex::default(),
            refused_mounts: AtomicU32::new(0),
            found: AtomicU32::new(0),
            missed: AtomicU32::new(0),
        };
        Self { run: Arc::new(run) }
    }

    /// Brings a blob to the destination whose digest is made on the way. Copies that follow find it there and do
    /// not tell of it again. Nothing comes back, and nothing was done, when the destination has no such way.
    pub async fn push_unnamed(&self, blob: &Unnamed) -> Result<Option<Descriptor>> {
        let run = &self.run;
        let _permit = run.lanes.enter(blob.size).await;
        let pushed = run.destination.push_unnamed(blob, &run.reporter).await.map_err(at_destination)?;
        if let Some(descriptor) = &pushed {
            // The same content may have been brought twice.
            let _ = run.node_cell(&descriptor.digest).set(());
        }
        Ok(pushed)
    }

    /// Copies what a tag or a digest names, with everything it points at, and gives it the tags. Without tags
    /// it is pushed by its digest. Returns the descriptor of what stands at the destination: of the image when
    /// one platform was selected, of a new index when one was made.
    pub async fn copy(&self, reference: &str, tags: &[String]) -> Result<Descriptor> {
        let run = &self.run;
        let batch = run.destination.batch();
        let copied = run.copy(reference, tags).await;
        drop(batch);
        // Also after a failure: what did arrive is found again by the next attempt.
        let flushed = run.destination.flush().await.map_err(at_destination);
        let descriptor = copied?;
        flushed.map(|()| descriptor)
    }
}

impl Run {
    async fn copy(self: &Arc<Self>, reference: &str, tags: &[String]) -> Result<Descriptor> {
        let manifest = self
            .source
            .fetch_reference(reference)
            .await
            .map_err(|error| CopyError { origin: Origin::Reference, error })?;
        let root = self.select(manifest, reference).await.map_err(at_source)?;
        if let Some(expected) =
            self.options.expected.clone().filter(|digest| digest != root.manifest.digest())
        {
            let actual = root.manifest.digest().clone();
            return Err(at_destination(Error::DigestMismatch { expected, actual }));
        }
        let Some(filter) = &self.options.referrers else {
            self.root(&root, tags).await?;
            return Ok(root.manifest.descriptor);
        };
        // Referrers come after their subject, the tag comes after them.
        self.root(&root, &[]).await?;
        let mut subjects = vec![root.manifest.descriptor.clone()];
        let children = match &root.children {
            Some(children) => children.clone(),
            None => root.manifest.successors().into_iter().cloned().collect(),
        };
        subjects.extend(children.into_iter().filter(Descriptor::is_manifest));
        let depth = filter.depth.unwrap_or(MAX_DEPTH);
        self.each(subjects, |subject| self.referrers(subject, filter, depth)).await?;
        for tag in tags {
            self.tag(&root.manifest, tag).await?;
        }
        Ok(root.manifest.descriptor)
    }

    /// Narrows an index down to the platforms that are wanted.
    async fn select(&self, manifest: Manifest, reference: &str) -> Result<Root, Error> {
        let (platforms, sparse) = match &self.options.selection {
            Selection::Everything => return Ok(Root { manifest, children: None }),
            Selection::Platform(platform) => {
                let chosen = select_platform(&*self.source, &manifest, platform, reference).await?;
                let manifest = match chosen.digest == *manifest.digest() {
                    true => manifest,
                    false => fetch_manifest(&*self.source, &chosen).await?,
                };
                return Ok(Root { manifest, children: None });
            }
            Selection::Sparse(platforms) => (platforms, true),
            Selection::Filtered(platforms) => (platforms, false),
        };
        let View::Index(index) = &manifest.view else {
            for platform in platforms {
                select_platform(&*self.source, &manifest, platform, reference).await?;
            }
            return Ok(Root { manifest, children: None });
        };
        let children = select_children(index, platforms, reference)?;
        if sparse {
            return Ok(Root { manifest, children: Some(children) });
        }
        Ok(Root { manifest: filtered_index(&manifest, &children)?, children: None })
    }

    /// Copies the root's graph and then the root itself, under its first tag in one step.
    async fn root(self: &Arc<Self>, root: &Root, tags: &[String]) -> Result<()> {
        let Root { manifest, children } = root;
        let cell = self.node_cell(manifest.digest());
        let present = cell.initialized() || {
            let present = !self.options.force && self.destination_has(&manifest.descriptor).await?;
            if present {
                self.record(manifest).await?;
                self.report(&manifest.descriptor, Event::Exists);
            }
            present
        };
        if !present {
            self.children(manifest, children.as_deref(), 0).await?;
            match tags.first() {
                Some(tag) => self.push_tagged(manifest, tag).await?,
                None => self.push_manifest(&manifest.descriptor, manifest).await?,
            }
        }
        // Somebody else may have set it meanwhile, with the same meaning.
        let _ = cell.set(());
        for tag in tags.iter().skip(usize::from(!present)) {
            self.tag(manifest, tag).await?;
        }
        Ok(())
    }

    /// Copies a node and everything below it, once.
    fn node(self: &Arc<Self>, descriptor: Descriptor, place: Place) -> BoxFuture<'static, Result<()>> {
        let run = Arc::clone(self);
        async move {
            let cell = run.node_cell(&descriptor.digest);
            let came_by_this = AtomicBool::new(false);
            let copy = async || {
                came_by_this.store(true, Ordering::Relaxed);
                match descriptor.is_manifest() {
                    true => run.manifest(&descriptor, place).await,
                    false => run.blob(&descriptor).await,
                }
            };
            cell.get_or_try_init(copy).await?;
            // The same bytes as something else are another thing to whoever reads along.
            if !descriptor.is_manifest() && run.is_another_type(&descriptor) && !came_by_this.into_inner() {
                run.report(&descriptor, Event::Exists);
            }
            Ok(())
        }
        .boxed()
    }

    /// Notes that a blob was told of. Whether its bytes were before, only as another type.
    fn is_another_type(&self, blob: &Descriptor) -> bool {
        let title = blob.annotation(TITLE).map(str::to_owned);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let types = told.entry(blob.digest.clone()).or_default();
        let others = types.len();
        match types.entry(blob.media_type.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(title);
                others > 0
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Tells of the parts of a manifest whose bytes came under another title.
    fn tell_twins(&self, manifest: &Manifest) {
        for part in manifest.successors() {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let told = told.get(&part.digest).and_then(|types| types.get(&part.media_type)).cloned();
            if told.is_some_and(|title| title.as_deref() != part.annotation(TITLE)) {
                self.report(part, Event::Twin);
            }
        }
    }

    fn node_cell(&self, digest: &Digest) -> Arc<OnceCell<()>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(nodes.entry(digest.clone()).or_default())
    }

    async fn manifest(self: &Arc<Self>, descriptor: &Descriptor, place: Place) -> Result<()> {
        let present = !self.options.force && self.destination_has(descriptor).await?;
        if present && self.destination.records_referrers().await.map_err(at_destination)? {
            self.report(descriptor, Event::Exists);
            return Ok(());
        }
        let fetched = {
            let _permit = self.lanes.enter_small().await;
            fetch_manifest(&*self.source, descriptor).await
        };
        let manifest = match fetched {
            Ok(manifest) => manifest,
            // The specification lets a subject be missing, and lists of referrers may be behind.
            Err(error) if place.may_be_missing && error.is_not_found() => {
                self.report(descriptor, Event::Skipped);
                return Ok(());
            }
            Err(error) => return Err(at_source(error)),
        };
        if present {
            self.record(&manifest).await?;
            self.report(descriptor, Event::Exists);
            return Ok(());
        }
        self.children(&manifest, None, place.depth).await?;
        self.push_manifest(descriptor, &manifest).await
    }

    /// Copies what a manifest points at: its parts, or those of them that are wanted, and its subject.
    async fn children(
        self: &Arc<Self>,
        manifest: &Manifest,
        wanted: Option<&[Descriptor]>,
        depth: usize,
    ) -> Result<()> {
        if depth >= MAX_DEPTH {
            let digest = manifest.digest().clone();
            return Err(at_source(Error::TooDeep { digest, limit: MAX_DEPTH }));
        }
        let mut children: Vec<Descriptor> = match wanted {
            Some(wanted) => wanted.to_vec(),
            None => manifest.successors().into_iter().cloned().collect(),
        };
        // The largest first: what takes longest should not be what everything waits for at the end.
        children.sort_by_key(|child| Reverse(child.size));
        let part = Place { depth: depth + 1, may_be_missing: false };
        self.each(children, |child| self.node(child, part)).await?;
        match manifest.subject() {
            Some(subject) => self.node(subject.clone(), Place { may_be_missing: true, ..part }).await,
            None => Ok(()),
        }
    }

    /// Copies what refers to a manifest, and what refers to that.
    fn referrers<'a>(
        self: &'a Arc<Self>,
        subject: Descriptor,
        filter: &'a ReferrerFilter,
        depth: usize,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let found = {
                let _permit = self.lanes.enter_small().await;
                self.source.referrers(&subject, filter.only_type()).await.map_err(at_source)?
            };
            let wanted = found.into_iter().filter(|referrer| filter.accepts(referrer)).collect();
            self.each(wanted, |referrer: Descriptor| async move {
                self.node(referrer.clone(), Place { depth: 0, may_be_missing: true }).await?;
                if depth > 1 { self.referrers(referrer, filter, depth - 1).await } else { Ok(()) }
            })
            .await
        }
        .boxed()
    }

    async fn each<F: Future<Output = Result<()>> + Send>(
        &self,
        items: Vec<Descriptor>,
        work: impl FnMut(Descriptor) -> F + Send,
    ) -> Result<()> {
        // Not more at a time than can do anything: each may hold a manifest while its children are copied.
        let limit = self.options.concurrency.small.get();
        stream::iter(items).map(work).buffer_unordered(limit).try_collect().await
    }

    async fn destination_has(&self, descriptor: &Descriptor) -> Result<bool> {
        let _permit = self.lanes.enter_small().await;
        self.destination.exists(descriptor).await.map_err(at_destination)
    }

    /// A push that broke off may have left a manifest that is not found from its subject.
    async fn record(&self, manifest: &Manifest) -> Result<()> {
        if manifest.subject().is_none() {
            return Ok(());
        }
        let _permit = self.lanes.enter_small().await;
        self.destination.record(manifest).await.map_err(at_destination)
    }

    async fn push_manifest(&self, descriptor: &Descriptor, manifest: &Manifest) -> Result<()> {
        let _permit = self.lanes.enter_small().await;
        self.report(descriptor, Event::Started);
        let content = Content::Bytes(manifest.bytes.clone());
        self.destination.push(descriptor, content).await.map_err(at_destination)?;
        self.tell_twins(manifest);
        self.report(descriptor, Event::Copied);
        Ok(())
    }

    async fn push_tagged(&self, manifest: &Manifest, tag: &str) -> Result<()> {
        let _permit = self.lanes.enter_small().await;
        self.report(&manifest.descriptor, Event::Started);
        self.destination.push_tagged(manifest, tag).await.map_err(at_destination)?;
        self.tell_twins(manifest);
        self.report(&manifest.descriptor, Event::Copied);
        self.report(&manifest.descriptor, Event::Tagged(tag));
        Ok(())
    }

    /// The bytes are at hand, so the tag is set by pushing them: one request where others take two.
    async fn tag(&self, manifest: &Manifest, tag: &str) -> Result<()> {
        let _permit = self.lanes.enter_small().await;
        self.destination.push_tagged(manifest, tag).await.map_err(at_destination)?;
        self.report(&manifest.descriptor, Event::Tagged(tag));
        Ok(())
    }

    fn report(&self, descriptor: &Descriptor, event: Event<'_>) {
        self.reporter.report(descriptor, event);
    }
}

/// Content that a registry need not hold and this one does not: nothing is lost by leaving it out.
fn may_be_missing(descriptor: &Descriptor, failed: &CopyError) -> bool {
    media_type::is_nondistributable(&descriptor.media_type)
        && failed.origin == Origin::Source
        && failed.error.is_not_found()
}
