//! Why a component is affected, as data and as a sentence that a person can check.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::Target;
use crate::range::{BEGINNING, End, Interval};

/// Why a component is affected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The whole reason in a few sentences.
    pub text: String,
    /// What each record says, one for each range that the version lies in.
    pub matches: Vec<RecordMatch>,
}

/// The range of a record that a version lies in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordMatch {
    /// Id of the record.
    pub record: String,
    /// Ecosystem it speaks of, for example `Debian:12`.
    pub ecosystem: String,
    /// Package it names; for distributions the source package.
    pub package: String,
    /// The version that was compared; for distributions that of the source package.
    pub version: String,
    /// First affected version; `None` when all earlier ones are, too.
    pub introduced: Option<String>,
    /// First version that is not affected any more.
    pub fixed: Option<String>,
    /// Last affected version, when the record names that instead.
    pub last_affected: Option<String>,
    /// The record lists exactly this version, rather than a range.
    pub listed: bool,
}

/// How a version matches an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How<'a> {
    /// It lies in a range.
    Range(Interval<'a>),
    /// It is listed.
    Listed,
}

impl RecordMatch {
    pub(super) fn new(record: &str, target: &Target<'_>, how: How<'_>) -> Self {
        let (introduced, end) = match how {
            How::Range(Interval { introduced, end }) => (Some(introduced), end),
            How::Listed => (None, End::Open),
        };
        Self {
            record: record.to_owned(),
            ecosystem: target.ecosystem.to_owned(),
            package: target.package.clone().into_owned(),
            version: target.version.to_owned(),
            introduced: introduced.filter(|version| *version != BEGINNING).map(str::to_owned),
            fixed: if let End::Fixed(version) = end { Some(version.to_owned()) } else { None },
            last_affected: if let End::LastAffected(version) = end { Some(version.to_owned()) } else { None },
            listed: how == How::Listed,
        }
    }

    /// The affected versions in words, to follow "affects".
    fn affected(&self) -> String {
        if self.listed {
            return format!("exactly version {}", self.version);
        }
        match (&self.introduced, &self.fixed, &self.last_affected) {
            (None, Some(fixed), _) => format!("versions before {fixed}"),
            (Some(introduced), Some(fixed), _) => {
                format!("versions from {introduced} up to, but not including, {fixed}")
            }
            (None, None, Some(last)) => format!("versions up to and including {last}"),
            (Some(introduced), None, Some(last)) => {
                format!("versions from {introduced} up to and including {last}")
            }
            (Some(introduced), None, None) => format!("versions from {introduced} on, with no fix known"),
            (None, None, None) => "every version, with no fix known".to_owned(),
        }
    }
}

/// Puts the reason into words.
pub(super) fn explain(matches: Vec<RecordMatch>, target: &Target<'_>) -> Explanation {
    let mut text = String::new();
    let installed = if target.is_source { "The installed source version" } else { "The installed version" };
    for (place, one) in matches.iter().enumerate() {
        let subject =
            if place == 0 { format!("{} package {}", one.ecosystem, one.package) } else { "it".to_owned() };
        let verb = if place == 0 { "says that" } else { "says the same:" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{} {verb} {subject} is affected in {}. ", one.record, one.affected());
    }
    let _ = write!(text, "{installed} is {}.", target.version);
    Explanation { text, matches }
}
