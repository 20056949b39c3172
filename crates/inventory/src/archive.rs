//! Members of zip archives (jar, war, egg …; PKWARE APPNOTE 6.3): through the central directory when the archive is
//! held in memory, header by header when it streams by.
//!
//! Nothing in an archive decides how much is inflated or held: a [`Budget`] does, and it is shared by an archive and
//! all archives inside it.

mod stream;

use flate2::{Decompress, FlushDecompress, Status};
use rawzip::{CompressionMethod, ZipArchive};

pub(crate) use stream::Stream;

/// Largest member that is looked into, in bytes.
const MAX_MEMBER: u64 = 32 << 20;

/// Inflated members that may be held at one time: those of an archive and of all around it.
const MAX_HELD: u64 = 64 << 20;

/// Bytes that are inflated for one archive with everything inside it: about two seconds of work.
const MAX_INFLATED: u64 = 1 << 30;

/// Longest name of a member that is looked at; longer ones cannot be unpacked.
const MAX_NAME: usize = 4096;

/// What may still be spent on an archive and on all inside it.
#[derive(Debug)]
pub(crate) struct Budget {
    held: u64,
    inflated: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { held: MAX_HELD, inflated: MAX_INFLATED }
    }
}

/// Why a member or an archive was not looked into; a sentence for a person.
pub(crate) type Reason = String;

/// Looks at the members of one archive.
pub(crate) trait Visitor {
    /// Whether the content of the member is wanted.
    fn wants(&self, name: &str) -> bool;

    /// The content of a wanted member.
    fn member(&mut self, name: &str, bytes: &[u8], budget: &mut Budget);

    /// A wanted member could not be read.
    fn unread(&mut self, name: &str, reason: Reason);
}

/// Visits the members of an archive that is held in memory.
///
/// # Errors
/// What is wrong with the archive as a whole; the members before that were visited.
pub(crate) fn visit(bytes: &[u8], visitor: &mut dyn Visitor, budget: &mut Budget) -> Result<(), Reason> {
    let archive =
        ZipArchive::from_slice(bytes).map_err(|error| format!("it is not a whole zip archive ({error})"))?;
    let mut entries = archive.entries();
    loop {
        let entry = match entries.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(()),
            Err(error) => return Err(format!("its directory is damaged ({error})")),
        };
        let path = entry.file_path();
        let Ok(name) = str::from_utf8(path.as_bytes()) else { continue };
        if name.len() > MAX_NAME || entry.is_dir() || !visitor.wants(name) {
            continue;
        }
        let size = entry.uncompressed_size_hint();
        let data = match archive.get_entry(entry.wayfinder()) {
            Ok(found) => found.data(),
            Err(error) => {
                visitor.unread(name, format!("its header is damaged ({error})"));
                continue;
            }
        };
        match entry.compression_method() {
            CompressionMethod::STORE => visitor.member(name, data, budget),
            CompressionMethod::DEFLATE => match inflate(data, size, budget) {
                Ok(content) => {
                    visitor.member(name, &content, budget);
                    budget.release(&content);
                }
                Err(reason) => visitor.unread(name, reason),
            },
            _ => visitor.unread(name, "it is compressed in a way that Java does not read".to_owned()),
        }
    }
}

impl Budget {
    /// Sets room aside for a member that says it has `size` bytes.
    fn reserve(&mut self, size: u64) -> Result<u64, Reason> {
        if size > MAX_MEMBER {
            return Err(format!("it has {size} bytes and only members up to {MAX_MEMBER} are read"));
        }
        if size > self.held {
            return Err(format!("the archives around it hold {MAX_HELD} bytes already"));
        }
        if size > self.inflated {
            return Err(format!("{MAX_INFLATED} bytes of this archive were unpacked already"));
        }
        self.held -= size;
        self.inflated -= size;
        Ok(size)
    }

    /// Gives back what a member held that is done with.
    fn release(&mut self, content: &[u8]) {
        self.held += content.len() as u64;
    }
}

