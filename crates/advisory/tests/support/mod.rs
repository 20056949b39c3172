//! What the tests of this crate share: the fixtures, databases built from them, components.
#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tempfile::TempDir;
use tidewaiter_advisory::{BuildOptions, BuildReport, Database, Error, build};
use tidewaiter_inventory::{
    Component, ComponentKind, Confidence, Distro, Evidence, EvidenceKind, Inventory, SourcePackage,
};

/// The time every test database is built at.
pub(crate) const BUILT_AT: Timestamp = Timestamp::UNIX_EPOCH;

/// The directory of a kind of fixtures.
pub(crate) fn fixtures(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind)
}

/// Builds a database from inputs.
pub(crate) fn try_build(inputs: &[PathBuf], output: &Path) -> Result<BuildReport, Error> {
    build(inputs, output, &BuildOptions { built_at: BUILT_AT })
}

/// A database of all fixtures.
pub(crate) fn fixture_database() -> (TempDir, Database) {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("advisories.db");
    try_build(&[fixtures("osv"), fixtures("exploitation")], &output).unwrap();
    let database = Database::open(&output).unwrap();
    (directory, database)
}

/// A database of records given as JSON.
pub(crate) fn database_of(records: &[serde_json::Value]) -> (TempDir, Database) {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("advisories.db");
    let inputs = write_records(&directory, records);
    try_build(&inputs, &output).unwrap();
    let database = Database::open(&output).unwrap();
    (directory, database)
}

/// Writes records into a directory, one file each.
pub(crate) fn write_records(directory: &TempDir, records: &[serde_json::Value]) -> Vec<PathBuf> {
    let inputs = directory.path().join("records");
    std::fs::create_dir(&inputs).unwrap();
    for (number, record) in records.iter().enumerate() {
        std::fs::write(inputs.join(format!("{number}.json")), record.to_string()).unwrap();
    }
    vec![inputs]
}

/// A component as the inventory finds it. `source` and its version are the component's own for packages of
/// a distribution, unless they are given as `binary of source`.
pub(crate) fn component(kind: ComponentKind, name: &str, version: &str) -> Component {
    let (name, source) = name.split_once(" of ").unwrap_or((name, name));
    let source = SourcePackage { name: source.to_owned(), version: version.to_owned() };
    Component {
        source: kind.is_os_package().then_some(source),
        evidence: vec![Evidence {
            path: "var/lib/dpkg/status".to_owned(),
            member: None,
            kind: EvidenceKind::Database,
            confidence: Confidence::High,
            layer: 0,
            diff_id: "sha256:0".to_owned(),
        }],
        ..Component::new(kind, name, version, format!("pkg:{}/{name}@{version}", kind.purl_type()))
    }
}

/// An operating system by `ID` and `VERSION_ID`.
pub(crate) fn distro(id: &str, version: &str) -> Option<Distro> {
    let version_id = (!version.is_empty()).then(|| version.to_owned());
    Some(Distro { id: id.to_owned(), version_id, ..Distro::default() })
}

/// An image of an operating system and some components.
pub(crate) fn image(distro: Option<Distro>, components: Vec<Component>) -> Inventory {
    Inventory { distro, components, ..Inventory::default() }
}
