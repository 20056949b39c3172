//! What must not go wrong whatever happens: a killed process, parallel clients, broken connections, lost files, a
//! full disk.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tidewaiter_db::{Db, DbLocation};
use tidewaiter_oci::{Algorithm, Digest, media_type};
use tidewaiter_registry::{BlobStore, Registry, ServeOptions, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use crate::server::{self, Server, artifact, code, header, options};

/// Names the data directory of a registry that is to be killed.
const CHILD_DIRECTORY: &str = "TIDEWAITER_TEST_REGISTRY";
const ROUNDS: u64 = 50;
const CLIENTS: usize = 4;

/// This program again, as a registry of its own, when [`Child`] asks for it; otherwise nothing.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "this is the main function of a child process")]
async fn child() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let location = DbLocation::Sqlite(directory.join("registry.db"));
    let db = Db::open(&location, &tidewaiter_db::Options::default()).await.expect("a database");
    let blobs = BlobStore::local(directory).await.expect("a blob store");
    let registry = Registry::open(db, blobs, options()).await.expect("a registry");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("\nlistening on {}", listener.local_addr().expect("an address"));
    serve(listener, registry.router(), &ServeOptions::default(), std::future::pending()).await;
}

/// A registry in a process of its own, killed when it is dropped.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts one, under a shell that runs `setup` first.
    fn start(directory: &Path, setup: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new("bash")
            .arg("-c")
            .arg(format!("{setup} exec \"$0\" --exact faults::child --nocapture"))
            .arg(program)
            .env(CHILD_DIRECTORY, directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
            .expect("the registry says where it listens");
        Self { child, address }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: the process gets no chance to put anything in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a registry has acknowledged.
#[derive(Debug, Default)]
struct Acknowledged {
    blobs: BTreeMap<Digest, Vec<u8>>,
    manifests: BTreeMap<Digest, Vec<u8>>,
    /// What each tag was set to, and what it was being set to when the registry was killed.
    tags: BTreeMap<String, (Option<Digest>, Option<Digest>)>,
    /// Digests of referrers by subject.
    referrers: BTreeMap<Digest, Vec<Digest>>,
}

/// A client that pushes to a repository until the registry is gone. Everything in it differs by `seed`; each blob that
/// is acknowledged is announced.
async fn push_until_killed(
    http: reqwest::Client,
    repository_url: String,
    seed: String,
    seen: Arc<Mutex<Acknowledged>>,
    announce: Arc<Notify>,
) {
    let url = |path: &str| format!("{repository_url}/{path}");
    let put_blob = async |content: Vec<u8>| -> Option<Digest> {
        let digest = Digest::sha256(&content);
        let request = http.post(url(&format!("blobs/uploads/?digest={digest}"))).body(content.clone());
        let response = request.send().await.ok()?;
        assert_eq!(response.status(), StatusCode::CREATED);
        seen.lock().expect("not poisoned").blobs.insert(digest.clone(), content);
        announce.notify_one();
        Some(digest)
    };
    let put_manifest = async |reference: String, manifest: Vec<u8>| -> Option<Digest> {
        let request = http.put(url(&format!("manifests/{reference}"))).body(manifest.clone());
        let response = request.header("Content-Type", media_type::OCI_MANIFEST).send().await.ok()?;
        assert_eq!(response.status(), StatusCode::CREATED);
        let digest = Digest::sha256(&manifest);
        seen.lock().expect("not poisoned").manifests.insert(digest.clone(), manifest);
        Some(digest)
    };
    let descriptor = |media_type: &str, digest: &Digest, size: usize| {
        serde_json::json!({
        "mediaType": media_type, "digest": digest, "size": size})
    };
    let mut turn = 0_u32;
    let ended: Option<()> = async {
        loop {
            turn += 1;
            let layer = format!("{seed} {turn} ").into_bytes().repeat(2000);
            let layer_size = layer.len();
            let layer = put_blob(layer).await?;
            let empty = put_blob(b"{}".to_vec()).await?;
            let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
                "config": descriptor(media_type::OCI_EMPTY, &empty, 2),
                "layers": [descriptor(media_type::OCI_LAYER, &layer, layer_size)]});
            let manifest = manifest.to_string().into_bytes();
            let tag = format!("{seed}-{}", turn % 2);
            let pushed = Digest::sha256(&manifest);
            // The tag may move although the answer gets lost.
            seen.lock().expect("not poisoned").tags.entry(tag.clone()).or_default().1 = Some(pushed.clone());
            put_manifest(tag.clone(), manifest).await?;
            seen.lock().expect("not poisoned").tags.insert(tag, (Some(pushed.clone()), None));
            let attached = artifact(&pushed, &empty, "application/vnd.example", &seed);
            let reference = Digest::sha256(&attached).to_string();
            let attached = put_manifest(reference, attached).await?;
            seen.lock().expect("not poisoned").referrers.entry(pushed).or_default().push(attached);
        }
    }
    .await;
    assert!(ended.is_none(), "the registry was killed");
}

