//! Making artifacts from files and directories, as ORAS makes them: the same input gives the same manifest
//! bytes.
//!
//! A file is a layer of its bytes. A directory is a layer of a compressed tar archive; the digest of the
//! archive before compression stands in an annotation and agrees with the one ORAS writes (the compressed
//! bytes cannot: no other encoder gives exactly Go's output). The compressed bytes depend on nothing but the
//! directory and the options: not on the number of threads, and with fixed times not on when files were
//! written.
//!
//! A [`Stage`] holds what was packed as a store that a [`Copier`](crate::copy::Copier) can push from.

mod directory;
mod gzip;
mod manifest;

pub use manifest::check_media_type;
mod stage;
mod tar;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::manifest::{
    ImageSpec, ManifestOptions, UNKNOWN_ARTIFACT, UNKNOWN_CONFIG, empty_json, pack_manifest, platform_config,
};
pub use self::stage::Stage;
use crate::blocking::{self, BlockingReader};
use crate::content::{BlobReader, Content, Reopen, Unnamed};
use crate::descriptor::Descriptor;
use crate::digest::Algorithm;
use crate::error::{Error, Result};
use crate::media_type;

/// Annotation of a layer: the file or directory it is of, relative, with slashes.
pub const TITLE: &str = "org.opencontainers.image.title";
/// Annotation of a manifest: when it was made, RFC 3339.
pub const CREATED: &str = "org.opencontainers.image.created";
/// Annotation of a layer that is a directory, with the value `true`.
pub const UNPACK: &str = "io.deis.oras.content.unpack";
/// Annotation of a layer that is a directory: digest of the archive before compression.
pub const CONTENT_DIGEST: &str = "io.deis.oras.content.digest";
/// Annotation of a file's layer, ours: type and permissions in octal as git writes them, for example `100755`.
/// With `120000` the content is the target of a symbolic link. Other tools ignore it.
pub const FILE_MODE: &str = "io.tidewaiter.file.mode";

/// Whether a file's permissions, and symbolic links as such, are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FileAttributes {
    /// Bytes only, and those a link leads to: as ORAS does.
    #[default]
    Ignore,
    /// In the annotation [`FILE_MODE`].
    Keep,
}

/// How a directory's archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, 0 to 9.
    Gzip {
        /// 6 is what gzip and Go take.
        level: u32,
    },
    /// Zstandard. ORAS unpacks only gzip.
    Zstd {
        /// 1 to 22; 3 is usual.
        level: i32,
    },
    /// Not at all.
    None,
}

/// Which modification times a directory's archive has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Those of the files, in seconds: as ORAS does.
    Keep,
    /// This one everywhere, in seconds since 1970, so that the same files give the same bytes. What
    /// `SOURCE_DATE_EPOCH` says, or 0.
    Fixed(i64),
}

/// How to pack directories.
#[derive(Debug, Clone)]
pub struct DirectoryOptions {
    /// How to compress.
    pub compression: Compression,
    /// Which times to write.
    pub times: Times,
    /// Threads that compress. Each takes some 2 MiB.
    pub threads: NonZeroUsize,
    /// Where the archive is written until it has been pushed; without a name, so nothing is left behind.
    pub temporary_directory: PathBuf,
}

/// A blob that was packed: what it is, and where its content lies.
#[derive(Clone)]
pub struct Packed {
    /// With annotations; may be changed before it goes into a manifest, except for digest and size.
    pub descriptor: Descriptor,
    content: Place,
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("descriptor", &self.descriptor).finish_non_exhaustive()
    }
}

/// Where packed content lies.
#[derive(Clone)]
enum Place {
    Bytes(Bytes),
    Elsewhere(Arc<dyn Reopen>),
    /// A temporary file without a name.
    Spooled(Arc<File>),
}

impl Packed {
    /// Content in memory.
    #[must_use]
    pub fn from_bytes(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { descriptor: Descriptor::of(media_type, &bytes), content: Place::Bytes(bytes) }
    }

