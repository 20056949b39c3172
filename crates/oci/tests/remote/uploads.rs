//! Uploads whose connections break, whose sessions vanish, and whose registries have wishes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use tidewaiter_oci::content::{BlobReader, Content, Push as _, Reopen};
use tidewaiter_oci::remote::{Settings, TransferSettings};
use tidewaiter_oci::verify::VerifyReader;
use tidewaiter_oci::{Descriptor, Error, Result, media_type};

use crate::server::{Reply, Seen, Server, impatient};

pub(crate) fn content(length: usize) -> Bytes {
    (0..length as u64 / 8 + 1).flat_map(u64::to_le_bytes).take(length).collect()
}

fn blob(bytes: &Bytes) -> Descriptor {
    Descriptor::of(media_type::OCTET_STREAM, bytes)
}

/// Content that can be opened again, and counts how often it is.
pub(crate) struct Again {
    pub(crate) bytes: Bytes,
    pub(crate) opened: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Reopen for Again {
    async fn open(&self, offset: u64) -> Result<BlobReader> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let offset = usize::try_from(offset).expect("small");
        Ok(Box::pin(std::io::Cursor::new(self.bytes.slice(offset..))))
    }
}

fn again(bytes: &Bytes) -> Content {
    Content::Reopen(Box::new(Again { bytes: bytes.clone(), opened: Arc::default() }))
}

fn once(bytes: &Bytes) -> Content {
    Content::Stream(Box::pin(std::io::Cursor::new(bytes.clone())))
}

/// A registry's side of uploads to one repository: one session at a time.
#[derive(Default)]
pub(crate) struct Uploads {
    pub(crate) session: Vec<u8>,
    generation: usize,
    pub(crate) finished: Vec<Bytes>,
}

impl Uploads {
    fn location(&self) -> String {
        format!("/v2/a/blobs/uploads/{}?at={}", self.generation, self.session.len())
    }

    fn accepted(&self, status: u16) -> Reply {
        let last = self.session.len().saturating_sub(1);
        Reply::new(status).header("location", self.location()).header("range", format!("0-{last}"))
    }

    pub(crate) fn answer(&mut self, seen: &Seen) -> Reply {
        let session =
            seen.target.strip_prefix("/v2/a/blobs/uploads/").and_then(|rest| rest.split('?').next());
        let known = session == Some(self.generation.to_string().as_str());
        match (&seen.method, known) {
            (&Method::POST, _) => {
                self.session.clear();
                self.generation += 1;
                self.accepted(202)
            }
            (_, false) => Reply::new(404),
            (&Method::GET, true) => self.accepted(204),
            (&Method::PATCH, true) => {
                // Without a range it is what comes next.
                let start = seen.header("content-range").map(|range| range.split('-').next()?.parse().ok());
                if start.is_some_and(|start| start != Some(self.session.len())) {
                    return self.accepted(416);
                }
                self.session.extend_from_slice(&seen.body);
                self.accepted(202)
            }
            (&Method::DELETE, true) => {
                self.generation += 1;
                Reply::new(204)
            }
            (_, true) => {
                self.generation += 1;
                self.session.extend_from_slice(&seen.body);
                self.finished.push(Bytes::from(std::mem::take(&mut self.session)));
                Reply::new(201)
            }
        }
    }
}

pub(crate) type Shared = Arc<Mutex<Uploads>>;

/// A registry whose answers may be changed on their way, by the number of the request.
pub(crate) async fn registry(
    change: impl Fn(usize, &Seen, Reply) -> Reply + Send + Sync + 'static,
) -> (Server, Shared) {
    let uploads = Shared::default();
    let shared = Arc::clone(&uploads);
    let count = AtomicUsize::new(0);
    let server = Server::start(move |seen| {
        let reply = shared.lock().expect("unbroken").answer(seen);
        change(count.fetch_add(1, Ordering::Relaxed), seen, reply)
    })
    .await;
    (server, uploads)
}

pub(crate) fn methods(server: &Server) -> String {
    server.seen().iter().map(|seen| seen.method.to_string()).collect::<Vec<_>>().join(" ")
}

fn chunks_of(chunk: u64) -> Settings {
    let transfer =
        TransferSettings { max_body: Some(chunk), chunk, single_request: 0, ..TransferSettings::default() };
    Settings { transfer, ..impatient() }
}

#[tokio::test]
async fn a_blob_takes_two_requests() {
    let bytes = content(300_000);
    for content in [again(&bytes), once(&bytes), Content::Bytes(bytes.clone())] {
        let (server, uploads) = registry(|_, _, reply| reply).await;
        server.repository(impatient()).push(&blob(&bytes), content).await.expect("pushed");
        assert_eq!(uploads.lock().expect("unbroken").finished, std::slice::from_ref(&bytes));
        assert_eq!(methods(&server), "POST PUT");
        let put = &server.seen()[1];
        assert_eq!(put.header("content-length"), Some("300000"));
        assert!(put.target.contains("at=0&digest=sha256%3A"), "{}", put.target);
    }
}

