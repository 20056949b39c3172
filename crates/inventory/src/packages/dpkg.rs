//! Debian packages: the `status` file of dpkg, the `status.d` directory of distroless images, and the file
//! lists beside them (deb-control(5), dpkg(1)).

use super::{Room, distro_qualifier, is_evidence, lines, text};
use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, Distro, SourcePackage};
use crate::path;
use crate::problems::Problems;
use crate::purl;

pub(crate) const ROOM: Room =
    Room { kind: ComponentKind::Deb, homes: &["var/lib/dpkg"], claims, parse, purl: package_url };

/// Fields of names and versions longer than this are not what dpkg would have written.
const MAX_FIELD: usize = 4096;

fn claims(directory: &str, name: &str) -> bool {
    match name {
        "status" => path::ends_with(directory, "lib/dpkg"),
        _ if path::ends_with(directory, "lib/dpkg/status.d") => true,
        _ => is_list(name) && path::ends_with(directory, "lib/dpkg/info"),
    }
}

fn is_list(name: &str) -> bool {
    name.ends_with(".list") || name.ends_with(".md5sums")
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let (_, name) = path::split(file);
    if let Some(package) = name.strip_suffix(".list") {
        return owned(package, lines(bytes).map(|(_, line)| line));
    }
    if let Some(package) = name.strip_suffix(".md5sums") {
        // Hash, two characters of white space, path without leading slash.
        return owned(package, lines(bytes).filter_map(|(_, line)| line.get(34..)));
    }
    Some(Content::Packages(status(file, bytes, problems)))
}

/// Keeps those paths whose owner matters to somebody.
fn owned<'a>(package: &str, paths: impl Iterator<Item = &'a [u8]>) -> Option<Content> {
    let mut clean = String::new();
    let mut kept = Vec::new();
    for line in paths {
        if path::clean(line, &mut clean).is_ok() && is_evidence(&clean) {
            kept.push(clean.clone());
        }
    }
    (!kept.is_empty()).then(|| Content::Owned { package: package.to_owned(), paths: kept })
}

/// The fields of one paragraph that matter.
#[derive(Default)]
struct Paragraph<'a> {
    line: usize,
    package: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    architecture: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
}

/// The installed packages of a status file: paragraphs of `Field: value` between empty lines.
fn status(file: &str, bytes: &[u8], problems: &mut Problems) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut paragraph = Paragraph::default();
    for (number, line) in lines(bytes) {
        if line.trim_ascii().is_empty() {
            packages.extend(finish(file, &paragraph, problems));
            paragraph = Paragraph::default();
            continue;
        }
        if paragraph.line == 0 {
            paragraph.line = number;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            continue;
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            problems.line(
                file,
                number,
                "the line is neither a field nor the continuation of one; it is skipped",
            );
            continue;
        };
        let (field, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let Some(slot) = paragraph.slot(field) else { continue };
        if value.len() > MAX_FIELD {
            problems.line(file, number, format!("the field has {} bytes; it is skipped", value.len()));
        } else if !value.is_empty() {
            *slot = Some(value);
        }
    }
    packages.extend(finish(file, &paragraph, problems));
    packages
}

impl<'a> Paragraph<'a> {
    fn slot(&mut self, field: &[u8]) -> Option<&mut Option<&'a [u8]>> {
        let slots = [
            (&b"Package"[..], &mut self.package),
            (b"Status", &mut self.status),
            (b"Version", &mut self.version),
            (b"Architecture", &mut self.architecture),
            (b"Source", &mut self.source),
        ];
        slots.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, slot)| slot)
    }
}

/// The package of a paragraph, when it is one and is installed.
fn finish(file: &str, paragraph: &Paragraph<'_>, problems: &mut Problems) -> Option<Package> {
    if paragraph.line == 0 {
        return None;
    }
    let Some(name) = paragraph.package else {
        problems.line(file, paragraph.line, "the paragraph has no Package field; it is skipped");
        return None;
    };
    let name = text(name);
    match paragraph.status.map(state) {
        // Distroless images write no Status at all.
        None | Some("installed") => {}
        Some("not-installed" | "config-files") => return None,
        Some(other) => {
            problems.line(
                file,
                paragraph.line,
                format!("package {name:?} is in state {other:?}; it is not listed"),
            );
            return None;
        }
    }
    let Some(version) = paragraph.version.map(text) else {
        problems.line(file, paragraph.line, format!("package {name:?} has no Version field; it is skipped"));
        return None;
    };
    Some(Package {
        kind: ComponentKind::Deb,
        source: Some(source(paragraph.source, &name, &version)),
        architecture: paragraph.architecture.map(text),
        licenses: Vec::new(),
        owns: Vec::new(),
        name,
        version,
    })
}

/// The third word of `Status: want flag state`.
fn state(status: &[u8]) -> &str {
    let mut words = status.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.nth(2).and_then(|word| str::from_utf8(word).ok()).unwrap_or("unknown")
}

/// `Source: name` or `Source: name (version)`; what is not said is the same as for the binary package.
fn source(field: Option<&[u8]>, name: &str, version: &str) -> SourcePackage {
    let field = field.map(text).unwrap_or_default();
    let (source, rest) = field.split_once('(').unwrap_or((&field, ""));
    let source_version = rest.trim_end().trim_end_matches(')').trim();
    let or =
        |value: &str, default: &str| if value.is_empty() { default.to_owned() } else { value.to_owned() };
    SourcePackage { name: or(source.trim(), name), version: or(source_version, version) }
}

fn package_url(package: &Package, distro: Option<&Distro>) -> String {
    let namespace = distro.map_or("debian", |distro| distro.id.as_str());
    let qualifiers = [
        ("arch", package.architecture.as_deref().unwrap_or_default()),
        ("distro", &distro_qualifier(distro)),
    ];
    purl::write("deb", Some(namespace), &package.name, &package.version, &qualifiers)
}
