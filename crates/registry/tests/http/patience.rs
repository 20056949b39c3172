//! Clients that neither send nor read: they lose their connections, and nobody else does.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tidewaiter_oci::Algorithm;
use tidewaiter_registry::{ServeOptions, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::{Server, connect, rest};

const SHORT: Duration = Duration::from_millis(200);
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame of type 4 for stream 0, without settings.
const HTTP2_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

#[tokio::test]
async fn connections_without_a_request_are_closed() {
    let server = Server::start().await;
    let options = ServeOptions { connections: 4, header_patience: SHORT, ..ServeOptions::default() };
    let address = server.serve_also(options).await;
    let mut silent = Vec::new();
    for bytes in [&b""[..], b"G", &HTTP2_PREFACE[..10], &[HTTP2_PREFACE, HTTP2_SETTINGS].concat()] {
        silent.push(connect(&address, bytes).await);
    }
    // All permits are taken, and come back.
    let mut waiting =
        connect(&address, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(rest(&mut waiting).await.starts_with("HTTP/1.1 200 OK"));
    for stream in &mut silent {
        rest(stream).await;
    }
}

#[tokio::test]
async fn bodies_that_do_not_come_end_with_408() {
    let server = Server::start().await;
    let address = server.serve_also(ServeOptions { stall_patience: SHORT, ..ServeOptions::default() }).await;
    let session = server.begin("app", "").await;
    for head in [
        "POST /oauth2/token".to_owned(),
        "POST /v2/app/blobs/uploads/?digest=sha256:0000000000000000000000000000000000000000000000000000000000000000"
            .to_owned(),
        "PUT /v2/app/manifests/v1".to_owned(),
        format!("PATCH {session}"),
    ] {
        for framing in ["Content-Length: 500\r\n\r\na=b", "Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n"] {
            let mut stream = connect(&address, format!("{head} HTTP/1.1\r\nHost: x\r\n{framing}").as_bytes()).await;
            let answer = rest(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head}: {answer}");
            assert!(answer.contains("Connection: close\r\n"), "{head}: {answer}");
            assert!(answer.contains(r#""code":"TIMEOUT""#), "{head}: {answer}");
        }
    }
    // What came of the two streams is kept, so that the client can go on.
    let status = server.get(&session).await;
    assert_eq!(crate::server::header(&status, "range"), "0-5");
}

#[tokio::test]
async fn answers_that_nobody_reads_are_given_up() {
    let server = Server::start().await;
    // More than the kernel takes on both sides.
    let digest = server.push_blob("app", Algorithm::Sha256, &vec![7; 48 << 20]).await;
    let options = ServeOptions { connections: 1, stall_patience: SHORT, ..ServeOptions::default() };
    let address = server.serve_also(options).await;
    let request = format!("GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n");
    let _never_reads = connect(&address, request.as_bytes()).await;
    let mut waiting =
        connect(&address, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(rest(&mut waiting).await.starts_with("HTTP/1.1 200 OK"));
}

/// The first bytes of a connection over HTTP/2 with this window for answers, and of a GET on it.
fn http2_get(path: &str, window: u8) -> Vec<u8> {
    // SETTINGS_INITIAL_WINDOW_SIZE is 4. Literal fields of HPACK without indexing: 0, name, value; `:method` GET,
    // `:scheme` http are entries 2 and 6 of its table.
    let settings = [&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0][..], &[window]].concat();
    let length = |text: &str| u8::try_from(text.len()).expect("short");
    let mut fields = vec![0x82, 0x86];
    for (name, value) in [(":path", path), (":authority", "x")] {
        fields.extend([&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat());
    }
    let headers =
        [&[0, 0, u8::try_from(fields.len()).expect("short"), 1, 5, 0, 0, 0, 1][..], &fields].concat();
    [HTTP2_PREFACE, &settings, &headers].concat()
}

#[tokio::test]
async fn answers_that_a_client_of_http2_does_not_take_are_given_up() {
    let server = Server::start().await;
    let small = server.push_blob("app", Algorithm::Sha256, &[7; 1000]).await;
    let large = server.push_blob("app", Algorithm::Sha256, &vec![7; 4 << 20]).await;
    let options = ServeOptions { header_patience: SHORT, stall_patience: SHORT, ..ServeOptions::default() };
    let address = server.serve_also(options).await;
    for digest in [small, large] {
        let mut stream = connect(&address, &http2_get(&format!("/v2/app/blobs/{digest}"), 10)).await;
        let answer = rest(&mut stream).await;
        assert!(answer.contains(&"\u{7}".repeat(10)), "what there is room for came: {answer:?}");
    }
}

#[tokio::test]
async fn answers_that_take_long_to_make_are_waited_for() {
    let router = Router::new().route(
        "/",
        get(|| async {
            tokio::time::sleep(SHORT * 5).await;
            "made"
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let options = ServeOptions { header_patience: SHORT, stall_patience: SHORT, ..ServeOptions::default() };
    tokio::spawn(async move { serve(listener, router, &options, std::future::pending()).await });
    let mut stream = connect(&address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(rest(&mut stream).await.ends_with("made"));
}

#[tokio::test]
async fn connections_are_kept_after_bodies_in_chunks() {
    let server = Server::start().await;
    let mut stream = connect(&server.address, b"").await;
    let mut answer = [0; 4096];
    for (path, status) in [("app/blobs/uploads/", "202 Accepted"), ("app/manifests/v1", "400 Bad Request")] {
        let method = if status.starts_with("202") { "POST" } else { "PUT" };
        let head = format!("{method} /v2/{path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(format!("{head}3\r\nabc\r\n0\r\n\r\n").as_bytes()).await.expect("sends");
        let size = stream.read(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..size]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(!answer.contains("Connection: close"), "{answer}");
    }
}
