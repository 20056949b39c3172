//! The registry's commands and the programs that others wrote: `skopeo` with a token in front, PostgreSQL under it.

mod harness;

use std::path::Path;
use std::process::{Command, Output};

use harness::{succeed, tidewaiter};
use serde_json::{Value, json};
use tidewaiter_db::DbLocation;
use tidewaiter_db::testing::PostgresServer;
use tidewaiter_oci::{Digest, media_type};
use tidewaiter_testkit::{ServerProcess, free_address};

fn serve(data: &Path, flags: &[&str], database: Option<&str>) -> ServerProcess {
    let address = free_address();
    let mut command = tidewaiter(data);
    command.args(["registry", "serve", "--data"]).arg(data);
    command.args(["--listen", &address.to_string()]).args(flags);
    command.envs(database.map(|url| ("TIDEWAITER_DATABASE", url)));
    ServerProcess::start("tidewaiter registry serve", command, address)
}

/// Runs skopeo without a policy and without TLS.
fn skopeo(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("skopeo");
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").arg("--insecure-policy");
    command
        .args(arguments)
        .output()
        .expect("skopeo is not installed: this test needs Debian's package `skopeo`")
}

/// Writes an image of one layer as an OCI layout, tagged `v1`; the digest of its manifest.
fn write_layout(directory: &Path) -> Digest {
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("creates");
    let put = |media_type: &str, content: &[u8]| -> Value {
        let digest = Digest::sha256(content);
        std::fs::write(blobs.join(digest.hex()), content).expect("writes");
        json!({"mediaType": media_type, "digest": digest, "size": content.len()})
    };
    let layer = vec![7; 300_000];
    let rootfs = json!({"type": "layers", "diff_ids": [Digest::sha256(&layer)]});
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).to_string();
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": put(media_type::OCI_CONFIG, config.as_bytes()),
        "layers": [put("application/vnd.oci.image.layer.v1.tar", &layer)]});
    let mut manifest = put(media_type::OCI_MANIFEST, manifest.to_string().as_bytes());
    let digest = manifest["digest"].as_str().expect("text").parse().expect("a digest");
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "v1"});
    std::fs::write(
        directory.join("index.json"),
        json!({"schemaVersion": 2, "manifests": [manifest]}).to_string(),
    )
    .expect("writes");
    std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("writes");
    digest
}

#[test]
fn skopeo_pushes_what_the_scope_map_allows() {
    let directory = tempfile::tempdir().expect("a directory");
    let (home, data) = (directory.path(), directory.path().join("data"));
    let data_text = data.to_str().expect("UTF-8");
    let digest = write_layout(&home.join("image"));
    let server = serve(&data, &["--anonymous", "nothing"], None);
    let manage = |words: &[&str]| succeed(home, &[&["registry"], words, &["--data", data_text]].concat());
    manage(&[
        "scope-map",
        "create",
        "team",
        "repositories/team/*/content/write",
        "repositories/team/*/content/read",
    ]);
    let token = manage(&["token", "create", "ci", "--scope-map", "team", "--output", "json"]);
    let token: Value = serde_json::from_str(&token).expect("JSON");
    let password = token["credentials"]["passwords"][0]["value"].as_str().expect("a password");
    let push = |repository: &str, credentials: &str| {
        let image = format!("oci:{}:v1", home.join("image").display());
        let target = format!("docker://{}/{repository}:v1", server.host());
        skopeo(
            home,
            &[
                "copy",
                "--preserve-digests",
                "--dest-tls-verify=false",
                "--dest-creds",
                credentials,
                &image,
                &target,
            ],
        )
    };
    let allowed = push("team/app", &format!("ci:{password}"));
    assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
    for (repository, credentials, complaint) in [
        ("other/app", format!("ci:{password}"), "403"),
        ("team/app", "ci:wrong".to_owned(), "wrong password"),
        ("team/app", format!("nobody:{password}"), "wrong password"),
    ] {
        let refused = push(repository, &credentials);
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && stderr.contains(complaint), "{repository}: {stderr}");
    }
    let listed: Value = serde_json::from_str(&manage(&["manifests", "team/app"])).expect("JSON");
    assert_eq!((&listed[0]["digest"], &listed[0]["tags"]), (&json!(digest), &json!(["v1"])));
}

/// The whole registry on PostgreSQL, named by a variable, which keeps a password out of the list of processes.
#[test]
fn the_database_may_be_postgresql() {
    let postgres = PostgresServer::start();
    let DbLocation::Postgres(url) = postgres.database() else { panic!("a URL") };
    let directory = tempfile::tempdir().expect("a directory");
    let (home, data) = (directory.path(), directory.path().join("data"));
    let digest = write_layout(&home.join("image"));
    let mut server = serve(&data, &[], Some(&url));
    let image = format!("oci:{}:v1", home.join("image").display());
    let target = format!("docker://{}/app:v1", server.host());
    let pushed = skopeo(home, &["copy", "--preserve-digests", "--dest-tls-verify=false", &image, &target]);
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    assert!(server.stop().success());
    assert!(!data.join("tidewaiter.db").exists(), "everything is in the other database");

    let data_text = data.to_str().expect("UTF-8");
    let manage = |words: &[&str]| {
        succeed(home, &[&["registry"], words, &["--data", data_text, "--database", &url]].concat())
    };
    let listed: Value = serde_json::from_str(&manage(&["manifests", "app"])).expect("JSON");
    assert_eq!(listed[0]["digest"], json!(digest));
    let collected: Value =
        serde_json::from_str(&manage(&["gc", "--grace", "0s", "--output", "json"])).expect("JSON");
    assert_eq!(collected["blobs"], 0, "both blobs are in use");
    let server = serve(&data, &[], Some(&url));
    let source = format!("docker://{}/app:v1", server.host());
    let raw = skopeo(home, &["inspect", "--tls-verify=false", "--raw", &source]);
    assert_eq!(Digest::sha256(&raw.stdout), digest);
}
