//! Uploads that are not finished yet, each in a file of its own.
//!
//! Every process stages in a directory of its own, held by a locked file beside it. At start, directories
//! whose lock is free belong to processes that died: they are removed, whatever state they are in.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tidewaiter_oci::digest::Hasher;
use tidewaiter_oci::{Algorithm, Digest};

use super::{blocking, create_directory, file_error};
use crate::error::{Error, Result};

/// Received bytes are hashed and written in batches of this size, one batch while the next is received.
const BATCH: usize = 512 * 1024;

/// Where this process stages uploads.
#[derive(Debug)]
pub(super) struct StagingDirectory {
    path: PathBuf,
    lock_path: PathBuf,
    /// Locked as long as the process lives.
    _lock: File,
}

impl StagingDirectory {
    /// Makes a directory for this process under `root`, and removes those of dead processes.
    pub(super) fn open(root: &Path) -> Result<Self> {
        create_directory(root)?;
        remove_abandoned(root);
        loop {
            let name = format!("{:016x}", rand::random::<u64>());
            let lock_path = root.join(format!("{name}.lock"));
            let lock = File::create_new(&lock_path).map_err(file_error("create", &lock_path))?;
            // Another process that starts may take the new lock for an abandoned one; then we try again.
            if lock.try_lock().is_ok() && lock_path.exists() {
                let path = root.join(name);
                std::fs::create_dir(&path).map_err(file_error("create", &path))?;
                return Ok(Self { path, lock_path, _lock: lock });
            }
        }
    }

    /// Begins an upload.
    pub(super) fn stage(&self, algorithm: Algorithm) -> Result<Staged> {
        let path = self.path.join(format!("{:032x}", rand::random::<u128>()));
        File::create_new(&path).map_err(file_error("create", &path))?;
        let writer = Writer { size: 0, hasher: algorithm.hasher(), algorithm };
        Ok(Staged { path, writer: Arc::new(Mutex::new(Some(writer))) })
    }

    /// Makes a directory that only the owner of this process may look into.
    pub(super) fn scratch(&self) -> Result<Scratch> {
        let path = self.path.join(format!("{:032x}", rand::random::<u128>()));
        DirBuilder::new().mode(0o700).create(&path).map_err(file_error("create", &path))?;
        Ok(Scratch(path))
    }
}

/// A directory for something else that must not outlive the process. Dropping it removes it with what is in it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Otherwise it goes with the staging directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Drop for StagingDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
        let _ = std::fs::remove_file(&self.lock_path);
    }
}

