//! `db update`, `db status`, `db diff` and `explain` from outside, with feeds served on loopback.

mod harness;

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path as Name, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use harness::home::Home;
use harness::{run, succeed};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// Files by name.
type Files = Vec<(String, Vec<u8>)>;

/// A server of feeds: files by name, each with the version it is in, and what was asked for.
#[derive(Clone, Default)]
struct Mirror {
    files: Arc<Mutex<Files>>,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

impl Mirror {
    async fn start() -> (Self, String) {
        let mirror = Self::default();
        let app = Router::new().route("/{name}", axum::routing::get(Self::answer)).with_state(mirror.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        (mirror, url)
    }

    async fn answer(State(mirror): State<Self>, Name(name): Name<String>, headers: HeaderMap) -> Response {
        let files = mirror.files.lock().expect("not poisoned");
        let found = files.iter().find(|(known, _)| *known == name);
        let tag = found.map(|(_, content)| format!("\"{}\"", content.len())).unwrap_or_default();
        let is_known =
            headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
        let response = match found {
            None => StatusCode::NOT_FOUND.into_response(),
            Some(_) if is_known => StatusCode::NOT_MODIFIED.into_response(),
            Some((_, content)) => ([(header::ETAG, tag)], content.clone()).into_response(),
        };
        mirror.asked.lock().expect("not poisoned").push((name, response.status().as_u16()));
        response
    }

    fn put(&self, name: &str, content: &[u8]) {
        let mut files = self.files.lock().expect("not poisoned");
        files.retain(|(known, _)| known != name);
        files.push((name.to_owned(), content.to_vec()));
    }

    fn asked(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.asked.lock().expect("not poisoned"))
    }
}

fn record(id: &str, name: &str, fixed: &str) -> Vec<u8> {
    let record = json!({"id": id, "modified": "2024-01-01T00:00:00Z", "affected": [
        {"package": {"ecosystem": "npm", "name": name},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]});
    record.to_string().into_bytes()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

#[tokio::test]
async fn feeds_are_fetched_when_they_changed_and_kept_when_they_fail() {
    let home = tempfile::tempdir().expect("a directory");
    let (mirror, url) = Mirror::start().await;
    let update = |path: &Path| {
        let (path, url) = (path.to_owned(), url.clone());
        blocking(move || run(&path, &["db", "update", "--mirror", &url, "--only", "osv-npm,osv-go"]))
    };
    let database = home.path().join(".local/share/tidewaiter/advisories.twdb");
    // Nothing there yet: no database, and a word on what to do.
    let output = update(home.path()).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no feed could be fetched"), "{output:?}");
    assert!(!database.exists());
    mirror.put("osv-npm", &record("GHSA-1", "a", "1.0.0"));
    let output = update(home.path()).await;
    assert!(output.status.success() && database.is_file(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("Failed     osv-go"));
    let first = std::fs::read(&database).expect("a database");
    // What did not change is not sent again, and the database stands.
    mirror.asked();
    let output = update(home.path()).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("is up to date"), "{output:?}");
    assert_eq!(mirror.asked(), [("osv-go".to_owned(), 404), ("osv-npm".to_owned(), 304)]);
    assert_eq!(std::fs::read(&database).expect("a database"), first);
    // A broken file does not take the place of a good one.
    mirror.put("osv-npm", b"PK\x03\x04 and then nothing of a zip archive");
    let output = update(home.path()).await;
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stderr).contains("cannot be used"),
        "{output:?}"
    );
    assert_eq!(std::fs::read(&database).expect("a database"), first);
    let status: Value =
        serde_json::from_str(&succeed(home.path(), &["db", "status", "--json"])).expect("JSON");
    assert_eq!(status["database"]["advisories"], 1);
    let feed = |name: &str| {
        status["feeds"]
            .as_array()
            .expect("list")
            .iter()
            .find(|feed| feed["name"] == name)
            .expect(name)
            .clone()
    };
    assert!(
        feed("osv-npm")["files"]["osv-npm"]["error"]
            .as_str()
            .is_some_and(|error| error.contains("cannot be used"))
    );
    assert_eq!(feed("kev")["licence"], "CC0-1.0");
    assert_eq!(feed("osv-chainguard")["on"], false, "its licence restricts what may be done with it");
    // The next good one does.
    mirror.put("osv-npm", &record("GHSA-1", "a", "1.0.1-and-longer"));
    assert!(update(home.path()).await.status.success());
    assert_ne!(std::fs::read(&database).expect("a database"), first);
    let text = succeed(home.path(), &["db", "status"]);
    assert!(text.contains("osv-npm: fetched") && text.contains("Ecosystems"), "{text}");
    let unknown = run(home.path(), &["db", "update", "--only", "nope"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no feed"));
}

#[test]
fn two_databases_are_compared_by_package() {
    let home = tempfile::tempdir().expect("a directory");
    let make = |name: &str, records: &[Vec<u8>]| {
        let inputs = home.path().join(format!("{name}.records"));
        std::fs::create_dir(&inputs).expect("made");
        for (number, record) in records.iter().enumerate() {
            std::fs::write(inputs.join(format!("{number}.json")), record).expect("written");
        }
        let file = home.path().join(name).display().to_string();
        succeed(home.path(), &["db", "build", "--from", &inputs.display().to_string(), "--output", &file]);
        file
    };
    let old = make(
        "old",
        &[record("GHSA-1", "a", "1.0.0"), record("GHSA-2", "b", "1.0.0"), record("GHSA-3", "c", "1.0.0")],
    );
    let new = make(
        "new",
        &[record("GHSA-1", "a", "1.0.0"), record("GHSA-2", "b", "1.0.1"), record("GHSA-4", "d", "1.0.0")],
    );
    assert_eq!(succeed(home.path(), &["db", "diff", &old, &new]), "~ npm b\n- npm c\n+ npm d\n");
    assert_eq!(succeed(home.path(), &["db", "diff", &old, &old]), "");
}

#[tokio::test]
async fn a_finding_is_explained_and_so_is_that_there_is_none() {
    let home = Home::new().await;
    let explain = |id: &str, extra: &[&str]| {
        let image = home.image();
        succeed(home.path(), &["explain", &image, id].iter().chain(extra).copied().collect::<Vec<_>>())
    };
    let text = explain("CVE-2021-3711", &["--package", "libssl1.1"]);
    for part in [
        "FOUND       pkg:deb/debian/libssl1.1@1.1.1k-1",
        "before 1.1.1k-1+deb11u1",
        "/var/lib/dpkg/status in layer 0",
        "Debian:11 openssl: <1.1.1k-1+deb11u1",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(!text.contains("pkg:deb/debian/openssl@"), "{text}");
    let text = explain("CVE-1999-0001", &[]);
    assert!(
        text.contains("NOT FOUND") && text.contains("No record of the advisory database bears this name"),
        "{text}"
    );
}

/// A new key pair in PEM, in the forms that `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write.
fn key_pair() -> (String, String) {
    let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).expect("a key");
    let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let public = [&prefix, pair.public_key().as_ref()].concat();
    let pem = |kind: &str, der: &[u8]| {
        format!("-----BEGIN {kind} KEY-----\n{}\n-----END {kind} KEY-----\n", BASE64_STANDARD.encode(der))
    };
    (pem("PRIVATE", private.as_ref()), pem("PUBLIC", &public))
}

#[test]
fn a_database_goes_through_a_registry_and_only_the_right_key_opens_it() {
    let home = tempfile::tempdir().expect("a directory");
    let file = |name: &str| home.path().join(name).display().to_string();
    let address = tidewaiter_testkit::free_address();
    let mut command = harness::tidewaiter(home.path());
    command.args(["registry", "serve", "--data", &file("registry"), "--listen", &address.to_string()]);
    let _registry = tidewaiter_testkit::ServerProcess::start("tidewaiter registry", command, address);
    for name in ["one", "two"] {
        let (private, public) = key_pair();
        std::fs::write(file(name), private).expect("written");
        std::fs::write(file(&format!("{name}.pub")), public).expect("written");
    }
    std::fs::write(file("a.json"), record("GHSA-1", "a", "1.0.0")).expect("written");
    succeed(home.path(), &["db", "build", "--from", &file("a.json"), "--output", &file("made")]);
    let reference = format!("{address}/team/advisories:today");
    let told =
        succeed(home.path(), &["db", "push", &reference, "--db", &file("made"), "--key", &file("one")]);
    assert!(told.contains("Digest: sha256:"), "{told}");
    succeed(home.path(), &["db", "pull", &reference, "--db", &file("pulled"), "--key", &file("one.pub")]);
    assert_eq!(std::fs::read(file("made")).expect("made"), std::fs::read(file("pulled")).expect("pulled"));
    let again = succeed(home.path(), &["db", "pull", &reference, "--db", &file("pulled")]);
    assert!(again.contains("is up to date"), "{again}");
    // Another key, no signature, something else altogether: what is there stays.
    let refused = |reference: &str, key: &str| {
        let output =
            run(home.path(), &["db", "pull", reference, "--db", &file("other"), "--key", &file(key)]);
        assert_eq!(output.status.code(), Some(1));
        assert!(!Path::new(&file("other")).exists());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&reference, "two.pub").contains("was not signed with"));
    assert!(refused(&reference, "one").contains("is no public Ed25519 key"));
    let plain = format!("{address}/team/advisories:plain");
    succeed(home.path(), &["db", "push", &plain, "--db", &file("made")]);
    assert!(refused(&plain, "one.pub").contains("is not signed"));
    let other = format!("{address}/team/other:1");
    succeed(
        home.path(),
        &["artifact", "push", "--disable-path-validation", &other, &format!("{}:text/plain", file("a.json"))],
    );
    assert!(refused(&other, "one.pub").contains("is no advisory database"));
}

#[tokio::test]
async fn a_database_that_changed_is_checked_again() {
    let home = Home::new().await;
    let database = home.path().join(".local/share/tidewaiter/advisories.twdb");
    succeed(home.path(), &["cves", &home.image()]);
    succeed(home.path(), &["cves", &home.image()]);
    let mut bytes = std::fs::read(&database).expect("read");
    let middle = bytes.len() / 4;
    bytes[middle] ^= 0xff;
    std::fs::write(&database, bytes).expect("written");
    let output = run(home.path(), &["cves", &home.image()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is damaged"), "{output:?}");
}
