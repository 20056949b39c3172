//! A repository read in the same process, without HTTP: what the platform analyses images through.

use std::sync::Arc;

use async_trait::async_trait;
use tidewaiter_oci::content::{BlobReader, Fetch, Predecessors, ReadTarget, Resolve};
use tidewaiter_oci::verify::VerifyReader;
use tidewaiter_oci::{Descriptor, Digest, Error, Manifest, RepositoryName, Result, TagName};
use tokio_util::io::StreamReader;

use crate::metadata::ReferrerQuery;
use crate::registry::Shared;

/// Referrers are read this many at a time.
const PAGE: u32 = 1000;
/// Bytes of them that are read at a time.
const PAGE_BYTES: u64 = 4 * 1024 * 1024;

/// A repository of the registry in this process.
#[derive(Debug, Clone)]
pub struct Repository {
    shared: Arc<Shared>,
    name: RepositoryName,
}

/// A failure of the stores, in the words of `oci`.
fn failed(digest: &Digest, error: crate::Error) -> Error {
    Error::Transfer { digest: digest.clone(), source: std::io::Error::other(error) }
}

impl Repository {
    pub(crate) fn new(shared: Arc<Shared>, name: RepositoryName) -> Self {
        Self { shared, name }
    }

    async fn read(&self, digest: &Digest) -> Result<Option<BlobReader>, crate::Error> {
        if let Some(blob) = self.shared.metadata.blob(&self.name, digest).await? {
            let stream = self.shared.blobs.read(&blob.object, 0..blob.size).await?.into_stream();
            return Ok(Some(Box::pin(StreamReader::new(stream))));
        }
        let Some(manifest) = self.shared.metadata.manifest(&self.name, Ok(digest)).await? else {
            return Ok(None);
        };
        let bytes = self.shared.manifest_bytes(&manifest.digest).await?;
        Ok(bytes.map(|bytes| Box::pin(std::io::Cursor::new(bytes)) as BlobReader))
    }
}

#[async_trait]
impl Fetch for Repository {
    async fn fetch(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let digest = &descriptor.digest;
        let reader = self.read(digest).await.map_err(|error| failed(digest, error))?;
        let reader = reader.ok_or_else(|| Error::not_found(digest.as_str()))?;
        Ok(Box::pin(VerifyReader::new(reader, descriptor)))
    }

    async fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        let digest = &descriptor.digest;
        let found = async {
            let metadata = &self.shared.metadata;
            Ok(metadata.blob(&self.name, digest).await?.is_some()
                || metadata.manifest(&self.name, Ok(digest)).await?.is_some())
        };
        found.await.map_err(|error| failed(digest, error))
    }
}

#[async_trait]
impl Resolve for Repository {
    async fn resolve(&self, reference: &str) -> Result<Descriptor> {
        let not_found = || Error::not_found(format!("{}:{reference}", self.name));
        let digest = reference.parse::<Digest>().ok();
        let tag = reference.parse::<TagName>().ok();
        let target = match (&digest, &tag) {
            (Some(digest), _) => Ok(digest),
            (None, Some(tag)) => Err(tag),
            (None, None) => return Err(not_found()),
        };
        let found = self.shared.metadata.manifest(&self.name, target).await;
        let found = found.map_err(|error| failed(&digest.clone().unwrap_or(Digest::sha256(b"")), error))?;
        let manifest = found.ok_or_else(not_found)?;
        Ok(Descriptor::new(manifest.media_type.clone(), manifest.digest.clone(), manifest.size))
    }

    async fn fetch_reference(&self, reference: &str) -> Result<Manifest> {
        let descriptor = self.resolve(reference).await?;
        let digest = &descriptor.digest;
        let bytes = self.shared.manifest_bytes(digest).await.map_err(|error| failed(digest, error))?;
        let bytes = bytes.ok_or_else(|| Error::not_found(digest.as_str()))?;
        tidewaiter_oci::content::check(&descriptor, &bytes)?;
        Manifest::parse_with(digest.algorithm(), bytes, Some(&descriptor.media_type))
            .map_err(|source| Error::ReadManifest { digest: digest.to_string(), source })
    }
}

#[async_trait]
impl Predecessors for Repository {
    async fn referrers(&self, subject: &Descriptor, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        let digest = &subject.digest;
        let mut query = ReferrerQuery {
            repository: &self.name,
            subject: digest,
            artifact_type,
            after: None,
            limit: PAGE,
            bytes: PAGE_BYTES,
        };
        let mut descriptors = Vec::new();
        loop {
            let page = self.shared.metadata.referrers(&query).await.map_err(|error| failed(digest, error))?;
            // We wrote them ourselves; one that cannot be read is none.
            descriptors.extend(page.descriptors.iter().filter_map(|json| serde_json::from_slice(json).ok()));
            query.after = page.next;
            if query.after.is_none() {
                return Ok(descriptors);
            }
        }
    }
}

impl ReadTarget for Repository {
    fn display_name(&self) -> String {
        format!("[registry] {}", self.name)
    }
}
