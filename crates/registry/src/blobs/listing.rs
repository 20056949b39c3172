//! Lists the objects of a blob store, some at a time.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, Fuse};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::{Backend, BlobStore, blocking, file_error};
use crate::error::{Error, Result};

/// An object in the store.
#[derive(Debug, Clone)]
pub(crate) struct StoredObject {
    /// Its name.
    pub(crate) name: String,
    /// When it was last written, in microseconds since 1970.
    pub(crate) modified: i64,
}

/// A walk through all objects.
pub(crate) enum Listing {
    Local {
        root: PathBuf,
        /// Directories that are still to be read.
        waiting: Vec<PathBuf>,
        found: Vec<StoredObject>,
    },
    Remote {
        prefix: Path,
        /// Fused, because it is asked again after its end, and those that come in pages do not bear that.
        stream: Fuse<BoxStream<'static, object_store::Result<ObjectMeta>>>,
    },
}

impl BlobStore {
    /// Begins a walk through all objects. What is written or removed meanwhile may or may not be met.
    pub(crate) fn list(&self) -> Listing {
        match &self.backend {
            Backend::Local(root) => {
                Listing::Local { root: root.clone(), waiting: vec![root.clone()], found: Vec::new() }
            }
            Backend::Remote { store, prefix } => {
                Listing::Remote { prefix: prefix.clone(), stream: store.list(Some(prefix)).fuse() }
            }
        }
    }
}

impl Listing {
    /// Some objects, about `count`; none at the end.
    pub(crate) async fn next(&mut self, count: usize) -> Result<Vec<StoredObject>> {
        match self {
            Self::Local { root, waiting, found } => {
                while found.len() < count
                    && let Some(directory) = waiting.pop()
                {
                    let root = root.clone();
                    let (directories, objects) = blocking(move || read_directory(&root, directory)).await?;
                    waiting.extend(directories);
                    found.extend(objects);
                }
                Ok(std::mem::take(found))
            }
            Self::Remote { prefix, stream } => {
                let mut objects = Vec::new();
                while objects.len() < count
                    && let Some(meta) = stream.next().await
                {
                    let meta = meta.map_err(|source| Error::BlobObject {
                        operation: "list",
                        object: prefix.to_string(),
                        source,
                    })?;
                    let parts = meta.location.prefix_match(prefix).into_iter().flatten();
                    let name = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
                    objects.push(StoredObject { name, modified: meta.last_modified.timestamp_micros() });
                }
                Ok(objects)
            }
        }
    }
}

fn read_directory(root: &std::path::Path, directory: PathBuf) -> Result<(Vec<PathBuf>, Vec<StoredObject>)> {
    let failed = || file_error("list", &directory);
    let (mut directories, mut objects) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(&directory).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        // A file may be gone by now.
        let Ok(metadata) = entry.metadata() else { continue };
        let path = entry.path();
        if metadata.is_dir() {
            directories.push(path);
            continue;
        }
        let age = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let name = path.strip_prefix(root).ok().and_then(|name| name.to_str());
        if let (Some(age), Some(name)) = (age, name) {
            let modified = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            objects.push(StoredObject { name: name.to_owned(), modified });
        }
    }
    Ok((directories, objects))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn a_listing_in_pages_may_be_asked_after_its_end() {
        let pages = stream::unfold(0_u8, async |number| {
            let meta = ObjectMeta {
                location: Path::from(format!("in/here/{number}")),
                last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
                size: 1,
                e_tag: None,
                version: None,
            };
            (number < 3).then(|| (Ok(meta), number + 1))
        });
        let mut listing = Listing::Remote { prefix: Path::from("in/here"), stream: pages.boxed().fuse() };
        let mut sizes = Vec::new();
        for _ in 0..3 {
            sizes.push(listing.next(2).await.expect("lists").len());
        }
        assert_eq!(sizes, [2, 1, 0]);
    }
}
