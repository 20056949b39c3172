//! Feeds that are not OSV: what their documents say, and what that means for a component.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::path::PathBuf;

use serde_json::{Value, json};
use support::{component, distro, image, try_build};
use tempfile::TempDir;
use tidewaiter_advisory::{
    BuildReport, Database, Matches, Severity, SeveritySource, SourceKind, match_inventory,
};
use tidewaiter_inventory::ComponentKind::{Apk, Deb, Generic, Npm, Rpm};
use tidewaiter_inventory::{Component, Distro, SourcePackage};

/// Builds a database of documents, each in a file of its own.
fn database_of(documents: &[Value]) -> (TempDir, Database, BuildReport) {
    let directory = TempDir::new().unwrap();
    let inputs: Vec<PathBuf> = documents
        .iter()
        .enumerate()
        .map(|(number, document)| {
            let path = directory.path().join(format!("{number}.json"));
            std::fs::write(&path, serde_json::to_string_pretty(document).unwrap()).unwrap();
            path
        })
        .collect();
    let output = directory.path().join("advisories.db");
    let report = try_build(&inputs, &output).unwrap();
    let database = Database::open(&output).unwrap();
    (directory, database, report)
}

fn judge(database: &Database, system: Option<Distro>, component: Component) -> Matches {
    match_inventory(database, &image(system, vec![component]), support::BUILT_AT)
}

/// `id state` of what is found.
fn lines(matches: &Matches) -> Vec<String> {
    matches
        .findings
        .iter()
        .map(|one| format!("{} {} {:?} {}", one.id, one.severity, one.fix.state, one.fix.versions.join(" ")))
        .collect()
}

#[test]
fn alpine_says_what_was_fixed_and_what_never_was_there() {
    let main = json!({"distroversion": "v3.19", "reponame": "main", "urlprefix": "https://alpine.example/v3.19",
        "packages": [
            {"pkg": {"name": "openssl", "secfixes": {
                "3.1.4-r1": ["CVE-2023-5678"], "3.1.4-r0": ["CVE-2023-5363 (+ regression fix)", "XSA-1 CVE-2023-1"],
                "0": ["CVE-2023-9999"], "1.0-r0": null}}},
            {"pkg": {"name": "odd", "secfixes": {"1.0-r0": {"not": "a list"}}}}]});
    let community = json!({"distroversion": "v3.19", "reponame": "community", "urlprefix": "https://alpine.example/v3.19",
        "packages": [{"pkg": {"name": "nodejs", "secfixes": {"20.8.1-r0": ["CVE-2023-5363"]}}}]});
    let (_directory, database, report) = database_of(&[main, community]);
    assert_eq!(report.skipped.unreadable, 1);
    assert!(report.sources.iter().all(|source| source.kind == SourceKind::Secdb));
    let alpine = || distro("alpine", "3.19.1");
    let matches = judge(&database, alpine(), component(Apk, "libcrypto3 of openssl", "3.1.3-r0"));
    assert_eq!(
        lines(&matches),
        [
            "CVE-2023-1 unknown Fixed 3.1.4-r0",
            "CVE-2023-5363 unknown Fixed 3.1.4-r0",
            "CVE-2023-5678 unknown Fixed 3.1.4-r1",
            "ALPINE-XSA-1 unknown Fixed 3.1.4-r0",
        ]
    );
    assert_eq!(lines(&judge(&database, alpine(), component(Apk, "openssl", "3.1.4-r1"))), [""; 0]);
    // What both repositories say of one vulnerability adds up.
    assert_eq!(
        lines(&judge(&database, alpine(), component(Apk, "nodejs", "20.8.0-r0"))),
        ["CVE-2023-5363 unknown Fixed 20.8.1-r0"]
    );
    let wolfi = json!({"urlprefix": "https://packages.wolfi.example/os", "packages": [
        {"pkg": {"name": "curl", "secfixes": {"8.4.0-r0": ["CVE-2023-38545"]}}}]});
    let (_directory, database, _) = database_of(&[wolfi]);
    let curl = || component(Apk, "curl", "8.3.0-r0");
    assert_eq!(lines(&judge(&database, distro("wolfi", "20230201"), curl())).len(), 1);
}

