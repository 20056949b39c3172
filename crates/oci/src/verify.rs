//! Readers that check what passes through them against a descriptor: size and digest.
//!
//! The digest is compared before the last bytes are handed out, so a caller that stops reading after
//! `size` bytes has been protected as well as one that reads to the end.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::descriptor::Descriptor;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

/// Counts and hashes content as it passes.
#[derive(Debug)]
pub struct Check {
    digest: Digest,
    size: u64,
    seen: u64,
    /// Gone once the digest has been compared.
    hasher: Option<Hasher>,
}

impl Check {
    /// Expects the content of a descriptor.
    #[must_use]
    pub fn new(descriptor: &Descriptor) -> Self {
        let hasher = Some(descriptor.digest.algorithm().hasher());
        Self { digest: descriptor.digest.clone(), size: descriptor.size, seen: 0, hasher }
    }

    /// Adds the next bytes. Fails as soon as there are too many, or all are there and their digest differs.
    pub fn update(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        if self.seen > self.size {
            return Err(self.size_mismatch());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        if self.seen == self.size { self.compare() } else { Ok(()) }
    }

    /// The content has ended here. Fails when it was too short.
    pub fn end(&mut self) -> Result<()> {
        if self.seen == self.size { self.compare() } else { Err(self.size_mismatch()) }
    }

    fn compare(&mut self) -> Result<()> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let actual = hasher.finish();
        if actual == self.digest {
            Ok(())
        } else {
            Err(Error::DigestMismatch { expected: self.digest.clone(), actual })
        }
    }

    fn size_mismatch(&self) -> Error {
        Error::SizeMismatch { digest: self.digest.clone(), expected: self.size, actual: self.seen }
    }
}

/// A reader that fails unless it gives exactly the content of a descriptor. Its errors carry an
/// [`enum@Error`], which [`Error::transfer`] takes out again.
#[derive(Debug)]
pub struct VerifyReader<R> {
    inner: R,
    check: Check,
}

impl<R> VerifyReader<R> {
    /// Wraps a reader of the content of `descriptor`.
    #[must_use]
    pub fn new(inner: R, descriptor: &Descriptor) -> Self {
        Self { inner, check: Check::new(descriptor) }
    }

    fn checked(&mut self, new: &[u8], at_end: bool) -> io::Result<()> {
        let outcome = if at_end { self.check.end() } else { self.check.update(new) };
        outcome.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl<R: Read> Read for VerifyReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.checked(&buffer[..count], count == 0 && !buffer.is_empty())?;
        Ok(count)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for VerifyReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let at_end = buffer.filled().len() == before && room > 0;
        let outcome = self.checked(&buffer.filled()[before..], at_end);
        if outcome.is_err() {
            buffer.set_filled(before);
        }
        Poll::Ready(outcome)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::digest::Algorithm;
    use crate::media_type::OCTET_STREAM;

    async fn read(descriptor: &Descriptor, content: &[u8]) -> Result<Vec<u8>, Error> {
        let mut from_sync = Vec::new();
        let sync = Read::read_to_end(&mut VerifyReader::new(content, descriptor), &mut from_sync);
        let mut from_async = Vec::new();
        let mut reader = VerifyReader::new(content, descriptor);
        let read = AsyncReadExt::read_to_end(&mut reader, &mut from_async).await;
        assert_eq!(sync.is_ok(), read.is_ok());
        read.map_err(|error| Error::transfer(&descriptor.digest, error))?;
        assert_eq!(from_sync, from_async);
        Ok(from_async)
    }

    #[tokio::test]
    async fn good_content_passes() {
        for content in [&b""[..], b"hello"] {
            let mut descriptor = Descriptor::of(OCTET_STREAM, content);
            assert_eq!(read(&descriptor, content).await.expect("good"), content);
            descriptor.digest = Digest::of(Algorithm::Sha512, content);
            assert_eq!(read(&descriptor, content).await.expect("good"), content);
        }
    }

    #[tokio::test]
    async fn bad_content_is_named() {
        let descriptor = Descriptor::of(OCTET_STREAM, b"hello");
        for (content, message) in [
            (&b"hell"[..], "has 4 bytes instead of 5"),
            (b"hello!", "has 6 bytes instead of 5"),
            (b"", "has 0 bytes instead of 5"),
            (b"hallo", "has digest sha256:d3751d33f9cd"),
        ] {
            let error = read(&descriptor, content).await.expect_err("bad").to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[tokio::test]
    async fn the_last_bytes_of_bad_content_are_held_back() {
        let descriptor = Descriptor::of(OCTET_STREAM, b"hello");
        let mut buffer = [0; 5];
        let mut reader = VerifyReader::new(&b"hallo"[..], &descriptor);
        assert!(AsyncReadExt::read_exact(&mut reader, &mut buffer).await.is_err());
    }
}
