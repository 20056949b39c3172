//! Downloading blobs to files, large ones over several connections.
//!
//! Parts are asked for by range and written where they belong. Meanwhile a thread follows what is complete from
//! the beginning on, reads it back (it is still in memory) and hashes it, so that the digest is known when the
//! last part arrives. Registries that ignore ranges are read over the first connection alone.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::content::FileTarget;
use crate::descriptor::Descriptor;
use crate::error::{Error, Result};
use crate::remote::blobs::Download;
use crate::remote::positioned::{read_at, write_all_at};
use crate::remote::repository::Repository;
use crate::verify::Check;

/// How much is gathered before it is written, in bytes.
const WRITE: usize = 512 << 10;

/// Most writes at a time.
const MAX_WRITES: usize = 16;

/// How much is read back and hashed at a time, in bytes.
const READ: usize = 256 << 10;

impl Repository {
    /// Downloads a blob to a file and checks it.
    ///
    /// When that fails, the file is cut to what is complete from its beginning on, so that its length is the
    /// `existing` of another attempt. What was there already is checked with the rest; if it turns out to be
    /// something else, the download begins again without it.
    pub async fn fetch_to_file(&self, descriptor: &Descriptor, target: &FileTarget) -> Result<()> {
        if descriptor.is_manifest() {
            return Err(Error::Unsupported {
                store: self.path(),
                operation: "downloading manifests to files",
            });
        }
        let there = target.file.metadata().map_err(|error| target.failed("inspect", error))?.len();
        let existing = target.existing.min(there).min(descriptor.size);
        let result = self.download(descriptor, target, existing).await;
        match result {
            Err(Error::DigestMismatch { .. }) if existing > 0 => {
                target.truncate(0)?;
                self.download(descriptor, target, 0).await
            }
            result => result,
        }
    }

    async fn download(&self, descriptor: &Descriptor, target: &FileTarget, existing: u64) -> Result<()> {
        let (complete, follower) = follow(descriptor, target);
        let mut parts = Parts::new(self, descriptor, existing);
        let transferred = self.transfer(descriptor, target, &mut parts, &complete).await;
        drop(complete);
        let checked =
            follower.await.unwrap_or_else(|error| Err(target.failed("read", std::io::Error::other(error))));
        match transferred.and(checked) {
            Ok(()) => target.truncate(descriptor.size),
            Err(error) => {
                let keep = if matches!(error, Error::DigestMismatch { .. }) { 0 } else { parts.complete() };
                // The first failure is the one to report.
                let _ = target.truncate(keep);
                Err(error)
            }
        }
    }

    /// Moves all parts, and tells how far the file is complete.
    async fn transfer(
        &self,
        descriptor: &Descriptor,
        target: &FileTarget,
        parts: &mut Parts,
        complete: &mpsc::Sender<u64>,
    ) -> Result<()> {
        // The thread that listens ends early only with an error, which is found there.
        let _ = complete.send(parts.complete());
        let Some(first) = parts.cut.range(0) else { return Ok(()) };
        let mut first = Download::part(self, descriptor, first).await?;
        if first.take_whole() {
            parts.merge();
        }
        let (written, mut news) = tokio::sync::mpsc::channel(64);
        let next = Arc::new(AtomicU64::new(1));
        let writing = Arc::new(Semaphore::new(MAX_WRITES));
        let mut workers = JoinSet::new();
        let mut first = Some(first);
        let connections = self.client.settings().transfer.connections.max(1);
        for _ in 0..parts.cut.count().min(connections as u64) {
            let worker = Worker {
                repository: self.clone(),
                descriptor: descriptor.clone(),
                target: target.clone(),
                cut: parts.cut,
                next: Arc::clone(&next),
                written: written.clone(),
                writing: Arc::clone(&writing),
            };
            workers.spawn(worker.run(first.take()));
        }
        drop(written);
        let result = loop {
            tokio::select! {
                Some((part, bytes)) = news.recv() => {
                    parts.add(part, bytes);
                    (target.progress)(bytes);
                    let _ = complete.send(parts.complete());
                }
                Some(ended) = workers.join_next() => {
                    match ended.map_err(|error| target.failed("write", std::io::Error::other(error))).flatten() {
                        Ok(()) => {}
                        Err(error) => break Err(error),
                    }
                }
                else => break Ok(()),
            }
        };
        // Writes that have begun cannot be stopped, and must not come after the file is cut.
        workers.abort_all();
        let _ = writing.acquire_many(MAX_WRITES as u32).await;
        result
    }
}

/// The ranges that a download is cut into, by number. They are worked out, not kept: a manifest may promise any size.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// What was there already, in bytes.
    existing: u64,
    size: u64,
    part: u64,
}