fn tracker() -> Value {
    let release = |status: &str, urgency: &str, fixed: Option<&str>| {
        let mut verdict = json!({"status": status, "urgency": urgency, "repositories": {"bookworm": "1"}});
        if let Some(fixed) = fixed {
            verdict["fixed_version"] = json!(fixed);
        }
        verdict
    };
    let mut put_off = release("open", "not yet assigned", None);
    put_off["nodsa"] = json!("Minor issue");
    put_off["nodsa_reason"] = json!("postponed");
    let mut ignored = release("open", "low", None);
    ignored["nodsa"] = json!("Too intrusive to backport");
    ignored["nodsa_reason"] = json!("ignored");
    json!({
        "bash": {
            "CVE-2024-1": {"description": "put off", "scope": "local", "releases": {"bookworm": put_off, "sid": release("resolved", "low", Some("5.3-1"))}},
            "CVE-2024-2": {"releases": {"bookworm": ignored}},
            "CVE-2024-3": {"releases": {"bookworm": release("resolved", "unimportant", Some("0"))}},
            "CVE-2024-4": {"releases": {"bookworm": release("undetermined", "not yet assigned", None)}},
            "CVE-2024-5": {"releases": {"bookworm": release("open", "end-of-life", None)}},
            "CVE-2024-6": {"releases": {"bookworm": release("open", "unimportant", None), "trixie": release("resolved", "unimportant", Some("5.2.37-2"))}},
            "CVE-2024-7": {"releases": {"bookworm": release("resolved", "medium", Some("5.2.15-2+b7"))}},
            "TEMP-0000000-1": {"releases": {"bookworm": release("open", "not yet assigned**", None)}}
        },
    })
}

#[test]
fn the_tracker_of_debian_says_what_to_expect() {
    let (_directory, database, report) = database_of(&[tracker()]);
    assert_eq!(report.sources[0].kind, SourceKind::DebianTracker);
    let matches = judge(&database, distro("debian", "12"), component(Deb, "bash", "5.2.15-2"));
    assert_eq!(
        lines(&matches),
        [
            "CVE-2024-1 unknown Deferred ",
            "CVE-2024-2 low WontFix ",
            "CVE-2024-5 unknown EndOfLife ",
            "CVE-2024-6 negligible NotFixed ",
            "CVE-2024-7 medium Fixed 5.2.15-2+b7",
            "DEBIAN-TEMP-0000000-1 unknown NotFixed ",
        ]
    );
    let reasons: Vec<_> = matches.findings.iter().filter_map(|one| one.fix.reason.as_deref()).collect();
    assert_eq!(reasons, ["Minor issue", "Too intrusive to backport"]);
    assert_eq!(matches.findings[1].severity_source, SeveritySource::Distribution);
    // A package of the next release has what was mended there, though this release never was.
    let later = judge(&database, distro("debian", "12"), component(Deb, "bash", "5.2.37-2"));
    assert!(!lines(&later).iter().any(|line| line.starts_with("CVE-2024-6")), "{later:?}");
    assert!(lines(&later).iter().any(|line| line.starts_with("CVE-2024-2")), "{later:?}");
}

