//! The platform from outside: pushes become reports, whatever happens in between.

mod harness;

use bytes::Bytes;
use harness::buildkit::Pushes;
use harness::{Up, fail, http, is_settled, named, succeed, write_advisories};
use serde_json::{Value, json};
use tidewaiter_demo::{Blob, DemoImage};
use tidewaiter_oci::{Descriptor, Manifest, media_type};

fn demo_image(repository: &str) -> DemoImage {
    let images = tidewaiter_demo::images().expect("made in memory");
    images.into_iter().find(|image| image.repository == repository).expect("one of the demo's")
}

/// (id, package, fixed versions) of all findings.
fn finding_keys(report: &Value) -> Vec<(String, String, String)> {
    let findings = report["findings"].as_array().expect("findings");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .iter()
        .map(|finding| {
            let versions = finding["fix"]["versions"].as_array().expect("versions");
            let versions = versions.iter().map(text).collect::<Vec<_>>().join(" ");
            (text(&finding["id"]), text(&finding["package"]["name"]), versions)
        })
        .collect()
}

#[tokio::test]
async fn the_demo_shows_its_images_with_what_is_wrong() {
    let data = tempfile::tempdir().expect("temporary directory");
    let up = Up::start(data.path(), &["--demo"]);
    let images = up.settled_images(4).await;

    let debian = named(&images, "/demo/debian:11.0");
    assert_eq!(debian["distro"], "Debian GNU/Linux 11 (bullseye)");
    assert_eq!(debian["components"], 35, "a package that is only configured does not count");
    let keys = finding_keys(&up.report(debian).await);
    let expected =
        |package: &str| ("CVE-2021-3711".to_owned(), package.to_owned(), "1.1.1k-1+deb11u1".to_owned());
    assert!(keys.contains(&expected("openssl")) && keys.contains(&expected("libssl1.1")), "{keys:#?}");

    let frontend = named(&images, "/demo/shop-frontend:1.4.0");
    let report = up.report(frontend).await;
    let findings = report["findings"].as_array().expect("findings");
    let lodash = findings.iter().find(|finding| finding["package"]["name"] == "lodash").expect("old lodash");
    assert_eq!(lodash["layer"]["ordinal"], 1, "the application's layer brought it");
    assert_eq!(lodash["package"]["purl"], "pkg:npm/lodash@4.17.15");
    let openssl =
        findings.iter().find(|finding| finding["package"]["name"] == "openssl").expect("old openssl");
    assert_eq!(openssl["layer"]["ordinal"], 0, "the base's layer brought it");

    let invoices = up.report(named(&images, "/demo/invoices:2.0.1")).await;
    let packages: Vec<_> = finding_keys(&invoices).into_iter().map(|(_, package, _)| package).collect();
    assert!(packages.contains(&"django".to_owned()), "{packages:?}");

    let alpine = named(&images, "/demo/alpine:3.10.0");
    assert!(alpine["findings"]["high"].as_u64() > Some(0), "{alpine:#}");
}

#[tokio::test]
async fn only_the_owner_gets_in() {
    let data = tempfile::tempdir().expect("temporary directory");
    let up = Up::start(data.path(), &[]);
    let http = http();
    let get = |path: &str| http.get(up.url(path)).send();

    let refused = get("/api/v1/images").await.expect("an answer");
    assert_eq!(refused.status(), 401);
    let body: Value = refused.json().await.expect("JSON");
    assert_eq!(body["error"]["code"], "unauthorized");
    let redirected = get("/").await.expect("an answer");
    assert_eq!(redirected.headers()["location"], "/login");

    let link = up.login_link();
    let entered = http.get(&link).send().await.expect("an answer");
    let cookie = entered.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let again = http.get(&link).send().await.expect("an answer");
    assert_eq!(again.status(), 403, "a link works once");

    let session = cookie.split(';').next().expect("a pair").to_owned();
    let page = http.get(up.url("/")).header("cookie", &session).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    assert!(page.headers().contains_key("content-security-policy"));
    let forged =
        http.post(up.url("/logout")).header("cookie", &session).header("sec-fetch-site", "cross-site");
    assert_eq!(forged.send().await.expect("an answer").status(), 403);
    http.post(up.url("/logout")).header("cookie", &session).send().await.expect("an answer");
    let after = http.get(up.url("/")).header("cookie", &session).send().await.expect("an answer");
    assert_eq!(after.status(), 303, "the session is over");

    let link = succeed(
        data.path(),
        &["login-link", "--data", data.path().to_str().expect("UTF-8"), "--url", &up.url("")],
    );
    let entered = http.get(link.trim()).send().await.expect("an answer");
    assert_eq!(entered.status(), 303);
}

