//! Our walk over tar archives against Python's `tarfile`, on archives made to be read differently.
//!
//! A layer that two readers understand differently can hide packages from one of them. So for every archive one
//! of these must hold: both see the same members, or ours refuses it, or ours notes a problem. That Python
//! refuses what we read hides nothing from us.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use support::source;
use tidewaiter_inventory::{Entry, Limits, layer};

/// How many archives are compared.
const ARCHIVES: usize = 5000;

/// A header in all its fields.
#[derive(Debug, Clone)]
struct Header {
    name: &'static str,
    prefix: &'static str,
    link: &'static str,
    type_flag: u8,
    layout: &'static [u8],
    size: Size,
    mode: &'static [u8],
}

/// How the size field is written.
#[derive(Debug, Clone)]
enum Size {
    /// As the data has it.
    True,
    /// As the data has it, in base 256.
    Binary,
    /// Some other text.
    Text(&'static [u8]),
}

impl Header {
    fn block(&self, data: usize) -> [u8; 512] {
        let mut header = tar::Header::new_old();
        header.set_mode(0o644);
        let block = header.as_mut_bytes();
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, self.name.as_bytes());
        put(100, self.mode);
        match self.size {
            Size::True => put(124, format!("{data:011o}").as_bytes()),
            Size::Binary => put(124, &[&[0x80, 0, 0, 0][..], &(data as u64).to_be_bytes()].concat()),
            Size::Text(text) => put(124, text),
        }
        put(156, &[self.type_flag]);
        put(157, self.link.as_bytes());
        put(257, self.layout);
        put(345, self.prefix.as_bytes());
        header.set_cksum();
        *header.as_bytes()
    }
}

fn name() -> impl Strategy<Value = &'static str> {
    const LONG: &str = "long/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    select(vec!["a", "b/c", "d/", "./e", "f//g", "", "é", "h/../i", "package.json", LONG])
}

fn header(type_flags: &'static [u8]) -> impl Strategy<Value = Header> {
    let plain = |usual: &'static [u8]| prop_oneof![60 => Just(usual), 1 => select(vec![&b"0000644 "[..], b"   644 \0", b"\x80\0\0\0\0\0\x01\xa4", b"0o644\0\0\0", b"\0\0\0\0\0\0\0\0"])];
    let size = prop_oneof![
        60 => Just(Size::True),
        1 => Just(Size::Binary),
        2 => select(vec![
            &b"00000000000"[..], b"00000001000", b"00000000001 ", b"       12 \0", b"0o000000012", b"+0000000012",
            b"1_0\0\0\0\0\0\0\0\0", b"12\x0034\0\0\0\0\0\0", b"-0000000001", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80\0\0\x01\0\0\0\0\0\0\0\0", b"\xc0\0\0\0\0\0\0\0\0\0\0\0",
        ]).prop_map(Size::Text),
    ];
    let layout = prop_oneof![
        24 => Just(&b"ustar\x0000"[..]),
        12 => Just(&b"ustar  \0"[..]),
        1 => Just(&b"\0\0\0\0\0\0\0\0"[..]),
        1 => Just(&b"ustar\0\0\0"[..]),
    ];
    let prefix = prop_oneof![30 => Just(""), 1 => Just("p"), 1 => Just("p/")];
    let link = prop_oneof![3 => Just(""), 1 => name()];
    (name(), prefix, link, select(type_flags), layout, size, plain(b"0000644\0")).prop_map(
        |(name, prefix, link, type_flag, layout, size, mode)| Header {
            name,
            prefix,
            link,
            type_flag,
            layout,
            size,
            mode,
        },
    )
}

