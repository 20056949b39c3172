//! Why reading itself failed. What is merely odd in the content is a [`Problem`](crate::Problem) instead.

use std::io;
use std::path::PathBuf;

/// Reading a layer or a directory failed, so there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes of the layer are not a whole, well-formed archive.
    #[error(
        "layer {digest} is damaged: {format} stream, byte {offset}: {reason}; the image was stored like this and has to be built anew"
    )]
    CorruptLayer {
        /// Digest of the layer as stored.
        digest: String,
        /// Which of the nested formats is broken: `gzip`, `zstd` or `tar`.
        format: &'static str,
        /// Offset in the stream of that format: of stored bytes for `gzip` and `zstd`, of uncompressed bytes
        /// for `tar`.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The reader that was handed in failed: the connection broke, or it found a wrong digest.
    #[error("reading layer {digest} failed after {offset} bytes: {source}")]
    ReadLayer {
        /// Digest of the layer as stored.
        digest: String,
        /// Stored bytes read so far.
        offset: u64,
        /// What the reader said.
        source: io::Error,
    },
    /// The layer is compressed in a way that no OCI media type names.
    #[error("layer {digest} is compressed with {format}; gzip, zstd and uncompressed layers can be read")]
    UnsupportedCompression {
        /// Digest of the layer as stored.
        digest: String,
        /// The compression its first bytes show.
        format: &'static str,
    },
    /// The layer unpacks to more than the limit.
    #[error("layer {digest} unpacks to more than {limit} bytes, the limit for one layer")]
    TooLarge {
        /// Digest of the layer as stored.
        digest: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The directory given as root of a file system cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    ReadDirectory {
        /// The directory as it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
