//! An AlmaLinux root whose packages Debian's `rpm` built and installed, against real advisories: findings must be what a
//! slow check with rpm's own comparison says, from the root and from its documents.

mod harness;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::succeed;
use serde_json::Value;

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// Name, epoch, version, release, module label.
const PACKAGES: [(&str, u32, &str, &str, &str); 6] = [
    ("openssl", 1, "1.1.1k", "6.el8_5", ""),
    ("openssl-libs", 1, "1.1.1k", "9.el8_7", ""),
    ("nodejs", 1, "16.20.1", "1.module_el8.8.0+3594+e74fe53f", "nodejs:16:8080020230718:abc"),
    ("npm", 1, "8.19.4", "1.16.20.1.1.module_el8.8.0+3594+e74fe53f", "nodejs:16:8080020230718:abc"),
    ("nodejs-packaging", 0, "25", "1.module_el8.5.0+2605+45d748af", "nodejs:16:8080020230718:abc"),
    ("resource-agents", 0, "4.1.1", "1.el8", ""),
];

/// Builds the packages and installs them into the database of a root.
fn root(place: &Path) -> PathBuf {
    let top = place.join("build");
    std::fs::create_dir_all(&top).expect("made");
    let mut spec = "Name: base\nVersion: 1\nRelease: 1.el8\nSummary: x\nLicense: MIT\nVendor: AlmaLinux\nBuildArch: noarch\n\
                    %description\nx\n"
        .to_owned();
    for (name, epoch, version, release, module) in PACKAGES {
        let label = if module.is_empty() { String::new() } else { format!("ModularityLabel: {module}\n") };
        let _ = writeln!(
            spec,
            "%package -n {name}\nSummary: x\nEpoch: {epoch}\nVersion: {version}\nRelease: {release}\n{label}\
             %description -n {name}\nx\n%files -n {name}"
        );
    }
    let file = top.join("base.spec");
    std::fs::write(&file, spec).expect("written");
    let define = format!("_topdir {}", top.display());
    output(Command::new("rpmbuild").args(["-bb", "--define", &define]).arg(&file));
    let built = std::fs::read_dir(top.join("RPMS/noarch")).expect("packages");
    let built: Vec<PathBuf> = built.map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(built.len(), PACKAGES.len());
    let root = place.join("root");
    let database = root.join("var/lib/rpm");
    std::fs::create_dir_all(&database).expect("made");
    std::fs::create_dir_all(root.join("etc")).expect("made");
    let release =
        "ID=almalinux\nVERSION_ID=\"8.8\"\nID_LIKE=\"rhel centos fedora\"\nPRETTY_NAME=\"AlmaLinux 8.8\"\n";
    std::fs::write(root.join("etc/os-release"), release).expect("written");
    let quiet =
        ["-i", "--justdb", "--nodeps", "--ignorearch", "--noscripts", "--define", "_db_backend sqlite"];
    output(Command::new("rpm").arg("--dbpath").arg(&database).args(quiet).args(&built));
    root
}

fn records() -> Vec<Value> {
    let text = include_str!("fixtures/almalinux.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Whether `a` comes before `b`, as rpm has it.
fn is_less(a: &str, b: &str) -> bool {
    output(Command::new("rpm").arg("--eval").arg(format!("%{{lua:io.write(rpm.vercmp('{a}', '{b}'))}}")))
        .trim()
        == "-1"
}

/// (CVE, package) for everything that an advisory for AlmaLinux 8, and for the package's own stream, mends later.
fn findings_by_rpm() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for record in records() {
        let summary = record["summary"].as_str().expect("text");
        for affected in record["affected"].as_array().expect("list") {
            let fixed = affected["ranges"][0]["events"][1]["fixed"].as_str().expect("a fix");
            for (name, epoch, version, release, module) in PACKAGES {
                let stream = module.split(':').take(2).collect::<Vec<_>>().join(":");
                let is_of_stream =
                    fixed.contains(".module_") != module.is_empty() && summary.contains(&stream);
                let is_named =
                    affected["package"]["ecosystem"] == "AlmaLinux:8" && affected["package"]["name"] == name;
                if is_named && is_of_stream && is_less(&format!("{epoch}:{version}-{release}"), fixed) {
                    let cves = record["related"].as_array().into_iter().flatten();
                    found.extend(cves.map(|cve| (cve.as_str().expect("text").to_owned(), name.to_owned())));
                }
            }
        }
    }
    found
}

fn findings_by_us(home: &Path, image: &str) -> BTreeSet<(String, String)> {
    let report: Value =
        serde_json::from_str(&succeed(home, &["cves", image, "--format", "json"])).expect("JSON");
    assert_eq!(report["gaps"].as_array().map(Vec::len), Some(0), "{}", report["gaps"]);
    let findings = report["findings"].as_array().expect("list");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    findings.iter().map(|one| (text(&one["id"]), text(&one["package"]["name"]))).collect()
}

#[test]
fn findings_of_an_rpm_root_are_what_rpm_says() {
    let home = tempfile::tempdir().expect("a directory");
    let records = home.path().join("records.jsonl");
    std::fs::write(&records, include_str!("fixtures/almalinux.jsonl")).expect("written");
    succeed(home.path(), &["db", "build", "--from", &records.display().to_string()]);
    let image = format!("fs://{}", root(home.path()).display());
    let expected = findings_by_rpm();
    let of = |package: &str| expected.iter().filter(|(_, name)| name == package).count();
    assert!(of("openssl") > of("openssl-libs") && of("openssl-libs") > 0 && of("nodejs") > 0, "{expected:?}");
    assert_eq!(of("resource-agents"), 0, "an announcement without a CVE is none of a vulnerability");
    assert_eq!(findings_by_us(home.path(), &image), expected);
    for format in ["json", "spdx", "cyclonedx"] {
        let file = home.path().join(format).display().to_string();
        succeed(home.path(), &["sbom", &image, "--format", format, "-o", &file]);
        assert_eq!(findings_by_us(home.path(), &format!("sbom://{file}")), expected, "{format}");
    }
}
