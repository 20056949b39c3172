//! The uncompressed tar as it comes by: buffered once, hashed once, cut into blocks.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::stored::{Decoder, Unsupported};
use crate::error::ReadError;

/// The size of everything in a tar.
pub(crate) const BLOCK: usize = 512;

/// Uncompressed bytes are decoded in pieces of this size: big enough that hashing runs at full speed, small
/// enough to stay in the second-level cache between decoding, hashing and walking.
const BUFFER: usize = 256 << 10;

/// A tar that is read forward, without seeking.
pub(crate) struct Tape<R: Read> {
    decoder: Decoder<R>,
    digest: String,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Uncompressed bytes before `start`.
    offset: u64,
    hasher: Sha256,
    limit: u64,
}

/// What is known about a tape once all of it went by.
pub(crate) struct Sizes {
    pub(crate) diff_id: String,
    pub(crate) stored: u64,
    pub(crate) uncompressed: u64,
}

impl<R: Read> Tape<R> {
    /// `digest` names the layer in errors; `limit` is the most uncompressed bytes that are read.
    pub(crate) fn open(reader: R, digest: &str, limit: u64) -> Result<Self, ReadError> {
        let decoder = Decoder::open(reader).map_err(|Unsupported(format)| {
            ReadError::UnsupportedCompression { digest: digest.to_owned(), format }
        })?;
        Ok(Self {
            decoder,
            digest: digest.to_owned(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            hasher: Sha256::new(),
            limit,
        })
    }

    /// Uncompressed bytes that were taken so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes one block; `None` at the end of the stream.
    pub(crate) fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ReadError> {
        if self.end - self.start < BLOCK {
            self.fill(BLOCK)?;
        }
        let waiting = &self.buffer[self.start..self.end];
        match waiting.first_chunk::<BLOCK>() {
            Some(block) => {
                let block = *block;
                self.take(BLOCK);
                Ok(Some(block))
            }
            None if waiting.is_empty() => Ok(None),
            None => Err(self.corrupt(self.offset, "the archive ends in the middle of a header")),
        }
    }

    /// Passes over `count` bytes.
    pub(crate) fn skip(&mut self, count: u64) -> Result<(), ReadError> {
        self.pass(count, |_| {})
    }

    /// Passes over `count` bytes, or what is left of the stream. Writers leave out the padding after the last
    /// member sometimes.
    pub(crate) fn skip_available(&mut self, mut count: usize) -> Result<(), ReadError> {
        while count > 0 {
            if self.start == self.end {
                self.fill(1)?;
            }
            let now = count.min(self.end - self.start);
            if now == 0 {
                break;
            }
            self.take(now);
            count -= now;
        }
        Ok(())
    }

    /// Appends `count` bytes to `into`.
    pub(crate) fn read_into(&mut self, count: u64, into: &mut Vec<u8>) -> Result<(), ReadError> {
        self.pass(count, |bytes| into.extend_from_slice(bytes))
    }

    fn pass(&mut self, mut count: u64, mut each: impl FnMut(&[u8])) -> Result<(), ReadError> {
        while count > 0 {
            if self.start == self.end {
                self.fill(1)?;
                if self.start == self.end {
                    return Err(self.corrupt(self.offset, "the archive ends in the middle of a file"));
                }
            }
            let now = usize::try_from(count).unwrap_or(usize::MAX).min(self.end - self.start);
            each(&self.buffer[self.start..self.start + now]);
            self.take(now);
            count -= now as u64;
        }
        Ok(())
    }

    fn take(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads on until `wanted` bytes are waiting or the stream ends.
    fn fill(&mut self, wanted: usize) -> Result<(), ReadError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < wanted {
            // Decoders return what one step gives, often a few kilobytes; hashing likes more at a time.
            let before = self.end;
            while self.end < self.buffer.len() {
                match self.decoder.read(&mut self.buffer[self.end..]) {
                    Ok(0) => break,
                    Ok(count) => self.end += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(self.failed(&error)),
                }
            }
            self.hasher.update(&self.buffer[before..self.end]);
            if self.offset + self.end as u64 > self.limit {
                return Err(ReadError::TooLarge { digest: self.digest.clone(), limit: self.limit });
            }
            if self.end == before {
                break;
            }
        }
        Ok(())
    }

    /// Reads to the end of everything. Tells whether bytes other than zero came by.
    pub(crate) fn drain(mut self) -> Result<(Sizes, bool), ReadError> {
        let mut only_zeros = true;
        loop {
            if self.start == self.end {
                self.fill(1)?;
            }
            let waiting = &self.buffer[self.start..self.end];
            if waiting.is_empty() {
                break;
            }
            only_zeros = only_zeros && waiting.iter().all(|&byte| byte == 0);
            self.take(waiting.len());
        }
        self.decoder.source().drain();
        if let Some(error) = self.broken() {
            return Err(error);
        }
        let sizes = Sizes {
            diff_id: format!("sha256:{}", hex(&self.hasher.finalize())),
            stored: self.decoder.source().position(),
            uncompressed: self.offset,
        };
        Ok((sizes, only_zeros))
    }

    /// The tar is wrong at `offset`.
    pub(crate) fn corrupt(&mut self, offset: u64, reason: impl Into<String>) -> ReadError {
        self.blame("tar", offset, reason.into())
    }

    /// Decoding failed, or reading below it.
    fn failed(&mut self, error: &io::Error) -> ReadError {
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
            _ => error.to_string(),
        };
        self.damaged(reason)
    }

    fn damaged(&mut self, reason: String) -> ReadError {
        let (format, offset) = (self.decoder.format(), self.decoder.consumed());
        self.blame(format, offset, reason)
    }

    /// Damage is only the layer's own when all its bytes arrived as they were stored, so the rest is read
    /// first: a reader that checks the digest may have the better answer.
    fn blame(&mut self, format: &'static str, offset: u64, reason: String) -> ReadError {
        self.decoder.source().drain();
        self.broken().unwrap_or_else(|| ReadError::CorruptLayer {
            digest: self.digest.clone(),
            format,
            offset,
            reason,
        })
    }

    /// What the reader itself failed with, if it did.
    fn broken(&mut self) -> Option<ReadError> {
        let stored = self.decoder.source();
        let (failure, offset) = (stored.take_failure(), stored.position());
        failure.map(|source| ReadError::ReadLayer { digest: self.digest.clone(), offset, source })
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
