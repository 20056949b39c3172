//! Reading single layers: compressions, damage, and what archives say in odd ways.

mod support;

use std::io::{self, Read, Write as _};

use support::{dir, file, gzip, listed, read, source, symlink, tar};
use tidewaiter_inventory::{FRAGMENT_VERSION, Fragment, Limits, ManifestFacts, layer, merge};

const PACKAGE: &str = r#"{"name": "a", "version": "1.0.0"}"#;

fn one_package() -> Vec<u8> {
    tar(&[dir("app/"), file("app/package.json", PACKAGE), file("app/big", vec![7; 70_000])])
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

fn packages(fragment: &Fragment) -> Vec<String> {
    listed(&merge(&[fragment], b"", &ManifestFacts::default()))
}

fn reasons(fragment: &Fragment) -> Vec<String> {
    let problem = |problem: &tidewaiter_inventory::Problem| {
        let parts = [problem.path.as_deref(), problem.position.as_deref(), Some(problem.reason.as_str())];
        parts.into_iter().flatten().collect::<Vec<_>>().join("|")
    };
    fragment.problems.iter().map(problem).collect()
}

/// The message of a layer that cannot be read.
#[track_caller]
fn refused(bytes: &[u8]) -> String {
    layer::read(bytes, &source(), &Limits::default()).expect_err("a damaged layer").to_string()
}

#[test]
fn every_compression_gives_the_same_fragment() {
    let plain = one_package();
    let expected = read(&plain);
    assert_eq!(packages(&expected), ["pkg:npm/a@1.0.0 @ app/package.json#0"]);
    assert_eq!(expected.uncompressed_size, plain.len() as u64);

    let (first, second) = plain.split_at(1000);
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(&plain)].concat();
    let forms = [
        ("gzip", gzip(&plain)),
        ("gzip in members", [gzip(first), gzip(second), gzip(b"")].concat()),
        ("zstd", zstd(&plain)),
        ("zstd in frames", [zstd(first), zstd(second)].concat()),
        ("zstd after a skippable frame", skippable),
    ];
    for (form, stored) in forms {
        let fragment = read(&stored);
        assert_eq!(fragment.diff_id, expected.diff_id, "{form}");
        assert_eq!(fragment.size, stored.len() as u64, "{form}");
        assert_eq!(packages(&fragment), packages(&expected), "{form}");
    }
}

#[test]
fn the_diff_id_is_the_hash_of_the_whole_tar() {
    // `printf '' | sha256sum`
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(read(b"").diff_id, empty);
    assert_eq!(read(&gzip(b"")).diff_id, empty);
    // `head -c 10240 /dev/zero | sha256sum`
    let zeros = "sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652";
    assert_eq!(read(&[0; 10240]).diff_id, zeros);
}

#[test]
fn damage_is_named_with_its_place() {
    let plain = one_package();
    let stored = gzip(&plain);
    let mut flipped = stored.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    let mut bad_sum = plain.clone();
    bad_sum[512] ^= 1;
    let mut half_end = plain[..512].to_vec();
    half_end.extend([0; 512]);
    half_end.extend(&plain[512..1024]);
    let cut = &zstd(&plain)[..40];
    let cases: &[(&str, &[u8], &str)] = &[
        ("gzip cut off", &stored[..stored.len() / 2], "gzip stream, byte "),
        ("gzip with a wrong checksum", &flipped, "gzip stream, byte "),
        ("gzip with a tail", &[&stored, &b"junk"[..]].concat(), "gzip stream, byte "),
        ("zstd cut off", cut, "zstd stream, byte 40: it ends too early"),
        ("tar with a wrong checksum", &bad_sum, "tar stream, byte 512: the checksum of the header is wrong"),
        (
            "tar cut off in a file",
            &plain[..3000],
            "tar stream, byte 3000: the archive ends in the middle of a file",
        ),
        (
            "tar cut off in a header",
            &plain[..700],
            "tar stream, byte 512: the archive ends in the middle of a header",
        ),
        ("half an end marker", &half_end, "tar stream, byte 512: a block of zeros is followed by other data"),
        (
            "no tar",
            b"<html>not found</html>",
            "tar stream, byte 0: the archive ends in the middle of a header",
        ),
        ("xz", b"\xfd7zXZ\0....", "is compressed with xz"),
        ("bzip2", b"BZh91AY&SY", "is compressed with bzip2"),
    ];
    for (name, bytes, expect) in cases {
        let message = refused(bytes);
        assert!(message.contains(expect) && message.contains("sha256:stored"), "{name}: {message}");
    }
}

