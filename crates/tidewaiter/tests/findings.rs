//! `cves`, `quickview` and the docker plugin from outside: formats, filters, exit statuses, what people say of findings.

mod harness;

use std::path::Path;

use harness::home::Home;
use harness::{run, succeed, tidewaiter};
use serde_json::{Value, json};

/// Standard output as JSON.
fn json(home: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&succeed(home, args)).expect("JSON")
}

/// `id package` of every finding, sorted.
fn ids(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().expect("findings");
    let line = |one: &Value| {
        format!("{} {}", one["id"].as_str().expect("id"), one["package"]["purl"].as_str().expect("purl"))
    };
    let mut ids: Vec<_> = findings.iter().map(line).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn the_text_has_scouts_layout() {
    let home = Home::new().await;
    let text =
        succeed(home.path(), &["cves", &home.image(), "--only-cve-id", "CVE-2021-3711", "--locations"]);
    for line in [
        "## Overview",
        "                    │        Analyzed Image",
        "    platform        │ linux/amd64",
        "    vulnerabilities │    1C     0H     0M     0L",
        "## Packages and Vulnerabilities",
        "   1C     0H     0M     0L  openssl 1.1.1k-1",
        "installed as libssl1.1, openssl",
        "    ✗ CRITICAL CVE-2021-3711",
        "      Affected range  : <1.1.1k-1+deb11u1",
        "      Fixed version   : 1.1.1k-1+deb11u1",
        "   /var/lib/dpkg/status (evident by)",
        "1 vulnerability found in 1 package",
        "  CRITICAL    1",
        "  HIGH        0",
    ] {
        assert!(text.lines().any(|printed| printed.starts_with(line)), "{line:?} is missing in\n{text}");
    }
    // A vulnerability of a source package is told once, not of everything that was built from it.
    assert_eq!(text.matches("✗ CRITICAL").count(), 1);
    assert!(!text.contains('\u{1b}'), "no colours where nobody sees them");
    let table =
        succeed(home.path(), &["cves", &home.image(), "--format", "only-packages", "--only-vuln-packages"]);
    assert!(table.lines().next().is_some_and(|head| head.starts_with(" Name")), "{table}");
    let all = succeed(home.path(), &["cves", &home.image(), "--format", "only-packages"]);
    assert!(all.lines().count() > table.lines().count());
    let quick = succeed(home.path(), &["quickview", &home.image()]);
    assert!(quick.contains("Target") && quick.contains("  digest"), "{quick}");
}

#[tokio::test]
async fn every_format_comes_out_of_one_run_and_the_status_is_the_same() {
    let home = Home::new().await;
    let file = |name: &str| home.path().join(name).display().to_string();
    let formats = [
        "packages",
        "only-packages",
        "json",
        "sarif",
        "spdx",
        "cyclonedx",
        "gitlab",
        "markdown",
        "sbom",
        "html",
    ];
    let targets: Vec<String> = formats.iter().map(|format| format!("{format}={}", file(format))).collect();
    let output = run(home.path(), &["cves", &home.image(), "--format", &targets.join(","), "--exit-code"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty());
    let read = |name: &str| std::fs::read_to_string(file(name)).expect(name);
    let document = |name: &str| serde_json::from_str::<Value>(&read(name)).expect(name);
    let sarif = document("sarif");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert!(!results.is_empty());
    assert!(
        results
            .iter()
            .all(|one| one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].is_string())
    );
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().expect("number")).expect("small")];
        assert_eq!(rule["id"], result["ruleId"]);
    }
    let report = document("json");
    let findings = report["findings"].as_array().expect("findings").len();
    assert_eq!(document("cyclonedx")["vulnerabilities"].as_array().expect("list").len(), findings);
    assert_eq!(document("cyclonedx")["components"].as_array().expect("list").len(), 36);
    assert_eq!(document("gitlab")["vulnerabilities"].as_array().expect("list").len(), results.len());
    assert!(document("spdx")["packages"].as_array().expect("list").iter().any(|package| {
        package["externalRefs"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["referenceType"] == "advisory"))
    }));
    assert!(
        document("sbom")["vulnerabilities"]
            .as_array()
            .expect("list")
            .iter()
            .any(|one| one["purl"].is_string())
    );
    assert!(
        read("markdown").contains("<code>openssl</code>")
            || read("markdown").contains("<strong>openssl</strong>")
    );
    let page = read("html");
    assert!(
        page.contains("CVE-2021-3711") && !page.contains("<script") && !page.contains(" src=\"http"),
        "{page}"
    );
    for format in formats {
        let output = run(home.path(), &["cves", &home.image(), "--format", format, "-e"]);
        assert_eq!(output.status.code(), Some(2), "{format}");
    }
}

