//! Challenges, tokens, and where credentials must not go.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tidewaiter_oci::content::{Content, Fetch as _, Push as _, Resolve as _, fetch_all};
use tidewaiter_oci::credentials::{Credential, CredentialSource};
use tidewaiter_oci::remote::Settings;
use tidewaiter_oci::{Descriptor, Error, ErrorKind, Result, media_type};

use crate::server::{Reply, Seen, Server, impatient};

/// Gives everybody the same credential, and counts how often it is asked.
#[derive(Default)]
struct Everybody {
    credential: Credential,
    asked: AtomicUsize,
}

#[async_trait::async_trait]
impl CredentialSource for Everybody {
    async fn credential(&self, _host: &str) -> Result<Credential> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.credential.clone())
    }
}

fn with(credential: Credential) -> Settings {
    Settings { credentials: Arc::new(Everybody { credential, ..Everybody::default() }), ..impatient() }
}

const MANIFEST: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

fn manifest() -> Reply {
    Reply::new(200).header("content-type", media_type::OCI_INDEX).body(MANIFEST)
}

/// A registry that wants a token whose text is the scopes it was made for, from its own `/token`.
fn token_registry(seen: &Seen) -> Reply {
    let host = seen.header("host").expect("a host");
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    if path == "/token" {
        let query = if query.is_empty() {
            String::from_utf8_lossy(&seen.body).into_owned()
        } else {
            query.to_owned()
        };
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let scopes = pairs.iter().filter(|(name, _)| name == "scope").map(|(_, scope)| scope.as_str());
        return Reply::json(
            200,
            &json!({ "token": scopes.collect::<Vec<_>>().join("+"), "expires_in": 300 }),
        );
    }
    let action = if seen.method == http::Method::PUT { "pull,push" } else { "pull" };
    let allowed = seen.header("authorization").is_some_and(|header| {
        header.strip_prefix("Bearer repository:a:").is_some_and(|actions| actions.starts_with(action))
    });
    if !allowed {
        let challenge =
            format!(r#"Bearer realm="http://{host}/token",service="s",scope="repository:a:{action}""#);
        return Reply::new(401).header("www-authenticate", challenge);
    }
    if seen.method == http::Method::PUT { Reply::new(201) } else { manifest() }
}

#[tokio::test]
async fn tokens_are_fetched_when_asked_for_and_kept() {
    let server = Server::start(token_registry).await;
    let repository = server.repository(with(Credential::password("u", "p")));
    repository.fetch_reference("v1").await.expect("allowed");
    repository.fetch_reference("v2").await.expect("allowed");
    let descriptor = Descriptor::of(media_type::OCI_INDEX, MANIFEST.as_bytes());
    repository.push(&descriptor, Content::Bytes(MANIFEST.into())).await.expect("allowed");
    // Good for pulling as well.
    repository.fetch_reference("v3").await.expect("allowed");
    let digest = descriptor.digest;
    assert_eq!(
        server.lines(),
        [
            "GET /v2/a/manifests/v1",
            "GET /token?service=s&scope=repository%3Aa%3Apull",
            "GET /v2/a/manifests/v1",
            "GET /v2/a/manifests/v2",
            "GET /token?service=s&scope=repository%3Aa%3Apull%2Cpush",
            &format!("PUT /v2/a/manifests/{digest}"),
            "GET /v2/a/manifests/v3",
        ]
    );
    let tokens = server.seen();
    let basic = tokens.iter().filter(|seen| seen.target.starts_with("/token"));
    assert!(basic.map(|seen| seen.header("authorization")).all(|header| header == Some("Basic dTpw")));
}

#[tokio::test]
async fn what_will_be_written_to_needs_one_token() {
    let server = Server::start(token_registry).await;
    let repository = server.repository(with(Credential::password("u", "p"))).for_writing();
    repository.fetch_reference("v1").await.expect("allowed");
    let descriptor = Descriptor::of(media_type::OCI_INDEX, MANIFEST.as_bytes());
    repository.push(&descriptor, Content::Bytes(MANIFEST.into())).await.expect("allowed");
    let tokens = server.lines().into_iter().filter(|line| line.starts_with("GET /token")).collect::<Vec<_>>();
    assert_eq!(tokens, ["GET /token?service=s&scope=repository%3Aa%3Apull%2Cpush"]);
}

#[tokio::test]
async fn many_requests_at_once_fetch_one_token() {
    let server = Server::start(token_registry).await;
    let repository = server.repository(with(Credential::default()));
    let all = (0..20).map(|_| repository.fetch_reference("v1"));
    futures_util::future::try_join_all(all).await.expect("allowed");
    let tokens = server.lines().iter().filter(|line| line.starts_with("GET /token")).count();
    assert_eq!(tokens, 1);
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| !seen.header("authorization").is_some_and(|h| h.starts_with("Basic")))
    );
}

