//! What people say of findings, in every form they say it in.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use serde_json::{Value, json};
use support::{component, database_of, distro, image};
use tidewaiter_advisory::vex::{Applied, Statement, Subject, VexStatus, apply, read};
use tidewaiter_advisory::{Matches, match_inventory};
use tidewaiter_inventory::ComponentKind::{Deb, Npm};
use tidewaiter_inventory::Inventory;

/// An image with two packages, each with one vulnerability.
fn judged() -> (Inventory, Matches) {
    let record = |id: &str, ecosystem: &str, name: &str| {
        json!({"id": id, "aliases": [id.replace("GHSA", "CVE-2024")], "modified": "2024-01-01T00:00:00Z", "affected": [
            {"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]})
    };
    let (_directory, database) =
        database_of(&[record("GHSA-1", "npm", "lodash"), record("GHSA-2", "Debian:12", "glibc")]);
    let inventory = image(
        distro("debian", "12"),
        vec![component(Npm, "lodash", "4.17.20"), component(Deb, "libc6 of glibc", "2.36-9")],
    );
    let matches = match_inventory(&database, &inventory, support::BUILT_AT);
    assert_eq!(matches.findings.len(), 2);
    (inventory, matches)
}

fn subject() -> Subject {
    Subject {
        name: "registry.example/team/shop:2.1".to_owned(),
        digest: Some("sha256:1111111111111111111111111111111111111111111111111111111111111111".to_owned()),
    }
}

/// The vulnerabilities that are left when a document is applied.
fn left(document: &Value) -> (Vec<String>, Applied) {
    let (inventory, mut matches) = judged();
    let statements = read("a.json", document.to_string().as_bytes()).unwrap();
    let applied = apply(&mut matches, &inventory, &subject(), &statements, &[]);
    assert_eq!(matches.findings.len() + matches.suppressed.len(), 2, "nothing is lost");
    (matches.findings.into_iter().map(|one| one.id).collect(), applied)
}

fn openvex(statements: &Value) -> Value {
    json!({"@context": "https://openvex.dev/ns/v0.2.0", "author": "Team", "timestamp": "2024-01-01T00:00:00Z", "statements": statements})
}

#[test]
fn products_are_meant_as_people_write_them() {
    let lodash = json!([{"@id": "pkg:npm/lodash@4.17.20"}]);
    let digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    for (products, expected) in [
        (json!([{"@id": "registry.example/team/shop:2.1", "subcomponents": lodash}]), true),
        (json!([{"@id": "registry.example/team/shop", "subcomponents": lodash}]), true),
        (json!([{"@id": "pkg:docker/team/shop@2.1", "subcomponents": lodash}]), true),
        (json!([{"@id": "pkg:docker/registry.example/team/shop"}]), true),
        (json!([{"@id": format!("pkg:oci/shop@{digest}?repository_url=registry.example/team/shop")}]), true),
        (json!([{"@id": digest}]), true),
        (json!([{"@id": "x", "hashes": {"sha-256": "1".repeat(64)}}]), true),
        (json!(["pkg:npm/lodash"]), true),
        (json!([{"@id": "pkg:npm/lodash@4.17.20"}]), true),
        (json!([{"@id": "x", "identifiers": {"purl": "pkg:npm/lodash"}}]), true),
        (json!([]), true),
        (json!([{"@id": "pkg:docker/team/shop@2.2", "subcomponents": lodash}]), false),
        (json!([{"@id": "pkg:docker/team/workshop", "subcomponents": lodash}]), false),
        (json!([{"@id": "pkg:docker/shop-of/team", "subcomponents": lodash}]), false),
        (json!([{"@id": "pkg:npm/lodash@4.17.21"}]), false),
        (json!([{"@id": "pkg:npm/%40types/lodash"}]), false),
        (json!([{"@id": "pkg:docker/team/shop", "subcomponents": [{"@id": "pkg:npm/other"}]}]), false),
    ] {
        let document = openvex(
            &json!([{"vulnerability": {"name": "CVE-2024-1"}, "products": products, "status": "not_affected"}]),
        );
        let (left, applied) = left(&document);
        assert_eq!(!left.contains(&"CVE-2024-1".to_owned()), expected, "{products}");
        assert_eq!(applied.unused.is_empty(), expected, "{products}");
    }
}

#[test]
fn a_source_package_stands_for_what_was_built_from_it() {
    let say = |purl: &str| {
        openvex(&json!([{"vulnerability": "GHSA-2", "products": [purl], "status": "not_affected"}]))
    };
    assert_eq!(left(&say("pkg:deb/debian/glibc")).0.len(), 2, "the namespace is another one");
    assert_eq!(left(&say("pkg:deb/glibc@2.36-9")).0, ["CVE-2024-1"]);
    assert_eq!(left(&say("pkg:deb/libc6")).0, ["CVE-2024-1"]);
}

#[test]
fn the_last_word_counts_and_only_not_affected_suppresses() {
    let at = |time: &str, status: &str| json!({"vulnerability": {"name": "CVE-2024-1"}, "products": ["pkg:npm/lodash"], "status": status, "timestamp": time});
    let said = |statements: Value| left(&openvex(&statements)).0.len();
    let (early, late) = ("2024-01-01T00:00:00Z", "2024-06-01T00:00:00Z");
    assert_eq!(said(json!([at(early, "not_affected")])), 1);
    assert_eq!(said(json!([at(late, "affected"), at(early, "not_affected")])), 2);
    assert_eq!(said(json!([at(late, "not_affected"), at(early, "affected")])), 1);
    for status in ["fixed", "under_investigation", "affected"] {
        assert_eq!(said(json!([at(early, status)])), 2, "{status}");
    }
}

#[test]
fn cyclonedx_and_csaf_say_the_same() {
    let cyclonedx = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"authors": [{"name": "Team", "email": "t@example.org"}]},
        "vulnerabilities": [{"id": "CVE-2024-1", "analysis": {"state": "false_positive", "justification": "code_not_reachable"},
            "affects": [{"ref": "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg%3Anpm%2Flodash%404.17.20"}]}]});
    assert_eq!(left(&cyclonedx).0, ["CVE-2024-2"]);
    let csaf = json!({
        "document": {"category": "csaf_vex", "csaf_version": "2.0", "publisher": {"name": "Team"}, "tracking": {"current_release_date": "2024-01-01T00:00:00Z"}},
        "product_tree": {
            "branches": [{"branches": [
                {"product": {"product_id": "shop", "product_identification_helper": {"purl": "pkg:docker/team/shop@2.1"}}},
                {"product": {"product_id": "lodash", "product_identification_helper": {"purl": "pkg:npm/lodash@4.17.20"}}}]}],
            "relationships": [{"full_product_name": {"product_id": "shop:lodash"}, "product_reference": "lodash", "relates_to_product_reference": "shop"}]},
        "vulnerabilities": [{"cve": "CVE-2024-1", "product_status": {"known_not_affected": ["shop:lodash"]},
            "flags": [{"label": "component_not_present", "product_ids": ["shop:lodash"]}],
            "threats": [{"category": "impact", "details": "it is only used in tests", "product_ids": ["shop:lodash"]}]}]});
    assert_eq!(left(&csaf).0, ["CVE-2024-2"]);
    let statements: Vec<Statement> = read("a.json", csaf.to_string().as_bytes()).unwrap();
    assert_eq!(statements[0].status, VexStatus::NotAffected);
    assert_eq!(statements[0].justification.as_deref(), Some("component_not_present"));
    let attested = json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://openvex.dev/ns", "predicate":
        openvex(&json!([{"vulnerability": {"@id": "https://nvd.nist.gov/vuln/detail/CVE-2024-1"}, "products": [], "status": "not_affected"}]))});
    assert_eq!(left(&attested).0, ["CVE-2024-2"]);
}

#[test]
fn what_is_no_document_is_refused() {
    for text in ["", "{", "{}", "[]", r#"{"@context": "https://openvex.dev/ns", "statements": 7}"#] {
        assert!(read("a.json", text.as_bytes()).is_err(), "{text}");
    }
}
