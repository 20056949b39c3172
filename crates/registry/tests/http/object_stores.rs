//! Blobs in object stores: in memory, and in a directory as `object_store` keeps it.

use std::sync::Arc;
use std::time::Duration;

use crate::server::{Hands, Server, code, options};
use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use reqwest::{Method, StatusCode};
use tidewaiter_oci::{Algorithm, Digest};
use tidewaiter_registry::{CollectOptions, Options};

/// Where objects are under the store's own root.
const PREFIX: &str = "some/where";
/// More than one part of an upload to a store.
const LARGE: usize = 9 * 1024 * 1024;

async fn objects(store: &dyn ObjectStore) -> Vec<object_store::path::Path> {
    let listed: Vec<_> = store.list(None).try_collect().await.expect("lists");
    listed.into_iter().map(|meta| meta.location).collect()
}

async fn check(store: Arc<dyn ObjectStore>) {
    let hands = Hands::new();
    let options = Options { clock: hands.clock(), cache_bytes: 0, ..options() };
    let server = Server::start_over(Arc::clone(&store), PREFIX, options).await;
    let content: Vec<u8> = (0..LARGE).map(|position| (position % 251) as u8).collect();
    server.push_image("app", "v1", b"small").await;
    let large = server.push_blob("app", Algorithm::Sha512, &content).await;
    let path = format!("/v2/app/blobs/{large}");
    assert!(server.get(&path).await.bytes().await.expect("a body") == content);
    let part = server.request(Method::GET, &path).header("Range", "bytes=8388600-8388699").send().await;
    let part = part.expect("an answer");
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert!(part.bytes().await.expect("a body") == content[8_388_600..8_388_700]);
    let empty = server.push_blob("app", Algorithm::Sha256, b"").await;
    let empty = server.get(&format!("/v2/app/blobs/{empty}")).await;
    assert_eq!((empty.status(), empty.bytes().await.expect("a body").len()), (StatusCode::OK, 0));
    let mount = format!("/v2/other/blobs/uploads/?mount={large}&from=app");
    let mounted = server.request(Method::POST, &mount).send().await.expect("an answer");
    assert_eq!(mounted.status(), StatusCode::CREATED, "without sending it");
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
    let before = objects(&*store).await;
    assert_eq!(before.len(), 4);
    assert!(before.iter().all(|object| object.as_ref().starts_with(PREFIX)), "{before:?}");

    hands.pass(Duration::from_secs(48 * 3600));
    let collected = server.registry.collect(CollectOptions::default()).await.expect("collects");
    assert_eq!((collected.blobs, collected.bytes), (2, LARGE as u64), "the large one and the empty one");
    assert_eq!(objects(&*store).await.len(), 2);
    assert_eq!(server.get(&path).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.get("/v2/app/manifests/v1").await.status(), StatusCode::OK);

    let small = format!("/v2/app/blobs/{}", Digest::sha256(b"small"));
    assert_eq!(server.get(&small).await.text().await.expect("a body"), "small");
    for object in objects(&*store).await {
        store.delete(&object).await.expect("removes");
    }
    let lost = server.get(&small).await;
    assert_eq!(lost.status(), StatusCode::NOT_FOUND, "an object that disappeared");
    assert_eq!(code(lost).await, "BLOB_UNKNOWN");
    let asked = server.request(Method::HEAD, &small).send().await.expect("an answer");
    assert_eq!(asked.status(), StatusCode::NOT_FOUND, "so that it is pushed again");
    server.push_blob("app", Algorithm::Sha256, b"small").await;
    assert_eq!(server.get(&small).await.text().await.expect("a body"), "small");
}

#[tokio::test]
async fn in_memory() {
    check(Arc::new(InMemory::new())).await;
}

#[tokio::test]
async fn in_a_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = LocalFileSystem::new_with_prefix(directory.path()).expect("a store");
    check(Arc::new(store)).await;
}
