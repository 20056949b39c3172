//! Programs, runtimes and libraries that no package database speaks of, known by what their bytes say of themselves.
//!
//! The rules are data (`rules.json`), one a line: which files are candidates, which patterns tell the version, what
//! the component is called, and examples, which are the tests of the rule. Adding one is adding a line.
//!
//! - `files`: names with `*` for any characters and `[0-9]` for a digit, after the directories it must lie in, if any
//!   (`go/VERSION`);
//! - `patterns`: expressions of bytes with a group `version`; `{v}` stands for the usual form of one. The first that
//!   is found counts;
//! - `cpe`: `vendor:product`;
//! - `examples`: a path, bytes with `\x00` and `\n` as in the patterns, and the version that is to be found.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::fragment::Package;
use crate::model::{ComponentKind, Confidence, EvidenceKind};
use crate::path;

/// What `{v}` stands for.
const VERSION: &str = r"(?P<version>[0-9]+(?:\.[0-9]+)+(?:[-.]?(?:alpha|beta|pre|rc)[-.]?[0-9]*)?)";

/// Matches may not be longer, so that they are found in pieces of a file that overlap by as much.
pub(super) const LONGEST: usize = 512;

/// No program has a longer name.
const MAX_NAME: usize = 64;

#[derive(Deserialize)]
struct Line {
    name: String,
    files: Vec<String>,
    patterns: Vec<String>,
    cpe: String,
    #[cfg(test)]
    examples: Vec<Example>,
}

#[cfg(test)]
#[derive(Deserialize)]
struct Example {
    path: String,
    bytes: String,
    version: String,
}

/// A rule.
pub(super) struct Rule {
    line: Line,
    files: Vec<Glob>,
    /// Made when a candidate is seen: most images have few.
    patterns: OnceLock<Vec<Regex>>,
}

/// A name as a rule writes it.
struct Glob {
    /// The last directories, each of which may have a star.
    directories: Vec<String>,
    name: String,
}

struct Rules {
    rules: Vec<Rule>,
    /// Rules by the first byte that a name must have; those that begin with a star are asked always.
    by_first: HashMap<u8, Vec<usize>>,
    anywhere: Vec<usize>,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let lines: Vec<Line> =
        serde_json::from_str(include_str!("rules.json")).expect("our own file, which a test reads");
    let mut rules =
        Rules { rules: Vec::with_capacity(lines.len()), by_first: HashMap::new(), anywhere: Vec::new() };
    for (index, line) in lines.into_iter().enumerate() {
        let files: Vec<Glob> = line.files.iter().map(|file| Glob::new(file)).collect();
        for glob in &files {
            let list = match glob.name.bytes().next() {
                Some(b'*' | b'[') | None => &mut rules.anywhere,
                Some(first) => rules.by_first.entry(first).or_default(),
            };
            if list.last() != Some(&index) {
                list.push(index);
            }
        }
        rules.rules.push(Rule { line, files, patterns: OnceLock::new() });
    }
    rules
});

impl Glob {
    fn new(text: &str) -> Self {
        let (directories, name) = path::split(text);
        let directories = directories.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
        Self { directories: directories.collect(), name: name.to_owned() }
    }

    fn matches(&self, directory: &str, name: &str) -> bool {
        if !fits(self.name.as_bytes(), name.as_bytes()) {
            return false;
        }
        let mut parts = directory.rsplit('/');
        self.directories
            .iter()
            .rev()
            .all(|wanted| parts.next().is_some_and(|part| fits(wanted.as_bytes(), part.as_bytes())))
    }
}

/// Whether a text is of a form with `*` and `[0-9]`.
fn fits(form: &[u8], text: &[u8]) -> bool {
    if let Some(rest) = form.strip_prefix(b"[0-9]") {
        return text.first().is_some_and(u8::is_ascii_digit) && fits(rest, text.get(1..).unwrap_or_default());
    }
    match form.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|from| fits(rest, text.get(from..).unwrap_or_default())),
        Some((byte, rest)) => {
            text.split_first().is_some_and(|(first, text)| first == byte && fits(rest, text))
        }
    }
}

