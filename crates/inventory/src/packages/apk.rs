//! Alpine packages: the `installed` database of apk, paragraphs of one-letter fields (apk-installed-db(5)).

use super::{Room, is_evidence, lines, text};
use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, EvidenceKind, SourcePackage};
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room {
    name: "apk",
    homes: &["lib/apk/db", "usr/lib/apk/db", "var/lib/apk/db"],
    claims,
    parse,
    ..Room::EMPTY
};

fn claims(directory: &str, name: &str) -> bool {
    name == "installed" && path::ends_with(directory, "lib/apk/db")
}

/// One paragraph while it is read.
#[derive(Default)]
struct Paragraph {
    line: usize,
    name: String,
    version: String,
    origin: String,
    architecture: Option<String>,
    licenses: Vec<String>,
    maintainer: Option<String>,
    owns: Vec<String>,
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let mut packages = Vec::new();
    let mut paragraph = Paragraph::default();
    let mut directory: &[u8] = b"";
    for (number, line) in lines(bytes) {
        if line.is_empty() {
            packages.extend(finish(file, std::mem::take(&mut paragraph), problems));
            directory = b"";
            continue;
        }
        if paragraph.line == 0 {
            paragraph.line = number;
        }
        let &[field, b':', ref value @ ..] = line else {
            problems.line(file, number, "the line is not a letter, a colon and a value; it is skipped");
            continue;
        };
        match field {
            b'P' => paragraph.name = text(value),
            b'V' => paragraph.version = text(value),
            b'o' => paragraph.origin = text(value),
            b'A' => paragraph.architecture = Some(text(value)),
            b'L' if !value.is_empty() => paragraph.licenses = vec![text(value)],
            b'm' if !value.is_empty() => paragraph.maintainer = Some(text(value)),
            b'F' => directory = value,
            b'R' => paragraph.owns.extend(owned(directory, value)),
            _ => {}
        }
    }
    packages.extend(finish(file, paragraph, problems));
    Some(Content::Packages(packages))
}

/// The path of a file line, when its owner matters to somebody.
fn owned(directory: &[u8], name: &[u8]) -> Option<String> {
    let mut clean = String::new();
    path::clean(&[directory, b"/", name].concat(), &mut clean).ok()?;
    is_evidence(&clean).then_some(clean)
}

fn finish(file: &str, paragraph: Paragraph, problems: &mut Problems) -> Option<Package> {
    if paragraph.line == 0 {
        return None;
    }
    if paragraph.name.is_empty() || paragraph.version.is_empty() {
        problems.line(
            file,
            paragraph.line,
            "the paragraph has no name (P:) or no version (V:); it is skipped",
        );
        return None;
    }
    let origin = if paragraph.origin.is_empty() { paragraph.name.clone() } else { paragraph.origin };
    let source = SourcePackage { name: origin, version: paragraph.version.clone() };
    Some(Package {
        source: Some(source),
        architecture: paragraph.architecture,
        licenses: paragraph.licenses,
        maintainer: paragraph.maintainer,
        owns: paragraph.owns,
        ..Package::new(ComponentKind::Apk, paragraph.name, paragraph.version, EvidenceKind::Database)
    })
}

#[cfg(test)]
mod tests {
    use crate::packages::tests::check;

    const INSTALLED: &str = "lib/apk/db/installed";

    #[test]
    fn packages_have_an_origin() {
        check(
            INSTALLED,
            "C:Q1abc=\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\nT:Crypto: library\nL:Apache-2.0\no:openssl\nF:lib\nR:libcrypto.so.3\n\n\
             P:musl\nV:1.2.4-r2\nL:\n",
            &[
                "pkg:apk/alpine/libcrypto3@3.1.4-r5?arch=x86_64 source=openssl 3.1.4-r5 Apache-2.0",
                "pkg:apk/alpine/musl@1.2.4-r2 source=musl 1.2.4-r2",
            ],
        );
    }

    #[test]
    fn packages_have_a_maintainer() {
        let (components, _) = crate::inspect(INSTALLED, b"P:a\nV:1\nm:Who <who@example.com>\n", None);
        assert_eq!(components[0].maintainer.as_deref(), Some("Who <who@example.com>"));
    }

    #[test]
    fn broken_paragraphs_cost_only_themselves() {
        check(
            INSTALLED,
            "P:a\nA:x86_64\n\nP:b\nnonsense\nV:1-r0\n\nV:1\n",
            &[
                "pkg:apk/alpine/b@1-r0 source=b 1-r0",
                "line 1: the paragraph has no name (P:) or no version (V:); it is skipped",
                "line 5: the line is not a letter, a colon and a value; it is skipped",
                "line 8: the paragraph has no name (P:) or no version (V:); it is skipped",
            ],
        );
    }

    #[test]
    fn the_database_has_three_places_and_nested_ones() {
        for path in ["usr/lib/apk/db/installed", "var/lib/apk/db/installed", "srv/root/lib/apk/db/installed"]
        {
            check(path, "P:a\nV:1\n", &["pkg:apk/alpine/a@1 source=a 1"]);
        }
        check("mylib/apk/db/installed", "P:a\nV:1\n", &[]);
    }
}
