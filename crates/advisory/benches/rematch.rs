//! Judges many packages in one process: `cargo bench -p tidewaiter-advisory --bench rematch -- DATABASE PACKAGES`, where
//! PACKAGES has `ecosystem TAB name TAB version` in each line.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark talks and looks at the clock"
)]

use std::path::Path;
use std::time::Instant;

use tidewaiter_advisory::{Database, match_component};
use tidewaiter_inventory::{Component, ComponentKind, Distro, SourcePackage};

/// The allocator of the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is looked up: an operating system, and a component of it.
type Subject = (Option<Distro>, Component);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let [database, packages] = arguments.as_slice() else {
        println!("usage: rematch DATABASE PACKAGES");
        return;
    };
    let database = Database::open(Path::new(database)).expect("a database");
    let text = std::fs::read_to_string(packages).expect("a list of packages");
    let subjects: Vec<Subject> = text.lines().filter_map(subject).collect();
    let start = Instant::now();
    let mut findings = 0;
    for (distro, component) in &subjects {
        findings += match_component(&database, distro.as_ref(), component).len();
    }
    let took = start.elapsed();
    println!("{} packages, {findings} findings, {:.3} s", subjects.len(), took.as_secs_f64());
}

fn subject(line: &str) -> Option<Subject> {
    let mut fields = line.split('\t');
    let (ecosystem, name, version) = (fields.next()?, fields.next()?, fields.next()?);
    let (family, release) = ecosystem.split_once(':').unwrap_or((ecosystem, ""));
    let (kind, id) = match family {
        "Debian" => (ComponentKind::Deb, "debian"),
        "Alpine" => (ComponentKind::Apk, "alpine"),
        "AlmaLinux" => (ComponentKind::Rpm, "almalinux"),
        "npm" => (ComponentKind::Npm, ""),
        "PyPI" => (ComponentKind::Pypi, ""),
        "Go" => (ComponentKind::Golang, ""),
        "Maven" => (ComponentKind::Maven, ""),
        "NuGet" => (ComponentKind::Nuget, ""),
        "Packagist" => (ComponentKind::Composer, ""),
        "RubyGems" => (ComponentKind::Gem, ""),
        "crates.io" => (ComponentKind::Cargo, ""),
        _ => return None,
    };
    let version_id = Some(release.trim_start_matches('v').to_owned());
    let distro = (!id.is_empty()).then(|| Distro { id: id.to_owned(), version_id, ..Distro::default() });
    let source = SourcePackage { name: name.to_owned(), version: version.to_owned() };
    let purl = format!("pkg:{}/{name}@{version}", kind.purl_type());
    let component = Component {
        source: kind.is_os_package().then_some(source),
        ..Component::new(kind, name, version, purl)
    };
    Some((distro, component))
}
