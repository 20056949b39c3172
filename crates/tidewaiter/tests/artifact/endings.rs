//! Commands that do not come to their end: by a signal, or because something beside them failed. Nothing of what
//! they began stays behind.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tidewaiter_oci::Digest;

use crate::oras::{Oras, Run};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of the layers that stop half way.
const SIZE: usize = 4 << 20;

/// A registry with one artifact of two layers. Of the last only one half ever comes; the other is not there, which
/// is said when that half has gone out.
struct HalfRegistry {
    host: String,
    stalled: Digest,
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
    fn start(directory: bool, layers: usize) -> Self {
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
        let layers = [layer(&Digest::sha256(b"missing"), "b"), layer(&stalled, "a")][2 - layers..].to_vec();
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

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found
}

/// What was begun and not ended: hidden files and directories of ours, and those of layouts.
fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let is_ours = |path: &PathBuf| path.to_string_lossy().contains("tidewaiter-");
    let mut found = files(directory);
    found.extend(fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()));
    found.retain(is_ours);
    found
}

fn start(oras: &Oras, line: &str) -> Child {
    let mut command: Command = oras.command(oras.bin().join("oras"));
    command.args(line.split_whitespace()).env("TMPDIR", oras.work().join("tmp"));
    fs::create_dir_all(oras.work().join("tmp")).expect("a directory");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// Waits until something is being written.
fn wait_for_leftovers(oras: &Oras, line: &str) {
    let end = Instant::now() + PATIENCE;
    let begun = |path: PathBuf| fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0);
    while !leftovers(&oras.work()).into_iter().any(begun) {
        assert!(Instant::now() < end, "{line}: nothing was begun");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn end(mut child: Child, line: &str) -> Run {
    let limit = Instant::now() + PATIENCE;
    while child.try_wait().expect("the state of a child").is_none() {
        if Instant::now() > limit {
            let _ = child.kill();
            panic!("{line}: it did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Run::of(child.wait_with_output().expect("the program ends"))
}

fn check_signal(directory: bool, line: &str, signal: Signal, message: &str, code: i32) {
    let oras = Oras::new();
    let registry = HalfRegistry::start(directory, 1);
    let line =
        line.replace("R/", &format!("{}/", registry.host)).replace("DIGEST", registry.stalled.as_str());
    let child = start(&oras, &line);
    wait_for_leftovers(&oras, &line);
    let process = Pid::from_child(&child);
    kill_process(process, signal).expect("the process is there");
    let run = end(child, &line);
    assert_eq!((run.code, leftovers(&oras.work())), (code, Vec::new()), "{line}\n{}", run.stderr);
    assert!(run.stderr.ends_with(message), "{line}\n{}", run.stderr);
}

#[test]
fn interrupted_downloads_leave_nothing() {
    for line in ["pull --plain-http -o cc R/a:1", "blob fetch --plain-http -o out R/a@DIGEST"] {
        check_signal(false, line, Signal::INT, "Error: interrupted\n", 130);
    }
    check_signal(true, "pull --plain-http -o cc R/a:1", Signal::TERM, "Error: terminated\n", 143);
}

#[test]
fn interrupted_copies_and_backups_leave_nothing() {
    let copy = "cp --from-plain-http --to-oci-layout R/a:1 layout:1";
    check_signal(false, copy, Signal::TERM, "Error: terminated\n", 143);
    let backup = "backup --plain-http -o x.tar R/a:1";
    check_signal(false, backup, Signal::HUP, "Error: the terminal went away\n", 129);
}

#[test]
fn interrupted_input_leaves_nothing() {
    let oras = Oras::new();
    fs::create_dir(oras.work().join("tmp")).expect("a directory");
    let mut command = oras.command(oras.bin().join("oras"));
    command.args(["push", "--oci-layout", "layout:1", "-"]).env("TMPDIR", oras.work().join("tmp"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&[7; 1 << 16]).expect("it reads");
    let begun =
        || files(&oras.work().join("tmp")).iter().any(|file| fs::metadata(file).is_ok_and(|f| f.len() > 0));
    let limit = Instant::now() + PATIENCE;
    while !begun() {
        assert!(Instant::now() < limit, "nothing was begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("the process is there");
    let run = end(child, "push -");
    assert_eq!((run.code, files(&oras.work().join("tmp"))), (130, Vec::new()), "{}", run.stderr);
    drop(input);
}

#[test]
fn what_failed_beside_others_leaves_nothing() {
    for (directory, line) in [
        (false, "pull --plain-http -o cc R/a:1"),
        (true, "pull --plain-http -o cc R/a:1"),
        (false, "cp --from-plain-http --to-oci-layout R/a:1 layout:1"),
        (false, "backup --plain-http -o backup R/a:1"),
    ] {
        let oras = Oras::new();
        let registry = HalfRegistry::start(directory, 2);
        let line = line.replace("R/", &format!("{}/", registry.host));
        let run = end(start(&oras, &line), &line);
        assert_eq!((run.code, leftovers(&oras.work())), (1, Vec::new()), "{line}\n{}", run.stderr);
    }
}