    /// A blob whose name was found out while it was pushed.
    #[must_use]
    pub fn named(descriptor: Descriptor, blob: &Unnamed) -> Self {
        Self { descriptor, content: Place::Elsewhere(Arc::clone(&blob.content)) }
    }

    /// The content, for a push. May be asked for again.
    #[must_use]
    pub fn content(&self) -> Content {
        match &self.content {
            Place::Bytes(bytes) => Content::Bytes(bytes.clone()),
            _ => Content::Reopen(Box::new(self.clone())),
        }
    }

    fn annotate(&mut self, key: &str, value: String) {
        self.descriptor.annotations.get_or_insert_default().insert(key.to_owned(), value);
    }
}

#[async_trait]
impl Reopen for Packed {
    async fn open(&self, offset: u64) -> Result<BlobReader> {
        let left = self.descriptor.size.saturating_sub(offset);
        match &self.content {
            Place::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(Box::pin(io::Cursor::new(bytes.slice(start..))))
            }
            Place::Elsewhere(content) => content.open(offset).await,
            Place::Spooled(file) => {
                let reader = FileAt { file: Arc::clone(file), position: offset };
                Ok(Box::pin(BlockingReader::new(reader, left)))
            }
        }
    }
}

/// The content of a file, opened by its path each time.
struct LocalFile(PathBuf);

#[async_trait]
impl Reopen for LocalFile {
    async fn open(&self, offset: u64) -> Result<BlobReader> {
        let path = self.0.clone();
        let (file, left) = blocking::run(move || {
            let mut file = File::open(&path).map_err(Error::file("open", &path))?;
            let size = file.metadata().map_err(Error::file("read", &path))?.len();
            file.seek(io::SeekFrom::Start(offset)).map_err(Error::file("read", &path))?;
            Ok::<_, Error>((file, size.saturating_sub(offset)))
        })
        .await?;
        Ok(Box::pin(BlockingReader::new(file, left)))
    }
}

/// Reads a shared file from a position of its own.
struct FileAt {
    file: Arc<File>,
    position: u64,
}

impl Read for FileAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// A path cleaned the way Go's `path.Clean` does it, which ORAS uses for titles: without `.`, `..` behind a
/// name, and doubled slashes; `.` when nothing is left.
#[must_use]
pub fn clean_title(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}

/// Packs a file. Its content is read once for the digest, and again when it is pushed. Without a media type it
/// is [`media_type::OCI_LAYER`], as ORAS has it.
pub async fn pack_file(
    path: impl Into<PathBuf>,
    title: &str,
    media_type: Option<&str>,
    attributes: FileAttributes,
) -> Result<Packed> {
    let path = path.into();
    let media_type = media_type.unwrap_or(media_type::OCI_LAYER).to_owned();
    let mut packed = blocking::run(move || pack_file_blocking(&path, media_type, attributes)).await?;
    packed.annotate(TITLE, title.to_owned());
    Ok(packed)
}

/// The layer that [`pack_file`] makes of a file, to be hashed while it is pushed; [`Packed::named`] is what it is
/// then.
pub async fn unnamed_layer(
    path: impl Into<PathBuf>,
    title: &str,
    media_type: Option<&str>,
    attributes: FileAttributes,
) -> Result<Unnamed> {
    let media_type = media_type.unwrap_or(media_type::OCI_LAYER);
    let path = path.into();
    let metadata = metadata(&path).await?;
    let mut annotations = BTreeMap::from([(TITLE.to_owned(), title.to_owned())]);
    if attributes == FileAttributes::Keep {
        annotations.insert(FILE_MODE.to_owned(), file_mode(&metadata));
    }
    let annotations = Some(annotations);
    Ok(Unnamed { annotations, ..local_blob(path, &metadata, media_type, Algorithm::Sha256) })
}

