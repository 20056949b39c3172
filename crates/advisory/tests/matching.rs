//! What real records say of components, and how it is put.

mod support;

use serde_json::json;
use support::{component, database_of, distro, fixture_database, image};
use tidewaiter_advisory::{
    Database, Finding, FixState, Matches, Severity, SeveritySource, match_component, match_inventory,
};
use tidewaiter_inventory::ComponentKind::{Apk, Deb, Golang, Npm, Pypi};
use tidewaiter_inventory::{Component, Distro, Inventory};

/// One line per finding: what a person would look at first.
fn line(finding: &Finding) -> String {
    let fix = match (finding.fix.state, finding.fix.versions.join(", ")) {
        (FixState::Fixed, versions) => format!("fixed in {versions}"),
        (state, _) => json!(state).as_str().unwrap_or_default().to_owned(),
    };
    let also = match finding.aliases.join(" ") {
        aliases if aliases.is_empty() => String::new(),
        aliases => format!(", also {aliases}"),
    };
    format!("{} {} {fix}{also}", finding.id, finding.severity)
}

/// Checks the findings of one component against their lines.
fn check(database: &Database, distro: Option<&Distro>, component: &Component, expected: &[&str]) {
    let findings = match_component(database, distro, component);
    let lines: Vec<String> = findings.iter().map(line).collect();
    assert_eq!(lines, expected, "{} {}", component.name, component.version);
}

#[test]
fn debian_packages_are_judged_by_their_source() {
    let (_directory, database) = fixture_database();
    let bookworm = distro("debian", "12");
    let glibc = |version| component(Deb, "libc6 of glibc", version);
    let expected = &["CVE-2023-4911 high fixed in 2.36-9+deb12u3"];
    check(&database, bookworm.as_ref(), &glibc("2.36-9+deb12u1"), expected);
    check(&database, bookworm.as_ref(), &glibc("2.36-9+deb12u3"), &[]);
    check(&database, bookworm.as_ref(), &glibc("2.36-9+deb12u10"), &[]);
    // A rebuild of the binary package changes its version, never that of the source.
    let mut rebuilt = glibc("2.36-9+deb12u3+b1");
    rebuilt.source.as_mut().unwrap().version = "2.36-9+deb12u1".to_owned();
    check(&database, bookworm.as_ref(), &rebuilt, expected);
    // The name of the binary package says nothing.
    check(&database, bookworm.as_ref(), &component(Deb, "glibc of other", "2.36-9"), &[]);
    // Without a source package the binary one is all there is.
    let mut bare = component(Deb, "glibc", "2.36-9");
    bare.source = None;
    check(&database, bookworm.as_ref(), &bare, expected);
}

#[test]
fn every_release_has_its_own_verdict() {
    let (_directory, database) = fixture_database();
    let glibc = component(Deb, "libc6 of glibc", "2.31-13+deb11u7");
    check(&database, distro("debian", "11").as_ref(), &glibc, &[]);
    let expected = &["CVE-2023-4911 high fixed in 2.37-12"];
    check(&database, distro("debian", "13").as_ref(), &glibc, expected);
    check(&database, distro("raspbian", "13").as_ref(), &glibc, expected);
    check(&database, distro("devuan", "6").as_ref(), &glibc, expected);
    let trixie = Distro { id: "debian".to_owned(), codename: Some("trixie".to_owned()), ..Distro::default() };
    check(&database, Some(&trixie), &glibc, expected);
}

