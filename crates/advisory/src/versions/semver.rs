//! SemVer 2.0 precedence, read as leniently as npm and the real records need.
//!
//! A leading `v` or `=` and white space are dropped, missing numbers are 0, more than three numbers are
//! compared too, and a pre-release may follow without its hyphen (`1.2.3beta`, which npm reads loosely).
//! Build metadata does not count. Text that does not begin with a number sorts below every version, and
//! among itself byte by byte.

use std::cmp::Ordering;

use super::{compare_digits, split_digits};

/// A version: its numbers, and its pre-release if it is one.
#[derive(Debug, Clone)]
pub(super) enum Version<'a> {
    /// Not a version.
    Other(&'a str),
    /// `numbers` are digits and dots.
    Parsed { numbers: &'a str, pre_release: Option<&'a str> },
}

impl<'a> Version<'a> {
    pub(super) fn new(version: &'a str) -> Self {
        let text = version.trim();
        let text = text.trim_start_matches(|c: char| matches!(c, 'v' | 'V' | '=') || c.is_whitespace());
        let text = text.split_once('+').map_or(text, |(text, _build)| text);
        let mut end = split_digits(text).0.len();
        if end == 0 {
            return Self::Other(version);
        }
        while let Some(more) = text[end..].strip_prefix('.') {
            let digits = split_digits(more).0.len();
            if digits == 0 {
                return Self::Other(version);
            }
            end += 1 + digits;
        }
        let (numbers, rest) = text.split_at(end);
        let pre_release = (!rest.is_empty()).then(|| rest.strip_prefix('-').unwrap_or(rest));
        Self::Parsed { numbers, pre_release }
    }

    pub(super) fn is_valid(&self) -> bool {
        matches!(self, Self::Parsed { .. })
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a.cmp(b),
            (Self::Other(_), Self::Parsed { .. }) => Ordering::Less,
            (Self::Parsed { .. }, Self::Other(_)) => Ordering::Greater,
            (
                Self::Parsed { numbers: a, pre_release: pre_a },
                Self::Parsed { numbers: b, pre_release: pre_b },
            ) => compare_numbers(a, b).then_with(|| compare_pre_releases(*pre_a, *pre_b)),
        }
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version<'_> {}

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

/// A pre-release sorts below its release; identifiers are compared one by one, the shorter list first.
fn compare_pre_releases(a: Option<&str>, b: Option<&str>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => {
            let (mut a, mut b) = (a.split('.'), b.split('.'));
            loop {
                match (a.next(), b.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(x), Some(y)) => {
                        let order = compare_identifiers(x, y);
                        if order.is_ne() {
                            return order;
                        }
                    }
                }
            }
        }
    }
}

/// Numbers sort below words, numbers by value, words by their bytes.
fn compare_identifiers(a: &str, b: &str) -> Ordering {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match (number(a), number(b)) {
        (true, true) => compare_digits(a, b),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}
