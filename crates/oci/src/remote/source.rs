//! What an upload sends: bytes, a stream read once, or a stream that can be opened again.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::io::AsyncReadExt as _;

use crate::content::{BlobReader, Content, Reopen};
use crate::descriptor::Descriptor;
use crate::error::{Error, Result};
use crate::remote::call::Payload;
use crate::remote::stall::Activity;

/// How much is read at a time, in bytes.
const PIECE: usize = 128 * 1024;

/// Why a source could not give what its descriptor says.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be read.
    Read(std::io::Error),
    /// It has another size, at least this many bytes.
    Size(u64),
}

/// Where a request's body left a failure for the one who sent it: the HTTP client only says that the body failed.
type Slot = Arc<Mutex<Option<Failure>>>;

/// Reads all of a small stream.
pub(super) async fn collect(descriptor: &Descriptor, mut reader: BlobReader) -> Result<Bytes> {
    let mut bytes = Vec::with_capacity(usize::try_from(descriptor.size).unwrap_or(0));
    let read = (&mut reader).take(descriptor.size.saturating_add(1)).read_to_end(&mut bytes).await;
    read.map_err(|source| Error::transfer(&descriptor.digest, source))?;
    Ok(Bytes::from(bytes))
}

/// What an upload sends.
pub(super) struct Source {
    kind: Kind,
    descriptor: Descriptor,
    failure: Slot,
}

enum Kind {
    Bytes(Bytes),
    /// Absent once it is on its way.
    Once(Option<BlobReader>),
    /// A stream read once, sent in chunks that are kept until they have arrived.
    Buffered {
        reader: BlobReader,
        at: u64,
        kept: Bytes,
    },
    Reopen(Box<dyn Reopen>),
}

impl Source {
    pub(super) fn new(descriptor: &Descriptor, content: Content) -> Self {
        let kind = match content {
            Content::Bytes(bytes) => Kind::Bytes(bytes),
            Content::Stream(reader) => Kind::Once(Some(reader)),
            Content::Reopen(reopen) => Kind::Reopen(reopen),
        };
        Self { kind, descriptor: descriptor.clone(), failure: Slot::default() }
    }

    /// What was sent can be sent again.
    pub(super) fn can_rewind(&self) -> bool {
        matches!(self.kind, Kind::Bytes(_) | Kind::Reopen(_) | Kind::Buffered { .. })
    }

    /// Requests carry a stream rather than bytes.
    pub(super) fn streams(&self) -> bool {
        matches!(self.kind, Kind::Reopen(_) | Kind::Once(_))
    }

    /// Takes what went wrong with the source while a request was sent.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The body of a request for `length` bytes from `start` on.
    pub(super) async fn payload(&mut self, start: u64, length: u64) -> Result<Payload> {
        let whole = start == 0 && length == self.descriptor.size;
        match &mut self.kind {
            Kind::Bytes(bytes) => Ok(Payload::Bytes(slice(bytes, start, length))),
            Kind::Reopen(reopen) => {
                let reader = reopen.open(start).await?;
                Ok(self.stream(reader, start, length))
            }
            Kind::Once(reader) => {
                let reader = reader.take().ok_or_else(|| self.spent())?;
                if whole {
                    return Ok(self.stream(reader, start, length));
                }
                self.kind = Kind::Buffered { reader, at: 0, kept: Bytes::new() };
                self.buffered(start, length).await
            }
            Kind::Buffered { .. } => self.buffered(start, length).await,
        }
    }

    fn spent(&self) -> Error {
        let reason = std::io::Error::other("it was read already and cannot be read again");
        Error::Transfer { digest: self.descriptor.digest.clone(), source: reason }
    }

