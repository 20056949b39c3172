//! The house rules that a compiler does not know: who may depend on whom, how files begin, what must not be
//! left lying about.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The rooms and whom each may know (`ARCHITECTURE.md`). A room that is not in this list has no place yet.
const ARROWS: &[(&str, &[&str])] = &[
    ("oci", &[]),
    ("inventory", &[]),
    ("db", &[]),
    ("cobra", &[]),
    ("gotemplate", &[]),
    ("testkit", &[]),
    ("advisory", &["inventory"]),
    ("demo", &["oci"]),
    ("registry", &["oci", "db"]),
    ("report", &["inventory", "advisory"]),
    ("platform", &["oci", "inventory", "advisory", "report", "db", "registry"]),
    ("web", &["platform"]),
    (
        "tidewaiter",
        &[
            "oci",
            "inventory",
            "advisory",
            "report",
            "db",
            "registry",
            "platform",
            "web",
            "cobra",
            "gotemplate",
            "demo",
        ],
    ),
];

/// What only tests may know, whatever room they are in.
const FOR_TESTS: &[&str] = &["testkit", "demo"];

/// Crates that would break a promise of a room: libraries do not talk, and what reads images and judges them
/// knows neither network nor async.
const STRANGERS: &[(&str, &[&str])] = &[
    ("oci", &["axum", "clap", "indicatif", "anstream", "sqlx"]),
    ("db", &["axum", "clap", "indicatif", "anstream", "reqwest"]),
    (
        "inventory",
        &["axum", "clap", "indicatif", "anstream", "sqlx", "tokio", "reqwest", "hyper", "futures-util"],
    ),
    (
        "advisory",
        &["axum", "clap", "indicatif", "anstream", "sqlx", "tokio", "reqwest", "hyper", "futures-util"],
    ),
    (
        "report",
        &["axum", "clap", "indicatif", "anstream", "sqlx", "tokio", "reqwest", "hyper", "futures-util"],
    ),
];

/// What fits on a few screens; files with more say two things.
const LINES: usize = 800;

/// Marks of unfinished work. They are put together here so that this file does not trip over itself.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("#[ig", "nore"),
];

/// Prints that belong into the binary's `ui.rs`.
const PRINTS: &[&str] = &["println!(", "eprintln!(", "print!(", "eprint!(", "dbg!("];

/// Directories that exist on one machine only.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/.")];

#[test]
fn rooms_know_only_whom_they_may() {
    let mut wrong = Vec::new();
    for package in packages() {
        let room = short(&package.name);
        if room == "xtask" {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{room} is not in the table of rooms"));
            continue;
        };
        let strangers = STRANGERS.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, names)| names);
        for dependency in &package.dependencies {
            let known = short(&dependency.name);
            let ours = ARROWS.iter().any(|(name, _)| *name == known);
            let fine = allowed.contains(&known)
                || dependency.for_tests && (known == room || FOR_TESTS.contains(&known));
            if ours && !fine {
                wrong.push(format!("{room} must not know {known}"));
            }
            if !dependency.for_tests && strangers.contains(&dependency.name.as_str()) {
                wrong.push(format!("{room} must not use {}", dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_workspace_dependency_is_used() {
    let manifest = read(&root().join("Cargo.toml"));
    let table = manifest.split("[workspace.dependencies]").nth(1).expect("the table of dependencies");
    let table = table.split("\n[").next().expect("the end of the table");
    let used: BTreeSet<String> = packages()
        .into_iter()
        .flat_map(|package| package.dependencies)
        .map(|dependency| dependency.name)
        .collect();
    let unused: Vec<_> = table
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim()))
        .filter(|name| !name.starts_with('#') && !name.starts_with("tidewaiter-") && !used.contains(*name))
        .collect();
    assert!(unused.is_empty(), "no crate uses {}", unused.join(", "));
}

#[test]
fn source_files_say_what_they_are_for_and_stay_short() {
    check_files(
        |path| path.extension().is_some_and(|extension| extension == "rs"),
        |_, text| {
            let mut wrong = Vec::new();
            if !text.starts_with("//!") {
                wrong.push("does not begin with `//!` and what it is for".to_owned());
            }
            let lines = text.lines().count();
            if lines > LINES {
                wrong.push(format!("has {lines} lines; {LINES} are the limit"));
            }
            wrong
        },
    );
}

#[test]
fn only_the_binary_prints() {
    let may_print = |path: &Path| {
        let path = path.to_string_lossy();
        path == "crates/tidewaiter/src/ui.rs"
            || path.starts_with("xtask/")
            || path.contains("/tests/")
            || path.contains("/examples/")
            || path.contains("/benches/")
    };
    check_files(
        |path| path.extension().is_some_and(|extension| extension == "rs") && !may_print(path),
        |_, text| {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            lines_with(code, PRINTS).filter(|line| !line.contains(": //")).collect()
        },
    );
}

#[test]
fn nothing_is_left_unfinished() {
    check_files(is_ours, |_, text| lines_with(text, UNFINISHED).collect());
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    check_files(is_ours, |_, text| lines_with(text, MACHINE_PATHS).collect());
}

/// Whether people wrote the file here: records and programs of others say what they like.
fn is_ours(path: &Path) -> bool {
    let foreign = |part: &str| matches!(part, "fixtures" | "vendor" | "Cargo.lock" | "LICENSE");
    !path.iter().any(|part| foreign(&part.to_string_lossy()))
}

/// Runs a check over the tracked text files that `wanted` chooses, and fails with all that is wrong.
fn check_files(wanted: impl Fn(&Path) -> bool, check: impl Fn(&Path, &str) -> Vec<String>) {
    let mut wrong = Vec::new();
    for path in tracked().into_iter().filter(|path| wanted(path)) {
        // A file that was just deleted is still in the index; one that is not text has no lines.
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        wrong.extend(check(&path, &text).into_iter().map(|what| format!("{}: {what}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The lines that hold one of the words, as `number: line`.
fn lines_with<'a>(text: &'a str, words: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    let numbered = text.lines().enumerate();
    let found = numbered.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    found.map(|(number, line)| format!("{}: {}", number + 1, line.trim()))
}

/// A crate of the workspace.
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    for_tests: bool,
}

fn packages() -> Vec<Package> {
    let text =
        output(Command::new("cargo").args(["metadata", "--no-deps", "--offline", "--format-version=1"]));
    let metadata: Value = serde_json::from_str(&text).expect("cargo writes JSON");
    let string = |value: &Value| value.as_str().expect("a string").to_owned();
    let packages = metadata["packages"].as_array().expect("a list of packages").iter();
    packages
        .map(|package| Package {
            name: string(&package["name"]),
            dependencies: package["dependencies"]
                .as_array()
                .expect("a list of dependencies")
                .iter()
                .map(|dependency| Dependency {
                    name: string(&dependency["name"]),
                    for_tests: dependency["kind"] == "dev",
                })
                .collect(),
        })
        .collect()
}

/// The room of a crate: its name without the prefix that all of them have.
fn short(name: &str) -> &str {
    name.strip_prefix("tidewaiter-").unwrap_or(name)
}

/// The files that git knows, or would take, relative to the root.
fn tracked() -> Vec<PathBuf> {
    let list = output(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]));
    let files: Vec<_> = list.lines().map(PathBuf::from).collect();
    assert!(files.len() > 50, "git lists {} files", files.len());
    files
}

fn output(command: &mut Command) -> String {
    let output = command
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("names in UTF-8")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace around xtask").to_owned()
}
