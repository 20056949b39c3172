//! What `docker save` writes: `manifest.json` beside configurations and uncompressed layers.
//!
//! Such an archive has no manifests that a registry would know. One is made up for each image, always the
//! same bytes for the same archive: an OCI manifest over the configuration and the layers as they lie there.

use std::collections::HashMap;
use std::io::Read as _;

use bytes::Bytes;
use serde::Deserialize;

use super::Blob;
use super::members::{Member, Members};
use crate::descriptor::Descriptor;
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Result};
use crate::layout::ListedImage;
use crate::manifest::{ImageManifest, MAX_MANIFEST_SIZE};
use crate::media_type;

/// The largest configuration we read, in bytes.
const MAX_CONFIG_SIZE: u64 = 16 * 1024 * 1024;

/// One image of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// The part of a configuration that tells the layers' digests.
#[derive(Deserialize, Default)]
struct Config {
    #[serde(default)]
    rootfs: RootFs,
}

#[derive(Deserialize, Default)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

/// The images of `manifest.json`; adds their content to `blobs`.
pub(super) fn images(
    members: &Members,
    listing: &[u8],
    blobs: &mut HashMap<Digest, Blob>,
) -> Result<Vec<ListedImage>> {
    let saved: Vec<Saved> = serde_json::from_slice(listing).map_err(|error| {
        Error::invalid_store(members.path(), format!("its manifest.json is broken: {error}"))
    })?;
    let mut known = HashMap::new();
    saved.into_iter().map(|saved| image(members, saved, blobs, &mut known)).collect()
}

fn image(
    members: &Members,
    saved: Saved,
    blobs: &mut HashMap<Digest, Blob>,
    known: &mut HashMap<u64, Descriptor>,
) -> Result<ListedImage> {
    let config = members.read(&saved.config, MAX_CONFIG_SIZE)?;
    let config = config.ok_or_else(|| lacks(members, &saved.config))?;
    let names = saved.layers.unwrap_or_default();
    let diff_ids = serde_json::from_slice::<Config>(&config).unwrap_or_default().rootfs.diff_ids;
    if !diff_ids.is_empty() && diff_ids.len() != names.len() {
        let (stated, found) = (diff_ids.len(), names.len());
        let reason = format!("the configuration {} has {stated} layers, its image {found}", saved.config);
        return Err(Error::invalid_store(members.path(), reason));
    }
    let mut layers = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let member = members.find(name).ok_or_else(|| lacks(members, name))?;
        let layer = match known.get(&member.position) {
            Some(layer) => layer.clone(),
            None => layer(members, member, diff_ids.get(place))?,
        };
        known.insert(member.position, layer.clone());
        blobs.insert(layer.digest.clone(), Blob::Member(member));
        layers.push(layer);
    }
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::of(media_type::OCI_CONFIG, &config),
        layers,
        subject: None,
        annotations: None,
    };
    blobs.insert(manifest.config.digest.clone(), Blob::Bytes(config));
    let bytes = serde_json::to_vec(&manifest).map_err(|error| {
        Error::invalid_store(members.path(), format!("no manifest can be written for it: {error}"))
    })?;
    if bytes.len() as u64 > MAX_MANIFEST_SIZE {
        return Err(Error::invalid_store(members.path(), "its image has too many layers for a manifest"));
    }
    let descriptor = Descriptor::of(media_type::OCI_MANIFEST, &bytes);
    blobs.insert(descriptor.digest.clone(), Blob::Bytes(Bytes::from(bytes)));
    Ok(ListedImage { names: saved.repo_tags.unwrap_or_default(), descriptor })
}

fn lacks(members: &Members, name: &str) -> Error {
    Error::invalid_store(members.path(), format!("its manifest.json names {name}, which it does not have"))
}

/// Describes a layer file. The configuration tells the digest of a plain one, and reading it later proves
/// that right; other tools store compressed layers, whose digest takes reading them now.
fn layer(members: &Members, member: Member, diff_id: Option<&Digest>) -> Result<Descriptor> {
    let failed = |error| Error::file("read", members.path())(error);
    let mut reader = members.open(member).map_err(failed)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut length = reader.read(&mut buffer).map_err(failed)?;
    let media_type = match buffer[..length] {
        [0x1f, 0x8b, ..] => media_type::OCI_LAYER_GZIP,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => media_type::OCI_LAYER_ZSTD,
        _ => media_type::OCI_LAYER,
    };
    if let (media_type::OCI_LAYER, Some(diff_id)) = (media_type, diff_id) {
        return Ok(Descriptor::new(media_type, diff_id.clone(), member.size));
    }
    let mut hasher = Algorithm::Sha256.hasher();
    while length > 0 {
        hasher.update(&buffer[..length]);
        length = reader.read(&mut buffer).map_err(failed)?;
    }
    Ok(Descriptor::new(media_type, hasher.finish(), member.size))
}