#[test]
fn the_urgency_of_debian_decides_the_severity() {
    let (_directory, database) = fixture_database();
    let bookworm = distro("debian", "12");
    let buster = distro("debian", "10");
    let judge = |release: &Option<Distro>, component: &Component| {
        let findings = match_component(&database, release.as_ref(), component);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        let score = finding.score.as_ref().map(|score| score.value);
        (finding.severity, finding.severity_source, score, finding.fix.state)
    };
    // Debian says unimportant, the vector says 7.5.
    assert_eq!(
        judge(&buster, &component(Deb, "kfreebsd-10", "10.3~svn300087-3")),
        (Severity::Negligible, SeveritySource::Distribution, Some(7.5), FixState::NotFixed)
    );
    assert_eq!(
        judge(&distro("debian", "13"), &component(Deb, "s3ql", "2.10+dfsg-1")),
        (Severity::High, SeveritySource::Distribution, None, FixState::Fixed)
    );
    // "Not yet assigned" and "end-of-life" say nothing of how bad it is; the latter says there is no fix.
    assert_eq!(
        judge(&bookworm, &component(Deb, "libc6 of glibc", "2.36-9")),
        (Severity::High, SeveritySource::Cvss, Some(7.8), FixState::Fixed)
    );
    assert_eq!(
        judge(&buster, &component(Deb, "salt-common of salt", "2018.3.4+dfsg1-6")),
        (Severity::Unknown, SeveritySource::Nobody, None, FixState::EndOfLife)
    );
}

#[test]
fn announcements_fold_into_the_records_of_their_cves() {
    let (_directory, database) = fixture_database();
    let bullseye = distro("debian", "11");
    // DSA-5103-1 names CVE-2021-4160, which has a record for Debian 11, and CVE-2022-0778, which (in these
    // fixtures) has none: the first is judged by its record, the second by the announcement.
    let findings =
        match_component(&database, bullseye.as_ref(), &component(Deb, "libssl1.1 of openssl", "1.1.1k-1"));
    let lines: Vec<String> = findings.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "CVE-2021-4160 medium fixed in 1.1.1k-1+deb11u2",
            "CVE-2022-0778 unknown fixed in 1.1.1k-1+deb11u2",
            "CVE-2023-0464 high fixed in 1.1.1n-0+deb11u5",
            "CVE-2023-0465 unknown fixed in 1.1.1n-0+deb11u5",
            "CVE-2023-0466 unknown fixed in 1.1.1n-0+deb11u5",
            "CVE-2023-2650 unknown fixed in 1.1.1n-0+deb11u5",
        ]
    );
    assert_eq!(findings[0].announcements, ["DSA-5103-1"]);
    assert_eq!(findings[1].announcements, ["DSA-5103-1"]);
    assert_eq!(findings[2].announcements, ["DSA-5417-1"]);
    // For a release that has no records of CVEs the announcement is all there is.
    let old = component(Deb, "libssl1.1 of openssl", "1.1.1d-0+deb10u7");
    check(
        &database,
        distro("debian", "10").as_ref(),
        &old,
        &[
            "CVE-2021-4160 medium fixed in 1.1.1d-0+deb10u8",
            "CVE-2022-0778 unknown fixed in 1.1.1d-0+deb10u8",
        ],
    );
    // All CVEs of DSA-5863-1 have records: it says nothing by itself.
    check(
        &database,
        distro("debian", "12").as_ref(),
        &component(Deb, "libtasn1-6", "4.19.0-2"),
        &["CVE-2024-12133 medium fixed in 4.19.0-2+deb12u1"],
    );
}

#[test]
fn alpine_packages_are_judged_by_the_branch_of_their_release() {
    let (_directory, database) = fixture_database();
    let libgcrypt = component(Apk, "libgcrypt", "1.8.7-r0");
    check(
        &database,
        distro("alpine", "3.13.5").as_ref(),
        &libgcrypt,
        &["CVE-2021-33560 high fixed in 1.8.8-r0"],
    );
    check(
        &database,
        distro("postmarketos", "v21.03").as_ref(),
        &libgcrypt,
        &["CVE-2021-33560 high fixed in 1.8.8-r0"],
    );
    check(&database, distro("alpine", "3.13.5").as_ref(), &component(Apk, "libgcrypt", "1.8.8-r0"), &[]);
    // "Fixed in 0" is how Alpine says that its package never was affected.
    check(&database, distro("alpine", "3.10.0").as_ref(), &component(Apk, "db", "5.3.28-r1"), &[]);
}

