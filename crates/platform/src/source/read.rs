//! Reading an image from where it is: one of its platforms, or all.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidewaiter_inventory::sbom::Subject;
use tidewaiter_inventory::{
    Catalogue, ImageFacts, Inventory, Limits, ManifestFacts, Provenance, merge, rootfs, sbom,
};
use tidewaiter_oci::archive::Archive;
use tidewaiter_oci::content::{ReadTarget, Resolve, fetch_all, fetch_manifest};
use tidewaiter_oci::engine::Engine;
use tidewaiter_oci::layout::Layout;
use tidewaiter_oci::remote::Client;
use tidewaiter_oci::{Descriptor, Manifest, Platform, Reference, View};

use super::Source;
use crate::analysis::{Context, Fragments, analyse};
use crate::error::{Error, Result};

/// Largest SBOM that is read, in bytes.
const MAX_DOCUMENT: u64 = 512 << 20;

/// Largest statement that is read, in bytes.
const MAX_STATEMENT: u64 = 16 << 20;

/// Attestations of one image that are looked into.
const MAX_ATTESTATIONS: usize = 16;

/// What predicate types of provenance begin with.
const PROVENANCE: &str = "https://slsa.dev/provenance/";

/// Which images of an index are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Platforms {
    /// The one for this machine, or the only one there is.
    #[default]
    Here,
    /// The one for a platform.
    One(Platform),
    /// Each of them.
    All,
}

/// What reading takes.
pub struct Reading<'a> {
    /// For registries.
    pub client: &'a Client,
    /// The container engine of this machine, when there is one.
    pub engine: Option<&'a Engine>,
    /// Layers that were read before.
    pub fragments: &'a dyn Fragments,
    /// Which images of an index.
    pub platforms: Platforms,
    /// Images that others may stand on.
    pub known_images: Arc<Catalogue>,
    /// Where an image that an engine hands out is kept while it is read.
    pub temporary: &'a Path,
}

/// An image that was read.
#[derive(Debug, Default)]
pub struct ReadImage {
    /// Digest of its manifest; a file system root has none.
    pub digest: Option<String>,
    /// What was found in it.
    pub inventory: Inventory,
    /// Its manifest as stored; empty when there is none.
    pub manifest: Vec<u8>,
    /// Its configuration as stored; empty when there is none.
    pub config: Vec<u8>,
    /// What the document that was read instead calls it.
    pub stated_name: Option<String>,
}

impl ReadImage {
    /// `os/arch[/variant]` of the image; empty when nobody says.
    #[must_use]
    pub fn platform(&self) -> String {
        self.inventory.image.platform()
    }

    /// What a document about the image says of it.
    #[must_use]
    pub fn subject(&self, name: &str) -> Subject {
        Subject {
            name: self.stated_name.clone().unwrap_or_else(|| name.to_owned()),
            digest: self.digest.clone(),
            manifest: self.manifest.clone(),
            config: self.config.clone(),
            ..Subject::default()
        }
    }
}

impl Source {
    /// Reads the image, or each that is meant of an index: never none.
    pub async fn read(&self, reading: &Reading<'_>) -> Result<Vec<ReadImage>> {
        match self {
            Self::Image { name, reference } => match reading.of_engine(name).await {
                Ok(Some(images)) => Ok(images),
                // An engine that is not there, or not ours to ask, is no reason not to look further.
                Ok(None) | Err(Error::Content(tidewaiter_oci::Error::Engine { .. })) => {
                    reading.of_registry(reference).await
                }
                Err(error) => Err(error),
            },
            Self::Engine(name) => {
                if reading.engine.is_none() {
                    return Err(Error::NoEngine);
                }
                let images = reading.of_engine(name).await?;
                images.ok_or_else(|| Error::Content(tidewaiter_oci::Error::not_found(name)))
            }
            Self::Registry(reference) => reading.of_registry(reference).await,
            Self::Layout { path, reference } => {
                let layout = Layout::open(path).await?;
                let reference = match reference {
                    Some(reference) => reference.clone(),
                    None => layout.default_image().await?.digest.to_string(),
                };
                reading.of_store(&layout, &reference).await
            }
            Self::Archive { path, reference } => {
                reading.of_archive(&Archive::open(path).await?, reference.as_deref()).await
            }
            Self::Root(path) => Ok(vec![read_root(path.clone()).await?]),
            Self::Document(path) => Ok(vec![read_document(path.clone()).await?]),
        }
    }
}

