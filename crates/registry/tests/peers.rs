//! The registry and programs that others wrote: PostgreSQL under it, skopeo in front of it.

#[path = "http/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Value, json};
use server::{Server, options};
use tidewaiter_db::Db;
use tidewaiter_db::testing::{PostgresServer, TempDb, check_statements};
use tidewaiter_oci::{Digest, media_type};
use tidewaiter_registry::access::Slot;
use tidewaiter_registry::{Anonymous, Challenge, CollectOptions, Options, STATEMENTS};

#[tokio::test]
async fn every_statement_is_valid_on_both_engines() {
    let server = PostgresServer::start();
    let postgres = Db::open(&server.database(), &tidewaiter_db::Options::default()).await.expect("opens");
    for statements in STATEMENTS {
        check_statements(&TempDb::new().await.db, statements).await;
        check_statements(&postgres, statements).await;
    }
}

/// Two processes over one PostgreSQL database and one blob store, with 64 clients of theirs that attach to one subject,
/// move one tag, and delete what they attached first, while garbage is collected.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_postgresql_lose_nothing() {
    const CLIENTS: usize = 64;
    let postgres = PostgresServer::start();
    let location = postgres.database();
    let directory = tempfile::tempdir().expect("a directory");
    let start = async || {
        let db = Db::open(&location, &tidewaiter_db::Options::default()).await.expect("opens");
        Arc::new(Server::start_on(db, directory.path(), options()).await)
    };
    let servers = [start().await, start().await];
    let subject = servers[0].push_image("app", "v1", b"layer").await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (server, subject) = (Arc::clone(&servers[number % 2]), subject.clone());
            tokio::spawn(async move {
                let mut attached = Vec::new();
                for round in ["first", "second"] {
                    let note = format!("{number} {round}");
                    attached.push(server.attach("app", &subject, "application/vnd.example", &note).await);
                }
                let deleted = server.delete(&format!("/v2/app/manifests/{}", attached[0])).await;
                assert_eq!(deleted.status(), StatusCode::ACCEPTED);
                server.push_image("app", "moving", format!("layer {number}").as_bytes()).await;
                attached.remove(1).to_string()
            })
        })
        .collect();
    let collected = servers[1].registry.collect(CollectOptions::default()).await.expect("collects");
    assert_eq!(collected.blobs, 0, "everything is within its grace");
    let mut expected = BTreeSet::new();
    for client in clients {
        expected.insert(client.await.expect("no client complains"));
    }
    for server in &servers {
        let index: Value =
            server.get(&format!("/v2/app/referrers/{subject}")).await.json().await.expect("an index");
        let listed = index["manifests"].as_array().expect("a list").iter();
        let listed: BTreeSet<_> =
            listed.map(|found| found["digest"].as_str().expect("a digest").to_owned()).collect();
        assert_eq!(listed, expected);
    }
    // A reader that follows the outbox sees the tag move as it moved: the last push is what it names now.
    let events = servers[0].registry.events_after(0, 1000).await.expect("events");
    assert_eq!(events.len(), 1 + 4 * CLIENTS);
    let last = events.iter().rfind(|event| event.tag.as_deref() == Some("moving")).expect("pushed");
    let now = servers[1].head("/v2/app/manifests/moving").await;
    assert_eq!(now.headers()["docker-content-digest"], last.digest.as_str());
}

/// Runs skopeo without a policy; what it printed.
async fn skopeo(arguments: &[&str]) -> String {
    try_skopeo(arguments).await.unwrap_or_else(|error| panic!("skopeo {arguments:?}: {error}"))
}

/// Runs skopeo without a policy; what it printed, or what it complained of.
async fn try_skopeo(arguments: &[&str]) -> Result<String, String> {
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let run = move || {
        let output = Command::new("skopeo")
            .arg("--insecure-policy")
            .args(&arguments)
            .output()
            .expect("skopeo is not installed: these tests need Debian's package `skopeo`");
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).expect("UTF-8"))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    };
    tokio::task::spawn_blocking(run).await.expect("it runs")
}

