//! RubyGems' order (`Gem::Version`): runs of digits and of letters, where letters make a pre-release, and zeros before
//! letters and at the end do not count.

use std::cmp::Ordering;

use super::{compare_digits, ordered, split_digits};

/// A version: its segments without zeros that do not count.
#[derive(Debug, Clone)]
pub(super) struct Version<'a>(Vec<&'a str>);

/// What a hyphen stands for.
const PRE: &str = "pre";

impl<'a> Version<'a> {
    pub(super) fn parse(version: &'a str) -> Option<Self> {
        let text = version.trim();
        if !is_version(text) {
            return None;
        }
        let mut segments = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.bytes().next() {
            if first.is_ascii_digit() {
                let (digits, more) = split_digits(rest);
                segments.push(digits);
                rest = more;
            } else if first.is_ascii_alphabetic() {
                let (letters, more) = rest.split_at(rest.bytes().take_while(u8::is_ascii_alphabetic).count());
                segments.push(letters);
                rest = more;
            } else {
                if first == b'-' {
                    segments.push(PRE);
                }
                rest = &rest[1..];
            }
        }
        Some(Self(canonical(&segments)))
    }

    fn compare(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.0, &other.0);
        (0..a.len().max(b.len()))
            .map(|index| compare_segments(segment(a, index), segment(b, index)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

ordered!(Version<'_>);

/// `1.0.0.rc1-x86`: digits first, then parts of letters and digits, then such parts behind hyphens.
fn is_version(text: &str) -> bool {
    let (released, pre_release) = text.split_once('-').map_or((text, None), |(a, b)| (a, Some(b)));
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_pre_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let mut parts = released.split('.');
    let is_first =
        parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    is_first && parts.all(is_part) && pre_release.is_none_or(|pre| pre.split('.').all(is_pre_part))
}

/// Without the zeros at the end of what is before the first letters, and at the end of all.
fn canonical<'a>(segments: &[&'a str]) -> Vec<&'a str> {
    let is_number = |segment: &&str| segment.starts_with(|first: char| first.is_ascii_digit());
    let is_zero = |segment: &str| segment.bytes().all(|byte| byte == b'0');
    let first = segments.iter().position(|segment| !is_number(segment)).unwrap_or(segments.len());
    let (released, rest) = segments.split_at(first);
    let trimmed = |part: &[&'a str]| {
        let end = part.iter().rposition(|segment| !is_zero(segment)).map_or(0, |last| last + 1);
        part[..end].to_vec()
    };
    let mut all = trimmed(released);
    all.extend(trimmed(rest));
    all
}

/// What is not there counts as zero.
fn segment<'a>(segments: &[&'a str], index: usize) -> &'a str {
    segments.get(index).copied().unwrap_or("0")
}

fn compare_segments(a: &str, b: &str) -> Ordering {
    let is_number = |segment: &str| segment.starts_with(|first: char| first.is_ascii_digit());
    match (is_number(a), is_number(b)) {
        (true, true) => compare_digits(a, b),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.cmp(b),
    }
}
