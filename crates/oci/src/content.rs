//! Small traits for stores of content, in the manner of oras-go's `content` package.
//!
//! A store implements what it can: a remote repository all of it, an archive only [`Fetch`] and [`Resolve`].
//! Abilities that only some stores have (mounting, ranged reads, ready-made referrer lists) are asked for
//! through methods that answer `None` or `false` by default, so that one copy algorithm serves every pair.

use std::fs::File;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::copy::Reporter;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{MAX_MANIFEST_SIZE, Manifest};
pub use crate::unnamed::Unnamed;

/// A stream of content. What a store hands out checks size and digest itself: a reader that ends without an
/// error has given exactly the content of its descriptor.
pub type BlobReader = Pin<Box<dyn AsyncRead + Send>>;

/// What is pushed: bytes in memory (can be sent again after a failure), or a stream (can be sent once, unless
/// it can be reopened).
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A stream that is read once.
    Stream(BlobReader),
    /// A stream that can be opened again after a failed attempt.
    Reopen(Box<dyn Reopen>),
}

/// A file to download to.
#[derive(Clone)]
pub struct FileTarget {
    /// Open for reading and writing. It is written by position; where its cursor stands does not matter.
    pub file: Arc<File>,
    /// Its name, for messages.
    pub path: PathBuf,
    /// How many bytes of the blob are there already, from an attempt that failed.
    pub existing: u64,
    /// Is told of bytes that arrived, piece by piece.
    pub progress: Arc<dyn Fn(u64) + Send + Sync>,
}

/// Opens the same content again and again.
#[async_trait]
pub trait Reopen: Send + Sync {
    /// Opens it from byte `offset`.
    async fn open(&self, offset: u64) -> Result<BlobReader>;
}

#[async_trait]
impl<T: Reopen + ?Sized> Reopen for Arc<T> {
    async fn open(&self, offset: u64) -> Result<BlobReader> {
        (**self).open(offset).await
    }
}

/// Reads content by descriptor.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Opens the content. [`Error::NotFound`] when it is not there.
    async fn fetch(&self, descriptor: &Descriptor) -> Result<BlobReader>;

    /// Opens the content from byte `offset` on, to go on where an interrupted transfer stopped. What is read
    /// cannot be checked against the digest unless it begins at 0; whoever puts the parts together does that.
    async fn fetch_from(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader> {
        let mut reader = self.fetch(descriptor).await?;
        let mut before = (&mut reader).take(offset);
        let skipped = tokio::io::copy(&mut before, &mut tokio::io::sink()).await;
        skipped.map_err(|source| Error::transfer(&descriptor.digest, source))?;
        Ok(reader)
    }

    /// Writes the content into a file in the store's own way and checks it: a remote takes parts of large blobs
    /// over several connections. `false` when it has none for this content: [`Fetch::fetch`] it then.
    async fn fetch_into(&self, _descriptor: &Descriptor, _target: &FileTarget) -> Result<bool> {
        Ok(false)
    }

    /// The content is there.
    async fn exists(&self, descriptor: &Descriptor) -> Result<bool>;
}

/// Finds what a tag or a digest names.
#[async_trait]
pub trait Resolve: Fetch {
    /// The descriptor of the manifest that a tag or a digest names; [`Error::NotFound`] when it names none.
    async fn resolve(&self, reference: &str) -> Result<Descriptor>;

    /// Resolves and reads in one step, which a remote does in one request.
    async fn fetch_reference(&self, reference: &str) -> Result<Manifest>;
}

/// Takes content.
#[async_trait]
pub trait Push: Send + Sync {
    /// Stores content under its descriptor; content that is already there is not an error. A manifest stays
    /// untagged.
    async fn push(&self, descriptor: &Descriptor, content: Content) -> Result<()>;

    /// Stores a blob in the store's own way while its digest is still being made, which a remote does with large
    /// ones, and tells `reporter` what a copy would. Nothing when it has none for this blob: measure it and
    /// [`Push::push`] it then.
    async fn push_unnamed(
        &self,
        _blob: &Unnamed,
        _reporter: &Arc<dyn Reporter>,
    ) -> Result<Option<Descriptor>> {
        Ok(None)
    }

    /// Manifests are found from their subjects without further ado. Where that is the clients' work (the referrers
    /// tag scheme), a manifest may be there that was never recorded: see [`Push::record`].
    async fn records_referrers(&self) -> Result<bool> {
        Ok(true)
    }

    /// Sees to it that a manifest which is there already is found from its subject.
    async fn record(&self, _manifest: &Manifest) -> Result<()> {
        Ok(())
    }

