//! Packing: the bytes that ORAS would write. What is expected here came out of Go 1.19's `archive/tar` and
//! `encoding/json`, driven the way ORAS drives them.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidewaiter_oci::content::{Content, Fetch as _, Reopen, fetch_all};
use tidewaiter_oci::copy::{Copier, CopyOptions, Origin};
use tidewaiter_oci::layout::Layout;
use tidewaiter_oci::memory::Memory;
use tidewaiter_oci::pack::{
    CONTENT_DIGEST, Compression, DirectoryOptions, FILE_MODE, FileAttributes, ImageSpec, ManifestOptions,
    Packed, Stage, TITLE, Times, UNKNOWN_ARTIFACT, UNPACK, empty_json, pack_directory, pack_file,
    pack_manifest, platform_config,
};
use tidewaiter_oci::{Descriptor, Digest, Error, Resolve as _, media_type};

fn set(path: &Path, mode: u32, seconds: u64, nanoseconds: u32) {
    fs::set_permissions(path, Permissions::from_mode(0o700)).expect("set permissions");
    let modified = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    let file = File::open(path).expect("open");
    file.set_times(FileTimes::new().set_modified(modified)).expect("set times");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("set permissions");
}

/// A directory with everything that tar headers have special cases for.
fn tree(root: &Path) {
    let file = |name: &str, content: &[u8], mode, seconds, nanoseconds| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("create");
        fs::write(&path, content).expect("write");
        set(&path, mode, seconds, nanoseconds);
    };
    let deep = format!("größe/{}", "d".repeat(90));
    file("b.txt", b"b", 0o644, 1_600_000_000, 0);
    file("a/z", &[b'x'; 1000], 0o755, 1_600_000_000, 499_999_999);
    file("a/y", b"", 0o600, 1_600_000_000, 500_000_000);
    file("a.b/c", b"c", 0o640, 1, 0);
    file(&"l".repeat(120), b"long", 0o644, 5, 0);
    file(&format!("{deep}/{}", "f".repeat(90)), b"deep", 0o4755, 7, 0);
    symlink("../b.txt", root.join("a/link")).expect("link");
    symlink("/nowhere", root.join("dangling")).expect("link");
    fs::hard_link(root.join("b.txt"), root.join("hard")).expect("link");
    for (name, mode, seconds) in
        [("a", 0o755, 10), ("a.b", 0o700, 11), (&*deep, 0o755, 12), ("größe", 0o1777, 13), ("", 0o755, 14)]
    {
        set(&root.join(name), mode, seconds, 0);
    }
}

fn options(directory: &Path) -> DirectoryOptions {
    DirectoryOptions {
        compression: Compression::Gzip { level: 6 },
        times: Times::Fixed(0),
        threads: NonZeroUsize::MIN,
        temporary_directory: directory.to_owned(),
    }
}

async fn content(packed: &Packed) -> Vec<u8> {
    let mut bytes = Vec::new();
    match packed.content() {
        Content::Bytes(content) => bytes.extend_from_slice(&content),
        Content::Reopen(source) => {
            use tokio::io::AsyncReadExt as _;
            source.open(0).await.expect("open").read_to_end(&mut bytes).await.map(drop).expect("read");
        }
        Content::Stream(_) => panic!("can be opened again"),
    }
    assert_eq!(Digest::sha256(&bytes), packed.descriptor.digest);
    assert_eq!(bytes.len() as u64, packed.descriptor.size);
    bytes
}

#[tokio::test]
async fn directories_have_the_content_digest_that_oras_gives_them() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let root = directory.path().join("t");
    fs::create_dir(&root).expect("create");
    tree(&root);
    for (title, expected) in [
        ("t", "sha256:70c55427d34aa21025e751426b24e71d5e2ee4de4f46ebc281f6f8f1d80eb7ac"),
        ("../dist/t", "sha256:5ac54ad213745bb67d6089e70a5d971a7d64d0217e32a4e8e302daeb2e216f45"),
        (".", "sha256:2988ba4c7630e52f9ffd595bd4f1d94943fbecfec469f093363ecff5257516aa"),
    ] {
        let packed = pack_directory(&root, title, None, &options(directory.path())).await.expect("pack");
        assert_eq!(packed.descriptor.annotation(CONTENT_DIGEST), Some(expected), "{title}");
        assert_eq!(packed.descriptor.annotation(TITLE), Some(title));
        assert_eq!(packed.descriptor.annotation(UNPACK), Some("true"));
        assert_eq!(packed.descriptor.media_type, media_type::OCI_LAYER_GZIP);
    }
    // Nothing stays in the temporary directory.
    assert_eq!(fs::read_dir(directory.path()).expect("read").count(), 1);
}

