//! A directory in the OCI image layout (OCI image specification, "Image Layout"), as ORAS keeps it.
//!
//! Every manifest pushed is listed in `index.json`, with or without a tag (the annotation
//! `org.opencontainers.image.ref.name`, which may be any text). Referrers are found by following manifests.
//! Deleting a manifest deletes its referrers and what nothing needs any more. Content appears under its final
//! name only when it is whole and checked; `index.json` is replaced under a lock, so that parallel processes
//! do not lose each other's entries.

mod files;
pub(crate) mod index;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncReadExt as _;

use self::files::{Files, Ingest, State};
use self::index::{Change, sole_image};
pub use self::index::{ListedImage, REF_NAME};
use crate::archive::Archive;
use crate::blocking::{self, BlockingReader};
use crate::content::{
    Batch, BlobReader, Content, Delete, Fetch, Predecessors, Push, ReadTarget, Resolve, Tag,
};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::links::Node;
use crate::manifest::{MAX_MANIFEST_SIZE, Manifest};
use crate::media_type::OCTET_STREAM;
use crate::memory;
use crate::verify::VerifyReader;

/// Bytes handed to a blocking thread in one go when content is written.
const CHUNK: usize = 256 * 1024;

/// An OCI image layout directory. Clones are the same layout.
#[derive(Clone)]
pub struct Layout {
    files: Arc<Files>,
}

/// Opens a layout for reading: a directory, or a tar file with one inside.
pub async fn open_readable(path: impl Into<PathBuf>) -> Result<Arc<dyn ReadTarget>> {
    let path = path.into();
    if tokio::fs::metadata(&path).await.is_ok_and(|metadata| metadata.is_file()) {
        Ok(Arc::new(Archive::open(path).await?))
    } else {
        Ok(Arc::new(Layout::open(path).await?))
    }
}

impl Layout {
    /// Opens an existing layout. [`Error::InvalidStore`] when the directory is none.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let files = blocking::run(move || Files::open(&path)).await?;
        Ok(Self { files: Arc::new(files) })
    }

    /// Opens a layout for writing. Where there is none it is made when something is written.
    pub async fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let files = blocking::run_counted(move || Files::create(&path)).await?;
        Ok(Self { files: Arc::new(files) })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.files.root()
    }

    /// The images of the layout: what is tagged, and what is neither part of something else nor refers to it.
    pub async fn references(&self) -> Result<Vec<ListedImage>> {
        self.with_state(|files, state| Ok(files.images(state))).await
    }

    /// The image that is meant when none is named. [`Error::AmbiguousImage`] when there are several.
    pub async fn default_image(&self) -> Result<Descriptor> {
        sole_image(self.path(), &self.references().await?)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let files = Arc::clone(&self.files);
        blocking::run_counted(move || work(&files)).await
    }

    async fn with_state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files, &mut State) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(|files| work(files, &mut *files.state()?)).await
    }

    /// Stores a manifest's bytes, unless they are there, and makes the changes that name it.
    async fn store_manifest(
        &self,
        manifest: Manifest,
        changes: impl FnOnce(&Manifest) -> Vec<Change>,
    ) -> Result<()> {
        let changes = changes(&manifest);
        self.run(move |files| {
            if !files.has_blob(&manifest.descriptor)? {
                let mut ingest = files.ingest(&manifest.descriptor)?;
                ingest.write(&manifest.bytes)?;
                ingest.finish()?;
            }
            files.change(changes, Some(Node::of(&manifest)))
        })
        .await
    }

    async fn store_blob(&self, descriptor: &Descriptor, content: Content) -> Result<()> {
        let reader = match content {
            Content::Bytes(bytes) => return self.store_bytes(descriptor, bytes).await,
            Content::Stream(reader) => reader,
            Content::Reopen(source) => source.open(0).await?,
        };
        if descriptor.size < CHUNK as u64 {
            let bytes = memory::collect(descriptor, Content::Stream(reader)).await?;
            return self.store_bytes(descriptor, bytes).await;
        }
        let wanted = descriptor.clone();
        let ingest = self.run(move |files| files.ingest(&wanted)).await?;
        let ingest = spool(reader, ingest, &descriptor.digest).await?;
        blocking::run_counted(move || ingest.finish()).await
    }

    async fn store_bytes(&self, descriptor: &Descriptor, bytes: Bytes) -> Result<()> {
        let descriptor = descriptor.clone();
        self.run(move |files| {
            let mut ingest = files.ingest(&descriptor)?;
            ingest.write(&bytes)?;
            ingest.finish()
        })
        .await
    }
}

