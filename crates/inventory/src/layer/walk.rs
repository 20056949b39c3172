//! The members of a tar, one after the other, with the names and sizes that extension headers give them.
//!
//! Follows Go's `archive/tar` (see [`header`](super::header)). A layer that two readers understand differently
//! can hide packages from one of them, so wherever another common reader would see another name, target or
//! size, a problem is noted beside what is read.

use std::io::Read;

use super::header::{BadHeader, Header, sparse_map_continues, until_nul};
use super::tape::{BLOCK, Sizes, Tape};
use crate::error::ReadError;
use crate::path;
use crate::problems::Problems;

/// Longest extension header: Go's own limit. Names longer than a path may be come in shorter ones.
const MAX_EXTENSION: u64 = 1 << 20;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    /// A file with holes: its bytes in the archive are not its content.
    SparseFile,
    HardLink,
    Symlink,
    Directory,
    /// A device or a pipe.
    Special,
    /// A type that runtimes do not unpack.
    Unknown,
}

/// A member whose data, if any, is next on the tape. Its names are in the [`Walk`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) kind: Kind,
    /// Bytes of data in the archive.
    pub(crate) size: u64,
    /// Where its header is in the uncompressed layer.
    pub(crate) offset: u64,
}

/// Walks a tape from member to member.
pub(crate) struct Walk<R: Read> {
    tape: Tape<R>,
    /// Data and padding of the current member that were not taken yet.
    data: u64,
    padding: usize,
    name: Vec<u8>,
    link: Vec<u8>,
    extension: Vec<u8>,
}

/// What the extension headers before a member say. Empty buffers are kept for the next member.
#[derive(Default)]
struct Extensions {
    pax: Option<Pax>,
    gnu_name: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
}

/// The records of a PAX header that change how a member is read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pax {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse_name: Option<Vec<u8>>,
    sparse_major: Vec<u8>,
    sparse_minor: Vec<u8>,
    has_sparse_map: bool,
    has_sparse_size: bool,
    /// A record that changes names or sizes has an empty value, which readers take differently.
    has_empty: bool,
}

impl<R: Read> Walk<R> {
    pub(crate) fn new(tape: Tape<R>) -> Self {
        Self { tape, data: 0, padding: 0, name: Vec::new(), link: Vec::new(), extension: Vec::new() }
    }

    /// Name of the current member as the archive has it.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Link target of the current member as the archive has it.
    pub(crate) fn link(&self) -> &[u8] {
        &self.link
    }

    /// Appends the data of the current member to `into`.
    pub(crate) fn read_data(&mut self, into: &mut Vec<u8>) -> Result<(), ReadError> {
        let data = std::mem::take(&mut self.data);
        self.tape.read_into(data, into)
    }

    /// The first bytes of the data of the current member: a block, or all when there is less.
    pub(crate) fn head(&mut self) -> Result<&[u8], ReadError> {
        let count = usize::try_from(self.data).unwrap_or(BLOCK).min(BLOCK);
        self.tape.peek(count)
    }

