//! What was packed, as a store to push from.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::Packed;
use crate::content::{BlobReader, Fetch, Predecessors, ReadTarget, Reopen as _, Resolve};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::verify::VerifyReader;

/// Holds packed blobs and manifests for a copy. Files are read when they are sent; a file that has changed
/// since it was packed is noticed then.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    blobs: HashMap<Digest, Packed>,
    manifests: HashMap<Digest, Manifest>,
    tags: BTreeMap<String, Digest>,
}

impl Stage {
    /// An empty stage.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a blob.
    pub fn add(&self, packed: Packed) {
        self.state().blobs.insert(packed.descriptor.digest.clone(), packed);
    }

    /// Adds a manifest under a name for [`Resolve`]; its digest names it as well.
    pub fn add_manifest(&self, manifest: Manifest, name: &str) {
        let mut state = self.state();
        state.tags.insert(name.to_owned(), manifest.digest().clone());
        state.manifests.insert(manifest.digest().clone(), manifest);
    }

    fn find(&self, descriptor: &Descriptor) -> Result<Packed> {
        let state = self.state();
        if let Some(manifest) = state.manifests.get(&descriptor.digest) {
            return Ok(Packed::from_bytes(&descriptor.media_type, manifest.bytes.clone()));
        }
        let found = state.blobs.get(&descriptor.digest).cloned();
        found.ok_or_else(|| Error::not_found(descriptor.digest.as_str()))
    }
}

#[async_trait]
impl Fetch for Stage {
    async fn fetch(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let reader = self.find(descriptor)?.open(0).await?;
        Ok(Box::pin(VerifyReader::new(reader, descriptor)))
    }

    async fn fetch_from(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader> {
        match offset {
            0 => self.fetch(descriptor).await,
            offset => self.find(descriptor)?.open(offset).await,
        }
    }

    async fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.find(descriptor).is_ok())
    }
}

#[async_trait]
impl Resolve for Stage {
    async fn resolve(&self, reference: &str) -> Result<Descriptor> {
        Ok(self.fetch_reference(reference).await?.descriptor)
    }

    async fn fetch_reference(&self, reference: &str) -> Result<Manifest> {
        let state = self.state();
        let digest = state.tags.get(reference).cloned().or_else(|| reference.parse().ok());
        let manifest = digest.and_then(|digest| state.manifests.get(&digest).cloned());
        manifest.ok_or_else(|| Error::not_found(reference))
    }
}

/// Knows of none: what is on the stage has only just been made.
#[async_trait]
impl Predecessors for Stage {
    async fn referrers(&self, _: &Descriptor, _: Option<&str>) -> Result<Vec<Descriptor>> {
        Ok(Vec::new())
    }
}

impl ReadTarget for Stage {
    fn display_name(&self) -> String {
        "[files]".to_owned()
    }
}
