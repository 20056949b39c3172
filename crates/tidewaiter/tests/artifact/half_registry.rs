//! A registry that never comes to the end of a layer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tidewaiter_oci::Digest;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of content, of which half comes.
const SIZE: usize = 4 << 20;
/// Name of the layer that is a file.
pub(crate) const NAME: &str = "a-report-with-a-name-that-is-rather-long.json";

/// A registry with one artifact of two layers. Of the first only one half ever comes; the other is not there, which
/// is said when that half has gone out.
pub(crate) struct HalfRegistry {
    pub(crate) host: String,
    pub(crate) stalled: Digest,
}

struct Answers {
    manifest: Vec<u8>,
    content: Vec<u8>,
    stalled: Digest,
    /// Connections are kept open.
    open: Mutex<Vec<TcpStream>>,
}

impl HalfRegistry {
    /// Its layers are files, or directories; there are one or two of them.
    pub(crate) fn start(directory: bool, layers: usize) -> Self {
        let content = archive();
        let size = content.len();
        let stalled = Digest::sha256(&content);
        let layer = |digest: &Digest, title: &str| {
            let mut annotations = json!({"org.opencontainers.image.title": title});
            if directory {
                annotations["io.deis.oras.content.unpack"] = "true".into();
            }
            json!({"mediaType": "a/b", "digest": digest.to_string(), "size": size, "annotations": annotations})
        };
        let layers =
            [layer(&stalled, if directory { "a" } else { NAME }), layer(&Digest::sha256(b"missing"), "b")]
                [..layers]
                .to_vec();
        let empty = Digest::sha256(b"{}").to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "a/b",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2, "data": "e30="},
            "layers": layers,
        });
        let manifest = serde_json::to_vec(&manifest).expect("JSON");
        let answers =
            Arc::new(Answers { manifest, content, stalled: stalled.clone(), open: Mutex::default() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = Arc::clone(&answers);
                std::thread::spawn(move || answers.serve(stream));
            }
        });
        Self { host, stalled }
    }
}

impl Answers {
    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if line == "\r\n" {
                    break;
                }
                head.push(line);
            }
            let mut words = head[0].split_whitespace();
            let (method, path) = (words.next().expect("a method"), words.next().expect("a path"));
            let begin = |status: &str, kind: &str, length: usize| {
                format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")
            };
            let answer = if path.contains("/tags/list") {
                let tags = br#"{"name":"a","tags":["1"]}"#;
                [begin("200 OK", "application/json", tags.len()).as_bytes(), tags].concat()
            } else if path.contains("/referrers/") {
                // It says that the artifact refers to itself.
                let index = json!({
                    "schemaVersion": 2,
                    "mediaType": "application/vnd.oci.image.index.v1+json",
                    "manifests": [{
                        "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "digest": Digest::sha256(&self.manifest).to_string(),
                        "size": self.manifest.len(),
                        "artifactType": "a/b",
                    }],
                });
                let body = serde_json::to_vec(&index).expect("JSON");
                let kind = "application/vnd.oci.image.index.v1+json";
                [begin("200 OK", kind, body.len()).as_bytes(), &body].concat()
            } else if path.contains("/manifests/") {
                let kind = "application/vnd.oci.image.manifest.v1+json";
                let body = if method == "HEAD" { &[] } else { self.manifest.as_slice() };
                [begin("200 OK", kind, self.manifest.len()).as_bytes(), body].concat()
            } else if path.ends_with(self.stalled.as_str()) {
                let mut answer = begin("200 OK", "application/octet-stream", self.content.len()).into_bytes();
                if method != "HEAD" {
                    answer.extend(&self.content[..SIZE / 2]);
                    let _ = stream.write_all(&answer);
                    self.open.lock().expect("open connections").push(stream);
                    return;
                }
                answer
            } else {
                self.wait_until_stalled();
                begin("404 Not Found", "text/plain", 0).into_bytes()
            };
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }

    fn wait_until_stalled(&self) {
        let end = Instant::now() + PATIENCE;
        while self.open.lock().expect("open connections").is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A tar archive that is a layer of either kind.
fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(SIZE as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "a/large", &*vec![7; SIZE]).expect("an entry");
    builder.into_inner().expect("an archive")
}
