//! Events are posted to receivers, in order, again after failures, and across restarts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::server::{Hands, Server, options};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tidewaiter_registry::{BlobStore, Options, Registry, Webhook, WebhookFormat};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// A receiver that hands on what it gets, and fails as often as it is told.
#[derive(Clone)]
struct Receiver {
    seen: mpsc::UnboundedSender<(HeaderMap, Value)>,
    failures: Arc<Mutex<u32>>,
}

impl Receiver {
    /// This post is one of those that it fails for.
    fn fails(&self) -> bool {
        let mut failures = self.failures.lock().expect("not poisoned");
        let fails = *failures > 0;
        *failures = failures.saturating_sub(1);
        fails
    }
}

async fn receive(State(receiver): State<Receiver>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let value: Value = serde_json::from_slice(&body).expect("JSON");
    if value[0]["eventType"] == "Microsoft.EventGrid.SubscriptionValidationEvent" {
        let code = value[0]["data"]["validationCode"].clone();
        receiver.seen.send((parts.headers, value)).expect("the test listens");
        let status = if receiver.fails() { StatusCode::ACCEPTED } else { StatusCode::OK };
        return (status, json!({ "validationResponse": code }).to_string()).into_response();
    }
    if receiver.fails() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    receiver.seen.send((parts.headers, value)).expect("the test listens");
    StatusCode::NO_CONTENT.into_response()
}

async fn receiver(failures: u32) -> (String, mpsc::UnboundedReceiver<(HeaderMap, Value)>) {
    let (seen, news) = mpsc::unbounded_channel();
    let receiver = Receiver { seen, failures: Arc::new(Mutex::new(failures)) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(receive).with_state(receiver);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, news)
}

fn webhook(url: &str, format: WebhookFormat, scope: &str) -> Webhook {
    Webhook {
        name: "hook".to_owned(),
        url: url.to_owned(),
        format,
        scope: scope.to_owned(),
        headers: vec![("Authorization".to_owned(), "Bearer secret".to_owned())],
        retry_after: Duration::from_millis(1),
    }
}

/// The upkeep of a registry: it runs until it is told to stop.
struct Upkeep {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Upkeep {
    async fn start(server: &Server) -> Self {
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(server.registry.upkeep(stopped).await.expect("the settings can work"));
        Self { task, stop }
    }

