//! Images in a tar file, read in place: an OCI layout (`oci-archive`), or what `docker save` writes. The file
//! may be compressed with gzip.
//!
//! The archive is gone through once when it is opened, to note where everything is. Content is then read from
//! its place; nothing is unpacked, and no layer is held in memory.

mod docker;
mod gzip;
mod members;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;

use self::members::{Member, Members};
use crate::blocking::{self, BlockingReader};
use crate::content::{BlobReader, Fetch, Predecessors, ReadTarget, Resolve};
use crate::descriptor::Descriptor;
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Result};
use crate::layout::ListedImage;
use crate::layout::index::{IndexFile, MAX_INDEX_SIZE, check_layout_file, link, sole_image};
use crate::links::{Links, Node};
use crate::manifest::{MAX_MANIFEST_SIZE, Manifest};
use crate::media_type::OCTET_STREAM;
use crate::reference::Reference;
use crate::verify::VerifyReader;

/// Content of an archive.
#[derive(Clone)]
enum Blob {
    /// A file in it.
    Member(Member),
    /// Made up by us, or small and already read.
    Bytes(Bytes),
}

/// An archive of images. Clones are the same archive.
#[derive(Clone)]
pub struct Archive {
    inner: Arc<Inner>,
}

struct Inner {
    members: Members,
    blobs: HashMap<Digest, Blob>,
    images: Vec<ListedImage>,
    /// Which manifest points at what.
    links: OnceLock<Links>,
    /// The layout's index; for an archive of `docker save` one with the manifests that were made up.
    index: IndexFile,
    kind: &'static str,
}

impl Archive {
    /// Opens an archive and goes through it once. [`Error::InvalidStore`] when it is none, or broken.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let inner = blocking::run(move || Inner::open(&path)).await?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.inner.members.path()
    }

    /// The images in it, in its own order.
    #[must_use]
    pub fn references(&self) -> &[ListedImage] {
        &self.inner.images
    }

    /// The image that is meant when none is named. [`Error::AmbiguousImage`] when there are several.
    pub fn default_image(&self) -> Result<Descriptor> {
        sole_image(self.path(), self.references())
    }
}

