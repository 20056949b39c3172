//! Crates that a Rust program was built of, where `cargo auditable` had its linker write them down: JSON, compressed
//! with zlib, in a section of its own (the format is described in the documentation of `auditable-serde`).

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use serde::Deserialize;

use crate::fragment::{Package, Requirement};
use crate::model::{ComponentKind, EvidenceKind};
use crate::problems::Problems;

/// The section in ELF and PE files; Mach-O has it as `__DATA,.dep-v0`.
pub(super) const SECTION: &str = ".dep-v0";

/// Lists that unpack to more bytes are not read: one of a program with a thousand crates has 150 KB.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Names and versions that are longer are nobody's.
const MAX_TEXT: usize = 512;

#[derive(Deserialize)]
struct List {
    packages: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    /// `build` for what ran while it was built and is not in it.
    #[serde(default)]
    kind: String,
    /// Positions in the list.
    #[serde(default)]
    dependencies: Vec<usize>,
    #[serde(default)]
    root: bool,
}

impl Entry {
    fn is_built_in(&self) -> bool {
        let is_fit = |text: &str| !text.is_empty() && text.len() <= MAX_TEXT;
        self.kind != "build" && is_fit(&self.name) && is_fit(&self.version)
    }
}

/// The crates of the section `data`: the program itself first, the others inside it.
pub(super) fn packages(path: &str, data: &[u8], problems: &mut Problems) -> Vec<Package> {
    let mut json = Vec::new();
    let unpacked = ZlibDecoder::new(data).take(LARGEST).read_to_end(&mut json);
    let list = unpacked.map_err(serde_json::Error::io).and_then(|_| serde_json::from_slice::<List>(&json));
    let list = match list {
        Ok(list) => list.packages,
        Err(error) => {
            problems.file(
                path,
                format!("the list of Rust crates is not understood: {error}; they are not listed"),
            );
            return Vec::new();
        }
    };
    let mut entries: Vec<_> = list.iter().filter(|entry| entry.is_built_in()).collect();
    entries.sort_by_key(|entry| !entry.root);
    let has_root = entries.first().is_some_and(|entry| entry.root);
    let packages = entries.into_iter().enumerate().map(|(position, entry)| {
        let needed = entry.dependencies.iter().filter_map(|&position| list.get(position));
        let requires = needed
            .filter(|needed| needed.is_built_in())
            .map(|needed| Requirement { name: needed.name.clone(), version: Some(needed.version.clone()) });
        Package {
            requires: requires.collect(),
            inside: (has_root && position > 0).then_some(0),
            ..Package::new(ComponentKind::Cargo, &entry.name, &entry.version, EvidenceKind::BuildInfo)
        }
    });
    packages.collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(json: &str) -> (Vec<Package>, Vec<String>) {
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(json.as_bytes()).expect("in memory");
        let mut problems = Problems::new(10);
        let packages = packages("usr/bin/a", &packed.finish().expect("in memory"), &mut problems);
        (packages, problems.finish(None).into_iter().map(|problem| problem.reason).collect())
    }

    #[test]
    fn what_is_built_in_is_inside_the_program() {
        let (packages, problems) = read(
            r#"{"packages":[{"name":"adler","version":"0.2.3","source":"registry"},
            {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"},
            {"name":"app","version":"0.1.0","source":"local","dependencies":[0,1,9],"root":true}]}"#,
        );
        let found: Vec<_> = packages
            .iter()
            .map(|package| (package.name.as_str(), package.version.as_str(), package.inside))
            .collect();
        assert_eq!(found, [("app", "0.1.0", None), ("adler", "0.2.3", Some(0))]);
        let needs: Vec<_> = packages[0].requires.iter().map(|needed| needed.name.as_str()).collect();
        assert_eq!((needs, problems), (vec!["adler"], vec![]));
    }

    #[test]
    fn nonsense_is_named() {
        let (packages, problems) = read("{\"packages\":[{}]}");
        assert!(packages.is_empty() && problems[0].contains("missing field `name`"), "{problems:?}");
        let mut problems = Problems::new(10);
        assert_eq!(super::packages("a", b"x", &mut problems), []);
        assert_eq!(problems.finish(None).len(), 1);
    }
}
