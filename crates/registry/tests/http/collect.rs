//! Garbage is collected, and nothing but garbage, also while clients push.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::server::{Hands, Server, header, options};
use reqwest::{Method, StatusCode};
use tidewaiter_oci::{Algorithm, Digest};
use tidewaiter_registry::{BlobStore, CollectOptions, Collected, Options, Registry};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const DRY: CollectOptions = CollectOptions { dry_run: true, untagged: false };
const WET: CollectOptions = CollectOptions { dry_run: false, untagged: false };

async fn start() -> (Server, Hands) {
    let hands = Hands::new();
    let server = Server::start_with(Options { clock: hands.clock(), ..options() }).await;
    (server, hands)
}

/// Files in the blob store.
fn objects(server: &Server) -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("reads") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&server.temp.directory.path().join("blobs"), &mut found);
    found
}

async fn status(server: &Server, path: &str) -> StatusCode {
    server.head(path).await.status()
}

#[tokio::test]
async fn blobs_without_manifests_go_after_their_grace() {
    let (server, hands) = start().await;
    server.push_image("app", "v1", b"used").await;
    let unused = server.push_blob("app", Algorithm::Sha256, b"unused").await;
    let asked = server.push_blob("app", Algorithm::Sha256, b"asked for").await;
    let shared = server.push_blob("app", Algorithm::Sha256, b"shared").await;
    server.push_blob("other", Algorithm::Sha256, b"shared").await;
    assert_eq!(server.registry.collect(WET).await.expect("collects"), Collected::default());
    hands.pass(DAY - HOUR);
    // A client that is told that a blob is there will not send it: its grace begins anew.
    assert_eq!(status(&server, &format!("/v2/app/blobs/{asked}")).await, StatusCode::OK);
    let path = format!("/v2/third/blobs/uploads/?mount={shared}&from=other");
    let mounted = server.request(Method::POST, &path).send().await.expect("sent");
    assert_eq!(mounted.status(), StatusCode::CREATED);
    hands.pass(3 * HOUR);

    let expected = Collected { links: 3, blobs: 1, bytes: 6, ..Collected::default() };
    assert_eq!(server.registry.collect(DRY).await.expect("collects"), expected);
    // Asked for with GET: HEAD would begin its grace anew.
    let still = server.get(&format!("/v2/app/blobs/{unused}")).await;
    assert_eq!(still.status(), StatusCode::OK, "only reported");
    assert_eq!(server.registry.collect(WET).await.expect("collects"), expected);
    assert_eq!(status(&server, &format!("/v2/app/blobs/{unused}")).await, StatusCode::NOT_FOUND);
    for (repository, kept) in [("app", &Digest::sha256(b"used")), ("app", &asked), ("third", &shared)] {
        assert_eq!(status(&server, &format!("/v2/{repository}/blobs/{kept}")).await, StatusCode::OK);
    }
    for repository in ["app", "other"] {
        let path = format!("/v2/{repository}/blobs/{shared}");
        assert_eq!(status(&server, &path).await, StatusCode::NOT_FOUND);
    }
    assert_eq!(objects(&server).len(), 4);
}

#[tokio::test]
async fn a_shorter_grace_by_hand_keeps_what_was_just_asked_for() {
    let (server, hands) = start().await;
    let asked = server.push_blob("app", Algorithm::Sha256, b"asked for").await;
    let path = format!("/v2/app/blobs/{asked}");
    hands.pass(12 * HOUR);
    assert_eq!(status(&server, &path).await, StatusCode::OK);
    hands.pass(HOUR / 2);
    // Not noted again so soon.
    assert_eq!(status(&server, &path).await, StatusCode::OK);
    hands.pass(HOUR - Duration::from_secs(1));
    let by_hand = async |grace: Duration| {
        let blobs = BlobStore::local(server.temp.directory.path()).await.expect("a store");
        let options = Options { clock: hands.clock(), grace, ..options() };
        let registry = Registry::open(server.temp.db.clone(), blobs, options).await.expect("opens");
        registry.collect(WET).await.expect("collects").blobs
    };
    assert_eq!(by_hand(HOUR).await, 0);
    assert_eq!(by_hand(Duration::ZERO).await, 1, "nobody is pushing");
}

#[tokio::test]
async fn a_dry_run_and_writers_do_not_wait_for_each_other() {
    let (server, hands) = start().await;
    server.push_blob("app", Algorithm::Sha256, b"unused").await;
    hands.pass(2 * DAY);
    let writer = server.temp.db.begin().await.expect("begins");
    let reported = tokio::time::timeout(Duration::from_secs(20), server.registry.collect(DRY)).await;
    let reported = reported.expect("in time").expect("collects");
    assert_eq!(reported, Collected { links: 1, blobs: 1, bytes: 6, ..Collected::default() });
    writer.commit().await.expect("commits");
    let uploads = std::fs::read_dir(server.temp.directory.path().join("uploads")).expect("reads");
    let ours = uploads.map(|entry| entry.expect("an entry").path()).find(|path| path.is_dir());
    let left = std::fs::read_dir(ours.expect("a directory")).expect("reads").count();
    assert_eq!(left, 0, "the copy it worked on is gone");
}