#[tokio::test]
async fn small_blobs_take_one_where_the_registry_can() {
    let server = Server::start(|_| Reply::new(201)).await;
    let bytes = content(100);
    let repository = server.repository(impatient());
    repository.push(&blob(&bytes), Content::Bytes(bytes.clone())).await.expect("pushed");
    assert_eq!(methods(&server), "POST");
    assert_eq!(server.seen()[0].body, bytes);

    // This one opens a session instead, which is used, and is not asked again.
    let (server, uploads) = registry(|_, _, reply| reply).await;
    let repository = server.repository(impatient());
    for _ in 0..2 {
        repository.push(&blob(&bytes), Content::Bytes(bytes.clone())).await.expect("pushed");
    }
    assert_eq!(methods(&server), "POST PUT POST PUT");
    assert_eq!(server.seen()[2].body, "");
    assert_eq!(uploads.lock().expect("unbroken").finished.len(), 2);

    // This one does not know what is wanted of it.
    let (server, _uploads) =
        registry(
            |_, seen, reply| if seen.target.contains("uploads/?digest") { Reply::new(400) } else { reply },
        )
        .await;
    server.repository(impatient()).push(&blob(&bytes), Content::Bytes(bytes.clone())).await.expect("pushed");
    assert_eq!(methods(&server), "POST POST PUT");
}

#[tokio::test]
async fn a_broken_upload_goes_on_from_what_arrived() {
    let bytes = content(400_000);
    let uploads = Shared::default();
    let (early, late) = (Arc::clone(&uploads), Arc::clone(&uploads));
    let cuts = AtomicUsize::new(0);
    let server = Server::start_impatient(
        move |seen| {
            // The first PUT is cut after 150000 bytes, which this registry keeps.
            let cut = seen.method == Method::PUT && cuts.fetch_add(1, Ordering::Relaxed) == 0;
            cut.then(|| {
                early.lock().expect("unbroken").session = content(150_000).to_vec();
                150_000
            })
        },
        move |seen| {
            if seen.method == Method::PUT && seen.body.len() == 150_000 {
                return Reply::hang_up();
            }
            late.lock().expect("unbroken").answer(seen)
        },
    )
    .await;
    server.repository(impatient()).push(&blob(&bytes), again(&bytes)).await.expect("pushed");
    assert_eq!(methods(&server), "POST PUT GET PATCH PUT");
    assert_eq!(server.seen()[3].header("content-range"), Some("150000-399999"));
    assert_eq!(uploads.lock().expect("unbroken").finished, [bytes]);
}

#[tokio::test]
async fn a_session_that_is_gone_is_begun_again() {
    let bytes = content(300_000);
    let (server, uploads) =
        registry(|number, _, reply| if number == 1 { Reply::new(404) } else { reply }).await;
    server.repository(impatient()).push(&blob(&bytes), again(&bytes)).await.expect("pushed");
    // HEAD: it might have arrived all the same.
    assert_eq!(methods(&server), "POST PUT HEAD POST PUT");
    assert_eq!(uploads.lock().expect("unbroken").finished.last(), Some(&bytes));
}

#[tokio::test]
async fn a_blob_that_arrived_unheard_of_is_not_sent_again() {
    let bytes = content(300_000);
    let (server, _uploads) = registry(|number, seen, reply| match (number, seen.method.clone()) {
        (1, _) => Reply::hang_up(),
        (_, Method::HEAD) => Reply::new(200),
        _ => reply,
    })
    .await;
    server.repository(impatient()).push(&blob(&bytes), Content::Bytes(bytes)).await.expect("it is there");
    assert_eq!(methods(&server), "POST PUT GET HEAD");
}

#[tokio::test]
async fn chunks_are_as_large_as_they_may_and_must_be() {
    let bytes = content(100_000);
    let check = async |settings: Settings, least: &'static str, expected: &[&str]| {
        for content in [again(&bytes), once(&bytes), Content::Bytes(bytes.clone())] {
            let (server, uploads) =
                registry(move |_, _, reply| reply.header("oci-chunk-min-length", least)).await;
            server.repository(settings.clone()).push(&blob(&bytes), content).await.expect("pushed");
            let seen = server.seen();
            let ranges: Vec<_> = seen.iter().filter_map(|seen| seen.header("content-range")).collect();
            assert_eq!(ranges, expected);
            assert_eq!(uploads.lock().expect("unbroken").finished, std::slice::from_ref(&bytes));
        }
    };
    check(chunks_of(40_000), "0", &["0-39999", "40000-79999", "80000-99999"]).await;
    check(chunks_of(40_000), "60000", &["0-59999", "60000-99999"]).await;
    check(chunks_of(100_000), "0", &[]).await;
}

