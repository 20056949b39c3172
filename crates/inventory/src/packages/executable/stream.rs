//! Files that are too large to be held, gone through piece by piece: the build information of Go is found by its mark,
//! versions by their patterns, and the list of Rust crates in the end of the file, where the linker puts it behind
//! everything that is loaded.

use super::classifier::{self, LONGEST, Rule};
use super::{append, go, rust};
use crate::fragment::{Content, Package};
use crate::packages::Sink;
use crate::path;
use crate::problems::Problems;

/// Bytes that are looked through at a time.
const PIECE: usize = 1 << 20;
/// The longest build information of Go that is read.
const GO_LARGEST: usize = 4 << 20;
/// So much of the end is kept.
const END: usize = 4 << 20;
/// Where the linker aligns the build information of Go.
const GO_ALIGNMENT: u64 = 16;
/// Size of the header of an ELF file for 64 bits.
const ELF_HEADER: usize = 64;
/// Size of an entry of its table of sections.
const ELF_SECTION: usize = 64;

pub(super) fn open(path: &str, _size: u64) -> Box<dyn Sink> {
    let (directory, name) = path::split(path);
    let rules = classifier::candidates(directory, name).map(|rule| Sought { rule, found: None });
    Box::new(Stream {
        rules: rules.collect(),
        head: Vec::new(),
        pending: Vec::new(),
        start: 0,
        go: Vec::new(),
        end: Vec::new(),
    })
}

struct Sought {
    rule: &'static Rule,
    /// The pattern, of which an earlier one is surer, and what it found.
    found: Option<(usize, String)>,
}

struct Stream {
    rules: Vec<Sought>,
    /// The header.
    head: Vec<u8>,
    /// What was not looked through yet, behind what overlaps with the piece before.
    pending: Vec<u8>,
    /// Where in the file `pending` begins.
    start: u64,
    /// From the mark of Go's build information on.
    go: Vec<u8>,
    /// The last bytes, at most twice as many as wanted.
    end: Vec<u8>,
}

impl Sink for Stream {
    fn take(&mut self, bytes: &[u8]) {
        let missing = ELF_HEADER.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..missing).unwrap_or(bytes));
        if !self.go.is_empty() {
            let room = GO_LARGEST.saturating_sub(self.go.len());
            self.go.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        self.end.extend_from_slice(bytes);
        if self.end.len() > 2 * END {
            self.end.drain(..self.end.len() - END);
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PIECE {
            self.look();
        }
    }

    fn finish(mut self: Box<Self>, path: &str, problems: &mut Problems) -> Option<Content> {
        self.look();
        let mut packages = Vec::new();
        if !self.go.is_empty() {
            // Where older programs point to is gone.
            packages.extend(go::packages(path, &self.go, &|_, _| None, problems));
        }
        if let Some(data) = self.section(rust::SECTION) {
            append(&mut packages, rust::packages(path, data, problems));
        }
        let found =
            self.rules.iter().filter_map(|sought| Some(sought.rule.package(&sought.found.as_ref()?.1)));
        let found: Vec<Package> = found.collect();
        append(&mut packages, found);
        (!packages.is_empty()).then_some(Content::Packages(packages))
    }
}

impl Stream {
    /// Looks through what is pending and keeps as much of it as a match may begin in.
    fn look(&mut self) {
        for sought in &mut self.rules {
            let better =
                |found: &(usize, String)| sought.found.as_ref().is_none_or(|(index, _)| found.0 < *index);
            if let Some(found) = sought.rule.find(&self.pending).filter(better) {
                sought.found = Some(found);
            }
        }
        if self.go.is_empty() {
            let is_aligned = |at: &usize| (self.start + *at as u64).is_multiple_of(GO_ALIGNMENT);
            let mut marks = go::marks(&self.pending).filter(is_aligned);
            if let Some(at) = marks.find(|&at| go::is_whole(self.pending.get(at..).unwrap_or_default())) {
                self.go.extend_from_slice(self.pending.get(at..).unwrap_or_default());
            }
        }
        let done = self.pending.len().saturating_sub(LONGEST);
        self.pending.drain(..done);
        self.start += done as u64;
    }

    /// The bytes of a section of an ELF file for 64 bits in little-endian order, when they and the table of sections
    /// are in the end that was kept.
    fn section(&self, name: &str) -> Option<&[u8]> {
        if !self.head.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let size = self.start + self.pending.len() as u64;
        let first = size - self.end.len() as u64;
        let kept = |from: u64, length: u64| {
            let from = usize::try_from(from.checked_sub(first)?).ok()?;
            self.end.get(from..from.checked_add(usize::try_from(length).ok()?)?)
        };
        let table = u64_at(&self.head, 40)?;
        let (count, names) = (u16_at(&self.head, 60)?, u16_at(&self.head, 62)?);
        let header =
            |index: u16| kept(table.checked_add(u64::from(index) * ELF_SECTION as u64)?, ELF_SECTION as u64);
        let content = |header: &[u8]| kept(u64_at(header, 24)?, u64_at(header, 32)?);
        let names = content(header(names)?)?;
        let is_wanted = |header: &&[u8]| {
            let at = u32_at(header, 0).and_then(|at| usize::try_from(at).ok());
            let text = at.and_then(|at| names.get(at..)).unwrap_or_default();
            text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
        };
        content((0..count).filter_map(header).find(is_wanted)?)
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file says that comes in pieces of some size.
    fn read(path: &str, bytes: &[u8], piece: usize) -> Vec<String> {
        let mut sink = open(path, bytes.len() as u64);
        for piece in bytes.chunks(piece) {
            sink.take(piece);
        }
        let content = sink.finish(path, &mut Problems::new(9));
        let packages = content.as_ref().map(Content::packages).unwrap_or_default();
        packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
    }

    #[test]
    fn versions_are_found_across_pieces() {
        let mut bytes = vec![b'x'; 3 * PIECE - 20];
        bytes.extend(b"node.js/v20.20.2\0");
        bytes.resize(5 * PIECE, b'y');
        for piece in [PIECE, 4096, 70_001] {
            assert_eq!(read("usr/bin/node", &bytes, piece), ["node 20.20.2"]);
        }
        assert_eq!(read("usr/bin/other", &bytes, PIECE), [""; 0]);
    }

    #[test]
    fn build_information_of_go_is_found_by_its_mark() {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(PIECE + 8, 0);
        // One in the text of a program that looks for it, and one that is not aligned.
        bytes.extend(b"\xff Go buildinf:\0\0");
        bytes.resize(2 * PIECE - 16, 0);
        bytes.extend(go::tests::section(
            "go1.21.5",
            "path\ta\nmod\texample.com/a\tv1.0.0\t\ndep\texample.com/b\tv2.0.0\th1:x\n",
        ));
        bytes.resize(4 * PIECE, 0);
        for piece in [PIECE, 65_536, 4_099] {
            assert_eq!(
                read("app", &bytes, piece),
                ["example.com/a v1.0.0", "example.com/b v2.0.0", "stdlib 1.21.5"],
                "{piece}"
            );
        }
    }

    #[test]
    fn damaged_headers_cost_nothing() {
        for end in 0..200 {
            let mut bytes = b"\x7fELF\x02\x01".to_vec();
            bytes.resize(end + 6, 0xff);
            assert_eq!(read("app", &bytes, 64), [""; 0]);
        }
    }
}