#[tokio::test]
async fn times_are_kept_to_the_second() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let root = directory.path().join("t");
    fs::create_dir(&root).expect("create");
    tree(&root);
    // Links have times of their own, which the standard library cannot set.
    fs::remove_file(root.join("a/link")).expect("remove");
    fs::remove_file(root.join("dangling")).expect("remove");
    set(&root.join("a"), 0o755, 10, 0);
    set(&root, 0o755, 14, 0);
    let options = DirectoryOptions { times: Times::Keep, ..options(directory.path()) };
    let packed = pack_directory(&root, "t", None, &options).await.expect("pack");
    let expected = "sha256:cdd889b88946ca1a648e292bb7e4b3bdc3d8ac551c7c71c01fd8cebb4ab33324";
    assert_eq!(packed.descriptor.annotation(CONTENT_DIGEST), Some(expected));
}

#[tokio::test]
async fn every_compression_holds_the_same_archive() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let root = directory.path().join("t");
    fs::create_dir(&root).expect("create");
    tree(&root);
    fs::write(root.join("large"), "some text\n".repeat(300_000)).expect("write");
    let pack = async |compression, threads| {
        let threads = NonZeroUsize::new(threads).expect("not zero");
        let options = DirectoryOptions { compression, threads, ..options(directory.path()) };
        pack_directory(&root, "t", None, &options).await.expect("pack")
    };
    let plain = pack(Compression::None, 1).await;
    let tar = content(&plain).await;
    assert_eq!(plain.descriptor.annotation(CONTENT_DIGEST), Some(plain.descriptor.digest.as_str()));
    let gzip = pack(Compression::Gzip { level: 6 }, 1).await;
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&content(&gzip).await[..]).read_to_end(&mut unpacked).expect("inflate");
    assert!(unpacked == tar);
    let zstd = pack(Compression::Zstd { level: 3 }, 1).await;
    assert!(zstd::decode_all(&content(&zstd).await[..]).expect("decode") == tar);
    assert_eq!(zstd.descriptor.media_type, media_type::OCI_LAYER_ZSTD);
    assert_eq!(pack(Compression::Gzip { level: 6 }, 4).await.descriptor, gzip.descriptor);
}

#[tokio::test]
async fn what_cannot_be_packed_is_named() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let root = directory.path().join("t");
    fs::create_dir(&root).expect("create");
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).expect("bind");
    let error = pack_directory(&root, "t", None, &options(directory.path())).await.expect_err("a socket");
    assert!(error.to_string().contains("t/socket: it is no file, directory or symbolic link"), "{error}");
    let missing = root.join("missing");
    let error = pack_directory(&missing, "t", None, &options(directory.path())).await.expect_err("missing");
    assert!(error.to_string().contains("t/missing"), "{error}");
    assert!(pack_file(&missing, "t", None, FileAttributes::Ignore).await.is_err());
}

#[tokio::test]
async fn files_are_packed_with_or_without_their_attributes() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (file, link) = (directory.path().join("run.sh"), directory.path().join("link"));
    fs::write(&file, "#!/bin/sh\n").expect("write");
    fs::set_permissions(&file, Permissions::from_mode(0o750)).expect("set permissions");
    symlink("run.sh", &link).expect("link");
    let packed = pack_file(&file, "run.sh", None, FileAttributes::Ignore).await.expect("pack");
    assert_eq!(content(&packed).await, b"#!/bin/sh\n");
    assert_eq!(packed.descriptor.media_type, media_type::OCI_LAYER);
    assert_eq!(packed.descriptor.annotations.as_ref().map(|annotations| annotations.len()), Some(1));
    let packed = pack_file(&file, "run.sh", Some("text/x-sh"), FileAttributes::Keep).await.expect("pack");
    assert_eq!(packed.descriptor.annotation(FILE_MODE), Some("100750"));
    assert_eq!(packed.descriptor.media_type, "text/x-sh");
    let followed = pack_file(&link, "link", None, FileAttributes::Ignore).await.expect("pack");
    assert_eq!(content(&followed).await, b"#!/bin/sh\n");
    let kept = pack_file(&link, "link", None, FileAttributes::Keep).await.expect("pack");
    assert_eq!(
        (content(&kept).await, kept.descriptor.annotation(FILE_MODE)),
        (b"run.sh".to_vec(), Some("120000"))
    );
}

