//! Blobs in object stores: in memory, in a directory as `object_store` keeps it, and over the wire in a server of
//! S3's protocol that somebody else wrote, asked as S3 and as Google's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::server::{Hands, Server, code, options};
use futures_util::TryStreamExt as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use reqwest::{Method, StatusCode};
use tidewaiter_oci::{Algorithm, Digest};
use tidewaiter_registry::{BlobStore, CollectOptions, Options};

/// Where objects are under the store's own root.
const PREFIX: &str = "some/where";
/// More than one part of an upload to a store.
const LARGE: usize = 9 * 1024 * 1024;

async fn objects(store: &dyn ObjectStore) -> Vec<object_store::path::Path> {
    let listed: Vec<_> = store.list(None).try_collect().await.expect("lists");
    listed.into_iter().map(|meta| meta.location).collect()
}

async fn check(store: Arc<dyn ObjectStore>, algorithm: Algorithm) {
    let hands = Hands::new();
    let options = Options { clock: hands.clock(), cache_bytes: 0, ..options() };
    let server = Server::start_over(Arc::clone(&store), PREFIX, options).await;
    let content: Vec<u8> = (0..LARGE).map(|position| (position % 251) as u8).collect();
    server.push_image("app", "v1", b"small").await;
    let large = server.push_blob("app", algorithm, &content).await;
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

/// Starts a server of S3's protocol with the bucket `bucket`; its URL. Without `auth` everybody may do everything.
async fn start_s3(directory: &Path, auth: Option<s3s::auth::SimpleAuth>) -> String {
    std::fs::create_dir(directory.join("bucket")).expect("a bucket");
    let files = s3s_fs::FileSystem::new(directory).expect("a directory");
    let mut builder = s3s::service::S3ServiceBuilder::new(files);
    let is_open = auth.is_none();
    if let Some(auth) = auth {
        builder.set_auth(auth);
    }
    let service = builder.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                if is_open {
                    // What Google's clients send would be taken for a broken signature.
                    request.headers_mut().remove(hyper::header::AUTHORIZATION);
                }
                let service = service.clone();
                async move { service.call(request.map(s3s::Body::from)).await }
            });
            tokio::spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                builder.serve_connection(TokioIo::new(socket), service).await.map_err(drop)
            });
        }
    });
    format!("http://{address}")
}

/// Such a server, and what a client has to be told to use it.
async fn s3(directory: &Path) -> Vec<(String, String)> {
    let endpoint = start_s3(directory, Some(s3s::auth::SimpleAuth::from_single("key", "secret"))).await;
    let settings = [
        ("aws_endpoint", endpoint.as_str()),
        ("aws_allow_http", "true"),
        ("aws_region", "nowhere"),
        ("aws_access_key_id", "key"),
        ("aws_secret_access_key", "secret"),
    ];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[tokio::test]
async fn in_s3() {
    crate::server::install_crypto();
    let directory = tempfile::tempdir().expect("a directory");
    let settings = s3(directory.path()).await;
    let url = "s3://bucket".parse().expect("a URL");
    let (store, _) = object_store::parse_url_opts(&url, settings).expect("a store");
    // This server makes one file name of a whole key, which has no room for a longer digest.
    check(Arc::from(store), Algorithm::Sha256).await;
}

/// Google's XML API is S3's in what is asked of it here.
#[tokio::test]
async fn in_gcs() {
    crate::server::install_crypto();
    let directory = tempfile::tempdir().expect("a directory");
    let endpoint = start_s3(directory.path(), None).await;
    let key = serde_json::json!({
        "gcs_base_url": endpoint,
        "disable_oauth": true,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
    });
    let settings =
        [("google_service_account_key", key.to_string()), ("google_allow_http", "true".to_owned())];
    let url = "gs://bucket".parse().expect("a URL");
    let (store, _) = object_store::parse_url_opts(&url, settings).expect("a store");
    check(Arc::from(store), Algorithm::Sha256).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_told_of_at_once() {
    crate::server::install_crypto();
    let directory = tempfile::tempdir().expect("a directory");
    let staging = tempfile::tempdir().expect("a directory");
    let settings = s3(directory.path()).await;
    let open = async |url: &str, secret: &str| {
        let mut settings = settings.clone();
        settings.push(("aws_secret_access_key".to_owned(), secret.to_owned()));
        BlobStore::open(url, settings, staging.path()).await.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(open("s3://bucket/prefix", "secret").await, Ok(()));
    for (url, secret) in [("s3://bucket", "wrong"), ("s3://missing", "secret")] {
        let error = open(url, secret).await.expect_err("refused");
        assert!(error.starts_with(&format!("the blob store {url} cannot be used: ")), "{error}");
    }
}

#[tokio::test]
async fn in_memory() {
    check(Arc::new(InMemory::new()), Algorithm::Sha512).await;
}

#[tokio::test]
async fn in_a_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = LocalFileSystem::new_with_prefix(directory.path()).expect("a store");
    check(Arc::new(store), Algorithm::Sha512).await;
}
