//! Until when releases of distributions are supported.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tidewaiter_inventory::Distro;

use super::Database;
use super::layout::Section;
use crate::feeds::support::Cycle;

/// When the support of a release ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndOfSupport {
    /// The day, `YYYY-MM-DD`.
    pub(crate) date: String,
    /// The beginning of that day.
    pub(crate) at: Timestamp,
}

impl Database {
    /// When the support of a release ends; `None` when nobody said.
    pub(crate) fn end_of_support(&self, distro: &Distro) -> Option<EndOfSupport> {
        let version = distro.version_id.as_deref()?;
        let cycles: Vec<Cycle> = serde_json::from_slice(self.section(Section::Support)).ok()?;
        let is_of = |cycle: &Cycle| {
            let rest = version.strip_prefix(cycle.version.as_str());
            cycle.id == distro.id && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let cycle = cycles.into_iter().filter(is_of).max_by_key(|cycle| cycle.version.len())?;
        let at = cycle.end.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(EndOfSupport { date: cycle.end, at })
    }
}
