//! sprig: dates, with Go's layouts (`2006-01-02 15:04:05`) and durations (`1h30m`).

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::format::quote;
use crate::value::Value;

use super::Parameter::{Any, Text};
use super::{Context, Function, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("now", &[], |context, _| now(context).map(|now| Value::Time(Box::new(now)))),
    Function::new("date", &[Text, Any], |context, values| {
        in_zone(context, text_of(&values[0]), &values[1], "Local")
    }),
    Function::new("dateInZone", &[Text, Any, Text], |context, values| {
        in_zone(context, text_of(&values[0]), &values[1], text_of(&values[2]))
    }),
    Function::new("date_in_zone", &[Text, Any, Text], |context, values| {
        in_zone(context, text_of(&values[0]), &values[1], text_of(&values[2]))
    }),
    Function::new("htmlDate", &[Any], |context, values| in_zone(context, "2006-01-02", &values[0], "Local")),
    Function::new("htmlDateInZone", &[Any, Text], |context, values| {
        in_zone(context, "2006-01-02", &values[0], text_of(&values[1]))
    }),
    Function::new("toDate", &[Text, Text], |context, values| {
        let parsed = parse(text_of(&values[0]), text_of(&values[1]), &local(context));
        Ok(Value::Time(Box::new(parsed.unwrap_or_else(|_| zero_time()))))
    }),
    Function::new("mustToDate", &[Text, Text], |context, values| {
        parse(text_of(&values[0]), text_of(&values[1]), &local(context))
            .map(|time| Value::Time(Box::new(time)))
    }),
    Function::new("unixEpoch", &[Any], |_, values| match &values[0] {
        Value::Time(time) => Ok(Value::text(time.timestamp().as_second().to_string())),
        other => Err(format!("wrong type for value; expected time.Time; got {}", other.type_name())),
    }),
    Function::new("dateModify", &[Text, Any], |_, values| {
        Ok(modify(text_of(&values[0]), &values[1]).unwrap_or_else(|_| values[1].clone()))
    }),
    Function::new("date_modify", &[Text, Any], |_, values| {
        Ok(modify(text_of(&values[0]), &values[1]).unwrap_or_else(|_| values[1].clone()))
    }),
    Function::new("mustDateModify", &[Text, Any], |_, values| modify(text_of(&values[0]), &values[1])),
    Function::new("must_date_modify", &[Text, Any], |_, values| modify(text_of(&values[0]), &values[1])),
    Function::new("ago", &[Any], |context, values| {
        let now = now(context)?;
        let then = moment(context, &values[0])?;
        let seconds = now.timestamp().as_second() - then.timestamp().as_second();
        Ok(Value::text(duration_text(SignedDuration::from_secs(seconds))))
    }),
    Function::new("duration", &[Any], |_, values| {
        let seconds = super::math::integer(&values[0]);
        Ok(Value::text(duration_text(SignedDuration::from_secs(seconds))))
    }),
    Function::new("durationRound", &[Any], |context, values| {
        let duration = match &values[0] {
            Value::Text(text) => parse_duration(text).unwrap_or_default(),
            Value::Int(nanoseconds) => SignedDuration::from_nanos(*nanoseconds),
            Value::Time(then) => now(context)?.timestamp().duration_since(then.timestamp()),
            _ => SignedDuration::ZERO,
        };
        Ok(Value::text(round(duration)))
    }),
];

fn now(context: &Context) -> Result<Zoned, String> {
    context.surroundings.now().ok_or_else(|| "there is no clock here".to_owned())
}

fn local(context: &Context) -> TimeZone {
    context.surroundings.now().map_or(TimeZone::UTC, |now| now.time_zone().clone())
}

