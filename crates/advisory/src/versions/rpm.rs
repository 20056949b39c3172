//! RPM's version order: `[epoch:]version[-release]`, each part as `rpmvercmp` compares it (rpm 4.18).
//!
//! Runs of digits and of letters are compared one by one, everything else only separates them. `~` sorts before
//! everything, even before the end; `^` after the end, but before any further run; letters before digits. A missing
//! epoch is 0; a missing release sorts before every release.

use std::cmp::Ordering;

use super::{compare_digits, ordered, split_digits};

/// An RPM version, split into its three parts.
#[derive(Debug, Clone)]
pub(super) struct Version<'a> {
    epoch: &'a str,
    version: &'a str,
    release: Option<&'a str>,
}

impl<'a> Version<'a> {
    pub(super) fn new(version: &'a str) -> Self {
        let text = version.trim();
        let (epoch, rest) = match text[split_digits(text).0.len()..].strip_prefix(':') {
            Some(rest) => (split_digits(text).0, rest),
            None => ("", text),
        };
        match rest.rsplit_once('-') {
            Some((version, release)) => Self { epoch, version, release: Some(release) },
            None => Self { epoch, version: rest, release: None },
        }
    }

    /// Whether version and release hold nothing that rpm refuses when it builds a package.
    pub(super) fn is_valid(&self) -> bool {
        let permitted = |b: u8| b.is_ascii_alphanumeric() || b"._+~^%{}".contains(&b);
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(permitted);
        is_part(self.version) && self.release.is_none_or(is_part)
    }
}

impl Version<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        compare_digits(self.epoch, other.epoch)
            .then_with(|| compare_part(self.version, other.version))
            .then_with(|| match (self.release, other.release) {
                (Some(a), Some(b)) => compare_part(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            })
    }
}

ordered!(Version<'_>);

/// One piece of a version or release, the kinds in the order in which they sort where two versions part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Tilde,
    End,
    Caret,
    Letters(&'a str),
    Digits(&'a str),
}

impl Token<'_> {
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Letters(a), Self::Letters(b)) => a.cmp(b),
            (Self::Digits(a), Self::Digits(b)) => compare_digits(a, b),
            _ => self.height().cmp(&other.height()),
        }
    }

    fn height(self) -> u8 {
        match self {
            Self::Tilde => 0,
            Self::End => 1,
            Self::Caret => 2,
            Self::Letters(_) => 3,
            Self::Digits(_) => 4,
        }
    }
}

fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let (x, y) = (next_token(&mut a), next_token(&mut b));
        let order = x.compare(y);
        if order.is_ne() || x == Token::End {
            return order;
        }
    }
}

fn next_token<'a>(rest: &mut &'a str) -> Token<'a> {
    let counts = |c: char| c.is_ascii_alphanumeric() || c == '~' || c == '^';
    *rest = rest.trim_start_matches(|c| !counts(c));
    let (token, length): (fn(&'a str) -> Token<'a>, usize) = match rest.bytes().next() {
        None => return Token::End,
        Some(b'~') => (|_| Token::Tilde, 1),
        Some(b'^') => (|_| Token::Caret, 1),
        Some(first) if first.is_ascii_digit() => (Token::Digits, split_digits(rest).0.len()),
        Some(_) => (Token::Letters, rest.bytes().take_while(u8::is_ascii_alphabetic).count()),
    };
    let (text, more) = rest.split_at(length);
    *rest = more;
    token(text)
}
