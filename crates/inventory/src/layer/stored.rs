//! The stored bytes of a layer: which compression they show, and decoding it.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// Stored bytes are read in pieces of this size.
const READ_SIZE: usize = 128 << 10;

/// The bytes as handed in. Counts them, and remembers when the reader itself failed, which a decoder on top
/// would otherwise pass off as damage of its own.
#[derive(Debug)]
pub(crate) struct Source<R> {
    reader: R,
    head: [u8; HEAD],
    head_length: usize,
    position: u64,
    failure: Option<io::Error>,
}

/// Bytes needed to recognise a compression.
const HEAD: usize = 6;

impl<R: Read> Source<R> {
    /// Reads the first bytes.
    fn open(reader: R) -> Self {
        let mut source = Self { reader, head: [0; HEAD], head_length: 0, position: 0, failure: None };
        while source.head_length < HEAD && source.failure.is_none() {
            match source.reader.read(&mut source.head[source.head_length..]) {
                Ok(0) => break,
                Ok(count) => source.head_length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => source.failure = Some(error),
            }
        }
        source
    }

    fn head(&self) -> &[u8] {
        &self.head[..self.head_length]
    }

    /// Stored bytes handed on so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The error of the reader itself, when there was one.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Reads and forgets the rest, so that a reader that checks a digest can.
    pub(crate) fn drain(&mut self) {
        let mut scratch = [0; 8 << 10];
        while let Ok(1..) = self.read(&mut scratch) {}
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let from_head = (self.position as usize).min(self.head_length);
        if from_head < self.head_length && !into.is_empty() {
            let count = into.len().min(self.head_length - from_head);
            into[..count].copy_from_slice(&self.head[from_head..from_head + count]);
            self.position += count as u64;
            return Ok(count);
        }
        if self.failure.is_some() {
            return Err(io::Error::other("the reader failed before"));
        }
        loop {
            match self.reader.read(into) {
                Ok(count) => {
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    self.failure = Some(error);
                    return Err(kind.into());
                }
            }
        }
    }
}

/// Decodes the stored bytes to the tar.
pub(crate) enum Decoder<R: Read> {
    Plain(BufReader<Source<R>>),
    /// All members of the stream, one after the other.
    Gzip(Box<MultiGzDecoder<BufReader<Source<R>>>>),
    /// All frames; skippable ones hold indexes that are not for us.
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Source<R>>>),
}

/// The stored bytes cannot be decoded at all.
pub(crate) struct Unsupported(pub(crate) &'static str);

impl<R: Read> Decoder<R> {
    /// Recognises the compression by its first bytes. The media type is not asked: runtimes do not ask it
    /// either.
    pub(crate) fn open(reader: R) -> Result<Self, Unsupported> {
        let source = Source::open(reader);
        let head = source.head();
        if head.starts_with(b"BZh") {
            return Err(Unsupported("bzip2"));
        }
        if head.starts_with(b"\xfd7zXZ\0") {
            return Err(Unsupported("xz"));
        }
        let is_gzip = head.starts_with(&[0x1f, 0x8b]);
        let is_zstd = matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        let buffered = BufReader::with_capacity(READ_SIZE, source);
        Ok(if is_gzip {
            Self::Gzip(Box::new(MultiGzDecoder::new(buffered)))
        } else if is_zstd {
            let decoder = zstd::stream::read::Decoder::with_buffer(buffered);
            Self::Zstd(decoder.map_err(|_| Unsupported("a zstd that this build cannot set up"))?)
        } else {
            Self::Plain(buffered)
        })
    }

    fn buffered(&mut self) -> &mut BufReader<Source<R>> {
        match self {
            Self::Plain(buffered) => buffered,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
        }
    }

    /// The stored bytes below.
    pub(crate) fn source(&mut self) -> &mut Source<R> {
        self.buffered().get_mut()
    }

    /// Stored bytes that were decoded so far.
    pub(crate) fn consumed(&mut self) -> u64 {
        let buffered = self.buffered();
        let waiting = buffered.buffer().len() as u64;
        buffered.get_ref().position().saturating_sub(waiting)
    }

    /// The name of the format, for messages.
    pub(crate) fn format(&self) -> &'static str {
        match self {
            Self::Plain(_) => "tar",
            Self::Gzip(_) => "gzip",
            Self::Zstd(_) => "zstd",
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            // Large reads go past the buffer of `BufReader` on their own.
            Self::Plain(buffered) => buffered.read(into),
            Self::Gzip(decoder) => decoder.read(into),
            Self::Zstd(decoder) => decoder.read(into),
        }
    }
}
