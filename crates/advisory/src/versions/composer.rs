//! Composer's order: a version is brought into one form, as Composer's `VersionParser` does, and that is compared as
//! PHP's `version_compare` compares.
//!
//! The form is four numbers (fewer are filled with zeros), or a date; then perhaps a stability (alpha, beta, RC, or
//! patch) with numbers of its own, and perhaps `dev`. `2.1.x-dev`, the branch that will become 2.1, sorts after
//! everything that has been released of it. Named branches (`dev-main`) are no versions.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

use super::{compare_digits, ordered};

const MODIFIER: &str =
    r"[._-]?(?:(?<stability>stable|beta|b|rc|alpha|a|patch|pl|p)(?<number>(?:[.-]?\d+)*)?)?(?<dev>[.-]?dev)?";
/// In place of the numbers that a branch leaves open.
const OPEN: &str = "9999999";

static CLASSIC: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"(?i)^v?(\d{{1,5}}(?:\.\d+){{0,3}}){MODIFIER}$")).ok());
static DATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(r"(?i)^v?(\d{{4}}(?:[.:-]?\d{{2}}){{1,6}}(?:[.:-]?\d{{1,3}})?){MODIFIER}$")).ok()
});
static BRANCH: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)^v?(\d+(?:\.(?:\d+|[x*])){0,3})[.-]?dev$").ok());

/// One part of a version in its form, the kinds in the order in which they sort.
#[derive(Debug, Clone)]
enum Part {
    Dev,
    Alpha,
    Beta,
    Candidate,
    End,
    Number(String),
    Patch,
}

impl Part {
    fn height(&self) -> u8 {
        match self {
            Self::Dev => 0,
            Self::Alpha => 1,
            Self::Beta => 2,
            Self::Candidate => 3,
            Self::End => 4,
            Self::Number(_) => 5,
            Self::Patch => 6,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => compare_digits(a, b),
            _ => self.height().cmp(&other.height()),
        }
    }
}

/// A Composer version in its form.
#[derive(Debug, Clone)]
pub(super) struct Version(Vec<Part>);

impl Version {
    pub(super) fn parse(version: &str) -> Option<Self> {
        let text = version.trim();
        // Build metadata does not count.
        let text = text.split_once('+').map_or(text, |(text, _)| text);
        let classic = CLASSIC.as_ref()?.captures(text).map(|found| (found, 4));
        let Some((found, width)) = classic.or_else(|| Some((DATE.as_ref()?.captures(text)?, 0))) else {
            return Self::branch(text);
        };
        let mut parts: Vec<Part> = found[1].split(['.', ':', '-']).map(number).collect();
        while parts.len() < width {
            parts.push(number("0"));
        }
        let stability = found.name("stability").map(|stability| stability.as_str().to_ascii_lowercase());
        parts.extend(match stability.as_deref() {
            Some("stable") => return Some(Self(parts)),
            Some("alpha" | "a") => Some(Part::Alpha),
            Some("beta" | "b") => Some(Part::Beta),
            Some("rc") => Some(Part::Candidate),
            Some(_) => Some(Part::Patch),
            None => None,
        });
        let numbers = found.name("number").map_or("", |numbers| numbers.as_str());
        parts.extend(numbers.split(['.', '-']).filter(|digits| !digits.is_empty()).map(number));
        parts.extend(found.name("dev").map(|_| Part::Dev));
        Some(Self(parts))
    }

    fn branch(text: &str) -> Option<Self> {
        let found = BRANCH.as_ref()?.captures(text)?;
        let of_text =
            |part: &str| number(if part.eq_ignore_ascii_case("x") || part == "*" { OPEN } else { part });
        let mut parts: Vec<Part> = found[1].split('.').map(of_text).collect();
        while parts.len() < 4 {
            parts.push(number(OPEN));
        }
        parts.push(Part::Dev);
        Some(Self(parts))
    }

    fn compare(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.0, &other.0);
        (0..a.len().max(b.len()))
            .map(|index| a.get(index).unwrap_or(&Part::End).compare(b.get(index).unwrap_or(&Part::End)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

ordered!(Version);

fn number(digits: &str) -> Part {
    Part::Number(digits.to_owned())
}