/// Writes a stream, reading the next part while the last one is written.
async fn spool(mut reader: BlobReader, ingest: Ingest, digest: &Digest) -> Result<Ingest> {
    let mut writing = blocking::start(move || -> Result<_> { Ok((ingest, Vec::with_capacity(CHUNK))) });
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        let mut ended = false;
        while !ended && buffer.len() < CHUNK {
            let room = (CHUNK - buffer.len()) as u64;
            let read = (&mut reader).take(room).read_buf(&mut buffer).await;
            ended = read.map_err(|source| Error::transfer(digest, source))? == 0;
        }
        let (written, _under_way) = blocking::joined(writing).await;
        let (mut ingest, mut drained): (Ingest, Vec<u8>) = written?;
        if buffer.is_empty() {
            return Ok(ingest);
        }
        drained.clear();
        let full = std::mem::replace(&mut buffer, drained);
        writing = blocking::start(move || -> Result<_> {
            ingest.write(&full)?;
            Ok((ingest, full))
        });
    }
}

/// How `index.json` lists a manifest: with what the pusher says of it, and with artifact type and annotations
/// from the manifest itself where the pusher says nothing.
fn listed(given: &Descriptor, manifest: &Manifest) -> Descriptor {
    let mut descriptor = manifest.descriptor.plain();
    descriptor.platform = given.platform.clone();
    descriptor.annotations = given.annotations.clone().or_else(|| manifest.annotations().cloned());
    descriptor.artifact_type =
        given.artifact_type.clone().or_else(|| manifest.own_artifact_type().map(str::to_owned));
    descriptor
}

fn parse(descriptor: &Descriptor, bytes: Bytes) -> Result<Manifest> {
    crate::content::check(descriptor, &bytes)?;
    Manifest::parse_with(descriptor.digest.algorithm(), bytes, Some(&descriptor.media_type))
        .map_err(|source| Error::ReadManifest { digest: descriptor.digest.to_string(), source })
}

#[async_trait]
impl Fetch for Layout {
    async fn fetch(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let wanted = descriptor.clone();
        let file = self.run(move |files| files.open_blob(&wanted)).await?;
        Ok(Box::pin(BlockingReader::new(VerifyReader::new(file, descriptor), descriptor.size)))
    }

    async fn fetch_from(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader> {
        if offset == 0 {
            return self.fetch(descriptor).await;
        }
        let wanted = descriptor.clone();
        let file = self.run(move |files| files.open_blob_at(&wanted, offset)).await?;
        Ok(Box::pin(BlockingReader::new(file, descriptor.size.saturating_sub(offset))))
    }

    /// A manifest is there only when the layout lists it or something that leads to it: bytes alone may be
    /// left over from a push that was interrupted, and nobody would find them.
    async fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        let descriptor = descriptor.clone();
        self.run(move |files| {
            if !files.has_blob(&descriptor)? || !descriptor.is_manifest() {
                return files.has_blob(&descriptor);
            }
            let mut state = files.state()?;
            Ok(state.index.find(&descriptor.digest).is_some()
                || files.links(&mut state).get(&descriptor.digest).is_some())
        })
        .await
    }
}