/// Everything acknowledged is there and whole, and nothing that is there is partial.
async fn verify(http: &reqwest::Client, repository_url: &str, seen: &Acknowledged) {
    let get = async |path: &str| -> Option<Vec<u8>> {
        let response = http.get(format!("{repository_url}/{path}")).send().await.expect("an answer");
        let status = response.status();
        let bytes = response.bytes().await.expect("a body").to_vec();
        assert!(status.is_success() || status == StatusCode::NOT_FOUND, "{path}: {status}");
        status.is_success().then_some(bytes)
    };
    for (digest, content) in &seen.blobs {
        assert!(get(&format!("blobs/{digest}")).await.as_ref() == Some(content), "blob {digest}");
    }
    for (digest, content) in &seen.manifests {
        assert!(get(&format!("manifests/{digest}")).await.as_ref() == Some(content), "manifest {digest}");
    }
    let index = async |subject: &Digest| -> Vec<String> {
        let bytes = get(&format!("referrers/{subject}")).await.expect("always an index");
        let index: Value = serde_json::from_slice(&bytes).expect("JSON");
        let list = index["manifests"].as_array().expect("a list");
        list.iter().map(|found| found["digest"].as_str().expect("a digest").to_owned()).collect()
    };
    for (subject, referrers) in &seen.referrers {
        let found = index(subject).await;
        for referrer in referrers {
            assert!(
                found.iter().any(|digest| digest == referrer.as_str()),
                "referrer {referrer} of {subject}"
            );
        }
        for digest in found {
            assert!(get(&format!("manifests/{digest}")).await.is_some(), "{digest} is listed and not there");
        }
    }
    let listed =
        get("tags/list").await.map_or(Value::Null, |tags| serde_json::from_slice(&tags).expect("JSON"));
    let listed: Vec<_> =
        listed["tags"].as_array().into_iter().flatten().map(|tag| tag.as_str().expect("text")).collect();
    for (tag, (acknowledged, _)) in &seen.tags {
        assert!(acknowledged.is_none() || listed.contains(&tag.as_str()), "tag {tag}");
    }
    for tag in listed {
        let manifest = get(&format!("manifests/{tag}")).await.expect("a listed tag names a manifest");
        let value: Value = serde_json::from_slice(&manifest).expect("JSON");
        let layer = value["layers"][0]["digest"].as_str().expect("a digest");
        let content = get(&format!("blobs/{layer}")).await.expect("what a manifest names is there");
        assert_eq!(Digest::sha256(&content).as_str(), layer, "{tag}");
        let (acknowledged, under_way) = seen.tags.get(tag).expect("a tag that somebody set");
        let named = Some(Digest::sha256(&manifest));
        assert!(named == *acknowledged || named == *under_way, "{tag} names what it was never set to");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    server::install_crypto();
    let directory = tempfile::tempdir().expect("a directory");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let repository_url =
        |process: &Process, round: u64| format!("http://{}/v2/stress/round{round}", process.address);
    let mut process = Process::start(directory.path(), "");
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let seen = Arc::new(Mutex::new(Acknowledged::default()));
        let announced = Arc::new(Notify::new());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (url, seed) = (repository_url(&process, round), format!("r{round}c{client}"));
                let (seen, announce) = (Arc::clone(&seen), Arc::clone(&announced));
                tokio::spawn(push_until_killed(http.clone(), url, seed, seen, announce))
            })
            .collect();
        // A moment that differs from round to round: after some blobs, and then some requests into the next.
        let moment = usize::try_from(round * 7 % 23).expect("small");
        while seen.lock().expect("not poisoned").blobs.len() < moment {
            announced.notified().await;
        }
        drop(process);
        for client in clients {
            client.await.expect("the client ends without a complaint");
        }
        process = Process::start(directory.path(), "");
        let seen = std::mem::take(&mut *seen.lock().expect("not poisoned"));
        verify(&http, &repository_url(&process, round), &seen).await;
        rounds.push(seen);
        let staged = std::fs::read_dir(directory.path().join("uploads")).expect("reads").count();
        assert_eq!(
            staged, 2,
            "the uploads of the killed process are gone; ours are a directory and its lock"
        );
    }
    for (round, seen) in (0..).zip(&rounds) {
        verify(&http, &repository_url(&process, round), seen).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_referrers_attached_at_once_are_all_listed() {
    let server = Arc::new(Server::start().await);
    let subject = server.push_image("app", "v1", b"layer").await;
    let attached: Vec<_> = (0..64)
        .map(|number| {
            let (server, subject) = (Arc::clone(&server), subject.clone());
            tokio::spawn(async move {
                server.attach("app", &subject, "application/vnd.example", &number.to_string()).await
            })
        })
        .collect();
    let mut expected = Vec::new();
    for attached in attached {
        expected.push(attached.await.expect("attached").to_string());
    }
    let index: Value =
        server.get(&format!("/v2/app/referrers/{subject}")).await.json().await.expect("an index");
    let list = index["manifests"].as_array().expect("a list");
    let mut listed: Vec<_> =
        list.iter().map(|found| found["digest"].as_str().expect("a digest").to_owned()).collect();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);

    // The outbox names each once, in an order without gaps for a reader that follows it.
    let (mut cursor, mut events) = (0, 0);
    loop {
        let page = server.registry.events_after(cursor, 10).await.expect("events");
        let Some(last) = page.last() else { break };
        cursor = last.sequence;
        events += page.len();
    }
    assert_eq!(events, 65);
}

