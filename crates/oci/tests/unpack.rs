//! Writing pulled content: what arrives, what is refused, and that nothing is ever written elsewhere.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tidewaiter_oci::content::{BlobReader, Content};
use tidewaiter_oci::pack::{
    CONTENT_DIGEST, Compression, DirectoryOptions, FILE_MODE, FileAttributes, Packed, Times, pack_directory,
};
use tidewaiter_oci::unpack::{Existing, Limits, Output, OutputOptions, Paths, Unpacked};
use tidewaiter_oci::{Descriptor, Digest, Error, media_type};

const LIMITS: Limits = Limits { bytes: 10_000_000, entries: 1000 };

fn options() -> OutputOptions {
    OutputOptions::new(LIMITS)
}

/// One header and its content, written without any care for what is sensible.
fn entry(kind: u8, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    let put =
        |header: &mut [u8; 512], at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(&mut header, 0, name.as_bytes());
    put(&mut header, 100, b"0000755\0");
    put(&mut header, 124, format!("{:011o}\0", content.len()).as_bytes());
    put(&mut header, 136, b"00000001750\0");
    header[156] = kind;
    put(&mut header, 157, link.as_bytes());
    put(&mut header, 257, b"ustar\x0000");
    put(&mut header, 148, b"        ");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    put(&mut header, 148, format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.extend_from_slice(&[0; 1024]);
    bytes
}

fn layer(content: &[u8]) -> (Descriptor, BlobReader) {
    let reader = Box::pin(std::io::Cursor::new(content.to_vec()));
    (Descriptor::of(media_type::OCI_LAYER, content), reader)
}

async fn unpack(output: &Output, title: &str, archive: &[u8]) -> Result<Unpacked, Error> {
    let (descriptor, reader) = layer(archive);
    output.unpack(title, &descriptor, reader).await
}

async fn open(path: &Path, options: OutputOptions) -> Output {
    Output::open(path, options).await.expect("open the output")
}

/// Everything below a directory: modes, times of what is no directory, contents and targets.
fn listing(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = path.symlink_metadata().expect("metadata");
        let what = if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("read").map(|entry| entry.expect("entry").path()));
            format!("directory {:o}", metadata.mode() & 0o7777)
        } else if metadata.is_symlink() {
            format!("link {}", fs::read_link(&path).expect("read").display())
        } else {
            let content = Digest::sha256(&fs::read(&path).expect("read"));
            format!("file {:o} {} {}", metadata.mode() & 0o7777, metadata.mtime(), content.short())
        };
        found.insert(path.strip_prefix(root).expect("below").to_owned(), what);
    }
    found
}

async fn packed(root: &Path, compression: Compression) -> Packed {
    let options = DirectoryOptions {
        compression,
        times: Times::Keep,
        threads: NonZeroUsize::MIN,
        temporary_directory: std::env::temp_dir(),
    };
    pack_directory(root, "data", None, &options).await.expect("pack")
}

async fn reader(packed: &Packed) -> BlobReader {
    match packed.content() {
        Content::Reopen(source) => source.open(0).await.expect("open"),
        _ => panic!("a packed directory can be opened again"),
    }
}

fn tree(root: &Path) {
    fs::create_dir_all(root.join("empty")).expect("create");
    fs::create_dir_all(root.join("sub/deeper")).expect("create");
    fs::write(root.join("sub/file"), "content").expect("write");
    fs::write(root.join("sub/deeper/run"), "#!").expect("write");
    // Archives keep times to the second, rounded.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for name in ["sub/file", "sub/deeper/run"] {
        let file = fs::File::options().write(true).open(root.join(name)).expect("open");
        file.set_modified(time).expect("set");
    }
    fs::set_permissions(root.join("sub/deeper/run"), Permissions::from_mode(0o755)).expect("set");
    fs::set_permissions(root.join("sub/file"), Permissions::from_mode(0o640)).expect("set");
    symlink("../file", root.join("sub/deeper/up")).expect("link");
    symlink("sub", root.join("sideways")).expect("link");
    symlink("missing", root.join("dangling")).expect("link");
    fs::set_permissions(root.join("sub"), Permissions::from_mode(0o555)).expect("set");
}

