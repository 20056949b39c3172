//! Maven's order, as `ComparableVersion` of Maven 4 has it.
//!
//! A version is a list of numbers and qualifiers. A hyphen, and every step between digits and letters, opens a
//! list in the list, so that `1-1` sorts below `1.1`. Known qualifiers have their place: alpha, beta, milestone, rc
//! (or cr), snapshot, then the release itself (`ga`, `final`, `release` or nothing), then sp, then all others as texts.
//! A qualifier and the number behind it, with or without a hyphen, are one item: `rc1`, `rc-1`. Zeros and nothings at
//! the end do not count. Case does not matter.
//!
//! Texts that are longer than Maven takes, or hold no number, are no versions here.

use std::cmp::Ordering;

use super::{compare_digits, ordered};

/// The longest version that Maven takes, in bytes. It also bounds how deep lists lie in lists.
const MAX_LENGTH: usize = 256;

/// A Maven version: its items.
#[derive(Debug, Clone)]
pub(super) struct Version(Vec<Item>);

/// One part of a version.
#[derive(Debug, Clone)]
enum Item {
    /// Digits without leading zeros.
    Number(String),
    /// Letters.
    Qualifier(Qualifier),
    /// Letters and the number right behind them.
    Numbered(Qualifier, String),
    /// What a hyphen or a step between digits and letters opened.
    List(Vec<Self>),
}

/// A qualifier: its place among the known ones, and its text when it is none of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Qualifier(usize, String);

/// The known qualifiers in their order. The empty one is the release.
const QUALIFIERS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
const RELEASE: usize = 5;

impl Qualifier {
    fn new(text: &str, is_numbered: bool) -> Self {
        let known = match text {
            "a" if is_numbered => "alpha",
            "b" if is_numbered => "beta",
            "m" if is_numbered => "milestone",
            "cr" => "rc",
            "ga" | "final" | "release" => "",
            other => other,
        };
        match QUALIFIERS.iter().position(|qualifier| *qualifier == known) {
            Some(place) => Self(place, String::new()),
            None => Self(QUALIFIERS.len(), text.to_owned()),
        }
    }

    fn is_release(&self) -> bool {
        self.0 == RELEASE
    }
}

impl Version {
    /// Maven orders every text; one without a number says nothing about a place among releases.
    pub(super) fn parse(version: &str) -> Option<Self> {
        let text = version.trim();
        if text.len() > MAX_LENGTH {
            return None;
        }
        let items = parse(&text.to_lowercase());
        items.iter().any(Item::has_number).then_some(Self(items))
    }
}

impl Version {
    fn compare(&self, other: &Self) -> Ordering {
        compare_lists(&self.0, &other.0)
    }
}

ordered!(Version);

impl Item {
    fn has_number(&self) -> bool {
        match self {
            Self::Number(_) | Self::Numbered(..) => true,
            Self::Qualifier(_) => false,
            Self::List(items) => items.iter().any(Self::has_number),
        }
    }

    fn number(digits: &str) -> String {
        digits.trim_start_matches('0').to_owned()
    }

    /// Reads what stands between two separators.
    fn parse(text: &str) -> Self {
        let letters = text.len() - text.trim_start_matches(|c: char| !c.is_ascii_digit()).len();
        match (letters, letters == text.len()) {
            (0, _) => Self::Number(Self::number(text)),
            (_, true) => Self::Qualifier(Qualifier::new(text, false)),
            (_, false) => {
                // `rc-1` arrives with its hyphen.
                let word = text[..letters].trim_end_matches('-');
                Self::Numbered(Qualifier::new(word, true), Self::number(&text[letters..]))
            }
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Self::Number(number) => number.is_empty(),
            Self::Qualifier(_) | Self::Numbered(..) => false,
            Self::List(items) => items.is_empty(),
        }
    }

    /// Whether it is letters, or a list that begins with letters.
    fn begins_with_letters(&self) -> bool {
        match self {
            Self::Qualifier(_) => true,
            Self::List(items) => {
                matches!(items.first(), Some(Self::Qualifier(_) | Self::Numbered(..)))
            }
            Self::Number(_) | Self::Numbered(..) => false,
        }
    }

