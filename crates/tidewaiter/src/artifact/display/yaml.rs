//! Texts as YAML scalars, as Go's `yaml.v3` writes them: plain where reading them back gives a text, in quotes
//! where it would give something else.

/// A text as a scalar.
pub(crate) fn scalar(text: &str) -> String {
    if text.contains('\n') {
        return literal(text);
    }
    if means_something_else(text) {
        return double_quoted(text);
    }
    if is_plain(text) {
        return text.to_owned();
    }
    if text.chars().all(is_printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    double_quoted(text)
}

/// A text of several lines.
fn literal(text: &str) -> String {
    let mark = match (text.ends_with("\n\n") || text == "\n", text.ends_with('\n')) {
        (true, _) => "|+",
        (false, true) => "|",
        (false, false) => "|-",
    };
    let lines: Vec<String> =
        text.trim_end_matches('\n').lines().map(|line| format!("    {line}").trim_end().to_owned()).collect();
    format!("{mark}\n{}", lines.join("\n"))
}

/// Unquoted it would be read as null, a truth value, a number or a time.
fn means_something_else(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "y", "Y", "yes",
        "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF", ".nan", ".NaN",
        ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", "<<",
    ];
    WORDS.contains(&text) || is_number(text) || is_time(text)
}

fn is_number(text: &str) -> bool {
    let plain = text.replace('_', "");
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let digits = |text: &str, radix: u32| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    let lower = unsigned.to_ascii_lowercase();
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)];
    if prefixed
        .iter()
        .any(|(prefix, radix)| lower.strip_prefix(prefix).is_some_and(|rest| digits(rest, *radix)))
    {
        return true;
    }
    // Digits in groups of sixty, such as 1:30.
    let groups: Vec<&str> = unsigned.split(':').collect();
    if groups.len() > 1 {
        let last = groups[groups.len() - 1].split('.').next().unwrap_or_default();
        let rest = groups[1..groups.len() - 1].iter().copied().chain([last]);
        return digits(groups[0], 10) && rest.into_iter().all(|g| digits(g, 10) && g.len() <= 2 && g < "60");
    }
    let (mantissa, exponent) = match lower.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (lower.as_str(), None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_decimal = match (whole, fraction) {
        ("", fraction) => mantissa.starts_with('.') && digits(fraction, 10),
        (whole, "") => digits(whole, 10),
        (whole, fraction) => digits(whole, 10) && digits(fraction, 10),
    };
    is_decimal && exponent.is_none_or(|exponent| digits(exponent, 10))
}

/// A date, or a date and a time: `2006-1-2`, `2006-1-2T15:4:5.999Z`, `2006-1-2 15:4:5`.
fn is_time(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(position) => (&text[..position], Some(&text[position + 1..])),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let number = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let is_date = match parts[..] {
        [year, month, day] => year.len() == 4 && number(year, 4) && number(month, 2) && number(day, 2),
        _ => false,
    };
    is_date && time.is_none_or(|time| is_time_of_day(time, text.contains(' ')))
}

fn is_time_of_day(text: &str, after_blank: bool) -> bool {
    let zone = text.find(['Z', '+', '-']);
    let (clock, zone) = zone.map_or((text, ""), |position| text.split_at(position));
    if zone.is_empty() != after_blank {
        return false;
    }
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let parts: Vec<&str> = clock.split(':').collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let zone_fits = zone == "Z" || zone.is_empty() || (zone.len() == 6 && zone.as_bytes()[3] == b':');
    parts.len() == 3
        && parts.iter().all(|part| digits(part) && part.len() <= 2)
        && digits(fraction)
        && zone_fits
}

/// Nothing in it is YAML's own.
fn is_plain(text: &str) -> bool {
    let mut characters = text.chars();
    let (Some(first), second) = (characters.next(), characters.next()) else { return false };
    let indicator = match first {
        ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
            true
        }
        '-' | '?' | ':' => second.is_none_or(|c| c == ' '),
        _ => false,
    };
    let starts_document = text.starts_with("---") || text.starts_with("...");
    let inside = text.contains(": ") || text.contains(" #") || text.ends_with(':') || text.contains('\t');
    let blanks = text.starts_with(' ') || text.ends_with(' ');
    !(indicator || starts_document || inside || blanks) && text.chars().all(is_printable)
}

fn is_printable(character: char) -> bool {
    !character.is_control() && character != '\u{feff}' && !matches!(character, '\u{2028}' | '\u{2029}')
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\0' => quoted.push_str("\\0"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\r' => quoted.push_str("\\r"),
            '\u{1b}' => quoted.push_str("\\e"),
            '\u{2028}' => quoted.push_str("\\L"),
            '\u{2029}' => quoted.push_str("\\P"),
            '\u{feff}' => quoted.push_str("\\uFEFF"),
            control if control.is_control() => quoted.push_str(&format!("\\x{:02X}", control as u32)),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn scalars_read_back_as_texts() {
        for (text, expected) in [
            ("v", "v"),
            ("hello world", "hello world"),
            ("2026-11-20T22:20:59Z", "\"2026-11-20T22:20:59Z\""),
            ("2026-11-20", "\"2026-11-20\""),
            ("2026-11-20 22:20:59", "\"2026-11-20 22:20:59\""),
            ("1.0", "\"1.0\""),
            ("42", "\"42\""),
            ("-1e3", "\"-1e3\""),
            ("0x1F", "\"0x1F\""),
            ("1_000", "\"1_000\""),
            ("12:30", "\"12:30\""),
            ("1.2.3", "1.2.3"),
            ("sha256:abc", "sha256:abc"),
            ("true", "\"true\""),
            ("yes", "\"yes\""),
            ("null", "\"null\""),
            ("~", "\"~\""),
            ("", "\"\""),
            ("a: b", "'a: b'"),
            ("it's #1", "'it''s #1'"),
            ("#tag", "'#tag'"),
            ("- item", "'- item'"),
            ("-item", "-item"),
            ("[x]", "'[x]'"),
            ("{\"a\":1}", "'{\"a\":1}'"),
            ("@x", "'@x'"),
            (" x", "' x'"),
            ("tab\there", "\"tab\\there\""),
            ("a\nb", "|-\n    a\n    b"),
            ("a\n", "|\n    a"),
            ("https://example.com/a?b=c", "https://example.com/a?b=c"),
        ] {
            assert_eq!(scalar(text), expected, "{text:?}");
        }
    }
}
