//! Reading that is told of: how far it is, and whether it failed.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::content::BlobReader;

/// Bytes between two reports of progress.
const REPORT_EVERY: u64 = 256 * 1024;

/// Who is told.
pub(crate) trait Watch: Send + Unpin + 'static {
    /// What comes before this position has been read, in bytes.
    fn reached(&self, position: u64);
    /// The content could not be read any further.
    fn failed(&self) {}
}

/// Content of `size` bytes, read from `position` on.
pub(crate) fn watched(inner: BlobReader, watch: impl Watch, position: u64, size: u64) -> BlobReader {
    Box::pin(Watched { inner, watch, position, told: position, size })
}

struct Watched<W> {
    inner: BlobReader,
    watch: W,
    position: u64,
    told: u64,
    size: u64,
}

impl<W: Watch> AsyncRead for Watched<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(self.inner.as_mut().poll_read(context, buffer));
        if read.is_err() {
            self.watch.failed();
            return Poll::Ready(read);
        }
        self.position += (buffer.filled().len() - before) as u64;
        let due = self.position - self.told >= REPORT_EVERY || self.position == self.size;
        if due && self.position > self.told {
            self.told = self.position;
            self.watch.reached(self.position);
        }
        Poll::Ready(Ok(()))
    }
}