    async fn buffered(&mut self, start: u64, length: u64) -> Result<Payload> {
        let spent = self.spent();
        let (digest, size) = (self.descriptor.digest.clone(), self.descriptor.size);
        let Kind::Buffered { reader, at, kept } = &mut self.kind else { return Err(spent) };
        let skip = start.checked_sub(*at).filter(|skip| *skip <= kept.len() as u64).ok_or(spent)?;
        let rest = slice(kept, skip, (kept.len() as u64 - skip).min(length));
        if rest.len() as u64 == length {
            return Ok(Payload::Bytes(rest));
        }
        let failed = |source| Error::transfer(&digest, source);
        let mut chunk = BytesMut::with_capacity(usize::try_from(length).unwrap_or(0));
        chunk.extend_from_slice(&rest);
        while (chunk.len() as u64) < length {
            let room = length - chunk.len() as u64;
            if reader.as_mut().take(room).read_buf(&mut chunk).await.map_err(failed)? == 0 {
                let actual = start + chunk.len() as u64;
                return Err(Error::SizeMismatch { digest, expected: size, actual });
            }
        }
        if start + length == size && reader.as_mut().read(&mut [0]).await.map_err(failed)? > 0 {
            return Err(Error::SizeMismatch { digest, expected: size, actual: size + 1 });
        }
        *at = start;
        *kept = chunk.freeze();
        Ok(Payload::Bytes(kept.clone()))
    }

    fn stream(&self, reader: BlobReader, start: u64, length: u64) -> Payload {
        let (size, failure) = (self.descriptor.size, Arc::clone(&self.failure));
        Body { reader, at: start, end: start + length, size, failure, activity: Arc::default() }.payload()
    }
}

/// The body of a request for all of some content. Why it could not be read is not told.
pub(super) fn whole(reader: BlobReader, size: u64) -> Payload {
    let (failure, activity) = (Slot::default(), Arc::default());
    Body { reader, at: 0, end: size, size, failure, activity }.payload()
}

fn slice(bytes: &Bytes, start: u64, length: u64) -> Bytes {
    let length_of = bytes.len() as u64;
    let (start, end) = (start.min(length_of), (start + length).min(length_of));
    let index = |at: u64| usize::try_from(at).unwrap_or(bytes.len());
    bytes.slice(index(start)..index(end))
}

/// A stream on its way, cut to what a request announced.
struct Body {
    reader: BlobReader,
    at: u64,
    end: u64,
    /// Of the whole source.
    size: u64,
    failure: Slot,
    activity: Arc<Activity>,
}

impl Body {
    fn payload(self) -> Payload {
        let (length, activity) = (self.end - self.at, Arc::clone(&self.activity));
        let pieces = stream::try_unfold(self, |mut body| async move {
            let piece = body.next().await?;
            Ok::<_, std::io::Error>(piece.map(|piece| (piece, body)))
        });
        Payload::Stream { body: Some(reqwest::Body::wrap_stream(pieces)), length, activity }
    }

    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        if self.at == self.end {
            self.activity.ended();
            return Ok(None);
        }
        let room = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(PIECE);
        let mut piece = BytesMut::with_capacity(room);
        let read = (&mut self.reader).take(room as u64).read_buf(&mut piece).await;
        match read {
            Ok(0) => return Err(self.fail(Failure::Size(self.at))),
            Ok(read) => self.at += read as u64,
            Err(error) => return Err(self.fail(Failure::Read(error))),
        }
        // The last piece is held back until the source has said that this is its end: a source that checks its
        // content says there whether it was right, and what was wrong must not be completed.
        if self.at == self.size {
            match self.reader.read(&mut [0]).await {
                Ok(0) => {}
                Ok(_) => return Err(self.fail(Failure::Size(self.size + 1))),
                Err(error) => return Err(self.fail(Failure::Read(error))),
            }
        }
        self.activity.moved();
        if self.at == self.end {
            self.activity.ended();
        }
        Ok(Some(piece.freeze()))
    }

    fn fail(&self, failure: Failure) -> std::io::Error {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        std::io::Error::other("what is uploaded cannot be read")
    }
}