#[test]
fn python_packages_are_judged_by_every_database_and_told_once() {
    let (_directory, database) = fixture_database();
    let django = component(Pypi, "Django", "3.2.12");
    let findings = match_component(&database, None, &django);
    let lines: Vec<String> = findings.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "CVE-2022-28346 critical fixed in 3.2.13, also BIT-django-2022-28346 GHSA-2gwj-7jmv-h26r PYSEC-2022-190"
        ]
    );
    let records: Vec<&str> = findings[0].explanation.matches.iter().map(|one| one.record.as_str()).collect();
    assert_eq!(records, ["GHSA-2gwj-7jmv-h26r", "PYSEC-2022-190"]);
    check(&database, None, &component(Pypi, "django", "3.2.13"), &[]);
    check(&database, None, &component(Pypi, "django", "2.0"), &[]);
    // In these records a range of git commits comes before the one of versions.
    let salt = "CVE-2015-6918 unknown fixed in 2015.5.5, also GHSA-q2x6-8gfj-hjxw PYSEC-2017-70";
    check(&database, None, &component(Pypi, "salt", "2015.5.4"), &[salt]);
    check(&database, None, &component(Pypi, "salt", "2015.5.5"), &[]);
    check(&database, None, &component(Pypi, "diplib", "3.0"), &["PYSEC-2022-43131 medium not-fixed"]);
    // Names are spelt in many ways.
    check(&database, None, &component(Pypi, "DIPlib", "3.0"), &["PYSEC-2022-43131 medium not-fixed"]);
}

#[test]
fn npm_packages_are_judged_by_name_and_version() {
    let (_directory, database) = fixture_database();
    check(
        &database,
        None,
        &component(Npm, "lodash", "4.17.20"),
        &["CVE-2021-23337 high fixed in 4.17.21, also GHSA-35jh-r3h4-6jhm"],
    );
    check(&database, None, &component(Npm, "lodash", "4.17.21"), &[]);
    // Here the record names the last affected version, and no fix.
    let template = component(Npm, "lodash.template", "4.5.0");
    check(&database, None, &template, &["CVE-2021-23337 high unknown, also GHSA-35jh-r3h4-6jhm"]);
    check(&database, None, &component(Npm, "dot", "1.1.2"), &["GHSA-4859-gpc7-4j66 medium unknown"]);
    check(&database, None, &component(Npm, "dot", "1.1.3"), &[]);
    // Two intervals in one range, and three entries for one package.
    for (name, version, fix) in [
        ("bootstrap", "2.3.2", None),
        ("bootstrap", "3.3.7", Some("3.4.1")),
        ("bootstrap", "3.4.1", None),
        ("bootstrap", "4.0.0-alpha.6", None),
        ("bootstrap", "v4.2.1", Some("4.3.1")),
        ("ecstatic", "1.0.0", Some("2.2.2")),
        ("ecstatic", "2.2.2", None),
        ("ecstatic", "3.1.1", Some("3.3.2")),
        ("ecstatic", "4.0.0", Some("4.1.2")),
    ] {
        let findings = match_component(&database, None, &component(Npm, name, version));
        let fixes: Vec<_> = findings.iter().flat_map(|finding| &finding.fix.versions).collect();
        assert_eq!(fixes, fix.iter().collect::<Vec<_>>(), "{name} {version}");
    }
    // CVSS 4 is believed before 3: 7.3 (high), not 7.6.
    let findings = match_component(&database, None, &component(Npm, "@abw/badger-database", "1.2.1"));
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert!(finding.score.as_ref().unwrap().vector.starts_with("CVSS:4.0/"), "{finding:?}");
}

#[test]
fn malware_is_critical_and_matched_by_the_versions_listed() {
    let (_directory, database) = fixture_database();
    let name = "theme-check-vscode";
    check(&database, None, &component(Npm, name, "4.0.0"), &["MAL-2025-690 critical unknown"]);
    check(&database, None, &component(Npm, name, "4.0.1"), &[]);
}

