//! Layers and images in memory, as an image builder would push them.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tidewaiter_oci::{Descriptor, Digest, Manifest, media_type};

/// Bytes to push, and their descriptor.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Type, digest and size.
    pub descriptor: Descriptor,
    /// The content.
    pub bytes: Bytes,
}

/// An image to push: its blobs, then its manifest under its tag.
#[derive(Debug, Clone)]
pub struct DemoImage {
    /// Repository, without registry.
    pub repository: &'static str,
    /// Tag.
    pub tag: &'static str,
    /// Configuration and layers.
    pub blobs: Vec<Blob>,
    /// The manifest.
    pub manifest: Manifest,
}

/// A gzip layer with the digest of its tar.
pub(crate) struct Layer {
    blob: Blob,
    diff_id: Digest,
    created_by: &'static str,
}

/// The time all demo content bears: 1 January 2024, in seconds since the epoch and as RFC 3339.
const CREATED_SECONDS: u64 = 1_704_067_200;
const CREATED: &str = "2024-01-01T00:00:00Z";

/// Packs the fixture files below `directory` as a layer.
pub(crate) fn layer(directory: &str, created_by: &'static str) -> io::Result<Layer> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut made = BTreeSet::new();
    for (path, content) in super::files_below(directory) {
        for (end, _) in path.match_indices('/') {
            if made.insert(path[..=end].to_owned()) {
                append(&mut archive, &path[..=end], tar::EntryType::Directory, &[])?;
            }
        }
        append(&mut archive, &path, tar::EntryType::Regular, &content)?;
    }
    let tar = archive.into_inner()?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&tar)?;
    let bytes = Bytes::from(gzip.finish()?);
    let descriptor = Descriptor::of(media_type::OCI_LAYER_GZIP, &bytes);
    Ok(Layer { blob: Blob { descriptor, bytes }, diff_id: Digest::sha256(&tar), created_by })
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    kind: tar::EntryType,
    content: &[u8],
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_mtime(CREATED_SECONDS);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)
}

/// Puts layers together as an image for linux/amd64.
pub(crate) fn image(
    repository: &'static str,
    tag: &'static str,
    layers: &[&Layer],
    cmd: &[&str],
) -> DemoImage {
    let diff_ids: Vec<_> = layers.iter().map(|layer| &layer.diff_id).collect();
    let history: Vec<_> = layers
        .iter()
        .map(|layer| json!({"created": CREATED, "created_by": layer.created_by}))
        .chain([json!({"created": CREATED, "created_by": format!("CMD {cmd:?}"), "empty_layer": true})])
        .collect();
    let config = json!({
        "created": CREATED,
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": cmd,
            "Labels": {"org.opencontainers.image.title": repository, "org.opencontainers.image.version": tag},
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    });
    let config = Bytes::from(config.to_string());
    let config = Blob { descriptor: Descriptor::of(media_type::OCI_CONFIG, &config), bytes: config };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": config.descriptor,
        "layers": layers.iter().map(|layer| &layer.blob.descriptor).collect::<Vec<_>>(),
    });
    let manifest = Manifest::parse(Bytes::from(manifest.to_string()), Some(media_type::OCI_MANIFEST))
        .expect("a manifest made here is valid");
    let blobs = layers.iter().map(|layer| layer.blob.clone()).chain([config]).collect();
    DemoImage { repository, tag, blobs, manifest }
}
