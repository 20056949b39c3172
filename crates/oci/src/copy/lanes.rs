//! How many things happen at the same time: a wide lane for what is small, a narrow one for what is large.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::options::Concurrency;

/// Content up to this size, in bytes, counts as small: it is held in memory and takes requests rather than time.
pub(super) const SMALL: u64 = 64 * 1024;

/// The lanes of one transfer. Whoever moves a piece of content holds a permit of its lane meanwhile.
#[derive(Debug)]
pub struct Lanes {
    small: Semaphore,
    /// Absent when everything goes one at a time.
    large: Option<Semaphore>,
    width: usize,
}

impl Lanes {
    /// Lanes for so much at the same time.
    #[must_use]
    pub fn new(Concurrency { small, large }: Concurrency) -> Self {
        let has_large = small.get() > 1;
        Self {
            small: Semaphore::new(small.get()),
            large: has_large.then(|| Semaphore::new(large.get())),
            width: small.get() + if has_large { large.get() } else { 0 },
        }
    }

    /// How much can be in all lanes together.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Waits for room for content of so many bytes.
    pub async fn enter(&self, size: u64) -> SemaphorePermit<'_> {
        let lane = self.large.as_ref().filter(|_| size > SMALL);
        lane.unwrap_or(&self.small).acquire().await.expect("nobody closes the semaphore")
    }

    /// Waits for room for a request or a manifest.
    pub async fn enter_small(&self) -> SemaphorePermit<'_> {
        self.small.acquire().await.expect("nobody closes the semaphore")
    }
}
