//! A registry on a loopback port, and a client that says what it expects.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use object_store::ObjectStore;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use tidewaiter_db::Db;
use tidewaiter_db::testing::TempDb;
use tidewaiter_oci::{Algorithm, Digest, media_type};
use tidewaiter_registry::{BlobStore, Clock, Options, Registry, ServeOptions, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A registry that serves until it is dropped.
pub(crate) struct Server {
    pub(crate) registry: Registry,
    pub(crate) address: String,
    pub(crate) temp: Arc<TempDb>,
    http: reqwest::Client,
    _stop: oneshot::Sender<()>,
}

/// The real time.
#[expect(clippy::disallowed_methods, reason = "a test hands the registry the time, as the binary does")]
pub(crate) fn clock() -> Clock {
    Clock::new(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        i64::try_from(now.expect("after 1970").as_micros()).expect("before 290000")
    })
}

/// Chooses the process's provider for TLS, as the binary does.
pub(crate) fn install_crypto() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// A clock that a test moves.
#[derive(Clone)]
pub(crate) struct Hands(Arc<AtomicI64>);

impl Hands {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_700_000_000_000_000)))
    }

    pub(crate) fn clock(&self) -> Clock {
        let time = Arc::clone(&self.0);
        Clock::new(move || time.load(Ordering::Relaxed))
    }

    pub(crate) fn pass(&self, duration: Duration) {
        self.0.fetch_add(i64::try_from(duration.as_micros()).expect("short"), Ordering::Relaxed);
    }
}

