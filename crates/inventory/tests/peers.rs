//! Our reading against that of programs we did not write: dpkg, apt's Python, tar, umoci, zstd, sha256sum and the
//! official CycloneDX schema. Needs Debian's packages of them; a missing one fails the test.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use ring::digest::{SHA256, digest};
use support::{Item, gzip, source};
use tempfile::TempDir;
use tidewaiter_inventory::sbom::{Subject, cyclonedx, spdx};
use tidewaiter_inventory::{
    Component, ComponentKind, Fragment, Inventory, Limits, ManifestFacts, inspect, layer, merge, rootfs,
};

/// Runs a program to success and returns what it printed.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the test's own")
}

fn read_file(path: &Path) -> Fragment {
    let file = File::open(path).expect("the layer");
    layer::read(file, &source(), &Limits::default()).expect("a sound layer")
}

fn inventory(fragment: &Fragment) -> Inventory {
    merge(&[fragment], b"", &ManifestFacts::default())
}

fn kinds(inventory: &Inventory, kind: ComponentKind) -> impl Iterator<Item = &Component> {
    inventory.components.iter().filter(move |component| component.kind == kind)
}

/// This machine's own package database and everything in it that tells of a package, as one layer.
fn machine_layer(directory: &TempDir) -> PathBuf {
    let layer = directory.path().join("machine.tar");
    let list = directory.path().join("list");
    let find = "cd / && find etc/os-release usr/lib/os-release etc/debian_version var/lib/dpkg/status var/lib/dpkg/info \
                lib bin -maxdepth 1 '(' -type f -o -type l ')' -print0; \
                find usr/lib/python3 usr/share/nodejs usr/lib/node_modules \
                '(' -name METADATA -o -name PKG-INFO -o -name '*.egg-info' -o -name package.json ')' -type f -print0 || true";
    fs::write(&list, run("sh", &["-c", find])).expect("the list");
    run("tar", &["-C", "/", "--no-recursion", "--null", "-T", text(&list), "-cf", text(&layer)]);
    layer
}

#[test]
fn packages_are_what_dpkg_query_says() {
    let directory = TempDir::new().expect("a directory");
    let inventory = inventory(&read_file(&machine_layer(&directory)));

    let format =
        "${Package} ${Version} ${Architecture} ${source:Package} ${source:Version} ${db:Status-Status}\n";
    let said = run("dpkg-query", &["-W", "-f", format]);
    let expected: BTreeSet<_> = said.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    assert!(expected.len() > 50, "dpkg-query knows only {} packages", expected.len());

    let line = |component: &Component| {
        let source = component.source.as_ref().expect("dpkg packages have a source");
        let architecture = component.architecture.as_deref().expect("an architecture");
        format!("{} {} {architecture} {} {}", component.name, component.version, source.name, source.version)
    };
    let found: BTreeSet<_> = kinds(&inventory, ComponentKind::Deb).map(line).collect();
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
}

#[test]
fn owners_are_what_dpkg_says() {
    let directory = TempDir::new().expect("a directory");
    let inventory = inventory(&read_file(&machine_layer(&directory)));
    let in_files: Vec<_> = inventory.components.iter().filter(|found| !found.kind.is_os_package()).collect();
    let paths =
        in_files.iter().flat_map(|found| found.evidence.iter().map(|place| format!("/{}", place.path)));
    let output = Command::new("dpkg").arg("-S").args(paths).output().expect("dpkg runs");
    let said = String::from_utf8(output.stdout).expect("text");
    // `package[:architecture], …: path`
    let owners: BTreeMap<&str, &str> = said
        .lines()
        .filter(|line| !line.starts_with("diversion"))
        .filter_map(|line| line.split_once(": /"))
        .filter_map(|(owners, path)| Some((path, owners.split([':', ',']).next()?)))
        .collect();
    assert!(!owners.is_empty(), "this machine has no Python or Node package from Debian");
    for component in in_files {
        let each: Option<Vec<_>> =
            component.evidence.iter().map(|place| owners.get(place.path.as_str())).collect();
        let found = component.owner.as_ref().map(|purl| {
            let name = purl.trim_start_matches("pkg:deb/debian/").split('@').next().unwrap_or_default();
            name.replace("%2B", "+")
        });
        assert_eq!(found.as_deref(), each.map(|owners| *owners[0]), "{component:?}");
    }
}

