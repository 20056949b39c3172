//! SemVer 2.0 precedence, read as leniently as npm and the real records need, and the dialects of it.
//!
//! A leading `v` or `=` and white space are dropped, missing numbers are 0, more than three numbers are
//! compared too, and a pre-release may follow without its hyphen (`1.2.3beta`, which npm reads loosely).
//! Build metadata does not count, but for Pub.

use std::cmp::Ordering;

use super::{compare_digits, ordered, split_digits};

/// What an ecosystem does otherwise than SemVer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Nothing: npm, Go, Rust and others.
    Plain,
    /// NuGet does not mind the case of letters.
    CaseBlind,
    /// Pub orders by build metadata too; none sorts first.
    BuildCounts,
    /// Bitnami ends a version with the number of its own revision, which does not count.
    Revision,
}

/// A version: its numbers (digits and dots), its pre-release if it is one, its build metadata if it counts.
#[derive(Debug, Clone)]
pub(super) struct Version<'a> {
    numbers: &'a str,
    pre_release: Option<&'a str>,
    build: Option<&'a str>,
    dialect: Dialect,
}

impl<'a> Version<'a> {
    pub(super) fn parse(version: &'a str, dialect: Dialect) -> Option<Self> {
        let text = version.trim();
        let text = text.trim_start_matches(|c: char| matches!(c, 'v' | 'V' | '=') || c.is_whitespace());
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let mut end = split_digits(text).0.len();
        if end == 0 {
            return None;
        }
        while let Some(more) = text[end..].strip_prefix('.') {
            let digits = split_digits(more).0.len();
            if digits == 0 {
                return None;
            }
            end += 1 + digits;
        }
        let (numbers, rest) = text.split_at(end);
        let pre_release = (!rest.is_empty()).then(|| rest.strip_prefix('-').unwrap_or(rest));
        let is_revision = |text: &&str| dialect == Dialect::Revision && split_digits(text).1.is_empty();
        Some(Self {
            numbers,
            pre_release: pre_release.filter(|text| !is_revision(text)),
            build: build.filter(|_| dialect == Dialect::BuildCounts),
            dialect,
        })
    }

    fn compare(&self, other: &Self) -> Ordering {
        compare_numbers(self.numbers, other.numbers)
            .then_with(|| match (self.pre_release, other.pre_release) {
                (Some(a), Some(b)) => compare_identifiers(a, b, self.dialect),
                // A pre-release sorts below its release.
                (a, b) => a.is_none().cmp(&b.is_none()),
            })
            .then_with(|| match (self.build, other.build) {
                (Some(a), Some(b)) => compare_identifiers(a, b, self.dialect),
                (a, b) => a.is_some().cmp(&b.is_some()),
            })
    }
}

ordered!(Version<'_>);

fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (x, y) = (a.next(), b.next());
        if x.is_none() && y.is_none() {
            return Ordering::Equal;
        }
        let order = compare_digits(x.unwrap_or("0"), y.unwrap_or("0"));
        if order.is_ne() {
            return order;
        }
    }
}

/// Compares what stands between dots one by one; where one list ends, the shorter one sorts first.
fn compare_identifiers(a: &str, b: &str, dialect: Dialect) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(x), Some(y)) => compare_identifier(x, y, dialect),
            (x, y) => x.is_some().cmp(&y.is_some()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Numbers sort below words, numbers by value, words by their bytes.
fn compare_identifier(a: &str, b: &str, dialect: Dialect) -> Ordering {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match (number(a), number(b)) {
        (true, true) => compare_digits(a, b),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) if dialect == Dialect::CaseBlind => {
            a.bytes().map(|b| b.to_ascii_uppercase()).cmp(b.bytes().map(|b| b.to_ascii_uppercase()))
        }
        (false, false) => a.cmp(b),
    }
}
