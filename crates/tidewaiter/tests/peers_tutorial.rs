//! The tutorial on artifacts, its commands taken from the page: against our registry, and against Debian's
//! `docker-registry`, which has no referrers API. Uses `skopeo` and `jq`.

#[path = "artifact/oras.rs"]
mod oras;

use std::collections::BTreeMap;

use oras::{Oras, embedded_registry};
use tidewaiter_testkit::DockerRegistry;

const PAGE: &str = include_str!("../../../docs/src/guides/artifact-tutorial.md");

/// The registry's name on the page.
const REGISTRY: &str = "localhost:5000";

/// Stands before the output of a section.
const MARK: &str = "##### ";

/// The page's commands as one script, which announces each section before its commands.
fn script(change: impl Fn(&str) -> String) -> String {
    let mut script = String::from("set -euo pipefail\n");
    let mut runs = false;
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            script.push_str(&format!("echo '{MARK}{title}'\n"));
        } else if line.starts_with("```") {
            runs = line == "```sh";
        } else if runs {
            script.push_str(&change(line));
            script.push('\n');
        }
    }
    script
}

/// Runs the script, and gives what each section printed on standard output.
fn run(oras: &Oras, script: &str) -> BTreeMap<String, String> {
    let output = oras.command("bash").args(["-c", script]).output().expect("bash runs");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let sections = stdout.split(MARK).skip(1);
    sections
        .filter_map(|section| section.split_once('\n'))
        .map(|(title, text)| (title.to_owned(), text.to_owned()))
        .collect()
}

/// What holds whatever the registry is.
fn check(host: &str, sections: &BTreeMap<String, String>) {
    let section = |title: &str| sections.get(title).unwrap_or_else(|| panic!("no section {title}"));
    let pushed = section("Push one file");
    let expected = format!(
        "Pushed [registry] {host}/samples/artifact:readme\nArtifactType: readme/example\nDigest: sha256:"
    );
    // Status lines come first, as those of ORAS do.
    assert!(pushed.contains(&expected), "{pushed}");
    let manifest: serde_json::Value =
        serde_json::from_str(section("Look at the manifest")).expect("the manifest is JSON");
    assert_eq!(manifest["artifactType"], "readme/example");
    assert_eq!(
        manifest["layers"][0]["digest"],
        "sha256:2fdeac43552b71eb9db534137714c7bad86b53a93c56ca96d4850c9b41b777fc"
    );
    let files = "download\ndownload/details\ndownload/details/readme-details.md\n\
                 download/details/readme-more-details.md\ndownload/readme.md\n";
    for title in ["Pull", "Pull what refers to the copy"] {
        assert!(section(title).ends_with(files), "{title}: {}", section(title));
    }
    assert_eq!(types(section("See what hangs on the image")), ["0 readme/example", "0 signature/example"]);
    let three = ["0 readme/example", "0 sbom/example", "0 signature/example", "2 signature/example"];
    assert_eq!(types(section("See three levels")), three);
    let promoted = section("Promote the graph");
    assert_eq!(types(promoted), three);
    let copied = format!(
        "Copied [registry] {host}/net-monitor:v1 => [registry] {host}/sample-staging/net-monitor:v1\n"
    );
    assert!(promoted.contains(&copied), "{promoted}");
    let deleted = section("Delete both graphs");
    for repository in ["net-monitor", "sample-staging/net-monitor"] {
        assert!(deleted.contains(&format!("Deleted [registry] {host}/{repository}:v1\n")), "{deleted}");
    }
    assert!(section("See that they are gone").contains("The image is gone."));
}

/// The artifact types of a tree with their levels, sorted.
fn types(tree: &str) -> Vec<String> {
    let mut types: Vec<String> = tree
        .lines()
        .filter_map(|line| {
            let (before, name) = line.split_once("── ")?;
            let level = (before.chars().count() - 1) / 4;
            name.ends_with("/example").then(|| format!("{level} {name}"))
        })
        .collect();
    types.sort();
    types
}

#[test]
fn with_the_embedded_registry() {
    let oras = Oras::new();
    let registry = embedded_registry(&oras.work().join("registry"));
    let host = format!("localhost:{}", registry.address().port());
    let sections = run(&oras, &script(|line| line.replace(REGISTRY, &host)));
    check(&host, &sections);
    assert_eq!(sections["List tags"], "v1\n");
    assert_eq!(sections["See that they are gone"], "The image is gone.\nThe repository is gone.\n");
}

#[test]
fn with_a_registry_that_has_no_referrers_api() {
    let oras = Oras::new();
    let data = tempfile::tempdir().expect("a temporary directory");
    let registry = DockerRegistry::new().start(data.path());
    let host = format!("localhost:{}", registry.address().port());
    let sections = run(
        &oras,
        &script(|line| {
            let line =
                line.replace(REGISTRY, &host).replace("manifest delete -f", "manifest delete -f --recursive");
            // It has no list of manifests.
            if line.starts_with("tidewaiter ") { String::new() } else { line }
        }),
    );
    check(&host, &sections);
    // One list of what refers to the image, and one of what refers to the SBOM.
    let (lists, tags): (Vec<&str>, Vec<&str>) =
        sections["List tags"].lines().partition(|tag| tag.starts_with("sha256-"));
    assert_eq!((lists.len(), tags), (2, vec!["v1"]));
    let left = oras.ok(&format!("repo tags {host}/net-monitor"));
    assert_eq!(left, "", "nothing is left of the tag scheme either");
}