impl Reading<'_> {
    async fn of_registry(&self, reference: &Reference) -> Result<Vec<ReadImage>> {
        let repository = self.client.repository(reference)?;
        self.of_store(&repository, reference.manifest_reference().unwrap_or("latest")).await
    }

    async fn of_engine(&self, name: &str) -> Result<Option<Vec<ReadImage>>> {
        let Some(engine) = self.engine else { return Ok(None) };
        let Some(saved) = engine.save(name, self.temporary).await? else { return Ok(None) };
        self.of_archive(&saved.archive, None).await.map(Some)
    }

    async fn of_archive(&self, archive: &Archive, reference: Option<&str>) -> Result<Vec<ReadImage>> {
        match reference {
            Some(reference) => self.of_store(archive, reference).await,
            None => self.of_store(archive, archive.default_image()?.digest.as_str()).await,
        }
    }

    async fn of_store(&self, store: &impl ReadTarget, reference: &str) -> Result<Vec<ReadImage>> {
        let manifest = store.fetch_reference(reference).await?;
        let is_index = matches!(manifest.view, View::Index(_));
        let chosen = choose(store, reference, manifest, &self.platforms).await?;
        let mut images = Vec::with_capacity(chosen.len());
        for Chosen { manifest, attestations } in chosen {
            let context = Context {
                provenance: provenance(store, &manifest, attestations).await,
                known_images: Arc::clone(&self.known_images),
            };
            let (inventory, config) = analyse(store, &manifest, self.fragments, context).await?;
            // What an index says of its images is more than some of their configurations do.
            if let Platforms::One(wanted) = &self.platforms
                && !is_index
            {
                check_platform(&inventory.image, reference, wanted)?;
            }
            images.push(ReadImage {
                digest: Some(manifest.digest().to_string()),
                inventory,
                manifest: manifest.bytes.to_vec(),
                config,
                stated_name: None,
            });
        }
        Ok(images)
    }
}

async fn read_root(path: PathBuf) -> Result<ReadImage> {
    let read = move || {
        let fragment = rootfs::read(&path, &Limits::default())?;
        Ok(merge(&[&fragment], &[], &ManifestFacts::default()))
    };
    let inventory = tokio::task::spawn_blocking(read)
        .await
        .map_err(|source| Error::Task { what: "reading a file system root", source })?
        .map_err(Error::ReadLayer)?;
    Ok(ReadImage { inventory, ..ReadImage::default() })
}

async fn read_document(path: Option<PathBuf>) -> Result<ReadImage> {
    let read = move || {
        let place =
            path.as_ref().map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
        let fail = |reason: String| Error::ReadDocument { place: place.clone(), reason };
        let mut bytes = Vec::new();
        let read = match &path {
            Some(path) => {
                std::fs::File::open(path).and_then(|file| file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes))
            }
            None => std::io::stdin().lock().take(MAX_DOCUMENT + 1).read_to_end(&mut bytes),
        };
        read.map_err(|error| fail(error.to_string()))?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(fail(format!("it is larger than {} MiB", MAX_DOCUMENT >> 20)));
        }
        sbom::read(&bytes).map_err(|error| fail(error.to_string()))
    };
    let document = tokio::task::spawn_blocking(read)
        .await
        .map_err(|source| Error::Task { what: "reading an SBOM", source })??;
    let sbom::Document { subject, inventory } = document;
    Ok(ReadImage {
        digest: subject.digest,
        inventory,
        manifest: subject.manifest,
        config: subject.config,
        stated_name: Some(subject.name).filter(|name| !name.is_empty()),
    })
}

/// An image outside of an index is for one platform, which its configuration says; one that says nothing runs anywhere.
fn check_platform(image: &ImageFacts, reference: &str, wanted: &Platform) -> Result<()> {
    if image.os.is_empty() || image.architecture.is_empty() {
        return Ok(());
    }
    let available = image.platform();
    if available.parse().is_ok_and(|has: Platform| wanted.accepts(&has)) {
        return Ok(());
    }
    Err(no_platform(wanted, reference, available))
}