fn zero_time() -> Zoned {
    DateTime::constant(1, 1, 1, 0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap_or_default()
}

/// The time that a value means: a time, or seconds since 1970; sprig takes anything else for now.
fn moment(context: &Context, value: &Value) -> Result<Zoned, String> {
    match value {
        Value::Time(time) => Ok((**time).clone()),
        Value::Int(seconds) => match Timestamp::from_second(*seconds) {
            Ok(timestamp) => Ok(timestamp.to_zoned(local(context))),
            Err(_) => Err(format!("{seconds} is not a time")),
        },
        _ => now(context),
    }
}

fn in_zone(context: &Context, layout: &str, value: &Value, zone: &str) -> Result<Value, String> {
    let zone = match zone {
        "Local" => local(context),
        "" | "UTC" => TimeZone::UTC,
        name => TimeZone::get(name).unwrap_or(TimeZone::UTC),
    };
    let time = moment(context, value)?.with_time_zone(zone);
    Ok(Value::text(format(layout, &time)))
}

fn modify(duration: &str, value: &Value) -> Result<Value, String> {
    let duration = parse_duration(duration)?;
    match value {
        Value::Time(time) => {
            let moved = time.checked_add(duration).map_err(|error| error.to_string())?;
            Ok(Value::Time(Box::new(moved)))
        }
        other => Err(format!("wrong type for value; expected time.Time; got {}", other.type_name())),
    }
}

/// A time as `fmt` prints it.
pub(crate) fn display(time: &Zoned) -> String {
    format("2006-01-02 15:04:05.999999999 -0700 MST", time)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A part of a layout that stands for a part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    ShortYear,
    Month,
    ShortMonth,
    MonthNumber { padded: bool },
    Day { pad: Option<char> },
    DayOfYear { pad: char },
    Weekday,
    ShortWeekday,
    Hour24,
    Hour12 { padded: bool },
    Minute { padded: bool },
    Second { padded: bool },
    HalfOfDay { upper: bool },
    ZoneName,
    Zone { zulu: bool, colons: bool, minutes: bool, seconds: bool },
    Fraction { digits: usize, trimmed: bool, mark: char },
}

/// Spellings of parts, longer ones first where one begins with another.
const SPELLINGS: &[(&str, Part)] = &[
    ("January", Part::Month),
    ("Monday", Part::Weekday),
    ("MST", Part::ZoneName),
    ("2006", Part::Year),
    ("15", Part::Hour24),
    ("002", Part::DayOfYear { pad: '0' }),
    ("__2", Part::DayOfYear { pad: ' ' }),
    ("01", Part::MonthNumber { padded: true }),
    ("02", Part::Day { pad: Some('0') }),
    ("03", Part::Hour12 { padded: true }),
    ("04", Part::Minute { padded: true }),
    ("05", Part::Second { padded: true }),
    ("06", Part::ShortYear),
    ("_2", Part::Day { pad: Some(' ') }),
    ("PM", Part::HalfOfDay { upper: true }),
    ("pm", Part::HalfOfDay { upper: false }),
    ("1", Part::MonthNumber { padded: false }),
    ("2", Part::Day { pad: None }),
    ("3", Part::Hour12 { padded: false }),
    ("4", Part::Minute { padded: false }),
    ("5", Part::Second { padded: false }),
    ("-07:00:00", Part::Zone { zulu: false, colons: true, minutes: true, seconds: true }),
    ("-070000", Part::Zone { zulu: false, colons: false, minutes: true, seconds: true }),
    ("-07:00", Part::Zone { zulu: false, colons: true, minutes: true, seconds: false }),
    ("-0700", Part::Zone { zulu: false, colons: false, minutes: true, seconds: false }),
    ("-07", Part::Zone { zulu: false, colons: false, minutes: false, seconds: false }),
    ("Z07:00:00", Part::Zone { zulu: true, colons: true, minutes: true, seconds: true }),
    ("Z070000", Part::Zone { zulu: true, colons: false, minutes: true, seconds: true }),
    ("Z07:00", Part::Zone { zulu: true, colons: true, minutes: true, seconds: false }),
    ("Z0700", Part::Zone { zulu: true, colons: false, minutes: true, seconds: false }),
    ("Z07", Part::Zone { zulu: true, colons: false, minutes: false, seconds: false }),
];

/// The part that a layout begins with, and the length of its spelling.
fn part_at(layout: &str) -> Option<(Part, usize)> {
    if layout.starts_with("_2006") {
        return None;
    }
    let lower_follows = |text: &str| text.starts_with(|c: char| c.is_ascii_lowercase());
    if let Some((spelling, part)) = SPELLINGS.iter().find(|(spelling, _)| layout.starts_with(spelling)) {
        return Some((*part, spelling.len()));
    }
    for (spelling, part) in [("Jan", Part::ShortMonth), ("Mon", Part::ShortWeekday)] {
        if layout.strip_prefix(spelling).is_some_and(|rest| !lower_follows(rest)) {
            return Some((part, spelling.len()));
        }
    }
    let mark = layout.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = layout[1..].bytes().next().filter(|b| matches!(b, b'0' | b'9'))?;
    let digits = layout[1..].bytes().take_while(|b| *b == digit).count();
    let more = layout[1 + digits..].starts_with(|c: char| c.is_ascii_digit());
    (!more).then_some((Part::Fraction { digits: digits.min(9), trimmed: digit == b'9', mark }, 1 + digits))
}

/// Writes a time in a layout.
fn format(layout: &str, time: &Zoned) -> String {
    let mut text = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        match part_at(rest) {
            Some((part, length)) => {
                text.push_str(&format_part(part, time));
                rest = &rest[length..];
            }
            None => {
                text.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    text
}

fn format_part(part: Part, time: &Zoned) -> String {
    let padded = |number: i8, padded: bool| if padded { format!("{number:02}") } else { number.to_string() };
    let month = usize::try_from(time.month() - 1).unwrap_or(0);
    let weekday = usize::try_from(time.weekday().to_monday_zero_offset()).unwrap_or(0);
    match part {
        Part::Year => format!("{:04}", time.year()),
        Part::ShortYear => format!("{:02}", time.year().rem_euclid(100)),
        Part::Month => MONTHS[month].to_owned(),
        Part::ShortMonth => MONTHS[month][..3].to_owned(),
        Part::MonthNumber { padded: pad } => padded(time.month(), pad),
        Part::Day { pad: Some(' ') } => format!("{:2}", time.day()),
        Part::Day { pad } => padded(time.day(), pad.is_some()),
        Part::DayOfYear { pad: '0' } => format!("{:03}", time.day_of_year()),
        Part::DayOfYear { .. } => format!("{:3}", time.day_of_year()),
        Part::Weekday => DAYS[weekday].to_owned(),
        Part::ShortWeekday => DAYS[weekday][..3].to_owned(),
        Part::Hour24 => padded(time.hour(), true),
        Part::Hour12 { padded: pad } => padded((time.hour() + 11) % 12 + 1, pad),
        Part::Minute { padded: pad } => padded(time.minute(), pad),
        Part::Second { padded: pad } => padded(time.second(), pad),
        Part::HalfOfDay { upper } => match (time.hour() >= 12, upper) {
            (true, true) => "PM".to_owned(),
            (true, false) => "pm".to_owned(),
            (false, true) => "AM".to_owned(),
            (false, false) => "am".to_owned(),
        },
        Part::ZoneName => time.time_zone().to_offset_info(time.timestamp()).abbreviation().to_owned(),
        Part::Zone { zulu, colons, minutes, seconds } => {
            format_offset(time.offset(), zulu, colons, minutes, seconds)
        }
        Part::Fraction { digits, trimmed, mark } => {
            let nanoseconds = format!("{:09}", time.subsec_nanosecond());
            let fraction = &nanoseconds[..digits];
            let fraction = if trimmed { fraction.trim_end_matches('0') } else { fraction };
            if fraction.is_empty() { String::new() } else { format!("{mark}{fraction}") }
        }
    }
}

fn format_offset(offset: Offset, zulu: bool, colons: bool, minutes: bool, seconds: bool) -> String {
    let total = offset.seconds();
    if zulu && total == 0 {
        return "Z".to_owned();
    }
    let sign = if total < 0 { '-' } else { '+' };
    let total = total.unsigned_abs();
    let colon = if colons { ":" } else { "" };
    let mut text = format!("{sign}{:02}", total / 3600);
    if minutes {
        text.push_str(&format!("{colon}{:02}", total / 60 % 60));
    }
    if seconds {
        text.push_str(&format!("{colon}{:02}", total % 60));
    }
    text
}

/// What was read of a time.
#[derive(Debug, Default)]
struct Read {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    hour: i8,
    afternoon: Option<bool>,
    minute: i8,
    second: i8,
    nanosecond: i32,
    offset: Option<Offset>,
}

/// Reads a time in a layout; without a zone it is in `zone`.
fn parse(layout: &str, text: &str, zone: &TimeZone) -> Result<Zoned, String> {
    let failed = || format!("parsing time {} as {}: cannot parse it", quote(text), quote(layout));
    let mut read = Read::default();
    let (mut layout_rest, mut rest) = (layout, text);
    while let Some(first) = layout_rest.chars().next() {
        match part_at(layout_rest) {
            Some((part, length)) => {
                rest = read.part(part, rest).ok_or_else(failed)?;
                layout_rest = &layout_rest[length..];
            }
            None => {
                rest = rest.strip_prefix(first).ok_or_else(failed)?;
                layout_rest = &layout_rest[first.len_utf8()..];
            }
        }
    }
    if !rest.is_empty() {
        return Err(failed());
    }
    let hour = match read.afternoon {
        Some(afternoon) => read.hour % 12 + if afternoon { 12 } else { 0 },
        None => read.hour,
    };
    let (month, day) = (read.month.unwrap_or(1), read.day.unwrap_or(1));
    let time = DateTime::new(read.year, month, day, hour, read.minute, read.second, read.nanosecond);
    let zone = read.offset.map_or_else(|| zone.clone(), |offset| offset.to_time_zone());
    time.and_then(|time| time.to_zoned(zone)).map_err(|_| failed())
}

impl Read {
    /// Reads one part from the start of a text and gives what follows it.
    fn part<'t>(&mut self, part: Part, text: &'t str) -> Option<&'t str> {
        let trimmed = text.trim_start_matches(' ');
        let (value, rest) = match part {
            Part::Year => number(text, 4, 4)?,
            Part::ShortYear => number(text, 2, 2)?,
            Part::Month | Part::ShortMonth => name(text, &MONTHS, part == Part::ShortMonth)?,
            Part::Weekday | Part::ShortWeekday => name(text, &DAYS, part == Part::ShortWeekday)?,
            Part::MonthNumber { padded } | Part::Hour12 { padded } => {
                number(text, 1 + usize::from(padded), 2)?
            }
            Part::Minute { padded } | Part::Second { padded } => number(text, 1 + usize::from(padded), 2)?,
            Part::Day { pad } => number(trimmed, 1 + usize::from(pad == Some('0')), 2)?,
            Part::Hour24 => number(text, 2, 2)?,
            Part::HalfOfDay { .. } => match text.get(..2)? {
                "AM" | "am" => (0, &text[2..]),
                "PM" | "pm" => (1, &text[2..]),
                _ => return None,
            },
            Part::DayOfYear { .. } => number(trimmed, 1, 3)?,
            Part::ZoneName => {
                let length = text.bytes().take_while(u8::is_ascii_uppercase).count();
                (i32::from(&text[..length] == "UTC"), text.get(length..).filter(|_| length >= 3)?)
            }
            Part::Zone { zulu, colons, minutes, seconds } => offset(text, zulu, colons, minutes, seconds)?,
            Part::Fraction { mark, .. } => fraction(text, mark),
        };
        let small = i8::try_from(value).unwrap_or(i8::MAX);
        match part {
            Part::Year => self.year = i16::try_from(value).ok()?,
            Part::ShortYear => {
                self.year = i16::try_from(if value >= 69 { 1900 + value } else { 2000 + value }).ok()?;
            }
            Part::Month | Part::ShortMonth => self.month = Some(small + 1),
            Part::MonthNumber { .. } => self.month = Some(small),
            Part::Day { .. } => self.day = Some(small),
            Part::Hour24 | Part::Hour12 { .. } => self.hour = small,
            Part::Minute { .. } => self.minute = small,
            Part::Second { .. } => self.second = small,
            Part::HalfOfDay { .. } => self.afternoon = Some(value == 1),
            Part::ZoneName if value == 1 => self.offset = Some(Offset::UTC),
            Part::Zone { .. } => self.offset = Some(Offset::from_seconds(value).ok()?),
            Part::Fraction { .. } => self.nanosecond = value,
            Part::Weekday | Part::ShortWeekday | Part::DayOfYear { .. } | Part::ZoneName => {}
        }
        Some(rest)
    }
}

fn number(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number = text.get(..digits).filter(|_| digits >= least)?.parse().ok()?;
    Some((number, &text[digits..]))
}

fn name<'t>(text: &'t str, names: &[&str], short: bool) -> Option<(i32, &'t str)> {
    let spelled = |name: &&str| if short { name[..3].to_owned() } else { (*name).to_owned() };
    let matches = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let position = names.iter().position(|name| matches(&spelled(name)))?;
    Some((i32::try_from(position).ok()?, &text[spelled(&names[position]).len()..]))
}

