//! Python distributions as installed: `*.dist-info/METADATA` (PEP 376, core metadata) and the older
//! `*.egg-info`, which is a directory with `PKG-INFO` in it or that file itself.

use super::{Room, lines, text};
use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, Distro};
use crate::path;
use crate::problems::Problems;
use crate::purl;

pub(crate) const ROOM: Room =
    Room { kind: ComponentKind::Pypi, homes: &[], claims, parse, purl: package_url };

/// Longest name, version or licence that is kept; some put the whole text of the licence into that field.
const MAX_VALUE: usize = 256;

fn claims(directory: &str, name: &str) -> bool {
    match name {
        "METADATA" => directory.ends_with(".dist-info"),
        "PKG-INFO" => directory.ends_with(".egg-info") || path::ends_with(directory, "EGG-INFO"),
        _ => name.ends_with(".egg-info"),
    }
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let (mut name, mut version) = (String::new(), String::new());
    let (mut expression, mut license, mut classified) = (None, None, Vec::new());
    for (_, line) in lines(bytes) {
        if line.is_empty() {
            // The long description follows.
            break;
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (field, value) = (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii());
        if line.starts_with(b" ") || line.starts_with(b"\t") || value.is_empty() || value.len() > MAX_VALUE {
            continue;
        }
        match field.as_slice() {
            b"name" if name.is_empty() => name = normalise(&text(value)),
            b"version" if version.is_empty() => version = text(value),
            b"license-expression" => expression = Some(text(value)),
            b"license" => license = Some(text(value)),
            b"classifier" => classified.extend(classifier(value)),
            _ => {}
        }
    }
    if name.is_empty() || version.is_empty() {
        problems.file(file, "the metadata has no Name or no Version; the distribution is not listed");
        return None;
    }
    let stated = expression.or(license.filter(|license| license != "UNKNOWN"));
    Some(Content::Packages(vec![Package {
        kind: ComponentKind::Pypi,
        name,
        version,
        source: None,
        architecture: None,
        licenses: stated.map_or(classified, |license| vec![license]),
        owns: Vec::new(),
    }]))
}

/// The last part of `License :: OSI Approved :: MIT License`.
fn classifier(value: &[u8]) -> Option<String> {
    let value = text(value);
    let license = value.strip_prefix("License :: ")?.rsplit(" :: ").next()?;
    (license != "OSI Approved").then(|| license.to_owned())
}

/// PEP 503: runs of `-`, `_` and `.` become one `-`, letters become small.
fn normalise(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '-' | '_' | '.') {
            if !normal.ends_with('-') {
                normal.push('-');
            }
        } else {
            normal.extend(character.to_lowercase());
        }
    }
    normal
}

fn package_url(package: &Package, _: Option<&Distro>) -> String {
    purl::write("pypi", None, &package.name, &package.version, &[])
}