#[tokio::test]
async fn a_blob_that_disappears_is_missing_until_it_is_pushed_again() {
    let server = Server::start().await;
    let content = vec![3; 200_000];
    let digest = server.push_blob("app", Algorithm::Sha256, &content).await;
    let path = format!("/v2/app/blobs/{digest}");
    std::fs::remove_dir_all(server.temp.directory.path().join("blobs/sha256")).expect("removes");
    assert_eq!(server.head(&path).await.status(), StatusCode::NOT_FOUND, "so that clients push it again");
    let get = server.get(&path).await;
    assert_eq!((get.status(), code(get).await.as_str()), (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"));
    let mount = format!("/v2/other/blobs/uploads/?mount={digest}&from=app");
    let mounted = server.request(Method::POST, &mount).send().await.expect("sent");
    assert_eq!(mounted.status(), StatusCode::ACCEPTED);
    server.push_blob("app", Algorithm::Sha256, &content).await;
    assert!(server.get(&path).await.bytes().await.expect("a body") == content);
}

/// Sends the head of a request and a part of its body, then ends the connection.
async fn cut_off(server: &Server, method: &str, path: &str, length: usize, body: &[u8]) {
    let mut stream = tokio::net::TcpStream::connect(&server.address).await.expect("connects");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nContent-Length: {length}\r\n\r\n",
        media_type::OCI_MANIFEST
    );
    stream.write_all(head.as_bytes()).await.expect("sends");
    stream.write_all(body).await.expect("sends");
    stream.shutdown().await.expect("ends");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
}

#[tokio::test]
async fn uploads_that_are_cut_off_can_be_resumed_and_leave_nothing_half() {
    let server = Server::start().await;
    let content: Vec<u8> = (0..1_500_000_u32).map(|position| (position % 239) as u8).collect();
    let digest = Digest::sha256(&content);
    let location = server.begin("app", "").await;
    cut_off(&server, "PATCH", &location, content.len(), &content[..1_000_000]).await;
    let range = loop {
        // The answer to the cut-off request may come before its last bytes are written.
        let status = server.get(&location).await;
        assert_eq!(status.status(), StatusCode::NO_CONTENT);
        let range = header(&status, "range");
        if range == "0-999999" {
            break range;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(range, "0-999999");
    let patch = server.request(Method::PATCH, &location).header("Content-Range", "1000000-1499999");
    let patch = patch.body(content[1_000_000..].to_vec()).send().await.expect("sent");
    assert_eq!(patch.status(), StatusCode::ACCEPTED);
    let put = server.request(Method::PUT, &format!("{location}?digest={digest}")).send().await.expect("sent");
    assert_eq!(put.status(), StatusCode::CREATED);
    assert!(server.get(&header(&put, "location")).await.bytes().await.expect("a body") == content);

    let other = Digest::sha256(&content[..10]);
    let path = format!("/v2/app/blobs/uploads/?digest={other}");
    cut_off(&server, "POST", &path, 20, &content[..10]).await;
    assert_eq!(server.head(&format!("/v2/app/blobs/{other}")).await.status(), StatusCode::NOT_FOUND);
    let manifest = server.image("app", Algorithm::Sha256, b"layer").await;
    cut_off(&server, "PUT", "/v2/app/manifests/half", manifest.len() + 1, &manifest).await;
    assert_eq!(server.head("/v2/app/manifests/half").await.status(), StatusCode::NOT_FOUND);
}

/// A limit on the size of files stands for a full disk: the same write fails in the same way.
#[tokio::test]
async fn a_full_disk_is_said_and_leaves_nothing_half() {
    server::install_crypto();
    let directory = tempfile::tempdir().expect("a directory");
    let process = Process::start(directory.path(), "trap '' XFSZ; ulimit -f 4096;");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = |path: &str| format!("http://{}/v2/app/{path}", process.address);
    let large = vec![5; 9_000_000];
    let digest = Digest::sha256(&large);
    let post = http.post(url(&format!("blobs/uploads/?digest={digest}"))).body(large).send().await;
    let post = post.expect("an answer");
    assert_eq!(post.status(), StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(code(post).await, "DENIED");
    let head = http.head(url(&format!("blobs/{digest}"))).send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::NOT_FOUND);
    let staged = std::fs::read_dir(directory.path().join("uploads")).expect("reads");
    let staged =
        staged.map(|entry| entry.expect("an entry").path()).find(|path| path.is_dir()).expect("ours");
    assert_eq!(std::fs::read_dir(staged).expect("reads").count(), 0, "the half upload is gone");
    let small = Digest::sha256(b"small");
    let post = http.post(url(&format!("blobs/uploads/?digest={small}"))).body("small").send().await;
    assert_eq!(post.expect("an answer").status(), StatusCode::CREATED, "it goes on");
}

/// The files that a process stages uploads in, with their sizes.
fn staged_sizes(data: &Path) -> Vec<u64> {
    let uploads = std::fs::read_dir(data.join("uploads")).expect("reads");
    let ours = uploads.map(|entry| entry.expect("an entry").path()).find(|path| path.is_dir());
    let files = std::fs::read_dir(ours.expect("a directory")).expect("reads");
    files.map(|entry| entry.expect("an entry").metadata().expect("readable").len()).collect()
}

#[tokio::test]
async fn a_chunk_that_meets_a_full_disk_gives_its_room_back() {
    server::install_crypto();
    let directory = tempfile::tempdir().expect("a directory");
    let process = Process::start(directory.path(), "trap '' XFSZ; ulimit -f 4096;");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = |path: &str| format!("http://{}{path}", process.address);
    let post = http.post(url("/v2/app/blobs/uploads/")).send().await.expect("an answer");
    let session = header(&post, "location");
    let patch = async |size: usize| {
        let sent = http.patch(url(&session)).body(vec![5; size]).send().await;
        sent.expect("an answer").status()
    };
    let range = async || header(&http.get(url(&session)).send().await.expect("an answer"), "range");
    assert_eq!(patch(1_000_000).await, StatusCode::ACCEPTED);

    assert_eq!(patch(9_000_000).await, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(range().await, "0-999999");
    assert_eq!(staged_sizes(directory.path()), [1_000_000]);

    let digest = Digest::sha256(&vec![5; 1_500_000]);
    let finish = url(&format!("{session}?digest={digest}"));
    let put = http.put(&finish).body(vec![5; 9_000_000]).send().await.expect("an answer");
    assert_eq!(put.status(), StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(staged_sizes(directory.path()), [1_000_000]);

    // A client that goes away meanwhile. Until the registry has noticed, another chunk is out of order.
    let mut stream = tokio::net::TcpStream::connect(&process.address).await.expect("connects");
    let head = format!("PATCH {session} HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sends");
    let _ = stream.write_all(&vec![5; 9_000_000]).await;
    drop(stream);
    loop {
        let patch = http.patch(url(&session)).header("Content-Range", "1000000-1249999");
        let status = patch.body(vec![5; 250_000]).send().await.expect("an answer").status();
        if status == StatusCode::ACCEPTED {
            break;
        }
        assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
    }
    assert_eq!(staged_sizes(directory.path()), [1_250_000]);
    let put = http.put(&finish).body(vec![5; 250_000]).send().await.expect("an answer");
    assert_eq!(put.status(), StatusCode::CREATED, "it is not damaged");
}