/// Removes what dead processes left. What cannot be removed now is tried again at the next start.
fn remove_abandoned(root: &Path) {
    let Ok(entries) = std::fs::read_dir(root) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Ok(lock) = File::open(&path) else { continue };
        match lock.try_lock() {
            Ok(()) => {
                let _ = std::fs::remove_dir_all(path.with_extension(""));
                let _ = std::fs::remove_file(&path);
                tracing::info!(directory = %path.with_extension("").display(), "removed abandoned uploads");
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

/// An upload under way. Dropping it removes its file. The file is open while something is added to it, and only then:
/// there may be more uploads that wait for their clients than a process may have open files.
#[derive(Debug)]
pub(crate) struct Staged {
    path: PathBuf,
    /// `None` once the upload is finished: nothing is added to it any more.
    writer: Arc<Mutex<Option<Writer>>>,
}

#[derive(Debug)]
struct Writer {
    /// Bytes received. The file may be longer, by what was not taken after all.
    size: u64,
    hasher: Hasher,
    algorithm: Algorithm,
}

/// Why bytes were not added.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// Another request has added bytes meanwhile. The size it has now.
    Moved(u64),
    /// Another request has finished or cancelled the upload.
    Ended,
    /// The stream had another length than it was said to have; nothing of it is kept.
    Length,
    /// The client stopped sending; what came before is kept.
    Receive(axum::Error),
    /// The file cannot be written; nothing of the request is kept.
    Store(Error),
}

impl Staged {
    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes received so far.
    pub(crate) fn size(&self) -> u64 {
        self.lock().as_ref().map_or(0, |writer| writer.size)
    }

    /// Nothing was received yet, and nothing is being written.
    pub(crate) fn is_untouched(&self) -> bool {
        self.writer.try_lock().is_ok_and(|writer| writer.as_ref().is_none_or(|writer| writer.size == 0))
    }

    /// Nothing can be added any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().is_none()
    }

    /// Ends the upload. Requests that still add to it fail.
    pub(crate) fn abandon(&self) {
        self.lock().take();
    }

    /// Adds what comes from a stream, as [`append`](Self::append) does, when it has exactly this many bytes.
    pub(crate) async fn append_exactly(
        &self,
        position: u64,
        length: u64,
        stream: impl Stream<Item = Result<Bytes, axum::Error>> + Unpin,
    ) -> Result<u64, AppendError> {
        let before = self.lock().as_ref().map(|writer| writer.hasher.clone()).ok_or(AppendError::Ended)?;
        let (mut taken, mut too_long) = (0, false);
        let counted = stream.map(|received| {
            let bytes = received?;
            too_long |= bytes.len() as u64 > length - taken;
            if too_long {
                return Err(axum::Error::new(io::Error::from(io::ErrorKind::FileTooLarge)));
            }
            taken += bytes.len() as u64;
            Ok(bytes)
        });
        let result = self.append(position, counted).await;
        let too_short = result.is_ok() && taken < length;
        if !too_short && !too_long {
            return result;
        }
        let mut writer = self.lock();
        let writer = writer.as_mut().ok_or(AppendError::Ended)?;
        if writer.size != position + taken {
            return Err(AppendError::Moved(writer.size));
        }
        writer.size = position;
        writer.hasher = before;
        Err(AppendError::Length)
    }

    /// Adds what comes from a stream, which must continue at byte `position`. The new size.
    ///
    /// Receiving goes on while the batch before is hashed and written. Each batch is added whole or not at all,
    /// also when the request is dropped half way, so an interrupted upload can be resumed where it stands. When a
    /// batch cannot be written, those before it go too: on a full disk, what is left of a request that failed would
    /// take the room from all others.
    pub(crate) async fn append(
        &self,
        mut position: u64,
        mut stream: impl Stream<Item = Result<Bytes, axum::Error>> + Unpin,
    ) -> Result<u64, AppendError> {
        let begun = Arc::new(OnceLock::new());
        let mut batch = Vec::new();
        let mut batch_size = 0;
        let mut writing: Option<tokio::task::JoinHandle<Result<(), AppendError>>> = None;
        let mut failure = None;
        loop {
            let received = stream.next().await;
            let ended = match received {
                Some(Ok(bytes)) => {
                    batch_size += bytes.len();
                    batch.push(bytes);
                    false
                }
                Some(Err(error)) => {
                    failure = Some(AppendError::Receive(error));
                    true
                }
                None => true,
            };
            if batch_size < BATCH && !ended {
                continue;
            }
            if let Some(writing) = writing.take() {
                joined(writing.await)?;
            }
            if batch_size > 0 {
                let (writer, begun) = (Arc::clone(&self.writer), Arc::clone(&begun));
                let path = self.path.clone();
                let (bytes, start) = (std::mem::take(&mut batch), position);
                writing =
                    Some(tokio::task::spawn_blocking(move || add(&writer, &begun, start, &bytes, &path)));
                position += std::mem::take(&mut batch_size) as u64;
            }
            if ended {
                break;
            }
        }
        if let Some(writing) = writing {
            joined(writing.await)?;
        }
        failure.map_or(Ok(position), Err)
    }

    /// Ends the upload and compares what came with a digest; the size. Whatever comes later is refused.
    pub(crate) async fn finish(&self, digest: &Digest) -> Result<Result<u64, Digest>> {
        let writer = Arc::clone(&self.writer);
        let digest = digest.clone();
        let path = self.path.clone();
        blocking(move || {
            let writer = writer.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(writer) = writer else {
                let source = io::Error::new(io::ErrorKind::NotFound, "the upload has ended");
                return Err(Error::BlobFile { operation: "finish", path, source });
            };
            // What was written and not taken must not become a part of the blob.
            let mut file =
                File::options().read(true).write(true).open(&path).map_err(file_error("open", &path))?;
            file.set_len(writer.size).map_err(file_error("cut", &path))?;
            let actual = if writer.algorithm == digest.algorithm() {
                writer.hasher.finish()
            } else {
                hash_file(&mut file, digest.algorithm()).map_err(file_error("read", &path))?
            };
            Ok(if actual == digest { Ok(writer.size) } else { Err(actual) })
        })
        .await
    }

    /// Removes the file.
    pub(super) async fn discard(&self) -> Result<()> {
        tokio::fs::remove_file(&self.path).await.map_err(file_error("remove", &self.path))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // It has been moved when the upload became a blob.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn joined(result: Result<Result<(), AppendError>, tokio::task::JoinError>) -> Result<(), AppendError> {
    result.unwrap_or_else(|source| Err(AppendError::Store(Error::Task { source })))
}

/// What a request found when it began to add, and the file that it opened for all its batches.
#[derive(Debug)]
struct Begun {
    file: File,
    size: u64,
    hasher: Hasher,
}

/// Writes a batch at its position, then counts and hashes it. A batch whose write fails ends the upload where the
/// request began; this happens here, because the client may be gone and its request with it.
fn add(
    writer: &Mutex<Option<Writer>>,
    begun: &OnceLock<Begun>,
    position: u64,
    batch: &[Bytes],
    path: &Path,
) -> Result<(), AppendError> {
    let mut held = writer.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(writer) = held.as_mut() else { return Err(AppendError::Ended) };
    if writer.size != position {
        return Err(AppendError::Moved(writer.size));
    }
    let failed = |source| AppendError::Store(file_error("write", path)(source));
    let begun = match begun.get() {
        Some(begun) => begun,
        None => {
            let file = File::options().write(true).open(path).map_err(failed)?;
            begun.get_or_init(|| Begun { file, size: writer.size, hasher: writer.hasher.clone() })
        }
    };
    let mut file = &begun.file;
    let written = file.seek(SeekFrom::Start(position));
    let written = written.and_then(|_| batch.iter().try_for_each(|bytes| file.write_all(bytes)));
    if let Err(source) = written {
        writer.size = begun.size;
        writer.hasher = begun.hasher.clone();
        if file.set_len(begun.size).is_err() {
            // Then the room is got back by giving up the upload.
            held.take();
            let _ = std::fs::remove_file(path);
        }
        return Err(failed(source));
    }
    for bytes in batch {
        writer.hasher.update(bytes);
        writer.size += bytes.len() as u64;
    }
    Ok(())
}

fn hash_file(file: &mut File, algorithm: Algorithm) -> io::Result<Digest> {
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = algorithm.hasher();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn pieces(content: &[u8]) -> impl Stream<Item = Result<Bytes, axum::Error>> + Unpin + use<> {
        let pieces: Vec<_> = content.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        stream::iter(pieces)
    }

    #[tokio::test]
    async fn what_is_added_is_hashed_under_any_algorithm() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = StagingDirectory::open(root.path()).expect("opens");
        let content: Vec<u8> = (0..3_000_000_u32).map(|position| (position % 241) as u8).collect();
        for (first, last) in [(Algorithm::Sha256, Algorithm::Sha512), (Algorithm::Sha512, Algorithm::Sha512)]
        {
            let staged = directory.stage(first).expect("stages");
            let (head, tail) = content.split_at(1_234_567);
            assert_eq!(staged.append(0, pieces(head)).await.expect("adds"), head.len() as u64);
            let error = staged.append(5, pieces(tail)).await.expect_err("wrong place");
            assert!(matches!(error, AppendError::Moved(size) if size == head.len() as u64), "{error:?}");
            staged.append(head.len() as u64, pieces(tail)).await.expect("adds");
            let digest = Digest::of(last, &content);
            assert_eq!(staged.finish(&digest).await.expect("finishes"), Ok(content.len() as u64));
            let error = staged.append(content.len() as u64, pieces(b"late")).await.expect_err("finished");
            assert!(matches!(error, AppendError::Ended), "{error:?}");
            let path = staged.path().to_owned();
            drop(staged);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn what_came_before_a_broken_connection_is_kept() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = StagingDirectory::open(root.path()).expect("opens");
        let staged = directory.stage(Algorithm::Sha256).expect("stages");
        let broken = stream::iter([
            Ok(Bytes::from_static(b"half")),
            Err(axum::Error::new(io::Error::from(io::ErrorKind::ConnectionReset))),
        ]);
        let error = staged.append(0, broken).await.expect_err("broken");
        assert!(matches!(error, AppendError::Receive(_)), "{error:?}");
        assert_eq!(staged.size(), 4);
        staged.append(4, pieces(b" more")).await.expect("resumes");
        assert_eq!(staged.finish(&Digest::sha256(b"half more")).await.expect("finishes"), Ok(9));
    }

    #[tokio::test]
    async fn what_is_not_as_long_as_it_was_said_to_be_leaves_no_trace() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = StagingDirectory::open(root.path()).expect("opens");
        let staged = directory.stage(Algorithm::Sha256).expect("stages");
        staged.append(0, pieces(b"head ")).await.expect("adds");
        let long = vec![7; 3 * BATCH];
        for length in [long.len() as u64 - 1, long.len() as u64 + 1, 0] {
            let error = staged.append_exactly(5, length, pieces(&long)).await.expect_err("differs");
            assert!(matches!(error, AppendError::Length), "{error:?}");
            assert_eq!(staged.size(), 5);
        }
        staged.append_exactly(5, 4, pieces(b"tail")).await.expect("adds");
        assert_eq!(staged.finish(&Digest::sha256(b"head tail")).await.expect("finishes"), Ok(9));
        assert_eq!(std::fs::read(staged.path()).expect("reads"), b"head tail");
    }

    #[test]
    fn only_uploads_of_dead_processes_are_removed() {
        let root = tempfile::tempdir().expect("a directory");
        let living = StagingDirectory::open(root.path()).expect("opens");
        let staged = living.stage(Algorithm::Sha256).expect("stages");
        let dead = root.path().join("0123456789abcdef");
        std::fs::create_dir(&dead).expect("creates");
        std::fs::write(dead.join("upload"), "half").expect("writes");
        std::fs::write(root.path().join("0123456789abcdef.lock"), "").expect("writes");
        let second = StagingDirectory::open(root.path()).expect("opens beside");
        assert!(!dead.exists() && staged.path().exists());
        drop((staged, living, second));
        assert_eq!(std::fs::read_dir(root.path()).expect("reads").count(), 0);
    }
}