#[tokio::test]
async fn statuses_say_what_happened() {
    let home = Home::new().await;
    let status = |args: &[&str]| run(home.path(), args).status.code();
    let image = home.image();
    assert_eq!(status(&["cves", &image]), Some(0));
    assert_eq!(status(&["cves", &image, "-e"]), Some(2));
    assert_eq!(status(&["cves", &image, "-e", "--only-cve-id", "CVE-1999-0001"]), Some(0));
    assert_eq!(status(&["cves", &image, "--fail-on", "critical+fixable"]), Some(2));
    assert_eq!(status(&["cves", &image, "--only-severity", "low", "--fail-on", "high"]), Some(0));
    assert_eq!(status(&["cves", &image, "--fail-on", "terrible"]), Some(64));
    assert_eq!(status(&["cves", &image, "--nope"]), Some(64));
    assert_eq!(status(&["cves", "oci-dir:///nonexistent"]), Some(1));
    assert_eq!(status(&["cves", "127.0.0.1:1/a:b"]), Some(69));
    assert_eq!(status(&["cves", "--help"]), Some(0));
}

#[tokio::test]
async fn an_operating_system_that_cannot_be_judged_is_not_a_clean_one() {
    let home = Home::new().await;
    let root = home.path().join("root");
    std::fs::create_dir_all(root.join("etc")).expect("made");
    std::fs::create_dir_all(root.join("var/lib/dpkg")).expect("made");
    std::fs::write(root.join("etc/os-release"), "ID=plan9\nVERSION_ID=4\n").expect("written");
    let status = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n";
    std::fs::write(root.join("var/lib/dpkg/status"), status).expect("written");
    let name = format!("fs://{}", root.display());
    let output = run(home.path(), &["cves", &name, "-e"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("## Not judged") && text.contains("No advisories are known for plan9 4"), "{text}");
    assert!(text.contains("Analyzed File System"), "{text}");
}

#[tokio::test]
async fn filters_leave_what_is_wanted() {
    let home = Home::new().await;
    let count = |args: &[&str]| {
        let image = home.image();
        let all: Vec<&str> =
            ["cves", &image, "--format", "json"].into_iter().chain(args.iter().copied()).collect();
        json(home.path(), &all)["findings"].as_array().expect("findings").len()
    };
    let all = count(&[]);
    assert!(all > 3);
    assert_eq!(count(&["--only-fixed"]) + count(&["--only-unfixed"]), all);
    let of_severity = |severity| count(&["--only-severity", severity]);
    let sum: usize = ["critical", "high", "medium", "low", "unspecified"].into_iter().map(of_severity).sum();
    assert_eq!(sum, all);
    assert_eq!(count(&["--only-package-type", "deb"]) + count(&["--only-package-type", "npm,pypi"]), all);
    assert!((1..all).contains(&count(&["--only-package", "^openssl$"])));
    assert_eq!(count(&["--only-package", "^nothing$"]), 0);
    assert!((1..all).contains(&count(&["--only-metric", "AV:N"])));
    assert_eq!(count(&["--epss-score", "1"]), 0);
    let output = run(home.path(), &["cves", &home.image(), "--ignore-base"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("base-images index"));
}

#[tokio::test]
async fn an_image_and_its_documents_have_the_same_findings() {
    let home = Home::new().await;
    let expected = ids(&json(home.path(), &["cves", &home.image(), "--format", "json"]));
    assert!(!expected.is_empty());
    for format in ["json", "spdx", "cyclonedx"] {
        let file = home.path().join(format).display().to_string();
        succeed(home.path(), &["sbom", &home.image(), "--format", format, "-o", &file]);
        let found = ids(&json(home.path(), &["cves", &format!("sbom://{file}"), "--format", "json"]));
        assert_eq!(found, expected, "{format}");
    }
}

#[tokio::test]
async fn statements_suppress_and_those_that_do_nothing_are_told() {
    let home = Home::new().await;
    let vex = home.path().join("shop.vex.json");
    let write = |author: &str, products: Value| {
        let document = json!({"@context": "https://openvex.dev/ns/v0.2.0", "author": author, "timestamp": "2024-01-01T00:00:00Z",
            "statements": [
                {"vulnerability": {"name": "CVE-2021-3711"}, "products": products, "status": "not_affected",
                    "justification": "vulnerable_code_not_in_execute_path", "impact_statement": "SM2 is switched off"},
                {"vulnerability": {"name": "CVE-1999-0001"}, "products": [{"@id": "pkg:deb/debian/openssl"}], "status": "not_affected"}]});
        std::fs::write(&vex, document.to_string()).expect("written");
    };
    let judge = |extra: &[&str]| {
        let (image, location) = (home.image(), vex.display().to_string());
        let args = ["cves", &image, "--format", "json", "--vex-location", &location];
        let output = run(home.path(), &args.iter().chain(extra).copied().collect::<Vec<_>>());
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (report, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let has = |report: &Value| ids(report).iter().any(|id| id.starts_with("CVE-2021-3711"));
    // A package by itself is taken for that package wherever it is.
    write("Team <team@example.org>", json!([{"@id": "pkg:deb/debian/openssl"}]));
    let (report, told) = judge(&[]);
    assert!(!has(&report));
    let suppressed = report["suppressed"].as_array().expect("list");
    let reason = suppressed[0]["reason"].as_str().expect("text");
    assert_eq!(
        reason,
        "Team <team@example.org> says that it is not affected: vulnerable code not in execute path (SM2 is switched off) [shop.vex.json]"
    );
    assert!(told.contains("the statement on CVE-1999-0001 is about nothing that was found"), "{told}");
    assert!(judge(&["--only-vex-affected"]).0["suppressed"].as_array().expect("list").is_empty());
    // Another version, another image, an author who is not believed.
    write("Team <team@example.org>", json!([{"@id": "pkg:deb/debian/openssl@9"}]));
    assert!(has(&judge(&[]).0));
    write(
        "Team <team@example.org>",
        json!([{"@id": "pkg:docker/other", "subcomponents": [{"@id": "pkg:deb/debian/openssl"}]}]),
    );
    assert!(has(&judge(&[]).0));
    write("Stranger", json!([{"@id": "pkg:deb/debian/openssl"}]));
    let (report, told) = judge(&["--vex-author", "<.*@example.org>"]);
    assert!(has(&report) && told.contains("does not count"), "{told}");
}

#[tokio::test]
async fn a_short_file_says_what_to_ignore_why_and_until_when() {
    let home = Home::new().await;
    let file = home.path().join("ignore.toml");
    let judge = |text: &str| {
        std::fs::write(&file, text).expect("written");
        let (image, file) = (home.image(), file.display().to_string());
        let output = run(home.path(), &["cves", &image, "--format", "json", "--ignore-file", &file]);
        let report = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
        (
            report["suppressed"].as_array().map_or(0, Vec::len),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let entry = |more: &str| format!("[[ignore]]\nid = \"CVE-2021-3711\"\n{more}\n");
    assert_eq!(judge(&entry("reason = \"no SM2\"")).0, 2);
    assert_eq!(judge(&entry("reason = \"no SM2\"\npackage = \"pkg:deb/debian/openssl\"")).0, 2);
    assert_eq!(judge(&entry("reason = \"no SM2\"\npackage = \"pkg:deb/debian/bash\"")).0, 0);
    let (count, told) = judge(&entry("reason = \"no SM2\"\nuntil = \"2020-01-01\""));
    assert!(count == 0 && told.contains("ended on 2020-01-01"), "{told}");
    for (text, part) in [
        (entry(""), "says no reason"),
        (entry("reason = \"a\"\nuntil = \"soon\""), "is no date"),
        (entry("reason = \"a\"\nfoo = 1"), "unknown field"),
    ] {
        let (_, told) = judge(&text);
        assert!(told.contains(part), "{told}");
    }
}

/// Runs the program under another name.
fn plugin(home: &Home, name: &str, args: &[&str]) -> (Option<i32>, String) {
    let link = home.path().join(name);
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tidewaiter"), &link).expect("linked");
    }
    let mut command = std::process::Command::new(link);
    for (key, value) in tidewaiter(home.path()).get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    let output = command.args(args).output().expect("runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The argument lists are those that docker 28.2.2 hands to a plugin.
#[tokio::test]
async fn the_docker_client_finds_a_plugin() {
    let home = Home::new().await;
    for name in ["docker-scout", "docker-tidewaiter"] {
        let own = name.trim_start_matches("docker-");
        let (status, metadata) = plugin(&home, name, &["docker-cli-plugin-metadata"]);
        let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
        assert_eq!((status, metadata["SchemaVersion"].as_str()), (Some(0), Some("0.1.0")));
        let image = home.image();
        let (status, text) = plugin(&home, name, &["-D", "-H", "tcp://h:1", own, "cves", &image, "-e"]);
        assert!(status == Some(2) && text.contains("CVE-2021-3711"), "{text}");
        assert_eq!(plugin(&home, name, &["cves", &image]).0, Some(0), "called by hand");
        assert_eq!(plugin(&home, name, &[own, "cves", "--nope"]).0, Some(125));
        let (status, help) = plugin(&home, name, &["help", own]);
        assert!(status == Some(0) && help.contains("quickview"), "{help}");
        assert!(plugin(&home, name, &[own, "version"]).1.starts_with("version: v"));
        let (_, offered) = plugin(&home, name, &["__complete", own, "cves", "--only-c"]);
        let lines: Vec<_> = offered.lines().collect();
        assert!(lines[0].starts_with("--only-cve-id\t") && lines[lines.len() - 1] == ":4", "{offered}");
        let (_, hint) = plugin(
            &home,
            name,
            &[own, "docker-cli-plugin-hooks", r#"{"RootCmd":"pull","Flags":{},"CommandError":""}"#],
        );
        let hint: Value = serde_json::from_str(&hint).expect("JSON");
        assert!(hint["Template"].as_str().expect("text").contains("quickview {{arg . 0}}"), "{hint}");
    }
}
