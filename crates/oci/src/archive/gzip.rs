//! Random access to a gzip file (RFC 1952) without unpacking it to disk.
//!
//! Inflating can only start where the inflater's state is known: at the beginning, or where it was copied in
//! an earlier pass. [`Checkpoints`] keeps such copies (some 43 KB each, never more than [`MAX_CHECKPOINTS`]),
//! so that a later read resumes at or shortly before the position it wants. The `miniz_oxide` inflater is
//! used here because it is the one whose state can be cloned.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flate2::Crc;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use crate::tarball::Source;

/// The first two bytes of a gzip file.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];
const MAX_CHECKPOINTS: usize = 256;
/// Distance of checkpoints to begin with, in bytes of content; grows when there are too many.
const INITIAL_SPACING: u64 = 1024 * 1024;
const INPUT_BUFFER: usize = 64 * 1024;

#[derive(Clone)]
enum Phase {
    /// Before a member's header. `first` when nothing came before it.
    Header { first: bool },
    /// In a member's compressed data.
    Body(Box<InflateState>),
    /// Behind everything.
    End,
}

/// Inflates a gzip file of one or more members.
pub(super) struct GzipReader {
    file: Arc<File>,
    /// Where in the file the next input is read.
    next_input: u64,
    input: Box<[u8]>,
    input_start: usize,
    input_end: usize,
    /// Bytes of content handed out so far.
    position: u64,
    phase: Phase,
    /// Checksum and length of the current member; absent in the member that was resumed in the middle.
    member: Option<(Crc, u32)>,
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl GzipReader {
    /// Starts at the beginning of the file.
    pub(super) fn new(file: Arc<File>) -> Self {
        Self::at(file, 0, 0, Phase::Header { first: true })
    }

    fn at(file: Arc<File>, next_input: u64, position: u64, phase: Phase) -> Self {
        let input = vec![0; INPUT_BUFFER].into_boxed_slice();
        Self { file, next_input, input, input_start: 0, input_end: 0, position, phase, member: None }
    }

    fn input(&mut self) -> io::Result<&[u8]> {
        if self.input_start == self.input_end {
            self.input_end = self.file.read_at(&mut self.input, self.next_input)?;
            self.input_start = 0;
            self.next_input += self.input_end as u64;
        }
        Ok(&self.input[self.input_start..self.input_end])
    }

    fn byte(&mut self) -> io::Result<u8> {
        let byte = self.input()?.first().copied();
        self.input_start += usize::from(byte.is_some());
        byte.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the gzip file is cut off"))
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    /// Reads a member's header. What follows the last member and is none is ignored, as gzip does.
    fn header(&mut self, first: bool) -> io::Result<Phase> {
        if !first && !self.input()?.starts_with(&MAGIC[..1]) {
            return Ok(Phase::End);
        }
        let [magic1, magic2, method, flags, ..] = self.bytes::<10>()?;
        if [magic1, magic2] != MAGIC || method != 8 {
            return if first { Err(invalid("not a gzip file")) } else { Ok(Phase::End) };
        }
        let [checksum, extra, name, comment] = [0x02, 0x04, 0x08, 0x10].map(|bit| flags & bit != 0);
        if extra {
            for _ in 0..u16::from_le_bytes(self.bytes()?) {
                self.byte()?;
            }
        }
        for _ in 0..u8::from(name) + u8::from(comment) {
            while self.byte()? != 0 {}
        }
        if checksum {
            self.bytes::<2>()?;
        }
        self.member = Some((Crc::new(), 0));
        Ok(Phase::Body(InflateState::new_boxed(DataFormat::Raw)))
    }

    fn trailer(&mut self) -> io::Result<()> {
        let (sum, length) = (u32::from_le_bytes(self.bytes()?), u32::from_le_bytes(self.bytes()?));
        match self.member.take() {
            Some((crc, count)) if (crc.sum(), count) != (sum, length) => {
                Err(invalid("the gzip file is damaged: its checksum differs"))
            }
            _ => Ok(()),
        }
    }

    /// Inflates some bytes of a member; the flag says that the member has ended.
    fn body(&mut self, state: &mut InflateState, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        loop {
            let at_end = self.input()?.is_empty();
            let input = &self.input[self.input_start..self.input_end];
            let result = inflate(state, input, buffer, MZFlush::None);
            self.input_start += result.bytes_consumed;
            let count = result.bytes_written;
            self.position += count as u64;
            if let Some((crc, length)) = &mut self.member {
                crc.update(&buffer[..count]);
                *length = length.wrapping_add(count as u32);
            }
            match result.status {
                Ok(MZStatus::StreamEnd) => return Ok((count, true)),
                Ok(_) | Err(MZError::Buf) if count > 0 => return Ok((count, false)),
                Ok(_) | Err(MZError::Buf) if result.bytes_consumed > 0 => {}
                Ok(_) | Err(MZError::Buf) if at_end => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the gzip file is cut off"));
                }
                _ => return Err(invalid("the gzip file is damaged: it cannot be inflated")),
            }
        }
    }
}

impl Read for GzipReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.phase, Phase::End) {
                Phase::Header { first } => self.phase = self.header(first)?,
                Phase::Body(mut state) => {
                    let (count, ended) = self.body(&mut state, buffer)?;
                    self.phase = Phase::Body(state);
                    if ended {
                        self.trailer()?;
                        self.phase = Phase::Header { first: false };
                    }
                    if count > 0 {
                        return Ok(count);
                    }
                }
                Phase::End => return Ok(0),
            }
        }
    }
}