#[tokio::test]
async fn identity_tokens_are_exchanged_by_oauth2() {
    let server = Server::start(token_registry).await;
    let repository = server.repository(with(Credential::identity_token("refresh me")));
    repository.fetch_reference("v1").await.expect("allowed");
    let exchange = server.seen().into_iter().find(|seen| seen.target == "/token").expect("an exchange");
    assert_eq!(exchange.method, http::Method::POST);
    let form: HashMap<_, _> = url::form_urlencoded::parse(&exchange.body).into_owned().collect();
    let expected = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "refresh me"),
        ("service", "s"),
        ("client_id", "tidewaiter"),
        ("scope", "repository:a:pull"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form, expected.into());
}

#[tokio::test]
async fn registry_tokens_are_sent_as_they_are() {
    let server = Server::start(token_registry).await;
    let credential = Credential { registry_token: "repository:a:pull".to_owned(), ..Credential::default() };
    server.repository(with(credential)).fetch_reference("v1").await.expect("allowed");
    assert_eq!(server.lines(), ["GET /v2/a/manifests/v1"; 2]);
}

#[tokio::test]
async fn tokens_that_ran_out_are_fetched_anew_before_they_are_refused() {
    let server = Server::start(|seen| match token_registry(seen) {
        _ if seen.target.starts_with("/token") => {
            Reply::json(200, &json!({ "access_token": "repository:a:pull", "expires_in": 0 }))
        }
        reply => reply,
    })
    .await;
    let repository = server.repository(with(Credential::default()));
    for _ in 0..3 {
        repository.fetch_reference("v1").await.expect("allowed");
    }
    let lines = server.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("GET /token")).count(), 3);
    assert_eq!(lines.len(), 3 + 3 + 1);
}

#[tokio::test]
async fn a_token_that_is_refused_is_an_error_and_no_loop() {
    let server = Server::start(|seen| {
        if seen.target.starts_with("/token") {
            return Reply::json(200, &json!({ "token": "useless" }));
        }
        let host = seen.header("host").expect("a host");
        Reply::json(
            401,
            &json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "authentication required" }] }),
        )
        .header("www-authenticate", format!(r#"Bearer realm="http://{host}/token""#))
    })
    .await;
    let error = server.repository(with(Credential::default())).resolve("v1").await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Access);
    assert_eq!(server.lines().len(), 3);
    // HEAD answers have no body; the error of a GET is the registry's own.
    let error = server.repository(impatient()).fetch_reference("v1").await.expect_err("refused");
    assert_eq!(error.to_string(), "unauthorized: authentication required");
}

