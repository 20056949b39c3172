//! The blob store: immutable objects in a local directory, or in S3, Azure or Google storage.
//!
//! An upload is first staged in a local file ([`staging`]), hashed as it comes, and becomes an object once its
//! digest is known and right. Every kept upload gets an object of its own name, `sha256/ab/abcd…-<random>`; the
//! database says which object holds a digest. So the garbage collector can remove an object after its row is
//! gone without ever hitting the object of a newer upload of the same content.

mod listing;
mod reading;
mod staging;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore, ObjectStoreExt as _};
use tidewaiter_oci::Digest;

use crate::error::{Error, Result};
pub(crate) use reading::Content;
use staging::StagingDirectory;
pub(crate) use staging::{AppendError, Scratch, Staged};

/// Objects are put in parts of this many bytes; object stores want all but the last to be equal and over 5 MiB.
const PART: usize = 8 * 1024 * 1024;

/// How long a remote store may take to answer for the first time.
const FIRST_ANSWER: Duration = Duration::from_secs(20);

/// Where blobs are kept. Clones share it.
#[derive(Debug, Clone)]
pub struct BlobStore {
    backend: Backend,
    staging: Arc<StagingDirectory>,
}

#[derive(Debug, Clone)]
enum Backend {
    /// A directory. Not through `object_store`, whose local store does not wait for the disk.
    Local(PathBuf),
    Remote {
        store: Arc<dyn ObjectStore>,
        prefix: object_store::path::Path,
    },
}

impl BlobStore {
    /// Blobs in `directory/blobs`, uploads in `directory/uploads`; both are made when they are not there.
    /// Uploads of processes that have ended are removed.
    pub async fn local(directory: &Path) -> Result<Self> {
        let objects = directory.join("blobs");
        let staging = directory.join("uploads");
        blocking(move || {
            create_directory(&objects)?;
            Ok(Self {
                backend: Backend::Local(objects),
                staging: Arc::new(StagingDirectory::open(&staging)?),
            })
        })
        .await
    }

    /// Blobs at a URL: `s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix`, `file:///directory`; what
    /// is no URL is a directory. Options are the ones of the environment variables of those stores (`aws_access_key_id`, …), handed in.
    /// Uploads are staged in `directory/uploads`; those to a local directory in that one, so that they only have to be
    /// renamed when they are finished. A remote store is asked something, so that what is wrong shows at once.
    pub async fn open(
        url: &str,
        options: impl IntoIterator<Item = (String, String)>,
        directory: &Path,
    ) -> Result<Self> {
        let wrong = |reason: String| Error::BlobUrl { url: url.to_owned(), reason };
        let away = |reason: String| Error::BlobStoreAway { url: url.to_owned(), reason };
        if !url.contains("://") {
            return Self::local(Path::new(url)).await;
        }
        let parsed = url::Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if parsed.scheme() == "file" {
            let path = parsed.to_file_path();
            return Self::local(&path.map_err(|()| wrong("it names no local directory".to_owned()))?).await;
        }
        if !["s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "https"].contains(&parsed.scheme()) {
            let known = "s3://, az://, gs:// and file:// are";
            return Err(wrong(format!("stores of type {} are not known; {known}", parsed.scheme())));
        }
        let (store, prefix) =
            object_store::parse_url_opts(&parsed, options).map_err(|error| wrong(error.to_string()))?;
        let opened = Self::object_store(Arc::from(store), prefix, directory).await?;
        match tokio::time::timeout(FIRST_ANSWER, opened.check()).await {
            Ok(Ok(())) => Ok(opened),
            Ok(Err(error)) => Err(away(error.to_string())),
            Err(_) => Err(away(format!("nothing answered within {} seconds", FIRST_ANSWER.as_secs()))),
        }
    }

    /// Blobs in any object store, under a prefix.
    pub async fn object_store(
        store: Arc<dyn ObjectStore>,
        prefix: object_store::path::Path,
        directory: &Path,
    ) -> Result<Self> {
        let staging = directory.join("uploads");
        let staging = blocking(move || StagingDirectory::open(&staging)).await?;
        Ok(Self { backend: Backend::Remote { store, prefix }, staging: Arc::new(staging) })
    }

    /// Begins to stage an upload that is probably going to be named by this algorithm.
    pub(crate) async fn stage(&self, algorithm: tidewaiter_oci::Algorithm) -> Result<Staged> {
        let staging = Arc::clone(&self.staging);
        blocking(move || staging.stage(algorithm)).await
    }

    /// Makes a directory on the disk that uploads are staged on, which goes with the process at the latest.
    pub(crate) async fn scratch(&self) -> Result<Scratch> {
        let staging = Arc::clone(&self.staging);
        blocking(move || staging.scratch()).await
    }

    /// Makes a finished upload an object. When this returns, the object survives the loss of power.
    pub(crate) async fn keep(&self, staged: &Staged, digest: &Digest) -> Result<String> {
        let unique: u64 = rand::random();
        let name = format!("{}/{}/{}-{unique:016x}", digest.algorithm(), &digest.hex()[..2], digest.hex());
        let from = staged.path().to_owned();
        match &self.backend {
            Backend::Local(directory) => {
                let directory = directory.clone();
                let to = directory.join(&name);
                blocking(move || place(&from, &to, &directory)).await?;
            }
            Backend::Remote { store, prefix } => {
                put(&**store, prefix, &name, &from).await?;
                staged.discard().await?;
            }
        }
        Ok(name)
    }

