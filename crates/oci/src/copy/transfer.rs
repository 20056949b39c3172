//! Moving one blob with as few requests as will do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;

use super::lanes::SMALL;
use super::{CopyError, Event, Origin, Result, Run, at_destination, at_source, may_be_missing};
use crate::blocking;
use crate::content::{BlobReader, Content, Reopen, check, fetch_all};
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::watched::{Watch, watched};

/// After so many refusals in a row the destination is not asked to mount any more: each leaves an upload
/// session behind.
const MAX_REFUSED_MOUNTS: u32 = 3;
/// After so many questions that were all answered "no", small blobs are sent without asking first.
const ENOUGH_MISSED: u32 = 4;

impl Run {
    /// Brings a blob to the destination: mounts it, or finds it there, or sends it.
    pub(super) async fn blob(self: &Arc<Self>, descriptor: &Descriptor) -> Result<()> {
        let _permit = self.lanes.enter(descriptor.size).await;
        if self.mounted(descriptor).await || self.found(descriptor).await? {
            return Ok(());
        }
        self.report(descriptor, Event::Started);
        // A task of its own, so that hashing and copying bytes use more than one processor.
        let (run, wanted) = (Arc::clone(self), descriptor.clone());
        // Cancelled, it is dropped by another thread, and a destination's temporary file with it.
        let under_way = blocking::under_way();
        let sending = tokio::spawn(async move {
            let _under_way = under_way;
            run.send(&wanted).await
        });
        match blocking::joined(AbortOnDropHandle::new(sending)).await {
            Ok(()) => self.report(descriptor, Event::Copied),
            Err(failed) if may_be_missing(descriptor, &failed) => self.report(descriptor, Event::Skipped),
            Err(failed) => return Err(failed),
        }
        Ok(())
    }

    async fn mounted(&self, descriptor: &Descriptor) -> bool {
        let Some(from) = &self.options.mount_from else { return false };
        if self.refused_mounts.load(Ordering::Relaxed) >= MAX_REFUSED_MOUNTS {
            return false;
        }
        match self.destination.mount(descriptor, from).await {
            Ok(true) => {
                self.refused_mounts.store(0, Ordering::Relaxed);
                self.report(descriptor, Event::Mounted(from));
                true
            }
            refused => {
                // Mounting only saves work: if the destination cannot be reached, pushing will say so.
                tracing::debug!(digest = %descriptor.digest, from, ?refused, "not mounted");
                self.refused_mounts.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Asks the destination whether it has the blob, unless the answer will be "no" and sending a small blob
    /// costs no more than asking.
    async fn found(&self, descriptor: &Descriptor) -> Result<bool> {
        let missed = self.missed.load(Ordering::Relaxed);
        let known = self.found.load(Ordering::Relaxed) == 0 && missed >= ENOUGH_MISSED;
        if known && descriptor.size <= SMALL && !self.options.force {
            return Ok(false);
        }
        let found = self.destination.exists(descriptor).await.map_err(at_destination)?;
        let count = if found { &self.found } else { &self.missed };
        count.fetch_add(1, Ordering::Relaxed);
        if found {
            self.report(descriptor, Event::Exists);
        }
        Ok(found)
    }

    async fn send(self: Arc<Self>, descriptor: &Descriptor) -> Result<()> {
        if let Some(bytes) = embedded(descriptor) {
            return self.send_bytes(descriptor, bytes).await;
        }
        if descriptor.size <= SMALL {
            let bytes = fetch_all(&*self.source, descriptor, SMALL).await.map_err(at_source)?;
            return self.send_bytes(descriptor, bytes).await;
        }
        let failed = Arc::new(AtomicBool::new(false));
        let content = SourceContent {
            run: Arc::clone(&self),
            descriptor: descriptor.clone(),
            failed: Arc::clone(&failed),
        };
        let pushed = self.destination.push(descriptor, Content::Reopen(Box::new(content))).await;
        pushed.map_err(|error| {
            let origin = if failed.load(Ordering::Acquire) { Origin::Source } else { Origin::Destination };
            CopyError { origin, error }
        })
    }

    async fn send_bytes(&self, descriptor: &Descriptor, bytes: Bytes) -> Result<()> {
        self.destination.push(descriptor, Content::Bytes(bytes)).await.map_err(at_destination)?;
        self.report(descriptor, Event::Progress(descriptor.size));
        Ok(())
    }
}

/// The content that a descriptor carries in its `data` field, when it is the right one.
fn embedded(descriptor: &Descriptor) -> Option<Bytes> {
    let bytes = STANDARD.decode(descriptor.data.as_ref()?).ok()?;
    check(descriptor, &bytes).ok()?;
    Some(Bytes::from(bytes))
}

/// A blob at the source, opened as often as the destination needs.
#[derive(Clone)]
struct SourceContent {
    run: Arc<Run>,
    descriptor: Descriptor,
    /// The last attempt ended because the source failed.
    failed: Arc<AtomicBool>,
}

#[async_trait]
impl Reopen for SourceContent {
    async fn open(&self, offset: u64) -> Result<BlobReader, Error> {
        self.failed.store(false, Ordering::Release);
        match self.run.source.fetch_from(&self.descriptor, offset).await {
            Ok(inner) => Ok(watched(inner, self.clone(), offset, self.descriptor.size)),
            Err(error) => {
                self.failed();
                Err(error)
            }
        }
    }
}

impl Watch for SourceContent {
    fn reached(&self, position: u64) {
        self.run.report(&self.descriptor, Event::Progress(position));
    }

    fn failed(&self) {
        self.failed.store(true, Ordering::Release);
    }
}