/// Writes an image of two layers as an OCI layout, tagged `v1`; the digest of its manifest.
fn write_layout(directory: &Path) -> Digest {
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("creates");
    let put = |media_type: &str, content: &[u8]| -> Value {
        let digest = Digest::sha256(content);
        std::fs::write(blobs.join(digest.hex()), content).expect("writes");
        json!({"mediaType": media_type, "digest": digest, "size": content.len()})
    };
    let layers: Vec<Vec<u8>> = (1..=2_u8).map(|number| vec![number; 300_000 * usize::from(number)]).collect();
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::sha256(layer)).collect();
    let config = json!({"architecture": "arm64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = put(media_type::OCI_CONFIG, config.to_string().as_bytes());
    let layers: Vec<_> = layers.iter().map(|layer| put(media_type::OCI_LAYER, layer)).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config,
        "layers": layers})
    .to_string();
    let mut entry = put(media_type::OCI_MANIFEST, manifest.as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "v1"});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    std::fs::write(directory.join("index.json"), index.to_string()).expect("writes");
    std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("writes");
    Digest::sha256(manifest.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_pushes_inspects_copies_and_deletes() {
    let server = Server::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let layout = directory.path().join("layout");
    let digest = write_layout(&layout);
    let source = format!("oci:{}:v1", layout.display());
    let image = |name: &str| format!("docker://{}/{name}", server.address);

    skopeo(&["copy", "--preserve-digests", "--dest-tls-verify=false", &source, &image("team/app:v1")]).await;
    let inspected: Value =
        serde_json::from_str(&skopeo(&["inspect", "--tls-verify=false", &image("team/app:v1")]).await)
            .expect("JSON");
    assert_eq!(inspected["Digest"], digest.as_str());
    assert_eq!(inspected["Architecture"], "arm64");
    assert_eq!(inspected["RepoTags"], json!(["v1"]));

    let copy = ["copy", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(&[&copy[..], &[&image("team/app:v1"), &image("staging/app:v2")]].concat()).await;
    let back = directory.path().join("back");
    let target = format!("oci:{}:v1", back.display());
    skopeo(&["copy", "--preserve-digests", "--src-tls-verify=false", &image("staging/app:v2"), &target])
        .await;
    let same = std::fs::read(back.join("blobs/sha256").join(digest.hex())).expect("the manifest came back");
    assert_eq!(Digest::sha256(&same), digest);
    let tags: Value =
        serde_json::from_str(&skopeo(&["list-tags", "--tls-verify=false", &image("staging/app")]).await)
            .expect("JSON");
    assert_eq!(tags["Tags"], json!(["v2"]));

    skopeo(&["delete", "--tls-verify=false", &image("team/app:v1")]).await;
    let left: Value = server.get("/v2/team/app/tags/list").await.json().await.expect("JSON");
    assert_eq!(left["tags"], json!([]));
    assert_eq!(server.get("/v2/staging/app/manifests/v2").await.status(), 200);

    let events = server.registry.events_after(0, 100).await.expect("events");
    let seen: Vec<_> = events
        .iter()
        .map(|event| (event.action.as_str(), event.repository.as_str(), event.tag.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [("push", "team/app", Some("v1")), ("push", "staging/app", Some("v2")), ("delete", "team/app", None)]
    );
    assert!(events[0].origin.as_ref().expect("an origin").user_agent.starts_with("skopeo/"));
}

/// Writes a password file as operators do.
fn htpasswd(file: &Path, user: &str, password: &str) {
    let output = Command::new("htpasswd")
        .args(["-cbB"])
        .arg(file)
        .args([user, password])
        .output()
        .expect("htpasswd is not installed: these tests need Debian's package `apache2-utils`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A user of a password file pushes, a token pulls and may not push, and without credentials there is nothing.
async fn skopeo_logs_in(challenge: Challenge) {
    let directory = tempfile::tempdir().expect("a directory");
    let in_directory = |name: &str| directory.path().join(name).display().to_string();
    let users = directory.path().join("users");
    htpasswd(&users, "alice", "correct horse: battery");
    let htpasswd = Some(users);
    let options = Options { anonymous: Anonymous::Nothing, htpasswd, challenge, ..options() };
    let server = Server::start_with(options).await;
    let digest = write_layout(Path::new(&in_directory("layout")));
    let source = format!("oci:{}:v1", in_directory("layout"));
    let image = format!("docker://{}/team/app:v1", server.address);
    let file = |user: &str| format!("--authfile={}", in_directory(user));
    let tokens = server.registry.tokens();
    tokens.create("reader", "_repositories_pull_metadata_read").await.expect("creates");
    let password = tokens.generate_password("reader", Slot::Password2, None).await.expect("generates");

    for (user, password) in [("alice", "correct horse: battery"), ("reader", password.as_str())] {
        let login = ["login", "--tls-verify=false", &file(user), "-u", user, "-p", password, &server.address];
        assert!(skopeo(&login).await.contains("Login Succeeded"));
        let wrong = ["login", "--tls-verify=false", &file(user), "-u", user, "-p", "wrong", &server.address];
        let error = try_skopeo(&wrong).await.expect_err("a wrong password");
        assert!(error.contains("invalid username/password") || error.contains("unauthorized"), "{error}");
    }
    let push = |user: &str| {
        let push = ["copy", "--preserve-digests", "--dest-tls-verify=false", &file(user), &source, &image];
        push.map(str::to_owned).to_vec()
    };
    let run = async |arguments: Vec<String>| {
        try_skopeo(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    run(push("alice")).await.expect("alice pushes");
    let error = run(push("reader")).await.expect_err("reader does not push");
    assert!(error.contains("denied"), "{error}");
    let inspect =
        |user: &str| ["inspect", "--tls-verify=false", &file(user), &image].map(str::to_owned).to_vec();
    let inspected: Value =
        serde_json::from_str(&run(inspect("reader")).await.expect("reader pulls")).expect("JSON");
    assert_eq!((&inspected["Digest"], &inspected["RepoTags"]), (&json!(digest.as_str()), &json!(["v1"])));
    let back = format!("oci:{}:v1", in_directory("back"));
    let pull = ["copy", "--src-tls-verify=false", &file("reader"), &image, &back];
    skopeo(&pull).await;
    let error = run(inspect("nobody")).await.expect_err("nobody pulls");
    assert!(error.contains("authentication required") || error.contains("unauthorized"), "{error}");
    let delete = ["delete", "--tls-verify=false", &file("reader"), &image];
    assert!(try_skopeo(&delete).await.is_err());
    skopeo(&["delete", "--tls-verify=false", &file("alice"), &image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_logs_in_with_bearer_tokens() {
    skopeo_logs_in(Challenge::Bearer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_logs_in_with_basic_authentication() {
    skopeo_logs_in(Challenge::Basic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_pulls_anonymously() {
    for challenge in [Challenge::Bearer, Challenge::Basic] {
        let directory = tempfile::tempdir().expect("a directory");
        let options = Options { anonymous: Anonymous::Pull, challenge, ..options() };
        let server = Server::start_with(options).await;
        let layout = directory.path().join("layout");
        write_layout(&layout);
        let tokens = server.registry.tokens();
        tokens.create("writer", "_repositories_push").await.expect("creates");
        let password = tokens.generate_password("writer", Slot::Password1, None).await.expect("generates");
        let (source, image) =
            (format!("oci:{}:v1", layout.display()), format!("docker://{}/app:v1", server.address));
        let credentials = format!("--dest-creds=writer:{}", password.as_str());
        skopeo(&["copy", "--dest-tls-verify=false", &credentials, &source, &image]).await;
        let authfile = format!("--authfile={}", directory.path().join("none").display());
        skopeo(&["inspect", "--tls-verify=false", &authfile, &image]).await;
        let error = try_skopeo(&["copy", "--dest-tls-verify=false", &authfile, &source, &image]).await;
        assert!(error.is_err());
    }
}
