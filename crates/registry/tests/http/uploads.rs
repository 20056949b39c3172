//! Upload sessions: how long they live, what they hold, and what requests on one of them do to each other.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use tidewaiter_oci::Digest;
use tidewaiter_registry::Options;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::{Hands, Server, connect, header, options, rest};

/// Begins a request with a body and waits until the server wants it: so the request is under way.
async fn under_way(server: &Server, method: &str, path: &str, framing: &str) -> TcpStream {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
    );
    let mut stream = connect(&server.address, head.as_bytes()).await;
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.expect("an interim answer");
    assert!(interim.starts_with(b"HTTP/1.1 100 Continue"));
    stream
}

/// Lets the server look for idle uploads.
async fn sweep(server: &Server) {
    // The upkeep's first look comes at once.
    let upkeep = server.registry.upkeep(std::future::pending()).await.expect("nothing to complain of");
    assert!(tokio::time::timeout(Duration::from_millis(200), upkeep).await.is_err(), "it goes on");
}

#[tokio::test]
async fn an_upload_may_take_as_long_as_it_moves() {
    let hands = Hands::new();
    let server = Server::start_with(Options { clock: hands.clock(), ..options() }).await;
    let session = server.begin("app", "").await;
    let mut patch = under_way(&server, "PATCH", &session, "Content-Length: 4").await;
    hands.pass(Duration::from_secs(2 * 3600));
    sweep(&server).await;
    patch.write_all(b"half").await.expect("sends");
    let answer = rest(&mut patch).await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted"), "{answer}");
    // Idle is counted from there.
    hands.pass(Duration::from_secs(3000));
    sweep(&server).await;
    let digest = Digest::sha256(b"half and half");
    let mut put = under_way(&server, "PUT", &format!("{session}?digest={digest}"), "Content-Length: 9").await;
    hands.pass(Duration::from_secs(2 * 3600));
    sweep(&server).await;
    put.write_all(b" and half").await.expect("sends");
    let answer = rest(&mut put).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
}

#[tokio::test]
async fn idle_sessions_hold_no_open_files() {
    let server = Server::start().await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        let session = server.begin("app", "").await;
        let patch = server.request(Method::PATCH, &session).body("half").send().await.expect("sent");
        assert_eq!(patch.status(), StatusCode::ACCEPTED);
        sessions.push(session);
    }
    let uploads = server.temp.directory.path().join("uploads");
    let open = std::fs::read_dir("/proc/self/fd").expect("reads");
    let open = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let open: Vec<_> = open.filter(|path| path.starts_with(&uploads) && path.extension().is_none()).collect();
    assert_eq!(open, Vec::<std::path::PathBuf>::new());
    for session in sessions {
        assert_eq!(header(&server.get(&session).await, "range"), "0-3");
    }
}

#[tokio::test]
async fn what_comes_after_an_upload_was_cancelled_is_refused() {
    let server = Server::start().await;
    for (method, query) in [("PATCH", String::new()), ("PUT", format!("?digest={}", Digest::sha256(b"half")))]
    {
        for (before, after) in [("ha", "lf"), ("half", "")] {
            let session = server.begin("app", "").await;
            let path = format!("{session}{query}");
            let mut request = under_way(&server, method, &path, "Transfer-Encoding: chunked").await;
            let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
            request.write_all(chunk(before).as_bytes()).await.expect("sends");
            assert_eq!(server.delete(&session).await.status(), StatusCode::NO_CONTENT);
            let end = if after.is_empty() { "0\r\n\r\n".to_owned() } else { chunk(after) + "0\r\n\r\n" };
            request.write_all(end.as_bytes()).await.expect("sends");
            let answer = rest(&mut request).await;
            assert!(answer.starts_with("HTTP/1.1 404 Not Found"), "{method}: {answer}");
            assert!(answer.contains("BLOB_UPLOAD_UNKNOWN"), "{method}: {answer}");
        }
    }
}

#[tokio::test]
async fn chunks_are_as_long_as_their_ranges_say() {
    let server = Server::start().await;
    let session = server.begin("app", "").await;
    let patch = server.request(Method::PATCH, &session).body("0123456789").send().await.expect("sent");
    assert_eq!(header(&patch, "range"), "0-9");
    for range in ["10-109", "10-18", "10-10", "10-18446744073709551615"] {
        for framing in [
            "Content-Length: 10\r\n\r\nabcdefghij",
            "Transfer-Encoding: chunked\r\n\r\na\r\nabcdefghij\r\n0\r\n\r\n",
        ] {
            let head =
                format!("PATCH {session} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Range: {range}");
            let mut stream = connect(&server.address, format!("{head}\r\n{framing}").as_bytes()).await;
            let answer = rest(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{range}: {answer}");
            assert!(answer.contains("SIZE_INVALID"), "{range}: {answer}");
            assert_eq!(header(&server.get(&session).await, "range"), "0-9", "{range}");
        }
    }
    let digest = Digest::sha256(b"0123456789abcdefghij");
    let put = server.request(Method::PUT, &format!("{session}?digest={digest}"));
    let put = put.header("Content-Range", "10-19").body("abcdefghij").send().await.expect("sent");
    assert_eq!(put.status(), StatusCode::CREATED);
    let blob = server.get(&format!("/v2/app/blobs/{digest}")).await;
    assert_eq!(blob.text().await.expect("text"), "0123456789abcdefghij");
}