fn padded(header: &Header, data: &[u8]) -> Vec<u8> {
    let mut bytes = header.block(data.len()).to_vec();
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A member with data that looks like members itself when a reader is at the wrong place.
fn member() -> impl Strategy<Value = Vec<u8>> {
    const FLAGS: &[u8] = b"000000000000111222555555734S\0\0\0VXZD";
    (header(FLAGS), header(b"05"), prop_oneof![3 => Just(0_usize), 2 => 1..600_usize, 2 => Just(512)])
        .prop_map(|(header, inner, length)| {
            let inner = Header { name: "hidden", size: Size::True, ..inner };
            let data: Vec<u8> = inner.block(0).into_iter().cycle().take(length).collect();
            padded(&header, &data)
        })
}

/// One record of a PAX header, mostly well-formed.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let text = || {
        select(vec![
            "x",
            "x",
            "y/z",
            "d/",
            "",
            "./e",
            "a=b",
            "a\nb",
            "18 path=smuggled\n",
            "caf\u{e9}",
            "nul\0nul",
        ])
    };
    let number =
        || select(vec!["0", "0", "1", "1", "512", "513", "1024", "-1", "+1", " 1", "1.5", "1_0", "0x10", ""]);
    let names = (select(vec!["path", "path", "linkpath", "GNU.sparse.name", "PATH", "path ", "a=b"]), text());
    let sizes = (Just("size"), select(vec!["0", "1", "512", "513", "1024"]));
    let sparse = ["major", "minor", "map", "size", "realsize", "numblocks", "offset", "numbytes"];
    let sparse = select(sparse.map(|key| format!("GNU.sparse.{key}")).to_vec());
    let others = (select(vec!["mtime", "comment", "", "uid"]), text());
    let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let pair = prop_oneof![
        10 => names.prop_map(own),
        4 => sizes.prop_map(own),
        1 => (Just("size"), number()).prop_map(own),
        1 => (sparse, number()).prop_map(|(key, value)| (key, value.to_owned())),
        2 => others.prop_map(own),
        1 => Just(own(("hdrcharset", "BINARY"))),
    ];
    let damage = prop_oneof![60 => Just(0_i64), 1 => -2..3_i64];
    let shape = prop_oneof![40 => Just("{} {}={}\n"), 1 => select(vec!["0{} {}={}\n", "{}  {}={}\n", "{} {}={}\n\0", " {} {}={}\n"])];
    (pair, damage, shape).prop_map(|((key, value), damage, shape)| {
        let rest = key.len() + value.len() + 3 + shape.len()
            - "{} {}={}\n".len()
            - usize::from(shape.ends_with('\0'));
        let length =
            (rest..).find(|length| rest + length.to_string().len() == *length).expect("some length fits");
        let length = (i64::try_from(length).expect("short") + damage).to_string();
        let written =
            [&length, &key, &value].iter().fold(shape.to_owned(), |text, part| text.replacen("{}", part, 1));
        written.into_bytes()
    })
}

fn extension() -> impl Strategy<Value = Vec<u8>> {
    let pax = (header(b"xxxxxg"), vec(record(), 0..4), prop_oneof![30 => Just(0_usize), 1 => 1..5_usize])
        .prop_map(|(header, records, nuls)| padded(&header, &[records.concat(), vec![0; nuls]].concat()));
    let gnu = (header(b"LLK"), select(vec!["x\0", "y/z\0", "x", "", "d/\0", "x\0hidden\0"]))
        .prop_map(|(header, data)| padded(&Header { layout: b"ustar  \0", ..header }, data.as_bytes()));
    prop_oneof![3 => pax, 1 => gnu]
}

fn archive() -> impl Strategy<Value = Vec<u8>> {
    let piece =
        prop_oneof![40 => member(), 20 => extension(), 1 => Just(vec![0; 512]), 1 => Just(vec![0; 1024])];
    let end = prop_oneof![9 => Just(1024_usize), 1 => select(vec![0, 512, 4096])];
    let flips =
        prop_oneof![9 => Just(Vec::new()), 1 => vec((any::<prop::sample::Index>(), any::<u8>()), 1..3)];
    (vec(piece, 1..6), end, flips).prop_map(|(pieces, end, flips)| {
        let mut bytes = pieces.concat();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
            // With the checksum made right again the change reaches further.
            let block = at / 512 * 512;
            if let Some(header) = bytes.get_mut(block..block + 512) {
                let mut fixed = tar::Header::new_old();
                fixed.as_mut_bytes().copy_from_slice(header);
                fixed.set_cksum();
                header.copy_from_slice(fixed.as_bytes());
            }
        }
        bytes.extend(vec![0; end]);
        bytes
    })
}

/// Names as we keep them; `None` for the root and what leads out.
fn clean(name: &[u8]) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(text(part)),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn text(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::new(), |text, chunk| {
        let odd = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        text + chunk.valid() + &odd
    })
}