#[tokio::test]
async fn token_servers_may_not_answer_without_end() {
    let server = Server::start(|seen| {
        if seen.target.starts_with("/token") {
            return Reply::json(200, &json!({ "token": "x".repeat(200_000) }));
        }
        let host = seen.header("host").expect("a host");
        Reply::new(401).header("www-authenticate", format!(r#"Bearer realm="http://{host}/token""#))
    })
    .await;
    let error = server.repository(with(Credential::default())).resolve("v1").await.expect_err("too large");
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn credentials_and_headers_of_ours_stay_with_the_registry() {
    let elsewhere = Server::start(|_| Reply::new(200).body("hello")).await;
    let storage = elsewhere.address;
    let server = Server::start(move |seen| match seen.header("authorization") {
        None => Reply::new(401).header("www-authenticate", "Basic realm=x"),
        Some(_) if seen.target.starts_with("/v2/") => Reply::new(307).header("location", "/moved"),
        Some(_) => Reply::new(302).header("location", format!("http://{storage}/blob?sig=secret")),
    })
    .await;
    let mut headers = HeaderMap::new();
    headers.insert("x-own", HeaderValue::from_static("secret"));
    let settings = Settings { headers, ..with(Credential::password("u", "p")) };
    let blob = Descriptor::of("text/plain", b"hello");
    let read = fetch_all(&server.repository(settings), &blob, 10).await.expect("redirected");
    assert_eq!(read, "hello");

    let own = server.seen();
    assert_eq!(own.len(), 3);
    assert!(own.iter().all(|seen| seen.header("x-own") == Some("secret")));
    assert_eq!(own[2].header("authorization"), Some("Basic dTpw"), "the same origin is the registry");
    let foreign = elsewhere.seen();
    assert_eq!(foreign.len(), 1);
    assert!(foreign[0].header("authorization").is_none() && foreign[0].header("x-own").is_none());
}

#[tokio::test]
async fn who_is_redirected_to_gets_no_answer_to_a_challenge() {
    for challenge in ["Basic realm=x", r#"Bearer realm="http://HOST/token",service="s""#] {
        let elsewhere = Server::start(move |seen| {
            let challenge = challenge.replace("HOST", seen.header("host").expect("a host"));
            Reply::new(401).header("www-authenticate", challenge)
        })
        .await;
        let thief = elsewhere.address;
        let server = Server::start(move |seen| match seen.header("authorization") {
            None => Reply::new(401).header("www-authenticate", "Basic realm=x"),
            Some(_) => Reply::new(307).header("location", format!("http://{thief}/blob")),
        })
        .await;
        let blob = Descriptor::of("text/plain", b"hello");
        let repository = server.repository(with(Credential::password("u", "p")));
        let error = fetch_all(&repository, &blob, 10).await.expect_err("refused");
        assert!(error.to_string().contains(&format!("redirects to {thief}, which asks for cred")), "{error}");
        let foreign = elsewhere.seen();
        assert_eq!(foreign.len(), 1, "{:?}", foreign.iter().map(Seen::line).collect::<Vec<_>>());
        assert!(foreign[0].header("authorization").is_none());
    }
}

#[tokio::test]
async fn secrets_of_a_token_request_do_not_follow_a_redirect() {
    let elsewhere = Server::start(|_| Reply::json(200, &json!({ "token": "x" }))).await;
    let thief = elsewhere.address;
    let server = Server::start(move |seen| {
        if seen.target == "/token" {
            return Reply::new(307).header("location", format!("http://{thief}/token"));
        }
        let host = seen.header("host").expect("a host");
        Reply::new(401).header("www-authenticate", format!(r#"Bearer realm="http://{host}/token""#))
    })
    .await;
    let repository = server.repository(with(Credential::identity_token("secret")));
    let error = repository.resolve("v1").await.expect_err("refused");
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn uploads_do_not_leave_the_registry() {
    let elsewhere = Server::start(|_| Reply::new(201)).await;
    let thief = elsewhere.address;
    let server =
        Server::start(move |_| Reply::new(202).header("location", format!("http://{thief}/upload"))).await;
    let blob = Descriptor::of("text/plain", b"hello");
    let repository = server.repository(with(Credential::default()));
    let error = repository.push(&blob, Content::Bytes("hello".into())).await.expect_err("refused");
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn credentials_are_looked_up_once_per_registry() {
    let server = Server::start(|seen| match seen.header("authorization") {
        None => Reply::new(401).header("www-authenticate", "Basic realm=x"),
        Some(_) => Reply::new(404),
    })
    .await;
    let source = Arc::new(Everybody { credential: Credential::password("u", "p"), ..Everybody::default() });
    let repository = server.repository(Settings { credentials: source.clone(), ..impatient() });
    let blob = Descriptor::of("text/plain", b"hello");
    for _ in 0..3 {
        assert!(!repository.exists(&blob).await.expect("an answer"));
    }
    assert_eq!(source.asked.load(Ordering::Relaxed), 1);
    assert_eq!(server.seen().len(), 4);
}