fn no_platform(wanted: &Platform, reference: &str, available: String) -> Error {
    Error::Content(tidewaiter_oci::Error::NoPlatform {
        platform: wanted.to_string(),
        reference: reference.to_owned(),
        available,
    })
}

/// An image that is meant, and the manifests beside it in its index that attest something of it.
struct Chosen {
    manifest: Manifest,
    attestations: Vec<Descriptor>,
}

/// What the build says of an image: in an attestation of BuildKit's beside it in the index, or in one that refers to it.
/// What cannot be fetched says nothing: the image itself can be read without.
async fn provenance(
    store: &impl ReadTarget,
    image: &Manifest,
    mut attestations: Vec<Descriptor>,
) -> Option<Provenance> {
    if attestations.is_empty() {
        let referrers = store.referrers(&image.descriptor, None).await.unwrap_or_default();
        let is_attestation = |descriptor: &Descriptor| {
            let kind = descriptor.artifact_type.as_deref().unwrap_or_default();
            kind.contains("in-toto") || kind.contains("sigstore.bundle")
        };
        attestations = referrers.into_iter().filter(is_attestation).take(MAX_ATTESTATIONS).collect();
    }
    for attestation in &attestations {
        let Ok(manifest) = fetch_manifest(store, attestation).await else { continue };
        let View::Image(content) = &manifest.view else { continue };
        for layer in &content.layers {
            let predicate = layer.annotation("in-toto.io/predicate-type").unwrap_or(PROVENANCE);
            if !predicate.starts_with(PROVENANCE) {
                continue;
            }
            let Ok(bytes) = fetch_all(store, layer, MAX_STATEMENT).await else { continue };
            if let Some(provenance) = Provenance::parse(&bytes) {
                return Some(provenance);
            }
        }
    }
    None
}

/// Follows indexes to the images that are meant.
async fn choose(
    store: &(impl Resolve + ?Sized),
    reference: &str,
    manifest: Manifest,
    platforms: &Platforms,
) -> Result<Vec<Chosen>> {
    let mut chosen = vec![Chosen { manifest, attestations: Vec::new() }];
    // An index within an index within an index is nobody's image.
    for _ in 0..4 {
        if !chosen.iter().any(|one| matches!(one.manifest.view, View::Index(_))) {
            break;
        }
        let mut next = Vec::new();
        for one in chosen {
            let View::Index(index) = &one.manifest.view else {
                next.push(one);
                continue;
            };
            // Attestations of BuildKit stand among the images.
            let is_image = |member: &&Descriptor| member.annotation("vnd.docker.reference.type").is_none();
            let images: Vec<_> = index.manifests.iter().filter(is_image).collect();
            for member in meant(&images, reference, platforms)? {
                let about = |other: &&Descriptor| {
                    other.annotation("vnd.docker.reference.digest") == Some(member.digest.as_str())
                };
                let attestations = index.manifests.iter().filter(about).cloned().collect();
                next.push(Chosen { manifest: fetch_manifest(store, member).await?, attestations });
            }
        }
        chosen = next;
    }
    Ok(chosen)
}

fn meant<'a>(
    images: &[&'a Descriptor],
    reference: &str,
    platforms: &Platforms,
) -> Result<Vec<&'a Descriptor>> {
    let host = Platform::host();
    let wanted = match platforms {
        Platforms::All if images.is_empty() => &host,
        Platforms::All => return Ok(images.to_vec()),
        Platforms::One(wanted) => wanted,
        Platforms::Here => &host,
    };
    let mut matching =
        images.iter().filter(|member| member.platform.as_ref().is_some_and(|has| wanted.accepts(has)));
    match (matching.next(), images) {
        (Some(chosen), _) => Ok(vec![chosen]),
        (None, [only]) if *platforms == Platforms::Here => Ok(vec![only]),
        (None, _) => {
            let available =
                images.iter().filter_map(|member| member.platform.as_ref()).map(ToString::to_string);
            Err(no_platform(wanted, reference, available.collect::<Vec<_>>().join(", ")))
        }
    }
}