#[tokio::test]
async fn what_was_packed_comes_back_also_the_second_time() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let root = directory.path().join("data");
    tree(&root);
    for compression in [Compression::Gzip { level: 6 }, Compression::Zstd { level: 3 }, Compression::None] {
        let packed = packed(&root, compression).await;
        let out = directory.path().join(format!("out {compression:?}"));
        let output = open(&out, options()).await;
        for _ in 0..2 {
            let unpacked =
                output.unpack("data", &packed.descriptor, reader(&packed).await).await.expect("unpack");
            assert_eq!(unpacked, Unpacked { entries: 9, left_out: 0 });
            assert_eq!(listing(&out.join("data")), listing(&root));
            // Nothing of the work is left.
            assert_eq!(fs::read_dir(&out).expect("read").count(), 1);
        }
        // Under another title; and below the output itself, where the archive's own name is not taken off.
        output.unpack("other/name", &packed.descriptor, reader(&packed).await).await.expect("unpack");
        assert_eq!(listing(&out.join("other/name")), listing(&root));
        let flat = directory.path().join(format!("flat {compression:?}"));
        let output = open(&flat, options()).await;
        output.unpack(".", &packed.descriptor, reader(&packed).await).await.expect("unpack");
        assert_eq!(listing(&flat.join("data")), listing(&root));
    }
    fs::set_permissions(root.join("sub"), Permissions::from_mode(0o755)).expect("so that it can be removed");
}

#[tokio::test]
async fn what_is_there_is_kept_on_request() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let archive = archive(&[
        entry(b'5', "data", "", b""),
        entry(b'0', "data/new", "", b"new"),
        entry(b'0', "data/old", "", b"changed"),
    ]);
    fs::create_dir(directory.path().join("data")).expect("create");
    fs::write(directory.path().join("data/old"), "old").expect("write");
    let before = listing(directory.path());
    let keeping = open(directory.path(), OutputOptions { existing: Existing::Keep, ..options() }).await;
    let error = unpack(&keeping, "data", &archive).await.expect_err("data/old exists");
    assert!(matches!(&error, Error::Exists { path } if path.ends_with("data/old")), "{error}");
    let (descriptor, reader) = layer(b"changed");
    let error = keeping.write_file("data/old", &descriptor, reader).await.expect_err("exists");
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    assert_eq!(listing(directory.path()), before);
    let replacing = open(directory.path(), options()).await;
    unpack(&replacing, "data", &archive).await.expect("unpack");
    assert_eq!(fs::read_to_string(directory.path().join("data/old")).expect("read"), "changed");
}

#[tokio::test]
async fn files_are_written_whole_or_not_at_all() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let output = open(directory.path(), options()).await;
    let (descriptor, reader) = layer(b"content");
    let path = output.write_file("sub/file.txt", &descriptor, reader).await.expect("write");
    assert_eq!(path, directory.path().join("sub/file.txt"));
    let before = listing(directory.path());
    for wrong in ["cont", "content!", "contents"] {
        let (_, reader) = layer(wrong.as_bytes());
        let error = output.write_file("sub/file.txt", &descriptor, reader).await.expect_err("wrong");
        assert!(matches!(error, Error::SizeMismatch { .. } | Error::DigestMismatch { .. }), "{error}");
    }
    assert_eq!(listing(directory.path()), before);
}

#[tokio::test]
async fn attributes_are_followed_on_request() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let keeping = OutputOptions { attributes: FileAttributes::Keep, ..options() };
    let write = async |options, title: &str, mode: &str, content: &[u8]| {
        let (mut descriptor, reader) = layer(content);
        descriptor.annotations = Some([(FILE_MODE.to_owned(), mode.to_owned())].into());
        open(directory.path(), options).await.write_file(title, &descriptor, reader).await
    };
    let run = write(keeping, "run", "104750", b"#!").await.expect("write");
    assert_eq!(run.metadata().expect("metadata").mode() & 0o7777, 0o750);
    let link = write(keeping, "sub/link", "120000", b"../run").await.expect("write");
    assert_eq!(fs::read_link(link).expect("a link"), Path::new("../run"));
    let file = write(options(), "file", "120000", b"../run").await.expect("write");
    assert_eq!(fs::read(file).expect("a file"), b"../run");
    for target in ["/etc/passwd", "../../up", ""] {
        let error = write(keeping, "sub/evil", "120000", target.as_bytes()).await.expect_err("leads out");
        assert!(matches!(error, Error::OutsideTarget { .. }), "{error}");
    }
    write(OutputOptions { paths: Paths::Anywhere, ..keeping }, "trusted", "120000", b"/etc")
        .await
        .expect("write");
}

