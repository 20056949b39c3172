//! Blobs that are sent while they are still being hashed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use tidewaiter_oci::content::{Push as _, Unnamed};
use tidewaiter_oci::copy::{Event, Reporter};
use tidewaiter_oci::remote::{Settings, TransferSettings};
use tidewaiter_oci::{Algorithm, Descriptor, Error, ErrorKind, Result, media_type};

use crate::server::{Reply, Server, impatient};
use crate::uploads::{Again, Shared, content, methods, registry};

/// What was reported, in words.
#[derive(Default)]
struct Told(Mutex<Vec<&'static str>>);

impl Reporter for Told {
    fn report(&self, _: &Descriptor, event: Event<'_>) {
        let word = match event {
            Event::Started => "started",
            Event::Copied => "copied",
            Event::Exists => "exists",
            Event::Progress(_) => return,
            other => panic!("{other:?} is for copies only"),
        };
        self.0.lock().expect("unbroken").push(word);
    }
}

fn unnamed(bytes: &Bytes) -> Unnamed {
    Unnamed {
        media_type: media_type::OCTET_STREAM.to_owned(),
        annotations: None,
        size: bytes.len() as u64,
        algorithm: Algorithm::Sha256,
        content: Arc::new(Again { bytes: bytes.clone(), opened: Arc::default() }),
    }
}

/// Pushes to a server, and gives what was told with the result.
async fn push(server: &Server, blob: &Unnamed) -> (Result<Option<Descriptor>>, Vec<&'static str>) {
    let told = Arc::new(Told::default());
    let reporter: Arc<dyn Reporter> = Arc::<Told>::clone(&told);
    let settings = Settings {
        transfer: TransferSettings { ahead_from: 1, ..TransferSettings::default() },
        ..impatient()
    };
    let pushed = server.repository(settings).push_unnamed(blob, &reporter).await;
    let told = told.0.lock().expect("unbroken").clone();
    (pushed, told)
}

/// The blob arrived, once, and was told of as it should be.
async fn arrives(server: &Server, uploads: &Shared, bytes: &Bytes) {
    let (pushed, told) = push(server, &unnamed(bytes)).await;
    let descriptor = pushed.expect("pushed").expect("large enough");
    assert_eq!(descriptor, Descriptor::of(media_type::OCTET_STREAM, bytes));
    assert_eq!(told, ["started", "copied"]);
    assert_eq!(uploads.lock().expect("unbroken").finished, std::slice::from_ref(bytes));
}

fn count(server: &Server, method: &Method) -> usize {
    server.seen().iter().filter(|seen| seen.method == *method).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_patch_brings_everything() {
    let bytes = content(3_000_000);
    let (server, uploads) = registry(|_, _, reply| reply).await;
    arrives(&server, &uploads, &bytes).await;
    let (first, last) = (&server.seen()[0], &server.seen()[3]);
    assert_eq!((&first.method, &last.method, last.body.len()), (&Method::POST, &Method::PUT, 0));
    assert_eq!((count(&server, &Method::PATCH), count(&server, &Method::HEAD)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_finished() {
    let bytes = content(3_000_000);
    let (server, uploads) =
        registry(|_, seen, reply| if seen.method == Method::HEAD { Reply::new(200) } else { reply }).await;
    let (pushed, told) = push(&server, &unnamed(&bytes)).await;
    assert_eq!(pushed.expect("there"), Some(Descriptor::of(media_type::OCTET_STREAM, &bytes)));
    assert_eq!(told, ["exists"]);
    assert!(uploads.lock().expect("unbroken").finished.is_empty());
    assert_eq!(count(&server, &Method::DELETE), 1, "the session is given back: {}", methods(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn small_blobs_and_bodies_that_would_be_too_large_go_the_usual_way() {
    let server = Server::start(|_| panic!("nothing is asked")).await;
    let reporter: Arc<dyn Reporter> = Arc::new(());
    for transfer in [
        TransferSettings { ahead_from: 1001, ..TransferSettings::default() },
        TransferSettings { ahead_from: 1, max_body: Some(999), ..TransferSettings::default() },
    ] {
        let repository = server.repository(Settings { transfer, ..impatient() });
        let pushed = repository.push_unnamed(&unnamed(&content(1000)), &reporter).await;
        assert_eq!(pushed.expect("nothing was done"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_takes_no_such_patch_gets_a_put() {
    let bytes = content(500_000);
    for status in [400, 405, 501] {
        let (server, uploads) = registry(move |_, seen, reply| match seen.method {
            Method::PATCH if seen.header("content-range").is_none() => Reply::new(status),
            _ => reply,
        })
        .await;
        let (pushed, _) = push(&server, &unnamed(&bytes)).await;
        pushed.expect("pushed");
        assert_eq!(uploads.lock().expect("unbroken").finished.last(), Some(&bytes), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_caps_a_patch_gets_a_put_and_is_not_asked_again() {
    let bytes = content(500_000);
    let (server, uploads) = registry(|_, seen, reply| match seen.method {
        Method::PATCH if seen.body.len() > 100_000 => Reply::new(413),
        Method::HEAD => Reply::new(404),
        _ => reply,
    })
    .await;
    let settings = Settings {
        transfer: TransferSettings { ahead_from: 1, ..TransferSettings::default() },
        ..impatient()
    };
    let repository = server.repository(settings);
    let reporter: Arc<dyn Reporter> = Arc::new(());
    let pushed = repository.push_unnamed(&unnamed(&bytes), &reporter).await.expect("pushed");
    assert_eq!(pushed, Some(Descriptor::of(media_type::OCTET_STREAM, &bytes)));
    assert_eq!(uploads.lock().expect("unbroken").finished.last(), Some(&bytes));
    assert_eq!((count(&server, &Method::PATCH), count(&server, &Method::PUT)), (1, 1));
    let again = repository.push_unnamed(&unnamed(&bytes), &reporter).await.expect("nothing was done");
    assert_eq!(again, None, "its digest is wanted first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_breaks_off_goes_on_from_what_arrived() {
    let bytes = content(400_000);
    let uploads = Shared::default();
    let (early, late) = (Arc::clone(&uploads), Arc::clone(&uploads));
    let cuts = AtomicUsize::new(0);
    let server = Server::start_impatient(
        move |seen| {
            let cut = seen.method == Method::PATCH && cuts.fetch_add(1, Ordering::Relaxed) == 0;
            cut.then(|| {
                early.lock().expect("unbroken").session = content(150_000).to_vec();
                150_000
            })
        },
        move |seen| match seen.method {
            Method::PATCH if seen.body.len() == 150_000 => Reply::hang_up(),
            _ => late.lock().expect("unbroken").answer(seen),
        },
    )
    .await;
    arrives(&server, &uploads, &bytes).await;
    let seen = server.seen();
    let ranges: Vec<_> = seen.iter().filter_map(|seen| seen.header("content-range")).collect();
    assert_eq!(ranges, ["150000-399999"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_final() {
    let (server, uploads) =
        registry(|_, seen, reply| if seen.method == Method::PATCH { Reply::new(403) } else { reply }).await;
    let (pushed, told) = push(&server, &unnamed(&content(300_000))).await;
    assert_eq!(pushed.expect_err("refused").kind(), ErrorKind::Access);
    assert!(told.iter().all(|word| *word == "started"), "{told:?}");
    assert!(uploads.lock().expect("unbroken").finished.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_another_size_is_not_finished() {
    let bytes = content(300_000);
    for size in [299_999, 300_001] {
        let (server, uploads) = registry(|_, _, reply| reply).await;
        let (pushed, told) = push(&server, &Unnamed { size, ..unnamed(&bytes) }).await;
        let error = pushed.expect_err("damaged");
        assert!(matches!(error, Error::SizeMismatch { actual: 300_000, .. }), "{error}");
        assert!(told.is_empty(), "{told:?}");
        assert!(uploads.lock().expect("unbroken").finished.is_empty());
        assert_eq!(count(&server, &Method::DELETE), 1, "the session is given back: {}", methods(&server));
    }
}
