//! A scratch file for the long texts: they are most of the data and are needed once, at the end, in another
//! order. It has no name in the file system, so nothing is left of it whatever happens.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Where a text is in the spool.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spooled {
    offset: u64,
    length: u32,
}

pub(super) struct Spool {
    file: BufWriter<File>,
    end: u64,
}

impl Spool {
    pub(super) fn new_in(directory: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile_in(directory)?), end: 0 })
    }

    pub(super) fn push(&mut self, text: &[u8]) -> io::Result<Spooled> {
        let length = u32::try_from(text.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.file.write_all(text)?;
        let spooled = Spooled { offset: self.end, length };
        self.end += u64::from(length);
        Ok(spooled)
    }

    /// Turns from writing to reading.
    pub(super) fn finish(self) -> io::Result<Reader> {
        Ok(Reader { file: self.file.into_inner().map_err(io::IntoInnerError::into_error)? })
    }
}

pub(super) struct Reader {
    file: File,
}

impl Reader {
    /// Appends a text to `out`.
    pub(super) fn read(&mut self, spooled: Spooled, out: &mut Vec<u8>) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(spooled.offset))?;
        let read = (&mut self.file).take(u64::from(spooled.length)).read_to_end(out)?;
        if read < spooled.length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}