#[test]
fn manifests_have_the_bytes_that_go_writes() {
    let hello = |media_type: &str| Descriptor::of(media_type, b"hello\n");
    let mut layer = hello(media_type::OCI_LAYER);
    layer.annotations = Some([(TITLE.to_owned(), "a<b>&c.txt".to_owned())].into());
    let annotations =
        [("z", "\u{2028}é"), ("a", "<1>")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let options = || ManifestOptions {
        annotations: annotations.clone().into(),
        created: Some("2020-09-13T12:26:40.9Z".parse().expect("a time")),
        ..ManifestOptions::default()
    };
    let check = |options: ManifestOptions, expected: &str, made: usize| {
        let (manifest, blobs) = pack_manifest(options).expect("pack");
        assert_eq!(manifest.digest().hex(), expected, "{}", String::from_utf8_lossy(&manifest.bytes));
        assert_eq!(blobs.len(), made);
    };
    check(
        ManifestOptions {
            artifact_type: Some(UNKNOWN_ARTIFACT.to_owned()),
            layers: vec![layer],
            ..options()
        },
        "feb1b5d5255dbbd8e81dc6ea842961798543986de39511c036fbdf41a44ee94e",
        1,
    );
    check(
        ManifestOptions {
            artifact_type: Some("a/signature".to_owned()),
            subject: Some(hello(media_type::OCI_MANIFEST)),
            ..options()
        },
        "762af568fa7e82587e5dfa7982e24e87caf7ed276326ce826b8e9fd8c19f7817",
        1,
    );
    check(
        ManifestOptions { spec: ImageSpec::V1_0, ..ManifestOptions::default() },
        "4dcc8cdb43ea1cad344771d5f11f7560f5a5787440941157ce83a899c9a1f503",
        1,
    );
    // Nothing is made up when everything is given.
    let config = platform_config(&"linux/arm/v7".parse().expect("valid")).expect("pack");
    assert_eq!(config.descriptor.size, r#"{"architecture":"arm","os":"linux","variant":"v7"}"#.len() as u64);
    let given = ManifestOptions {
        config: Some(config.descriptor),
        layers: vec![empty_json().descriptor],
        ..ManifestOptions::default()
    };
    assert!(pack_manifest(given).expect("pack").1.is_empty());
}

#[test]
fn rules_that_are_broken_are_named() {
    let check = |options: ManifestOptions, reason: &str| {
        let error = pack_manifest(options).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
    };
    check(ManifestOptions::default(), "missing artifact type for OCI image-spec v1.1 artifacts");
    let typed = |artifact_type: &str| ManifestOptions {
        artifact_type: Some(artifact_type.to_owned()),
        ..ManifestOptions::default()
    };
    check(typed("no type"), "invalid media type \"no type\"");
    let subject = Some(Descriptor::of(media_type::OCI_MANIFEST, b""));
    check(ManifestOptions { spec: ImageSpec::V1_0, subject, ..typed("a/b") }, "has no subject");
    let annotations = [("org.opencontainers.image.created".to_owned(), "yesterday".to_owned())].into();
    check(ManifestOptions { annotations, ..typed("a/b") }, "\"yesterday\", which is no RFC 3339 time");
}

#[tokio::test]
async fn a_stage_is_pushed_by_a_copier() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = directory.path().join("large.bin");
    fs::write(&file, vec![7; 3_000_000]).expect("write");
    let stage = Stage::new();
    let packed = pack_file(&file, "large.bin", None, FileAttributes::Ignore).await.expect("pack");
    stage.add(packed.clone());
    let options = ManifestOptions {
        artifact_type: Some("a/b".to_owned()),
        layers: vec![packed.descriptor.clone()],
        ..ManifestOptions::default()
    };
    let (manifest, made) = pack_manifest(options).expect("pack");
    made.into_iter().for_each(|blob| stage.add(blob));
    stage.add_manifest(manifest.clone(), "packed");
    let layout = Layout::create(directory.path().join("layout")).await.expect("create");
    let copier =
        Copier::new(Arc::new(stage.clone()), Arc::new(layout.clone()), CopyOptions::default(), Arc::new(()));
    copier.copy("packed", &["v1".to_owned()]).await.expect("push");
    assert_eq!(layout.resolve("v1").await.expect("resolve").digest, *manifest.digest());
    assert_eq!(fetch_all(&layout, &packed.descriptor, u64::MAX).await.expect("fetch").len(), 3_000_000);
    assert!(layout.exists(&empty_json().descriptor).await.expect("exists"));

    // A file that changes between packing and pushing is noticed, and is the source's fault.
    fs::write(&file, vec![8; 3_000_000]).expect("write");
    let memory = Arc::new(Memory::with_limit(u64::MAX));
    let copier = Copier::new(Arc::new(stage), memory, CopyOptions::default(), Arc::new(()));
    let failed = copier.copy("packed", &[]).await.expect_err("changed");
    assert!(
        matches!(failed.error, Error::DigestMismatch { .. }) && failed.origin == Origin::Source,
        "{failed}"
    );
}

#[tokio::test]
async fn packed_content_can_be_opened_in_the_middle() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let root = directory.path().join("t");
    fs::create_dir(&root).expect("create");
    tree(&root);
    let packed = pack_directory(&root, "t", None, &options(directory.path())).await.expect("pack");
    let whole = content(&packed).await;
    let mut rest = Vec::new();
    let mut reader = packed.open(100).await.expect("open");
    tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut rest).await.expect("read");
    assert!(rest == whole[100..]);
}
