//! Blobs that come in pieces, break off, come twice, or are something else.

use std::fs::File;
use std::io::Read as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tidewaiter_oci::content::{Fetch as _, FileTarget, fetch_all};
use tidewaiter_oci::remote::{Repository, Settings, TransferSettings};
use tidewaiter_oci::unpack::{Limits, Output, OutputOptions};
use tidewaiter_oci::{Descriptor, Error, media_type};
use tokio::io::AsyncReadExt as _;

use crate::server::{Reply, Seen, Server, impatient};

/// Bytes in which no stretch is like another.
fn content(length: usize) -> Bytes {
    (0..length as u64 / 8 + 1).flat_map(u64::to_le_bytes).take(length).collect()
}

fn blob(bytes: &Bytes) -> Descriptor {
    Descriptor::of(media_type::OCTET_STREAM, bytes)
}

/// Small parts, over several connections.
fn in_parts() -> Settings {
    let transfer =
        TransferSettings { parallel_from: 0, part: 10_000, connections: 3, ..TransferSettings::default() };
    Settings { transfer, ..impatient() }
}

/// A file to download to, and how many bytes were told to have arrived.
struct Target {
    file: FileTarget,
    arrived: Arc<AtomicU64>,
    _directory: tempfile::TempDir,
}

impl Target {
    fn new(already: &[u8]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("blob");
        std::fs::write(&path, already).expect("it can be written");
        let file = File::options().read(true).write(true).open(&path).expect("it was just written");
        let arrived = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&arrived);
        let progress = Arc::new(move |bytes| {
            count.fetch_add(bytes, Ordering::Relaxed);
        });
        let file = FileTarget { file: Arc::new(file), path, existing: already.len() as u64, progress };
        Self { file, arrived, _directory: directory }
    }

    fn read(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        File::open(&self.file.path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("it is there");
        bytes
    }

    async fn download(&self, repository: &Repository, descriptor: &Descriptor) -> Result<u64, Error> {
        repository.fetch_to_file(descriptor, &self.file).await?;
        Ok(self.arrived.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_stream_goes_on_where_it_broke_off() {
    let bytes = content(100_000);
    let sent = bytes.clone();
    let server = Server::start(move |seen| {
        let reply = Reply::ranged(seen, &sent);
        let start = seen
            .header("range")
            .map_or(0, |range| range[6..].split('-').next().and_then(|n| n.parse().ok()).unwrap_or(0));
        if start < 80_000 { reply.cut_after(20_000) } else { reply }
    })
    .await;
    let read = fetch_all(&server.repository(impatient()), &blob(&bytes), 1 << 20).await.expect("whole");
    assert_eq!(read, bytes);
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn a_registry_that_ignores_ranges_sends_again_what_is_known() {
    let bytes = content(50_000);
    let sent = bytes.clone();
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let reply = Reply::new(200).body(sent.clone());
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => reply.cut_after(30_000),
            1 => reply.cut_after(10_000),
            _ => reply,
        }
    })
    .await;
    let read = fetch_all(&server.repository(impatient()), &blob(&bytes), 1 << 20).await.expect("whole");
    assert_eq!(read, bytes);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_stream_that_never_moves_is_given_up() {
    let bytes = content(1000);
    let sent = bytes.clone();
    let server = Server::start(move |_| Reply::new(200).body(sent.clone()).cut_after(0)).await;
    let error = fetch_all(&server.repository(impatient()), &blob(&bytes), 1 << 20).await.expect_err("never");
    assert!(matches!(error, Error::Transfer { .. }), "{error}");
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn what_comes_is_what_was_asked_for_or_an_error() {
    let bytes = content(1000);
    let descriptor = blob(&bytes);
    let check = async |sent: Bytes, expected: fn(&Error) -> bool| {
        let server = Server::start(move |_| Reply::new(200).body(sent.clone())).await;
        let error = fetch_all(&server.repository(impatient()), &descriptor, 1 << 20).await;
        let error = error.expect_err("damaged");
        assert!(expected(&error), "{error}");
        assert_eq!(server.seen().len(), 1, "trying again does not help");
    };
    let damaged: Bytes = bytes.iter().map(|byte| byte ^ 1).collect();
    check(damaged, |error| matches!(error, Error::DigestMismatch { .. })).await;
    check(bytes.slice(..999), |error| matches!(error, Error::SizeMismatch { .. })).await;
    check([&bytes[..], b"!"].concat().into(), |error| matches!(error, Error::SizeMismatch { .. })).await;
}

#[tokio::test]
async fn a_range_that_is_another_is_refused() {
    let bytes = content(1000);
    let descriptor = blob(&bytes);
    let server = Server::start(move |_| {
        Reply::new(206).header("content-range", "bytes 0-499/1000").body(bytes.slice(..500))
    })
    .await;
    let read = server.repository(impatient()).fetch_from(&descriptor, 500).await;
    assert!(matches!(read.err(), Some(Error::Protocol { .. })));
}

#[tokio::test]
async fn empty_blobs_and_ends_are_not_asked_for() {
    let server = Server::start(|_| Reply::new(500)).await;
    let repository = server.repository(impatient());
    let empty = blob(&Bytes::new());
    assert_eq!(fetch_all(&repository, &empty, 10).await.expect("nothing"), "");
    let some = blob(&content(10));
    let mut end = repository.fetch_from(&some, 10).await.expect("the end");
    assert_eq!(end.read(&mut [0]).await.expect("nothing"), 0);
    assert!(repository.fetch_from(&some, 11).await.is_err());
    assert!(repository.exists(&some).await.is_err(), "a broken server is no answer");
    assert_eq!(server.lines().len(), 6);
}

#[tokio::test]
async fn large_blobs_come_in_parts_over_several_connections() {
    let bytes = content(95_000);
    let sent = bytes.clone();
    let server = Server::start(move |seen| Reply::ranged(seen, &sent)).await;
    let target = Target::new(b"");
    let arrived = target.download(&server.repository(in_parts()), &blob(&bytes)).await.expect("whole");
    assert_eq!(arrived, 95_000);
    assert_eq!(target.read(), bytes);
    let mut ranges: Vec<_> =
        server.seen().iter().filter_map(|seen| seen.header("range").map(str::to_owned)).collect();
    ranges.sort();
    assert_eq!(ranges.len(), 10);
    assert_eq!(ranges[0], "bytes=0-9999");
    assert_eq!(ranges[9], "bytes=90000-94999");
}

#[tokio::test]
async fn parts_that_break_off_go_on() {
    let bytes = content(100_000);
    let sent = bytes.clone();
    let tries = Mutex::new(std::collections::HashSet::new());
    let server = Server::start(move |seen: &Seen| {
        let range = seen.header("range").expect("a range").to_owned();
        let reply = Reply::ranged(seen, &sent);
        let whole_part = range.ends_with("9999")
            && range.split(['=', '-']).nth(1).is_some_and(|n| n.ends_with("0000") || n == "0");
        match (whole_part, tries.lock().expect("unbroken").insert(range)) {
            (true, true) => reply.cut_after(4_000),
            (true, false) => Reply::new(503),
            (false, _) => reply,
        }
    })
    .await;
    let target = Target::new(b"");
    target.download(&server.repository(in_parts()), &blob(&bytes)).await.expect("whole");
    assert_eq!(target.read(), bytes);
    assert_eq!(server.seen().len(), 20);
}

#[tokio::test]
async fn without_ranges_one_connection_does_it() {
    let bytes = content(95_000);
    let sent = bytes.clone();
    let server = Server::start(move |_| Reply::new(200).body(sent.clone())).await;
    let target = Target::new(b"");
    target.download(&server.repository(in_parts()), &blob(&bytes)).await.expect("whole");
    assert_eq!(target.read(), bytes);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_download_continues_in_its_file() {
    let bytes = content(95_000);
    let sent = bytes.clone();
    let server = Server::start(move |seen| Reply::ranged(seen, &sent)).await;
    let repository = server.repository(in_parts());
    let target = Target::new(&bytes[..50_001]);
    assert_eq!(target.download(&repository, &blob(&bytes)).await.expect("whole"), 44_999);
    assert_eq!(target.read(), bytes);
    assert_eq!(server.seen().len(), 5);

    let complete = Target::new(&bytes);
    assert_eq!(complete.download(&repository, &blob(&bytes)).await.expect("whole"), 0);
    assert_eq!(server.seen().len(), 5);

    let other = Target::new(&[7; 60_000]);
    other.download(&repository, &blob(&bytes)).await.expect("from the beginning, in the end");
    assert_eq!(other.read(), bytes);
    let longer = Target::new(&[&bytes[..], b"more"].concat());
    longer.download(&repository, &blob(&bytes)).await.expect("cut to its size");
    assert_eq!(longer.read(), bytes);
}

#[tokio::test]
async fn what_is_left_of_a_failed_download_is_a_beginning() {
    let bytes = content(95_000);
    let sent = bytes.clone();
    let server = Server::start(move |seen| {
        if seen.header("range") == Some("bytes=30000-39999") {
            Reply::new(403)
        } else {
            Reply::ranged(seen, &sent)
        }
    })
    .await;
    let repository = server.repository(in_parts());
    let target = Target::new(b"");
    let error = target.download(&repository, &blob(&bytes)).await.expect_err("refused");
    assert!(matches!(error, Error::Response { status: 403, .. }), "{error}");
    let left = target.read();
    assert!(left.len() <= 30_000 && bytes.starts_with(&left), "{}", left.len());

    let damaged: Bytes = bytes.iter().map(|byte| byte ^ 1).collect();
    let server = Server::start(move |seen| Reply::ranged(seen, &damaged)).await;
    let target = Target::new(b"");
    let error = target.download(&server.repository(in_parts()), &blob(&bytes)).await.expect_err("damaged");
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    assert_eq!(target.read(), b"");
}

#[tokio::test]
async fn files_arrive_in_parts_and_only_when_right() {
    let bytes = content(95_000);
    let wrong = Bytes::from(bytes.iter().map(|byte| byte ^ u8::from(*byte == 7)).collect::<Vec<_>>());
    for (sent, is_right) in [(bytes.clone(), true), (wrong, false)] {
        let server = Server::start(move |seen| Reply::ranged(seen, &sent)).await;
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("file");
        std::fs::write(&path, "before").expect("it can be written");
        let limits = Limits { bytes: 0, entries: 0 };
        let output = Output::open(directory.path(), OutputOptions::new(limits)).await.expect("it opens");
        let arrived = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&arrived);
        let progress = Arc::new(move |bytes| {
            count.fetch_add(bytes, Ordering::Relaxed);
        });
        let store = Arc::new(server.repository(in_parts()));
        let written = output.write_file_from("file", &blob(&bytes), store, progress).await;
        let there = std::fs::read(&path).expect("it is there");
        if is_right {
            assert_eq!(written.expect("it arrives"), path);
            assert!(there == bytes);
            assert_eq!(arrived.load(Ordering::Relaxed), bytes.len() as u64);
            assert_eq!(server.seen().len(), 10);
        } else {
            let error = written.expect_err("it is something else");
            assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
            assert_eq!(there, b"before");
        }
        let names = std::fs::read_dir(directory.path()).expect("it can be listed").count();
        assert_eq!(names, 1, "nothing unfinished is left");
    }
}

#[tokio::test]
async fn a_descriptor_may_promise_any_size() {
    let bytes = content(30_000);
    for size in [1 << 40, u64::MAX / 2, u64::MAX] {
        let body = bytes.clone();
        let server = Server::start(move |seen| Reply::ranged(seen, &body)).await;
        let target = Target::new(&[]);
        let promised = Descriptor { size, ..blob(&bytes) };
        let error = server.repository(in_parts()).fetch_to_file(&promised, &target.file).await;
        let error = error.expect_err("there is less");
        assert!(matches!(error, Error::SizeMismatch { .. } | Error::Protocol { .. }), "{error}");
    }
}
