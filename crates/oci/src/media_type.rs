//! Media types of OCI and Docker content, and of what ORAS writes.

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The artifact manifest that OCI 1.1 release candidates had; still met in registries.
pub const OCI_ARTIFACT_MANIFEST: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Uncompressed OCI layer; ORAS's default type of a file.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Gzip OCI layer.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Zstandard OCI layer.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// The two-byte empty JSON object that stands where nothing is meant.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker gzip layer.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Docker uncompressed layer.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// Docker layer that registries do not hold.
pub const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
/// Bytes of no stated type.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// Every manifest type we read, in the order we would rather have them: the `Accept` header of a manifest GET.
pub const MANIFESTS: &[&str] =
    &[OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_ARTIFACT_MANIFEST];

/// The type names a manifest of any kind.
#[must_use]
pub fn is_manifest(media_type: &str) -> bool {
    MANIFESTS.contains(&media_type)
}

/// The type names an index or a manifest list.
#[must_use]
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_MANIFEST_LIST)
}

/// The type names a layer of an image: a tar, however it is compressed and whoever may hold it.
#[must_use]
pub fn is_layer(media_type: &str) -> bool {
    let kind = media_type.split('+').next().unwrap_or_default();
    kind == OCI_LAYER
        || kind == "application/vnd.oci.image.layer.nondistributable.v1.tar"
        || matches!(media_type, DOCKER_LAYER | DOCKER_LAYER_GZIP | DOCKER_FOREIGN_LAYER)
        || media_type == "application/vnd.docker.image.rootfs.diff.tar.zstd"
}

/// The type names a layer that a registry need not hold (the "non-distributable" and "foreign" types).
#[must_use]
pub fn is_nondistributable(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.")
        || media_type == DOCKER_FOREIGN_LAYER
}
