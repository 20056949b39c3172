//! Packages of chiselled Ubuntu images, which have no database of dpkg: the manifest that Chisel leaves, lines of JSON
//! packed with Zstandard (Chisel, "Chisel manifest": a "jsonwall").

use std::io::{BufRead as _, BufReader, Read as _};

use serde::Deserialize;

use super::{Room, is_evidence};
use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, EvidenceKind, SourcePackage};
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room =
    Room { name: "chisel", homes: &["var/lib/chisel"], claims, parse, ..Room::EMPTY };

/// Manifests that unpack to more bytes are read so far.
const LARGEST: u64 = 64 << 20;

#[derive(Deserialize)]
struct Line {
    kind: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    arch: Option<String>,
    #[serde(default)]
    slice: String,
    #[serde(default)]
    path: String,
}

fn claims(directory: &str, name: &str) -> bool {
    name == "manifest.wall" && path::ends_with(directory, "var/lib/chisel")
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let mut packages: Vec<Package> = Vec::new();
    let unpacked = match zstd::stream::read::Decoder::new(bytes) {
        Ok(unpacked) => BufReader::new(unpacked.take(LARGEST)),
        Err(error) => {
            problems.file(file, format!("not packed with Zstandard: {error}; its packages are not listed"));
            return None;
        }
    };
    for (number, line) in unpacked.split(b'\n').enumerate() {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                problems.line(
                    file,
                    number + 1,
                    format!("the manifest is damaged: {error}; the rest of it is not read"),
                );
                break;
            }
        };
        let Ok(line) = serde_json::from_slice::<Line>(&line) else { continue };
        match line.kind.as_deref() {
            Some("package") if !line.name.is_empty() && !line.version.is_empty() => packages.push(Package {
                // The manifest does not name it; most packages are called like theirs.
                source: Some(SourcePackage { name: line.name.clone(), version: line.version.clone() }),
                architecture: line.arch,
                ..Package::new(ComponentKind::Deb, line.name, line.version, EvidenceKind::Database)
            }),
            // What a slice, `package_part`, brought. Lines are sorted by their kind, so packages may come later.
            Some("content") => own(&mut packages, &line),
            _ => {}
        }
    }
    packages.retain(|package| !package.version.is_empty());
    Some(Content::Packages(packages))
}

fn own(packages: &mut [Package], line: &Line) {
    let mut clean = String::new();
    let Some((name, _)) = line.slice.rsplit_once('_') else { return };
    if path::clean(line.path.as_bytes(), &mut clean).is_err() || !is_evidence(&clean) {
        return;
    }
    if let Some(package) = packages.iter_mut().find(|package| package.name == name) {
        package.owns.push(clean);
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::inspect;

    #[test]
    fn packages_of_the_manifest() {
        let lines = "{\"jsonwall\":\"1.0\",\"schema\":\"1.0\",\"count\":4}\n\
                     {\"kind\":\"package\",\"name\":\"libc6\",\"version\":\"2.39-0ubuntu8\",\"sha256\":\"x\",\"arch\":\"amd64\"}\n\
                     {\"kind\":\"slice\",\"name\":\"libc6_libs\"}\n\
                     {\"kind\":\"content\",\"slice\":\"libc6_libs\",\"path\":\"/usr/bin/a\"}\n{broken\n";
        let packed = zstd::bulk::compress(lines.as_bytes(), 1).expect("in memory");
        let (components, problems) = inspect("var/lib/chisel/manifest.wall", &packed, None);
        assert_eq!(problems, []);
        let found: Vec<_> = components.iter().map(|one| one.purl.as_str()).collect();
        assert_eq!(found, ["pkg:deb/debian/libc6@2.39-0ubuntu8?arch=amd64"]);
        let (_, problems) = inspect("var/lib/chisel/manifest.wall", &packed[..packed.len() - 5], None);
        assert!(problems[0].reason.contains("damaged"), "{problems:?}");
    }
}