    async fn stop(self) {
        self.stop.send(()).expect("it listens");
        self.task.await.expect("it ends");
    }
}

async fn start(webhook: Webhook) -> (Server, Upkeep) {
    let server = Server::start_with(Options { webhooks: vec![webhook], ..options() }).await;
    let upkeep = Upkeep::start(&server).await;
    (server, upkeep)
}

async fn next(news: &mut mpsc::UnboundedReceiver<(HeaderMap, Value)>) -> (HeaderMap, Value) {
    let next = tokio::time::timeout(Duration::from_secs(30), news.recv());
    next.await.expect("a post comes").expect("the receiver lives")
}

#[tokio::test]
async fn pushes_and_deletes_are_posted_as_acr_does() {
    let (url, mut news) = receiver(0).await;
    let (server, _upkeep) = start(webhook(&url, WebhookFormat::Acr, "team/app")).await;
    server.push_image("other", "v1", b"layer").await;
    let digest = server.push_image("team/app", "v1", b"layer").await;
    let (headers, push) = next(&mut news).await;
    assert_eq!(headers["authorization"], "Bearer secret");
    assert_eq!(headers["content-type"], "application/json");
    let size = push["target"]["size"].clone();
    assert!(size.as_u64().expect("a size") > 100);
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    assert_eq!(
        push,
        json!({"id": push["id"], "timestamp": push["timestamp"], "action": "push",
            "target": {"mediaType": media_type, "size": size, "digest": digest, "length": size,
                "repository": "team/app", "tag": "v1"},
            "request": {"id": push["request"]["id"], "host": server.address, "method": "PUT", "useragent": ""}})
    );
    server.delete("/v2/team/app/manifests/v1").await;
    server.delete(&format!("/v2/team/app/manifests/{digest}")).await;
    let (_, delete) = next(&mut news).await;
    assert_eq!(delete["action"], "delete", "removing the tag alone is not posted");
    assert_eq!(
        delete["target"],
        json!({"mediaType": media_type, "digest": digest, "repository": "team/app"})
    );
    assert_ne!(delete["id"], push["id"]);
}

#[tokio::test]
async fn event_grid_gets_its_handshake_and_its_shape() {
    let (url, mut news) = receiver(0).await;
    let (server, _upkeep) = start(webhook(&url, WebhookFormat::EventGrid, "")).await;
    let digest = server.push_image("app", "v1", b"layer").await;
    let (headers, validation) = next(&mut news).await;
    assert_eq!(headers["aeg-event-type"], "SubscriptionValidation");
    assert!(validation[0]["data"]["validationCode"].is_string());
    let (headers, posted) = next(&mut news).await;
    assert_eq!(headers["aeg-event-type"], "Notification");
    assert_eq!(headers["aeg-subscription-name"], "HOOK");
    let event = &posted[0];
    assert_eq!(posted.as_array().expect("a list").len(), 1);
    assert_eq!(event["subject"], "app:v1");
    assert_eq!(event["eventType"], "Microsoft.ContainerRegistry.ImagePushed");
    assert_eq!((&event["dataVersion"], &event["metadataVersion"]), (&json!("2.0"), &json!("1")));
    assert_eq!(event["data"]["action"], "push");
    assert_eq!(event["data"]["target"]["digest"], digest.as_str());
    server.delete(&format!("/v2/app/manifests/{digest}")).await;
    let (_, posted) = next(&mut news).await;
    assert_eq!(posted[0]["subject"], "app");
    assert_eq!(posted[0]["eventType"], "Microsoft.ContainerRegistry.ImageDeleted");
    assert!(posted[0]["data"]["target"].get("tag").is_none());
}

#[tokio::test]
async fn event_grid_counts_its_handshake_with_200_only() {
    let (url, mut news) = receiver(1).await;
    let (server, _upkeep) = start(webhook(&url, WebhookFormat::EventGrid, "")).await;
    server.push_image("app", "v1", b"layer").await;
    for expected in ["SubscriptionValidation", "SubscriptionValidation", "Notification"] {
        assert_eq!(next(&mut news).await.0["aeg-event-type"], expected);
    }
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_when_the_process_ends() {
    let (url, mut news) = receiver(0).await;
    let hook = webhook(&url, WebhookFormat::Acr, "");
    let (server, first) = start(hook.clone()).await;
    server.push_image("app", "v1", b"layer").await;
    assert_eq!(next(&mut news).await.1["target"]["tag"], "v1");
    // Until the cursor has moved: the post was answered before that was written.
    let sql = "SELECT sequence FROM registry_cursors";
    while server.temp.db.fetch_one(sql, Vec::new()).await.expect("a row").i64(0).expect("a number") < 1 {
        tokio::task::yield_now().await;
    }
    first.stop().await;
    server.push_image("app", "v2", b"layer").await;
    server.push_image("app", "v3", b"layer").await;
    // It has given the cursor back, so the next one need not wait until it is known to be gone.
    let blobs = BlobStore::local(server.temp.directory.path()).await.expect("a store");
    let options = Options { webhooks: vec![hook], ..options() };
    let next_process = Registry::open(server.temp.db.clone(), blobs, options).await.expect("a registry");
    let next_process = server.beside(next_process).await;
    let _second = Upkeep::start(&next_process).await;
    assert_eq!(next(&mut news).await.1["target"]["tag"], "v2");
    assert_eq!(next(&mut news).await.1["target"]["tag"], "v3");
}

/// A process that was killed gives nothing back: so the next one has to wait a little.
#[tokio::test]
async fn events_of_a_killed_process_are_posted_within_seconds() {
    let (url, mut news) = receiver(0).await;
    let hands = Hands::new();
    let options = || Options {
        webhooks: vec![webhook(&url, WebhookFormat::Acr, "")],
        clock: hands.clock(),
        ..options()
    };
    let server = Server::start_with(options()).await;
    let killed = Upkeep::start(&server).await;
    server.push_image("app", "v1", b"layer").await;
    assert_eq!(next(&mut news).await.1["target"]["tag"], "v1");
    let sql = "SELECT sequence FROM registry_cursors";
    while server.temp.db.fetch_one(sql, Vec::new()).await.expect("a row").i64(0).expect("a number") < 1 {
        tokio::task::yield_now().await;
    }
    killed.task.abort();
    assert!(killed.task.await.expect_err("it has not ended by itself").is_cancelled());
    server.push_image("app", "v2", b"layer").await;
    hands.pass(Duration::from_secs(16));
    let blobs = BlobStore::local(server.temp.directory.path()).await.expect("a store");
    let registry = Registry::open(server.temp.db.clone(), blobs, options()).await.expect("a registry");
    let next_process = server.beside(registry).await;
    let _upkeep = Upkeep::start(&next_process).await;
    assert_eq!(next(&mut news).await.1["target"]["tag"], "v2");
}

/// Keeps the warnings of webhooks.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN && metadata.target().ends_with("::webhooks")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.0.lock().expect("not poisoned").push(format!("{event:?}"));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn failed_posts_are_tried_again_and_said_once() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let (url, mut news) = receiver(3).await;
    let (server, _upkeep) = start(webhook(&url, WebhookFormat::Acr, "")).await;
    server.push_image("app", "v1", b"layer").await;
    server.push_image("app", "v2", b"layer").await;
    assert_eq!(next(&mut news).await.1["target"]["tag"], "v1");
    assert_eq!(next(&mut news).await.1["target"]["tag"], "v2");
    let warnings = warnings.0.lock().expect("not poisoned");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("a webhook failed") && warnings[0].contains("500"), "{warnings:?}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    for (url, headers) in
        [("ftp://host/", vec![]), ("nonsense", vec![]), ("http://host/", vec![("a b", "c")])]
    {
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let webhook = Webhook { headers, ..webhook(url, WebhookFormat::Acr, "") };
        let server = Server::start().await;
        let blobs = BlobStore::local(server.temp.directory.path()).await.expect("a store");
        let options = Options { webhooks: vec![webhook], ..options() };
        let error = Registry::open(server.temp.db.clone(), blobs, options).await.expect_err("refused");
        assert!(error.to_string().starts_with("the webhook hook cannot be used"), "{error}");
    }
}
