//! How bad an advisory is: severities, the sources they are taken from, and CVSS vectors.

use serde::{Deserialize, Serialize};

/// How bad it is, from least to worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody said.
    #[default]
    Unknown,
    /// Of no practical consequence (Debian's *unimportant*, a CVSS score of 0).
    Negligible,
    /// Low.
    Low,
    /// Medium, or moderate.
    Medium,
    /// High, or important.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// Every severity, from least to worst.
    pub const ALL: [Self; 6] =
        [Self::Unknown, Self::Negligible, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name in lower case, as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads the words that databases rate with, in any case: GitHub's, Red Hat's, plain ones.
    pub(crate) fn from_rating(rating: &str) -> Option<Self> {
        match rating.to_ascii_lowercase().as_str() {
            "negligible" | "none" | "unimportant" => Some(Self::Negligible),
            "low" => Some(Self::Low),
            "medium" | "moderate" => Some(Self::Medium),
            "high" | "important" => Some(Self::High),
            "critical" => Some(Self::Critical),
            _ => None,
        }
    }

    pub(crate) fn to_byte(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

/// The text names no severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are the severities critical, high, medium, low, negligible and unspecified")]
pub struct UnknownSeverity;

impl std::str::FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, UnknownSeverity> {
        match text.to_ascii_lowercase().as_str() {
            "unspecified" | "unknown" => Ok(Self::Unknown),
            other => Self::ALL.into_iter().find(|severity| severity.as_str() == other).ok_or(UnknownSeverity),
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who said how bad it is. The first of these that says anything is believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeveritySource {
    /// The distribution, for this package in this release (Debian's *urgency*).
    Distribution,
    /// The CVSS vector of the record: version 4 before 3 before 2.
    Cvss,
    /// The rating of the database that the record comes from (GitHub's, for example).
    Rating,
    /// Another record of the same vulnerability; for a Debian announcement the worst of the CVEs it stands
    /// for.
    Alias,
    /// The record reports malware: having it installed is critical whatever it does.
    Malware,
    /// Nobody.
    #[default]
    Nobody,
}

impl SeveritySource {
    const ALL: [Self; 6] =
        [Self::Distribution, Self::Cvss, Self::Rating, Self::Alias, Self::Malware, Self::Nobody];

    pub(crate) fn to_byte(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

/// A CVSS vector and its score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The vector as the record spells it, for example `CVSS:3.1/AV:N/…`.
    pub vector: String,
    /// The score of the vector, from 0 to 10.
    pub value: f64,
}

/// A vector that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cvss {
    pub(crate) vector: String,
    /// The score in tenths, from 0 to 100: CVSS rounds to one decimal.
    pub(crate) tenths: u8,
    pub(crate) severity: Severity,
}

impl Cvss {
    /// The vector to believe: version 4 before 3 before 2, and of the same version the one listed first.
    /// Vectors that cannot be read are passed over.
    pub(crate) fn best<'a>(vectors: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut best: Option<(u8, Self)> = None;
        for vector in vectors {
            let Ok(parsed) = vector.parse::<cvss::Cvss>() else { continue };
            let version = match parsed {
                cvss::Cvss::CvssV40(_) => 4,
                cvss::Cvss::CvssV31(_) | cvss::Cvss::CvssV30(_) => 3,
                _ => 2,
            };
            if best.as_ref().is_none_or(|(known, _)| *known < version) {
                best = Some((version, Self::scored(vector, version, parsed.score())));
            }
        }
        best.map(|(_, cvss)| cvss)
    }

    fn scored(vector: &str, version: u8, score: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100")]
        let tenths = (score * 10.0).round().clamp(0.0, 100.0) as u8;
        Self { vector: vector.to_owned(), tenths, severity: severity_of_score(version, tenths) }
    }
}

/// The rating scale of the specifications. Version 2 has no *critical*.
fn severity_of_score(version: u8, tenths: u8) -> Severity {
    match tenths {
        0 => Severity::Negligible,
        1..40 => Severity::Low,
        40..70 => Severity::Medium,
        70..90 => Severity::High,
        _ if version == 2 => Severity::High,
        _ => Severity::Critical,
    }
}