/// What we see: the members, or why nothing is promised.
enum Ours {
    Members(Vec<String>),
    Refused,
    Problem,
}

fn ours(bytes: &[u8]) -> Ours {
    let Ok(fragment) = layer::read(bytes, &source(), &Limits::default()) else { return Ours::Refused };
    if !fragment.problems.is_empty() {
        return Ours::Problem;
    }
    let member = |(path, entry): (String, Entry<'_>)| match entry {
        Entry::Directory => format!("dir {path}"),
        Entry::File | Entry::Kept => format!("file {path}"),
        Entry::Symlink(target) => format!("symlink {path} -> {target}"),
        Entry::HardLink(target) => format!("link {path} -> {target}"),
        Entry::Whiteout | Entry::Opaque => format!("whiteout {path}"),
    };
    Ours::Members(fragment.entries().map(member).collect())
}

/// What Python sees in the archives `0`, `1`, … of a directory; `None` where it refuses.
fn pythons(directory: &Path) -> Vec<Option<Vec<String>>> {
    let script = "import sys, tarfile\n\
                  def show(text): return text.encode('utf-8', 'surrogateescape').hex() or '-'\n\
                  for number in range(int(sys.argv[2])):\n \
                    try:\n  \
                      with tarfile.open(f'{sys.argv[1]}/{number}', 'r:', encoding='utf-8') as tar:\n   \
                        for member in tar:\n    \
                          kind = 'dir' if member.isdir() else 'symlink' if member.issym() else 'link' if member.islnk() else 'file'\n    \
                          print(number, kind, show(member.name), show(member.linkname))\n \
                    except Exception as error:\n  \
                      print(number, 'refused')\n";
    let output = Command::new("/usr/bin/python3")
        .args(["-c", script, directory.to_str().expect("text"), &ARCHIVES.to_string()])
        .output()
        .expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut seen: Vec<Option<Vec<String>>> = vec![Some(Vec::new()); ARCHIVES];
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        let words: Vec<_> = line.split(' ').collect();
        let number: usize = words[0].parse().expect("a number");
        let bytes = |word: &str| -> Vec<u8> {
            let digits = word.trim_start_matches('-').as_bytes().chunks(2);
            digits
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("hex"), 16).expect("hex"))
                .collect()
        };
        match (words.as_slice(), &mut seen[number]) {
            ([_, "refused"], slot) => *slot = None,
            ([_, kind, name, link], Some(members)) => {
                let Some(name) = clean(&bytes(name)) else { continue };
                members.push(match *kind {
                    "symlink" => format!("symlink {name} -> {}", text(&bytes(link))),
                    "link" => format!("link {name} -> {}", clean(&bytes(link)).unwrap_or_default()),
                    kind => format!("{kind} {name}"),
                });
            }
            _ => {}
        }
    }
    seen
}

/// An archive for people: a line per block, NULs shortened.
fn blocks(bytes: &[u8]) -> String {
    let block = |block: &[u8]| {
        let parts = block.split(|&byte| byte == 0).filter(|part| !part.is_empty());
        parts.map(|part| part.escape_ascii().to_string()).collect::<Vec<_>>().join(" | ")
    };
    bytes.chunks(512).map(block).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_archive_is_read_differently_in_silence() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let mut runner = TestRunner::deterministic();
    let strategy = archive();
    let mut archives = Vec::new();
    for number in 0..ARCHIVES {
        let bytes = strategy.new_tree(&mut runner).expect("an archive").current();
        fs::write(directory.path().join(number.to_string()), &bytes).expect("writable");
        archives.push(bytes);
    }
    let mut alike = 0;
    let (mut refused, mut told) = (0, 0);
    for (bytes, theirs) in archives.iter().zip(pythons(directory.path())) {
        match (ours(bytes), theirs) {
            (Ours::Members(ours), Some(theirs)) => {
                assert_eq!(ours, theirs, "{}", blocks(bytes));
                alike += 1;
            }
            (Ours::Members(_), None) => {}
            (Ours::Refused, _) => refused += 1,
            (Ours::Problem, _) => told += 1,
        }
    }
    let counts = format!("{alike} alike, {refused} refused, {told} with problems of {ARCHIVES}");
    assert!(alike > ARCHIVES / 5 && refused > ARCHIVES / 50 && told > ARCHIVES / 50, "{counts}");
}