impl Cut {
    /// The range of a part, while there are some.
    fn range(&self, part: u64) -> Option<Range<u64>> {
        let start = self.existing.checked_add(part.checked_mul(self.part)?)?;
        (start < self.size).then(|| start..start.saturating_add(self.part).min(self.size))
    }

    /// How many there are.
    fn count(&self) -> u64 {
        (self.size - self.existing).div_ceil(self.part)
    }
}

/// How far the parts of a download are.
struct Parts {
    cut: Cut,
    /// Bytes written, of parts that are not complete together with all before them.
    written: BTreeMap<u64, u64>,
    /// Parts that are complete from the first one on.
    done: u64,
}

impl Parts {
    fn new(repository: &Repository, descriptor: &Descriptor, existing: u64) -> Self {
        let transfer = &repository.client.settings().transfer;
        let left = descriptor.size - existing;
        let part = if left < transfer.parallel_from { left } else { transfer.part }.max(1);
        let cut = Cut { existing, size: descriptor.size, part };
        Self { cut, written: BTreeMap::new(), done: 0 }
    }

    /// One part only.
    fn merge(&mut self) {
        self.cut.part = (self.cut.size - self.cut.existing).max(1);
    }

    fn add(&mut self, part: u64, bytes: u64) {
        *self.written.entry(part).or_default() += bytes;
    }

    /// Up to where the file is complete, in bytes.
    fn complete(&mut self) -> u64 {
        while let Some(range) = self.cut.range(self.done) {
            let written = self.written.get(&self.done).copied().unwrap_or(0);
            if written < range.end - range.start {
                return range.start + written;
            }
            self.written.remove(&self.done);
            self.done += 1;
        }
        self.cut.size.max(self.cut.existing)
    }
}

/// Downloads one part after another.
struct Worker {
    repository: Repository,
    descriptor: Descriptor,
    target: FileTarget,
    cut: Cut,
    /// The next part nobody has begun.
    next: Arc<AtomicU64>,
    written: tokio::sync::mpsc::Sender<(u64, u64)>,
    /// Held by each write until it has ended.
    writing: Arc<Semaphore>,
}

impl Worker {
    async fn run(self, begun: Option<Download>) -> Result<()> {
        if let Some(download) = begun {
            self.part(0, download).await?;
        }
        loop {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(range) = self.cut.range(part) else { return Ok(()) };
            let download = Download::part(&self.repository, &self.descriptor, range).await?;
            self.part(part, download).await?;
        }
    }

    async fn part(&self, part: u64, mut download: Download) -> Result<()> {
        let mut at = self.cut.existing + part * self.cut.part;
        let mut gathered = Vec::with_capacity(WRITE);
        loop {
            let piece = download.next().await?;
            let ended = piece.is_none();
            gathered.extend_from_slice(&piece.unwrap_or_default());
            if gathered.len() >= WRITE || (ended && !gathered.is_empty()) {
                let length = gathered.len() as u64;
                gathered = self.write(gathered, at).await?;
                gathered.clear();
                at += length;
                // Nobody listens any more when another worker failed.
                let _ = self.written.send((part, length)).await;
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Writes bytes, and gives them back for their memory.
    async fn write(&self, bytes: Vec<u8>, at: u64) -> Result<Vec<u8>> {
        let file = Arc::clone(&self.target.file);
        let permit = Arc::clone(&self.writing).acquire_owned().await;
        let written = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            write_all_at(&file, &bytes, at).map(|()| bytes)
        })
        .await;
        written.map_err(std::io::Error::other).flatten().map_err(|error| self.target.failed("write", error))
    }
}

/// Starts the thread that hashes what is complete, as far as it is told, and compares at the end.
fn follow(
    descriptor: &Descriptor,
    target: &FileTarget,
) -> (mpsc::Sender<u64>, tokio::task::JoinHandle<Result<()>>) {
    let (complete, told) = mpsc::channel();
    let (descriptor, target) = (descriptor.clone(), target.clone());
    let follower = tokio::task::spawn_blocking(move || {
        let mut check = Check::new(&descriptor);
        let mut buffer = vec![0; READ];
        let mut at = 0;
        while let Ok(end) = told.recv() {
            while at < end {
                let room = usize::try_from(end - at).unwrap_or(READ).min(READ);
                let read = read_at(&target.file, &mut buffer[..room], at);
                let read = read.map_err(|error| target.failed("read", error))?;
                if read == 0 {
                    let reason = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                    return Err(target.failed("read back", reason));
                }
                check.update(&buffer[..read])?;
                at += read as u64;
            }
        }
        // A transfer that failed has its own error.
        if at < descriptor.size { Ok(()) } else { check.end() }
    });
    (complete, follower)
}

impl FileTarget {
    fn failed(&self, operation: &'static str, source: std::io::Error) -> Error {
        Error::File { operation, path: self.path.clone(), source }
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|error| self.failed("resize", error))
    }
}
