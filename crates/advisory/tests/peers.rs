//! Our orders and our verdicts against programs that know better: dpkg, rpm, Python's `packaging`, npm's
//! `semver`, RubyGems, and a slow matcher in Python written from the OSV schema.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{component, distro, fixture_database, fixtures};
use tidewaiter_advisory::match_component;
use tidewaiter_advisory::versions::Scheme;
use tidewaiter_inventory::ComponentKind::{Deb, Npm, Pypi};

/// Runs a program with standard input and returns the lines it prints.
fn run(command: &mut Command, input: &str) -> Vec<String> {
    let mut child = command
        .env("NODE_PATH", "/usr/share/nodejs:/usr/lib/node_modules/npm/node_modules")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    assert!(output.status.success(), "{command:?} failed; python3-packaging and node-semver are needed");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A script of ours beside the tests.
fn oracle(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(name)
}

/// Debian's Python, which has `python3-packaging`.
fn python() -> Command {
    Command::new("/usr/bin/python3")
}

/// The versions of a list of facts, with near misses of each.
fn versions(file: &str, endings: &[&str]) -> Vec<String> {
    let facts = std::fs::read_to_string(fixtures("versions").join(file)).unwrap();
    let lines = facts.lines().filter(|line| !line.starts_with('#'));
    let words: BTreeSet<&str> =
        lines.flat_map(|line| line.split(' ')).filter(|word| !"<=>".contains(word)).collect();
    words.into_iter().flat_map(|word| endings.iter().map(move |ending| format!("{word}{ending}"))).collect()
}

/// Pairs that are worth asking about: each version with those a few places on.
fn pairs(versions: &[String]) -> Vec<(&str, &str)> {
    let pair = |step: usize| {
        versions.iter().zip(versions.iter().cycle().skip(step)).map(|(a, b)| (a.as_str(), b.as_str()))
    };
    [1, 2, 5, 17, 61].into_iter().flat_map(pair).collect()
}

/// Checks a scheme against the answers of a program, one per pair; returns how many pairs it could order.
fn check(scheme: Scheme, pairs: &[(&str, &str)], answers: &[String]) -> usize {
    assert_eq!(pairs.len(), answers.len());
    let mut ordered = 0;
    for ((a, b), answer) in pairs.iter().zip(answers) {
        let expected = match answer.as_str() {
            "<" => Ordering::Less,
            "=" => Ordering::Equal,
            ">" => Ordering::Greater,
            _ => continue,
        };
        assert_eq!(scheme.compare(a, b), expected, "{a} {answer} {b}");
        ordered += 1;
    }
    ordered
}

#[test]
fn dpkg_orders_versions_as_we_do() {
    let versions = versions("dpkg.txt", &["", "~rc1", "+b1"]);
    let dpkg = |a: &str, relation: &str, b: &str| {
        let status =
            Command::new("dpkg").args(["--compare-versions", a, relation, b]).stderr(Stdio::null()).status();
        status.expect("dpkg is needed").success()
    };
    // One process per question: every version with its neighbour and one further off.
    for (a, b) in pairs(&versions).into_iter().take(2 * versions.len()) {
        let relation = match Scheme::Dpkg.compare(a, b) {
            Ordering::Less => "lt",
            Ordering::Equal => "eq",
            Ordering::Greater => "gt",
        };
        assert!(dpkg(a, relation, b), "dpkg denies that {a} {relation} {b}");
    }
}

#[test]
fn packaging_orders_versions_as_we_do() {
    let versions = versions("pep440.txt", &["", ".dev1", ".post2", "+local.7", "rc3", "a"]);
    let pairs = pairs(&versions);
    let input: String = pairs.iter().map(|(a, b)| format!("{a}\t{b}\n")).collect();
    let answers = run(python().arg(oracle("packaging_order.py")), &input);
    assert!(check(Scheme::Pep440, &pairs, &answers) > 300);
    // What one of us cannot read, the other cannot either.
    for ((a, b), answer) in pairs.iter().zip(&answers) {
        let both = Scheme::Pep440.is_valid(a) && Scheme::Pep440.is_valid(b);
        assert_eq!(both, answer != "!", "{a} {answer} {b}");
    }
}

#[test]
fn npm_orders_versions_as_we_do() {
    let versions = versions("semver.txt", &["", "-0", "-rc.1", "+build.5", ".x"]);
    let pairs = pairs(&versions);
    let input: String = pairs.iter().map(|(a, b)| format!("{a}\t{b}\n")).collect();
    let answers = run(Command::new("node").arg(oracle("semver_order.js")), &input);
    assert!(check(Scheme::SemVer, &pairs, &answers) > 300);
}

#[test]
fn rubygems_orders_versions_as_we_do() {
    let versions = versions("gem.txt", &["", ".a", "-1", ".0.0", ".rc1", "_x"]);
    let pairs = pairs(&versions);
    let input: String = pairs.iter().map(|(a, b)| format!("{a}\t{b}\n")).collect();
    let answers = run(Command::new("ruby").arg(oracle("gem_order.rb")), &input);
    assert!(check(Scheme::Gem, &pairs, &answers) > 300);
    for ((a, b), answer) in pairs.iter().zip(&answers) {
        let both = Scheme::Gem.is_valid(a) && Scheme::Gem.is_valid(b);
        assert_eq!(both, answer != "!", "{a} {answer} {b}");
    }
}

#[test]
fn rpm_orders_versions_as_we_do() {
    let versions = versions("rpm.txt", &["", "~rc1", "^git2", "-1.el9", "a", ".0"]);
    let pairs = pairs(&versions);
    let input: String = pairs.iter().map(|(a, b)| format!("{a}\t{b}\n")).collect();
    let script = std::fs::read_to_string(oracle("rpm_order.lua")).unwrap();
    let answers = run(Command::new("rpm").arg("--eval").arg(format!("%{{lua:{script}}}")), &input);
    // rpm ends what a macro prints with a newline of its own.
    assert!(check(Scheme::Rpm, &pairs, &answers[..pairs.len()]) > 300);
}

/// Every package that a fixture names, with every version it names and near misses of them.
fn components() -> Vec<(String, String, String)> {
    let mut components = BTreeSet::new();
    for entry in std::fs::read_dir(fixtures("osv")).unwrap() {
        let record: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        for affected in record["affected"].as_array().unwrap() {
            let package = &affected["package"];
            let (Some(ecosystem), Some(name)) = (package["ecosystem"].as_str(), package["name"].as_str())
            else {
                continue;
            };
            let (scheme, endings) = match Scheme::of_ecosystem(ecosystem) {
                Some(scheme @ Scheme::Dpkg) => (scheme, ["", "~", "+b1"]),
                Some(scheme @ Scheme::SemVer) => (scheme, ["", "-0", "-rc.1"]),
                Some(scheme @ Scheme::Pep440) => (scheme, ["", ".dev0", ".post1"]),
                _ => continue,
            };
            for version in versions_named(affected) {
                let near = endings.iter().map(|ending| format!("{version}{ending}"));
                for version in near.filter(|version| scheme.is_valid(version)) {
                    components.insert((ecosystem.to_owned(), name.to_owned(), version));
                }
            }
        }
    }
    components.into_iter().collect()
}

/// The versions in the ranges and lists of an affected package.
fn versions_named(affected: &Value) -> impl Iterator<Item = &str> {
    let ranges = affected["ranges"].as_array().into_iter().flatten().filter(|range| range["type"] != "GIT");
    let events = ranges.flat_map(|range| range["events"].as_array().unwrap());
    let named = events.flat_map(|event| event.as_object().unwrap().values());
    let listed = affected["versions"].as_array().into_iter().flatten();
    named
        .chain(listed)
        .filter_map(Value::as_str)
        .map(|version| if version == "0" { "0.0.1" } else { version })
}

#[test]
fn a_slow_reference_finds_the_same() {
    let components = components();
    assert!(components.len() > 200, "{}", components.len());
    let input: String = components
        .iter()
        .map(|(ecosystem, name, version)| format!("{ecosystem}\t{name}\t{version}\n"))
        .collect();
    let answers = run(python().arg(oracle("reference.py")).arg(fixtures("osv")), &input);
    assert_eq!(answers.len(), components.len());
    let (_directory, database) = fixture_database();
    let mut found = 0;
    for ((ecosystem, name, version), answer) in components.iter().zip(answers) {
        let (kind, release) = match ecosystem.split_once(':') {
            Some(("Debian", release)) => (Deb, release),
            _ if ecosystem == "npm" => (Npm, ""),
            _ => (Pypi, ""),
        };
        let distro = distro("debian", release);
        let findings = match_component(&database, distro.as_ref(), &component(kind, name, version));
        found += findings.len();
        let mut ours: Vec<Value> = findings
            .iter()
            .map(|finding| json!([finding.id, finding.fix.state, finding.fix.versions]))
            .collect();
        ours.sort_by_key(Value::to_string);
        let mut theirs: Vec<Value> = serde_json::from_str(&answer).unwrap();
        theirs.sort_by_key(Value::to_string);
        assert_eq!(ours, theirs, "{ecosystem} {name} {version}");
    }
    assert!(found > 100, "{found}");
}
