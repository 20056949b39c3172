//! Runs the real binary for tests: servers in a directory of their own, commands with their output.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod buildkit;
pub(crate) mod home;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tidewaiter_demo::DemoImage;
use tidewaiter_oci::Reference;
use tidewaiter_oci::content::{Content, Push as _, Tag as _};
use tidewaiter_oci::remote::{Client, Settings};
use tidewaiter_testkit::{ServerProcess, free_address};

/// How long anything may take before a test gives up: far more than it should.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A `tidewaiter` command in a made-up home, which stays empty.
pub(crate) fn tidewaiter(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewaiter"));
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1");
    command
}

/// Runs a command to its end.
pub(crate) fn run(home: &Path, args: &[&str]) -> Output {
    tidewaiter(home).args(args).output().expect("the binary starts")
}

/// Standard output of a command that must succeed.
pub(crate) fn succeed(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?} failed: {stderr}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// Standard error of a command that must fail with a sentence and no panic.
pub(crate) fn fail(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    // 69 is for a registry that cannot be reached.
    assert!(matches!(output.status.code(), Some(1 | 69)), "{args:?}: {stderr}");
    assert!(stderr.starts_with("Error: ") && !stderr.contains("panicked"), "{args:?}: {stderr}");
    stderr
}

/// A running platform.
pub(crate) struct Up {
    pub(crate) server: ServerProcess,
    pub(crate) web: SocketAddr,
    pub(crate) registry: SocketAddr,
    pub(crate) data: PathBuf,
}

impl Up {
    /// Starts it over a data directory.
    pub(crate) fn start(data: &Path, extra: &[&str]) -> Self {
        let (web, registry) = (free_address(), free_address());
        let mut command = tidewaiter(data);
        command.args(["up", "--data"]).arg(data);
        command.args(["--listen", &web.to_string(), "--registry-listen", &registry.to_string()]).args(extra);
        let server = ServerProcess::start("tidewaiter up", command, web);
        Self { server, web, registry, data: data.to_owned() }
    }

    /// The owner's token, from its file.
    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.data.join("owner-token")).expect("the token is there").trim().to_owned()
    }

    /// The one-time link it printed at its start.
    pub(crate) fn login_link(&self) -> String {
        let output = self.server.output();
        let link = output.split_whitespace().find(|word| word.contains("/login?code="));
        link.expect("a link is printed").to_owned()
    }

    /// A URL of the dashboard.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.web)
    }

    /// Asks the API as the owner.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let answer = http().get(self.url(path)).bearer_auth(self.token()).send().await.expect("it answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    /// All images, once there are `number` and nothing waits to be read or judged.
    pub(crate) async fn settled_images(&self, number: usize) -> Vec<Value> {
        self.images_when(|images| images.len() == number && images.iter().all(is_settled)).await
    }

    /// All images, once they are as wanted.
    pub(crate) async fn images_when(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.api("/api/v1/images").await;
            let images = answer["images"].as_array().expect("a list").clone();
            if wanted(&images) {
                return images;
            }
            assert!(
                Instant::now() < end,
                "the images never came to be as wanted: {images:#?}\n{}",
                self.server.output()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The report of an image.
    pub(crate) async fn report(&self, image: &Value) -> Value {
        let digest = image["digest"].as_str().expect("a digest");
        self.api(&format!("/api/v1/images/{digest}/findings")).await
    }

    /// Pushes an image as any client does.
    pub(crate) async fn push(&self, image: &DemoImage) {
        let reference = format!("{}/{}:{}", self.registry, image.repository, image.tag);
        let reference = Reference::parse(&reference).expect("a reference");
        let repository = client().repository(&reference).expect("a repository");
        for blob in &image.blobs {
            let content = Content::Bytes(blob.bytes.clone());
            repository.push(&blob.descriptor, content).await.expect("the blob is taken");
        }
        repository.push_tagged(&image.manifest, image.tag).await.expect("the manifest is taken");
    }
}

/// Nothing of the image waits to be read or judged.
pub(crate) fn is_settled(image: &Value) -> bool {
    image["state"] == "failed" || image["judged"] == true
}

/// The image that has a name with this ending.
pub(crate) fn named<'a>(images: &'a [Value], ending: &str) -> &'a Value {
    let has = |image: &&Value| {
        let names = image["names"].as_array().expect("names");
        names.iter().any(|name| name.as_str().is_some_and(|name| name.ends_with(ending)))
    };
    images.iter().find(has).unwrap_or_else(|| panic!("no image is named …{ending}: {images:#?}"))
}

/// A plain HTTP client that follows no redirects.
pub(crate) fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("a client")
}

/// A registry client without credentials.
pub(crate) fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(Settings::default()).expect("a client")
}

/// The advisory records of the demo as files, for `db build`.
pub(crate) fn write_advisories(directory: &Path) {
    for (name, content) in tidewaiter_demo::advisories() {
        std::fs::write(directory.join(name), content).expect("written");
    }
}
