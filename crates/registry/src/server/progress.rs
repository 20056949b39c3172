//! Sees that connections get on: which of them have something under way, and which wait for a client that neither
//! sends nor reads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Sleep;

/// What is under way on one connection: requests until the end of their answers, and writes that wait.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<watch::Sender<usize>>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// Something begins; it ends when what is given is dropped.
    pub(super) fn begin(&self) -> Busy {
        self.0.send_modify(|count| *count += 1);
        Busy(Arc::clone(&self.0))
    }

    /// Waits until nothing has been under way for this long.
    pub(super) async fn quiet(&self, patience: Duration) {
        let mut count = self.0.subscribe();
        loop {
            // The sender is ours, so there is always an answer.
            let _ = count.wait_for(|count| *count == 0).await;
            tokio::select! {
                () = tokio::time::sleep(patience) => return,
                _ = count.changed() => {}
            }
        }
    }
}

/// Something that is under way.
#[derive(Debug)]
pub(super) struct Busy(Arc<watch::Sender<usize>>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Runs while something waits.
#[derive(Debug)]
struct Timer {
    patience: Duration,
    /// From the beginning of a wait to its end.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    fn new(patience: Duration) -> Self {
        Self { patience, sleep: None }
    }

    /// Takes what somebody else's poll has given: ready is progress, and pending too long is an error.
    fn check<T>(&mut self, context: &mut Context<'_>, polled: Poll<T>) -> Poll<Result<T, TooLong>> {
        if let Poll::Ready(value) = polled {
            self.sleep = None;
            return Poll::Ready(Ok(value));
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.patience)));
        ready!(sleep.as_mut().poll(context));
        Poll::Ready(Err(TooLong))
    }
}

#[derive(Debug)]
struct TooLong;

/// A connection whose writes fail when the client reads nothing for too long.
#[derive(Debug)]
pub(super) struct PatientStream<S> {
    stream: S,
    timer: Timer,
    activity: Activity,
    /// While a write waits.
    writing: Option<Busy>,
}

impl<S> PatientStream<S> {
    pub(super) fn new(stream: S, patience: Duration, activity: Activity) -> Self {
        Self { stream, timer: Timer::new(patience), activity, writing: None }
    }

    fn check<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.writing = None;
        } else if self.writing.is_none() {
            self.writing = Some(self.activity.begin());
        }
        match ready!(self.timer.check(context, polled)) {
            Ok(result) => Poll::Ready(result),
            Err(TooLong) => {
                let message = "the client has read nothing for too long";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PatientStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.check(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.check(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(context);
        this.check(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(context);
        this.check(context, polled)
    }
}

/// A client stopped sending in the middle of a request: an extension of every request, and true when its body has
/// failed for that.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stalled(Arc<AtomicBool>);

impl Stalled {
    /// The body was waited for in vain.
    pub(crate) fn happened(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of a request, which fails when somebody reads it and nothing comes for too long.
#[derive(Debug)]
pub(super) struct PatientBody<B> {
    body: B,
    timer: Timer,
    stalled: Stalled,
    ended: bool,
}

impl<B> PatientBody<B> {
    pub(super) fn new(body: B, patience: Duration, stalled: Stalled) -> Self {
        Self { body, timer: Timer::new(patience), stalled, ended: false }
    }
}

impl<B: Body + Unpin> Body for PatientBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut this.body).poll_frame(context);
        match ready!(this.timer.check(context, polled)) {
            Ok(Some(frame)) => Poll::Ready(Some(frame.map_err(Into::into))),
            Ok(None) => {
                this.ended = true;
                Poll::Ready(None)
            }
            Err(TooLong) => {
                this.stalled.0.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err("nothing of the body came for too long".into())))
            }
        }
    }

    /// Also of a body in chunks, once its end was read, of which the connection itself does not say so.
    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. Its request is under way until it is dropped.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: axum::body::Body,
    _busy: Busy,
}

impl AnswerBody {
    pub(super) fn new(body: axum::body::Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl Body for AnswerBody {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