/// The rules that a file is a candidate of.
pub(super) fn candidates<'a>(
    directory: &'a str,
    name: &'a str,
) -> impl Iterator<Item = &'static Rule> + use<'a> {
    let rules = &*RULES;
    let name = if name.len() > MAX_NAME { "" } else { name };
    let by_first = name.bytes().next().and_then(|first| rules.by_first.get(&first));
    let all =
        by_first.into_iter().flatten().chain(&rules.anywhere).filter_map(|&index| rules.rules.get(index));
    all.filter(move |rule| rule.files.iter().any(|glob| glob.matches(directory, name)))
}

/// Whether a file is a candidate of any rule.
pub(super) fn claims(directory: &str, name: &str) -> bool {
    candidates(directory, name).next().is_some()
}

impl Rule {
    fn patterns(&self) -> &[Regex] {
        self.patterns.get_or_init(|| {
            let made = self.line.patterns.iter().map(|pattern| {
                let pattern = format!("(?s-u){}", pattern.replace("{v}", VERSION));
                RegexBuilder::new(&pattern)
                    .unicode(false)
                    .build()
                    .expect("our own pattern, which a test makes")
            });
            made.collect()
        })
    }

    /// The version that these bytes tell, and which pattern did: an earlier one is surer.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<(usize, String)> {
        self.patterns().iter().enumerate().find_map(|(index, pattern)| {
            let version = pattern.captures(bytes)?.name("version")?.as_bytes();
            Some((index, String::from_utf8_lossy(version).into_owned()))
        })
    }

    /// The package of that version.
    pub(super) fn package(&self, version: &str) -> Package {
        let cpe = format!("cpe:2.3:a:{}:{version}:*:*:*:*:*:*:*", self.line.cpe.replace('/', "\\/"));
        Package {
            cpes: vec![cpe],
            confidence: Confidence::Medium,
            ..Package::new(ComponentKind::Generic, &self.line.name, version, EvidenceKind::Pattern)
        }
    }
}

/// What a whole file is by the rules.
pub(super) fn packages(file: &str, bytes: &[u8]) -> Vec<Package> {
    let (directory, name) = path::split(file);
    let found = candidates(directory, name).filter_map(|rule| Some(rule.package(&rule.find(bytes)?.1)));
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some((before, escaped)) = rest.split_once('\\') {
            out.extend(before.bytes());
            let length = match escaped.as_bytes() {
                [b'n', ..] => {
                    out.push(b'\n');
                    1
                }
                [b'x', ..] => {
                    out.push(u8::from_str_radix(&escaped[1..3], 16).expect("two digits"));
                    3
                }
                _ => panic!("unknown escape in {text}"),
            };
            rest = &escaped[length..];
        }
        out.extend(rest.bytes());
        out
    }

    #[test]
    fn every_rule_finds_its_examples() {
        assert!(RULES.rules.len() > 60);
        for rule in &RULES.rules {
            assert!(!rule.line.examples.is_empty(), "{} has no example", rule.line.name);
            for example in &rule.line.examples {
                let found = packages(&example.path, &bytes(&example.bytes));
                let found: Vec<_> =
                    found.iter().map(|one| (one.name.as_str(), one.version.as_str())).collect();
                assert_eq!(found, [(rule.line.name.as_str(), example.version.as_str())], "{}", example.path);
                assert_eq!(packages(&example.path, b"\x00no version\x00"), [], "{}", example.path);
            }
        }
    }

    #[test]
    fn names_with_stars_and_digits() {
        let check = |form: &str, path: &str, expected: bool| {
            let (directory, name) = path::split(path);
            assert_eq!(Glob::new(form).matches(directory, name), expected, "{form} {path}");
        };
        check("bash", "bin/bash", true);
        check("bash", "bin/bashbug", false);
        check("lua[0-9]*", "usr/bin/lua5.4", true);
        check("lua[0-9]*", "usr/bin/luac", false);
        check("go-*/VERSION", "usr/lib/go-1.19/VERSION", true);
        check("go/VERSION", "usr/share/VERSION", false);
        check("bin/go", "go", false);
        check("libQt*Core.so*", "usr/lib/libQt5Core.so.5", true);
    }
}
