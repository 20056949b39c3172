//! Fragments of layers in files, for the command line: a layer is read once, however often and by however many
//! programs at a time images with it are looked at.
//!
//! A fragment is a file `fragments/VERSION/ALGORITHM/HEX`, written beside its place and then renamed, so that it is
//! there whole or not at all. Reading one sets its time, and [`FragmentCache::trim`] removes the ones that were not
//! read for longest.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use tidewaiter_inventory::{FRAGMENT_VERSION, Fragment};
use tidewaiter_oci::Descriptor;

use crate::analysis::Fragments;
use crate::error::{Error, Result};

/// Directory of the fragments in the directory of the cache.
const FRAGMENTS: &str = "fragments";

/// Where fragments are kept, and the time, which decides which go first.
#[derive(Debug, Clone)]
pub struct FragmentCache {
    directory: Arc<Path>,
    now: SystemTime,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Layers.
    pub layers: u64,
    /// Their files together, in bytes.
    pub bytes: u64,
}

/// A file of the cache.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl FragmentCache {
    /// The cache in a directory, which need not be there yet.
    #[must_use]
    pub fn new(directory: &Path, now: SystemTime) -> Self {
        Self { directory: directory.join(FRAGMENTS).into(), now }
    }

    /// The directory of the fragments.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What is in it, whichever version wrote it.
    pub fn usage(&self) -> Result<CacheUse> {
        let kept = self.kept()?;
        Ok(CacheUse { layers: kept.len() as u64, bytes: kept.iter().map(|one| one.bytes).sum() })
    }

    /// Removes everything, and tells what that was.
    pub fn prune(&self) -> Result<CacheUse> {
        self.trim(0)
    }

    /// Removes what was not read for longest until no more than `limit` bytes are left, and tells what that was. What
    /// others remove or write meanwhile is theirs.
    pub fn trim(&self, limit: u64) -> Result<CacheUse> {
        let mut kept = self.kept()?;
        kept.sort_by(|one, other| one.used.cmp(&other.used).then_with(|| one.path.cmp(&other.path)));
        let mut left: u64 = kept.iter().map(|one| one.bytes).sum();
        let mut removed = CacheUse::default();
        for one in kept {
            if left <= limit {
                break;
            }
            match fs::remove_file(&one.path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::WriteFile { path: one.path, source }),
            }
            left = left.saturating_sub(one.bytes);
            removed.layers += 1;
            removed.bytes += one.bytes;
        }
        Ok(removed)
    }

    fn kept(&self) -> Result<Vec<Kept>> {
        let mut kept = Vec::new();
        let mut pending = vec![self.directory.to_path_buf()];
        while let Some(directory) = pending.pop() {
            let failed = |source| Error::WriteFile { path: directory.clone(), source };
            let entries = match fs::read_dir(&directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                // Gone meanwhile: somebody else's work.
                let Ok(facts) = entry.metadata() else { continue };
                if facts.is_dir() {
                    pending.push(entry.path());
                } else {
                    let used = facts.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    kept.push(Kept { path: entry.path(), bytes: facts.len(), used });
                }
            }
        }
        Ok(kept)
    }

    fn place(&self, layer: &Descriptor) -> PathBuf {
        let digest = &layer.digest;
        let version = FRAGMENT_VERSION.to_string();
        self.directory.join(version).join(digest.algorithm().as_str()).join(digest.hex())
    }

    fn load(&self, path: &Path) -> Option<Fragment> {
        let bytes = fs::read(path).ok()?;
        let fragment = Fragment::decode(&bytes).ok()?;
        // Only the order in which things go depends on it.
        let _ = File::options().write(true).open(path).and_then(|file| file.set_modified(self.now));
        Some(fragment)
    }

    fn store(path: &Path, fragment: &Fragment) -> io::Result<()> {
        let directory = path.parent().unwrap_or(path);
        fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        io::Write::write_all(&mut file, &fragment.encode())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

#[async_trait]
impl Fragments for FragmentCache {
    async fn get(&self, layer: &Descriptor) -> Result<Option<Fragment>> {
        let (cache, path) = (self.clone(), self.place(layer));
        let loaded = tokio::task::spawn_blocking(move || cache.load(&path));
        loaded.await.map_err(|source| Error::Task { what: "reading the cache", source })
    }

    /// A cache that cannot be written costs time and no result.
    async fn put(&self, layer: &Descriptor, fragment: &Fragment) -> Result<()> {
        let (path, fragment) = (self.place(layer), fragment.clone());
        let stored = tokio::task::spawn_blocking(move || {
            if let Err(error) = Self::store(&path, &fragment) {
                tracing::warn!(path = %path.display(), %error, "a layer was read, but cannot be kept in the cache");
            }
        });
        stored.await.map_err(|source| Error::Task { what: "writing the cache", source })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidewaiter_inventory::{LayerSource, Limits, layer};
    use tidewaiter_oci::Digest;

    use super::*;

    fn some_layer(name: &str) -> (Descriptor, Fragment) {
        let descriptor =
            Descriptor::new("application/vnd.oci.image.layer.v1.tar", Digest::sha256(name.as_bytes()), 1024);
        let fragment = layer::read(&[0_u8; 1024][..], &LayerSource::default(), &Limits::default());
        (descriptor, fragment.expect("an empty layer"))
    }

    #[tokio::test]
    async fn what_was_read_last_stays_longest() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |seconds| {
            FragmentCache::new(directory.path(), SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        };
        assert_eq!(at(0).usage().expect("readable"), CacheUse::default());
        for (seconds, name) in [(1, "a"), (2, "b")] {
            let (descriptor, fragment) = some_layer(name);
            at(seconds).put(&descriptor, &fragment).await.expect("stored");
            assert_eq!(at(seconds).get(&descriptor).await.expect("readable"), Some(fragment));
        }
        let (a, fragment) = some_layer("a");
        assert!(at(3).get(&a).await.expect("readable").is_some());
        let all = at(4).usage().expect("readable");
        assert_eq!(all.layers, 2);
        let removed = at(4).trim(all.bytes - 1).expect("trimmed");
        assert_eq!(removed.layers, 1);
        assert_eq!(at(4).get(&a).await.expect("readable"), Some(fragment), "b went");
        assert_eq!(at(4).prune().expect("pruned").layers, 1);
        assert_eq!(at(4).usage().expect("readable"), CacheUse::default());
    }

    #[tokio::test]
    async fn what_is_damaged_is_made_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = FragmentCache::new(directory.path(), SystemTime::UNIX_EPOCH);
        let (a, fragment) = some_layer("a");
        cache.put(&a, &fragment).await.expect("stored");
        fs::write(cache.place(&a), "x").expect("written");
        assert_eq!(cache.get(&a).await.expect("readable"), None);
    }
}
