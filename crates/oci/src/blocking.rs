//! The way from async code to files: work on tokio's blocking threads, and a reader fed from there.
//!
//! A blocking thread cannot be cancelled. Work that owns temporary files is therefore counted, so that a program
//! that ends can wait until they are gone, and work that may take long is told when nobody wants it any more.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::content::BlobReader;

/// What is under way that owns files. Threads belong to the process, and so does their count.
static UNDER_WAY: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// Bytes read in one go on a blocking thread: large enough that the hand-over costs nothing beside hashing.
const CHUNK: u64 = 256 * 1024;

/// Runs `work` on a blocking thread. A panic there goes on here.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

/// Waits until no work of this crate is under way that owns temporary files. A program that ends drops what it was
/// doing, waits for this, and then leaves nothing behind.
pub async fn settled() {
    UNDER_WAY.close();
    UNDER_WAY.wait().await;
}

/// Has [`settled`] wait until this is dropped.
pub(crate) fn under_way() -> TaskTrackerToken {
    UNDER_WAY.token()
}

/// Starts work on a blocking thread that [`settled`] waits for, until what came of it is dropped too.
pub(crate) fn start<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<(T, TaskTrackerToken)> {
    let token = under_way();
    tokio::task::spawn_blocking(move || (work(), token))
}

/// Like [`run`], for work that changes files: [`settled`] waits for it.
pub(crate) async fn run_counted<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(start(work)).await.0
}

/// Like [`run_counted`], for work that may take long. The token is cancelled when the caller waits no longer.
pub(crate) async fn run_while_wanted<T: Send + 'static>(
    work: impl FnOnce(CancellationToken) -> T + Send + 'static,
) -> T {
    let unwanted = CancellationToken::new();
    let _cancels = unwanted.clone().drop_guard();
    run_counted(move || work(unwanted)).await
}

/// A reader that fails when nobody wants what is read any more.
pub(crate) struct WantedReader {
    reader: BlobReader,
    unwanted: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl WantedReader {
    pub(crate) fn new(reader: BlobReader, unwanted: CancellationToken) -> Self {
        Self { reader, unwanted: Box::pin(unwanted.cancelled_owned()) }
    }
}

impl AsyncRead for WantedReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unwanted.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(given_up()));
        }
        self.reader.as_mut().poll_read(context, buffer)
    }
}

/// The error of work that nobody wants any more, and so nobody sees.
pub(crate) fn given_up() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "it was given up")
}

/// Waits for a task of ours. Such tasks are only cancelled when the runtime ends, and then nobody waits.
pub(crate) async fn joined<T>(task: impl Future<Output = Result<T, JoinError>>) -> T {
    match task.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}

/// What comes back from a blocking thread: the source, the buffer and how much of it was filled.
struct Filled<R> {
    source: R,
    buffer: Vec<u8>,
    outcome: io::Result<usize>,
}

/// Reads a blocking source from async code, one chunk ahead. No thread is held between chunks, so a stream
/// that nobody reads costs two buffers and nothing else.
pub(crate) struct BlockingReader<R> {
    current: Vec<u8>,
    position: usize,
    length: usize,
    /// The chunk being read ahead; absent after the end or an error.
    next: Option<JoinHandle<Filled<R>>>,
    /// Before the first read.
    start: Option<(R, usize)>,
}

impl<R: Read + Send + Unpin + 'static> BlockingReader<R> {
    /// Will read `source`, which has about `size` bytes.
    pub(crate) fn new(source: R, size: u64) -> Self {
        // One more than the size, so that the end of small content is seen in the same go.
        let chunk = usize::try_from(size.saturating_add(1).clamp(16, CHUNK)).unwrap_or(16);
        Self { current: Vec::new(), position: 0, length: 0, next: None, start: Some((source, chunk)) }
    }

    fn read_ahead(source: R, buffer: Vec<u8>) -> JoinHandle<Filled<R>> {
        tokio::task::spawn_blocking(move || {
            let (mut source, mut buffer) = (source, buffer);
            let outcome = fill(&mut source, &mut buffer);
            Filled { source, buffer, outcome }
        })
    }
}

/// Reads until the buffer is full or the source ends.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

impl<R: Read + Send + Unpin + 'static> AsyncRead for BlockingReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some((source, chunk)) = self.start.take() {
            self.current = vec![0; chunk];
            self.next = Some(Self::read_ahead(source, vec![0; chunk]));
        }
        if self.position == self.length {
            let Some(next) = &mut self.next else { return Poll::Ready(Ok(())) };
            let joined = ready!(Pin::new(next).poll(context));
            self.next = None;
            let filled = match joined.map_err(JoinError::try_into_panic) {
                Ok(filled) => filled,
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                Err(Err(_)) => return Poll::Ready(Err(io::ErrorKind::Interrupted.into())),
            };
            self.length = filled.outcome?;
            self.position = 0;
            let drained = std::mem::replace(&mut self.current, filled.buffer);
            // A chunk that is not full was the last one.
            if self.length == drained.len() {
                self.next = Some(Self::read_ahead(filled.source, drained));
            }
        }
        let count = buffer.remaining().min(self.length - self.position);
        let range = self.position..self.position + count;
        buffer.put_slice(&self.current[range]);
        self.position += count;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn everything_arrives_in_order() {
        for size in [0, 1, 15, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5] {
            let content: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let mut read = Vec::new();
            let source = io::Cursor::new(content.clone());
            BlockingReader::new(source, size).read_to_end(&mut read).await.expect("read");
            assert!(read == content, "{size}");
        }
    }

    #[tokio::test]
    async fn an_error_is_passed_on() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let error = BlockingReader::new(Broken, 10).read_to_end(&mut Vec::new()).await.expect_err("broken");
        assert_eq!(error.to_string(), "broken");
    }
}
