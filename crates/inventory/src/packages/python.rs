//! Python distributions as installed: `*.dist-info/METADATA` (PEP 376, core metadata) and the older
//! `*.egg-info`, which is a directory with `PKG-INFO` in it or that file itself; and eggs, which are a directory or an
//! archive with `EGG-INFO/PKG-INFO` in it.

use super::{Room, lines, text};
use crate::archive::{Budget, Reason, Visitor, visit};
use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, EvidenceKind};
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room { name: "python", claims, parse, ..Room::EMPTY };

/// Longest name, version or licence that is kept; some put the whole text of the licence into that field.
const MAX_VALUE: usize = 256;

fn claims(directory: &str, name: &str) -> bool {
    match name {
        "METADATA" => directory.ends_with(".dist-info"),
        "PKG-INFO" => directory.ends_with(".egg-info") || path::ends_with(directory, "EGG-INFO"),
        _ => name.ends_with(".egg-info") || name.ends_with(EGG),
    }
}

/// How the name of an egg ends.
const EGG: &str = ".egg";

/// Where the metadata is in one.
const EGG_METADATA: &str = "EGG-INFO/PKG-INFO";

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    if !file.ends_with(EGG) {
        return metadata(file, bytes, problems);
    }
    let mut egg = Egg { metadata: None, problems };
    let whole = visit(bytes, &mut egg, &mut Budget::default());
    let found = egg.metadata;
    if let Err(reason) = whole {
        problems.file(file, format!("the egg cannot be read: {reason}; the distribution may be missing"));
    }
    let Content::Packages(mut packages) = metadata(file, &found?, problems)? else { return None };
    for package in &mut packages {
        package.member = Some(EGG_METADATA.to_owned());
    }
    Some(Content::Packages(packages))
}

/// An egg while it is read.
struct Egg<'p> {
    metadata: Option<Vec<u8>>,
    problems: &'p mut Problems,
}

impl Visitor for Egg<'_> {
    fn wants(&self, name: &str) -> bool {
        name == EGG_METADATA
    }

    fn member(&mut self, _name: &str, bytes: &[u8], _budget: &mut Budget) {
        self.metadata.get_or_insert_with(|| bytes.to_vec());
    }

    fn unread(&mut self, name: &str, reason: Reason) {
        self.problems.general(format!("{name} of an egg is not read: {reason}"));
    }
}

fn metadata(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
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
        licenses: stated.map_or(classified, |license| vec![license]),
        ..Package::new(ComponentKind::Pypi, name, version, EvidenceKind::Metadata)
    }]))
}

/// The last part of `License :: OSI Approved :: MIT License`.
fn classifier(value: &[u8]) -> Option<String> {
    let value = text(value);
    let license = value.strip_prefix("License :: ")?.rsplit(" :: ").next()?;
    (license != "OSI Approved").then(|| license.to_owned())
}

/// PEP 503: runs of `-`, `_` and `.` become one `-`, letters become small.
pub(in crate::packages) fn normalise(name: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::{EGG_METADATA, claims};
    use crate::archive::tests::{Way, zip};
    use crate::packages::inspect;
    use crate::packages::tests::check;

    const METADATA: &str = "usr/lib/python3/dist-packages/a-1.dist-info/METADATA";

    #[test]
    fn names_are_normalised_and_versions_are_not() {
        check(
            METADATA,
            "Metadata-Version: 2.1\nname: Zope.Interface__x\nVersion: 5.0.0RC1+local\n\nName: other\n",
            &["pkg:pypi/zope-interface-x@5.0.0RC1%2Blocal"],
        );
    }

    #[test]
    fn the_best_statement_of_a_licence_is_taken() {
        let licence = |lines: &str, expect: &str| {
            check(
                METADATA,
                &format!("Name: a\nVersion: 1\n{lines}"),
                &[format!("pkg:pypi/a@1{expect}").as_str()],
            );
        };
        licence("License: BSD\nLicense-Expression: BSD-3-Clause\n", " BSD-3-Clause");
        licence("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", " MIT License");
        licence("Classifier: License :: OSI Approved\nClassifier: Topic :: x\n", "");
        licence(&format!("License: {}\n", "text ".repeat(100)), "");
    }

    #[test]
    fn eggs_that_are_archives() {
        let metadata: &[u8] = b"Metadata-Version: 1.0\nName: Six\nVersion: 1.16.0\nLicense: MIT\n";
        let egg = zip(&[("six.py", b"x", Way::Deflated), (EGG_METADATA, metadata, Way::Deflated)]);
        let path = "usr/lib/python2.7/site-packages/six-1.16.0-py2.7.egg";
        let (components, problems) = inspect(path, &egg, None);
        assert_eq!((components[0].purl.as_str(), problems.len()), ("pkg:pypi/six@1.16.0", 0));
        let (components, problems) = inspect(path, b"not a zip", None);
        assert_eq!(components, []);
        assert!(problems[0].reason.starts_with("the egg cannot be read"), "{problems:?}");
    }

    #[test]
    fn half_a_metadata_is_a_problem() {
        let reason = "file: the metadata has no Name or no Version; the distribution is not listed";
        check(METADATA, "Name: a\n\nVersion: 1\n", &[reason]);
        check(METADATA, "", &[reason]);
    }

    #[test]
    fn metadata_is_where_installers_put_it() {
        assert!(claims("lib/a-1.dist-info", "METADATA"));
        assert!(claims("lib/a.egg-info", "PKG-INFO"));
        assert!(claims("lib/a-1.egg/EGG-INFO", "PKG-INFO"));
        assert!(claims("lib", "a-1.egg-info"));
        assert!(!claims("src/a", "PKG-INFO"));
        assert!(!claims("lib/a-1.dist-info", "RECORD"));
    }
}
