//! Reading blobs: streams that check what they give and go on by themselves where a connection broke.

use bytes::{Buf as _, Bytes};
use futures_util::stream;
use http::header::{CONTENT_RANGE, RANGE};
use http::{Method, StatusCode};
use tokio_util::io::StreamReader;

use crate::content::BlobReader;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::media_type;
use crate::remote::call::Answer;
use crate::remote::observer::Wait;
use crate::remote::repository::{PULL, Repository};
use crate::remote::retry::Pacing;
use crate::verify::Check;

impl Repository {
    /// The size of a blob of which only the digest is known, as a descriptor of no particular type.
    pub async fn blob_descriptor(&self, digest: &Digest) -> Result<Descriptor> {
        let call = self.call(Method::HEAD, &format!("blobs/{digest}"), PULL);
        let answer = self.ask(call, digest.as_str(), &[StatusCode::OK]).await?;
        let size = answer.content_length().ok_or_else(|| {
            answer.protocol_error()(
                "the answer has no Content-Length, so the blob's size is unknown".to_owned(),
            )
        })?;
        Ok(Descriptor::new(media_type::OCTET_STREAM, digest.clone(), size))
    }

    /// Opens a blob at an offset. From 0 on, size and digest are checked; from later, only the size can be.
    pub(super) async fn blob_from(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader> {
        let mut download = Download {
            repository: self.clone(),
            descriptor: descriptor.clone(),
            answer: None,
            bulk: false,
            check: (offset == 0).then(|| Check::new(descriptor)),
            at: offset,
            end: descriptor.size,
            known: 0,
            pacing: Pacing::new(&self.client.settings().retry),
        };
        // Nothing can be asked for beyond the end, and of nothing the digest is known.
        if descriptor.size > offset {
            download.connect().await?;
        } else if offset > descriptor.size {
            return Err(download.wrong_size(offset));
        }
        let pieces = stream::try_unfold(download, |mut download| async move {
            let piece = download.next().await.map_err(into_io)?;
            Ok::<_, std::io::Error>(piece.map(|piece| (piece, download)))
        });
        Ok(Box::pin(StreamReader::new(Box::pin(pieces))))
    }

    /// Asks for a blob's bytes from `start` to before `end`. The answer is of status 206, or 200 when the
    /// registry ignores ranges.
    pub(super) async fn get_range(
        &self,
        descriptor: &Descriptor,
        start: u64,
        end: u64,
        bulk: bool,
    ) -> Result<Answer> {
        let digest = descriptor.digest.as_str();
        let mut call = self.call(Method::GET, &format!("blobs/{digest}"), PULL);
        call.bulk = bulk;
        if start > 0 || end < descriptor.size {
            call = call.header(RANGE, format!("bytes={start}-{}", end - 1));
        }
        let answer = self.ask(call, digest, &[StatusCode::OK, StatusCode::PARTIAL_CONTENT]).await?;
        let (expected_start, expected) = match answer.status() {
            StatusCode::PARTIAL_CONTENT => (start, end - start),
            _ => (0, descriptor.size),
        };
        let range = answer.header(CONTENT_RANGE.as_str()).and_then(range_start);
        if answer.status() == StatusCode::PARTIAL_CONTENT && range != Some(expected_start) {
            return Err(answer.protocol_error()(format!(
                "it is not the range from {start} that was asked for"
            )));
        }
        match answer.content_length() {
            Some(length) if length != expected => Err(Error::SizeMismatch {
                digest: descriptor.digest.clone(),
                expected: descriptor.size,
                actual: expected_start + length,
            }),
            _ => Ok(answer),
        }
    }
}

/// The first byte of a `Content-Range`.
fn range_start(text: &str) -> Option<u64> {
    text.trim().strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

/// An error of ours, to pass through a reader.
fn into_io(error: Error) -> std::io::Error {
    match error {
        Error::Transfer { source, .. } => source,
        other => std::io::Error::other(other),
    }
}

/// A blob, or a part of one, being read.
pub(super) struct Download {
    repository: Repository,
    descriptor: Descriptor,
    /// The connection, while there is one.
    answer: Option<Answer>,
    /// Over a connection of its own.
    bulk: bool,
    /// Absent when the beginning was not read.
    check: Option<Check>,
    /// How far it was read, in bytes.
    at: u64,
    /// How far it is to be read, in bytes.
    end: u64,
    /// How much of what comes next was read before.
    known: u64,
    pacing: Pacing,
}

impl Download {
    /// Opens a part of a blob, which cannot be checked by itself. A registry that ignores ranges is read from
    /// the beginning to the end: see [`Download::take_whole`].
    pub(super) async fn part(
        repository: &Repository,
        descriptor: &Descriptor,
        part: std::ops::Range<u64>,
    ) -> Result<Self> {
        let mut download = Self {
            repository: repository.clone(),
            descriptor: descriptor.clone(),
            answer: None,
            bulk: true,
            check: None,
            at: part.start,
            end: part.end,
            known: 0,
            pacing: Pacing::new(&repository.client.settings().retry),
        };
        download.connect().await?;
        Ok(download)
    }

    /// The registry ignored the range and sends everything. Then everything is read.
    pub(super) fn take_whole(&mut self) -> bool {
        let whole = self.answer.as_ref().is_some_and(|answer| answer.status() == StatusCode::OK);
        if whole {
            self.end = self.descriptor.size;
        }
        whole
    }

    /// The next piece, or the end, when everything was as it should be.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(answer) = &mut self.answer else { return self.finish().map(|()| None) };
            match answer.chunk().await {
                Ok(Some(mut piece)) => {
                    let known = usize::try_from(self.known).unwrap_or(usize::MAX).min(piece.len());
                    self.known -= known as u64;
                    piece.advance(known);
                    if !piece.is_empty() {
                        return self.take(piece).map(Some);
                    }
                }
                Ok(None) if self.at == self.end => self.answer = None,
                Ok(None) => {
                    let reason = format!("it ended after {} of {} bytes", self.at, self.descriptor.size);
                    let error = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, reason);
                    self.reconnect(error).await?;
                }
                Err(error) => self.reconnect(error).await?,
            }
        }
    }

    /// Counts and checks a piece that was not read before.
    fn take(&mut self, mut piece: Bytes) -> Result<Bytes> {
        let room = self.end - self.at;
        if piece.len() as u64 > room {
            if self.end == self.descriptor.size {
                return Err(self.wrong_size(self.at + piece.len() as u64));
            }
            // What follows a part was not asked for, but sent by a registry that ignores ranges.
            piece.truncate(usize::try_from(room).unwrap_or(piece.len()));
        }
        self.at += piece.len() as u64;
        if let Some(check) = &mut self.check {
            check.update(&piece)?;
        }
        if self.at == self.end && self.end < self.descriptor.size {
            self.answer = None;
        }
        self.pacing.progressed();
        Ok(piece)
    }

    fn finish(&mut self) -> Result<()> {
        self.check.as_mut().map_or(Ok(()), Check::end)
    }

    fn wrong_size(&self, actual: u64) -> Error {
        Error::SizeMismatch { digest: self.descriptor.digest.clone(), expected: self.descriptor.size, actual }
    }

    /// Waits, and goes on where it broke off.
    async fn reconnect(&mut self, error: std::io::Error) -> Result<()> {
        self.answer = None;
        let Some((delay, retry)) = self.pacing.next(None) else {
            return Err(Error::Transfer { digest: self.descriptor.digest.clone(), source: error });
        };
        let host = self.repository.endpoint.host().to_owned();
        tracing::info!(host, digest = %self.descriptor.digest, at = self.at, %error, "download broke off");
        let wait = Wait { host, reason: error.to_string(), delay, retry };
        self.repository.client.settings().observer.waiting(&wait);
        tokio::time::sleep(delay).await;
        self.connect().await
    }

    async fn connect(&mut self) -> Result<()> {
        let answer = self.repository.get_range(&self.descriptor, self.at, self.end, self.bulk).await?;
        // A registry that ignores ranges sends again what we have.
        self.known = if answer.status() == StatusCode::OK { self.at } else { 0 };
        self.answer = Some(answer);
        Ok(())
    }
}