fn offset(text: &str, zulu: bool, colons: bool, minutes: bool, seconds: bool) -> Option<(i32, &str)> {
    if let Some(rest) = text.strip_prefix('Z').filter(|_| zulu) {
        return Some((0, rest));
    }
    let sign = match text.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (mut total, mut rest) = number(&text[1..], 2, 2).map(|(hours, rest)| (hours * 3600, rest))?;
    for (wanted, unit) in [(minutes, 60), (seconds, 1)] {
        if wanted {
            let digits = if colons { rest.strip_prefix(':')? } else { rest };
            let (value, after) = number(digits, 2, 2)?;
            total += value * unit;
            rest = after;
        }
    }
    Some((sign * total, rest))
}

/// Fractions may be missing, and may be longer than the layout says.
fn fraction(text: &str, mark: char) -> (i32, &str) {
    let Some(digits) = text.strip_prefix(mark) else { return (0, text) };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let nine: String = digits[..length].chars().chain("000000000".chars()).take(9).collect();
    (nine.parse().unwrap_or(0), &digits[length..])
}

/// Reads a duration such as `1h30m`, `-1.5s` or `300ms`.
fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_f64;
    while !rest.is_empty() {
        let length = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let value: f64 = rest[..length].parse().map_err(|_| invalid())?;
        rest = &rest[length..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let nanoseconds = match &rest[..unit] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "" => return Err(format!("time: missing unit in duration {}", quote(text))),
            other => return Err(format!("time: unknown unit {} in duration {}", quote(other), quote(text))),
        };
        total += value * nanoseconds;
        rest = &rest[unit..];
    }
    if !total.is_finite() || total > 9.2e18 {
        return Err(invalid());
    }
    let seconds = SignedDuration::try_from_secs_f64(total / 1e9).map_err(|_| invalid())?;
    Ok(if negative { -seconds } else { seconds })
}