#[test]
fn what_the_tracker_denies_is_no_finding_whoever_says_it() {
    let osv = json!({"id": "CVE-2024-3", "modified": "2024-01-01T00:00:00Z", "affected": [
        {"package": {"ecosystem": "Debian:12", "name": "bash"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]});
    let bash = || component(Deb, "bash", "5.2.15-2");
    let (_directory, database, _) = database_of(std::slice::from_ref(&osv));
    assert_eq!(lines(&judge(&database, distro("debian", "12"), bash())), ["CVE-2024-3 unknown NotFixed "]);
    let (_directory, database, _) = database_of(&[osv, tracker()]);
    let matches = judge(&database, distro("debian", "12"), bash());
    assert!(matches.findings.iter().all(|one| one.id != "CVE-2024-3"), "{matches:?}");
}

/// A document as Red Hat's Product Security publishes them.
fn vex() -> Value {
    let product = |name: &str, id: &str, helper: Value| {
        json!({"category": "product_version", "name": name,
            "product": {"name": name, "product_id": id, "product_identification_helper": helper}})
    };
    let relation = |platform: &str, component: &str| {
        json!({"category": "default_component_of",
            "full_product_name": {"name": "x", "product_id": format!("{platform}:{component}")},
            "product_reference": component, "relates_to_product_reference": platform})
    };
    let libs = "openssl-libs-1:3.0.7-25.el9_3.x86_64";
    json!({
        "document": {"category": "csaf_vex", "title": "openssl: a flaw", "publisher": {"name": "Red Hat Product Security", "category": "vendor"},
            "tracking": {"id": "CVE-2024-1", "current_release_date": "2024-06-01T00:00:00+00:00", "initial_release_date": "2024-01-01T00:00:00+00:00"}},
        "product_tree": {
            "branches": [{"category": "vendor", "name": "Red Hat", "branches": [
                product("Red Hat Enterprise Linux BaseOS (v. 9)", "BaseOS-9.3.0.Z.MAIN", json!({"cpe": "cpe:/o:redhat:enterprise_linux:9::baseos"})),
                product("Red Hat Enterprise Linux 9", "red_hat_enterprise_linux_9", json!({"cpe": "cpe:/o:redhat:enterprise_linux:9"})),
                product("Red Hat Enterprise Linux 7", "red_hat_enterprise_linux_7", json!({"cpe": "cpe:/o:redhat:enterprise_linux:7"})),
                product(libs, libs, json!({"purl": "pkg:rpm/redhat/openssl-libs@3.0.7-25.el9_3?arch=x86_64&epoch=1"})),
                product("edk2", "edk2", json!({"purl": "pkg:rpm/redhat/edk2?arch=src"})),
            ]}],
            "relationships": [
                relation("BaseOS-9.3.0.Z.MAIN", libs), relation("red_hat_enterprise_linux_9", "edk2"),
                relation("red_hat_enterprise_linux_9", "compat-openssl11"), relation("red_hat_enterprise_linux_7", "openssl"),
            ]},
        "vulnerabilities": [{
            "cve": "CVE-2024-1", "cwe": {"id": "CWE-476", "name": "NULL Pointer Dereference"},
            "notes": [{"category": "description", "text": "A flaw was found."}],
            "product_status": {
                "fixed": [format!("BaseOS-9.3.0.Z.MAIN:{libs}")],
                "known_affected": ["red_hat_enterprise_linux_9:edk2", "red_hat_enterprise_linux_7:openssl"],
                "known_not_affected": ["red_hat_enterprise_linux_9:compat-openssl11"]},
            "scores": [{"cvss_v3": {"vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "baseScore": 7.5}, "products": []}],
            "threats": [
                {"category": "impact", "details": "Moderate", "product_ids": [format!("BaseOS-9.3.0.Z.MAIN:{libs}")]},
                {"category": "impact", "details": "Low", "product_ids": ["red_hat_enterprise_linux_9:edk2"]}],
            "remediations": [
                {"category": "vendor_fix", "details": "See", "url": "https://access.redhat.com/errata/RHSA-2024:1", "product_ids": [format!("BaseOS-9.3.0.Z.MAIN:{libs}")]},
                {"category": "none_available", "details": "Fix deferred", "product_ids": ["red_hat_enterprise_linux_9:edk2"]},
                {"category": "no_fix_planned", "details": "Out of support scope", "product_ids": ["red_hat_enterprise_linux_7:openssl"]}],
            "flags": [{"label": "vulnerable_code_not_present", "product_ids": ["red_hat_enterprise_linux_9:compat-openssl11"]}]
        }]
    })
}

fn rpm(name: &str, source: &str, version: &str) -> Component {
    let source =
        SourcePackage { name: source.to_owned(), version: version.trim_start_matches("1:").to_owned() };
    Component { source: Some(source), ..component(Rpm, name, version) }
}

#[test]
fn red_hat_says_of_every_product_how_it_stands() {
    let (_directory, database, report) = database_of(&[vex()]);
    assert_eq!(report.sources[0].kind, SourceKind::Csaf);
    let nine = |component| judge(&database, distro("rhel", "9.3"), component);
    let fixed = nine(rpm("openssl-libs", "openssl", "1:3.0.7-24.el9"));
    assert_eq!(lines(&fixed), ["CVE-2024-1 medium Fixed 1:3.0.7-25.el9_3"]);
    let finding = &fixed.findings[0];
    assert_eq!((finding.severity, finding.severity_source), (Severity::Medium, SeveritySource::Distribution));
    assert_eq!(finding.announcements, ["RHSA-2024:1"]);
    assert_eq!(finding.weakness.as_deref(), Some("CWE-476"));
    assert_eq!(lines(&nine(rpm("openssl-libs", "openssl", "1:3.0.7-25.el9_3"))), [""; 0]);
    // What is not mended is told of the source package; everything built of it has it.
    let unfixed = nine(rpm("edk2-ovmf", "edk2", "20230524-4.el9"));
    assert_eq!(lines(&unfixed), ["CVE-2024-1 low Deferred "]);
    assert_eq!(unfixed.findings[0].fix.reason.as_deref(), Some("Fix deferred"));
    assert_eq!(lines(&nine(rpm("compat-openssl11", "compat-openssl11", "1:1.1.1k-4.el9"))), [""; 0]);
    let seven = judge(&database, distro("rhel", "7.9"), rpm("openssl-libs", "openssl", "1:1.0.2k-26.el7_9"));
    assert_eq!(lines(&seven), ["CVE-2024-1 high EndOfLife "]);
}

#[test]
fn what_is_rebuilt_from_red_hat_has_its_open_vulnerabilities_and_fixes_of_its_own() {
    let alma = json!({"id": "ALSA-2024:9", "modified": "2024-06-01T00:00:00Z", "summary": "Low: edk2 security update",
        "related": ["CVE-2024-1"], "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "edk2-ovmf"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "20230524-5.el9.alma"}]}]}]});
    let other = json!({"id": "ALSA-2024:8", "modified": "2024-06-01T00:00:00Z", "related": ["CVE-2024-2"],
        "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "zlib"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2-1"}]}]}]});
    let edk2 = |version| rpm("edk2-ovmf", "edk2", version);
    let (_directory, database, _) = database_of(&[vex(), other]);
    let nine = || distro("almalinux", "9.3");
    assert_eq!(lines(&judge(&database, nine(), edk2("20230524-4.el9"))), ["CVE-2024-1 low Deferred "]);
    let (_directory, database, _) = database_of(&[vex(), alma]);
    assert_eq!(
        lines(&judge(&database, nine(), edk2("20230524-4.el9"))),
        ["CVE-2024-1 low Fixed 20230524-5.el9.alma"]
    );
    assert_eq!(lines(&judge(&database, nine(), edk2("20230524-5.el9.alma"))), [""; 0]);
}

fn cve(id: &str, affected: Value) -> Value {
    json!({"dataType": "CVE_RECORD", "dataVersion": "5.1",
        "cveMetadata": {"cveId": id, "state": "PUBLISHED", "datePublished": "2024-01-01T00:00:00.000Z", "dateUpdated": "2024-02-01T00:00:00.000Z"},
        "containers": {
            "cna": {"title": "A flaw", "descriptions": [{"lang": "en", "value": "It is bad."}], "affected": affected,
                "problemTypes": [{"descriptions": [{"cweId": "CWE-79", "lang": "en", "description": "XSS"}]}],
                "references": [{"url": "https://example.org"}]},
            "adp": [{"title": "CISA ADP Vulnrichment", "metrics": [
                {"cvssV3_1": {"vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "baseSeverity": "CRITICAL"}},
                {"other": {"type": "ssvc", "content": {}}}]}]}})
}

#[test]
fn a_cve_record_rates_what_others_found_and_names_packages_exactly_or_not_at_all() {
    let ghsa = json!({"id": "GHSA-1", "aliases": ["CVE-2024-1"], "modified": "2024-01-01T00:00:00Z", "affected": [
        {"package": {"ecosystem": "npm", "name": "a"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}]});
    let vague = json!([{"vendor": "Acme", "product": "b", "versions": [{"version": "0", "lessThan": "9", "status": "affected", "versionType": "custom"}]}]);
    let wrong = json!([{"packageURL": "pkg:npm/a", "versions": [{"version": "0", "status": "affected", "lessThan": "99", "versionType": "semver"}]}]);
    let exact = json!([{"collectionURL": "https://registry.npmjs.org", "packageName": "@c/d", "versions": [
        {"version": "1.0.0", "status": "affected", "lessThanOrEqual": "1.4.0", "versionType": "semver"},
        {"version": "2.0.0", "status": "affected", "versionType": "semver"}]}]);
    let program = json!([{"vendor": "Node.js", "product": "node", "cpes": ["cpe:2.3:a:nodejs:node.js:*:*:*:*:*:*:*:*"], "versions": [
        {"version": "18.0.0", "status": "affected", "lessThan": "18.19.1", "versionType": "semver"}]}]);
    let (_directory, database, _) = database_of(&[
        ghsa,
        cve("CVE-2024-1", wrong),
        cve("CVE-2024-2", vague),
        cve("CVE-2024-3", exact),
        cve("CVE-2024-4", program),
    ]);
    let npm = |name: &str, version: &str| lines(&judge(&database, None, component(Npm, name, version)));
    // The rating is the record's; the range is GitHub's, who knows the package.
    assert_eq!(npm("a", "1.0.0"), ["CVE-2024-1 critical Fixed 2.0.0"]);
    assert_eq!(npm("a", "3.0.0"), [""; 0]);
    assert_eq!(npm("b", "1.0.0"), [""; 0]);
    assert_eq!(npm("@c/d", "1.4.0"), ["CVE-2024-3 critical Unknown "]);
    assert_eq!(npm("@c/d", "1.5.0"), [""; 0]);
    assert_eq!(npm("@c/d", "2.0.0").len(), 1);
    let node = |version: &str| Component {
        cpes: vec![format!("cpe:2.3:a:nodejs:node.js:{version}:*:*:*:*:*:*:*")],
        ..component(Generic, "node", version)
    };
    assert_eq!(lines(&judge(&database, None, node("18.19.0"))), ["CVE-2024-4 critical Fixed 18.19.1"]);
    assert_eq!(lines(&judge(&database, None, node("20.0.0"))), [""; 0]);
}

#[test]
fn archives_of_documents_are_read_in_every_packing() {
    let directory = TempDir::new().unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in [("2024/cve-2024-1.json", vex().to_string()), ("2024/broken.json", "{".to_owned())] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let plain = archive.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &plain).unwrap();
    let packed = [
        ("vex.tar.zst", zstd::encode_all(plain.as_slice(), 1).unwrap()),
        ("vex.tar.gz", gzip.finish().unwrap()),
        ("vex.tar", plain),
    ];
    let ids = packed.map(|(name, bytes)| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let report = try_build(&[path], &directory.path().join("advisories.db")).unwrap();
        assert_eq!((report.advisories, report.skipped.unreadable), (1, 1), "{name}");
        report.id
    });
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0], ids[2]);
}