impl Inner {
    fn open(path: &Path) -> Result<Self> {
        let members = Members::index(path)?;
        let mut blobs = HashMap::new();
        for name in members.names() {
            if let (Some(digest), Some(member)) = (blob_digest(name), members.find(name)) {
                blobs.insert(digest, Blob::Member(member));
            }
        }
        let layout = members.read("index.json", MAX_INDEX_SIZE)?;
        let saved = members.read("manifest.json", MAX_INDEX_SIZE)?;
        let (images, index, kind) = match (layout, saved) {
            (Some(layout), saved) if saved.is_none() || has_all_manifests(path, &layout, &blobs) => {
                let marker = members.read("oci-layout", MAX_MANIFEST_SIZE)?;
                let marker = marker.ok_or_else(|| Error::invalid_store(path, "it has no file oci-layout"))?;
                check_layout_file(path, &marker)?;
                (Vec::new(), IndexFile::parse(path, &layout)?, "[oci-layout]")
            }
            (_, Some(saved)) => {
                let images = docker::images(&members, &saved, &mut blobs)?;
                let index = IndexFile::of(images.iter().map(|image| &image.descriptor));
                (images, index, "[docker-archive]")
            }
            (Some(_) | None, None) => {
                let reason = "it has neither an index.json (OCI) nor a manifest.json (docker save)";
                return Err(Error::invalid_store(path, reason));
            }
        };
        let mut inner = Self { members, blobs, images, links: OnceLock::new(), index, kind };
        if inner.images.is_empty() {
            inner.images = inner.index.images(inner.links());
        }
        Ok(inner)
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Box<dyn std::io::Read + Send + Unpin>> {
        match self.blobs.get(&descriptor.digest) {
            Some(Blob::Bytes(bytes)) => Ok(Box::new(std::io::Cursor::new(bytes.clone()))),
            Some(Blob::Member(member)) => {
                self.members.open(*member).map_err(Error::file("read", self.members.path()))
            }
            None => Err(Error::incomplete_store(self.members.path(), &descriptor.digest)),
        }
    }

    fn size(&self, digest: &Digest) -> Option<u64> {
        self.blobs.get(digest).map(|blob| match blob {
            Blob::Member(member) => member.size,
            Blob::Bytes(bytes) => bytes.len() as u64,
        })
    }

    fn links(&self) -> &Links {
        self.links.get_or_init(|| link(&self.index, |descriptor| self.read_node(descriptor)))
    }

    fn read_node(&self, descriptor: &Descriptor) -> Option<Node> {
        if self.size(&descriptor.digest)? > MAX_MANIFEST_SIZE {
            return None;
        }
        let mut bytes = Vec::new();
        let mut reader = VerifyReader::new(self.open_blob(descriptor).ok()?, descriptor);
        std::io::Read::read_to_end(&mut reader, &mut bytes).ok()?;
        let algorithm = descriptor.digest.algorithm();
        let manifest = Manifest::parse_with(algorithm, Bytes::from(bytes), Some(&descriptor.media_type));
        manifest.ok().as_ref().map(Node::of)
    }

    fn find(&self, reference: &str) -> Option<Descriptor> {
        if let Ok(digest) = reference.parse::<Digest>() {
            let linked = self.links().get(&digest).map(|node| node.descriptor.plain());
            return linked
                .or_else(|| Some(Descriptor::new(OCTET_STREAM, digest.clone(), self.size(&digest)?)));
        }
        let wanted = Reference::parse_familiar(reference).ok();
        let is_wanted = |name: &String| {
            name == reference || (wanted.is_some() && Reference::parse_familiar(name).ok() == wanted)
        };
        let by_name = self.images.iter().find(|image| image.names.iter().any(is_wanted));
        by_name
            .map(|image| image.descriptor.clone())
            .or_else(|| self.index.find_name(reference).map(|entry| entry.descriptor.clone()))
    }
}

/// The digest in a name like `blobs/sha256/<hex>`.
fn blob_digest(name: &str) -> Option<Digest> {
    let (algorithm, hex) = name.strip_prefix("blobs/")?.split_once('/')?;
    let algorithm: Algorithm = algorithm.parse().ok()?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// Newer `docker save` archives are layouts as well, and then the manifests are the real ones. Some list
/// manifests that they do not have; those are better read the old way.
fn has_all_manifests(path: &Path, layout: &[u8], blobs: &HashMap<Digest, Blob>) -> bool {
    let index = IndexFile::parse(path, layout);
    index.is_ok_and(|index| {
        let entries = index.entries();
        !entries.is_empty() && entries.iter().all(|entry| blobs.contains_key(&entry.descriptor.digest))
    })
}

#[async_trait]
impl Fetch for Archive {
    async fn fetch(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let (inner, wanted) = (Arc::clone(&self.inner), descriptor.clone());
        let reader = blocking::run(move || inner.open_blob(&wanted)).await?;
        Ok(Box::pin(BlockingReader::new(VerifyReader::new(reader, descriptor), descriptor.size)))
    }

    async fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.inner.size(&descriptor.digest) == Some(descriptor.size))
    }
}

#[async_trait]
impl Resolve for Archive {
    /// Takes a tag, a whole image name, or such a name as Docker's users shorten it. A digest of content that
    /// is no manifest resolves too, as [`OCTET_STREAM`].
    async fn resolve(&self, reference: &str) -> Result<Descriptor> {
        let (inner, wanted) = (Arc::clone(&self.inner), reference.to_owned());
        let found = blocking::run(move || inner.find(&wanted)).await;
        found.ok_or_else(|| Error::not_found(reference))
    }

    async fn fetch_reference(&self, reference: &str) -> Result<Manifest> {
        let descriptor = self.resolve(reference).await?;
        crate::content::fetch_manifest(self, &descriptor).await
    }
}

#[async_trait]
impl Predecessors for Archive {
    async fn referrers(&self, subject: &Descriptor, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        let (inner, subject) = (Arc::clone(&self.inner), subject.digest.clone());
        let artifact_type = artifact_type.map(str::to_owned);
        Ok(blocking::run(move || inner.links().referrers(&subject, artifact_type.as_deref())).await)
    }
}

impl ReadTarget for Archive {
    fn display_name(&self) -> String {
        format!("{} {}", self.inner.kind, self.path().display())
    }
}
