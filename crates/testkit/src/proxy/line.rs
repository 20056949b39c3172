//! One direction of a connection: bytes go in at one end and come out at the other, later.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Chunks on their way in one direction. With reads of 64 KiB this holds 64 MiB: more than any delay in use
/// times the speed of loopback, so that latency does not become a limit of bandwidth.
const IN_FLIGHT: usize = 1024;

/// The end where bytes go in.
pub(super) struct Line {
    pieces: mpsc::Sender<(Instant, Option<Bytes>)>,
    delay: Duration,
    not_before: Instant,
}

/// The end where bytes come out.
pub(super) struct LineEnd {
    pieces: mpsc::Receiver<(Instant, Option<Bytes>)>,
}

/// Lays a line. Nothing leaves it before `not_before`.
pub(super) fn line(delay: Duration, not_before: Instant) -> (Line, LineEnd) {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    (Line { pieces: sender, delay, not_before }, LineEnd { pieces: receiver })
}

/// The line was cut, by plan or because its other end is gone.
#[derive(Debug)]
pub(super) struct Cut;

impl Line {
    /// Sends bytes.
    pub(super) async fn send(&self, bytes: Bytes) -> Result<(), Cut> {
        self.send_later(bytes, Duration::ZERO).await
    }

    /// Sends bytes that had a longer way behind them.
    pub(super) async fn send_later(&self, bytes: Bytes, extra: Duration) -> Result<(), Cut> {
        let now = Instant::now();
        let due = now.max(self.not_before) + self.delay + extra;
        self.pieces.send((due, Some(bytes))).await.map_err(|_| Cut)
    }

    /// Cuts the line behind what was sent.
    pub(super) async fn cut(&self) -> Result<(), Cut> {
        let due = Instant::now() + self.delay;
        self.pieces.send((due, None)).await.map_err(|_| Cut)
    }
}

impl LineEnd {
    /// Writes what comes out, until the line ends or is cut.
    pub(super) async fn pour<W: AsyncWrite + Unpin>(mut self, mut target: W) -> Result<(), Cut> {
        while let Some((due, piece)) = self.pieces.recv().await {
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            let Some(bytes) = piece else {
                // A polite end, so that the peer reads what it got instead of an error that discards it.
                let _ = target.shutdown().await;
                return Err(Cut);
            };
            target.write_all(&bytes).await.map_err(gone)?;
        }
        target.shutdown().await.map_err(gone)
    }
}

fn gone(_: io::Error) -> Cut {
    Cut
}
