//! A store in memory: for tests, for content that has no file, and as the destination of small copies.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncReadExt as _;

use crate::content::{
    BlobReader, Content, Delete, Fetch, Predecessors, Push, ReadTarget, Resolve, Tag, check,
};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::links::{Links, Node};
use crate::manifest::{MAX_MANIFEST_SIZE, Manifest};

/// A store in memory. Clones share the content.
#[derive(Debug, Clone)]
pub struct Memory {
    limit: u64,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    content: HashMap<Digest, Bytes>,
    tags: BTreeMap<String, Descriptor>,
    links: Links,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty store that takes content of up to 4 MiB apiece.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(MAX_MANIFEST_SIZE)
    }

    /// An empty store that takes content of up to `limit` bytes apiece.
    #[must_use]
    pub fn with_limit(limit: u64) -> Self {
        Self { limit, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics half way through a change, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self, digest: &Digest) -> Result<Bytes> {
        self.state().content.get(digest).cloned().ok_or_else(|| Error::not_found(digest.as_str()))
    }

    fn store(&self, descriptor: &Descriptor, bytes: Bytes) -> Result<()> {
        check(descriptor, &bytes)?;
        let node = if descriptor.is_manifest() {
            let algorithm = descriptor.digest.algorithm();
            let manifest = Manifest::parse_with(algorithm, bytes.clone(), Some(&descriptor.media_type))
                .map_err(|source| Error::ReadManifest { digest: descriptor.digest.to_string(), source })?;
            Some(Node::of(&manifest))
        } else {
            None
        };
        let mut state = self.state();
        state.content.insert(descriptor.digest.clone(), bytes);
        if let Some(node) = node {
            state.links.insert(node);
        }
        Ok(())
    }
}

/// Reads pushed content into memory, never more than the descriptor announces.
pub(crate) async fn collect(descriptor: &Descriptor, content: Content) -> Result<Bytes> {
    let reader = match content {
        Content::Bytes(bytes) => return Ok(bytes),
        Content::Stream(reader) => reader,
        Content::Reopen(source) => source.open(0).await?,
    };
    let mut bytes = Vec::new();
    let mut reader = reader.take(descriptor.size.saturating_add(1));
    reader.read_to_end(&mut bytes).await.map_err(|source| Error::transfer(&descriptor.digest, source))?;
    Ok(Bytes::from(bytes))
}

#[async_trait]
impl Fetch for Memory {
    async fn fetch(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let bytes = self.bytes(&descriptor.digest)?;
        check(descriptor, &bytes)?;
        Ok(Box::pin(std::io::Cursor::new(bytes)))
    }

    async fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.state().content.contains_key(&descriptor.digest))
    }
}

#[async_trait]
impl Resolve for Memory {
    async fn resolve(&self, reference: &str) -> Result<Descriptor> {
        let state = self.state();
        let found = match reference.parse::<Digest>() {
            Ok(digest) => state.links.get(&digest).map(|node| node.descriptor.plain()),
            Err(_) => state.tags.get(reference).cloned(),
        };
        found.ok_or_else(|| Error::not_found(reference))
    }

    async fn fetch_reference(&self, reference: &str) -> Result<Manifest> {
        let descriptor = self.resolve(reference).await?;
        crate::content::fetch_manifest(self, &descriptor).await
    }
}

#[async_trait]
impl Push for Memory {
    async fn push(&self, descriptor: &Descriptor, content: Content) -> Result<()> {
        if descriptor.size > self.limit {
            let (digest, actual) = (descriptor.digest.clone(), descriptor.size);
            return Err(Error::SizeMismatch { digest, expected: self.limit, actual });
        }
        if self.exists(descriptor).await? {
            return Ok(());
        }
        let bytes = collect(descriptor, content).await?;
        self.store(descriptor, bytes)
    }
}

#[async_trait]
impl Tag for Memory {
    async fn push_tagged(&self, manifest: &Manifest, tag: &str) -> Result<()> {
        self.store(&manifest.descriptor, manifest.bytes.clone())?;
        self.tag(&manifest.descriptor, tag).await
    }

    async fn tag(&self, descriptor: &Descriptor, tag: &str) -> Result<()> {
        let mut state = self.state();
        if state.links.get(&descriptor.digest).is_none() {
            return Err(Error::not_found(descriptor.digest.as_str()));
        }
        state.tags.insert(tag.to_owned(), descriptor.clone());
        Ok(())
    }

    async fn tags(&self, last: Option<&str>) -> Result<Vec<String>> {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        Ok(state.tags.range::<str, _>((after, Bound::Unbounded)).map(|(tag, _)| tag.clone()).collect())
    }

    async fn untag(&self, tag: &str) -> Result<()> {
        self.state().tags.remove(tag).map(drop).ok_or_else(|| Error::not_found(tag))
    }
}

#[async_trait]
impl Predecessors for Memory {
    async fn referrers(&self, subject: &Descriptor, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        Ok(self.state().links.referrers(&subject.digest, artifact_type))
    }
}

#[async_trait]
impl Delete for Memory {
    async fn delete(&self, descriptor: &Descriptor) -> Result<()> {
        let mut state = self.state();
        let digest = &descriptor.digest;
        state.content.remove(digest).ok_or_else(|| Error::not_found(digest.as_str()))?;
        state.links.remove(digest);
        state.tags.retain(|_, tagged| tagged.digest != *digest);
        Ok(())
    }
}

impl ReadTarget for Memory {
    fn display_name(&self) -> String {
        "[memory]".to_owned()
    }
}