#[tokio::test]
async fn chunks_whose_answers_are_lost_are_not_sent_twice() {
    let bytes = content(100_000);
    for content in [again(&bytes), once(&bytes), Content::Bytes(bytes.clone())] {
        let (server, uploads) =
            registry(|number, _, reply| if matches!(number, 1 | 4) { Reply::hang_up() } else { reply }).await;
        server.repository(chunks_of(40_000)).push(&blob(&bytes), content).await.expect("pushed");
        assert_eq!(uploads.lock().expect("unbroken").finished, std::slice::from_ref(&bytes));
    }
}

#[tokio::test]
async fn chunks_that_arrive_in_part_are_completed() {
    let bytes = content(100_000);
    let uploads = Shared::default();
    let shared = Arc::clone(&uploads);
    let server = Server::start(move |seen| {
        let mut uploads = shared.lock().expect("unbroken");
        let mut seen = seen.clone();
        if seen.method == Method::PATCH && seen.body.len() > 25_000 {
            seen.body = seen.body.slice(..25_000);
        }
        uploads.answer(&seen)
    })
    .await;
    for content in [again(&bytes), once(&bytes)] {
        server.repository(chunks_of(40_000)).push(&blob(&bytes), content).await.expect("pushed");
    }
    assert_eq!(uploads.lock().expect("unbroken").finished, [bytes.clone(), bytes]);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_sent_in_chunks() {
    let bytes = content(100_000);
    let (server, uploads) =
        registry(|_, seen, reply| if seen.body.len() > 50_000 { Reply::new(413) } else { reply }).await;
    let transfer = TransferSettings { chunk: 50_000, single_request: 0, ..TransferSettings::default() };
    let settings = Settings { transfer, ..impatient() };
    server.repository(settings).push(&blob(&bytes), again(&bytes)).await.expect("pushed");
    assert_eq!(methods(&server), "POST PUT POST PATCH PATCH PUT");
    assert_eq!(uploads.lock().expect("unbroken").finished.last(), Some(&bytes));
}

#[tokio::test]
async fn chunks_shrink_until_the_registry_takes_them() {
    let bytes = content(3 << 20);
    let transfer = TransferSettings { chunk: 2 << 20, ..TransferSettings::default() };
    let settings = Settings { transfer, ..impatient() };
    let check = async |limit: usize, settings: Settings, least: &'static str, content: Content| {
        let (server, uploads) = registry(move |_, seen, reply| match seen.body.len() > limit {
            true => Reply::new(413),
            false => reply.header("oci-chunk-min-length", least),
        })
        .await;
        let pushed = server.repository(settings).push(&blob(&bytes), content).await;
        let arrived = uploads.lock().expect("unbroken").finished.last() == Some(&bytes);
        (pushed.map(|()| arrived), methods(&server))
    };
    let (pushed, methods) = check(1 << 20, settings.clone(), "0", again(&bytes)).await;
    assert!(pushed.expect("pushed"));
    assert_eq!(methods, "POST PUT POST PATCH POST PATCH PATCH PATCH PUT");
    // What can be read once is sent in chunks from the beginning, which are kept and cut smaller.
    let chunks = Settings {
        transfer: TransferSettings { max_body: Some(2 << 20), ..settings.transfer.clone() },
        ..settings.clone()
    };
    let (pushed, methods) = check(1 << 20, chunks, "0", once(&bytes)).await;
    assert!(pushed.expect("pushed"));
    assert_eq!(methods, "POST PATCH POST PATCH PATCH PATCH PUT");
    // Not below what it wants at least, nor below what makes sense.
    for (limit, least) in [(1 << 20, "2097152"), (1_000_000, "0")] {
        let (pushed, methods) = check(limit, settings.clone(), least, again(&bytes)).await;
        assert!(matches!(pushed, Err(Error::Response { status: 413, .. })), "{pushed:?} {methods}");
    }
}

#[tokio::test]
async fn a_registry_without_chunks_is_sent_everything_again() {
    let bytes = content(300_000);
    for status in [404, 405, 501] {
        let puts = AtomicUsize::new(0);
        let (server, uploads) = registry(move |_, seen, reply| match seen.method {
            Method::PATCH => Reply::new(status),
            // The first of each blob breaks; the session says that a part arrived.
            Method::PUT if puts.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => Reply::hang_up(),
            Method::GET => {
                Reply::new(204).header("location", "/v2/a/blobs/uploads/1").header("range", "0-99999")
            }
            Method::HEAD => Reply::new(404),
            _ => reply,
        })
        .await;
        let repository = server.repository(impatient());
        repository.push(&blob(&bytes), again(&bytes)).await.expect("pushed");
        assert_eq!(uploads.lock().expect("unbroken").finished.last(), Some(&bytes), "{status}");
        assert!(methods(&server).starts_with("POST PUT GET PATCH "), "{}", methods(&server));
        if status != 404 {
            // It is remembered.
            let before = server.seen().len();
            repository.push(&blob(&bytes), again(&bytes)).await.expect("pushed");
            let after =
                server.seen()[before..].iter().map(|seen| seen.method.to_string()).collect::<Vec<_>>();
            assert_eq!(after, ["POST", "PUT", "HEAD", "POST", "PUT"]);
        }
    }
}

