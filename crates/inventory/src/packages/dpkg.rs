//! Debian packages: the `status` file of dpkg, the `status.d` directory of distroless images, and the file
//! lists beside them (deb-control(5), dpkg(1)).

use super::{Room, is_evidence, lines, text};
use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, EvidenceKind, SourcePackage};
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room { name: "dpkg", homes: &["var/lib/dpkg"], claims, parse, ..Room::EMPTY };

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
    maintainer: Option<&'a [u8]>,
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
            (b"Maintainer", &mut self.maintainer),
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
        source: Some(source(paragraph.source, &name, &version)),
        architecture: paragraph.architecture.map(text),
        maintainer: paragraph.maintainer.map(text),
        ..Package::new(ComponentKind::Deb, name, version, EvidenceKind::Database)
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

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    const STATUS: &str = "var/lib/dpkg/status";

    #[test]
    fn only_installed_packages_count() {
        let states = [
            ("install ok installed", true),
            ("hold ok installed", true),
            ("deinstall ok config-files", false),
            ("purge ok not-installed", false),
        ];
        for (state, counts) in states {
            let stanza = format!("Package: a\nStatus: {state}\nVersion: 1\n");
            check(STATUS, &stanza, if counts { &["pkg:deb/debian/a@1 source=a 1"] } else { &[] });
        }
        check(
            STATUS,
            "Package: a\nStatus: install ok half-configured\nVersion: 1\n\nPackage: b\nStatus: what\nVersion: 1\n",
            &[
                "line 1: package \"a\" is in state \"half-configured\"; it is not listed",
                "line 5: package \"b\" is in state \"unknown\"; it is not listed",
            ],
        );
    }

    #[test]
    fn sources_may_have_their_own_name_and_version() {
        let stanza = |source: &str| {
            format!(
                "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\n{source}Version: 1:2.36-9+b1\n"
            )
        };
        let url = "pkg:deb/debian/libc6@1:2.36-9%2Bb1?arch=amd64";
        check(STATUS, &stanza(""), &[&format!("{url} source=libc6 1:2.36-9+b1")]);
        check(STATUS, &stanza("Source: glibc\n"), &[&format!("{url} source=glibc 1:2.36-9+b1")]);
        check(STATUS, &stanza("Source: glibc (1:2.36-9)\n"), &[&format!("{url} source=glibc 1:2.36-9")]);
        check(STATUS, &stanza("Source:\n"), &[&format!("{url} source=libc6 1:2.36-9+b1")]);
    }

    #[test]
    fn packages_have_a_maintainer() {
        let stanza =
            "Package: a\nStatus: install ok installed\nMaintainer: Who <who@example.com>\nVersion: 1\n";
        let (components, _) = crate::inspect(STATUS, stanza.as_bytes(), None);
        assert_eq!(components[0].maintainer.as_deref(), Some("Who <who@example.com>"));
    }

    #[test]
    fn a_distroless_file_has_no_status() {
        check(
            "var/lib/dpkg/status.d/tzdata",
            "Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\nDescription: time zones\n more\n",
            &["pkg:deb/debian/tzdata@2024a-0%2Bdeb12u1?arch=all source=tzdata 2024a-0+deb12u1"],
        );
    }

    #[test]
    fn broken_paragraphs_cost_only_themselves() {
        check(
            STATUS,
            "Version: 1\n\nPackage: a\nStatus: install ok installed\n\n<<<<<<< ours\nPackage: b\nversion: 2\r\n\n\n \nPackage: c\nVersion: 3",
            &[
                "pkg:deb/debian/b@2 source=b 2",
                "pkg:deb/debian/c@3 source=c 3",
                "line 1: the paragraph has no Package field; it is skipped",
                "line 3: package \"a\" has no Version field; it is skipped",
                "line 6: the line is neither a field nor the continuation of one; it is skipped",
            ],
        );
    }

    #[test]
    fn only_dpkgs_own_files_are_read() {
        for path in ["var/log/status", "lib/dpkg/status-old", "srv/mylib/dpkg/status", "usr/lib/info/a.list"]
        {
            check(path, "Package: a\nVersion: 1\n", &[]);
        }
    }
}
