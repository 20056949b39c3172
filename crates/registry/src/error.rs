//! What can go wrong with a registry outside of an answer to a client.

use std::io;
use std::path::PathBuf;

use crate::access::InvalidHtpasswd;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is, which decides exit code and HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A setting, a path or a file is wrong.
    Config,
    /// It may work later.
    Temporary,
    /// The disk is full.
    Full,
    /// What was asked for is not there.
    NotFound,
    /// What was asked for makes no sense, or clashes with what is there.
    User,
    /// Our own fault, or the machine's.
    Internal,
}

/// An operation of the registry that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] tidewaiter_db::Error),
    /// A file of the blob store cannot be read, written or moved.
    #[error("cannot {operation} {}: {source}", path.display())]
    BlobFile {
        /// The verb, for example `write`.
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The address of a blob store is none.
    #[error("\"{url}\" is not a blob store: {reason}; give a directory, or a URL like s3://bucket/prefix")]
    BlobUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A blob store does not answer as one.
    #[error(
        "the blob store {url} cannot be used: {reason}; check that it runs, its name and the credentials"
    )]
    BlobStoreAway {
        /// What was given.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The object store refused or failed.
    #[error("cannot {operation} {object} in the object store: {source}")]
    BlobObject {
        /// The verb.
        operation: &'static str,
        /// Which object.
        object: String,
        /// Why not.
        source: object_store::Error,
    },
    /// The password file cannot be used.
    #[error(transparent)]
    Htpasswd(#[from] InvalidHtpasswd),
    /// There is no token or scope map of this name.
    #[error("there is no {what} named \"{name}\"")]
    Unknown {
        /// For example `token`.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// There is a token or scope map of this name already.
    #[error("there is a {what} named \"{name}\" already")]
    Exists {
        /// For example `token`.
        what: &'static str,
        /// What was to be made.
        name: String,
    },
    /// A name for a token or scope map is not one.
    #[error(
        "\"{name}\" cannot be a name: use up to 64 letters, digits, dashes, dots and underscores, and begin with a letter or digit"
    )]
    InvalidName {
        /// What was given.
        name: String,
    },
    /// A name for a token or scope map has another meaning already.
    #[error(
        "\"{name}\" cannot be a name: clients say it when they log in with a refresh token; choose another"
    )]
    ReservedName {
        /// What was given.
        name: String,
    },
    /// A scope map that comes with the registry was to be changed.
    #[error("the scope map \"{name}\" comes with the registry and cannot be changed; make another one")]
    SystemScopeMap {
        /// Which one.
        name: String,
    },
    /// A scope map was to be deleted that tokens have.
    #[error("the scope map \"{name}\" cannot be deleted: these tokens have it: {tokens}")]
    ScopeMapInUse {
        /// Which one.
        name: String,
        /// Names of tokens, separated by commas.
        tokens: String,
    },
    /// The database holds a scope map that cannot be read.
    #[error("the {what} \"{name}\" in the database is damaged: {reason}; delete it and make it again")]
    Damaged {
        /// For example `scope map`.
        what: &'static str,
        /// Which one.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A webhook's settings cannot be used.
    #[error("the webhook {name} cannot be used: {reason}")]
    Webhook {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or a key cannot be used.
    #[error("cannot use {} for TLS: {reason}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A background thread ended without an answer.
    #[error("a task of the registry stopped: {source}")]
    Task {
        /// Why.
        source: tokio::task::JoinError,
    },
}

impl Error {
    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Database(error) => match error.kind() {
                tidewaiter_db::ErrorKind::Config => ErrorKind::Config,
                tidewaiter_db::ErrorKind::Full => ErrorKind::Full,
                tidewaiter_db::ErrorKind::Temporary => ErrorKind::Temporary,
                _ => ErrorKind::Internal,
            },
            Self::BlobFile { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    ErrorKind::Full
                }
                _ => ErrorKind::Internal,
            },
            Self::BlobUrl { .. }
            | Self::BlobStoreAway { .. }
            | Self::Htpasswd(_)
            | Self::Webhook { .. }
            | Self::Tls { .. } => ErrorKind::Config,
            Self::Unknown { .. } => ErrorKind::NotFound,
            Self::Exists { .. }
            | Self::InvalidName { .. }
            | Self::ReservedName { .. }
            | Self::SystemScopeMap { .. }
            | Self::ScopeMapInUse { .. } => ErrorKind::User,
            Self::Damaged { .. } => ErrorKind::Internal,
            Self::BlobObject { source, .. } => match source {
                object_store::Error::NotFound { .. } => ErrorKind::NotFound,
                object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. } => ErrorKind::Config,
                _ => ErrorKind::Temporary,
            },
            Self::Task { .. } => ErrorKind::Internal,
        }
    }
}