#[test]
fn the_fix_of_a_record_clears_all_of_its_ranges() {
    let (_directory, database) = fixture_database();
    // Three entries for xen, fixed in -r4, -r5 and -r6.
    let alpine = distro("alpine", "3.16.2");
    check(
        &database,
        alpine.as_ref(),
        &component(Apk, "xen", "4.16.1-r3"),
        &["CVE-2022-23816 unknown fixed in 4.16.1-r6"],
    );
    check(&database, alpine.as_ref(), &component(Apk, "xen", "4.16.1-r6"), &[]);
}

#[test]
fn exploitation_is_told() {
    let (_directory, database) = fixture_database();
    let findings = match_component(
        &database,
        distro("debian", "12").as_ref(),
        &component(Deb, "libc6 of glibc", "2.36-9"),
    );
    let kev = findings[0].kev.as_ref().unwrap();
    assert_eq!(
        (kev.date_added.as_str(), kev.due_date.as_str(), kev.ransomware),
        ("2023-11-21", "2023-12-12", false)
    );
    let lodash = match_component(&database, None, &component(Npm, "lodash", "4.17.20"));
    let epss = lodash[0].epss.unwrap();
    assert_eq!(
        (epss.score.to_string(), epss.percentile.to_string()),
        ("0.02069".to_owned(), "0.77312".to_owned())
    );
    assert_eq!(database.epss("CVE-2021-23337"), Some(epss));
    assert_eq!(database.kev("CVE-2023-4911").as_ref(), Some(kev));
    assert_eq!(database.epss("CVE-1999-0001"), None);
}

#[test]
fn the_explanation_can_be_checked_by_hand() {
    let (_directory, database) = fixture_database();
    let text = |distro: Option<Distro>, component: &Component| -> Vec<String> {
        let findings = match_component(&database, distro.as_ref(), component);
        findings.into_iter().map(|finding| finding.explanation.text).collect()
    };
    insta::assert_snapshot!(
        text(distro("debian", "12"), &component(Deb, "libc6 of glibc", "2.36-9+deb12u1")).join("\n"),
        @"CVE-2023-4911 lists Debian:12 source package glibc as affected in versions before 2.36-9+deb12u3. libc6 is built from glibc 2.36-9+deb12u1."
    );
    insta::assert_snapshot!(text(None, &component(Pypi, "django", "3.2.12")).join("\n"), @"GHSA-2gwj-7jmv-h26r lists PyPI package django as affected in versions from 3.2 up to, but not including, 3.2.13. PYSEC-2022-190 says the same. Version 3.2.12 is installed.");
    insta::assert_snapshot!(text(None, &component(Npm, "lodash.template", "4.5.0")).join("\n"), @"GHSA-35jh-r3h4-6jhm lists npm package lodash.template as affected in versions up to and including 4.5.0, and names no fix. Version 4.5.0 is installed.");
    insta::assert_snapshot!(text(None, &component(Npm, "theme-check-vscode", "4.0.0")).join("\n"), @"MAL-2025-690 lists npm package theme-check-vscode as affected in exactly version 4.0.0. Version 4.0.0 is installed.");
    insta::assert_snapshot!(text(None, &component(Npm, "ecstatic", "4.0.0")).join("\n"), @"GHSA-x4rf-4mqf-cm8w lists npm package ecstatic as affected in versions from 4.0.0 up to, but not including, 4.1.2. Version 4.0.0 is installed.");
    insta::assert_snapshot!(
        text(distro("debian", "10"), &component(Deb, "libssl1.1 of openssl", "1.1.1d-0+deb10u7")).join("\n"),
        @r#"
    DSA-5103-1 lists Debian:10 source package openssl as affected in versions before 1.1.1d-0+deb10u8. libssl1.1 is built from openssl 1.1.1d-0+deb10u7.
    DSA-5103-1 lists Debian:10 source package openssl as affected in versions before 1.1.1d-0+deb10u8. libssl1.1 is built from openssl 1.1.1d-0+deb10u7.
    "#
    );
}

