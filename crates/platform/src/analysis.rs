//! From a manifest to an inventory: each layer without a fragment is streamed once, fragments are merged.
//!
//! The same code serves the pipeline, which keeps fragments in the object store, and the command line, which
//! keeps none.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidewaiter_inventory::{
    Catalogue, FRAGMENT_VERSION, Fragment, Inventory, LayerSource, Limits, ManifestFacts, Provenance, layer,
    merge,
};
use tidewaiter_oci::content::{Fetch, fetch_all};
use tidewaiter_oci::kind::{Kind, classify};
use tidewaiter_oci::{Descriptor, ImageManifest, Manifest, View};
use tokio_util::io::SyncIoBridge;

use crate::error::{Error, Result};
use crate::objects::Objects;

/// The largest image configuration we read, in bytes.
const MAX_CONFIG_SIZE: u64 = 16 * 1024 * 1024;

/// Layers of one image that are read at the same time.
const PARALLEL_LAYERS: usize = 2;

/// Keeps the fragments of layers, so that a layer is read once however many images share it.
#[async_trait]
pub trait Fragments: Send + Sync {
    /// The fragment of a layer, when it is kept.
    async fn get(&self, layer: &Descriptor) -> Result<Option<Fragment>>;
    /// Keeps the fragment of a layer.
    async fn put(&self, layer: &Descriptor, fragment: &Fragment) -> Result<()>;
}

/// Keeps no fragments.
#[derive(Debug, Clone, Copy)]
pub struct NoFragments;

#[async_trait]
impl Fragments for NoFragments {
    async fn get(&self, _layer: &Descriptor) -> Result<Option<Fragment>> {
        Ok(None)
    }

    async fn put(&self, _layer: &Descriptor, _fragment: &Fragment) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Fragments for Objects {
    async fn get(&self, layer: &Descriptor) -> Result<Option<Fragment>> {
        Self::get(self, &fragment_key(layer)).await
    }

    async fn put(&self, layer: &Descriptor, fragment: &Fragment) -> Result<()> {
        Self::put(self, &fragment_key(layer), fragment).await
    }
}

/// The version is in the key: fragments of an older program are not found, and made again.
fn fragment_key(layer: &Descriptor) -> String {
    let digest = &layer.digest;
    format!("fragments/{FRAGMENT_VERSION}/{}/{}", digest.algorithm(), digest.hex())
}

/// The manifest as that of an image with layers, or why it is none.
pub fn as_image(manifest: &Manifest) -> Result<&ImageManifest> {
    let other = |reason: String| Error::NotAnImage { what: manifest.digest().to_string(), reason };
    match (classify(manifest), &manifest.view) {
        (Kind::Image, View::Image(image)) => Ok(image),
        (Kind::Artifact(kind), _) => {
            Err(other(format!("it is no image but a {} of type {}", kind.role.as_str(), kind.artifact_type)))
        }
        _ => Err(other("it is an index of images; choose one by its platform".to_owned())),
    }
}

/// What is known around an image, beyond itself.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// What its build says of it.
    pub provenance: Option<Provenance>,
    /// Images that it may stand on.
    pub known_images: Arc<Catalogue>,
}

/// Reads an image: its configuration, which is handed back as stored, and each layer that `fragments` does not know
/// yet.
///
/// # Errors
/// When the content cannot be fetched, and [`Error::ReadLayer`] when a layer is damaged. What cannot be
/// understood inside a layer is a problem of the inventory, not an error.
pub async fn analyse(
    store: &(dyn Fetch + '_),
    manifest: &Manifest,
    fragments: &dyn Fragments,
    context: Context,
) -> Result<(Inventory, Vec<u8>)> {
    let image = as_image(manifest)?;
    let config = fetch_all(store, &image.config, MAX_CONFIG_SIZE).await?;
    let mut reads = Vec::with_capacity(image.layers.len());
    for layer in &image.layers {
        reads.push(fragment(store, layer, fragments));
    }
    let layers: Vec<Fragment> = stream::iter(reads).buffered(PARALLEL_LAYERS).try_collect().await?;
    let facts = ManifestFacts {
        layers: image.layers.iter().map(layer_source).collect(),
        annotations: image.annotations.clone().unwrap_or_default(),
        provenance: context.provenance,
        known_images: context.known_images,
    };
    let merged = tokio::task::spawn_blocking(move || {
        (merge(&layers.iter().collect::<Vec<_>>(), &config, &facts), config.to_vec())
    });
    merged.await.map_err(|source| Error::Task { what: "merging the layers of an image", source })
}

fn layer_source(descriptor: &Descriptor) -> LayerSource {
    LayerSource {
        digest: descriptor.digest.to_string(),
        size: descriptor.size,
        media_type: descriptor.media_type.clone(),
    }
}

async fn fragment(
    store: &(dyn Fetch + '_),
    descriptor: &Descriptor,
    fragments: &dyn Fragments,
) -> Result<Fragment> {
    if let Some(fragment) = fragments.get(descriptor).await? {
        return Ok(fragment);
    }
    let reader = SyncIoBridge::new(store.fetch(descriptor).await?);
    let source = layer_source(descriptor);
    let read = tokio::task::spawn_blocking(move || layer::read(reader, &source, &Limits::default()));
    let fragment = read
        .await
        .map_err(|source| Error::Task { what: "reading a layer", source })?
        .map_err(Error::ReadLayer)?;
    fragments.put(descriptor, &fragment).await?;
    Ok(fragment)
}