#[async_trait]
impl Resolve for Layout {
    /// A digest of content that is no manifest resolves too, as [`OCTET_STREAM`].
    async fn resolve(&self, reference: &str) -> Result<Descriptor> {
        let reference = reference.to_owned();
        self.with_state(move |files, state| {
            let found = match reference.parse::<Digest>() {
                Ok(digest) => {
                    let listed = state.index.find(&digest).map(|entry| entry.descriptor.plain());
                    let linked = || files.links(state).get(&digest).map(|node| node.descriptor.plain());
                    let blob =
                        || Some(Descriptor::new(OCTET_STREAM, digest.clone(), files.blob_size(&digest)?));
                    listed.or_else(linked).or_else(blob)
                }
                Err(_) => state.index.find_name(&reference).map(|entry| entry.descriptor.clone()),
            };
            found.ok_or_else(|| Error::not_found(reference))
        })
        .await
    }

    async fn fetch_reference(&self, reference: &str) -> Result<Manifest> {
        let descriptor = self.resolve(reference).await?;
        crate::content::fetch_manifest(self, &descriptor).await
    }
}

#[async_trait]
impl Push for Layout {
    async fn push(&self, descriptor: &Descriptor, content: Content) -> Result<()> {
        if self.exists(descriptor).await? {
            return Ok(());
        }
        if !descriptor.is_manifest() {
            return self.store_blob(descriptor, content).await;
        }
        if descriptor.size > MAX_MANIFEST_SIZE {
            let source = crate::manifest::InvalidManifest::TooLarge { size: descriptor.size };
            return Err(Error::ReadManifest { digest: descriptor.digest.to_string(), source });
        }
        let manifest = parse(descriptor, memory::collect(descriptor, content).await?)?;
        let given = descriptor.clone();
        self.store_manifest(manifest, |manifest| vec![Change::List(listed(&given, manifest))]).await
    }

    fn batch(&self) -> Batch {
        let files = Arc::clone(&self.files);
        files.begin_batch();
        Batch::ending_with(move || files.end_batch())
    }

    async fn flush(&self) -> Result<()> {
        self.run(Files::flush).await
    }
}

#[async_trait]
impl Tag for Layout {
    async fn push_tagged(&self, manifest: &Manifest, tag: &str) -> Result<()> {
        let manifest = parse(&manifest.descriptor, manifest.bytes.clone())?;
        let tag = tag.to_owned();
        let name = |manifest: &Manifest| {
            let listed = listed(&manifest.descriptor, manifest);
            vec![Change::List(listed.clone()), Change::Tag(listed, tag)]
        };
        self.store_manifest(manifest, name).await
    }

    async fn tag(&self, descriptor: &Descriptor, tag: &str) -> Result<()> {
        let (descriptor, tag) = (descriptor.clone(), tag.to_owned());
        self.run(move |files| {
            if !files.has_blob(&descriptor)? {
                return Err(Error::not_found(descriptor.digest.as_str()));
            }
            files.change(vec![Change::Tag(descriptor, tag)], None)
        })
        .await
    }

    async fn tags(&self, last: Option<&str>) -> Result<Vec<String>> {
        let last = last.map(str::to_owned);
        self.with_state(move |_, state| {
            let tags = state.index.tags().into_iter();
            let after = tags.filter(|tag| last.as_deref().is_none_or(|last| *tag > last));
            Ok(after.map(str::to_owned).collect())
        })
        .await
    }

    async fn untag(&self, tag: &str) -> Result<()> {
        let tag = tag.to_owned();
        self.run(move |files| {
            if !files.state()?.index.tags().contains(tag.as_str()) {
                return Err(Error::not_found(tag));
            }
            files.change(vec![Change::Untag(tag)], None)
        })
        .await
    }
}

#[async_trait]
impl Predecessors for Layout {
    async fn referrers(&self, subject: &Descriptor, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        let (subject, artifact_type) = (subject.digest.clone(), artifact_type.map(str::to_owned));
        self.with_state(move |files, state| {
            Ok(files.links(state).referrers(&subject, artifact_type.as_deref()))
        })
        .await
    }
}

#[async_trait]
impl Delete for Layout {
    async fn delete(&self, descriptor: &Descriptor) -> Result<()> {
        let descriptor = descriptor.clone();
        self.run(move |files| files.delete(&descriptor)).await
    }
}

impl ReadTarget for Layout {
    fn display_name(&self) -> String {
        format!("[oci-layout] {}", self.path().display())
    }
}
