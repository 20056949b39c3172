//! Retries, errors, warnings, what an observer is shown, and answers that are too large or wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tidewaiter_oci::content::{Resolve as _, Tag as _};
use tidewaiter_oci::remote::{Excerpt, Observer, RequestEvent, ResponseEvent, RetrySettings, Settings, Wait};
use tidewaiter_oci::{Descriptor, Error, ErrorKind, media_type};

use crate::server::{Reply, Server, client, impatient};

const MANIFEST: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

fn manifest() -> Reply {
    Reply::new(200).header("content-type", media_type::OCI_INDEX).body(MANIFEST)
}

/// Writes down what it is told.
#[derive(Default)]
struct Notes {
    requests: Mutex<Vec<RequestEvent>>,
    responses: Mutex<Vec<ResponseEvent>>,
    warnings: Mutex<Vec<String>>,
    waits: Mutex<Vec<Wait>>,
    paused: AtomicBool,
}

impl Observer for Notes {
    fn wants_wire(&self) -> bool {
        true
    }

    fn request(&self, event: &RequestEvent) {
        if self.paused.swap(false, Ordering::Relaxed) {
            tokio::time::resume();
        }
        self.requests.lock().expect("unbroken").push(event.clone());
    }

    fn response(&self, event: &ResponseEvent) {
        self.responses.lock().expect("unbroken").push(event.clone());
    }

    fn warning(&self, host: &str, text: &str) {
        self.warnings.lock().expect("unbroken").push(format!("{host}: {text}"));
    }

    fn waiting(&self, wait: &Wait) {
        self.waits.lock().expect("unbroken").push(wait.clone());
        // Time jumps to the end of the wait, and only there: connections are real and need theirs.
        tokio::time::pause();
        self.paused.store(true, Ordering::Relaxed);
    }
}

/// Answers the replies in order, then manifests.
async fn in_order(replies: Vec<Reply>) -> Server {
    let replies = Mutex::new(replies.into_iter());
    Server::start(move |_| replies.lock().expect("unbroken").next().unwrap_or_else(manifest)).await
}

#[tokio::test]
async fn what_a_busy_registry_asks_for_is_waited_whole() {
    let server = in_order(vec![
        Reply::json(429, &json!({ "errors": [{ "code": "TOOMANYREQUESTS" }] })).header("retry-after", "40"),
    ])
    .await;
    let notes = Arc::new(Notes::default());
    let repository = server.repository(Settings { observer: notes.clone(), ..Settings::default() });
    let begun = tokio::time::Instant::now();
    repository.fetch_reference("v1").await.expect("there in the end");
    assert!(begun.elapsed() >= Duration::from_secs(40));
    let waits = notes.waits.lock().expect("unbroken");
    assert_eq!(waits.len(), 1);
    assert_eq!((waits[0].delay, waits[0].retry), (Duration::from_secs(40), 1));
    assert_eq!(waits[0].host, server.address.to_string());
}

