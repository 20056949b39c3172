//! A short file of what is to be ignored, in TOML. A reason is needed, a date is wise:
//!
//! ```toml
//! [[ignore]]
//! id = "CVE-2024-1234"
//! package = "pkg:npm/lodash"   # optional: a package URL, as far as it is to be looked at, or a name
//! until = "2026-12-31"         # optional: the last day
//! reason = "the template function is never called"
//! ```

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Product, Statement, VexStatus};

/// Why a file of what is to be ignored cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadIgnoreError {
    /// It is not what it should be.
    #[error("{0}")]
    Damaged(String),
    /// An entry says no reason.
    #[error("the entry for {id} says no reason; write why it may be ignored")]
    NoReason {
        /// The vulnerability.
        id: String,
    },
    /// A date is none.
    #[error("{text:?} in the entry for {id} is no date; write it as 2026-12-31")]
    BadDate {
        /// The vulnerability.
        id: String,
        /// What stands there.
        text: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    ignore: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    package: Option<String>,
    until: Option<String>,
    #[serde(default)]
    reason: String,
}

pub(super) fn read(
    name: &str,
    text: &str,
    now: Timestamp,
) -> Result<(Vec<Statement>, Vec<String>), ReadIgnoreError> {
    let file: File =
        toml::from_str(text).map_err(|error| ReadIgnoreError::Damaged(error.message().to_owned()))?;
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut statements = Vec::new();
    let mut expired = Vec::new();
    for entry in file.ignore {
        if entry.reason.trim().is_empty() {
            return Err(ReadIgnoreError::NoReason { id: entry.id });
        }
        if let Some(until) = entry.until {
            let Ok(date) = until.parse::<Date>() else {
                return Err(ReadIgnoreError::BadDate { id: entry.id, text: until });
            };
            if date < today {
                expired.push(format!(
                    "{name}: the entry for {} ended on {until} and does not count any more",
                    entry.id
                ));
                continue;
            }
        }
        let products = entry.package.map(|package| Product { id: String::new(), parts: vec![package] });
        statements.push(Statement {
            document: name.to_owned(),
            author: String::new(),
            vulnerability: vec![entry.id],
            products: products.into_iter().collect(),
            status: VexStatus::NotAffected,
            justification: None,
            text: Some(entry.reason),
            at: None,
        });
    }
    Ok((statements, expired))
}