#[test]
fn python_finds_the_same_distributions() {
    let directory = TempDir::new().expect("a directory");
    let site = directory.path().join("site-packages");
    let metadata = [
        (
            "Zope_Interface-5.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: zope.interface\nVersion: 5.0\n",
        ),
        (
            "a-1.0.egg-info/PKG-INFO",
            "Metadata-Version: 1.0\nVersion: 1.0+local.1\nName: A__b\nLicense: MIT\n",
        ),
        (
            "single.egg-info",
            "Name: single\nVersion: 2!1.0rc1\nSummary: text\n Name: not this\n\nName: nor this\n",
        ),
        ("crlf-1.dist-info/METADATA", "Name: crlf\r\nVersion: 1\r\n\r\nText\r\n"),
    ];
    for (path, content) in metadata {
        let path = site.join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
        fs::write(path, content).expect("writable");
    }
    let script = "import importlib.metadata, re, sys\n\
                  for path in sys.argv[1:]:\n \
                    for found in importlib.metadata.distributions(path=[path]):\n  \
                      print(re.sub('[-_.]+', '-', found.metadata['Name']).lower(), found.version)";
    for site in [&site, Path::new("/usr/lib/python3/dist-packages")] {
        let said = run("python3", &["-c", script, text(site)]);
        let expected: BTreeSet<_> = said.lines().map(str::to_owned).collect();
        assert!(expected.len() > 1, "Python finds nothing in {}", site.display());
        let fragment = rootfs::read(site, &Limits::default()).expect("a directory");
        let inventory = inventory(&fragment);
        // Deeper ones are vendored copies, which Python does not import from here.
        let is_top = |component: &&Component| {
            component.evidence.iter().any(|place| {
                let directory = place.path.strip_suffix("/METADATA").or(place.path.strip_suffix("/PKG-INFO"));
                !directory.unwrap_or(&place.path).contains('/')
            })
        };
        let found = kinds(&inventory, ComponentKind::Pypi).filter(is_top);
        let found: BTreeSet<_> =
            found.map(|component| format!("{} {}", component.name, component.version)).collect();
        assert_eq!(found, expected);
    }
}

