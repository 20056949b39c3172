//! Sees that connections get on: which of them have something under way, and which wait for a client that neither
//! sends nor reads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::http::Version;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, Sleep};

/// Writes up to this size answer pings and the like, and are no progress: whoever sends pings would never be idle.
const SMALL_WRITE: usize = 64;

/// What is under way on one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Requests until the end of their answers, and writes that wait.
    under_way: watch::Sender<usize>,
    /// Answers of HTTP/2 whose next part the client does not let us send yet, as far as we see.
    held_up: AtomicUsize,
    /// Grows with everything that is sent.
    progress: AtomicU64,
}

impl Activity {
    /// Something begins; it ends when what is given is dropped.
    pub(super) fn begin(&self) -> Busy {
        self.0.under_way.send_modify(|count| *count += 1);
        Busy(self.clone())
    }

    fn advance(&self) {
        self.0.progress.fetch_add(1, Ordering::Relaxed);
    }

    fn progress(&self) -> u64 {
        self.0.progress.load(Ordering::Relaxed)
    }

    /// Waits until nothing has been under way, and nothing was sent, for this long. Over HTTP/2, an answer may still
    /// be sent after it was handed over whole.
    pub(super) async fn quiet(&self, patience: Duration) {
        let mut count = self.0.under_way.subscribe();
        loop {
            // The sender is ours, so there is always an answer.
            let _ = count.wait_for(|count| *count == 0).await;
            let before = self.progress();
            tokio::select! {
                () = tokio::time::sleep(patience) => if self.progress() == before { return },
                _ = count.changed() => {}
            }
        }
    }

    /// Waits until all that is under way are answers that the client does not let us send, and it has been so for
    /// this long, or half as long again. A client of HTTP/2 can do that to each of its requests while it reads what
    /// comes.
    pub(super) async fn held_up(&self, patience: Duration) {
        let mut looks = tokio::time::interval((patience / 2).max(Duration::from_millis(1)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut before, mut unchanged) = (self.progress(), 0);
        loop {
            looks.tick().await;
            let (now, held_up) = (self.progress(), self.0.held_up.load(Ordering::Relaxed));
            let stuck = held_up > 0 && held_up == *self.0.under_way.borrow() && now == before;
            unchanged = if stuck { unchanged + 1 } else { 0 };
            if unchanged == 3 {
                return;
            }
            before = now;
        }
    }
}

/// Something that is under way.
#[derive(Debug)]
pub(super) struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.under_way.send_modify(|count| *count -= 1);
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

    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(size)) = polled
            && *size > SMALL_WRITE
        {
            self.activity.advance();
        }
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
        this.wrote(&polled);
        this.check(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.wrote(&polled);
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
    busy: Busy,
    /// Over HTTP/2, each part is asked for when the client has room for it.
    by_room: bool,
    /// A part was given, and the next was not asked for.
    given: bool,
}

impl AnswerBody {
    pub(super) fn new(body: axum::body::Body, busy: Busy, version: Version) -> Self {
        Self { body, busy, by_room: version == Version::HTTP_2, given: false }
    }

    fn counts(&self) -> &Counts {
        &self.busy.0.0
    }

    fn asked(&mut self) {
        if std::mem::take(&mut self.given) {
            self.counts().held_up.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.asked();
    }
}

impl Body for AnswerBody {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, axum::Error>>> {
        let this = self.get_mut();
        this.asked();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        if this.by_room && matches!(polled, Poll::Ready(Some(Ok(_)))) {
            this.given = true;
            this.counts().held_up.fetch_add(1, Ordering::Relaxed);
            this.busy.0.advance();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