#[tokio::test]
async fn titles_stay_inside_unless_the_producer_is_trusted() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let out = directory.path().join("out");
    let output = open(&out, options()).await;
    symlink("..", out.join("link")).expect("link");
    let absolute = directory.path().join("absolute").display().to_string();
    for title in ["../up", "a/../../up", &absolute, "", ".", "link/up"] {
        let (descriptor, reader) = layer(b"x");
        let error = output.write_file(title, &descriptor, reader).await.expect_err(title);
        assert!(matches!(error, Error::OutsideTarget { .. } | Error::File { .. }), "{error}");
        assert!(!directory.path().join("up").exists());
    }
    let error = unpack(&output, "../up", &archive(&[])).await.expect_err("outside").to_string();
    assert!(error.contains("../up is outside of"), "{error}");
    let trusting = open(&out, OutputOptions { paths: Paths::Anywhere, ..options() }).await;
    for title in ["../up", &absolute] {
        let (descriptor, reader) = layer(b"x");
        let path = trusting.write_file(title, &descriptor, reader).await.expect("write");
        assert_eq!(fs::read(path).expect("read"), b"x");
    }
    let archive = archive(&[entry(b'5', "../dir", "", b""), entry(b'0', "../dir/file", "", b"x")]);
    unpack(&trusting, "../dir", &archive).await.expect("unpack");
    assert!(directory.path().join("dir/file").exists());
}

#[tokio::test]
async fn entries_that_lead_out_are_refused() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let out = directory.path().join("out");
    let output = open(&out, options()).await;
    let top = || entry(b'5', "data", "", b"");
    let check = async |entries: &[Vec<u8>], reason: &str| {
        let error = unpack(&output, "data", &archive(entries)).await.expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
        assert!(!out.join("data").exists() && fs::read_dir(&out).expect("read").count() == 0);
    };
    check(&[top(), entry(b'0', "data/../../evil", "", b"x")], "data/../../evil in data is outside of").await;
    check(&[top(), entry(b'0', "/evil", "", b"x")], "/evil in data is outside of").await;
    check(&[top(), entry(b'0', "elsewhere", "", b"x")], "elsewhere in data is outside of").await;
    check(&[top(), entry(b'2', "data/l", "/etc", b"")], "data/l -> /etc is outside of").await;
    check(&[top(), entry(b'2', "data/l", "../../up", b"")], "data/l -> ../../up is outside of").await;
    check(&[top(), entry(b'2', "data/l", "a/../b", b"")], "data/l -> a/../b is outside of").await;
    let inner_link = [top(), entry(b'2', "data/l", ".", b""), entry(b'0', "data/l/evil", "", b"x")];
    check(&inner_link, "l is a symbolic link or a file where a directory is needed").await;
    let to_link = [top(), entry(b'2', "data/l", "x", b""), entry(b'1', "data/h", "data/l", b"")];
    check(&to_link, "hard link to data/l, which is no file of the archive").await;
    check(&[top(), entry(b'1', "data/h", "../../etc/passwd", b"")], "../../etc/passwd in data is outside")
        .await;
    check(&[top(), entry(b'1', "data/h", "data/none", b"")], "hard link to data/none, which is no file of")
        .await;
    let a_file_as_directory = [top(), entry(b'0', "data/f", "", b"x"), entry(b'0', "data/f/g", "", b"x")];
    check(&a_file_as_directory, "f is a symbolic link or a file").await;
}

#[tokio::test]
async fn links_inside_are_made_and_devices_are_not() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let output = open(directory.path(), options()).await;
    let entries = [
        entry(b'5', "data/", "", b""),
        entry(b'0', "data/file", "", b"first"),
        entry(b'0', "data/file", "", b"second"),
        entry(b'1', "data/sub/hard", "data/file", b""),
        entry(b'2', "data/sub/soft", "../../data/file", b""),
        entry(b'3', "data/device", "", b""),
        entry(b'6', "data/pipe", "", b""),
    ];
    let unpacked = unpack(&output, "data", &archive(&entries)).await.expect("unpack");
    assert_eq!(unpacked, Unpacked { entries: 5, left_out: 2 });
    for name in ["file", "sub/hard", "sub/soft"] {
        assert_eq!(fs::read_to_string(directory.path().join("data").join(name)).expect("read"), "second");
    }
    let links = directory.path().join("data/file").metadata().expect("metadata").nlink();
    assert_eq!(links, 2);
}

#[tokio::test]
async fn links_that_users_made_are_neither_followed_nor_replaced() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (out, elsewhere) = (directory.path().join("out"), directory.path().join("elsewhere"));
    fs::create_dir(&elsewhere).expect("create");
    let output = open(&out, options()).await;
    let archive = archive(&[entry(b'5', "data", "", b""), entry(b'0', "data/sub/file", "", b"x")]);
    symlink(&elsewhere, out.join("data")).expect("link");
    let error = unpack(&output, "data", &archive).await.expect_err("a link").to_string();
    assert!(error.contains("data is a symbolic link or a file where a directory is needed"), "{error}");
    fs::remove_file(out.join("data")).expect("remove");
    fs::create_dir(out.join("data")).expect("create");
    symlink(&elsewhere, out.join("data/sub")).expect("link");
    unpack(&output, "data", &archive).await.expect_err("a link");
    assert_eq!(fs::read_dir(&elsewhere).expect("read").count(), 0);
}

