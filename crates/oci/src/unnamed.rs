//! Content whose digest is not known yet: files that are hashed while they are already on their way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use tokio::io::AsyncReadExt as _;

use crate::content::{BlobReader, Reopen};
use crate::copy::{Event, Reporter};
use crate::descriptor::Descriptor;
use crate::digest::Algorithm;
use crate::error::{Error, Result};
use crate::watched::{Watch, watched};

/// Bytes hashed at a time.
const PIECE: usize = 256 * 1024;

/// A blob without a name: everything of its descriptor but the digest.
#[derive(Clone)]
pub struct Unnamed {
    /// What the descriptor will say.
    pub media_type: String,
    /// What the descriptor will say.
    pub annotations: Option<BTreeMap<String, String>>,
    /// How many bytes it has.
    pub size: u64,
    /// What to make the digest with.
    pub algorithm: Algorithm,
    /// The bytes.
    pub content: Arc<dyn Reopen>,
}

impl Unnamed {
    /// Reads everything, for the digest.
    pub async fn measure(&self) -> Result<Descriptor> {
        let mut reader = self.content.open(0).await?;
        let mut hasher = self.algorithm.hasher();
        let mut buffer = vec![0; PIECE];
        let mut size = 0;
        let read = loop {
            match reader.read(&mut buffer).await {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    size += count as u64;
                }
                Err(error) => break Err(error),
            }
        };
        let digest = hasher.finish();
        read.map_err(|source| Error::transfer(&digest, source))?;
        if size != self.size {
            return Err(Error::SizeMismatch { digest, expected: self.size, actual: size });
        }
        let mut descriptor = Descriptor::new(&self.media_type, digest, size);
        descriptor.annotations.clone_from(&self.annotations);
        Ok(descriptor)
    }
}

/// Tells how much of some content has been read, as soon as it is known what it is.
pub(crate) struct Progress {
    count: AtomicU64,
    named: OnceLock<Descriptor>,
    reporter: Arc<dyn Reporter>,
}

impl Progress {
    pub(crate) fn new(reporter: Arc<dyn Reporter>) -> Arc<Self> {
        Arc::new(Self { count: AtomicU64::new(0), named: OnceLock::new(), reporter })
    }

    /// What it is. Its transfer counts as begun now.
    pub(crate) fn name(&self, descriptor: &Descriptor) {
        self.reporter.report(descriptor, Event::Started);
        // Content gets its name once.
        let _ = self.named.set(descriptor.clone());
        self.report();
    }

    fn report(&self) {
        if let Some(descriptor) = self.named.get() {
            self.reporter.report(descriptor, Event::Progress(self.count.load(Ordering::Relaxed)));
        }
    }
}

impl Watch for Arc<Progress> {
    fn reached(&self, position: u64) {
        self.count.store(position, Ordering::Relaxed);
        self.report();
    }
}

/// Content on its way, whose reading is told of.
#[derive(Clone)]
pub(crate) struct Reported {
    pub(crate) content: Arc<dyn Reopen>,
    /// How many bytes it has.
    pub(crate) size: u64,
    pub(crate) progress: Arc<Progress>,
}

#[async_trait]
impl Reopen for Reported {
    async fn open(&self, offset: u64) -> Result<BlobReader> {
        let inner = self.content.open(offset).await?;
        Ok(watched(inner, Arc::clone(&self.progress), offset, self.size))
    }
}