    /// Hands the data of the current member to `each`, piece by piece.
    pub(crate) fn stream_data(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<(), ReadError> {
        let data = std::mem::take(&mut self.data);
        self.tape.pass(data, each)
    }

    /// Moves to the next member; `None` after the last.
    pub(crate) fn next(&mut self, problems: &mut Problems) -> Result<Option<Member>, ReadError> {
        let mut extensions = Extensions::default();
        let mut twice = false;
        loop {
            self.pass_data()?;
            let offset = self.tape.offset();
            let Some(block) = self.next_header(problems)? else {
                if extensions.is_some() {
                    problems.byte(
                        None,
                        offset,
                        "the archive ends after an extension header; its member is missing",
                    );
                }
                return Ok(None);
            };
            let header = Header::new(&block).map_err(|bad| self.bad(offset, bad))?;
            let size = header.size().map_err(|bad| self.bad(offset, bad))?;
            match header.type_flag() {
                b'x' => {
                    let records = self.read_pax(size, offset)?;
                    twice |= extensions.pax.replace(records).is_some();
                }
                b'g' => {
                    if self.read_pax(size, offset)? != Pax::default() {
                        problems.byte(None, offset, GLOBAL_HEADER);
                    }
                }
                b'L' => twice |= extensions.gnu_name.replace(self.read_gnu(size, offset)?).is_some(),
                b'K' => twice |= extensions.gnu_link.replace(self.read_gnu(size, offset)?).is_some(),
                _ => {
                    if twice {
                        problems.byte(None, offset, "an extension header comes twice; the second one is taken, other programs may take the first");
                    }
                    return self.member(&header, size, offset, &extensions, problems).map(Some);
                }
            }
        }
    }

    /// The next header block; `None` at the end marker (two blocks of zeros) or the end of the stream.
    fn next_header(&mut self, problems: &mut Problems) -> Result<Option<[u8; BLOCK]>, ReadError> {
        const ZEROS: [u8; BLOCK] = [0; BLOCK];
        let offset = self.tape.offset();
        let Some(block) = self.tape.block()? else {
            if offset > 0 {
                problems.byte(None, offset, "the archive has no end marker; it may have been cut off");
            }
            return Ok(None);
        };
        if block != ZEROS {
            return Ok(Some(block));
        }
        match self.tape.block()? {
            None | Some(ZEROS) => Ok(None),
            Some(_) => Err(self.tape.corrupt(offset, "a block of zeros is followed by other data")),
        }
    }

    fn pass_data(&mut self) -> Result<(), ReadError> {
        let (data, padding) = (std::mem::take(&mut self.data), std::mem::take(&mut self.padding));
        self.tape.skip(data)?;
        self.tape.skip_available(padding)
    }

    fn set_data(&mut self, size: u64) {
        self.data = size;
        self.padding = (BLOCK - (size % BLOCK as u64) as usize) % BLOCK;
    }

    fn bad(&mut self, offset: u64, bad: BadHeader) -> ReadError {
        self.tape.corrupt(offset, bad.to_string())
    }

    /// Reads the data of an extension header into `self.extension`.
    fn read_extension(&mut self, size: u64, offset: u64) -> Result<(), ReadError> {
        if size > MAX_EXTENSION {
            let reason = format!("an extension header announces {size} bytes, more than {MAX_EXTENSION}");
            return Err(self.tape.corrupt(offset, reason));
        }
        self.set_data(size);
        let mut extension = std::mem::take(&mut self.extension);
        extension.clear();
        self.read_data(&mut extension)?;
        self.extension = extension;
        Ok(())
    }

    fn read_gnu(&mut self, size: u64, offset: u64) -> Result<Vec<u8>, ReadError> {
        self.read_extension(size, offset)?;
        Ok(until_nul(&self.extension).to_vec())
    }

    fn read_pax(&mut self, size: u64, offset: u64) -> Result<Pax, ReadError> {
        self.read_extension(size, offset)?;
        Pax::parse(&self.extension)
            .ok_or_else(|| self.tape.corrupt(offset, "the records of a PAX header are malformed"))
    }

    /// Settles names, size and kind of a member from its header and what came before it.
    fn member(
        &mut self,
        header: &Header<'_>,
        header_size: u64,
        offset: u64,
        extensions: &Extensions,
        problems: &mut Problems,
    ) -> Result<Member, ReadError> {
        self.name.clear();
        let mut agreed = header.name_into(&mut self.name);
        replace(&mut self.link, Some(header.link()));
        replace(&mut self.name, extensions.name());
        replace(&mut self.link, extensions.link());
        agreed &= header.has_common_numbers() && extensions.agree();
        agreed &= header.type_flag() != 0 || header.plain_name().ends_with(b"/") == self.name.ends_with(b"/");

        let mut kind = kind(header.type_flag(), &self.name);
        let mut size = header_size;
        if let Some(pax) = &extensions.pax {
            size = pax.size.unwrap_or(size);
            if pax.is_sparse() && kind == Kind::File {
                kind = Kind::SparseFile;
                replace(&mut self.name, pax.sparse_name.as_deref());
            } else {
                agreed &= !pax.mentions_sparse();
            }
        }
        if !agreed {
            let mut name = String::new();
            path::push_printable(&self.name, &mut name);
            problems.byte(Some(&name), offset, CONTRADICTION);
        }
        if header.type_flag() == b'S' {
            let more = header.has_more_sparse_map();
            let more =
                more.ok_or_else(|| self.tape.corrupt(offset, "a sparse file in a layout that has none"))?;
            if more {
                self.pass_sparse_map(offset)?;
            }
        }
        let has_data = matches!(kind, Kind::File | Kind::SparseFile | Kind::Unknown);
        self.set_data(if has_data { size } else { 0 });
        Ok(Member { kind, size: self.data, offset })
    }

    /// Old GNU sparse files have the rest of their map in blocks of their own before the data.
    fn pass_sparse_map(&mut self, offset: u64) -> Result<(), ReadError> {
        loop {
            match self.tape.block()? {
                Some(block) if sparse_map_continues(&block) => {}
                Some(_) => return Ok(()),
                None => {
                    return Err(self.tape.corrupt(offset, "the archive ends in the map of a sparse file"));
                }
            }
        }
    }

    /// Reads to the end of the layer.
    pub(crate) fn finish(self, problems: &mut Problems) -> Result<Sizes, ReadError> {
        let end = self.tape.offset();
        let (sizes, only_zeros) = self.tape.drain()?;
        if !only_zeros {
            problems.byte(
                None,
                end,
                "data follows the end marker of the archive; runtimes do not unpack it and it was not read",
            );
        }
        Ok(sizes)
    }
}

const GLOBAL_HEADER: &str = "a global PAX header sets names or sizes; container runtimes ignore it and so did this \
                             reading, other programs may not";

const CONTRADICTION: &str = "the headers of this entry contradict each other; it was read as container runtimes read \
                             it, other programs may see another name or size";

fn replace(field: &mut Vec<u8>, value: Option<&[u8]>) {
    if let Some(value) = value {
        field.clear();
        field.extend_from_slice(value);
    }
}

fn kind(type_flag: u8, name: &[u8]) -> Kind {
    match type_flag {
        // Before there was a type for directories, a slash at the end made one.
        0 if name.ends_with(b"/") => Kind::Directory,
        0 | b'0' | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' | b'4' | b'6' => Kind::Special,
        b'5' => Kind::Directory,
        b'S' => Kind::SparseFile,
        _ => Kind::Unknown,
    }
}

impl Extensions {
    /// The name they give: GNU headers win over PAX records.
    fn name(&self) -> Option<&[u8]> {
        self.gnu_name.as_deref().or_else(|| self.pax.as_ref()?.path.as_deref())
    }