#[tokio::test]
async fn a_push_survives_the_death_of_the_process() {
    let data = tempfile::tempdir().expect("temporary directory");
    let image = demo_image("demo/alpine");
    let mut up = Up::start(data.path(), &["--demo"]);
    // Killed as soon as the registry has said that it has the image.
    up.push(&DemoImage { tag: "killed", ..image }).await;
    up.server.kill();
    let up = Up::start(data.path(), &[]);
    let images = up
        .images_when(|images| {
            images
                .iter()
                .any(|image| is_settled(image) && image["names"].to_string().contains("demo/alpine:killed"))
        })
        .await;
    let report = up.report(named(&images, "/demo/alpine:killed")).await;
    assert!(!finding_keys(&report).is_empty());
}

#[tokio::test]
async fn a_new_database_judges_what_is_stored() {
    let data = tempfile::tempdir().expect("temporary directory");
    let up = Up::start(data.path(), &[]);
    up.push(&demo_image("demo/debian")).await;
    let images = up.images_when(|images| images.iter().any(|image| image["state"] == "analysed")).await;
    assert_eq!(images[0]["judged"], false, "without advisories nothing can be said");

    let records = tempfile::tempdir().expect("temporary directory");
    write_advisories(records.path());
    let (directory, from) = (data.path().to_str().expect("UTF-8"), records.path().to_str().expect("UTF-8"));
    succeed(data.path(), &["db", "build", "--data", directory, "--from", from]);
    let images = up.settled_images(1).await;
    let before = finding_keys(&up.report(&images[0]).await).len();
    assert!(before > 0);

    std::fs::remove_file(records.path().join("debian.jsonl")).expect("removed");
    succeed(data.path(), &["db", "build", "--data", directory, "--from", from]);
    let counts = |image: &Value| {
        image["findings"].as_object().map(|counts| counts.values().filter_map(Value::as_u64).sum::<u64>())
    };
    up.images_when(|images| counts(&images[0]) == Some(0) && is_settled(&images[0])).await;
}

#[tokio::test]
async fn a_damaged_image_is_shown_with_the_reason() {
    let data = tempfile::tempdir().expect("temporary directory");
    let up = Up::start(data.path(), &["--demo"]);
    let mut image = demo_image("demo/alpine");
    let mut layer = image.blobs[0].bytes.to_vec();
    let middle = layer.len() / 2;
    layer.truncate(middle);
    let layer = Bytes::from(layer);
    let layer = Blob { descriptor: Descriptor::of(media_type::OCI_LAYER_GZIP, &layer), bytes: layer };
    let config = image.blobs[1].clone();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": config.descriptor, "layers": [layer.descriptor],
    });
    image.manifest = Manifest::parse(Bytes::from(manifest.to_string()), None).expect("a manifest");
    image.blobs = vec![layer, config];
    image.repository = "broken/alpine";
    up.push(&image).await;
    let images = up.images_when(|images| images.iter().any(|image| image["state"] == "failed")).await;
    let broken = named(&images, "/broken/alpine:3.10.0");
    let failure = broken["failure"].as_str().expect("a reason");
    assert!(failure.contains("layer sha256:") && failure.contains("gzip"), "{failure}");
}

/// The pages as their owner sees them, after logging in once.
async fn pages<const COUNT: usize>(up: &Up, paths: [&str; COUNT]) -> Vec<String> {
    let entered = http().get(up.login_link()).send().await.expect("a session");
    let cookie = entered.headers()["set-cookie"].to_str().expect("text").to_owned();
    let session = cookie.split(';').next().expect("a pair");
    let mut pages = Vec::new();
    for path in paths {
        let page = http().get(up.url(path)).header("cookie", session).send().await.expect("the page");
        pages.push(page.text().await.expect("text"));
    }
    pages
}

