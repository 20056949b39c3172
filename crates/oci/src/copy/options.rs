//! What is copied and how, and who is told of it.

use std::num::NonZeroUsize;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::platform::Platform;

/// How many things are done at the same time, by class: small ones wait for the network's round trips, large
/// ones for its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// Requests, manifests and small blobs.
    pub small: NonZeroUsize,
    /// Large blobs, besides the small ones.
    pub large: NonZeroUsize,
}

impl Concurrency {
    /// What a user's one number means: that many large transfers, and up to ten times as many small ones
    /// (32 at the most, unless the number itself is greater). One means one of everything.
    #[must_use]
    pub fn new(number: NonZeroUsize) -> Self {
        let n = number.get();
        let small = if n == 1 { 1 } else { n.max(n.saturating_mul(10).min(32)) };
        Self { small: NonZeroUsize::new(small).unwrap_or(number), large: number }
    }
}

impl Default for Concurrency {
    /// As for the number 5.
    fn default() -> Self {
        Self::new(const { NonZeroUsize::new(5).expect("not zero") })
    }
}

/// Which images of an index are copied.
#[derive(Debug, Clone, Default)]
pub enum Selection {
    /// All.
    #[default]
    Everything,
    /// One, which takes the index's place: its manifest is what is tagged.
    Platform(Platform),
    /// Those for some platforms. The index itself is copied as it is, so its digest stays; registries may
    /// refuse it because it names manifests that they do not have.
    Sparse(Vec<Platform>),
    /// Those for some platforms, under a new index that lists only them and so has another digest.
    Filtered(Vec<Platform>),
}

/// Which referrers are copied with what they refer to.
#[derive(Debug, Clone, Default)]
pub struct ReferrerFilter {
    /// Only those of these artifact types; of any type when empty. Holds at every level.
    pub artifact_types: Vec<String>,
    /// None of these artifact types, nor what refers to them.
    pub excluded_types: Vec<String>,
    /// How many levels of referrers of referrers; all of them when not given.
    pub depth: Option<usize>,
}

impl ReferrerFilter {
    /// The one type that is wanted, which the source can then filter by.
    pub(super) fn only_type(&self) -> Option<&str> {
        match self.artifact_types.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// A referrer that is copied.
    #[must_use]
    pub fn accepts(&self, referrer: &Descriptor) -> bool {
        let own = referrer.artifact_type.as_deref();
        let is_in = |types: &[String]| types.iter().any(|listed| own == Some(listed));
        (self.artifact_types.is_empty() || is_in(&self.artifact_types)) && !is_in(&self.excluded_types)
    }
}

/// How to copy.
#[derive(Debug, Clone, Default)]
pub struct CopyOptions {
    /// How much at the same time.
    pub concurrency: Concurrency,
    /// The source's repository name, when the destination is in the same registry and can take blobs from it.
    pub mount_from: Option<String>,
    /// Which images of an index.
    pub selection: Selection,
    /// What is selected must have this digest, or nothing is copied.
    pub expected: Option<Digest>,
    /// Referrers are copied too.
    pub referrers: Option<ReferrerFilter>,
    /// Looks at everything below a manifest even though the destination has the manifest already.
    pub force: bool,
}

/// What happens to a piece of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Its transfer begins.
    Started,
    /// So many of its bytes have been read. Goes back when a transfer starts over.
    Progress(u64),
    /// It has arrived.
    Copied,
    /// The destination has it.
    Exists,
    /// The destination took it from this repository of the same registry.
    Mounted(&'a str),
    /// It is left out: a subject, a listed referrer or a foreign layer that the source does not have.
    Skipped,
    /// The same bytes have arrived under another title.
    Twin,
    /// It is called by this tag now.
    Tagged(&'a str),
}

/// Is told what happens. Called from many tasks at once; should return fast.
pub trait Reporter: Send + Sync {
    /// Something happened to a piece of content.
    fn report(&self, descriptor: &Descriptor, event: Event<'_>);
}

/// Tells nobody.
impl Reporter for () {
    fn report(&self, _: &Descriptor, _: Event<'_>) {}
}
