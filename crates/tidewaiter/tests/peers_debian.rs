//! A Debian root as `debootstrap` makes it, pushed by `skopeo`: packages must be exactly what `dpkg-query` says,
//! findings exactly what a slow check of the records with `dpkg --compare-versions` says.

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use harness::{Up, succeed};
use serde_json::Value;
use tidewaiter_testkit::debian::{debian_root, oci_layout_of};

/// A binary package as dpkg knows it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    source: String,
    source_version: String,
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

fn packages_by_dpkg(root: &Path) -> BTreeSet<Package> {
    let format = "${Package}\t${Version}\t${source:Package}\t${source:Version}\t${db:Status-Status}\n";
    let admin = root.join("var/lib/dpkg");
    let list = output(Command::new("dpkg-query").arg("--admindir").arg(admin).args(["-W", "-f", format]));
    let installed = list.lines().filter_map(|line| {
        let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let [name, version, source, source_version, status] = fields.try_into().expect("five fields");
        (status == "installed").then_some(Package { name, version, source, source_version })
    });
    installed.collect()
}

fn packages_by_us(home: &Path, image: &str) -> BTreeSet<Package> {
    let document: Value =
        serde_json::from_str(&succeed(home, &["sbom", image, "--format", "cyclonedx"])).expect("JSON");
    let components = document["components"].as_array().expect("components");
    let packages = components
        .iter()
        .filter(|component| component["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:deb/")));
    packages.map(read_package).collect()
}

fn read_package(component: &Value) -> Package {
    let text = |key: &str| component[key].as_str().expect("text").to_owned();
    let properties = component["properties"].as_array().expect("properties");
    let source = properties.iter().find(|property| property["name"] == "tidewaiter:source");
    let source = source.and_then(|property| property["value"].as_str()).expect("every package has a source");
    let (source, source_version) = source.split_once(' ').expect("name and version");
    Package {
        name: text("name"),
        version: text("version"),
        source: source.to_owned(),
        source_version: source_version.to_owned(),
    }
}

/// The order of two versions, by dpkg itself.
struct Dpkg(BTreeMap<(String, String), bool>);

impl Dpkg {
    /// `a` comes before `b`.
    fn is_less(&mut self, a: &str, b: &str) -> bool {
        *self.0.entry((a.to_owned(), b.to_owned())).or_insert_with(|| {
            let status = Command::new("dpkg").args(["--compare-versions", a, "lt", b]).status();
            status.expect("dpkg starts").success()
        })
    }

    /// The OSV schema's evaluation, word for word: walk the events, `0` is before everything.
    fn is_affected(&mut self, entry: &Value, version: &str) -> bool {
        let lists = entry["versions"].as_array();
        if lists.is_some_and(|versions| versions.iter().any(|listed| listed == version)) {
            return true;
        }
        let ranges = entry["ranges"].as_array().cloned().unwrap_or_default();
        ranges.iter().filter(|range| range["type"] == "ECOSYSTEM").any(|range| {
            let mut vulnerable = false;
            for event in range["events"].as_array().expect("events") {
                if let Some(introduced) = event["introduced"].as_str() {
                    vulnerable |= introduced == "0" || !self.is_less(version, introduced);
                }
                if let Some(fixed) = event["fixed"].as_str() {
                    vulnerable &= self.is_less(version, fixed);
                }
                if let Some(last) = event["last_affected"].as_str() {
                    vulnerable &= !self.is_less(last, version);
                }
            }
            vulnerable
        })
    }
}

/// (CVE, package) for every package that a record of its source package for Debian 12 affects.
fn findings_by_dpkg(packages: &BTreeSet<Package>) -> BTreeSet<(String, String)> {
    let records = tidewaiter_demo::advisories();
    let (_, records) = records.iter().find(|(name, _)| name == "debian.jsonl").expect("Debian's records");
    let mut dpkg = Dpkg(BTreeMap::new());
    let mut found = BTreeSet::new();
    for line in records.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let record: Value = serde_json::from_slice(line).expect("JSON");
        let id = record["id"].as_str().expect("an id");
        for entry in record["affected"].as_array().expect("affected") {
            let affected = &entry["package"];
            if affected["ecosystem"] != "Debian:12" || !id.starts_with("CVE-") {
                continue;
            }
            for package in packages.iter().filter(|package| affected["name"] == package.source.as_str()) {
                if dpkg.is_affected(entry, &package.source_version) {
                    found.insert((id.to_owned(), package.name.clone()));
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn a_debian_root_is_reported_as_dpkg_would() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = debian_root(cache);
    let layout = oci_layout_of(&root, cache, "bookworm");
    let data = tempfile::tempdir().expect("temporary directory");
    let up = Up::start(data.path(), &["--demo"]);
    let source = format!("oci:{}:bookworm", layout.display());
    let target = format!("docker://{}/debian:bookworm", up.registry);
    output(Command::new("skopeo").args([
        "--insecure-policy",
        "copy",
        "--dest-tls-verify=false",
        &source,
        &target,
    ]));

    let images = up.settled_images(5).await;
    let image = harness::named(&images, "/debian:bookworm");
    let expected = packages_by_dpkg(&root);
    let name = format!("registry://{}/debian:bookworm", up.registry);
    assert_eq!(packages_by_us(data.path(), &name), expected);
    // Programs that packages own are components too.
    let listed = succeed(data.path(), &["sbom", &name, "--format", "list"]).lines().count() - 1;
    assert_eq!(image["components"].as_u64(), u64::try_from(listed).ok());
    let programs = listed - expected.len();
    assert!((1..20).contains(&programs), "{programs}");

    let report = up.report(image).await;
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let all: BTreeSet<_> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| (text(&finding["id"]), text(&finding["package"]["name"])))
        .collect();
    let found: BTreeSet<_> = all.iter().filter(|(id, _)| id.starts_with("CVE-")).cloned().collect();
    let expected = findings_by_dpkg(&expected);
    assert!(!expected.is_empty(), "the records must have something to say of this release");
    assert_eq!(found, expected);
}
