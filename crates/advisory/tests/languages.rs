//! Packages of languages whose orders and names have ways of their own.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use serde_json::{Value, json};
use support::{component, database_of, image};
use tidewaiter_advisory::{GapKind, match_component, match_inventory};
use tidewaiter_inventory::Component;
use tidewaiter_inventory::ComponentKind::{Composer, Gem, Maven, Nuget, Other};

fn record(ecosystem: &str, name: &str, introduced: &str, fixed: &str) -> Value {
    json!({"id": format!("GHSA-{}", ecosystem.to_lowercase()), "modified": "2024-06-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": ecosystem, "name": name},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": introduced}, {"fixed": fixed}]}]}]})
}

#[test]
fn each_is_judged_in_its_own_order_by_its_own_name() {
    let (_directory, database) = database_of(&[
        record("Maven", "org.apache.logging.log4j:log4j-core", "2.0-beta9", "2.15.0"),
        record("NuGet", "Newtonsoft.Json", "0", "13.0.1"),
        record("Packagist", "Symfony/HTTP-Kernel", "2.0.0", "4.4.50"),
        record("RubyGems", "rails", "5.2.0.rc1", "5.2.8.1"),
        record("Hex", "plug", "0", "1.3.5"),
    ]);
    let count = |component: &Component| match_component(&database, None, component).len();
    for (kind, name, version, expected) in [
        (Maven, "org.apache.logging.log4j:log4j-core", "2.14.1", 1),
        (Maven, "org.apache.logging.log4j:log4j-core", "2.0-beta9", 1),
        (Maven, "org.apache.logging.log4j:log4j-core", "2.0-beta8", 0),
        (Maven, "org.apache.logging.log4j:log4j-core", "2.15.0", 0),
        (Maven, "org.apache.logging.log4j:log4j-core", "2.15.0-rc1", 1),
        // An artifact of another group is another artifact.
        (Maven, "com.example:log4j-core", "2.14.1", 0),
        (Nuget, "newtonsoft.json", "13.0.1-beta2", 1),
        (Nuget, "NEWTONSOFT.JSON", "12.0.3", 1),
        (Nuget, "Newtonsoft.Json", "13.0.1.0", 0),
        (Composer, "symfony/http-kernel", "v4.4.49", 1),
        (Composer, "symfony/http-kernel", "v4.4.50", 0),
        (Composer, "symfony/http-kernel", "2.0.0-RC1", 0),
        (Gem, "rails", "5.2.8", 1),
        (Gem, "rails", "5.2.0.rc1", 1),
        (Gem, "rails", "5.2.0.beta2", 0),
        (Gem, "rails", "5.2.8.1", 0),
    ] {
        assert_eq!(count(&component(kind, name, version)), expected, "{name} {version}");
    }
    let plug = Component { purl: "pkg:hex/plug@1.3.4".to_owned(), ..component(Other, "plug", "1.3.4") };
    assert_eq!(count(&plug), 1);
}

#[test]
fn an_artifact_without_its_group_is_not_guessed_at() {
    let (_directory, database) = database_of(&[record("Maven", "a:log4j-core", "0", "2.15.0")]);
    let matches = match_inventory(
        &database,
        &image(None, vec![component(Maven, "log4j-core", "2.14.1")]),
        support::BUILT_AT,
    );
    assert_eq!(matches.findings, []);
    assert_eq!(matches.gaps[0].kind, GapKind::NoName);
}

#[test]
fn a_branch_is_no_version() {
    let (_directory, database) = database_of(&[record("Packagist", "a/b", "0", "2.0")]);
    let matches = match_inventory(
        &database,
        &image(None, vec![component(Composer, "a/b", "dev-main")]),
        support::BUILT_AT,
    );
    assert_eq!((matches.findings.len(), matches.undecided.len()), (0, 1));
    insta::assert_snapshot!(matches.undecided[0].reason, @r#""dev-main" is not a version in the Composer order."#);
}
