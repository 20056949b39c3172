//! Version orders: one file per scheme, all of them total.
//!
//! Advisory ranges are only as good as the order they are walked with, so every scheme follows its own
//! package manager exactly, and has an answer for every string: what is not a version of the scheme still
//! has one fixed place in the order (each file says which). Preparing a version parses it once; comparing
//! prepared versions allocates nothing.

mod apk;
mod dpkg;
mod gem;
mod pep440;
mod semver;

use std::cmp::Ordering;

/// How the versions of an ecosystem are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Debian's order, as `dpkg --compare-versions` has it.
    Dpkg,
    /// Alpine's order, as apk-tools 3 has it.
    Apk,
    /// SemVer 2.0 precedence, read leniently: npm, Go, Rust, and every OSV `SEMVER` range.
    SemVer,
    /// Python's order, PEP 440.
    Pep440,
    /// RubyGems' order.
    Gem,
}

impl Scheme {
    /// The scheme of an OSV ecosystem such as `Debian:12`, `npm` or `PyPI`; `None` when we cannot order it.
    #[must_use]
    pub fn of_ecosystem(ecosystem: &str) -> Option<Self> {
        match ecosystem.split(':').next().unwrap_or_default() {
            "Debian" => Some(Self::Dpkg),
            "Alpine" => Some(Self::Apk),
            "npm" | "Go" | "crates.io" => Some(Self::SemVer),
            "RubyGems" => Some(Self::Gem),
            "PyPI" => Some(Self::Pep440),
            _ => None,
        }
    }

    /// Compares two versions. Total: strings that are not versions have a fixed place too.
    #[must_use]
    pub fn compare(self, a: &str, b: &str) -> Ordering {
        self.prepare(a).cmp(&self.prepare(b))
    }

    /// Parses a version once, for comparing it many times.
    #[must_use]
    pub fn prepare(self, version: &str) -> Prepared<'_> {
        Prepared(match self {
            Self::Dpkg => Inner::Dpkg(dpkg::Version::new(version)),
            Self::Apk => Inner::Apk(apk::Version::new(version)),
            Self::SemVer => Inner::SemVer(semver::Version::new(version)),
            Self::Pep440 => Inner::Pep440(pep440::Version::new(version)),
            Self::Gem => Inner::Gem(gem::Version::new(version)),
        })
    }

    /// Whether the string is a version of this scheme, so that its place in the order means something.
    #[must_use]
    pub fn is_valid(self, version: &str) -> bool {
        match self {
            Self::Dpkg => dpkg::Version::new(version).is_valid(),
            Self::Apk => apk::Version::new(version).is_valid(),
            Self::SemVer => semver::Version::new(version).is_valid(),
            Self::Pep440 => pep440::Version::new(version).is_valid(),
            Self::Gem => gem::Version::new(version).is_valid(),
        }
    }

    /// The name people know the scheme by, for explanations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "Debian",
            Self::Apk => "Alpine",
            Self::SemVer => "SemVer",
            Self::Pep440 => "Python",
            Self::Gem => "RubyGems",
        }
    }
}

/// A parsed version. Only versions of the same [`Scheme`] compare meaningfully.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prepared<'a>(Inner<'a>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Inner<'a> {
    Dpkg(dpkg::Version<'a>),
    Apk(apk::Version<'a>),
    SemVer(semver::Version<'a>),
    Pep440(pep440::Version<'a>),
    Gem(gem::Version<'a>),
}

/// Orders two runs of ASCII digits by value, whatever their length: no number is too big for a version.
fn compare_digits(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Splits off the leading run of ASCII digits.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

#[cfg(test)]
mod tests;