    /// Takes the blob from another repository of the same store without moving its bytes. `false` when the
    /// store cannot or will not: push it then.
    async fn mount(&self, _descriptor: &Descriptor, _from: &str) -> Result<bool> {
        Ok(false)
    }

    /// Announces that many pushes follow: while the result lives, a store may put off writing what it keeps
    /// for all manifests together (a layout's `index.json`). [`Push::flush`] writes it.
    fn batch(&self) -> Batch {
        Batch::default()
    }

    /// Writes what a [`Batch`] has put off.
    async fn flush(&self) -> Result<()> {
        Ok(())
    }
}

/// Lives as long as a series of pushes, see [`Push::batch`].
#[derive(Default)]
#[must_use]
pub struct Batch {
    end: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Batch {
    /// A batch whose end is told by calling `end`.
    pub fn ending_with(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { end: Some(Box::new(end)) }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end();
        }
    }
}

/// Gives names to manifests.
#[async_trait]
pub trait Tag: Send + Sync {
    /// Stores a manifest's bytes and the tag that names it, in one step.
    async fn push_tagged(&self, manifest: &Manifest, tag: &str) -> Result<()>;

    /// Points a tag at a manifest that is there.
    async fn tag(&self, descriptor: &Descriptor, tag: &str) -> Result<()>;

    /// All tags, in the store's order, after `last` when one is given.
    async fn tags(&self, last: Option<&str>) -> Result<Vec<String>>;

    /// Removes a tag and nothing else.
    async fn untag(&self, tag: &str) -> Result<()>;
}

/// Finds what refers to content.
#[async_trait]
pub trait Predecessors: Send + Sync {
    /// Manifests whose `subject` is this one, optionally only those of an artifact type. The descriptors
    /// carry artifact type and annotations. None is an empty list, not an error.
    async fn referrers(&self, subject: &Descriptor, artifact_type: Option<&str>) -> Result<Vec<Descriptor>>;
}

/// Removes content.
#[async_trait]
pub trait Delete: Send + Sync {
    /// Removes the content; [`Error::NotFound`] when it is not there.
    async fn delete(&self, descriptor: &Descriptor) -> Result<()>;
}

/// A store that artifacts can be read from.
pub trait ReadTarget: Resolve + Predecessors {
    /// How messages name it, for example `[registry] localhost:5000/a` or `[oci-layout] dir`.
    fn display_name(&self) -> String;
}

/// A store that artifacts can be written to as well.
pub trait Target: ReadTarget + Push + Tag + Delete {}
impl<T: ReadTarget + Push + Tag + Delete> Target for T {}

/// Reads all of a small piece of content, checked; [`Error::SizeMismatch`] over `limit` bytes.
pub async fn fetch_all(store: &(impl Fetch + ?Sized), descriptor: &Descriptor, limit: u64) -> Result<Bytes> {
    if descriptor.size > limit {
        let digest = descriptor.digest.clone();
        return Err(Error::SizeMismatch { digest, expected: limit, actual: descriptor.size });
    }
    // A descriptor may promise much and deliver little.
    let mut bytes = Vec::with_capacity(usize::try_from(descriptor.size.min(1024 * 1024)).unwrap_or(0));
    let mut reader = store.fetch(descriptor).await?.take(descriptor.size.saturating_add(1));
    reader.read_to_end(&mut bytes).await.map_err(|source| Error::transfer(&descriptor.digest, source))?;
    check(descriptor, &bytes)?;
    Ok(Bytes::from(bytes))
}

/// Reads a manifest that a descriptor names.
pub async fn fetch_manifest(store: &(impl Fetch + ?Sized), descriptor: &Descriptor) -> Result<Manifest> {
    let bytes = fetch_all(store, descriptor, MAX_MANIFEST_SIZE).await?;
    Manifest::parse_with(descriptor.digest.algorithm(), bytes, Some(&descriptor.media_type))
        .map_err(|source| Error::ReadManifest { digest: descriptor.digest.to_string(), source })
}

/// Compares bytes with the size and digest of a descriptor.
pub fn check(descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
    let actual = bytes.len() as u64;
    if actual != descriptor.size {
        return Err(Error::SizeMismatch {
            digest: descriptor.digest.clone(),
            expected: descriptor.size,
            actual,
        });
    }
    let actual = Digest::of(descriptor.digest.algorithm(), bytes);
    if actual != descriptor.digest {
        return Err(Error::DigestMismatch { expected: descriptor.digest.clone(), actual });
    }
    Ok(())
}