/// Holds an image against a database, at a time when everything in it is supported.
fn judge(database: &Database, inventory: &Inventory) -> Matches {
    match_inventory(database, inventory, support::BUILT_AT)
}

/// What of an image with one component is not judged.
fn gaps(database: &Database, distro: Option<Distro>, component: Component) -> Vec<String> {
    let matches = judge(database, &image(distro, vec![component]));
    matches.gaps.into_iter().map(|gap| gap.text).collect()
}

/// What of one component cannot be decided.
fn undecided(database: &Database, component: Component) -> String {
    let matches = judge(database, &image(None, vec![component]));
    assert_eq!(matches.findings, []);
    let lines = matches.undecided.iter().map(|one| format!("{} {}: {}", one.id, one.severity, one.reason));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_cannot_be_judged_is_said() {
    let (_directory, database) = fixture_database();
    let glibc = || component(Deb, "libc6 of glibc", "2.36-9");
    let none: [String; 0] = [];
    assert_eq!(gaps(&database, distro("debian", "12"), glibc()), none);
    insta::assert_snapshot!(gaps(&database, None, glibc()).join("\n"), @"The image names no operating system (it has no os-release file), so 1 Debian package could not be judged.");
    insta::assert_snapshot!(gaps(&database, distro("plan9", "4"), glibc()).join("\n"), @r#"No advisories are known for plan9 4, so 1 Debian package could not be judged."#);
    insta::assert_snapshot!(gaps(&database, distro("debian", "15"), glibc()).join("\n"), @"The advisory database holds nothing for Debian:15 (it does for Debian:10, Debian:11, Debian:12, Debian:13), so 1 Debian package could not be judged. Build one from newer or more data with `tidewaiter db build`.");
    insta::assert_snapshot!(gaps(&database, distro("debian", ""), glibc()).join("\n"), @"debian is a rolling release that nobody publishes advisories for; its packages were judged by those of Debian:13, the newest release the advisory database covers. What is fixed only in newer packages may be missing or too much.");
    insta::assert_snapshot!(gaps(&database, distro("alpine", "3.19.1"), glibc()).join("\n"), @"1 Debian package could not be judged: alpine 3.19.1 has another package manager.");
    insta::assert_snapshot!(gaps(&database, distro("alpine", "edge"), component(Apk, "libtasn1", "4.19.0-r0")).join("\n"), @"alpine edge is a rolling release that nobody publishes advisories for; its packages were judged by those of Alpine:v3.21, the newest release the advisory database covers. What is fixed only in newer packages may be missing or too much.");
    insta::assert_snapshot!(undecided(&database, component(Npm, "lodash", "latest")), @r#"CVE-2021-23337 high: "latest" is not a version in the SemVer order."#);
    let (_go, go) = database_of(&[json!({
        "id": "GHSA-1", "modified": "2024-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "Go", "name": "example.com/a"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.2.0"}]}]}],
    })]);
    let built = || component(Golang, "example.com/a", "(devel)");
    insta::assert_snapshot!(undecided(&go, built()), @r#"GHSA-1 unknown: example.com/a says no version; it was built from a working copy."#);
    // A commit that no release came before is neither older nor newer than a release.
    insta::assert_snapshot!(undecided(&go, component(Golang, "example.com/a", "v0.0.0-20240414223325-4c6b2a6a3f4b")), @r#"GHSA-1 unknown: v0.0.0-20240414223325-4c6b2a6a3f4b is a commit that no release came before, and the record speaks of releases."#);
    assert_eq!(match_component(&go, None, &built()).len(), 0);
    assert_eq!(match_component(&go, None, &component(Golang, "example.com/a", "v1.1.9")).len(), 1);
    assert_eq!(match_component(&go, None, &component(Golang, "example.com/a", "v1.2.0")).len(), 0);
    let (_other, only_debian) = database_of(&[json!({
        "id": "CVE-2024-1", "modified": "2024-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "Debian:12", "name": "a"}, "versions": ["1"]}],
    })]);
    insta::assert_snapshot!(gaps(&only_debian, None, component(Npm, "lodash", "1.0.0")).join("\n"), @"The advisory database holds nothing for npm, so 1 npm package could not be judged. Build one from newer or more data with `tidewaiter db build`.");
}

#[test]
fn a_rolling_release_is_judged_by_the_newest_one() {
    let (_directory, database) = fixture_database();
    let sid = Distro { id: "debian".to_owned(), codename: Some("forky".to_owned()), ..Distro::default() };
    check(
        &database,
        Some(&sid),
        &component(Deb, "libc6 of glibc", "2.37-1"),
        &["CVE-2023-4911 high fixed in 2.37-12"],
    );
    let edge = distro("alpine", "3.22_alpha20250108");
    check(
        &database,
        edge.as_ref(),
        &component(Apk, "libtasn1", "4.19.0-r0"),
        &["CVE-2024-12133 medium fixed in 4.20.0-r0"],
    );
}

#[test]
fn the_distribution_decides_about_what_its_packages_own() {
    let (_directory, database) = fixture_database();
    let owner = component(Deb, "python3-django of python-django", "3:3.2.19-1+deb12u1");
    let mut django = component(Pypi, "django", "3.2.12");
    django.owner = Some(owner.purl.clone());
    // Debian's records name this source package, and hold it fixed.
    let mut inventory = image(distro("debian", "12"), vec![owner.clone(), django.clone()]);
    let matches = judge(&database, &inventory);
    assert_eq!(matches.findings, []);
    let [suppressed] = matches.suppressed.as_slice() else { panic!("{matches:?}") };
    assert_eq!(suppressed.finding.id, "CVE-2022-28346");
    insta::assert_snapshot!(suppressed.reason, @"It was installed by python3-django 3:3.2.19-1+deb12u1, and Debian:12 keeps track of source package python-django itself: what Debian:12 says of that package counts.");
    // Debian knows the vulnerability, though not in this source package.
    let vendor = component(Deb, "vendored", "1-1");
    inventory.components[0] = Component { purl: owner.purl.clone(), ..vendor };
    let matches = judge(&database, &inventory);
    assert_eq!(matches.findings, []);
    insta::assert_snapshot!(matches.suppressed[0].reason, @"It was installed by vendored 1-1, and Debian:12 keeps track of CVE-2022-28346 itself without naming source package vendored: what Debian:12 says counts.");
    // It says nothing of this one at all, so the upstream record stands.
    let mut requests = component(Pypi, "salt", "2015.5.4");
    requests.owner = Some(owner.purl);
    inventory.components[1] = requests;
    let matches = judge(&database, &inventory);
    assert_eq!(matches.suppressed, []);
    assert_eq!(matches.findings.len(), 1);
    // No owner, or one that is not there: nothing is suppressed.
    django.owner = Some("pkg:deb/debian/gone@1".to_owned());
    let matches = judge(&database, &image(distro("debian", "12"), vec![django]));
    assert_eq!((matches.findings.len(), matches.suppressed.len()), (1, 0));
}

#[test]
fn findings_survive_json() {
    let (_directory, database) = fixture_database();
    let components = vec![
        component(Deb, "libc6 of glibc", "2.36-9"),
        component(Pypi, "django", "3.2.12"),
        component(Npm, "lodash", "4.17.20"),
    ];
    let matches = judge(&database, &image(distro("debian", "12"), components));
    assert_eq!(matches.findings.len(), 3);
    let json = serde_json::to_string(&matches).unwrap();
    assert_eq!(serde_json::from_str::<Matches>(&json).unwrap(), matches);
}
