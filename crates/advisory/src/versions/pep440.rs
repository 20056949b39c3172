//! Python's version order, PEP 440.
//!
//! What is not a PEP 440 version (some very old releases) sorts below every version, as the legacy
//! versions of setuptools did, and among itself byte by byte.

use std::cmp::Ordering;
use std::str::FromStr;

/// A Python version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version<'a> {
    /// Not a version.
    Other(&'a str),
    /// A PEP 440 version.
    Parsed(pep440_rs::Version),
}

impl<'a> Version<'a> {
    pub(super) fn new(version: &'a str) -> Self {
        pep440_rs::Version::from_str(version).map_or(Self::Other(version), Self::Parsed)
    }

    pub(super) fn is_valid(&self) -> bool {
        matches!(self, Self::Parsed(_))
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a.cmp(b),
            (Self::Other(_), Self::Parsed(_)) => Ordering::Less,
            (Self::Parsed(_), Self::Other(_)) => Ordering::Greater,
            (Self::Parsed(a), Self::Parsed(b)) => a.cmp(b),
        }
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