#[tokio::test]
async fn what_can_be_read_once_is_sent_once() {
    let bytes = content(1_200_000);
    let (server, _uploads) =
        registry(|_, seen, reply| if seen.method == Method::PUT { Reply::new(503) } else { reply }).await;
    let error = server.repository(impatient()).push(&blob(&bytes), once(&bytes)).await.expect_err("refused");
    assert!(matches!(error, Error::Response { status: 503, .. }), "{error}");
    // The session is given back.
    assert_eq!(methods(&server), "POST PUT DELETE");

    // What is small is read into memory first, and sent as often as it takes.
    let bytes = content(1_000_000);
    let (server, uploads) =
        registry(|number, _, reply| if number == 1 { Reply::new(503) } else { reply }).await;
    server.repository(impatient()).push(&blob(&bytes), once(&bytes)).await.expect("pushed");
    assert_eq!(uploads.lock().expect("unbroken").finished.last(), Some(&bytes));
}

#[tokio::test]
async fn a_source_that_is_wrong_is_an_error_and_no_blob() {
    let bytes = content(300_000);
    let descriptor = blob(&bytes);
    let check = async |settings: Settings, content: Content, expected: fn(&Error) -> bool| {
        let (server, uploads) = registry(|_, _, reply| reply).await;
        let error = server.repository(settings).push(&descriptor, content).await.expect_err("damaged");
        assert!(expected(&error), "{error}");
        assert!(uploads.lock().expect("unbroken").finished.is_empty());
    };
    let damaged: Bytes = bytes.iter().map(|byte| byte ^ 1).collect();
    let digest: fn(&Error) -> bool = |error| matches!(error, Error::DigestMismatch { .. });
    let size: fn(&Error) -> bool = |error| matches!(error, Error::SizeMismatch { .. });
    for settings in [impatient(), chunks_of(40_000)] {
        let reader = VerifyReader::new(std::io::Cursor::new(damaged.clone()), &descriptor);
        check(settings.clone(), Content::Stream(Box::pin(reader)), digest).await;
        check(settings.clone(), again(&bytes.slice(..200_000)), size).await;
        check(settings.clone(), again(&[&bytes[..], b"!"].concat().into()), size).await;
        check(settings.clone(), once(&bytes.slice(..200_000)), size).await;
        check(settings.clone(), once(&[&bytes[..], b"!"].concat().into()), size).await;
        check(settings, Content::Bytes(damaged.clone()), digest).await;
    }
}

#[tokio::test]
async fn an_upload_that_stands_still_is_noticed() {
    let bytes = content(2 << 20);
    let (server, _uploads) = registry(|_, _, reply| reply).await;
    let (mut writer, reader) = tokio::io::duplex(1000);
    let stuck = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        writer.write_all(&[0; 100]).await.expect("somebody reads");
        std::future::pending::<()>().await;
        drop(writer);
    });
    let settings = Settings { stall_timeout: std::time::Duration::from_millis(10), ..impatient() };
    let pushed = server.repository(settings).push(&blob(&bytes), Content::Stream(Box::pin(reader))).await;
    assert!(matches!(pushed.expect_err("stuck"), Error::Request { .. }));
    stuck.abort();
}

#[tokio::test]
async fn a_mount_that_does_not_happen_leaves_its_session() {
    let bytes = content(1000);
    let (server, uploads) = registry(|_, _, reply| reply).await;
    let repository = server.repository(impatient());
    assert!(!repository.mount(&blob(&bytes), "other/repository").await.expect("an answer"));
    repository.push(&blob(&bytes), Content::Bytes(bytes.clone())).await.expect("pushed");
    assert_eq!(methods(&server), "POST PUT");
    let query = format!("mount=sha256%3A{}&from=other%2Frepository", blob(&bytes).digest.hex());
    assert_eq!(server.seen()[0].target, format!("/v2/a/blobs/uploads/?{query}"));
    assert_eq!(uploads.lock().expect("unbroken").finished, [bytes]);

    for refusal in [403, 404, 405] {
        let server = Server::start(move |_| Reply::new(refusal)).await;
        let mounted = server.repository(impatient()).mount(&blob(&content(10)), "b").await;
        assert!(!mounted.expect("pushing may work"));
    }
}
