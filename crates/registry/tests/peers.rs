//! The registry and programs that others wrote: PostgreSQL under it, skopeo in front of it.

mod server;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use server::Server;
use tidewaiter_db::testing::{PostgresServer, TempDb, check_statements};
use tidewaiter_db::{Db, Options};
use tidewaiter_oci::{Digest, media_type};
use tidewaiter_registry::STATEMENTS;

#[tokio::test]
async fn every_statement_is_valid_on_both_engines() {
    check_statements(&TempDb::new().await.db, STATEMENTS).await;
    let server = PostgresServer::start();
    let db = Db::open(&server.database(), &Options::default()).await.expect("opens");
    check_statements(&db, STATEMENTS).await;
}

/// Runs skopeo without a policy and without TLS; what it printed.
async fn skopeo(arguments: &[&str]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let run = move || {
        let output = Command::new("skopeo")
            .arg("--insecure-policy")
            .args(&arguments)
            .output()
            .expect("skopeo is not installed: these tests need Debian's package `skopeo`");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "skopeo {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).expect("UTF-8")
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
    assert_eq!(server.get("/v2/team/app/tags/list").await.status(), 404);
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
