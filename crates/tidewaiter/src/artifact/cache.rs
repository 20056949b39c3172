//! A layout that pulls read through: what is in it is not asked for again.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tidewaiter_oci::content::{BlobReader, Content, Fetch, Predecessors, Push as _, ReadTarget, Resolve};
use tidewaiter_oci::layout::Layout;
use tidewaiter_oci::{Descriptor, Manifest, Result};

/// A source with a cache before it.
pub(crate) struct Cached {
    source: Arc<dyn ReadTarget>,
    cache: Layout,
}

impl Cached {
    /// Puts the cache at `path` before a source; without a path the source stays as it is.
    pub(crate) async fn wrap(
        source: Arc<dyn ReadTarget>,
        path: Option<PathBuf>,
    ) -> Result<Arc<dyn ReadTarget>> {
        match path {
            Some(path) => Ok(Arc::new(Self { source, cache: Layout::create(path).await? })),
            None => Ok(source),
        }
    }
}

#[async_trait]
impl Fetch for Cached {
    async fn fetch(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        if !self.cache.exists(descriptor).await? {
            let content = Content::Stream(self.source.fetch(descriptor).await?);
            self.cache.push(descriptor, content).await?;
        }
        self.cache.fetch(descriptor).await
    }

    async fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.cache.exists(descriptor).await? || self.source.exists(descriptor).await?)
    }
}

/// What a tag means is always asked: it may have moved.
#[async_trait]
impl Resolve for Cached {
    async fn resolve(&self, reference: &str) -> Result<Descriptor> {
        self.source.resolve(reference).await
    }

    async fn fetch_reference(&self, reference: &str) -> Result<Manifest> {
        self.source.fetch_reference(reference).await
    }
}

#[async_trait]
impl Predecessors for Cached {
    async fn referrers(&self, subject: &Descriptor, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        self.source.referrers(subject, artifact_type).await
    }
}

impl ReadTarget for Cached {
    fn display_name(&self) -> String {
        self.source.display_name()
    }
}
