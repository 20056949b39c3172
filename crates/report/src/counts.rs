//! How much is wrong, by severity.

use std::iter::Sum;

use serde::{Deserialize, Serialize};
use tidewaiter_advisory::Severity;

/// Numbers of findings by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Critical.
    pub critical: u64,
    /// High.
    pub high: u64,
    /// Medium.
    pub medium: u64,
    /// Low, with what is negligible.
    pub low: u64,
    /// Nobody said.
    pub unspecified: u64,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, severity: Severity) {
        let count = match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low | Severity::Negligible => &mut self.low,
            Severity::Unknown => &mut self.unspecified,
        };
        *count += 1;
    }

    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.critical + self.high + self.medium + self.low + self.unspecified
    }

    /// Number and letter of each severity, the worst first; what is unspecified only when there is any.
    #[must_use]
    pub fn columns(self) -> Vec<(u64, char)> {
        let mut columns = vec![(self.critical, 'C'), (self.high, 'H'), (self.medium, 'M'), (self.low, 'L')];
        if self.unspecified > 0 {
            columns.push((self.unspecified, '?'));
        }
        columns
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::default(), |sum, one| Self {
            critical: sum.critical + one.critical,
            high: sum.high + one.high,
            medium: sum.medium + one.medium,
            low: sum.low + one.low,
            unspecified: sum.unspecified + one.unspecified,
        })
    }
}
