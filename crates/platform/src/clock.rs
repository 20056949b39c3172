//! The platform's one home of time: microseconds since the epoch, from a clock that the binary hands in.

pub use tidewaiter_registry::Clock;

/// Microseconds since the epoch, as the database stores times.
pub type Micros = i64;

/// Microseconds in a second.
pub const SECOND: Micros = 1_000_000;

/// RFC 3339 in UTC with whole seconds, as the API shows times.
#[must_use]
pub fn rfc3339(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_utc_with_whole_seconds() {
        assert_eq!(rfc3339(1_704_067_200 * SECOND + 999_999), "2024-01-01T00:00:00Z");
        assert_eq!(rfc3339(i64::MAX), "");
    }
}
