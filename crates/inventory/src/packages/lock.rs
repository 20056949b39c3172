//! Lock files: what a package manager decided to install. They count only in directories that somebody points at; in
//! an image they say what should be there, not what is.
//!
//! Each format is a line of [`FORMATS`] and a function that turns the bytes into packages. Packages that lie in the
//! project itself are left out: nobody published them.

mod cargo;
mod dotnet;
mod golang;
mod java;
mod npm;
mod php;
mod python;
mod ruby;
mod yarn;

use super::{Origin, Room};
use crate::fragment::{Content, Package, Requirement};
use crate::model::{ComponentKind, EvidenceKind};
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room { name: "lock", origin: Origin::Directory, claims, parse, ..Room::EMPTY };

/// Names and versions that are longer are nobody's.
const MAX_TEXT: usize = 512;

/// A format: whether a file has a name of it, and how it is read.
struct Format {
    is_name: fn(&str) -> bool,
    read: fn(&[u8]) -> Result<Vec<Package>, String>,
}

const FORMATS: [Format; 16] = [
    Format {
        is_name: |name| matches!(name, "package-lock.json" | "npm-shrinkwrap.json"),
        read: npm::package_lock,
    },
    Format { is_name: |name| name == "pnpm-lock.yaml", read: npm::pnpm },
    Format { is_name: |name| name == "yarn.lock", read: yarn::read },
    Format { is_name: python::is_requirements, read: python::requirements },
    Format { is_name: |name| matches!(name, "poetry.lock" | "uv.lock" | "pdm.lock"), read: python::packages },
    Format { is_name: python::is_pylock, read: python::packages },
    Format { is_name: |name| name == "Pipfile.lock", read: python::pipfile },
    Format { is_name: |name| name == "go.mod", read: golang::read },
    Format { is_name: |name| name == "Cargo.lock", read: cargo::read },
    Format { is_name: |name| name == "pom.xml", read: java::pom },
    Format {
        is_name: |name| matches!(name, "gradle.lockfile" | "buildscript-gradle.lockfile"),
        read: java::gradle,
    },
    Format { is_name: |name| matches!(name, "Gemfile.lock" | "gems.locked"), read: ruby::read },
    Format { is_name: |name| name == "composer.lock", read: php::read },
    Format { is_name: |name| name == "packages.lock.json", read: dotnet::lock },
    Format { is_name: |name| name == "packages.config", read: dotnet::config },
    Format { is_name: |name| name == "project.assets.json", read: dotnet::assets },
];

fn format_of(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.is_name)(name))
}

/// What a package brings along in `node_modules` is of its own authors' machines.
fn claims(directory: &str, name: &str) -> bool {
    format_of(name).is_some() && !directory.split('/').any(|part| part == "node_modules")
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let format = format_of(crate::path::split(file).1)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut packages = match (format.read)(bytes) {
        Ok(packages) => packages,
        Err(reason) => {
            problems.file(file, format!("the lock file is damaged: {reason}; its packages are not listed"));
            return None;
        }
    };
    let is_fit = |text: &str| !text.is_empty() && text.len() <= MAX_TEXT;
    packages.retain(|package| is_fit(&package.name) && is_fit(&package.version));
    Some(Content::Packages(packages))
}

/// A locked package.
fn locked(kind: ComponentKind, name: impl Into<String>, version: impl Into<String>) -> Package {
    Package::new(kind, name, version, EvidenceKind::LockFile)
}

/// Needs these, in whatever version is locked.
fn requirements<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Requirement> {
    names.map(|name| Requirement { name: name.clone(), version: None }).collect()
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 ({error})"))
}

fn toml<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    ::toml::from_str(text(bytes)?).map_err(|error| error.message().to_owned())
}

fn yaml<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_saphyr::from_str(text(bytes)?)
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}
