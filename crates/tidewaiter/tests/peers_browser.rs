//! The pages in a real browser: what arrives is seen without reloading, and findings are one click away.

mod harness;

use std::process::Command;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use harness::{PATIENCE, Up};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tidewaiter_testkit::{ServerProcess, free_address};

/// Chromium behind its driver.
struct Browser {
    client: Client,
    _driver: ServerProcess,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start() -> Self {
        let address = free_address();
        let mut command = Command::new("/usr/bin/chromedriver");
        command.arg(format!("--port={}", address.port()));
        let driver = ServerProcess::start("chromedriver", command, address);
        let profile = tempfile::tempdir().expect("temporary directory");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let options = json!({"args": arguments, "binary": "/usr/bin/chromium"});
        let capabilities = serde_json::Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://{address}"))
            .await
            .expect("the browser starts");
        Self { client, _driver: driver, _profile: profile }
    }

    async fn wait_for(&self, css: &str) -> fantoccini::elements::Element {
        let wait = self.client.wait().at_most(PATIENCE).every(Duration::from_millis(50));
        wait.for_element(Locator::Css(css)).await.unwrap_or_else(|error| panic!("{css} never came: {error}"))
    }
}

#[tokio::test]
async fn a_person_sees_what_arrives_and_what_is_wrong_with_it() {
    let data = tempfile::tempdir().expect("temporary directory");
    let up = Up::start(data.path(), &["--demo"]);
    let browser = Browser::start().await;
    browser.client.goto(&up.login_link()).await.expect("the page opens");
    // Nothing is reloaded by hand: the rows and their counts arrive by themselves.
    let row = browser.wait_for("tr[data-digest] .chip.critical:not(.none)").await;
    assert!(row.text().await.expect("text").starts_with('C'));
    let link = browser.client.find(Locator::LinkText(&format!("{}/demo/debian:11.0", up.registry))).await;
    link.expect("the image is listed").click().await.expect("it opens");
    let findings = browser.wait_for("table.findings").await.text().await.expect("text");
    assert!(findings.contains("CVE-2021-3711") && findings.contains("1.1.1k-1+deb11u1"), "{findings}");
    browser.client.clone().close().await.expect("the browser ends");
}