    /// How it compares with nothing at all.
    fn against_nothing(&self) -> Ordering {
        match self {
            Self::Number(number) => number.len().cmp(&0),
            Self::Qualifier(qualifier) => qualifier.0.cmp(&RELEASE),
            Self::Numbered(qualifier, number) => qualifier.0.cmp(&RELEASE).then(number.len().cmp(&0)),
            Self::List(items) => all_against_nothing(items),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => compare_digits(a, b),
            (Self::Number(_), _) => Ordering::Greater,
            (_, Self::Number(_)) => Ordering::Less,
            (Self::List(a), Self::List(b)) => compare_lists(a, b),
            (Self::List(items), scalar) => match items.split_first() {
                None => scalar.against_nothing().reverse(),
                Some((first, rest)) => first.compare(scalar).then_with(|| all_against_nothing(rest)),
            },
            (scalar, list @ Self::List(_)) => list.compare(scalar).reverse(),
            (Self::Qualifier(a), Self::Qualifier(b)) => a.cmp(b),
            (Self::Numbered(a, number_a), Self::Numbered(b, number_b)) => {
                a.cmp(b).then_with(|| compare_digits(number_a, number_b))
            }
            (Self::Qualifier(a), Self::Numbered(b, number)) => a.cmp(b).then_with(|| {
                // Nothing sorts below `rc1`, but the release is what a zero behind it is.
                if a.is_release() { 0.cmp(&number.len()) } else { Ordering::Less }
            }),
            (numbered @ Self::Numbered(..), qualifier) => qualifier.compare(numbered).reverse(),
        }
    }
}

fn all_against_nothing(items: &[Item]) -> Ordering {
    items.iter().map(Item::against_nothing).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn compare_lists(a: &[Item], b: &[Item]) -> Ordering {
    let pair = |index: usize| match (a.get(index), b.get(index)) {
        (Some(x), Some(y)) => x.compare(y),
        (Some(x), None) => x.against_nothing(),
        (None, Some(y)) => y.against_nothing().reverse(),
        (None, None) => Ordering::Equal,
    };
    (0..a.len().max(b.len())).map(pair).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Lists that are being filled, the outermost first.
struct Open(Vec<Vec<Item>>);

impl Open {
    fn add(&mut self, item: Item) {
        if let Some(list) = self.0.last_mut() {
            list.push(item);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.last().is_none_or(Vec::is_empty)
    }

    fn open_list(&mut self) {
        self.0.push(Vec::new());
    }

    /// Closes all lists, innermost first, and puts each into the one around it.
    fn close(mut self) -> Vec<Item> {
        let mut inner: Option<Vec<Item>> = None;
        while let Some(mut list) = self.0.pop() {
            list.extend(inner.take().map(Item::List));
            inner = Some(without_nothings(list));
        }
        inner.unwrap_or_default()
    }
}

/// Drops what does not count: nothings at the end and before letters.
fn without_nothings(mut list: Vec<Item>) -> Vec<Item> {
    for index in (0..list.len()).rev() {
        if list[index].is_nothing() && list.get(index + 1).is_none_or(Item::begins_with_letters) {
            list.remove(index);
        }
    }
    match <[Item; 1]>::try_from(list) {
        Ok([Item::List(only)]) => only,
        Ok([only]) => vec![only],
        Err(list) => list,
    }
}

fn parse(text: &str) -> Vec<Item> {
    let mut lists = Open(vec![Vec::new()]);
    let bytes = text.as_bytes();
    let (mut start, mut in_digits) = (0, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'.' | b'-' => {
                if at == start {
                    lists.add(Item::Number(String::new()));
                } else if *byte == b'-' && !in_digits && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
                    continue;
                } else {
                    lists.add(Item::parse(&text[start..at]));
                }
                start = at + 1;
                if *byte == b'-' && !lists.is_empty() {
                    lists.open_list();
                }
            }
            b'0'..=b'9' => {
                if !in_digits && at > start && !lists.is_empty() {
                    lists.open_list();
                }
                in_digits = true;
            }
            _ => {
                if in_digits && at > start {
                    lists.add(Item::parse(&text[start..at]));
                    start = at;
                    lists.open_list();
                }
                in_digits = false;
            }
        }
    }
    if start < text.len() {
        if !in_digits && !lists.is_empty() {
            lists.open_list();
        }
        lists.add(Item::parse(&text[start..]));
    }
    lists.close()
}