#[tokio::test]
async fn limits_and_digests_are_enforced_and_nothing_is_left() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let entries = [entry(b'5', "data", "", b""), entry(b'0', "data/zeros", "", &[0; 100_000])];
    let plain = archive(&entries);
    let bomb = zstd::encode_all(&plain[..], 3).expect("encode");
    let check = async |limits: Limits, content: &[u8], digest: Option<&Digest>, reason: &str| {
        let output = open(directory.path(), OutputOptions { limits, ..options() }).await;
        let (mut descriptor, reader) = layer(content);
        let digest = digest.map(|digest| (CONTENT_DIGEST.to_owned(), digest.to_string()));
        descriptor.annotations = Some(digest.into_iter().collect());
        let error = output.unpack("data", &descriptor, reader).await.expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 0);
    };
    check(Limits { bytes: 50_000, ..LIMITS }, &bomb, None, "it unpacks to more than 50000 bytes").await;
    check(Limits { entries: 1, ..LIMITS }, &bomb, None, "it has more than 1 files").await;
    check(LIMITS, &bomb, Some(&Digest::sha256(b"other")), "has digest").await;
    check(LIMITS, &bomb[..bomb.len() / 2], None, "failed to unpack data").await;
    check(LIMITS, b"no archive at all, however long it may be", None, "the tar archive is cut off").await;
    let right = Digest::sha256(&plain);
    let output = open(directory.path(), options()).await;
    let (mut descriptor, reader) = layer(&bomb);
    descriptor.annotations = Some([(CONTENT_DIGEST.to_owned(), right.to_string())].into());
    output.unpack("data", &descriptor, reader).await.expect("unpack");
}

/// Paths made of what attackers make them of.
fn evil_path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just("data"), 4 => Just("a"), 4 => Just("b"), 2 => Just("c"), 2 => Just(".."), 1 => Just("."),
        1 => Just(""), 1 => Just("trap"), 1 => Just("outside"),
    ];
    (any::<bool>(), proptest::collection::vec(part, 1..5)).prop_map(|(in_data, parts)| {
        let path = parts.join("/");
        if in_data { format!("data/{path}") } else { path }
    })
}

fn evil_entry() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![
        3 => Just(b'0'), 3 => Just(b'2'), 2 => Just(b'1'), 2 => Just(b'5'), 1 => Just(b'3'), 1 => Just(b'6'),
    ];
    (kind, evil_path(), evil_path())
        .prop_map(|(kind, name, link)| entry(kind, &name, &link, if kind == b'0' { b"evil" } else { b"" }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Archives are unpacked several into one output, where a trap was laid; whatever they say, nothing
    /// outside changes, and no link that they made leads out.
    #[test]
    fn nothing_outside_is_ever_touched(
        archives in proptest::collection::vec(proptest::collection::vec(evil_entry(), 0..6), 1..4),
        title in evil_path(),
        with_top in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (out, outside) = (directory.path().join("out"), directory.path().join("outside"));
        fs::create_dir_all(out.join("data")).expect("create");
        fs::create_dir(&outside).expect("create");
        fs::write(outside.join("a"), "precious").expect("write");
        symlink(&outside, out.join("data/trap")).expect("link");
        symlink(&outside, out.join("trap")).expect("link");
        let before = listing(&outside);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let output = open(&out, options()).await;
            for mut entries in archives {
                if with_top {
                    entries.insert(0, entry(b'5', "data", "", b""));
                }
                let title = if with_top { "data" } else { &title };
                let _ = unpack(&output, title, &archive(&entries)).await;
                let (descriptor, reader) = layer(b"evil");
                let _ = output.write_file(title, &descriptor, reader).await;
            }
        });
        prop_assert_eq!(listing(&outside), before);
        prop_assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 2);
        let inside = out.canonicalize().expect("canonical");
        for (path, what) in listing(&out) {
            if what.starts_with("link") && !path.ends_with("trap") && let Ok(target) = out.join(&path).canonicalize() {
                prop_assert!(
                    target.starts_with(&inside) || target.starts_with(outside.canonicalize().expect("canonical")),
                    "{} leads to {}", path.display(), target.display()
                );
            }
        }
    }
}
