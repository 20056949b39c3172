//! Why a component is affected, as data and as a sentence that a person can check.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::lookup::Target;
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

impl<'a> How<'a> {
    /// How the range ends, if it is one.
    pub(super) fn end(self) -> Option<End<'a>> {
        match self {
            Self::Range(Interval { end, .. }) => Some(end),
            Self::Listed => None,
        }
    }

    /// The version that is no longer affected, if the record names one.
    pub(super) fn fix(self) -> Option<&'a str> {
        match self.end() {
            Some(End::Fixed(version)) => Some(version),
            _ => None,
        }
    }
}

impl RecordMatch {
    pub(super) fn new(record: &str, target: &Target<'_, '_, '_>, ecosystem: &str, how: How<'_>) -> Self {
        let introduced = match how {
            How::Range(Interval { introduced, .. }) => Some(introduced),
            How::Listed => None,
        };
        let end = how.end().unwrap_or(End::Open);
        Self {
            record: record.to_owned(),
            ecosystem: ecosystem.to_owned(),
            package: target.package.clone().into_owned(),
            version: target.version.to_owned(),
            introduced: introduced.filter(|version| *version != BEGINNING).map(str::to_owned),
            fixed: if let End::Fixed(version) = end { Some(version.to_owned()) } else { None },
            last_affected: if let End::LastAffected(version) = end { Some(version.to_owned()) } else { None },
            listed: how == How::Listed,
        }
    }

    /// Whether another record says exactly this.
    fn agrees_with(&self, other: &Self) -> bool {
        let said =
            |one: &Self| (one.introduced.clone(), one.fixed.clone(), one.last_affected.clone(), one.listed);
        said(self) == said(other)
    }

    /// What the record calls affected, to follow "affected in".
    fn affected(&self) -> String {
        if self.listed {
            return format!("exactly version {}", self.version);
        }
        match (&self.introduced, &self.fixed, &self.last_affected) {
            (None, Some(fixed), _) => format!("versions before {fixed}"),
            (Some(first), Some(fixed), _) => {
                format!("versions from {first} up to, but not including, {fixed}")
            }
            (None, None, Some(last)) => format!("versions up to and including {last}, and names no fix"),
            (Some(first), None, Some(last)) => format!("versions from {first} to {last}, and names no fix"),
            (Some(first), None, None) => format!("every version from {first} on, and knows no fix"),
            (None, None, None) => "every version, and knows no fix".to_owned(),
        }
    }
}

/// Puts the reason into words: what each record says, then what is installed.
pub(super) fn explain(
    matches: Vec<RecordMatch>,
    target: &Target<'_, '_, '_>,
    component: &str,
) -> Explanation {
    let mut text = String::new();
    let kind = if target.is_source { "source package" } else { "package" };
    let subject = format!("{} {kind} {}", target.scope.label, target.package);
    for (place, one) in matches.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = match matches[..place].iter().find(|other| one.agrees_with(other)) {
            Some(_) => write!(text, "{} says the same. ", one.record),
            None if place == 0 => {
                write!(text, "{} lists {subject} as affected in {}. ", one.record, one.affected())
            }
            None => write!(text, "{} lists {}. ", one.record, one.affected()),
        };
    }
    let _ = match target.is_source {
        true => write!(text, "{component} is built from {} {}.", target.package, target.version),
        false => write!(text, "Version {} is installed.", target.version),
    };
    Explanation { text, matches }
}
