//! Sizes and times for people.

use std::time::Duration;

const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];

/// Bytes in the unit that fits: `535 B`, `8.5 KB`, `2.9 MB`. A unit is 1024 of the next smaller one.
pub(crate) fn bytes(count: u64) -> String {
    let (value, unit) = scaled(count);
    format!("{} {unit}", rounded(value))
}

/// How much of content has come, both in the unit of all of it: `2.84/2.86 MB`.
pub(crate) fn part_of(part: u64, all: u64) -> String {
    let (value, unit) = scaled(all);
    let share = if all == 0 { 1.0 } else { (part as f64 / all as f64).min(1.0) };
    format!("{:.2}/{} {unit:>2}", value * share, rounded(value))
}

/// Like [`part_of`], of content that has come as a whole: `2.86/2.86 MB`.
pub(crate) fn all_of(all: u64) -> String {
    let (value, unit) = scaled(all);
    format!("{0}/{0} {unit:>2}", rounded(value))
}

/// A number of bytes in the unit that fits.
fn scaled(count: u64) -> (f64, &'static str) {
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    (value, UNITS[unit])
}

/// Two digits behind the point of a small number, one or none of a large one.
fn rounded(value: f64) -> String {
    match value {
        value if value < 10.0 => trimmed(format!("{value:.2}")),
        value if value < 100.0 => trimmed(format!("{value:.1}")),
        value => format!("{value:.0}"),
    }
}

/// Without zeros at the end of a fraction, which the text must have.
fn trimmed(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A span of time in the unit that fits: `7ms`, `3s`, `2m5s`.
pub(crate) fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds, seconds / 60, seconds / 3600) {
        (0, ..) => format!("{}ms", span.as_millis()),
        (_, 0, _) => format!("{seconds}s"),
        (_, minutes, 0) => format!("{minutes}m{}s", seconds % 60),
        (_, minutes, hours) => format!("{hours}h{}m{}s", minutes % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans() {
        for (count, expected) in
            [(0, "0 B"), (1023, "1023 B"), (8704, "8.5 KB"), (3_000_000, "2.86 MB"), (1 << 40, "1 TB")]
        {
            assert_eq!(bytes(count), expected);
        }
        assert_eq!(part_of(2_980_000, 3_000_000), "2.84/2.86 MB");
        assert_eq!((all_of(3_000_000), all_of(2)), ("2.86/2.86 MB".to_owned(), "2/2  B".to_owned()));
        for (millis, expected) in [(7, "7ms"), (3_400, "3s"), (125_000, "2m5s"), (3_725_000, "1h2m5s")] {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
    }
}
