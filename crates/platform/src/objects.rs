//! The platform's objects: fragments of layers and inventories of images, as compressed JSON in an object store.

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Zstandard level of stored objects: they are written once and read seldom, and JSON packs well at any level.
const LEVEL: i32 = 3;

/// The largest object we unpack, in bytes; what we wrote ourselves is far smaller.
const MAX_UNPACKED: usize = 512 * 1024 * 1024;

/// Reads and writes objects by key.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
}

impl Objects {
    /// Objects in a store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Stores a value under a key, in place of what was there. The object appears whole or not at all.
    pub async fn put<T: Serialize>(&self, key: &str, value: &T) -> Result<()> {
        let json = serde_json::to_vec(value)
            .map_err(|source| Error::EncodeObject { key: key.to_owned(), source })?;
        let packed = zstd::bulk::compress(&json, LEVEL)
            .map_err(|source| Error::PackObject { key: key.to_owned(), source })?;
        self.store
            .put(&Path::from(key), PutPayload::from(packed))
            .await
            .map(|_| ())
            .map_err(|source| Error::StoreObject { key: key.to_owned(), source })
    }

    /// Reads a value. Absent when there is none, and when what is there cannot be read: it was written by
    /// another version, and whoever asked makes it again.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let read = async { self.store.get(&Path::from(key)).await?.bytes().await };
        let packed = match read.await {
            Ok(packed) => packed,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(Error::StoreObject { key: key.to_owned(), source }),
        };
        let value = unpack(&packed).and_then(|json| serde_json::from_slice(&json).ok());
        if value.is_none() {
            tracing::warn!(key, "stored object cannot be read and will be made again");
        }
        Ok(value)
    }
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let size = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
    let size = usize::try_from(size).ok().filter(|&size| size <= MAX_UNPACKED)?;
    zstd::bulk::decompress(packed, size).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn objects_round_trip_and_broken_ones_are_absent() {
        let store = Arc::new(object_store::memory::InMemory::new());
        let objects = Objects::new(store.clone());
        assert_eq!(objects.get::<Vec<u32>>("a/b").await.expect("reads"), None);
        objects.put("a/b", &vec![1_u32, 2]).await.expect("writes");
        assert_eq!(objects.get::<Vec<u32>>("a/b").await.expect("reads"), Some(vec![1, 2]));
        assert_eq!(objects.get::<String>("a/b").await.expect("reads"), None);
        store.put(&Path::from("a/b"), PutPayload::from_static(b"not zstd")).await.expect("writes");
        assert_eq!(objects.get::<Vec<u32>>("a/b").await.expect("reads"), None);
    }
}
