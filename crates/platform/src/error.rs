//! What can go wrong in the platform.

use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is, which decides exit code, HTTP status and retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was asked for makes no sense.
    User,
    /// What was asked for is not there.
    NotFound,
    /// What came is damaged, and will be when it is read again.
    Corrupt,
    /// It may work later.
    Temporary,
    /// The machine, or our own fault.
    Internal,
}

/// An operation of the platform that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] tidewaiter_db::Error),
    /// The embedded registry failed.
    #[error(transparent)]
    Registry(#[from] tidewaiter_registry::Error),
    /// A registry, a layout or an archive failed.
    #[error(transparent)]
    Content(#[from] tidewaiter_oci::Error),
    /// A layer cannot be read.
    #[error(transparent)]
    ReadLayer(tidewaiter_inventory::ReadError),
    /// The reference names something that is not an image.
    #[error("{what} is not an image: {reason}")]
    NotAnImage {
        /// The reference or digest.
        what: String,
        /// What it is instead.
        reason: String,
    },
    /// What was given does not name an image.
    #[error("\"{text}\" names no image: {reason}")]
    ParseSource {
        /// What was given.
        text: String,
        /// Why not, and what would.
        reason: String,
    },
    /// An image of the container engine is meant, and there is none.
    #[error(
        "no container engine was found on this machine: neither Docker's nor Podman's socket is there; DOCKER_HOST names \
         another"
    )]
    NoEngine,
    /// The catalogue of base images cannot be read.
    #[error("the catalogue of base images in {} cannot be read: {source}; remove it, and index again", path.display())]
    ReadCatalogue {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An SBOM cannot be read.
    #[error("{place} cannot be read: {reason}")]
    ReadDocument {
        /// The file.
        place: String,
        /// Why not.
        reason: String,
    },
    /// A feed of advisories cannot be fetched.
    #[error("{url} cannot be fetched: {reason}")]
    Fetch {
        /// Where it is.
        url: String,
        /// Why not.
        reason: String,
    },
    /// A feed of advisories cannot be kept.
    #[error("the feeds in {} cannot be written: {source}", path.display())]
    WriteFeed {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The image is not known.
    #[error("image {digest} is not known here")]
    UnknownImage {
        /// What was asked for.
        digest: String,
    },
    /// The advisory database cannot be used.
    #[error(transparent)]
    Advisories(#[from] tidewaiter_advisory::Error),
    /// A value cannot be written as JSON.
    #[error("{key} cannot be written as JSON: {source}")]
    EncodeObject {
        /// Which object or column.
        key: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// What the database holds is not the JSON we wrote.
    #[error("{what} in the database is damaged: {source}")]
    DecodeColumn {
        /// Which value.
        what: &'static str,
        /// Why it cannot be read.
        source: serde_json::Error,
    },
    /// An object cannot be compressed.
    #[error("object {key} cannot be compressed: {source}")]
    PackObject {
        /// Its key.
        key: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The object store refused or failed.
    #[error("object {key} cannot be stored or read: {source}")]
    StoreObject {
        /// Its key.
        key: String,
        /// Why not.
        source: object_store::Error,
    },
    /// The owner token's file is unreadable or holds something else.
    #[error("the owner token in {} cannot be used: {source}", path.display())]
    ReadOwnerToken {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A task of our own died.
    #[error("{what} stopped unexpectedly: {source}")]
    Task {
        /// What it did.
        what: &'static str,
        /// Why it ended.
        source: tokio::task::JoinError,
    },
}

impl Error {
    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        use tidewaiter_oci::ErrorKind as Oci;
        match self {
            Self::Content(error) => match error.kind() {
                Oci::User | Oci::Config | Oci::Unsupported => ErrorKind::User,
                Oci::NotFound => ErrorKind::NotFound,
                Oci::Corrupt => ErrorKind::Corrupt,
                Oci::Temporary | Oci::Access => ErrorKind::Temporary,
                Oci::Internal => ErrorKind::Internal,
            },
            Self::ReadLayer(error) => kind_of_read(error),
            Self::ParseSource { .. }
            | Self::NotAnImage { .. }
            | Self::NoEngine
            | Self::ReadDocument { .. } => ErrorKind::User,
            Self::UnknownImage { .. } => ErrorKind::NotFound,
            Self::Database(_) | Self::Registry(_) | Self::StoreObject { .. } => ErrorKind::Temporary,
            _ => ErrorKind::Internal,
        }
    }

    /// Trying the same again cannot end differently.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.kind(), ErrorKind::User | ErrorKind::NotFound | ErrorKind::Corrupt)
    }
}

/// A reader that failed may do better next time, unless it found that the content is not what it should be.
fn kind_of_read(error: &tidewaiter_inventory::ReadError) -> ErrorKind {
    use tidewaiter_inventory::ReadError;
    match error {
        ReadError::ReadLayer { source, .. } if source.kind() != std::io::ErrorKind::InvalidData => {
            ErrorKind::Temporary
        }
        ReadError::ReadDirectory { .. } => ErrorKind::User,
        _ => ErrorKind::Corrupt,
    }
}