    /// Bytes of an object. The range must lie within it.
    pub(crate) async fn read(&self, name: &str, range: Range<u64>) -> Result<Content> {
        match &self.backend {
            Backend::Local(directory) => reading::read_file(directory.join(name), range).await,
            Backend::Remote { store, prefix } => {
                if range.is_empty() {
                    return Ok(Content::Bytes(bytes::Bytes::new()));
                }
                let path = object_path(prefix, name);
                let options = object_store::GetOptions::new().with_range(Some(range));
                let result = store.get_opts(&path, options).await.map_err(failed("read", name))?;
                Ok(Content::Stream(result.into_stream().map_err(std::io::Error::other).boxed()))
            }
        }
    }

    /// The object is there, whole.
    pub(crate) async fn holds(&self, name: &str, size: u64) -> Result<bool> {
        match &self.backend {
            Backend::Local(directory) => match tokio::fs::metadata(directory.join(name)).await {
                Ok(metadata) => Ok(metadata.len() == size),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
                Err(source) => {
                    Err(Error::BlobFile { operation: "look for", path: directory.join(name), source })
                }
            },
            Backend::Remote { store, prefix } => match store.head(&object_path(prefix, name)).await {
                Ok(meta) => Ok(meta.size == size),
                Err(object_store::Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(failed("look for", name)(error)),
            },
        }
    }

    /// The store answers.
    pub(crate) async fn check(&self) -> Result<()> {
        match &self.backend {
            Backend::Local(directory) => {
                tokio::fs::metadata(directory).await.map_err(file_error("look into", directory))?;
            }
            Backend::Remote { store, prefix } => {
                let first = store.list(Some(prefix)).next().await;
                first.transpose().map_err(failed("list", prefix.as_ref()))?;
            }
        }
        Ok(())
    }

    /// Removes an object; one that is not there is no error.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        match &self.backend {
            Backend::Local(directory) => {
                let path = directory.join(name);
                match tokio::fs::remove_file(&path).await {
                    Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                        Err(Error::BlobFile { operation: "remove", path, source })
                    }
                    _ => Ok(()),
                }
            }
            Backend::Remote { store, prefix } => match store.delete(&object_path(prefix, name)).await {
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                other => other.map_err(failed("remove", name)),
            },
        }
    }
}

fn object_path(prefix: &object_store::path::Path, name: &str) -> object_store::path::Path {
    name.split('/').fold(prefix.clone(), |path, part| path.join(part))
}

fn failed(operation: &'static str, object: &str) -> impl FnOnce(object_store::Error) -> Error {
    move |source| Error::BlobObject { operation, object: object.to_owned(), source }
}

/// Runs file work on a thread that may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|source| Err(Error::Task { source }))
}

fn create_directory(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(file_error("create", path))
}

fn file_error(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::BlobFile { operation, path: path.to_owned(), source }
}

/// Makes the entries of a directory survive the loss of power.
fn sync_directory(path: &Path) -> Result<()> {
    std::fs::File::open(path).and_then(|directory| directory.sync_all()).map_err(file_error("sync", path))
}

/// Moves a file to its place and waits for the disk to hold both. In this order one sync of the file system's own
/// journal mostly serves for both. What lies there early is nobody's: the name is new, and nothing speaks of it yet.
fn place(from: &Path, to: &Path, root: &Path) -> Result<()> {
    let parent = to.parent().unwrap_or(root);
    if !parent.is_dir() {
        create_directory(parent)?;
        for made in parent.ancestors().skip(1).take_while(|path| path.starts_with(root)) {
            sync_directory(made)?;
        }
    }
    std::fs::rename(from, to).map_err(file_error("move a finished upload to", to))?;
    std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(file_error("sync", to))?;
    sync_directory(parent)
}

/// Uploads a staged file in parts, so that memory does not grow with it.
async fn put(
    store: &dyn ObjectStore,
    prefix: &object_store::path::Path,
    name: &str,
    from: &Path,
) -> Result<()> {
    let path = object_path(prefix, name);
    let size = tokio::fs::metadata(from).await.map_err(file_error("read", from))?.len();
    if size <= PART as u64 {
        let bytes = tokio::fs::read(from).await.map_err(file_error("read", from))?;
        store.put(&path, bytes.into()).await.map_err(failed("write", name))?;
        return Ok(());
    }
    let mut upload = store.put_multipart(&path).await.map_err(failed("write", name))?;
    let result = async {
        let mut position = 0;
        while position < size {
            let end = size.min(position + PART as u64);
            let part = reading::read_file(from.to_owned(), position..end).await?.collect().await;
            let part = part.map_err(file_error("read", from))?;
            upload.put_part(part.into()).await.map_err(failed("write", name))?;
            position = end;
        }
        upload.complete().await.map_err(failed("write", name))
    }
    .await;
    if result.is_err() {
        // The parts cost money until they are given up; when this fails too, the store's own rules clean up.
        let _ = upload.abort().await;
    }
    result.map(|_| ())
}

/// A stream of bytes of a blob.
pub(crate) type ByteStream = BoxStream<'static, std::io::Result<bytes::Bytes>>;