#[test]
fn the_end_of_support_is_told() {
    let table = json!({"debian": [{"cycle": "9", "eol": "2020-07-18", "extended": "2022-07-01"}],
        "alpine": [{"cycle": "3.18", "eol": "2025-05-09", "extended": null}]});
    let live = json!({"schema_version": "1.2.0", "result": [
        {"name": "alpine-linux", "releases": [{"name": "3.18", "eolFrom": "2025-05-09"}]},
        {"name": "debian", "releases": [{"name": "9", "eolFrom": "2020-07-18", "eoesFrom": "2022-07-01"}]}]});
    for dates in [table, live] {
        let (_directory, database, _) = database_of(&[dates, tracker()]);
        let at = |system: Option<Distro>, now: &str| {
            let inventory = image(system, vec![component(Deb, "bash", "1")]);
            match_inventory(&database, &inventory, now.parse().unwrap()).gaps
        };
        let gaps = at(distro("debian", "9"), "2022-07-02T00:00:00Z");
        assert_eq!(
            gaps[0].text,
            "debian 9 has been out of support since 2022-07-01: that nothing is found is no sign that nothing is there."
        );
        assert_eq!(at(distro("debian", "9"), "2022-06-30T00:00:00Z").len(), 1);
        assert!(at(distro("alpine", "3.18.4"), "2026-01-01T00:00:00Z")[0].text.contains("2025-05-09"));
    }
}