#[tokio::test]
async fn what_buildkit_and_cosign_push_is_one_image_with_what_speaks_of_it() {
    let data = tempfile::tempdir().expect("temporary directory");
    let up = Up::start(data.path(), &[]);
    let alpine = demo_image("demo/alpine");
    let config: Value = serde_json::from_slice(&alpine.blobs[1].bytes).expect("a configuration");
    let diff_id = config["rootfs"]["diff_ids"][0].as_str().expect("a layer");
    let mut pushes = Pushes::default();
    let images = ["amd64", "arm64"].map(|architecture| pushes.image(&alpine.blobs[0], diff_id, architecture));
    let attestations = images.clone().map(|image| pushes.attestation(&image));
    let members = images.iter().chain(&attestations).cloned().collect::<Vec<_>>();
    let index = pushes.index(&members, "1.0");
    let signature = pushes.cosign(&index, "sig", "application/vnd.dev.cosign.simplesigning.v1+json");
    let statement = pushes.cosign(&images[0], "att", "application/vnd.dsse.envelope.v1+json");
    let chart = json!(pushes.blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart"));
    pushes.artifact("application/vnd.cncf.helm.config.v1+json", chart, Some("chart"));
    pushes.index(&attestations, "nothing-to-run");
    pushes.push(&up, "team/app").await;

    let analysed = |images: &[Value]| images.iter().filter(|image| image["state"] == "analysed").count();
    let found = up.images_when(|images| images.len() == 2 && analysed(images) == 2).await;
    let end = std::time::Instant::now() + harness::PATIENCE;
    let all = loop {
        let all = up.api("/api/v1/images").await;
        if all["artifacts"].as_array().is_some_and(|artifacts| artifacts.len() == 5) {
            break all;
        }
        assert!(std::time::Instant::now() < end, "{all:#}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    for (image, attestation) in images.iter().zip(&attestations) {
        let found = found.iter().find(|found| found["digest"] == image["digest"]).expect("it is listed");
        assert_eq!(found["state"], "analysed");
        assert_eq!(found["names"], json!([format!("{}/team/app:1.0", up.registry)]));
        assert_eq!(found["indexes"], json!([index["digest"]]));
        let speaking = found["artifacts"].as_array().expect("a list");
        assert!(speaking.contains(&attestation["digest"]), "{found:#}");
    }
    let artifact = |digest: &Value| {
        let artifacts = all["artifacts"].as_array().expect("a list");
        artifacts.iter().find(|artifact| artifact["digest"] == *digest).expect("it is listed").clone()
    };
    assert_eq!(artifact(&attestations[1]["digest"])["states"], json!(["SBOM", "provenance"]));
    assert_eq!(artifact(&signature["digest"])["role"], "signature");
    assert_eq!(artifact(&signature["digest"])["subjects"], json!([index["digest"]]));
    assert_eq!(artifact(&statement["digest"])["subjects"], json!([images[0]["digest"]]));
    let roles = all["artifacts"].as_array().expect("a list").iter().map(|artifact| artifact["role"].clone());
    assert!(roles.into_iter().any(|role| role == "Helm chart"), "{all:#}");
    assert_eq!(all["empty_indexes"][0]["names"], json!([format!("{}/team/app:nothing-to-run", up.registry)]));

    let one = format!("/images/{}", images[1]["digest"].as_str().expect("a digest"));
    let pages = pages(&up, ["/", &one]).await;
    let (list, one) = (&pages[0], &pages[1]);
    let (table, _) = list.split_once("<h2>Artifacts</h2>").expect("artifacts have a list of their own");
    assert_eq!(table.matches("<tr data-digest=").count(), 2, "{table}");
    assert!(!list.contains("not analysed"), "{list}");
    assert!(table.contains(">linux/amd64</a>") && table.contains(">linux/arm64</a>"), "{table}");
    assert!(table.contains("with SBOM, attestation, provenance, signature"), "{table}");
    assert!(table.contains("an index in which no image is found"), "{table}");
    assert!(one.contains("Attestations and signatures") && one.contains("SBOM, provenance"), "{one}");

    // The platform writes the same documents, for programs and from the page.
    assert!(one.contains("/sbom?format=spdx"), "{one}");
    let digest = images[0]["digest"].as_str().expect("a digest");
    let platform = up.api(&format!("/api/v1/images/{digest}/sbom?format=cyclonedx")).await;
    let ours = format!("registry://{}/team/app@{digest}", up.registry);
    let ours: Value =
        serde_json::from_str(&succeed(data.path(), &["sbom", &ours, "--format", "cyclonedx"])).expect("JSON");
    assert_eq!(platform["components"], ours["components"]);
    assert!(platform["components"].as_array().is_some_and(|components| components.len() > 10), "{platform}");
    let odd = http().get(up.url(&format!("/api/v1/images/{digest}/sbom?format=x"))).bearer_auth(up.token());
    assert_eq!(odd.send().await.expect("it answers").status(), 400);

    // What the build says of the source and the base is part of what the command line writes, of each platform.
    let image = format!("registry://{}/team/app:1.0", up.registry);
    let written = data.path().join("{platform}.json").display().to_string();
    succeed(data.path(), &["sbom", &image, "--platform", "all", "--output", &written]);
    for platform in ["linux-amd64", "linux-arm64"] {
        let document = std::fs::read(data.path().join(format!("{platform}.json"))).expect("written");
        let document: Value = serde_json::from_slice(&document).expect("JSON");
        let base = &document["source"]["base_images"][0]["images"][0];
        assert_eq!(
            (&base["repository"]["repo"], &base["digest"]),
            (&json!("os"), &json!("sha256:ba5e")),
            "{base}"
        );
        let facts = document["source"]["properties"][0]["value"].as_str().expect("facts");
        let facts: Value = serde_json::from_str(facts).expect("JSON");
        assert_eq!(facts["source_repository"], "https://git.test/app.git");
        assert_eq!(facts["source_revision"], "c0de");
    }
}

#[tokio::test]
async fn a_deleted_image_leaves_the_list() {
    let data = tempfile::tempdir().expect("temporary directory");
    let up = Up::start(data.path(), &["--demo"]);
    let images = up.settled_images(4).await;
    let digest = named(&images, "/demo/alpine:3.10.0")["digest"].as_str().expect("a digest").to_owned();
    let url = format!("http://{}/v2/demo/alpine/manifests/{digest}", up.registry);
    assert_eq!(http().delete(url).send().await.expect("an answer").status(), 202);
    up.images_when(|images| images.len() == 3).await;
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let data = tempfile::tempdir().expect("temporary directory");
    let directory = data.path().to_str().expect("UTF-8");
    let up = Up::start(data.path(), &[]);
    let taken = up.web.to_string();

    let error = fail(data.path(), &["up", "--data", directory]);
    assert!(error.contains("another tidewaiter serves from"), "{error}");

    let other = tempfile::tempdir().expect("temporary directory");
    let elsewhere = other.path().to_str().expect("UTF-8");
    let error = fail(other.path(), &["up", "--data", elsewhere, "--listen", &taken]);
    assert!(error.contains(&taken) && error.contains("--listen"), "{error}");

    let error = fail(other.path(), &["up", "--data", "/proc/nowhere"]);
    assert!(error.contains("/proc/nowhere") && error.contains("--data"), "{error}");

    std::fs::write(other.path().join("tidewaiter.db"), "something else, of some length".repeat(100))
        .expect("written");
    let free = tidewaiter_testkit::free_address().to_string();
    let more = tidewaiter_testkit::free_address().to_string();
    let error =
        fail(other.path(), &["up", "--data", elsewhere, "--listen", &free, "--registry-listen", &more]);
    assert!(error.contains("tidewaiter.db"), "{error}");
}

#[tokio::test]
async fn it_stops_when_asked() {
    let data = tempfile::tempdir().expect("temporary directory");
    let mut up = Up::start(data.path(), &[]);
    let status = up.server.stop();
    assert!(status.success(), "{status}: {}", up.server.output());
    let status = succeed(data.path(), &["db", "status"]);
    assert!(status.contains("There is no database"), "there is none of the command line here: {status}");
}