#[test]
fn a_layer_over_the_limit_is_refused() {
    let limits = Limits { uncompressed_bytes: 10_000, ..Limits::default() };
    let error = layer::read(&gzip(&one_package())[..], &source(), &limits).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "layer sha256:stored unpacks to more than 10000 bytes, the limit for one layer"
    );
}

/// Fails after the bytes are through, as a reader does that found another digest than it should.
struct WrongDigest<'a>(&'a [u8]);

impl Read for WrongDigest<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::Error::other("digest mismatch")),
            count => Ok(count),
        }
    }
}

#[test]
fn the_reader_always_gets_to_check_its_digest() {
    let plain = one_package();
    let mut trailing = plain.clone();
    trailing.extend([0; 4096]);
    let mut broken = plain.clone();
    broken[512] ^= 1;
    for bytes in [gzip(&plain), zstd(&plain), trailing, broken, gzip(&plain)[..500].to_vec(), Vec::new()] {
        let error = layer::read(WrongDigest(&bytes), &source(), &Limits::default()).expect_err("no digest");
        let expect =
            format!("reading layer sha256:stored failed after {} bytes: digest mismatch", bytes.len());
        assert_eq!(error.to_string(), expect);
    }
}

/// Gives one byte at a time.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = into.len().min(1);
        self.0.read(&mut into[..length])
    }
}

#[test]
fn small_reads_change_nothing() {
    for bytes in [one_package(), gzip(&one_package()), zstd(&one_package())] {
        let fragment = layer::read(Drops(&bytes), &source(), &Limits::default()).expect("a sound layer");
        assert_eq!(fragment, read(&bytes));
    }
}