pub(crate) fn options() -> Options {
    Options::new(clock())
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(options()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        install_crypto();
        let temp = Arc::new(TempDb::new().await);
        let blobs = BlobStore::local(temp.directory.path()).await.expect("a blob store");
        let registry = Registry::open(temp.db.clone(), blobs, options).await.expect("a registry");
        Self::serve(temp, registry).await
    }

    /// One that keeps its blobs in an object store, under a prefix.
    pub(crate) async fn start_over(store: Arc<dyn ObjectStore>, prefix: &str, options: Options) -> Self {
        install_crypto();
        let temp = Arc::new(TempDb::new().await);
        let blobs = BlobStore::object_store(store, prefix.into(), temp.directory.path());
        let blobs = blobs.await.expect("a blob store");
        let registry = Registry::open(temp.db.clone(), blobs, options).await.expect("a registry");
        Self::serve(temp, registry).await
    }

    /// One over a database that is there, and blobs in a directory.
    pub(crate) async fn start_on(db: Db, directory: &Path, options: Options) -> Self {
        install_crypto();
        let blobs = BlobStore::local(directory).await.expect("a blob store");
        let registry = Registry::open(db, blobs, options).await.expect("a registry");
        Self::serve(Arc::new(TempDb::new().await), registry).await
    }

    /// Another server over the same stores.
    pub(crate) async fn beside(&self, registry: Registry) -> Self {
        Self::serve(Arc::clone(&self.temp), registry).await
    }

    async fn serve(temp: Arc<TempDb>, registry: Registry) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = registry.router();
        tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            serve(listener, router, &ServeOptions::default(), stopped).await;
        });
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { registry, address, temp, http, _stop: stop }
    }

    /// Serves the same registry a second time, in another way, as long as the test runs; the address.
    pub(crate) async fn serve_also(&self, options: ServeOptions) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let router = self.registry.router();
        tokio::spawn(async move { serve(listener, router, &options, std::future::pending()).await });
        address
    }

    /// A request to a path like `/v2/…`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.expect("an answer")
    }

    pub(crate) async fn head(&self, path: &str) -> Response {
        self.request(Method::HEAD, path).send().await.expect("an answer")
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await.expect("an answer")
    }

    /// Begins an upload; its location.
    pub(crate) async fn begin(&self, repository: &str, query: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/{query}");
        let response = self.request(Method::POST, &path).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::ACCEPTED, "POST {path}");
        header(&response, "location")
    }

    /// Pushes a blob in one request.
    pub(crate) async fn push_blob(&self, repository: &str, algorithm: Algorithm, content: &[u8]) -> Digest {
        let digest = Digest::of(algorithm, content);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let response = self.request(Method::POST, &path).body(content.to_vec()).send().await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), StatusCode::CREATED, "POST {path}");
        digest
    }

    /// Pushes a manifest; the answer.
    pub(crate) async fn put_manifest(&self, repository: &str, reference: &str, manifest: &[u8]) -> Response {
        let value: serde_json::Value = serde_json::from_slice(manifest).unwrap_or_default();
        let content_type = value["mediaType"].as_str().unwrap_or(media_type::OCI_MANIFEST).to_owned();
        self.request(Method::PUT, &format!("/v2/{repository}/manifests/{reference}"))
            .header("Content-Type", content_type)
            .body(manifest.to_vec())
            .send()
            .await
            .expect("an answer")
    }

    /// Pushes an image of one layer under a tag; its digest.
    pub(crate) async fn push_image(&self, repository: &str, tag: &str, layer: &[u8]) -> Digest {
        let manifest = self.image(repository, Algorithm::Sha256, layer).await;
        let response = self.put_manifest(repository, tag, &manifest).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        Digest::sha256(&manifest)
    }

    /// Pushes the blobs of an image of one layer and gives its manifest.
    pub(crate) async fn image(&self, repository: &str, algorithm: Algorithm, layer: &[u8]) -> Vec<u8> {
        let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config_digest = self.push_blob(repository, algorithm, config).await;
        let layer_digest = self.push_blob(repository, algorithm, layer).await;
        serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": {"mediaType": media_type::OCI_CONFIG, "digest": config_digest, "size": config.len()},
            "layers": [{"mediaType": media_type::OCI_LAYER, "digest": layer_digest, "size": layer.len()}],
        })
        .to_string()
        .into_bytes()
    }

    /// Pushes an artifact without layers that refers to a manifest; its digest.
    pub(crate) async fn attach(
        &self,
        repository: &str,
        subject: &Digest,
        artifact_type: &str,
        note: &str,
    ) -> Digest {
        let empty = self.push_blob(repository, Algorithm::Sha256, b"{}").await;
        let manifest = artifact(subject, &empty, artifact_type, note);
        let digest = Digest::of(Algorithm::Sha256, &manifest);
        let response = self.put_manifest(repository, digest.as_str(), &manifest).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(header(&response, "oci-subject"), subject.as_str());
        digest
    }
}

/// The manifest of an artifact that refers to a subject.
pub(crate) fn artifact(subject: &Digest, empty: &Digest, artifact_type: &str, note: &str) -> Vec<u8> {
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": {"mediaType": media_type::OCI_EMPTY, "digest": empty, "size": 2},
        "layers": [{"mediaType": media_type::OCI_EMPTY, "digest": empty, "size": 2}],
        "subject": {"mediaType": media_type::OCI_MANIFEST, "digest": subject, "size": 123},
        "annotations": {"org.example.note": note},
    })
    .to_string()
    .into_bytes()
}

/// A header of an answer, empty when it has none.
pub(crate) fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map_or("", |value| value.to_str().expect("text")).to_owned()
}

/// The code of an error answer.
pub(crate) async fn code(response: Response) -> String {
    let value: serde_json::Value = response.json().await.expect("an error in JSON");
    assert!(!value["errors"][0]["message"].as_str().expect("a message").is_empty());
    value["errors"][0]["code"].as_str().expect("a code").to_owned()
}

/// A connection without an HTTP client, and what it sends first.
pub(crate) async fn connect(address: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(bytes).await.expect("sends");
    stream
}

/// What a server sends until it closes the connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    // Closed with something unread of ours is as good.
    let _ = read.expect("the connection ends");
    String::from_utf8_lossy(&bytes).into_owned()
}
