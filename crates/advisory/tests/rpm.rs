//! What the advisories of RPM distributions say: by the CVEs they name, by module stream and flavour, by the branch of a
//! release, and of the distribution's own packages only.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use serde_json::{Value, json};
use support::{component, database_of, distro, image};
use tidewaiter_advisory::{Database, GapKind, Severity, SeveritySource, match_component, match_inventory};
use tidewaiter_inventory::ComponentKind::Rpm;
use tidewaiter_inventory::{Component, SourcePackage};

/// An announcement of an update, as OSV passes it on.
fn announcement(id: &str, summary: &str, cves: &[&str], affected: &[(&str, &str, &str)]) -> Value {
    let affected: Vec<Value> = affected
        .iter()
        .map(|(ecosystem, name, fixed)| {
            json!({"package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]})
        })
        .collect();
    json!({"id": id, "modified": "2024-06-01T00:00:00Z", "summary": summary, "related": cves, "affected": affected})
}

/// `CVE severity fix (announcements)` of each finding.
fn lines(database: &Database, system: (&str, &str), component: &Component) -> Vec<String> {
    let findings = match_component(database, distro(system.0, system.1).as_ref(), component);
    findings
        .iter()
        .map(|one| {
            let fixes = one.fix.versions.join(" ");
            format!("{} {} {fixes} ({})", one.id, one.severity, one.announcements.join(" "))
        })
        .collect()
}

fn rpm(name: &str, version: &str) -> Component {
    Component { source: None, ..component(Rpm, name, version) }
}

#[test]
fn announcements_become_findings_by_the_cves_they_name() {
    let (_directory, database) = database_of(&[
        announcement(
            "ALSA-2024:1",
            "Important: openssl security update",
            &["CVE-2024-1", "CVE-2024-2"],
            &[
                ("AlmaLinux:9", "openssl-libs", "1:3.0.7-25.el9_3"),
                ("AlmaLinux:9", "openssl", "1:3.0.7-25.el9_3"),
            ],
        ),
        announcement(
            "ALBA-2024:2",
            "openssl bug fix update",
            &[],
            &[("AlmaLinux:9", "openssl-libs", "1:3.0.7-99.el9")],
        ),
        announcement(
            "ALBA-2024:3",
            "bash bug fix update",
            &["CVE-2024-3"],
            &[("AlmaLinux:9", "bash", "5.1.8-9.el9")],
        ),
        json!({"id": "CVE-2024-2", "modified": "2024-06-01T00:00:00Z",
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N"}],
            "affected": [{"package": {"ecosystem": "npm", "name": "other"}, "versions": ["1"]}]}),
    ]);
    let old = rpm("openssl-libs", "1:3.0.7-24.el9");
    // The rating of an update that mends several holds for the worst; where one has a rating of its own, that counts.
    assert_eq!(
        lines(&database, ("almalinux", "9.3"), &old),
        ["CVE-2024-1 high 1:3.0.7-25.el9_3 (ALSA-2024:1)", "CVE-2024-2 low 1:3.0.7-25.el9_3 (ALSA-2024:1)"]
    );
    let rated = match_component(&database, distro("almalinux", "9").as_ref(), &old);
    assert_eq!(rated[0].severity_source, SeveritySource::Distribution);
    assert_eq!(rated[1].severity_source, SeveritySource::Alias);
    assert_eq!(lines(&database, ("almalinux", "9.3"), &rpm("openssl-libs", "1:3.0.7-25.el9_3")), [""; 0]);
    // Without its epoch a version is older than every one that has one.
    assert_eq!(lines(&database, ("almalinux", "9.3"), &rpm("openssl-libs", "3.0.7-25.el9_3")).len(), 2);
    assert_eq!(lines(&database, ("almalinux", "8.9"), &old), [""; 0]);
    // An update of another kind counts only for the vulnerability it names.
    assert_eq!(
        lines(&database, ("almalinux", "9"), &rpm("bash", "5.1.8-6.el9")),
        ["CVE-2024-3 unknown 5.1.8-9.el9 (ALBA-2024:3)"]
    );
    assert_eq!(rated[0].severity, Severity::High);
}

#[test]
fn source_packages_have_no_epoch() {
    let (_directory, database) = database_of(&[announcement(
        "RLSA-2024:1",
        "Moderate: openssl security update",
        &["CVE-2024-1"],
        &[("Rocky Linux:9", "openssl", "1:3.0.7-25.el9_3")],
    )]);
    let built = |version: &str| Component {
        source: Some(SourcePackage { name: "openssl".to_owned(), version: version.to_owned() }),
        ..rpm("openssl-libs", &format!("1:{version}"))
    };
    let expected = ["CVE-2024-1 medium 1:3.0.7-25.el9_3 (RLSA-2024:1)"];
    assert_eq!(lines(&database, ("rocky", "9.3"), &built("3.0.7-24.el9")), expected);
    assert_eq!(lines(&database, ("rocky", "9.3"), &built("3.0.7-25.el9_3")), [""; 0]);
}

#[test]
fn modules_and_their_streams_are_kept_apart() {
    let (_directory, database) = database_of(&[
        announcement(
            "ALSA-2024:18",
            "Important: nodejs:18 security update",
            &["CVE-2024-1"],
            &[("AlmaLinux:8", "nodejs", "1:18.19.0-1.module_el8.9.0+3720+17b8d4ee")],
        ),
        announcement(
            "ALSA-2024:0",
            "Important: nodejs security update",
            &["CVE-2024-2"],
            &[("AlmaLinux:8", "nodejs", "1:16.0-9.el8")],
        ),
    ]);
    let of_stream = |stream: Option<&str>, version: &str| Component {
        modularity: stream.map(|stream| format!("nodejs:{stream}:8090020240101:abc")),
        ..rpm("nodejs", version)
    };
    let judge = |component: &Component| lines(&database, ("almalinux", "8.9"), component);
    let old = "1:18.18.0-1.module_el8.8.0+3600+1";
    assert_eq!(
        judge(&of_stream(Some("18"), old)),
        ["CVE-2024-1 high 1:18.19.0-1.module_el8.9.0+3720+17b8d4ee (ALSA-2024:18)"]
    );
    // Node.js 16 is another stream with fixes of its own, however old its version looks.
    assert_eq!(judge(&of_stream(Some("16"), "1:16.20.2-1.module_el8.8.0+3600+1")), [""; 0]);
    // What is not built in a module is judged by what is about no module.
    assert_eq!(judge(&of_stream(None, "1:16.0-1.el8")), ["CVE-2024-2 high 1:16.0-9.el8 (ALSA-2024:0)"]);
    // Which stream it is of, some inventories do not say.
    let unknown = of_stream(None, "1:16.20.2-1.module_el8.8.0+3600+1");
    assert_eq!(judge(&unknown), [""; 0]);
    let matches =
        match_inventory(&database, &image(distro("almalinux", "8.9"), vec![unknown]), support::BUILT_AT);
    let [undecided] = matches.undecided.as_slice() else { panic!("{matches:?}") };
    assert_eq!(
        (undecided.id.as_str(), undecided.reason.as_str()),
        (
            "CVE-2024-1",
            "The record is about the module stream nodejs:18; of which stream nodejs is, its metadata does not say."
        )
    );
}

#[test]
fn every_branch_of_a_release_has_its_own_fix() {
    let stream = "Red Hat:enterprise_linux:9::appstream";
    let base = "Red Hat:enterprise_linux:9::baseos";
    let (_directory, database) = database_of(&[
        announcement(
            "RHSA-2024:1",
            "python3.9 security update",
            &["CVE-2024-1"],
            &[(stream, "python3.9", "0:3.9.18-3.el9_4.5"), (base, "python3.9", "0:3.9.18-3.el9_4.5")],
        ),
        announcement(
            "RHSA-2024:2",
            "python3.9 security update",
            &["CVE-2024-1"],
            &[(base, "python3.9", "0:3.9.19-8.el9")],
        ),
        announcement(
            "RHSA-2024:3",
            "python3.9 update",
            &["CVE-2024-1"],
            &[
                ("Red Hat:rhel_eus:9.2::appstream", "python3.9", "0:3.9.99-8.el9"),
                ("Red Hat:enterprise_linux:91::appstream", "python3.9", "0:3.9.99-8.el9"),
            ],
        ),
    ]);
    let judge = |version: &str| lines(&database, ("rhel", "9.4"), &rpm("python3.9", version));
    let both = ["CVE-2024-1 unknown 0:3.9.18-3.el9_4.5 0:3.9.19-8.el9 (RHSA-2024:1 RHSA-2024:2)"];
    assert_eq!(judge("3.9.18-3.el9_4.3"), both);
    // It has the fix of its own branch and does not wait for that of the next.
    assert_eq!(judge("3.9.18-3.el9_4.6"), [""; 0]);
    assert_eq!(judge("3.9.19-7.el9"), ["CVE-2024-1 unknown 0:3.9.19-8.el9 (RHSA-2024:2)"]);
    assert_eq!(judge("3.9.19-8.el9"), [""; 0]);
    // Both repositories say the same; that is said once.
    let findings =
        match_component(&database, distro("rhel", "9.4").as_ref(), &rpm("python3.9", "3.9.18-3.el9_4.3"));
    assert_eq!(findings[0].explanation.matches.len(), 2);
    assert_eq!(lines(&database, ("centos", "9"), &rpm("python3.9", "3.9.18-3.el9_4.3")), both);
}

#[test]
fn flavours_have_their_own_advisories() {
    let (_directory, database) = database_of(&[
        announcement(
            "ELSA-2024-1",
            "glibc",
            &["CVE-2024-1"],
            &[("Oracle Linux:7", "glibc", "2:2.17-326.0.9.ksplice1.el7_9.3")],
        ),
        announcement(
            "ELSA-2024-2",
            "glibc",
            &["CVE-2024-1"],
            &[("Oracle Linux:7", "glibc", "2.17-326.0.9.el7_9.3")],
        ),
    ]);
    let judge = |version: &str| lines(&database, ("ol", "7.9"), &rpm("glibc", version));
    assert_eq!(judge("2.17-326.0.9.el7_9.3"), [""; 0]);
    assert_eq!(judge("2.17-326.el7_9"), ["CVE-2024-1 unknown 2.17-326.0.9.el7_9.3 (ELSA-2024-2)"]);
    let ksplice = ["CVE-2024-1 unknown 2:2.17-326.0.9.ksplice1.el7_9.3 (ELSA-2024-1)"];
    assert_eq!(judge("2:2.17-317.0.1.ksplice1.el7_9"), ksplice);
}

#[test]
fn only_packages_of_the_distribution_are_judged_by_it() {
    let (_directory, database) = database_of(&[announcement(
        "RHSA-2024:1",
        "a",
        &["CVE-2024-1"],
        &[("Red Hat:enterprise_linux:9::baseos", "a", "2-1.el9")],
    )]);
    let made_by = |vendor: &str| Component { vendor: Some(vendor.to_owned()), ..rpm("a", "1-1.el9") };
    let judge = |vendor: &str| {
        let inventory = image(distro("rhel", "9.4"), vec![made_by(vendor)]);
        let matches = match_inventory(&database, &inventory, support::BUILT_AT);
        (matches.findings.len(), matches.gaps.into_iter().map(|gap| (gap.kind, gap.text)).collect::<Vec<_>>())
    };
    assert_eq!(judge("Red Hat, Inc. <http://bugzilla.redhat.com/bugzilla>"), (1, Vec::new()));
    let (findings, gaps) = judge("Fedora Project");
    assert_eq!(findings, 0);
    assert_eq!(gaps[0].0, GapKind::ThirdParty);
    insta::assert_snapshot!(gaps[0].1, @r#"1 RPM package of "Fedora Project" could not be judged: they are not of rhel 9.4, whose advisories are about its own packages."#);
}

#[test]
fn a_system_that_is_like_another_is_judged_by_it_and_that_is_said() {
    let (_directory, database) = database_of(&[announcement(
        "RHSA-2024:1",
        "a",
        &["CVE-2024-1"],
        &[("Red Hat:enterprise_linux:9::baseos", "a", "2-1.el9")],
    )]);
    let mut system = distro("eurolinux", "9.4").unwrap();
    system.id_like = vec!["rhel".to_owned(), "fedora".to_owned()];
    let matches =
        match_inventory(&database, &image(Some(system), vec![rpm("a", "1-1.el9")]), support::BUILT_AT);
    assert_eq!(matches.findings.len(), 1);
    assert_eq!(matches.gaps[0].kind, GapKind::OtherSystem);
}

#[test]
fn the_products_of_suse_are_judged_together() {
    let (_directory, database) = database_of(&[
        announcement(
            "SUSE-SU-2024:1-1",
            "Security update for a",
            &["CVE-2024-1"],
            &[
                ("SUSE:Linux Enterprise Module for Basesystem 15 SP5", "a", "2-150500.1.1"),
                ("SUSE:Linux Enterprise Module for Basesystem 15 SP4", "a", "9-150400.1.1"),
            ],
        ),
        announcement(
            "SUSE-SU-2024:2-1",
            "Security update for b",
            &["CVE-2024-2"],
            &[("openSUSE:Leap 15.5", "a", "3-150500.1.1")],
        ),
    ]);
    let a = rpm("a", "1-150500.1.1");
    assert_eq!(
        lines(&database, ("sles", "15.5"), &a),
        ["CVE-2024-1 unknown 2-150500.1.1 (SUSE-SU-2024:1-1)"]
    );
    assert_eq!(
        lines(&database, ("opensuse-leap", "15.5"), &a),
        ["CVE-2024-2 unknown 3-150500.1.1 (SUSE-SU-2024:2-1)"]
    );
    assert_eq!(lines(&database, ("sles", "15.3"), &a), [""; 0]);
}