#[tokio::test]
async fn what_a_dry_run_reports_is_what_goes() {
    let (server, hands) = start().await;
    let first = server.push_image("app", "v1", b"one").await;
    server.push_image("app", "v1", b"two").await;
    let attached = server.attach("app", &first, "application/vnd.example", "note").await;
    let kept = server.push_image("app", "v2", b"three").await;
    server.attach("app", &kept, "application/vnd.example", "note").await;
    hands.pass(2 * DAY);
    assert_eq!(server.registry.collect(WET).await.expect("collects"), Collected::default(), "all is in use");
    let options = CollectOptions { dry_run: true, untagged: true };
    let reported = server.registry.collect(options).await.expect("collects");
    // The manifest that lost its tag, what was attached to it, and its layer; the rest is shared.
    let expected = Collected { manifests: 2, links: 1, blobs: 1, bytes: 3, ..Collected::default() };
    assert_eq!(reported, expected);
    assert_eq!(status(&server, &format!("/v2/app/manifests/{first}")).await, StatusCode::OK, "only reported");
    let options = CollectOptions { dry_run: false, untagged: true };
    assert_eq!(server.registry.collect(options).await.expect("collects"), expected);
    for gone in [&first, &attached] {
        assert_eq!(status(&server, &format!("/v2/app/manifests/{gone}")).await, StatusCode::NOT_FOUND);
    }
    assert_eq!(status(&server, &format!("/v2/app/manifests/{kept}")).await, StatusCode::OK);
    assert_eq!(
        status(&server, &format!("/v2/app/blobs/{}", Digest::sha256(b"one"))).await,
        StatusCode::NOT_FOUND
    );
    // Configuration, empty object, and the layers two and three.
    assert_eq!(objects(&server).len(), 4);
    let events = server.registry.events_after(0, 100).await.expect("events");
    let by_itself = events.iter().filter(|event| event.origin.is_none()).count();
    assert_eq!(by_itself, 2, "deletes are recorded, and nobody is named for them");
    assert_eq!(server.registry.collect(options).await.expect("collects"), Collected::default());
}

#[tokio::test]
async fn a_manifest_that_just_lost_its_tag_has_its_grace() {
    let (server, hands) = start().await;
    let first = server.push_image("app", "v1", b"one").await;
    hands.pass(2 * DAY);
    server.push_image("app", "v1", b"two").await;
    let options = CollectOptions { dry_run: false, untagged: true };
    assert_eq!(server.registry.collect(options).await.expect("collects").manifests, 0);
    assert_eq!(status(&server, &format!("/v2/app/manifests/{first}")).await, StatusCode::OK);
}

#[tokio::test]
async fn files_that_never_became_blobs_go() {
    let (server, hands) = start().await;
    server.push_image("app", "v1", b"one").await;
    let stray = server.temp.directory.path().join("blobs/sha256/ff");
    std::fs::create_dir_all(&stray).expect("creates");
    let old = std::fs::File::create(stray.join("stray")).expect("creates");
    old.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).expect("sets");
    assert_eq!(server.registry.collect(WET).await.expect("collects").stray_objects, 0, "not yet");
    hands.pass(2 * DAY);
    assert_eq!(server.registry.collect(DRY).await.expect("collects").stray_objects, 1);
    assert_eq!(server.registry.collect(WET).await.expect("collects").stray_objects, 1);
    assert!(!stray.join("stray").exists());
    assert_eq!(status(&server, "/v2/app/manifests/v1").await, StatusCode::OK);
}

#[tokio::test]
async fn a_deleted_blob_goes_at_once_and_can_come_back() {
    let (server, _) = start().await;
    let digest = server.push_blob("app", Algorithm::Sha512, b"blob").await;
    let path = format!("/v2/app/blobs/{digest}");
    assert_eq!(server.delete(&path).await.status(), StatusCode::ACCEPTED);
    let collected = server.registry.collect(WET).await.expect("collects");
    assert_eq!(collected, Collected { blobs: 1, bytes: 4, ..Collected::default() });
    assert_eq!(objects(&server).len(), 0);
    server.push_blob("app", Algorithm::Sha512, b"blob").await;
    assert_eq!(server.get(&path).await.bytes().await.expect("a body"), "blob");
}

/// The collector runs again and again without any grace while clients push, delete and push again: a push may be
/// refused because its blob has gone, but what was acknowledged is whole.
#[tokio::test(flavor = "multi_thread")]
async fn collecting_without_grace_never_breaks_what_was_acknowledged() {
    let server = Server::start_with(Options { grace: Duration::ZERO, ..options() }).await;
    let registry = server.registry.clone();
    let collector = tokio::spawn(async move {
        loop {
            registry.collect(CollectOptions { dry_run: false, untagged: true }).await.expect("collects");
            tokio::task::yield_now().await;
        }
    });
    let server = std::sync::Arc::new(server);
    let clients = (0..4).map(|client| {
        let server = std::sync::Arc::clone(&server);
        tokio::spawn(async move {
            let mut acknowledged = 0;
            for round in 0..15 {
                let repository = format!("app{}", client % 2);
                let layer = format!("layer {}", round % 3);
                let manifest = server.image(&repository, Algorithm::Sha256, layer.as_bytes()).await;
                let tag = format!("t{client}");
                let put = server.put_manifest(&repository, &tag, &manifest).await;
                if put.status() != StatusCode::CREATED {
                    assert_eq!(put.status(), StatusCode::NOT_FOUND, "a blob went before the manifest came");
                    continue;
                }
                acknowledged += 1;
                let manifest = server.get(&header(&put, "location")).await;
                assert_eq!(manifest.status(), StatusCode::OK);
                let path = format!("/v2/{repository}/blobs/{}", Digest::sha256(layer.as_bytes()));
                let blob = server.get(&path).await;
                assert_eq!(blob.status(), StatusCode::OK);
                assert_eq!(blob.bytes().await.expect("a body"), layer);
                let path = format!("/v2/{repository}/manifests/{tag}");
                assert_eq!(server.delete(&path).await.status(), StatusCode::ACCEPTED);
            }
            acknowledged
        })
    });
    let mut acknowledged = 0;
    for client in clients.collect::<Vec<_>>() {
        acknowledged += client.await.expect("the client ends");
    }
    collector.abort();
    assert!(acknowledged > 0, "no push ever succeeded");
}