#[tokio::test]
async fn what_is_over_the_budget_is_not_waited_at_all() {
    let server = in_order(vec![Reply::new(429).header("retry-after", "4000")]).await;
    let error = server.repository(impatient()).fetch_reference("v1").await.expect_err("too long");
    assert!(matches!(error, Error::Response { status: 429, retry_after: Some(4000), .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Temporary);
    let expected =
        "the registry wants us to wait 1h 6m 40s, which is longer than the 5m that we wait at most";
    assert!(error.to_string().ends_with(expected), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn who_never_answers_is_tried_once_more_and_may_want_tls() {
    let server = Server::start(|_| Reply::hang_up()).await;
    let error = server.repository(impatient()).resolve("v1").await.expect_err("never answers");
    assert!(error.to_string().contains("it may speak HTTPS"), "{error}");
    assert_eq!(server.seen().len(), 2);

    // Who answered before is trusted to do so again.
    let server = in_order([vec![manifest()], vec![Reply::hang_up(); 3]].concat()).await;
    let repository = server.repository(impatient());
    for _ in 0..2 {
        repository.fetch_reference("v1").await.expect("there in the end");
    }
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn broken_servers_and_connections_are_tried_again() {
    let server = in_order(vec![Reply::new(503), Reply::hang_up(), Reply::new(500), Reply::new(408)]).await;
    server.repository(impatient()).fetch_reference("v1").await.expect("there in the end");
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn half_a_manifest_is_none() {
    let server = in_order(vec![manifest().cut_after(20), manifest().cut_after(0)]).await;
    let notes = Arc::new(Notes::default());
    // An observer reads ahead, and must not swallow that the answer broke off.
    let settings = Settings { observer: notes.clone(), ..impatient() };
    let read = server.repository(settings).fetch_reference("v1").await.expect("whole in the end");
    assert_eq!(read.bytes, MANIFEST);
    assert_eq!(server.seen().len(), 3);
    assert_eq!(notes.waits.lock().expect("unbroken").len(), 2);
}

#[tokio::test]
async fn some_time_it_is_enough() {
    let server = Server::start(|_| Reply::new(502)).await;
    let error = server.repository(impatient()).resolve("v1").await.expect_err("never");
    assert!(matches!(error, Error::Response { status: 502, .. }), "{error}");
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let gone = Server::start(|_| manifest()).await;
    let address = gone.address;
    drop(gone);
    // The listener closes when its task has noticed.
    while std::net::TcpListener::bind(address).is_err() {
        tokio::task::yield_now().await;
    }
    let notes = Arc::new(Notes::default());
    let registry = client(Settings { observer: notes.clone(), ..Settings::default() })
        .registry(&address.to_string())
        .expect("valid");
    let error = registry.ping().await.expect_err("nobody");
    let expected = format!("GET \"http://{address}/v2/\": Connection refused (os error 111)");
    assert_eq!(error.to_string(), expected);
    assert!(notes.waits.lock().expect("unbroken").is_empty());
}

#[tokio::test]
async fn errors_say_what_the_registry_says() {
    let server = Server::start(|_| {
        let errors = json!({ "errors": [
            { "code": "NAME_UNKNOWN", "message": "no such repository", "detail": { "name": "a" } },
            { "code": "DENIED" },
        ] });
        Reply::json(403, &errors)
    })
    .await;
    let error = server.repository(impatient()).tags(None).await.expect_err("refused");
    assert_eq!(error.to_string(), "name unknown: no such repository: map[name:a]; denied");
    let server = Server::start(|_| Reply::new(418).body("I am a teapot")).await;
    let error = server.repository(impatient()).tags(None).await.expect_err("refused");
    let expected = format!(
        "GET \"http://{}/v2/a/tags/list?n=1000\": response status code 418: I'm a teapot",
        server.address
    );
    assert_eq!(error.to_string(), expected);
    let server = Server::start(|_| Reply::new(404)).await;
    let error = server.repository(impatient()).resolve("v1").await.expect_err("not there");
    assert_eq!(error.to_string(), format!("{}/a:v1: not found", server.address));
}

#[tokio::test]
async fn manifests_are_bounded_and_compared() {
    let large = Bytes::from(vec![b' '; 5 << 20]);
    let server = Server::start(move |seen| match seen.target.as_str() {
        "/v2/a/manifests/large" => manifest().body(large.clone()),
        "/v2/a/manifests/other" => {
            manifest().header("docker-content-digest", format!("sha256:{}", "0".repeat(64)))
        }
        _ => manifest(),
    })
    .await;
    let repository = server.repository(impatient());
    let error = repository.fetch_reference("large").await.expect_err("too large");
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    let error = repository.fetch_reference("other").await.expect_err("other bytes");
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    let asked = format!("sha256:{}", "1".repeat(64));
    let error = repository.fetch_reference(&asked).await.expect_err("other bytes");
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    let expected = Descriptor::of(media_type::OCI_INDEX, MANIFEST.as_bytes());
    // Without the headers that HEAD should have, the manifest itself is read.
    assert_eq!(repository.resolve("v1").await.expect("there"), expected);
}

#[tokio::test]
async fn tags_that_would_be_other_paths_are_not_sent() {
    let server = Server::start(|_| manifest()).await;
    let repository = server.repository(impatient());
    for reference in ["../../b/manifests/v1", "v1?x=y", "", "sha256:abc", "a b"] {
        assert_eq!(repository.resolve(reference).await.expect_err("no tag").kind(), ErrorKind::User);
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn redirects_end_some_time() {
    let server = Server::start(|seen| Reply::new(307).header("location", format!("{}x", seen.target))).await;
    let error = server.repository(impatient()).resolve("v1").await.expect_err("for ever");
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert_eq!(server.seen().len(), 11);
}

#[tokio::test]
async fn warnings_are_passed_on_once() {
    let server = Server::start(|seen| {
        let reply = manifest().header("warning", r#"299 - "this goes away""#);
        if seen.target.ends_with("v2") { reply.header("warning", r#"299 - "soon""#) } else { reply }
    })
    .await;
    let notes = Arc::new(Notes::default());
    let repository = server.repository(Settings { observer: notes.clone(), ..impatient() });
    for tag in ["v1", "v1", "v2", "v2"] {
        repository.fetch_reference(tag).await.expect("there");
    }
    let host = server.address;
    let expected = [format!("{host}: this goes away"), format!("{host}: soon")];
    assert_eq!(*notes.warnings.lock().expect("unbroken"), expected);
}

#[tokio::test]
async fn an_observer_is_shown_everything_but_secrets() {
    let server = Server::start(|seen| {
        let host = seen.header("host").expect("a host");
        match (seen.target.starts_with("/token"), seen.header("authorization")) {
            (true, _) => Reply::json(200, &json!({ "token": "secret" })),
            (false, None) => {
                Reply::new(401).header("www-authenticate", format!(r#"Bearer realm="http://{host}/token""#))
            }
            (false, Some(_)) => manifest(),
        }
    })
    .await;
    let notes = Arc::new(Notes::default());
    let mut headers = http::HeaderMap::new();
    headers.insert("x-own-token", http::HeaderValue::from_static("secret"));
    headers.insert("x-open", http::HeaderValue::from_static("open"));
    let repository = server.repository(Settings { observer: notes.clone(), headers, ..impatient() });
    let read = repository.fetch_reference("v1").await.expect("there");
    assert_eq!(read.bytes, MANIFEST, "what an observer saw is still read");

    let requests = notes.requests.lock().expect("unbroken");
    let responses = notes.responses.lock().expect("unbroken");
    assert_eq!(requests.iter().map(|event| event.number).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(!format!("{requests:?} {responses:?}").contains("secret"));
    let masked = |name: &str| (name.to_owned(), "*****".to_owned());
    assert!(requests[2].headers.contains(&masked("Authorization")));
    assert!(requests[2].headers.contains(&masked("X-Own-Token")));
    assert!(requests[2].headers.contains(&("X-Open".to_owned(), "open".to_owned())), "as ORAS shows it");
    let bodies: Vec<&Excerpt> = responses.iter().map(|event| &event.body).collect();
    let text = |text: &str| Excerpt::Text { text: text.to_owned(), cut: false };
    assert_eq!(bodies, [&Excerpt::Empty, &text(r#"{"token":"*****"}"#), &text(MANIFEST)]);
}

#[tokio::test]
async fn a_registry_that_never_answers_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
    let address = listener.local_addr().expect("an address");
    let silent = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    let retry = RetrySettings { retries: 0, ..RetrySettings::default() };
    let settings = Settings { answer_timeout: Duration::from_millis(20), retry, ..Settings::default() };
    let error = client(settings).registry(&address.to_string()).expect("valid").ping().await;
    assert_eq!(error.expect_err("silence").kind(), ErrorKind::Temporary);
    silent.abort();
}
