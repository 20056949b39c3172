//! What can go wrong between us and a store of content, and whether trying again may help.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use jiff::fmt::friendly::SpanPrinter;

use crate::digest::{Digest, InvalidDigest};
use crate::manifest::InvalidManifest;
use crate::platform::InvalidPlatform;
use crate::reference::InvalidReference;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is, which decides exit code, HTTP status and retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What the caller asked for makes no sense.
    User,
    /// A setting, a certificate or a credentials file is wrong.
    Config,
    /// The other side refuses us.
    Access,
    /// What was asked for is not there.
    NotFound,
    /// It may work later: the network, a busy or broken server.
    Temporary,
    /// What came is not what it should be: a wrong digest or size, broken JSON, a protocol error.
    Corrupt,
    /// The store cannot do this at all.
    Unsupported,
    /// The machine: files, memory, our own fault.
    Internal,
}

/// One entry of a registry's error answer (`errors[]` of the distribution specification).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryError {
    /// For example `MANIFEST_UNKNOWN`.
    pub code: String,
    /// What the registry says.
    pub message: String,
    /// The `detail` member as Go prints it (`map[name:a/b]`), when there is one.
    pub detail: Option<String>,
}

/// An operation of this crate that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A reference cannot be parsed.
    #[error("\"{text}\": {source}")]
    ParseReference {
        /// What was given.
        text: String,
        /// Why not.
        source: InvalidReference,
    },
    /// A digest cannot be parsed.
    #[error(transparent)]
    ParseDigest(#[from] InvalidDigest),
    /// A platform cannot be parsed.
    #[error(transparent)]
    ParsePlatform(#[from] InvalidPlatform),
    /// A manifest cannot be read.
    #[error("failed to read the manifest {digest}: {source}")]
    ReadManifest {
        /// Digest or reference it was fetched by.
        digest: String,
        /// Why not.
        source: InvalidManifest,
    },
    /// Content is not in the store. `what` is a digest, a tag or a whole reference.
    #[error("{what}: not found")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// Content had another digest than the one it was asked for or announced by.
    #[error(
        "content of {expected} has digest {actual}: it is damaged or was tampered with; fetch or push it again"
    )]
    DigestMismatch {
        /// What it should be.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// Content had another size than its descriptor says.
    #[error(
        "content of {digest} has {actual} bytes instead of {expected}: it was cut off or its descriptor is wrong"
    )]
    SizeMismatch {
        /// The content.
        digest: Digest,
        /// Size in bytes by the descriptor.
        expected: u64,
        /// Size in bytes as read.
        actual: u64,
    },
    /// Manifests point at manifests without an end in sight.
    #[error(
        "{digest} is more than {limit} levels below where we began; nothing sensible is nested that deep"
    )]
    TooDeep {
        /// The manifest we stopped at.
        digest: Digest,
        /// How many levels we follow.
        limit: usize,
    },
    /// A graph has more nodes than we are ready to list.
    #[error(
        "more than {limit} manifests refer to {digest}, directly or not; narrow it down by type or depth"
    )]
    TooMany {
        /// The root.
        digest: Digest,
        /// How many we list.
        limit: usize,
    },
    /// No manifest of an index runs on the platform asked for.
    #[error("no manifest for platform {platform} in {reference}; it has: {available}")]
    NoPlatform {
        /// What was asked for.
        platform: String,
        /// Where.
        reference: String,
        /// What there is, comma-separated.
        available: String,
    },
    /// The store cannot do this.
    #[error("{store} does not support {operation}")]
    Unsupported {
        /// Which store.
        store: String,
        /// What was asked of it.
        operation: &'static str,
    },
    /// A file or directory cannot be read or written.
    #[error("failed to {operation} {}: {source}", path.display())]
    File {
        /// The verb, for example `read` or `create`.
        operation: &'static str,
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// ORAS's rule: an artifact of the 1.1 specification has a type.
    #[error("missing artifact type for OCI image-spec v1.1 artifacts")]
    MissingArtifactType,
    /// Text that should be a media type is none.
    #[error("invalid media type \"{media_type}\": expected the form type/subtype")]
    InvalidMediaType {
        /// What was given.
        media_type: String,
    },
    /// No manifest can be made of what was given.
    #[error("failed to pack the manifest: {reason}")]
    PackManifest {
        /// Why not.
        reason: String,
    },
    /// A layout or archive on disk is not one, or is broken.
    #[error("{} is not a usable OCI layout or image archive: {reason}", path.display())]
    InvalidStore {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A layout or archive holds several images and none was named.
    #[error("{} holds several images; choose one of them: {names}", path.display())]
    AmbiguousImage {
        /// Where it is.
        path: PathBuf,
        /// Tags or digests of what there is, comma-separated.
        names: String,
    },
    /// A title or an archive's entry leads out of the directory that content is written to.
    #[error("{what} is outside of {}: refused, because an artifact may only write into that directory", directory.display())]
    OutsideTarget {
        /// The path, or the link and its target.
        what: String,
        /// The directory.
        directory: PathBuf,
    },
    /// A file is there already and is to be kept.
    #[error("{} exists already and is kept", path.display())]
    Exists {
        /// Which one.
        path: PathBuf,
    },
    /// An archive cannot be unpacked.
    #[error("failed to unpack {title}: {reason}")]
    Unpack {
        /// The layer's title.
        title: String,
        /// Why not.
        reason: String,
    },
    /// A credentials file, a certificate, a header or a proxy address is wrong.
    #[error("{what}: {reason}")]
    Config {
        /// Which setting or file.
        what: String,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A credential helper failed.
    #[error("credential helper \"{helper}\" failed to {operation} credentials for {host}: {reason}")]
    CredentialHelper {
        /// Program name.
        helper: String,
        /// `get`, `store` or `erase`.
        operation: &'static str,
        /// Registry host.
        host: String,
        /// What it printed, or why it did not start.
        reason: String,
    },
    /// The registry answered with an error.
    #[error("{}{}", response_message(method, url, *status, errors), long_wait(*retry_after, *patience))]
    Response {
        /// HTTP method.
        method: String,
        /// URL without credentials and without signed query values.
        url: String,
        /// HTTP status.
        status: u16,
        /// The registry's own errors, when its answer had any.
        errors: Vec<RegistryError>,
        /// `Retry-After`, in seconds, when the answer had one.
        retry_after: Option<u64>,
        /// The most that is waited, in seconds, when the answer asked for more.
        patience: Option<NonZeroU32>,
    },
    /// Removing a tag went wrong half way: it names a manifest made for the purpose.
    #[error("{source}; the tag {tag} was moved and cannot be put back: give it to {digest} again")]
    TagLost {
        /// The tag.
        tag: String,
        /// What it named before.
        digest: Digest,
        /// Why it could not be removed.
        source: Box<Self>,
    },
    /// The registry wants credentials and there are none for it.
    #[error("{host}: basic credential not found")]
    MissingCredential {
        /// Registry host.
        host: String,
    },
    /// The request got no answer.
    #[error("{method} \"{url}\": {reason}")]
    Request {
        /// HTTP method.
        method: String,
        /// URL without credentials.
        url: String,
        /// What happened, in one line (connection refused, time-out, TLS failure …).
        reason: String,
    },
    /// Nobody we trust vouches for the server.
    #[error("{method} \"{url}\": the server's certificate is signed by nobody we trust ({reason})")]
    Untrusted {
        /// HTTP method.
        method: String,
        /// URL without credentials.
        url: String,
        /// What TLS says of it.
        reason: String,
    },
    /// The answer breaks the protocol: a missing header, a location on another host, JSON that is none.
    #[error("{method} \"{url}\": unexpected answer: {reason}")]
    Protocol {
        /// HTTP method.
        method: String,
        /// URL without credentials.
        url: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// A container engine on this machine cannot be reached or does not do what it is asked.
    #[error("the container engine at {address} did not hand out the image: {reason}")]
    Engine {
        /// Where it is.
        address: String,
        /// What happened.
        reason: String,
    },
    /// Reading or writing a stream of content failed half way.
    #[error("failed to transfer {digest}: {source}")]
    Transfer {
        /// The content.
        digest: Digest,
        /// Why.
        source: std::io::Error,
    },
}

/// As ORAS prints answers: `code words: message: detail`, joined with `; `; without a body the status line.
fn response_message(method: &str, url: &str, status: u16, errors: &[RegistryError]) -> String {
    if errors.is_empty() {
        let text = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        return format!("{method} \"{url}\": response status code {status}: {}", text.unwrap_or("unknown"));
    }
    let lines = errors.iter().map(|error| {
        let words = error.code.to_lowercase().replace('_', " ");
        let mut parts = Vec::new();
        parts.extend((!words.is_empty()).then_some(words));
        if !error.message.is_empty() {
            parts.push(error.message.clone());
            parts.extend(error.detail.clone());
        }
        parts.join(": ")
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// What a registry asks for that is not done.
fn long_wait(asked: Option<u64>, patience: Option<NonZeroU32>) -> String {
    let (Some(asked), Some(patience)) = (asked, patience) else { return String::new() };
    let words = |seconds| SpanPrinter::new().unsigned_duration_to_string(&Duration::from_secs(seconds));
    let (asked, patience) = (words(asked), words(patience.get().into()));
    format!(
        "; the registry wants us to wait {asked}, which is longer than the {patience} that we wait at most"
    )
}

impl Error {
    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::ParseReference { .. }
            | Self::ParseDigest(_)
            | Self::ParsePlatform(_)
            | Self::MissingArtifactType
            | Self::InvalidMediaType { .. }
            | Self::PackManifest { .. }
            | Self::Exists { .. }
            | Self::AmbiguousImage { .. } => ErrorKind::User,
            Self::NotFound { .. } | Self::NoPlatform { .. } => ErrorKind::NotFound,
            Self::ReadManifest { .. }
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::InvalidStore { .. }
            | Self::OutsideTarget { .. }
            | Self::Unpack { .. }
            | Self::TooDeep { .. }
            | Self::TooMany { .. }
            | Self::Protocol { .. } => ErrorKind::Corrupt,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::File { .. } => ErrorKind::Internal,
            Self::Config { .. } | Self::CredentialHelper { .. } | Self::Untrusted { .. } => ErrorKind::Config,
            Self::TagLost { source, .. } => source.kind(),
            Self::MissingCredential { .. } => ErrorKind::Access,
            Self::Response { status, .. } => match status {
                401 | 403 => ErrorKind::Access,
                404 => ErrorKind::NotFound,
                405 => ErrorKind::Unsupported,
                408 | 429 | 500..=599 => ErrorKind::Temporary,
                _ => ErrorKind::User,
            },
            Self::Request { .. } | Self::Transfer { .. } | Self::Engine { .. } => ErrorKind::Temporary,
        }
    }

    /// The thing asked for is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// A [`Error::NotFound`] of something.
    #[must_use]
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// A stream of content failed. What a checking reader found wrong with the content is taken out of the
    /// I/O error; anything else is a [`Error::Transfer`].
    #[must_use]
    pub fn transfer(digest: &Digest, source: std::io::Error) -> Self {
        source.downcast().unwrap_or_else(|source| Self::Transfer { digest: digest.clone(), source })
    }

    /// An answer asked for a longer wait than this, when there is one.
    pub(crate) fn not_waited_for(mut self, most: Option<Duration>) -> Self {
        if let Self::Response { patience, .. } = &mut self {
            *patience = most.and_then(|most| NonZeroU32::new(u32::try_from(most.as_secs()).ok()?));
        }
        self
    }

    /// A file operation failed; made for `map_err`.
    pub(crate) fn file(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { operation, path, source }
    }

    /// Content that a layout or archive should have, by its own index or manifests, is not there.
    pub(crate) fn incomplete_store(path: &std::path::Path, digest: &Digest) -> Self {
        Self::not_found(format!("{} is damaged or incomplete: {digest}", path.display()))
    }

    /// A layout or archive on disk is broken.
    pub(crate) fn invalid_store(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::InvalidStore { path: path.into(), reason: reason.into() }
    }

    /// Wraps a parse failure with the text that failed.
    #[must_use]
    pub fn reference(text: &str, source: InvalidReference) -> Self {
        Self::ParseReference { text: text.to_owned(), source }
    }
}
