//! The uncompressed tar as it comes by: decoded piece by piece, hashed once, cut into blocks.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use super::hasher::{Hasher, Piece};
use super::stored::{Decoder, Unsupported};
use crate::error::ReadError;

/// The size of everything in a tar.
pub(crate) const BLOCK: usize = 512;

/// Uncompressed bytes are decoded in pieces of this size: big enough that handing one to the hasher costs
/// nothing, small enough to stay in the second-level cache while it is walked over. A multiple of [`BLOCK`], so
/// no block is ever cut in two.
const PIECE: usize = 256 << 10;

/// A tar that is read forward, without seeking.
pub(crate) struct Tape<R: Read> {
    decoder: Decoder<R>,
    digest: String,
    /// The piece that is walked over, from `start` on.
    piece: Piece,
    start: usize,
    /// Pieces that were walked over and may still be hashed, oldest first.
    used: VecDeque<Piece>,
    /// Uncompressed bytes that were taken.
    offset: u64,
    hasher: Hasher,
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
            piece: Piece::default(),
            start: 0,
            used: VecDeque::new(),
            offset: 0,
            hasher: Hasher::new(),
            limit,
        })
    }

    /// Uncompressed bytes that were taken so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes one block; `None` at the end of the stream.
    pub(crate) fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ReadError> {
        let waiting = self.waiting()?;
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
            let now = count.min(self.waiting()?.len());
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

    /// The next bytes, up to `count` of them and up to one block; they are not taken. Members begin at whole
    /// blocks and pieces end at them, so it is less only where the stream ends.
    pub(crate) fn peek(&mut self, count: usize) -> Result<&[u8], ReadError> {
        let waiting = self.waiting()?;
        Ok(waiting.get(..count.min(BLOCK)).unwrap_or(waiting))
    }

    /// Hands `count` bytes to `each`, piece by piece.
    pub(crate) fn pass(&mut self, mut count: u64, mut each: impl FnMut(&[u8])) -> Result<(), ReadError> {
        while count > 0 {
            let waiting = self.waiting()?;
            if waiting.is_empty() {
                return Err(self.corrupt(self.offset, "the archive ends in the middle of a file"));
            }
            let now = usize::try_from(count).unwrap_or(usize::MAX).min(waiting.len());
            each(&waiting[..now]);
            self.take(now);
            count -= now as u64;
        }
        Ok(())
    }

    fn take(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    /// Decoded bytes that were not taken yet; none only at the end of the stream.
    fn waiting(&mut self) -> Result<&[u8], ReadError> {
        if self.start == self.piece.len() {
            self.next_piece()?;
        }
        Ok(&self.piece[self.start..])
    }

    /// Decodes the next piece and has it hashed.
    fn next_piece(&mut self) -> Result<(), ReadError> {
        self.used.push_back(std::mem::take(&mut self.piece));
        self.start = 0;
        let mut piece = self.free_piece();
        let into = Arc::get_mut(&mut piece).expect("a free piece is nobody else's");
        into.resize(PIECE, 0);
        let mut length = 0;
        // Decoders return what one step gives, often a few kilobytes.
        while length < PIECE {
            match self.decoder.read(&mut into[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        into.truncate(length);
        if self.offset + length as u64 > self.limit {
            return Err(ReadError::TooLarge { digest: self.digest.clone(), limit: self.limit });
        }
        self.hasher.update(&piece);
        self.piece = piece;
        Ok(())
    }

    /// A piece that is no longer hashed, or a new one. The hasher lets only so many wait, so there are never
    /// more than a handful.
    fn free_piece(&mut self) -> Piece {
        let mut oldest = self.used.pop_front().unwrap_or_default();
        if Arc::get_mut(&mut oldest).is_none() {
            self.used.push_front(oldest);
            return Piece::default();
        }
        oldest
    }

    /// Reads to the end of everything. Tells whether bytes other than zero came by.
    pub(crate) fn drain(mut self) -> Result<(Sizes, bool), ReadError> {
        let mut only_zeros = true;
        loop {
            let waiting = self.waiting()?;
            if waiting.is_empty() {
                break;
            }
            only_zeros = only_zeros && waiting.iter().all(|&byte| byte == 0);
            let length = waiting.len();
            self.take(length);
        }
        self.decoder.source().drain();
        if let Some(error) = self.broken() {
            return Err(error);
        }
        let sizes = Sizes {
            diff_id: self.hasher.finish(),
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