/// A directory with names that need every extension a tar has.
fn odd_tree(root: &Path) {
    let package = |path: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
        let name = path.iter().count();
        fs::write(&path, format!(r#"{{"name": "p{name}", "version": "1.0.{}"}}"#, text(&path).len()))
            .expect("writable");
    };
    package("package.json");
    package(&format!("{}/package.json", "d".repeat(90)));
    package(&format!("{}/{}/package.json", "d".repeat(100), "e".repeat(100)));
    package(&format!("{}/{}/package.json", "é".repeat(60), "f".repeat(120)));
    package("spaces and = signs\nand lines/package.json");
    package("back\\slash/package.json");
    fs::create_dir(root.join("linked")).expect("writable");
    fs::hard_link(root.join("package.json"), root.join("linked/package.json")).expect("a link");
    std::os::unix::fs::symlink("d".repeat(150), root.join("dangling")).expect("a link");
    std::os::unix::fs::symlink("linked", root.join("way")).expect("a link");
    std::os::unix::fs::symlink("../package.json", root.join("linked/other")).expect("a link");
}

#[test]
fn every_writer_is_read_alike() {
    let directory = TempDir::new().expect("a directory");
    let root = directory.path().join("root");
    odd_tree(&root);
    let expected =
        support::listed(&inventory(&rootfs::read(&root, &Limits::default()).expect("a directory")));
    assert_eq!(expected.len(), 6, "{expected:#?}");

    let layer = directory.path().join("layer");
    let check = |writer: &str| {
        let fragment = read_file(&layer);
        let said = run(
            "sh",
            &["-c", &format!("(zstd -dcf {0} || gzip -dcf {0}) 2>/dev/null | sha256sum", text(&layer))],
        );
        assert_eq!(said.split(' ').next(), fragment.diff_id.strip_prefix("sha256:"), "{writer}");
        let inventory = inventory(&fragment);
        assert_eq!(support::listed(&inventory), expected, "{writer}");
        assert_eq!(support::problems(&inventory), [""; 0], "{writer}");
    };
    for format in ["gnu", "oldgnu", "pax"] {
        for filter in ["cat", "gzip", "zstd -q", "zstd -q --long=27 -19", "gzip -1 --rsyncable"] {
            let command =
                format!("tar -C {} --format={format} -c . | {filter} > {}", text(&root), text(&layer));
            run("sh", &["-c", &command]);
            check(&command);
        }
    }
    let script = "import sys, tarfile\n\
                  with tarfile.open(sys.argv[2], 'w:gz', format=int(sys.argv[3])) as tar:\n tar.add(sys.argv[1], '')";
    // tarfile.GNU_FORMAT and tarfile.PAX_FORMAT; the third one cannot hold such names.
    for format in ["1", "2"] {
        run("python3", &["-c", script, text(&root), text(&layer), format]);
        check(&format!("tarfile, format {format}"));
    }
}

/// Writes an image layout that other programs can read; returns the directory.
fn write_layout(directory: &Path, layers: &[Vec<Item>]) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("writable");
    let blob = |bytes: &[u8]| {
        let digest = sha256(bytes);
        fs::write(blobs.join(&digest), bytes).expect("writable");
        (format!("sha256:{digest}"), bytes.len())
    };
    let mut descriptors = Vec::new();
    let mut diff_ids = Vec::new();
    for items in layers {
        let tar = support::tar(items);
        diff_ids.push(format!("\"sha256:{}\"", sha256(&tar)));
        let (digest, size) = blob(&gzip(&tar));
        let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
        descriptors.push(format!(r#"{{"mediaType": "{kind}", "digest": "{digest}", "size": {size}}}"#));
    }
    let (config, config_size) = blob(
        format!(
            r#"{{"architecture": "amd64", "os": "linux", "config": {{}}, "rootfs": {{"type": "layers", "diff_ids": [{}]}}}}"#,
            diff_ids.join(", ")
        )
        .as_bytes(),
    );
    let (manifest, manifest_size) = blob(
        format!(
            r#"{{"schemaVersion": 2, "config": {{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "{config}", "size": {config_size}}}, "layers": [{}]}}"#,
            descriptors.join(", ")
        )
        .as_bytes(),
    );
    let index = format!(
        r#"{{"schemaVersion": 2, "manifests": [{{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "{manifest}", "size": {manifest_size}, "annotations": {{"org.opencontainers.image.ref.name": "it"}}}}]}}"#
    );
    fs::write(directory.join("index.json"), index).expect("writable");
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).expect("writable");
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Random layers that a runtime can unpack: no file in the way of a directory, no link to nothing.
fn unpackable() -> impl proptest::strategy::Strategy<Value = Vec<Vec<Item>>> {
    use proptest::collection::vec;
    use proptest::prelude::*;
    let directory = || vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|parts| parts.join("/"));
    let package = (directory(), any::<u32>()).prop_map(|(at, version)| {
        support::file(
            &format!("{at}/package.json"),
            format!(r#"{{"name": "p", "version": "{version}.0.0"}}"#),
        )
    });
    let link = (directory(), prop::sample::select(vec!["", "/", "../"]), directory())
        .prop_map(|(at, start, target)| support::symlink(&at, &format!("{start}{target}")));
    let hidden =
        (directory(), prop::sample::select(vec![".wh.a", ".wh.b", ".wh.package.json", ".wh..wh..opq"]))
            .prop_map(|(at, name)| support::file(&format!("{at}/{name}"), ""));
    let change = prop_oneof![4 => package, 2 => directory().prop_map(|at| support::dir(&at)), 2 => link];
    // Whiteouts first: where they stand should not matter, and here it cannot.
    vec((vec(hidden, 0..3), vec(change, 0..10)), 1..5)
        .prop_map(|layers| layers.into_iter().map(|(hidden, changes)| [hidden, changes].concat()).collect())
}

#[test]
fn umoci_unpacks_what_merging_finds() {
    let directory = TempDir::new().expect("a directory");
    let mut runner = TestRunner::deterministic();
    let strategy = unpackable();
    let mut unpacked = 0;
    for case in 0..120 {
        let layers = strategy.new_tree(&mut runner).expect("layers").current();
        let (layout, bundle) =
            (directory.path().join(format!("{case}")), directory.path().join(format!("{case}.out")));
        write_layout(&layout, &layers);
        let output = Command::new("umoci")
            .args(["unpack", "--rootless", "--image", &format!("{}:it", text(&layout)), text(&bundle)])
            .output()
            .expect("umoci runs");
        if !output.status.success() {
            // Links in circles and the like, which no runtime unpacks.
            continue;
        }
        unpacked += 1;
        let fragment = rootfs::read(&bundle.join("rootfs"), &Limits::default()).expect("the unpacked image");
        let places = |inventory: &Inventory| -> BTreeSet<String> {
            let components = inventory.components.iter();
            components
                .flat_map(|component| {
                    component.evidence.iter().map(|place| format!("{} {}", component.purl, place.path))
                })
                .collect()
        };
        assert_eq!(places(&support::image(&layers)), places(&inventory(&fragment)), "{layers:#?}");
    }
    assert!(unpacked > 60, "umoci unpacked only {unpacked} of 120 images");
}

/// Documents of three inventories, with all that a document may say of itself and with none of it.
fn documents(directory: &TempDir, write: fn(&Inventory, &Subject) -> Vec<u8>) -> Vec<PathBuf> {
    let machine = inventory(&read_file(&machine_layer(directory)));
    let empty = Inventory::default();
    let licensed = support::image(&[vec![
        support::file(
            "lib/apk/db/installed",
            "P:a\nV:1\nL:GPL-2.0-only AND MIT\n\nP:b\nV:2\nL:MIT\n\nP:c\nV:3\nL:\u{1}\n",
        ),
        support::file("etc/alpine-release", "3.19.1\n"),
        support::file(
            "node_modules/@s/a/package.json",
            r#"{"name": "@s/a", "version": "1.0.0", "licenses": ["MIT", "x"]}"#,
        ),
        support::file("node_modules/b/package.json", "{"),
    ]]);
    let subject = Subject {
        name: "registry.test/app:1".to_owned(),
        digest: Some(format!("sha256:{}", "0".repeat(64))),
        timestamp: Some("2026-01-02T03:04:05Z".to_owned()),
        serial_number: Some("urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79".to_owned()),
        tool_version: "0.1.0".to_owned(),
        ..Subject::default()
    };
    let mut files = Vec::new();
    for (name, inventory) in [("machine", &machine), ("empty", &empty), ("licensed", &licensed)] {
        for (which, subject) in [("full", &subject), ("bare", &Subject::default())] {
            let path = directory.path().join(format!("{name}-{which}.json"));
            fs::write(&path, write(inventory, subject)).expect("writable");
            files.push(path);
        }
    }
    files
}

#[test]
fn documents_are_valid_spdx() {
    let directory = TempDir::new().expect("a directory");
    let files = documents(&directory, spdx::write);
    let script = "import sys\n\
                  sys.path.insert(0, sys.argv[1])\n\
                  from spdx_tools.spdx.parser.parse_anything import parse_file\n\
                  from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document\n\
                  for path in sys.argv[2:]:\n  \
                    for message in validate_full_spdx_document(parse_file(path)):\n    \
                      print(path, message.validation_message)";
    // `./test` puts packages of PyPI there.
    let packages = concat!(env!("CARGO_TARGET_TMPDIR"), "/../python");
    let mut arguments = vec!["-c", script, packages];
    arguments.extend(files.iter().map(|path| text(path)));
    assert_eq!(run("/usr/bin/python3", &arguments), "");
}

#[test]
fn documents_are_valid_cyclonedx() {
    let directory = TempDir::new().expect("a directory");
    let files = documents(&directory, cyclonedx::write);
    let script = "import json, pathlib, sys, jsonschema\n\
                  base = 'http://cyclonedx.org/schema/'\n\
                  schemas = {base + path.name: json.loads(path.read_text()) for path in pathlib.Path(sys.argv[1]).glob('*.json')}\n\
                  schema = schemas[base + 'bom-1.6.SNAPSHOT.schema.json']\n\
                  resolver = jsonschema.RefResolver(base, schema, store=schemas)\n\
                  checker = jsonschema.Draft7Validator(schema, resolver=resolver, format_checker=jsonschema.FormatChecker())\n\
                  assert list(checker.iter_errors({'bomFormat': 'x'})), 'the schema accepts anything'\n\
                  for path in sys.argv[2:]:\n \
                    for error in checker.iter_errors(json.loads(pathlib.Path(path).read_text())):\n  \
                      print(path, list(error.absolute_path), error.message)";
    let schemas = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/cyclonedx");
    let mut arguments = vec!["-c", script, schemas];
    arguments.extend(files.iter().map(|path| text(path)));
    // The system's own Python has Debian's packages of Python.
    assert_eq!(run("/usr/bin/python3", &arguments), "");
}

#[test]
fn a_layer_file_is_read_through_any_reader() {
    let directory = TempDir::new().expect("a directory");
    let layer = machine_layer(&directory);
    let buffered = BufReader::with_capacity(7, File::open(&layer).expect("the layer"));
    assert_eq!(
        layer::read(buffered, &source(), &Limits::default()).expect("a sound layer"),
        read_file(&layer)
    );
}

/// Every gem that Ruby itself knows of on this machine, with what its specification says.
#[test]
fn gems_are_what_rubygems_says() {
    let program = "Gem::Specification.each { |gem| puts [gem.loaded_from, gem.name, gem.version, gem.platform, \
                   gem.licenses.join(' ')].join('|') }";
    let said = run("ruby", &["-e", program]);
    assert!(said.lines().count() > 20, "{said}");
    for line in said.lines() {
        let (file, _) = line.split_once('|').expect("five columns");
        let bytes = fs::read(file).expect("a specification");
        let (components, problems) = inspect(file.trim_start_matches('/'), &bytes, None);
        assert_eq!(problems, [], "{file}");
        let [gem] = &components[..] else { panic!("{file}: {components:?}") };
        let platform = gem.architecture.as_deref().unwrap_or("ruby");
        let ours = [file, &gem.name, &gem.version, platform, &gem.licenses.join(" ")].join("|");
        assert_eq!(ours, line);
    }
}