/// A duration as Go prints it: `1h2m3.5s`, `300ms`, `0s`.
pub(crate) fn duration_text(duration: SignedDuration) -> String {
    let nanoseconds = duration.as_nanos().unsigned_abs();
    let sign = if duration.is_negative() { "-" } else { "" };
    let decimal = |value: u128, unit: u128| {
        let fraction = format!("{:0width$}", value % unit, width = unit.ilog10() as usize);
        let fraction = if unit == 1 { "" } else { fraction.trim_end_matches('0') };
        if fraction.is_empty() { format!("{}", value / unit) } else { format!("{}.{fraction}", value / unit) }
    };
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{nanoseconds}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(nanoseconds, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(nanoseconds, 1_000_000)),
        _ => {
            let second = 1_000_000_000;
            let (hours, minutes) = (nanoseconds / (3600 * second), nanoseconds / (60 * second) % 60);
            let seconds = decimal(nanoseconds % (60 * second), second);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// A duration in its largest unit: `2h`.
fn round(duration: SignedDuration) -> String {
    let nanoseconds = duration.as_nanos().unsigned_abs();
    let second = 1_000_000_000_u128;
    let units = [
        (365 * 86400 * second, "y"),
        (30 * 86400 * second, "mo"),
        (86400 * second, "d"),
        (3600 * second, "h"),
        (60 * second, "m"),
        (second, "s"),
    ];
    let unit = units.iter().find(|(size, _)| nanoseconds > *size);
    unit.map_or_else(|| "0s".to_owned(), |(size, name)| format!("{}{name}", nanoseconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Zoned {
        "2009-02-03T04:05:06.007+01:00[+01:00]".parse().expect("a time")
    }

    #[test]
    fn layouts_are_go_s() {
        for (layout, expected) in [
            ("2006-01-02 15:04:05", "2009-02-03 04:05:06"),
            ("Mon Jan _2 15:04:05 2006", "Tue Feb  3 04:05:06 2009"),
            ("Monday, 02-Jan-06 3:04PM", "Tuesday, 03-Feb-09 4:05AM"),
            ("2006-01-02T15:04:05.999999999Z07:00", "2009-02-03T04:05:06.007+01:00"),
            ("15:04:05.000", "04:05:06.007"),
            ("January 2", "February 3"),
            ("-0700 002", "+0100 034"),
            ("Janet", "Janet"),
        ] {
            assert_eq!(format(layout, &moment()), expected, "{layout}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        for layout in [
            "2006-01-02T15:04:05.000Z07:00",
            "Mon Jan _2 15:04:05.000 -0700 2006",
            "02/01/06 03:04:05.000 pm -07",
        ] {
            let text = format(layout, &moment());
            let read = parse(layout, &text, &TimeZone::UTC).expect(layout);
            assert_eq!(read.timestamp(), moment().timestamp(), "{layout}");
        }
        assert!(parse("2006-01-02", "2009-13-01", &TimeZone::UTC).is_err());
        assert!(parse("2006-01-02", "2009-01-01x", &TimeZone::UTC).is_err());
    }

    #[test]
    fn durations_are_go_s() {
        for text in ["1h30m0s", "1.5s", "300ms", "-2m0s", "0s", "15µs"] {
            assert_eq!(duration_text(parse_duration(text).expect(text)), text);
        }
        assert_eq!(duration_text(SignedDuration::from_secs(3661)), "1h1m1s");
        assert_eq!(round(SignedDuration::from_hours(50)), "2d");
        assert!(parse_duration("5").is_err() && parse_duration("h").is_err());
    }
}
