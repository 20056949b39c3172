//! How the bytes of an upload are cut into requests, by what the registry was found to take.
//!
//! Registries differ: some take any PUT and only small chunks, some no chunks at all, and before some stands a
//! proxy that caps every body. So a refusal closes one way and leaves the others open.

/// Chunks are not made smaller than this, in bytes: what takes less takes no large blobs.
const SMALLEST_CHUNK: u64 = 1 << 20;

/// What is sent next, and what else may be tried.
pub(super) struct Way {
    /// The most to send at once, when not all.
    chunk: Option<u64>,
    /// All in one request may do.
    whole: bool,
    /// The largest chunk that was not refused; `None` when chunks are not taken.
    largest: Option<u64>,
}

/// Sizes of chunks, in bytes.
pub(super) struct Sizes {
    /// What we send when we choose.
    pub(super) usual: u64,
    /// What the registry takes at least.
    pub(super) least: u64,
}

impl Way {
    /// The whole blob at once, or chunks of this size.
    pub(super) fn new(chunk: Option<u64>, chunks_refused: bool) -> Self {
        Self { chunk, whole: chunk.is_none(), largest: (!chunks_refused).then_some(u64::MAX) }
    }

    /// The most to send at once, when not all.
    pub(super) fn chunk(&self) -> Option<u64> {
        self.chunk
    }

    /// What arrived can be built on.
    pub(super) fn takes_chunks(&self) -> bool {
        self.largest.is_some()
    }

    /// A body was refused for its size: a chunk of so many bytes, or else the whole blob. `false` when there is
    /// no other way.
    pub(super) fn too_large(&mut self, chunk: Option<u64>, sizes: &Sizes) -> bool {
        match chunk {
            Some(chunk) => self.largest = self.largest.and_then(|_| smaller(chunk, sizes)),
            None => self.whole = false,
        }
        self.chunk = self.largest.filter(|_| !self.whole).map(|largest| largest.min(sizes.usual));
        self.whole || self.chunk.is_some()
    }

    /// Chunks are not taken at all. `false` when there is no other way.
    pub(super) fn no_chunks(&mut self) -> bool {
        (self.largest, self.chunk) = (None, None);
        self.whole
    }

    /// A connection broke: from here on what arrives shall stay, if the registry takes chunks.
    pub(super) fn carefully(&mut self, chunk: u64) {
        self.chunk = self.chunk.or_else(|| self.largest.map(|largest| largest.min(chunk)));
    }

    /// All at once again, if that may do.
    pub(super) fn whole_again(&mut self) {
        self.chunk = self.chunk.filter(|_| !self.whole);
    }
}

/// The chunk to try after one of this size was refused.
fn smaller(refused: u64, sizes: &Sizes) -> Option<u64> {
    let floor = sizes.least.max(SMALLEST_CHUNK);
    if refused > sizes.usual {
        Some(sizes.usual)
    } else {
        (refused > floor).then(|| (refused / 2).max(floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn chunks_are_halved_down_to_what_makes_sense() {
        let check = |least: u64, expected: &[u64]| {
            let sizes = Sizes { usual: 8 * MIB, least };
            let mut way = Way::new(None, false);
            let mut refused = None;
            let mut tried = Vec::new();
            while way.too_large(refused, &sizes) {
                refused = way.chunk();
                tried.extend(refused);
            }
            assert_eq!(tried, expected, "at least {least}");
        };
        check(0, &[8 * MIB, 4 * MIB, 2 * MIB, MIB]);
        check(3 * MIB, &[8 * MIB, 4 * MIB, 3 * MIB]);
        check(8 * MIB, &[8 * MIB]);
    }

    #[test]
    fn one_refusal_leaves_the_other_ways_open() {
        let sizes = Sizes { usual: 8 * MIB, least: 0 };
        // A chunk was too large: all at once may still do, and after that smaller chunks.
        let mut way = Way::new(None, false);
        way.carefully(32 * MIB);
        assert_eq!(way.chunk(), Some(32 * MIB));
        assert!(way.too_large(way.chunk(), &sizes));
        assert_eq!(way.chunk(), None);
        way.carefully(32 * MIB);
        assert_eq!(way.chunk(), Some(8 * MIB));
        assert!(way.no_chunks() && !way.takes_chunks());
        assert!(!way.too_large(None, &sizes), "neither whole nor in chunks");

        // Who may not send all at once has only chunks.
        assert!(!Way::new(Some(MIB), false).no_chunks());
    }
}
