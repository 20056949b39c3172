//! What operators set and see: switches, TLS, health, metrics, shutdown.

use std::time::Duration;

use crate::server::{Hands, Server, artifact, code, header, options};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tidewaiter_db::Db;
use tidewaiter_oci::{Algorithm, Digest};
use tidewaiter_registry::access::Slot;
use tidewaiter_registry::{BlobStore, Options, Registry, ServeOptions, Tls, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn a_read_only_registry_changes_nothing() {
    let writable = Server::start().await;
    let digest = writable.push_image("app", "v1", b"layer").await;
    let blobs = BlobStore::local(writable.temp.directory.path()).await.expect("a store");
    let options = Options { read_only: true, ..options() };
    let registry = Registry::open(writable.temp.db.clone(), blobs, options).await.expect("opens");
    let server = writable.beside(registry).await;
    assert_eq!(server.get("/v2/app/manifests/v1").await.status(), StatusCode::OK);
    let blob = format!("/v2/app/blobs/{}", Digest::sha256(b"layer"));
    for (method, path) in [
        (Method::POST, "/v2/app/blobs/uploads/".to_owned()),
        (Method::PUT, "/v2/app/manifests/v2".to_owned()),
        (Method::DELETE, format!("/v2/app/manifests/{digest}")),
        (Method::DELETE, blob.clone()),
        (Method::DELETE, "/acr/v1/app".to_owned()),
    ] {
        let refused = server.request(method, &path).send().await.expect("sent");
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(code(refused).await, "UNSUPPORTED");
    }
    assert_eq!(server.head(&blob).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_another_process_writes_is_not_hidden_by_what_is_remembered() {
    let server = Server::start().await;
    let old = server.push_image("app", "v1", b"old").await;
    // Another connection to the same file is to SQLite what another process is.
    let db = Db::open(&server.temp.location, &tidewaiter_db::Options::default()).await.expect("opens");
    let blobs = BlobStore::local(server.temp.directory.path()).await.expect("a store");
    let other = Registry::open(db, blobs, options()).await.expect("opens");
    let other = server.beside(other).await;
    let named =
        async |server: &Server| header(&server.head("/v2/app/manifests/v1").await, "docker-content-digest");
    assert_eq!((named(&server).await, named(&other).await), (old.to_string(), old.to_string()));
    let new = server.push_image("app", "v1", b"new").await;
    assert_eq!(named(&server).await, new.to_string(), "at once where it was pushed to");
    let arrives = async {
        while named(&other).await != new.to_string() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), arrives).await.expect("soon elsewhere");
    assert_eq!(server.delete("/v2/app/manifests/v1").await.status(), StatusCode::ACCEPTED);
    assert_eq!(server.head("/v2/app/manifests/v1").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn deletes_can_be_switched_off() {
    let server = Server::start_with(Options { deletes: false, ..options() }).await;
    let digest = server.push_image("app", "v1", b"layer").await;
    for path in
        ["/v2/app/manifests/v1".to_owned(), format!("/v2/app/manifests/{digest}"), "/acr/v1/app".to_owned()]
    {
        assert_eq!(server.delete(&path).await.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}

#[tokio::test]
async fn without_the_referrers_api_it_is_an_older_registry() {
    let server = Server::start_with(Options { referrers: false, ..options() }).await;
    let subject = server.push_image("app", "v1", b"layer").await;
    let empty = server.push_blob("app", Algorithm::Sha256, b"{}").await;
    let attached = artifact(&subject, &empty, "application/vnd.example", "note");
    let put = server.put_manifest("app", Digest::sha256(&attached).as_str(), &attached).await;
    assert_eq!((put.status(), header(&put, "oci-subject")), (StatusCode::CREATED, String::new()));
    let path = format!("/v2/app/referrers/{subject}");
    assert_eq!(server.get(&path).await.status(), StatusCode::NOT_FOUND);

    // It knows of no referrers, so none goes with its subject.
    assert_eq!(server.delete(&format!("/v2/app/manifests/{subject}")).await.status(), StatusCode::ACCEPTED);
    let left = server.head(&format!("/v2/app/manifests/{}", Digest::sha256(&attached))).await;
    assert_eq!(left.status(), StatusCode::OK);

    // Switched on again, what was pushed meanwhile is there.
    let blobs = BlobStore::local(server.temp.directory.path()).await.expect("a store");
    let registry = Registry::open(server.temp.db.clone(), blobs, options()).await.expect("opens");
    let newer = server.beside(registry).await;
    let index: Value = newer.get(&path).await.json().await.expect("JSON");
    assert_eq!(index["manifests"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn deleting_a_subject_deletes_what_refers_to_it_unless_switched_off() {
    for cascade in [true, false] {
        let server = Server::start_with(Options { delete_referrers: cascade, ..options() }).await;
        let subject = server.push_image("app", "v1", b"layer").await;
        let signature = server.attach("app", &subject, "application/vnd.example.sbom", "a").await;
        let of_that = server.attach("app", &signature, "application/vnd.example.signature", "b").await;
        server.delete(&format!("/v2/app/manifests/{subject}")).await;
        let expected = if cascade { StatusCode::NOT_FOUND } else { StatusCode::OK };
        for digest in [signature, of_that] {
            assert_eq!(server.head(&format!("/v2/app/manifests/{digest}")).await.status(), expected);
        }
        let events = server.registry.events_after(0, 100).await.expect("events");
        let deletes = events.iter().filter(|event| event.action.as_str() == "delete").count();
        assert_eq!(deletes, if cascade { 3 } else { 1 });
    }
}

#[tokio::test]
async fn uploads_are_limited_and_end_when_they_are_idle() {
    let hands = Hands::new();
    let options = Options { clock: hands.clock(), max_uploads: 2, ..options() };
    let server = Server::start_with(options).await;
    let first = server.begin("app", "").await;
    let second = server.begin("app", "").await;
    for session in [&first, &second] {
        let patch = server.request(Method::PATCH, session).body("half").send().await.expect("sent");
        assert_eq!(patch.status(), StatusCode::ACCEPTED);
    }
    server.push_blob("app", Algorithm::Sha256, b"in one request, which needs no session").await;
    let refused = server.request(Method::POST, "/v2/app/blobs/uploads/").send().await.expect("sent");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!header(&refused, "retry-after").is_empty());
    assert_eq!(code(refused).await, "TOOMANYREQUESTS");
    hands.pass(Duration::from_secs(3000));
    assert_eq!(server.get(&first).await.status(), StatusCode::NO_CONTENT);
    hands.pass(Duration::from_secs(3000));
    // The upkeep's first look comes at once.
    let upkeep = server.registry.upkeep(std::future::pending()).await.expect("nothing to complain of");
    let upkeep = tokio::time::timeout(Duration::from_millis(200), upkeep).await;
    assert!(upkeep.is_err(), "it goes on");
    server.begin("app", "").await;
    assert_eq!(server.get(&first).await.status(), StatusCode::NO_CONTENT, "used half an hour ago");
    let metrics = server.get("/metrics").await.text().await.expect("text");
    assert!(metrics.contains("tidewaiter_registry_uploads 1"), "{metrics}");
}

#[tokio::test]
async fn an_upload_that_has_got_nothing_makes_room_for_another() {
    let hands = Hands::new();
    let options = Options { clock: hands.clock(), max_uploads: 3, ..options() };
    let server = Server::start_with(options).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(server.begin("app", "").await);
        hands.pass(Duration::from_secs(1));
    }
    let patch = server.request(Method::PATCH, &sessions[0]).body("half").send().await.expect("sent");
    assert_eq!(patch.status(), StatusCode::ACCEPTED);
    sessions.push(server.begin("app", "").await);
    let mut known = Vec::new();
    for session in &sessions {
        known.push(server.get(session).await.status() == StatusCode::NO_CONTENT);
    }
    assert_eq!(known, [true, false, true, true], "of those without a byte, the first one ended");
}

#[tokio::test]
async fn health_readiness_and_metrics() {
    let server = Server::start().await;
    server.push_image("app", "v1", b"layer").await;
    server.get("/v2/app/manifests/none").await;
    server.get("/v2/some/where").await;
    for path in ["/healthz", "/readyz"] {
        let response = server.get(path).await;
        assert_eq!(
            (response.status(), response.text().await.expect("text").as_str()),
            (StatusCode::OK, "ok\n")
        );
    }
    let metrics = server.get("/metrics").await;
    assert!(header(&metrics, "content-type").starts_with("application/openmetrics-text"));
    let text = metrics.text().await.expect("text");
    for line in [
        "tidewaiter_registry_requests_total{resource=\"manifest\",method=\"GET\",status=\"404\"} 1",
        "tidewaiter_registry_requests_total{resource=\"manifest\",method=\"PUT\",status=\"201\"} 1",
        "tidewaiter_registry_requests_total{resource=\"upload\",method=\"POST\",status=\"201\"} 2",
        "tidewaiter_registry_requests_total{resource=\"other\",method=\"GET\",status=\"404\"} 1",
        "tidewaiter_registry_request_duration_seconds_count{resource=\"upload\",method=\"POST\"} 2",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let writer = server.temp.db.begin().await.expect("begins");
    let asked = tokio::time::timeout(Duration::from_secs(20), server.get("/readyz")).await;
    assert_eq!(asked.expect("in time").status(), StatusCode::SERVICE_UNAVAILABLE, "nobody could push");
    drop(writer);
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
    std::fs::remove_dir_all(server.temp.directory.path().join("blobs")).expect("removes");
    assert_eq!(server.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_proxy_in_front_tells_how_clients_came() {
    let server =
        Server::start_with(Options { anonymous: tidewaiter_registry::Anonymous::Nothing, ..options() }).await;
    for (forwarded, scheme) in
        [(None, "http"), (Some("https"), "https"), (Some("https, http"), "https"), (Some("gopher"), "http")]
    {
        let mut request = server.request(Method::GET, "/v2/");
        if let Some(forwarded) = forwarded {
            request = request.header("X-Forwarded-Proto", forwarded);
        }
        let challenge = header(&request.send().await.expect("an answer"), "www-authenticate");
        let realm = format!("realm=\"{scheme}://{}/oauth2/token\"", server.address);
        assert!(challenge.contains(&realm), "{forwarded:?}: {challenge}");
    }
}

#[tokio::test]
async fn metrics_are_for_those_who_have_an_account() {
    let public = Options { anonymous: tidewaiter_registry::Anonymous::Pull, ..options() };
    let server = Server::start_with(public).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path).await.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(server.get("/metrics").await.status(), StatusCode::UNAUTHORIZED);
    let tokens = server.registry.tokens();
    tokens.create("watcher", "_repositories_pull").await.expect("a token");
    let password = tokens.generate_password("watcher", Slot::Password1, None).await.expect("a password");
    let request = server.request(Method::GET, "/metrics").basic_auth("watcher", Some(password.as_str()));
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn tls_from_files() {
    let server =
        Server::start_with(Options { anonymous: tidewaiter_registry::Anonymous::Nothing, ..options() }).await;
    let directory = tempfile::tempdir().expect("a directory");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("writes");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("writes");
    let tls = Tls::from_files(&certificate, &key).expect("usable");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let router = server.registry.router();
    tokio::spawn(async move {
        let options = ServeOptions { tls: Some(tls), ..ServeOptions::default() };
        serve(listener, router, &options, std::future::pending()).await;
    });
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).expect("a certificate");
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().expect("a client");
    let ping = http.get(format!("https://localhost:{port}/v2/")).send().await.expect("an answer");
    assert_eq!(ping.version(), reqwest::Version::HTTP_2);
    let challenge = header(&ping, "www-authenticate");
    let realm = format!("realm=\"https://localhost:{port}/oauth2/token\"");
    assert!(challenge.contains(&realm), "{challenge}");
    // What a client says of its own TLS to ours counts for nothing.
    let ping = http.get(format!("https://localhost:{port}/v2/")).header("X-Forwarded-Proto", "http");
    let ping = ping.send().await.expect("an answer");
    assert!(header(&ping, "www-authenticate").contains(&realm));

    for (certificate, key, missing) in [
        (&key, &key, "there is no certificate in it"),
        (&certificate, &certificate, "there is no private key in it"),
        (&directory.path().join("no"), &key, "No such file"),
    ] {
        let error = Tls::from_files(certificate, key).expect_err("not usable").to_string();
        assert!(error.contains("for TLS") && error.contains(missing), "{error}");
    }
}

/// An upload that is under way when the server is told to stop ends well; new connections are refused.
#[tokio::test]
async fn shutdown_lets_uploads_end() {
    let server = Server::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let router = server.registry.router();
    let serving = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        serve(listener, router, &ServeOptions::default(), stopped).await;
    });
    let content = vec![7; 100_000];
    let digest = Digest::sha256(&content);
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    let head = format!(
        "POST /v2/app/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sends");
    // The server asks for the body: so the request is under way.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.expect("an interim answer");
    assert!(interim.starts_with(b"HTTP/1.1 100 Continue"));
    stream.write_all(&content[..50_000]).await.expect("sends");
    stop.send(()).expect("the server listens");
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(&content[50_000..]).await.expect("sends");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    serving.await.expect("the server ends");
    assert_eq!(server.head(&format!("/v2/app/blobs/{digest}")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_broken_password_file_stops_the_start() {
    let server = Server::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("htpasswd");
    let open = async || {
        let blobs = BlobStore::local(server.temp.directory.path()).await.expect("a store");
        let options = Options { htpasswd: Some(path.clone()), ..options() };
        Registry::open(server.temp.db.clone(), blobs, options).await
    };
    assert!(open().await.expect_err("missing").to_string().contains("htpasswd"));
    std::fs::write(&path, "ada:plain").expect("writes");
    assert!(open().await.expect_err("plain").to_string().contains("htpasswd -B"));
}
