//! The catalogue of images that others may stand on: made from any repositories, kept in a file.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use tidewaiter_inventory::{Catalogue, KnownImage, chain_ids};
use tidewaiter_oci::content::{ReadTarget, Tag as _, fetch_all, fetch_manifest};
use tidewaiter_oci::remote::Client;
use tidewaiter_oci::{Manifest, Reference, View};

use crate::analysis::as_image;
use crate::error::{Error, Result};

/// Tags that are asked for at a time.
const PARALLEL_TAGS: usize = 8;

/// Largest image configuration that is read, in bytes.
const MAX_CONFIG_SIZE: u64 = 16 << 20;

/// The part of an image configuration that names its layers.
#[derive(Deserialize)]
struct Config {
    created: Option<String>,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// The catalogue in a file; an empty one when there is none.
pub fn load(path: &Path) -> Result<Catalogue> {
    let damaged = |source| Error::ReadCatalogue { path: path.to_owned(), source };
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| damaged(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Catalogue::default()),
        Err(error) => Err(damaged(error)),
    }
}

/// Writes the catalogue; the file is there whole or as it was.
pub fn save(path: &Path, catalogue: &Catalogue) -> Result<()> {
    let failed = |source| Error::WriteFile { path: path.to_owned(), source };
    let directory = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let json = serde_json::to_vec(catalogue)
        .map_err(|source| Error::EncodeObject { key: "the catalogue of base images".to_owned(), source })?;
    std::fs::create_dir_all(&directory).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(&directory).map_err(failed)?;
    file.write_all(&json).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// What became of a repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Tags of images that were taken in.
    pub tags: usize,
    /// Tags of something else, and of images that cannot be read.
    pub left_out: usize,
}

/// Takes in the image that a reference names, or all tags of the repository when it names none.
pub async fn index(client: &Client, reference: &Reference, catalogue: &mut Catalogue) -> Result<Indexed> {
    let repository = client.repository(reference)?;
    let tags = match reference.manifest_reference() {
        Some(tag) => vec![tag.to_owned()],
        None => repository.tags(None).await?,
    };
    let repository = &repository;
    let each = tags.into_iter().map(|tag| async move {
        let images = images(repository, &tag).await;
        match images {
            Err(error) if error.kind() != crate::ErrorKind::Temporary => Ok((tag, Vec::new())),
            images => images.map(|images| (tag, images)),
        }
    });
    let found: Vec<_> = stream::iter(each).buffered(PARALLEL_TAGS).try_collect().await?;
    let mut indexed = Indexed::default();
    for (tag, images) in found {
        let separator = if tag.contains(':') { '@' } else { ':' };
        let name = format!("{}{separator}{tag}", reference.repository_path());
        if images.is_empty() {
            indexed.left_out += 1;
        } else {
            indexed.tags += 1;
        }
        let named = images.into_iter().map(|image| KnownImage { name: name.clone(), ..image });
        catalogue.put(&name, named.collect());
    }
    Ok(indexed)
}

/// The images of a tag, one for each platform, without their name.
async fn images(store: &impl ReadTarget, tag: &str) -> Result<Vec<KnownImage>> {
    let manifest = store.fetch_reference(tag).await?;
    let View::Index(index) = &manifest.view else {
        return Ok(image(store, &manifest).await?.into_iter().collect());
    };
    let mut images = Vec::new();
    for member in &index.manifests {
        if member.annotation("vnd.docker.reference.type").is_none() {
            images.extend(image(store, &fetch_manifest(store, member).await?).await?);
        }
    }
    Ok(images)
}

async fn image(store: &impl ReadTarget, manifest: &Manifest) -> Result<Option<KnownImage>> {
    let Ok(content) = as_image(manifest) else { return Ok(None) };
    let config = fetch_all(store, &content.config, MAX_CONFIG_SIZE).await?;
    let Ok(config) = serde_json::from_slice::<Config>(&config) else { return Ok(None) };
    let diff_ids: Vec<&str> = config.rootfs.diff_ids.iter().map(String::as_str).collect();
    Ok(chain_ids(&diff_ids).pop().map(|chain_id| KnownImage {
        name: String::new(),
        digest: manifest.digest().to_string(),
        created: config.created,
        layers: u32::try_from(diff_ids.len()).unwrap_or(u32::MAX),
        chain_id,
    }))
}
