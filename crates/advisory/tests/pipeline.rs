//! From a few records to findings, through a real database file.

use std::path::PathBuf;

use tidewaiter_advisory::{BuildOptions, Database, FixState, Severity, build, match_inventory};
use tidewaiter_inventory::{Component, ComponentKind, Distro, Inventory, SourcePackage};

#[test]
fn a_record_becomes_a_finding() {
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("record.json");
    std::fs::write(
        &record,
        r#"{"id": "CVE-2023-4911", "modified": "2025-01-27T23:52:29Z", "details": "A buffer overflow.",
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"}],
            "affected": [{"package": {"ecosystem": "Debian:12", "name": "glibc"}, "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.36-9+deb12u3"}]}]}]}"#,
    )
    .unwrap();
    let output = directory.path().join("advisories.db");
    let inputs: Vec<PathBuf> = vec![record];
    build(&inputs, &output, &BuildOptions { built_at: jiff::Timestamp::UNIX_EPOCH }).unwrap();
    let database = Database::open(&output).unwrap();
    let component = Component {
        kind: ComponentKind::Deb,
        name: "libc6".to_owned(),
        version: "2.36-9+deb12u1".to_owned(),
        purl: "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1".to_owned(),
        source: Some(SourcePackage { name: "glibc".to_owned(), version: "2.36-9+deb12u1".to_owned() }),
        architecture: None,
        licenses: Vec::new(),
        owner: None,
        evidence: Vec::new(),
    };
    let inventory = Inventory {
        distro: Some(Distro {
            id: "debian".to_owned(),
            version_id: Some("12".to_owned()),
            ..Distro::default()
        }),
        components: vec![component],
        ..Inventory::default()
    };
    let matches = match_inventory(&database, &inventory);
    assert_eq!(matches.problems, []);
    let [finding] = matches.findings.as_slice() else { panic!("{matches:?}") };
    assert_eq!(finding.id, "CVE-2023-4911");
    assert_eq!(finding.severity, Severity::High);
    assert_eq!(finding.fix.state, FixState::Fixed);
    assert_eq!(finding.fix.versions, ["2.36-9+deb12u3"]);
}