impl Source for GzipReader {}

/// A copy of an inflater on its way.
struct Checkpoint {
    position: u64,
    next_input: u64,
    phase: Phase,
}

/// Places from which a gzip file can be read without starting over.
pub(super) struct Checkpoints {
    /// By position.
    kept: Vec<Checkpoint>,
    spacing: u64,
}

impl Checkpoints {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { kept: Vec::new(), spacing: INITIAL_SPACING }
    }

    /// Keeps a copy of the reader's state, unless another one is near. Positions must come in order.
    pub(super) fn offer(&mut self, reader: &GzipReader) {
        let last = self.kept.last().map_or(0, |last| last.position);
        if reader.position < last.saturating_add(self.spacing) {
            return;
        }
        if self.kept.len() == MAX_CHECKPOINTS {
            let mut keep = false;
            self.kept.retain(|_| {
                keep = !keep;
                keep
            });
            self.spacing *= 2;
        }
        let unread = (reader.input_end - reader.input_start) as u64;
        self.kept.push(Checkpoint {
            position: reader.position,
            next_input: reader.next_input - unread,
            phase: reader.phase.clone(),
        });
    }

    /// A reader of the content from `position` on.
    pub(super) fn reader(&self, file: Arc<File>, position: u64) -> io::Result<GzipReader> {
        let after = self.kept.partition_point(|checkpoint| checkpoint.position <= position);
        let mut reader = match after.checked_sub(1).and_then(|index| self.kept.get(index)) {
            Some(found) => GzipReader::at(file, found.next_input, found.position, found.phase.clone()),
            None => GzipReader::new(file),
        };
        reader.skip(position - reader.position)?;
        Ok(reader)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    fn content(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"abcdefgh"[(state >> 29) as usize]
        };
        (0..length).map(next).collect()
    }

    fn file(members: &[&[u8]]) -> Arc<File> {
        let mut file = tempfile::tempfile().expect("temporary file");
        for member in members {
            let mut encoder = flate2::GzBuilder::new()
                .filename("name")
                .comment("comment")
                .extra([1, 2, 3])
                .write(&mut file, flate2::Compression::fast());
            encoder.write_all(member).expect("write");
            encoder.finish().expect("finish");
        }
        file.rewind().expect("rewind");
        Arc::new(file)
    }

    #[test]
    fn members_are_read_as_one() {
        let content = content(300_000);
        let file = file(&[&content[..100_000], b"", &content[100_000..]]);
        let mut read = Vec::new();
        GzipReader::new(file).read_to_end(&mut read).expect("read");
        assert!(read == content);
    }

    #[test]
    fn any_position_can_be_read_again() {
        let content = content(5_000_000);
        let file = file(&[&content[..3_000_000], &content[3_000_000..]]);
        let mut checkpoints = Checkpoints { spacing: 10_000, ..Checkpoints::new() };
        let mut reader = GzipReader::new(Arc::clone(&file));
        for _ in 0..content.len() / 1000 {
            checkpoints.offer(&reader);
            reader.skip(1000).expect("skip");
        }
        assert!(checkpoints.kept.len() <= MAX_CHECKPOINTS && checkpoints.spacing > 10_000);
        for position in [0, 1, 10_000, 1_234_567, 2_999_999, 3_000_000, 3_000_001, 4_999_999, 5_000_000] {
            let mut read = Vec::new();
            let mut reader = checkpoints.reader(Arc::clone(&file), position as u64).expect("resume");
            reader.read_to_end(&mut read).expect("read");
            assert!(read == content[position..], "{position}");
        }
    }

    #[test]
    fn damage_is_noticed() {
        let whole = file(&[&content(100_000)]);
        let length = whole.metadata().expect("metadata").len();
        for (position, message) in [(length - 6, "checksum"), (length - 2, "checksum"), (0, "not a gzip")] {
            let mut bytes = Vec::new();
            (&*whole).rewind().expect("rewind");
            (&*whole).read_to_end(&mut bytes).expect("read");
            bytes[position as usize] ^= 0x55;
            let mut damaged = tempfile::tempfile().expect("temporary file");
            damaged.write_all(&bytes).expect("write");
            let error = GzipReader::new(Arc::new(damaged)).read_to_end(&mut Vec::new()).expect_err("damaged");
            assert!(error.to_string().contains(message), "{error}");
        }
        whole.set_len(length / 2).expect("cut");
        let error = GzipReader::new(whole).read_to_end(&mut Vec::new()).expect_err("cut off");
        assert!(error.to_string().contains("cut off"), "{error}");
    }
}
