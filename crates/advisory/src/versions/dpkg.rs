//! Debian's version order: `[epoch:]upstream[-revision]`, as dpkg compares it (Debian Policy 5.6.12).
//!
//! Alternating runs of other characters and digits; `~` sorts before everything, even before the end, and
//! letters before all other characters. A missing epoch is 0 and a missing revision equals `0`. dpkg
//! compares strings that Policy forbids too, and so do we; an epoch that is no number is read as part of
//! the upstream version.

use std::cmp::Ordering;

use super::{compare_digits, ordered, split_digits};

/// A Debian version, split into its three parts.
#[derive(Debug, Clone)]
pub(super) struct Version<'a> {
    epoch: &'a str,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Version<'a> {
    pub(super) fn new(version: &'a str) -> Self {
        let version = version.trim();
        let (epoch, rest) = match version.split_once(':') {
            Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => {
                (epoch, rest)
            }
            _ => ("", version),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { epoch, upstream, revision }
    }

    /// Policy wants a digit first and nothing outside the permitted characters.
    pub(super) fn is_valid(&self) -> bool {
        let permitted = |b: u8| b.is_ascii_alphanumeric() || b".+-~:".contains(&b);
        self.upstream.starts_with(|c: char| c.is_ascii_digit())
            && self.upstream.bytes().all(permitted)
            && self.revision.bytes().all(permitted)
    }
}

impl Version<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        compare_digits(self.epoch, other.epoch)
            .then_with(|| compare_part(self.upstream, other.upstream))
            .then_with(|| compare_part(self.revision, other.revision))
    }
}

ordered!(Version<'_>);

/// Compares an upstream version or a revision: other characters, digits, other characters, …
fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = split_text(a);
        let (text_b, rest_b) = split_text(b);
        let (digits_a, rest_a) = split_digits(rest_a);
        let (digits_b, rest_b) = split_digits(rest_b);
        let order = compare_text(text_a, text_b).then_with(|| compare_digits(digits_a, digits_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

/// Splits off the leading run of characters that are not digits.
fn split_text(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|b| b.is_ascii_digit()).unwrap_or(text.len()))
}

fn compare_text(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.bytes(), b.bytes());
    loop {
        let (x, y) = (a.next(), b.next());
        let order = weight(x).cmp(&weight(y));
        if order.is_ne() || x.is_none() {
            return order;
        }
    }
}

/// `~`, then the end, then letters, then everything else.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(b) if b.is_ascii_alphabetic() => i32::from(b),
        Some(b) => i32::from(b) + 256,
    }
}
