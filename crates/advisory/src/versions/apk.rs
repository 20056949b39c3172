//! Alpine's version order, as apk-tools 3 compares:
//! `digits{.digits}[letter]{_suffix[digits]}[~hash][-r digits]`.
//!
//! Two versions are compared token by token. Where the kinds of token differ, the order of the kinds
//! decides: a pre-release suffix (`_alpha _beta _pre _rc`) lies below everything, then text that is no
//! version, then the end, and the earlier a kind may stand in a version the higher it sorts. A number after
//! a dot that has a leading zero is compared as text, so `1.05` < `1.1`. As in apk-tools 3, text that is no
//! version counts up to the first character that does not fit; everything after it is ignored.

use std::cmp::Ordering;

use super::{compare_digits, ordered, split_digits};

/// An Alpine version, read token by token while it is compared.
#[derive(Debug, Clone)]
pub(super) struct Version<'a>(&'a str);

impl<'a> Version<'a> {
    pub(super) fn new(version: &'a str) -> Self {
        Self(version.trim())
    }

    /// Whether the whole string fits the grammar.
    pub(super) fn is_valid(&self) -> bool {
        let mut tokens = Tokens::new(self.0);
        loop {
            match tokens.next_token() {
                Token::End => return true,
                Token::Invalid => return false,
                _ => {}
            }
        }
    }
}

impl Version<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        let (mut a, mut b) = (Tokens::new(self.0), Tokens::new(other.0));
        loop {
            let (x, y) = (a.next_token(), b.next_token());
            let order = x.compare(y);
            if order.is_ne() || matches!(x, Token::End | Token::Invalid) {
                return order;
            }
        }
    }
}

ordered!(Version<'_>);

/// One piece of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// The number a version begins with.
    First(&'a str),
    /// A number after a dot.
    Digits(&'a str),
    /// The one letter after the numbers.
    Letter(u8),
    /// `_alpha` … `_p`, by place in [`SUFFIXES`].
    Suffix(usize),
    /// The number of a suffix.
    SuffixNumber(&'a str),
    /// `~` and a commit hash.
    Hash(&'a str),
    /// `-r` and a number.
    Revision(&'a str),
    /// The end of the version.
    End,
    /// Text that does not fit the grammar.
    Invalid,
}

/// The suffixes in their order; the first [`PRE_RELEASES`] of them sort below no suffix at all.
const SUFFIXES: [&str; 9] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];
const PRE_RELEASES: usize = 4;

impl Token<'_> {
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Digits(a), Self::Digits(b)) if a.starts_with('0') || b.starts_with('0') => a.cmp(b),
            (Self::First(a), Self::First(b))
            | (Self::Digits(a), Self::Digits(b))
            | (Self::SuffixNumber(a), Self::SuffixNumber(b))
            | (Self::Revision(a), Self::Revision(b)) => compare_digits(a, b),
            (Self::Letter(a), Self::Letter(b)) => a.cmp(&b),
            (Self::Suffix(a), Self::Suffix(b)) => a.cmp(&b),
            (Self::Hash(a), Self::Hash(b)) => a.cmp(b),
            _ => self.height().cmp(&other.height()),
        }
    }

    /// Which kind of token sorts higher where two versions part.
    fn height(self) -> u8 {
        match self {
            Self::Suffix(suffix) if suffix < PRE_RELEASES => 0,
            Self::Invalid => 1,
            Self::End => 2,
            Self::Revision(_) => 3,
            Self::Hash(_) => 4,
            Self::SuffixNumber(_) => 5,
            Self::Suffix(_) => 6,
            Self::Letter(_) => 7,
            Self::Digits(_) => 8,
            Self::First(_) => 9,
        }
    }
}

/// How far a version has been read, which decides what may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Start,
    Digits,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
}

struct Tokens<'a> {
    rest: &'a str,
    place: Place,
}

impl<'a> Tokens<'a> {
    fn new(version: &'a str) -> Self {
        Self { rest: version, place: Place::Start }
    }

    fn next_token(&mut self) -> Token<'a> {
        let Some(first) = self.rest.bytes().next() else {
            return if self.place == Place::Start { Token::Invalid } else { Token::End };
        };
        match first {
            b'0'..=b'9' if self.place == Place::Start => self.digits(Place::Digits, Token::First),
            b'0'..=b'9' if self.place == Place::Suffix => {
                self.digits(Place::SuffixNumber, Token::SuffixNumber)
            }
            b'.' if self.place == Place::Digits => {
                self.rest = &self.rest[1..];
                self.digits(Place::Digits, Token::Digits)
            }
            b'a'..=b'z' if self.place == Place::Digits => {
                self.rest = &self.rest[1..];
                self.place = Place::Letter;
                Token::Letter(first)
            }
            b'_' if (Place::Digits..=Place::SuffixNumber).contains(&self.place) => self.suffix(),
            b'~' if (Place::Digits..=Place::SuffixNumber).contains(&self.place) => self.hash(),
            b'-' if (Place::Digits..=Place::Hash).contains(&self.place) => match self.rest.strip_prefix("-r")
            {
                Some(rest) => {
                    self.rest = rest;
                    self.digits(Place::Revision, Token::Revision)
                }
                None => Token::Invalid,
            },
            _ => Token::Invalid,
        }
    }

    fn digits(&mut self, place: Place, token: fn(&'a str) -> Token<'a>) -> Token<'a> {
        let (digits, rest) = split_digits(self.rest);
        if digits.is_empty() {
            return Token::Invalid;
        }
        (self.rest, self.place) = (rest, place);
        token(digits)
    }

    fn suffix(&mut self) -> Token<'a> {
        let text = &self.rest[1..];
        let (name, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_lowercase).count());
        match SUFFIXES.iter().position(|suffix| *suffix == name) {
            Some(suffix) => {
                (self.rest, self.place) = (rest, Place::Suffix);
                Token::Suffix(suffix)
            }
            None => Token::Invalid,
        }
    }

    fn hash(&mut self) -> Token<'a> {
        let text = &self.rest[1..];
        let (hash, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_hexdigit).count());
        if hash.is_empty() {
            return Token::Invalid;
        }
        (self.rest, self.place) = (rest, Place::Hash);
        Token::Hash(hash)
    }
}
