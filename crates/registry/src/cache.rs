//! A cache of immutable bytes by digest, bounded by their size.
//!
//! Two generations: what is asked for moves to the young one; when that is half of the budget, it becomes the
//! old one and the old one goes. Cheaper than a list of uses, and as good for a working set that fits.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tidewaiter_oci::Digest;

/// What an entry costs besides its bytes: key, map slot, allocations.
const ENTRY_OVERHEAD: usize = 256;

/// The cache.
#[derive(Debug)]
pub(crate) struct ByteCache {
    budget: usize,
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Digest, Bytes>,
    young_bytes: usize,
    old: HashMap<Digest, Bytes>,
}

impl ByteCache {
    /// A cache of at most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget, generations: Mutex::default() }
    }

    /// Content of up to this many bytes is worth keeping: many small things serve more requests than a big one.
    pub(crate) fn takes(&self, size: u64) -> bool {
        size <= 128 * 1024 && size <= (self.budget / 8) as u64
    }

    /// The bytes, if they are here.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Bytes> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = generations.young.get(digest) {
            return Some(bytes.clone());
        }
        let bytes = generations.old.remove(digest)?;
        generations.insert(self.budget, digest.clone(), bytes.clone());
        Some(bytes)
    }

    /// Keeps bytes, if they are small enough.
    pub(crate) fn insert(&self, digest: &Digest, bytes: Bytes) {
        if self.takes(bytes.len() as u64) {
            let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
            generations.insert(self.budget, digest.clone(), bytes);
        }
    }
}

impl Generations {
    fn insert(&mut self, budget: usize, digest: Digest, bytes: Bytes) {
        let size = bytes.len() + ENTRY_OVERHEAD;
        if self.young_bytes + size > budget / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(digest, bytes).is_none() {
            self.young_bytes += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_budget_holds() {
        let cache = ByteCache::new(64 * 1024);
        let content = |number: u32| Bytes::from(format!("{number:01000}"));
        let favourite = Digest::sha256(&content(0));
        cache.insert(&favourite, content(0));
        for number in 1..1000 {
            cache.insert(&Digest::sha256(&content(number)), content(number));
            assert_eq!(cache.get(&favourite), Some(content(0)), "{number}");
        }
        assert_eq!(cache.get(&Digest::sha256(&content(1))), None);
        let generations = cache.generations.lock().expect("not poisoned");
        let bytes: usize = generations.young.values().chain(generations.old.values()).map(Bytes::len).sum();
        assert!(bytes <= 64 * 1024, "{bytes}");
    }

    #[test]
    fn large_content_is_not_kept() {
        let cache = ByteCache::new(64 * 1024);
        let large = Bytes::from(vec![0; 10 * 1024]);
        cache.insert(&Digest::sha256(&large), large.clone());
        assert_eq!(cache.get(&Digest::sha256(&large)), None);
    }
}