/// What a fingerprint does not cover is not judged again when it changes.
#[test]
fn a_fingerprint_covers_sources_and_later_releases_too() {
    let of = |documents: &[Value], system: Option<Distro>, component: &Component| {
        let (_directory, database, _) = database_of(documents);
        database.lookup_fingerprint(system.as_ref(), component)
    };
    let alma = json!({"id": "ALSA-2024:9", "modified": "2024-06-01T00:00:00Z", "related": ["CVE-2024-9"],
        "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "edk2-ovmf"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1-1"}]}]}]});
    let mut planned = vex();
    planned["vulnerabilities"][0]["remediations"][1]["details"] = json!("Will not fix");
    let edk2 = rpm("edk2-ovmf", "edk2", "20230524-4.el9");
    let nine = || distro("almalinux", "9.3");
    assert_ne!(of(&[vex(), alma.clone()], nine(), &edk2), of(&[planned, alma], nine(), &edk2));
    let mut mended = tracker();
    mended["bash"]["CVE-2024-6"]["releases"]["trixie"]["fixed_version"] = json!("5.2.15-1");
    let bash = component(Deb, "bash", "5.2.15-2");
    let twelve = || distro("debian", "12");
    assert_ne!(of(&[tracker()], twelve(), &bash), of(&[mended], twelve(), &bash));
}