#[test]
fn over_the_budget_the_rest_is_told() {
    let layer = tar(&[
        file("a/package.json", r#"{"name": "a", "version": "1.0.0"}"#),
        file("b/package.json", r#"{"name": "b", "version": "1.0.0", "description": "long"}"#),
        file("c/package.json", r#"{"name": "c", "version": "1.0.0"}"#),
        file("lib/apk/db/installed", "P:x\nV:1\n\nP:y\nV:1\n"),
    ]);
    let check = |limits: Limits, expect: &[&str]| {
        let fragment = layer::read(&layer[..], &source(), &limits).expect("a sound layer");
        assert_eq!(reasons(&fragment), expect);
    };
    check(Limits::default(), &[]);
    check(
        Limits { file_bytes: 40, ..Limits::default() },
        &[
            "b/package.json|the file has 56 bytes and only files up to 40 are read; what it describes is missing",
        ],
    );
    check(
        Limits { captured_bytes: 100, ..Limits::default() },
        &[
            "c/package.json|the interesting files of this layer exceed 100 bytes together; what it describes is missing",
            "lib/apk/db/installed|the interesting files of this layer exceed 100 bytes together; what it describes is missing",
        ],
    );
    check(
        Limits { packages: 4, ..Limits::default() },
        &["lib/apk/db/installed|the layer has more than 4 packages; the rest is missing"],
    );
    check(
        Limits { name_bytes: 60, ..Limits::default() },
        &[
            "c/package.json|the names of this layer take more than 60 bytes; nothing from this one on is looked at",
        ],
    );
}

/// Honest images hold gigabytes of jars, and package databases after them.
#[test]
fn archives_leave_room_for_databases() {
    let jars = (0..9).map(|number| file(&format!("lib/{number}-1.{number}.jar"), [0; 90]));
    let database = file("lib/apk/db/installed", "P:x\nV:1\n");
    let limits = Limits { captured_bytes: 100, ..Limits::default() };
    let fragment = layer::read(&tar(&jars.chain([database]).collect::<Vec<_>>())[..], &source(), &limits);
    let reasons = reasons(&fragment.expect("a sound layer"));
    assert!(reasons.iter().all(|reason| !reason.contains("exceed")), "{reasons:?}");
}

#[test]
fn problems_are_counted_beyond_their_limit() {
    let names: Vec<_> = (0..10).map(|number| file(&format!("{number}/package.json"), "{")).collect();
    let limits = Limits { problems: 2, ..Limits::default() };
    let fragment = layer::read(&tar(&names)[..], &source(), &limits).expect("a sound layer");
    assert_eq!(fragment.problems.len(), 3);
    assert_eq!(fragment.problems[2].reason, "8 more problems were found and are not listed");
}

/// A header block written by hand.
fn header(name: &str, type_flag: u8, size: usize, change: impl FnOnce(&mut [u8; 512])) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o644);
    header.set_size(size as u64);
    header.as_mut_bytes()[156] = type_flag;
    change(header.as_mut_bytes());
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A member with data, padded.
fn member(name: &str, type_flag: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, type_flag, data.len(), |_| {});
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn pax(type_flag: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length =
            (rest + 1..).find(|length| rest + length.to_string().len() == *length).expect("some length fits");
        writeln!(data, "{length} {key}={value}").expect("memory");
    }
    member("pax", type_flag, &data)
}

/// Reads an archive made of these pieces and compares packages, then problems.
#[track_caller]
fn check(pieces: &[Vec<u8>], expect_packages: &[&str], expect_problems: &[&str]) {
    let mut bytes = pieces.concat();
    bytes.extend([0; 1024]);
    let fragment = read(&bytes);
    assert_eq!(packages(&fragment), expect_packages);
    assert_eq!(reasons(&fragment), expect_problems);
}

const FOUND: &str = "pkg:npm/a@1.0.0 @ app/package.json#0";
const CONTRADICTION: &str = "app/package.json|byte 1024|the headers of this entry contradict each other; it was read as \
                             container runtimes read it, other programs may see another name or size";

fn package(name: &str) -> Vec<u8> {
    member(name, b'0', PACKAGE.as_bytes())
}

#[test]
fn extension_headers_name_the_next_member() {
    check(&[pax(b'x', &[("path", "app/package.json")]), package("short")], &[FOUND], &[]);
    check(&[member("long", b'L', b"./app/package.json\0"), package("short")], &[FOUND], &[]);
    check(&[pax(b'x', &[("path", "gone"), ("path", "app/package.json")]), package("short")], &[FOUND], &[]);
    check(&[pax(b'x', &[("mtime", "1.5"), ("comment", "")]), package("app/package.json")], &[FOUND], &[]);
    // The name applies to one member only.
    check(&[pax(b'x', &[("path", "app/package.json")]), package("a"), package("b")], &[FOUND], &[]);
}

#[test]
fn a_size_in_a_pax_header_wins() {
    let hidden = member("app/package.json", b'0', PACKAGE.as_bytes());
    let outer = header("cover", b'0', 0, |_| {});
    // Readers that go by the header see `app/package.json`; runtimes see one file with an archive in it.
    let size = hidden.len().to_string();
    check(&[pax(b'x', &[("size", &size)]), outer.clone(), hidden.clone()], &[], &[]);
    check(&[outer, hidden], &[FOUND], &[]);
}

#[test]
fn contradictions_are_told() {
    check(&[pax(b'x', &[("path", "")]), package("app/package.json")], &[FOUND], &[CONTRADICTION]);
    check(
        &[pax(b'x', &[("GNU.sparse.name", "other")]), package("app/package.json")],
        &[FOUND],
        &[CONTRADICTION],
    );
    check(
        &[pax(b'x', &[("path", "other")]), member("l", b'L', b"app/package.json"), package("x")],
        &[FOUND],
        &[&CONTRADICTION.replace("1024", "2048")],
    );
    check(
        &[pax(b'x', &[("path", "other")]), pax(b'x', &[("path", "app/package.json")]), package("x")],
        &[FOUND],
        &[
            "byte 2048|an extension header comes twice; the second one is taken, other programs may take the first",
        ],
    );
    check(
        &[pax(b'g', &[("path", "other")]), package("app/package.json")],
        &[FOUND],
        &[
            "byte 0|a global PAX header sets names or sizes; container runtimes ignore it and so did this reading, other programs may not",
        ],
    );
    check(&[pax(b'g', &[("comment", "a commit")]), package("app/package.json")], &[FOUND], &[]);
}

#[test]
fn malformed_extensions_are_damage() {
    let with = |data: &[u8]| [member("pax", b'x', data), package("a"), vec![0; 1024]].concat();
    for data in [
        &b"11 path=abc"[..],
        b"10 path=abc\n",
        b"99 path=a\n",
        b"x path=a\n",
        b"3 a",
        b"10 path=\0b\n",
        b"+9 path=\n",
    ] {
        let message = refused(&with(data));
        assert!(
            message.contains("tar stream, byte 0: the records of a PAX header are malformed"),
            "{message}"
        );
    }
    for (value, length) in [("-1", 11), ("1e3", 12), ("9223372036854775808", 28)] {
        let message = refused(&with(format!("{length} size={value}\n").as_bytes()));
        assert!(message.contains("malformed"), "{value}: {message}");
    }
    let huge = [header("long", b'L', 2 << 20, |_| {}), vec![b'a'; 2 << 20]].concat();
    assert!(refused(&huge).contains("an extension header announces 2097152 bytes"));
}

#[test]
fn prefixes_belong_to_their_layout() {
    let prefix = |bytes: &mut [u8; 512]| bytes[345..348].copy_from_slice(b"app");
    let with = |change: &dyn Fn(&mut [u8; 512])| {
        let mut bytes = header("package.json", b'0', PACKAGE.len(), |bytes| {
            prefix(bytes);
            change(bytes);
        });
        bytes.extend(PACKAGE.as_bytes());
        bytes.resize(1024, 0);
        bytes
    };
    check(&[with(&|_| {})], &[FOUND], &[]);
    // Before magics there was no prefix; some readers take it all the same.
    check(
        &[with(&|bytes| bytes[257..265].fill(0))],
        &["pkg:npm/a@1.0.0 @ package.json#0"],
        &[&CONTRADICTION.replace("app/", "").replace("1024", "0")],
    );
    // Old Go writers put a prefix where the GNU layout has times.
    check(
        &[with(&|bytes| bytes[257..265].copy_from_slice(b"ustar  \0"))],
        &[FOUND],
        &[&CONTRADICTION.replace("1024", "0")],
    );
}

#[test]
fn odd_members_are_passed_over() {
    check(&[header("etc", b'5', 512, |_| {}), package("app/package.json")], &[FOUND], &[]);
    check(&[header("old/", 0, 512, |_| {}), package("app/package.json")], &[FOUND], &[]);
    check(&[member("app/package.json", b'7', PACKAGE.as_bytes())], &[FOUND], &[]);
    check(&[header("dev/null", b'3', 512, |_| {}), package("app/package.json")], &[FOUND], &[]);
    check(
        &[member("volume", b'V', b"label"), package("app/package.json")],
        &[FOUND],
        &["volume|byte 0|its type is one that runtimes do not unpack; the entry is skipped"],
    );
    check(
        &[member("../app/package.json", b'0', PACKAGE.as_bytes()), package("app/package.json")],
        &[FOUND],
        &["../app/package.json|byte 0|the name leads out of the image; the entry is skipped"],
    );
    check(
        &[
            pax(
                b'x',
                &[
                    ("GNU.sparse.major", "1"),
                    ("GNU.sparse.minor", "0"),
                    ("GNU.sparse.name", "b/package.json"),
                ],
            ),
            package("x"),
            package("app/package.json"),
        ],
        &[FOUND],
        &["b/package.json|the file is stored with holes and was not read; what it describes is missing"],
    );
    check(
        &[package("app/package.json"), pax(b'x', &[])],
        &[FOUND],
        &["byte 1536|the archive ends after an extension header; its member is missing"],
    );
}

#[test]
fn what_follows_the_end_is_told() {
    let mut bytes = tar(&[]);
    let end = bytes.len();
    bytes.extend(package("app/package.json"));
    let fragment = read(&bytes);
    assert_eq!(packages(&fragment), [""; 0]);
    let reason = "data follows the end marker of the archive; runtimes do not unpack it and it was not read";
    assert_eq!(reasons(&fragment), [format!("byte {end}|{reason}")]);
    let open = [package("app/package.json")].concat();
    assert_eq!(reasons(&read(&open)), ["byte 1024|the archive has no end marker; it may have been cut off"]);
}

#[test]
fn stored_fragments_are_dropped_when_they_are_not_ours() {
    let fragment = read(&tar(&[symlink("a", "b"), file("app/package.json", PACKAGE)]));
    let stored = fragment.encode();
    assert_eq!(Fragment::decode(&stored), Ok(fragment.clone()));
    let json = serde_json::to_string(&fragment).expect("plain values");
    let tampered = |from: &str, to: &str| {
        assert!(json.contains(from), "{json}");
        let changed = serde_json::from_str::<Fragment>(&json.replace(from, to)).expect("still a fragment");
        changed.checked()
    };
    assert!(tampered(&format!("\"version\":{FRAGMENT_VERSION},"), "\"version\":0,").is_err());
    assert!(tampered("s0,1:a", "s9,1:a").is_err());
    assert!(tampered("s0,1:a", "k0,1:a").is_err());
    assert!(Fragment::decode(&stored[1..]).is_err());
    assert!(Fragment::decode(&zstd(b"{}")).is_err());
}
