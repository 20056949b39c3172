//! Choosing the images for platforms from an index.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::content::{Fetch, fetch_all};
use crate::descriptor::Descriptor;
use crate::error::{Error, Result};
use crate::manifest::{Index, MAX_MANIFEST_SIZE, Manifest, View};
use crate::media_type;
use crate::platform::Platform;

/// Annotation of the attestations that BuildKit lists beside the images they are about.
const ATTESTS: &str = "vnd.docker.reference.digest";

/// The manifest for a platform: of an index the first that runs on it; an image itself, when its
/// configuration says that it does. [`Error::NoPlatform`] names `reference` and what there is.
pub async fn select_platform(
    store: &(impl Fetch + ?Sized),
    manifest: &Manifest,
    platform: &Platform,
    reference: &str,
) -> Result<Descriptor> {
    let offered = match &manifest.view {
        View::Index(index) => {
            let runs = |child: &&Descriptor| child.platform.as_ref().is_some_and(|p| platform.accepts(p));
            if let Some(found) = index.manifests.iter().find(runs) {
                return Ok(found.clone());
            }
            available(index)
        }
        View::Image(image) => match config_platform(store, &image.config).await? {
            Some(own) if platform.accepts(&own) => return Ok(manifest.descriptor.clone()),
            own => own.map_or_else(|| "no platform".to_owned(), |own| own.to_string()),
        },
        View::Artifact(_) => "no platform".to_owned(),
    };
    Err(no_platform(platform, reference, offered))
}

fn no_platform(platform: &Platform, reference: &str, available: String) -> Error {
    Error::NoPlatform { platform: platform.to_string(), reference: reference.to_owned(), available }
}

fn available(index: &Index) -> String {
    let platforms = index.manifests.iter().filter_map(|child| child.platform.as_ref());
    let platforms = platforms.map(ToString::to_string).collect::<Vec<_>>();
    if platforms.is_empty() { "none with a platform".to_owned() } else { platforms.join(", ") }
}

/// The platform that an image's configuration states; nothing when it is no image configuration.
pub async fn config_platform(store: &(impl Fetch + ?Sized), config: &Descriptor) -> Result<Option<Platform>> {
    if !matches!(config.media_type.as_str(), media_type::OCI_CONFIG | media_type::DOCKER_CONFIG) {
        return Ok(None);
    }
    let bytes = fetch_all(store, config, MAX_MANIFEST_SIZE).await?;
    Ok(serde_json::from_slice(&bytes).ok())
}

/// The images of an index for several platforms, each once, with the attestations about them.
/// [`Error::NoPlatform`] when a platform has none.
pub(crate) fn select_children(
    index: &Index,
    platforms: &[Platform],
    reference: &str,
) -> Result<Vec<Descriptor>> {
    for platform in platforms {
        let offers = |child: &Descriptor| child.platform.as_ref().is_some_and(|p| platform.accepts(p));
        if !index.manifests.iter().any(offers) {
            return Err(no_platform(platform, reference, available(index)));
        }
    }
    let wanted = |child: &Descriptor| {
        let offered = child.platform.as_ref();
        offered.is_some_and(|offered| platforms.iter().any(|platform| platform.accepts(offered)))
    };
    let is_kept = |child: &&Descriptor| match child.annotation(ATTESTS) {
        Some(image) => index.manifests.iter().any(|other| other.digest.as_str() == image && wanted(other)),
        None => wanted(child),
    };
    Ok(index.manifests.iter().filter(is_kept).cloned().collect())
}

/// The index with only those children. What else it says is kept; with all children it is the same bytes.
pub(crate) fn filtered_index(manifest: &Manifest, kept: &[Descriptor]) -> Result<Manifest> {
    let unreadable = |source| Error::ReadManifest {
        digest: manifest.digest().to_string(),
        source: crate::manifest::InvalidManifest::Json {
            media_type: manifest.descriptor.media_type.clone(),
            source,
        },
    };
    let mut fields: Map<String, Value> = serde_json::from_slice(&manifest.bytes).map_err(unreadable)?;
    let Some(Value::Array(children)) = fields.get_mut("manifests") else { return Ok(manifest.clone()) };
    let before = children.len();
    children.retain(|child| {
        kept.iter().any(|kept| child.get("digest").and_then(Value::as_str) == Some(kept.digest.as_str()))
    });
    if children.len() == before {
        return Ok(manifest.clone());
    }
    let bytes = Bytes::from(serde_json::to_vec(&fields).map_err(unreadable)?);
    let algorithm = manifest.digest().algorithm();
    Manifest::parse_with(algorithm, bytes, Some(&manifest.descriptor.media_type))
        .map_err(|source| Error::ReadManifest { digest: manifest.digest().to_string(), source })
}