/// A file's bytes as a blob, to be hashed while it is pushed or before.
pub async fn unnamed_file(
    path: impl Into<PathBuf>,
    media_type: &str,
    algorithm: Algorithm,
) -> Result<Unnamed> {
    let path = path.into();
    let metadata = metadata(&path).await?;
    Ok(local_blob(path, &metadata, media_type, algorithm))
}

fn local_blob(path: PathBuf, metadata: &Metadata, media_type: &str, algorithm: Algorithm) -> Unnamed {
    let content = Arc::new(LocalFile(path));
    Unnamed { media_type: media_type.to_owned(), annotations: None, size: metadata.len(), algorithm, content }
}

async fn metadata(path: &Path) -> Result<Metadata> {
    let path = path.to_owned();
    blocking::run(move || path.metadata().map_err(Error::file("read", path))).await
}

/// The value of [`FILE_MODE`] for a file.
fn file_mode(metadata: &Metadata) -> String {
    format!("10{:04o}", metadata.permissions().mode() & 0o7777)
}

fn pack_file_blocking(path: &Path, media_type: String, attributes: FileAttributes) -> Result<Packed> {
    if attributes == FileAttributes::Keep {
        let metadata = path.symlink_metadata().map_err(Error::file("read", path))?;
        if metadata.is_symlink() {
            let target = path.read_link().map_err(Error::file("read the link", path))?;
            let mut packed = Packed::from_bytes(media_type, target.into_os_string().into_encoded_bytes());
            packed.annotate(FILE_MODE, "120000".to_owned());
            return Ok(packed);
        }
    }
    let mut file = File::open(path).map_err(Error::file("open", path))?;
    let metadata = file.metadata().map_err(Error::file("read", path))?;
    let mut hasher = Algorithm::Sha256.hasher();
    let mut buffer = vec![0; usize::try_from(metadata.len().clamp(1, 256 * 1024)).unwrap_or(1)];
    let mut size = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::file("read", path)(error)),
        }
    }
    let descriptor = Descriptor::new(media_type, hasher.finish(), size);
    let mut packed = Packed { descriptor, content: Place::Elsewhere(Arc::new(LocalFile(path.to_owned()))) };
    if attributes == FileAttributes::Keep {
        packed.annotate(FILE_MODE, file_mode(&metadata));
    }
    Ok(packed)
}

/// Packs a directory. Without a media type it is the OCI layer type of the compression.
pub async fn pack_directory(
    path: impl Into<PathBuf>,
    title: &str,
    media_type: Option<&str>,
    options: &DirectoryOptions,
) -> Result<Packed> {
    let (path, name, work) = (path.into(), title.to_owned(), options.clone());
    let archive = blocking::run(move || directory::pack(&path, &name, &work)).await?;
    let usual = match options.compression {
        Compression::Gzip { .. } => media_type::OCI_LAYER_GZIP,
        Compression::Zstd { .. } => media_type::OCI_LAYER_ZSTD,
        Compression::None => media_type::OCI_LAYER,
    };
    let descriptor = Descriptor::new(media_type.unwrap_or(usual), archive.digest, archive.size);
    let mut packed = Packed { descriptor, content: Place::Spooled(Arc::new(archive.file)) };
    packed.annotate(CONTENT_DIGEST, archive.content_digest.to_string());
    packed.annotate(UNPACK, "true".to_owned());
    packed.annotate(TITLE, title.to_owned());
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_cleaned_as_go_does() {
        for (path, expected) in [
            ("a", "a"),
            ("./a//b/", "a/b"),
            ("a/../b", "b"),
            ("../a/..", ".."),
            ("../../a", "../../a"),
            ("", "."),
            ("./", "."),
            ("/../a", "/a"),
            ("/", "/"),
            ("a/../..", ".."),
        ] {
            assert_eq!(clean_title(path), expected, "{path}");
        }
    }
}