    /// The link target they give.
    fn link(&self) -> Option<&[u8]> {
        self.gnu_link.as_deref().or_else(|| self.pax.as_ref()?.link.as_deref())
    }

    /// Whether every reader takes the same from them.
    fn agree(&self) -> bool {
        fn same(pax: Option<&Vec<u8>>, gnu: Option<&Vec<u8>>) -> bool {
            pax.is_none() || gnu.is_none() || pax == gnu
        }
        let Some(pax) = &self.pax else { return true };
        !pax.has_empty
            && same(pax.path.as_ref(), self.gnu_name.as_ref())
            && same(pax.sparse_name.as_ref(), self.gnu_name.as_ref())
            && same(pax.link.as_ref(), self.gnu_link.as_ref())
    }

    fn is_some(&self) -> bool {
        self.pax.is_some() || self.gnu_name.is_some() || self.gnu_link.is_some()
    }
}

impl Pax {
    /// Reads the records `length key=value\n`; `None` when they are malformed.
    fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut pax = Self::default();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|&byte| byte == b' ')?;
            let length = decimal(&bytes[..space])?;
            let length = usize::try_from(length).ok().filter(|length| *length >= 5)?;
            let (record, rest) = bytes.split_at_checked(length)?;
            let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|&byte| byte == b'=')?;
            pax.set(&record[..equals], &record[equals + 1..])?;
            bytes = rest;
        }
        Some(pax)
    }

    /// Takes one record; `None` when it cannot be one.
    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let is_text = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
        if key.is_empty() || (if is_text { value } else { key }).contains(&0) {
            return None;
        }
        let given = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = given(),
            b"linkpath" => self.link = given(),
            b"size" if value.is_empty() => self.size = None,
            b"size" => self.size = Some(decimal(value)?),
            b"GNU.sparse.name" => self.sparse_name = given(),
            b"GNU.sparse.major" => self.sparse_major = value.to_vec(),
            b"GNU.sparse.minor" => self.sparse_minor = value.to_vec(),
            b"GNU.sparse.map" | b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.has_sparse_map = true,
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.has_sparse_size = true,
            _ => return Some(()),
        }
        self.has_empty |= value.is_empty();
        Some(())
    }

    /// Whether the member is a sparse file in one of the versions readers know (0.0, 0.1, 1.0).
    fn is_sparse(&self) -> bool {
        match (self.sparse_major.as_slice(), self.sparse_minor.as_slice()) {
            (b"0", b"0" | b"1") | (b"1", b"0") => true,
            (b"", b"") => self.has_sparse_map,
            _ => false,
        }
    }

    fn mentions_sparse(&self) -> bool {
        self.has_sparse_map
            || self.has_sparse_size
            || self.sparse_name.is_some()
            || !self.sparse_major.is_empty()
            || !self.sparse_minor.is_empty()
    }
}

/// Decimal digits and nothing else, at most what fits a signed 64-bit number.
fn decimal(digits: &[u8]) -> Option<u64> {
    let text = str::from_utf8(digits).ok()?;
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse::<i64>().ok()).flatten().and_then(|value| u64::try_from(value).ok())
}
