//! The order of what comes without a package: runtimes, servers, libraries known by their bytes.
//!
//! Numbers are compared by value; missing ones are 0. Letters right behind a number count up from it, as OpenSSL's and
//! Java's do (`1.0.2` < `1.0.2a` < `1.0.2z` < `1.0.2za`), unless they name something that came before a release: alpha,
//! beta, pre, rc, dev, snapshot, milestone, ea. Java's old names are read as the numbers they stand for: `8u292` and
//! `1.8.0_292` are one version. Build metadata behind a `+` counts as more numbers, as OpenJDK's does.

use std::cmp::Ordering;

use super::{compare_digits, ordered, split_digits};

/// What sorts before a release, in its order.
const BEFORE: [&str; 12] =
    ["dev", "snapshot", "alpha", "a", "beta", "b", "milestone", "m", "ea", "pre", "rc", "cr"];

/// One part of a version, the kinds in the order in which they sort.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    /// By its place in [`BEFORE`].
    Before(usize),
    End,
    Letters(&'a str),
    Number(&'a str),
}

impl Part<'_> {
    fn height(self) -> u8 {
        match self {
            Self::Before(_) => 0,
            Self::End => 1,
            Self::Letters(_) => 2,
            Self::Number(_) => 3,
        }
    }

    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Before(a), Self::Before(b)) => a.cmp(&b),
            (Self::Number(a), Self::Number(b)) => compare_digits(a, b),
            // Nothing is zero: `1.2` and `1.2.0` are one version.
            (Self::Number(a), Self::End) => compare_digits(a, ""),
            (Self::End, Self::Number(b)) => compare_digits("", b),
            // `za` came after `z`.
            (Self::Letters(a), Self::Letters(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            _ => self.height().cmp(&other.height()),
        }
    }
}

/// A version as its parts.
#[derive(Debug, Clone)]
pub(super) struct Version<'a>(Vec<Part<'a>>);

impl<'a> Version<'a> {
    pub(super) fn parse(version: &'a str) -> Option<Self> {
        let text = version.trim().trim_start_matches(['v', 'V']);
        let parts = java(text).unwrap_or_else(|| parts(text));
        matches!(parts.first(), Some(Part::Number(_))).then_some(Self(without_zeros(parts)))
    }

    fn compare(&self, other: &Self) -> Ordering {
        let part = |parts: &[Part<'a>], index: usize| parts.get(index).copied().unwrap_or(Part::End);
        (0..self.0.len().max(other.0.len()))
            .map(|index| part(&self.0, index).compare(part(&other.0, index)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

ordered!(Version<'_>);

/// `8u292` and `1.8.0_292`.
fn java(text: &str) -> Option<Vec<Part<'_>>> {
    let rest = text.strip_prefix("1.").filter(|rest| rest.contains("_")).unwrap_or(text);
    let (major, rest) = split_digits(rest);
    let update = match rest.strip_prefix('u') {
        Some(update) => update,
        None => rest.strip_prefix(".0_").filter(|_| text.starts_with("1."))?,
    };
    let mut all = vec![Part::Number(major), Part::Number("0")];
    all.extend(parts(update));
    (!major.is_empty()).then_some(all)
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let digits = split_digits(rest).0.len();
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let length = if digits > 0 {
            parts.push(Part::Number(&rest[..digits]));
            digits
        } else if letters > 0 {
            let word = &rest[..letters];
            let place = BEFORE.iter().position(|before| before.eq_ignore_ascii_case(word));
            // One letter that stands by itself behind a number is a patch, `1.0.2a`; with a number behind it, `1.0b1`,
            // it is a beta.
            let is_patch = letters == 1 && split_digits(&rest[1..]).0.is_empty();
            parts.push(match place.filter(|_| !is_patch) {
                Some(place) => Part::Before(place),
                None => Part::Letters(word),
            });
            letters
        } else {
            first_char_length(rest, first)
        };
        rest = &rest[length..];
    }
    parts
}

fn first_char_length(text: &str, first: u8) -> usize {
    if first.is_ascii() { 1 } else { text.chars().next().map_or(1, char::len_utf8) }
}

/// Zeros before letters and at the end do not count.
fn without_zeros(parts: Vec<Part<'_>>) -> Vec<Part<'_>> {
    let is_zero =
        |part: &Part<'_>| matches!(part, Part::Number(digits) if compare_digits(digits, "").is_eq());
    let mut kept: Vec<Part<'_>> = Vec::with_capacity(parts.len());
    for part in parts {
        if !matches!(part, Part::Number(_)) {
            while kept.len() > 1 && kept.last().is_some_and(is_zero) {
                kept.pop();
            }
        }
        kept.push(part);
    }
    while kept.len() > 1 && kept.last().is_some_and(is_zero) {
        kept.pop();
    }
    kept
}
