//! `sbom`, `cves` and `db` from outside, on images in layouts, archives and directories.

mod harness;

use harness::home::Home;
use harness::{fail, succeed};
use serde_json::Value;

#[tokio::test]
async fn the_list_names_every_package_once() {
    let home = Home::new().await;
    let list = succeed(home.path(), &["sbom", &home.image(), "--format", "list"]);
    assert_eq!(list.lines().filter(|line| line.contains("libssl1.1")).count(), 1, "{list}");
    assert_eq!(list.lines().count(), 36, "{list}");
}

#[tokio::test]
async fn cyclonedx_has_every_package_and_the_image() {
    let home = Home::new().await;
    let document = succeed(home.path(), &["sbom", &home.image(), "--format", "cyclonedx"]);
    let document: Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!(document["bomFormat"], "CycloneDX");
    let components = document["components"].as_array().expect("components");
    let purls: Vec<_> = components.iter().filter_map(|component| component["purl"].as_str()).collect();
    assert_eq!(purls.len(), 35);
    assert!(purls.iter().any(|purl| purl.starts_with("pkg:deb/debian/openssl@1.1.1k-1?")), "{purls:?}");
}

#[tokio::test]
async fn findings_have_the_documented_shape() {
    let home = Home::new().await;
    let report = succeed(home.path(), &["cves", &home.image(), "--format", "json"]);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    let finding = findings
        .iter()
        .find(|finding| finding["id"] == "CVE-2021-3711" && finding["package"]["name"] == "libssl1.1")
        .expect("a known hole");
    assert_eq!(finding["severity"], "critical");
    assert_eq!(finding["package"]["version"], "1.1.1k-1");
    assert_eq!(finding["package"]["source"]["name"], "openssl");
    assert_eq!(finding["fix"]["state"], "fixed");
    assert_eq!(finding["fix"]["versions"][0], "1.1.1k-1+deb11u1");
    assert_eq!(finding["layer"]["ordinal"], 0);
    assert!(finding["layer"]["diff_id"].as_str().expect("text").starts_with("sha256:"));
    assert!(finding["aliases"].is_array() && report["problems"].is_array() && report["image"].is_object());

    let text = succeed(home.path(), &["cves", &home.image()]);
    assert!(text.contains("CVE-2021-3711") && text.contains("1.1.1k-1+deb11u1"), "{text}");
}

#[tokio::test]
async fn an_image_for_one_platform_does_not_pass_for_another() {
    let home = Home::new().await;
    let error = fail(home.path(), &["sbom", &home.image(), "--platform", "linux/s390x"]);
    assert!(error.contains("linux/s390x") && error.contains("it has: linux/amd64"), "{error}");
    succeed(home.path(), &["sbom", &home.image(), "--platform", "linux/amd64"]);
}

#[tokio::test]
async fn bad_input_gets_one_clear_sentence() {
    let home = Home::new().await;
    let check = |args: &[&str], parts: &[&str]| {
        let error = fail(home.path(), args);
        assert_eq!(error.lines().count(), 1, "{error}");
        for part in parts {
            assert!(error.contains(part), "{args:?}: {error}");
        }
    };
    check(&["cves", "UPPER/case"], &["UPPER"]);
    check(&["cves", "ftp://x"], &["ftp://", "oci-dir://"]);
    check(&["sbom", "oci-dir:///nonexistent"], &["/nonexistent"]);
    check(&["sbom", "archive:///etc/passwd"], &["/etc/passwd"]);
    check(&["sbom", "fs:///nonexistent"], &["/nonexistent"]);
    check(&["sbom", "/nonexistent"], &["there is no such file"]);
    for name in ["fs:///nonexistent", "archive:///nonexistent", "oci-dir:///nonexistent", "/nonexistent"] {
        let error = fail(home.path(), &["sbom", name]);
        assert_eq!(error.matches("/nonexistent").count(), 1, "{error}");
    }
    check(&["sbom", &format!("{}:nope", home.image())], &["nope"]);
    check(&["cves", &home.image(), "--db", "/nonexistent"], &["/nonexistent", "tidewaiter db build"]);
    check(&["cves", &home.image(), "--db", "/etc/passwd"], &["/etc/passwd"]);
    check(&["db", "build", "--from", "/nonexistent"], &["/nonexistent"]);
    check(&["sbom", "127.0.0.1:1/a:b"], &["127.0.0.1:1"]);
}