/// Inflates a member of `size` bytes. One that turns out to have another size is damaged.
fn inflate(data: &[u8], size: u64, budget: &mut Budget) -> Result<Vec<u8>, Reason> {
    let size = budget.reserve(size)?;
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    let done = Decompress::new(false).decompress_vec(data, &mut content, FlushDecompress::Finish);
    if matches!(done, Ok(Status::StreamEnd)) && content.len() as u64 == size {
        return Ok(content);
    }
    budget.held += size;
    Err("its data are damaged".to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use super::*;

    /// How a member of a test archive is stored.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Way {
        Stored,
        Deflated,
        /// Deflated, with the sizes behind the data.
        Described,
    }

    fn little(fields: &[(u64, usize)]) -> Vec<u8> {
        fields.iter().flat_map(|(value, width)| value.to_le_bytes().into_iter().take(*width)).collect()
    }

    /// A zip archive of these members.
    pub(crate) fn zip(members: &[(&str, &[u8], Way)]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, content, way) in members {
            let offset = out.len() as u64;
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).expect("memory");
            let deflated = encoder.finish().expect("memory");
            let data: &[u8] = if *way == Way::Stored { content } else { &deflated };
            let mut crc = flate2::Crc::new();
            crc.update(content);
            let sizes = [(u64::from(crc.sum()), 4), (data.len() as u64, 4), (content.len() as u64, 4)];
            let described = *way == Way::Described;
            let shared = |sizes: &[(u64, usize)]| {
                let method = if *way == Way::Stored { 0 } else { 8 };
                let mut fields = vec![(20, 2), (if described { 8 } else { 0 }, 2), (method, 2), (0, 4)];
                fields.extend(sizes);
                fields.extend([(name.len() as u64, 2), (0, 2)]);
                little(&fields)
            };
            out.extend(b"PK\x03\x04");
            out.extend(shared(if described { &[(0, 4), (0, 4), (0, 4)] } else { &sizes }));
            out.extend(name.as_bytes());
            out.extend(data);
            if described {
                out.extend(b"PK\x07\x08");
                out.extend(little(&sizes));
            }
            directory.extend(b"PK\x01\x02\x14\0");
            directory.extend(shared(&sizes));
            directory.extend(little(&[(0, 2), (0, 2), (0, 2), (0, 4), (offset, 4)]));
            directory.extend(name.as_bytes());
        }
        let (start, count) = (out.len() as u64, members.len() as u64);
        out.extend(&directory);
        out.extend(b"PK\x05\x06");
        out.extend(little(&[
            (0, 2),
            (0, 2),
            (count, 2),
            (count, 2),
            (directory.len() as u64, 4),
            (start, 4),
            (0, 2),
        ]));
        out
    }

    /// Writes down what it is shown.
    #[derive(Debug, Default, PartialEq, Eq)]
    pub(crate) struct Log(pub(crate) Vec<String>);

    impl Visitor for Log {
        fn wants(&self, name: &str) -> bool {
            !name.starts_with("skip")
        }

        fn member(&mut self, name: &str, bytes: &[u8], _: &mut Budget) {
            self.0.push(format!("{name}={}", String::from_utf8_lossy(bytes)));
        }

        fn unread(&mut self, name: &str, reason: Reason) {
            self.0.push(format!("{name}: {reason}"));
        }
    }

    #[test]
    fn members_are_shown_however_they_are_stored() {
        let archive = zip(&[
            ("a", b"stored", Way::Stored),
            ("skip/x", b"unwanted", Way::Deflated),
            ("b", b"deflated", Way::Deflated),
            ("c", b"described", Way::Described),
        ]);
        let mut log = Log::default();
        assert_eq!(visit(&archive, &mut log, &mut Budget::default()), Ok(()));
        assert_eq!(log.0, ["a=stored", "b=deflated", "c=described"]);
    }

    #[test]
    fn bombs_and_damage_are_told() {
        let large = vec![0; (MAX_MEMBER + 1) as usize];
        let mut damaged =
            zip(&[("bomb", &large, Way::Deflated), ("b", b"some text to compress", Way::Deflated)]);
        let start = damaged.windows(2).rposition(|pair| pair == b"\x03\x04").expect("a header");
        damaged[start + 30..start + 34].fill(0xff);
        let mut log = Log::default();
        assert_eq!(visit(&damaged, &mut log, &mut Budget::default()), Ok(()));
        assert_eq!(
            log.0,
            [
                "bomb: it has 33554433 bytes and only members up to 33554432 are read",
                "b: its data are damaged"
            ]
        );
        assert!(visit(&damaged[..damaged.len() - 10], &mut log, &mut Budget::default()).is_err());
    }
}
