//! The registry's own commands and every flag of `registry serve`, through the real binary.

mod harness;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use harness::{PATIENCE, Up, fail, http, run, succeed, tidewaiter};
use reqwest::{Method, Response, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidewaiter_oci::{Digest, media_type};
use tidewaiter_testkit::{ServerProcess, free_address};
use tokio::sync::mpsc;

/// A registry in a process and a directory of its own.
struct Registry {
    process: ServerProcess,
    directory: TempDir,
    address: SocketAddr,
    http: reqwest::Client,
}

impl Registry {
    fn start(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a directory"), flags)
    }

    fn start_in(directory: TempDir, flags: &[&str]) -> Self {
        let address = free_address();
        let mut command = tidewaiter(directory.path());
        command.args(["registry", "serve", "--data"]).arg(directory.path());
        command.args(["--listen", &address.to_string()]).args(flags);
        let process = ServerProcess::start("tidewaiter registry serve", command, address);
        Self { process, directory, address, http: http() }
    }

    /// Runs `tidewaiter registry …` on its data.
    fn manage(&self, words: &[&str]) -> String {
        let data = self.directory.path().to_str().expect("UTF-8");
        succeed(self.directory.path(), &[&["registry"], words, &["--data", data]].concat())
    }

    /// The same with JSON as its result.
    fn manage_json(&self, words: &[&str]) -> Value {
        let output = self.manage(&[words, &["--output", "json"]].concat());
        serde_json::from_str(&output).expect("JSON")
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    async fn status(&self, method: Method, path: &str) -> StatusCode {
        self.request(method, path).send().await.expect("an answer").status()
    }

    async fn push_blob(&self, repository: &str, content: &[u8]) -> (Digest, Response) {
        let digest = Digest::sha256(content);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let request = self.request(Method::POST, &path).body(content.to_vec());
        (digest, request.send().await.expect("an answer"))
    }

    /// Pushes an image without layers, with a subject when there is one; its digest.
    async fn push_image(
        &self,
        repository: &str,
        reference: Option<&str>,
        subject: Option<&Digest>,
    ) -> Digest {
        let (config, pushed) = self.push_blob(repository, b"{}").await;
        assert_eq!(pushed.status(), StatusCode::CREATED);
        let mut manifest = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
            "config": {"mediaType": media_type::OCI_CONFIG, "digest": config, "size": 2}, "layers": []});
        if let Some(subject) = subject {
            manifest["subject"] =
                json!({"mediaType": media_type::OCI_MANIFEST, "digest": subject, "size": 1});
        }
        let manifest = manifest.to_string();
        let digest = Digest::sha256(manifest.as_bytes());
        let path = format!("/v2/{repository}/manifests/{}", reference.unwrap_or(digest.as_str()));
        let request = self.request(Method::PUT, &path).header("Content-Type", media_type::OCI_MANIFEST);
        let pushed = request.body(manifest).send().await.expect("an answer");
        assert_eq!(pushed.status(), StatusCode::CREATED);
        digest
    }

    /// Waits until a path is answered with this status.
    async fn wait_for(&self, path: &str, status: StatusCode) {
        let end = Instant::now() + PATIENCE;
        while self.status(Method::GET, path).await != status {
            assert!(Instant::now() < end, "{path} never came to be {status}:\n{}", self.process.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn tokens_are_managed_while_the_registry_runs() {
    let registry = Registry::start(&["--anonymous", "nothing"]);
    registry.wait_for("/readyz", StatusCode::OK).await;
    assert!(registry.process.output().contains("Nobody can log in yet"), "{}", registry.process.output());
    let actions = ["repositories/team/*/content/read", "repositories/team/*/metadata/read"];
    let map = registry.manage_json(&[&["scope-map", "create", "team"], actions.as_slice()].concat());
    assert_eq!((&map["actions"], &map["type"]), (&json!(actions), &json!("UserDefined")));

    let token = registry.manage_json(&["token", "create", "ci", "--scope-map", "team"]);
    let passwords = token["credentials"]["passwords"].as_array().expect("a list");
    let names: Vec<_> = passwords.iter().map(|password| &password["name"]).collect();
    assert_eq!(names, ["password1", "password2"]);
    assert_eq!(token["credentials"]["username"], "ci");
    assert_eq!((&token["status"], &token["scopeMapId"]), (&json!("enabled"), &json!("/scopeMaps/team")));
    let status = async |path: &str, password: &str| {
        let request = registry.request(Method::GET, path).basic_auth("ci", Some(password));
        request.send().await.expect("an answer").status()
    };
    for password in passwords {
        let value = password["value"].as_str().expect("shown once");
        assert_eq!(status("/v2/team/app/tags/list", value).await, StatusCode::NOT_FOUND, "may, and is none");
        assert_eq!(status("/v2/other/tags/list", value).await, StatusCode::FORBIDDEN);
    }

    let shown = registry.manage_json(&["token", "show", "ci"]);
    assert_eq!(shown["credentials"]["passwords"][0]["value"], Value::Null, "passwords are shown once");
    assert_eq!(registry.manage_json(&["token", "list"]), json!([shown]));
    let made = registry.manage_json(&["token", "password", "ci", "password2", "--expires-in-days", "1"]);
    let value = made["passwords"][1]["value"].as_str().expect("made just now");
    assert!(made["passwords"][1]["expiry"].is_string() && made["passwords"][0]["value"].is_null(), "{made}");

    let end = Instant::now() + PATIENCE;
    while status("/v2/team/app/tags/list", value).await != StatusCode::NOT_FOUND {
        assert!(Instant::now() < end, "the new password is never taken");
    }
    assert_eq!(registry.manage_json(&["token", "disable", "ci"])["status"], "disabled");
    while status("/v2/team/app/tags/list", value).await != StatusCode::UNAUTHORIZED {
        assert!(Instant::now() < end, "the disabled token works on and on");
    }
    registry.manage(&["token", "delete", "ci"]);
    registry.manage(&["scope-map", "delete", "team"]);
    assert_eq!(registry.manage_json(&["token", "list"]), json!([]));
    let data = registry.directory.path().to_str().expect("UTF-8");
    let error = fail(registry.directory.path(), &["registry", "token", "show", "ci", "--data", data]);
    assert_eq!(error, "Error: there is no token named \"ci\"\n");
}

#[test]
fn an_update_keeps_the_description() {
    let registry = Registry::start(&[]);
    let action = "repositories/a/content/read";
    registry.manage(&["scope-map", "create", "map", action, "--description", "for reading"]);
    let updated = registry.manage_json(&["scope-map", "update", "map", "repositories/b/content/read"]);
    assert_eq!(updated["description"], "for reading");
    assert_eq!(updated["actions"], json!(["repositories/b/content/read"]));
}

#[tokio::test]
async fn manifests_are_listed_as_az_lists_them() {
    let registry = Registry::start(&[]);
    let digest = registry.push_image("app", Some("v1"), None).await;
    let list: Value = serde_json::from_str(&registry.manage(&["manifests", "app"])).expect("JSON");
    assert_eq!((&list[0]["digest"], &list[0]["tags"]), (&json!(digest), &json!(["v1"])));
    assert_eq!(list[0]["changeableAttributes"]["deleteEnabled"], true);
}

/// Makes `cert.pem` and `key.pem` for `localhost`, and a client that trusts nothing else and follows no redirects.
fn certificate(directory: &Path) -> (String, String, reqwest::Client) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let write = |name: &str, content: String| {
        let path = directory.join(name);
        std::fs::write(&path, content).expect("writes");
        path.to_str().expect("UTF-8").to_owned()
    };
    let files = (write("cert.pem", made.cert.pem()), write("key.pem", made.signing_key.serialize_pem()));
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let _ = rustls::crypto::ring::default_provider().install_default();
    (files.0, files.1, client.tls_certs_only([trusted]).build().expect("a client"))
}

#[tokio::test]
async fn the_platform_speaks_tls_everywhere() {
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key, client) = certificate(directory.path());
    let data = directory.path().join("data");
    let up = Up::start(&data, &["--tls-cert", &certificate, "--tls-key", &key]);
    let answer = client.get(format!("https://localhost:{}/v2/", up.registry.port())).send().await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    let link = up.login_link().replace("127.0.0.1", "localhost");
    assert!(link.starts_with("https://"), "{link}");
    let entered = client.get(link).send().await.expect("an answer");
    assert_eq!(entered.status(), StatusCode::SEE_OTHER);
    let cookie = entered.headers()["set-cookie"].to_str().expect("text");
    assert!(cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn tls_from_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key, client) = certificate(directory.path());
    let (certificate, key) = (certificate.as_str(), key.as_str());
    let flags = ["--anonymous", "nothing", "--tls-cert", certificate, "--tls-key", key];
    let registry = Registry::start(&flags);
    let url = format!("https://localhost:{}", registry.address.port());
    let answer = client.get(format!("{url}/v2/")).send().await.expect("an answer");
    let challenge = answer.headers()["www-authenticate"].to_str().expect("text");
    assert!(challenge.starts_with(&format!("Bearer realm=\"{url}/oauth2/token\"")), "{challenge}");

    let data = directory.path().join("data");
    let data = data.to_str().expect("UTF-8");
    let serve = ["registry", "serve", "--data", data];
    let half = run(directory.path(), &[serve.as_slice(), &["--tls-cert", certificate]].concat());
    assert_eq!(half.status.code(), Some(64), "a certificate needs its key");
    let wrong = [serve.as_slice(), &["--tls-cert", key, "--tls-key", key]].concat();
    assert!(fail(directory.path(), &wrong).contains("key.pem for TLS"));
    assert!(!Path::new(data).exists(), "nothing was made");
}

#[tokio::test]
async fn switches() {
    let registry = Registry::start(&["--keep-referrers"]);
    let subject = registry.push_image("app", Some("v1"), None).await;
    let referrer = registry.push_image("app", None, Some(&subject)).await;
    let referrers = format!("/v2/app/referrers/{subject}");
    let manifest = |digest: &Digest| format!("/v2/app/manifests/{digest}");
    assert_eq!(registry.status(Method::DELETE, &manifest(&subject)).await, StatusCode::ACCEPTED);
    assert_eq!(registry.status(Method::GET, &manifest(&referrer)).await, StatusCode::OK, "--keep-referrers");
    let Registry { mut process, directory, .. } = registry;
    assert!(process.stop().success());

    let mut registry = Registry::start_in(directory, &["--no-delete", "--no-referrers"]);
    assert_eq!(registry.status(Method::DELETE, &manifest(&referrer)).await, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(registry.status(Method::GET, &referrers).await, StatusCode::NOT_FOUND, "--no-referrers");
    assert!(registry.process.stop().success());

    let registry = Registry::start_in(registry.directory, &["--read-only"]);
    let (_, refused) = registry.push_blob("app", b"new").await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(registry.status(Method::GET, &manifest(&referrer)).await, StatusCode::OK);
}

#[tokio::test]
async fn garbage_is_collected_by_hand_and_by_itself() {
    let registry = Registry::start(&["--gc-every", "never"]);
    registry.push_image("app", Some("v1"), None).await;
    let (digest, _) = registry.push_blob("app", b"nobody's").await;
    let blob = format!("/v2/app/blobs/{digest}");
    assert_eq!(registry.manage_json(&["gc"])["blobs"], 0, "it is within the time of grace");
    let expected = json!({"manifests": 0, "links": 1, "blobs": 1, "bytes": 8, "strayObjects": 0});
    assert_eq!(registry.manage_json(&["gc", "--grace", "0s", "--dry-run"]), expected);
    assert_eq!(registry.status(Method::GET, &blob).await, StatusCode::OK, "that was a rehearsal");
    let text = registry.manage(&["gc", "--grace", "0s"]);
    assert!(text.starts_with("Deleted:\n  blobs            1 with 8 bytes\n"), "{text}");
    assert_eq!(registry.status(Method::GET, &blob).await, StatusCode::NOT_FOUND);
    assert_eq!(registry.status(Method::GET, "/v2/app/manifests/v1").await, StatusCode::OK);

    let Registry { mut process, directory, .. } = registry;
    assert!(process.stop().success());
    let flags = ["--gc-every", "50ms", "--gc-grace", "0s", "--gc-untagged"];
    let registry = Registry::start_in(directory, &flags);
    let untagged = registry.push_blob("app", b"nobody's either").await.0;
    registry.wait_for(&format!("/v2/app/blobs/{untagged}"), StatusCode::NOT_FOUND).await;
    assert_eq!(registry.status(Method::DELETE, "/v2/app/manifests/v1").await, StatusCode::ACCEPTED);
    registry.wait_for("/v2/app/tags/list", StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn webhooks_from_a_file() {
    let (sender, mut news) = mpsc::unbounded_channel();
    let receive = async |State(sender): State<mpsc::UnboundedSender<_>>, headers: HeaderMap, body: String| {
        sender.send((headers, body)).expect("the test listens");
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    tokio::spawn(
        async move { axum::serve(listener, Router::new().fallback(receive).with_state(sender)).await },
    );
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("webhooks.json");
    let hook =
        json!({"name": "ci", "url": url, "scope": "app:v*", "headers": {"Authorization": "Bearer secret"}});
    std::fs::write(&file, json!([hook]).to_string()).expect("writes");
    let file = file.to_str().expect("UTF-8").to_owned();

    let registry = Registry::start(&["--webhooks", &file]);
    registry.push_image("app", Some("latest"), None).await;
    let digest = registry.push_image("app", Some("v1"), None).await;
    let posted = tokio::time::timeout(PATIENCE, news.recv()).await.expect("in time").expect("a post");
    assert_eq!(posted.0["authorization"], "Bearer secret");
    let event: Value = serde_json::from_str(&posted.1).expect("JSON");
    let target = &event["target"];
    assert_eq!(
        (&event["action"], &target["tag"]),
        (&json!("push"), &json!("v1")),
        "the other is out of scope"
    );
    assert_eq!(target["digest"], json!(digest));

    let data = directory.path().join("data");
    let words = ["registry", "serve", "--data", data.to_str().expect("UTF-8"), "--webhooks", &file];
    for (text, complaint) in [
        ("{}", "is not a list of webhooks"),
        (r#"[{"name": "a", "url": "http://h/", "secret": 1}]"#, "unknown field `secret`"),
        (r#"[{"name": "a", "url": "http://h/"}, {"name": "a", "url": "http://i/"}]"#, "two webhooks \"a\""),
        (r#"[{"name": "a", "url": "ftp://h/"}]"#, "the webhook a cannot be used"),
    ] {
        std::fs::write(&file, text).expect("writes");
        let error = fail(directory.path(), &[words.as_slice(), &["--listen", "127.0.0.1:0"]].concat());
        assert!(error.contains(complaint), "{error}");
    }
}

#[tokio::test]
async fn stores_by_url() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let path = elsewhere.path().to_str().expect("UTF-8");
    let (database, blobs) = (format!("sqlite:{path}/names.db"), format!("file://{path}/content"));
    let flags = ["--database", database.as_str(), "--blobs", &blobs];
    let registry = Registry::start(&flags);
    registry.push_image("app", Some("v1"), None).await;
    assert!(elsewhere.path().join("content/blobs/sha256").is_dir());
    let listed = registry.manage(&[["manifests", "app"].as_slice(), &flags].concat());
    assert!(listed.contains("\"v1\""), "{listed}");
    let collected = registry.manage_json(&[["gc", "--dry-run"].as_slice(), &flags].concat());
    assert_eq!(collected["blobs"], 0);
    let tokens = registry.manage(&["token", "list", "--database", &database]);
    assert_eq!(tokens, "");

    let flags = ["--database", &format!("{path}/names.db"), "--blobs", &format!("{path}/content")];
    let listed = registry.manage(&[["manifests", "app"].as_slice(), &flags].concat());
    assert!(listed.contains("\"v1\""), "what is no URL is a path: {listed}");

    let data = registry.directory.path().join("other");
    let serve = ["registry", "serve", "--data", data.to_str().expect("UTF-8"), "--listen", "127.0.0.1:0"];
    let error = fail(elsewhere.path(), &[serve.as_slice(), &["--blobs", "ftp://host/x"]].concat());
    assert!(error.contains("\"ftp://host/x\" is not a blob store"), "{error}");
    let wrong = run(elsewhere.path(), &[serve.as_slice(), &["--database", "mysql://u:secret@h/d"]].concat());
    let complaint = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(complaint.contains("is not a database"), "{complaint}");
}

#[tokio::test]
async fn operators_see_health_metrics_and_requests() {
    let mut registry = Registry::start(&["--access-log"]);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(registry.status(Method::GET, path).await, StatusCode::OK, "{path}");
    }
    assert_eq!(registry.status(Method::GET, "/v2/app/tags/list").await, StatusCode::NOT_FOUND);
    let metrics = registry.request(Method::GET, "/metrics").send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(
        metrics.contains("requests_total{resource=\"tags\",method=\"GET\",status=\"404\"} 1"),
        "{metrics}"
    );
    assert!(registry.process.stop().success(), "it ends as it was asked to");
    let output = registry.process.output();
    assert!(output.contains("method=GET path=\"/v2/app/tags/list\" status=404"), "{output}");
}

/// Every answer has its size in the log, and every request the name of who sent it, those for tokens too.
#[tokio::test]
async fn the_access_log_says_who_and_how_much() {
    let mut registry = Registry::start(&["--access-log"]);
    let token = registry.manage_json(&["token", "create", "ci", "--scope-map", "_repositories_push"]);
    let password = token["credentials"]["passwords"][0]["value"].as_str().expect("shown once").to_owned();
    registry.process.stop();
    let mut registry = Registry::start_in(registry.directory, &["--access-log", "--anonymous", "nothing"]);
    for path in ["/oauth2/token?scope=", "/v2/", "/acr/v1/_catalog"] {
        let request = registry.request(Method::GET, path).basic_auth("ci", Some(&password));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.bytes().await.expect("a body");
    }
    let form = format!("grant_type=password&username=ci&password={password}");
    let exchange = registry.request(Method::POST, "/oauth2/exchange");
    let exchange = exchange.header("Content-Type", "application/x-www-form-urlencoded").body(form);
    assert_eq!(exchange.send().await.expect("an answer").status(), StatusCode::OK);
    registry.process.stop();
    let output = registry.process.output();
    for path in ["/oauth2/token", "/v2/", "/acr/v1/_catalog", "/oauth2/exchange"] {
        let line = output.lines().find(|line| line.contains(&format!("path=\"{path}\" status=200")));
        let line = line.unwrap_or_else(|| panic!("{path} is not in {output}"));
        assert!(line.contains("user=\"ci\""), "{line}");
        assert!(line.contains("bytes=\"") && !line.contains("bytes=\"-\""), "{line}");
    }
}

/// Connections are open files, and shells allow few to begin with.
#[test]
fn servers_open_as_many_files_as_they_may() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -Sn 256; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tidewaiter")]);
    command.args(["registry", "serve", "--listen", &address.to_string(), "--data"]).arg(directory.path());
    let process = ServerProcess::start("tidewaiter registry serve", command, address);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).expect("it runs");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[0], words[1], "{line}");
}

/// Sends one request as it stands and returns the whole answer.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.write_all(request.as_bytes()).expect("sends");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// A page that lets its name point at this machine, or posts to it from elsewhere, gets nowhere.
#[test]
fn pages_of_others_do_not_reach_a_registry_without_accounts() {
    let directory = tempfile::tempdir().expect("a directory");
    let up = Up::start(directory.path(), &["--allow-host", "registry.test"]);
    for address in [up.registry, up.web] {
        let status = |method: &str, headers: &str| {
            let answer =
                ask(address, &format!("{method} /v2/ HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"));
            answer.get(9..12).unwrap_or_default().to_owned()
        };
        assert_eq!(status("GET", "Host: evil.test\r\n"), "421");
        assert_eq!(status("POST", "Host: localhost\r\nOrigin: http://evil.test\r\n"), "403");
        for host in ["localhost", "127.0.0.1:1", "registry.test:5000"] {
            assert_ne!(status("GET", &format!("Host: {host}\r\n")), "421");
        }
    }
    let with_accounts = Registry::start(&["--anonymous", "pull"]);
    let answer = ask(with_accounts.address, "GET /v2/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    // Scripts grep for the usual capitals.
    assert!(answer.contains("\r\nDocker-Distribution-Api-Version: registry/2.0\r\n"), "{answer}");
}

/// The first signal lets requests end, the second ends them.
#[test]
fn whoever_asks_twice_does_not_wait() {
    let mut registry = Registry::start(&[]);
    let mut client = TcpStream::connect(registry.address).expect("connects");
    // Only an upload that names its digest waits for its body.
    let target = format!("/v2/app/blobs/uploads/?digest={}", Digest::sha256(b"some text"));
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        registry.address
    );
    client.write_all(head.as_bytes()).expect("sends");
    let mut interim = [0; 25];
    client.read_exact(&mut interim).expect("an answer");
    assert_eq!(
        interim, *b"HTTP/1.1 100 Continue\r\n\r\n",
        "the server asks for the body: the request is under way"
    );
    let id = i32::try_from(registry.process.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, Signal::TERM).expect("it is there");
    while TcpStream::connect(registry.address).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(registry.process.stop().code(), Some(130));
}

#[tokio::test]
async fn the_platform_takes_the_same_flags() {
    let directory = tempfile::tempdir().expect("a directory");
    let up = Up::start(directory.path(), &["--read-only", "--no-referrers", "--access-log"]);
    let get = async |path: &str| {
        let answer = http().get(format!("http://{}{path}", up.registry)).send().await;
        answer.expect("an answer").status()
    };
    assert_eq!(get(&format!("/v2/app/referrers/{}", Digest::sha256(b""))).await, StatusCode::NOT_FOUND);
    assert_eq!(get("/healthz").await, StatusCode::OK);
    let push = http().post(format!("http://{}/v2/app/blobs/uploads/", up.registry)).send().await;
    assert_eq!(push.expect("an answer").status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(up.server.output().contains("path=\"/healthz\""), "{}", up.server.output());
}
