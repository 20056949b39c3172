//! Floating-point numbers as Go writes them (`strconv.FormatFloat`).

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `%e`: always with an exponent.
    Exponent,
    /// `%f`: never with an exponent.
    Fixed,
    /// `%g`: with an exponent when it is small or large.
    General,
}

/// Writes a number with so many digits after the point (`%e`, `%f`) or in all (`%g`), or as few as tell it
/// from every other number.
pub(crate) fn format(value: f64, style: Style, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    match (style, precision) {
        (Style::Fixed, None) => format!("{value}"),
        (Style::Fixed, Some(digits)) => format!("{value:.digits$}"),
        (Style::Exponent, None) => with_go_exponent(&format!("{value:e}")),
        (Style::Exponent, Some(digits)) => with_go_exponent(&format!("{value:.digits$e}")),
        (Style::General, precision) => general(value, precision),
    }
}

/// The shortest form that `%v` prints.
pub(crate) fn shortest(value: f64) -> String {
    format(value, Style::General, None)
}

/// `%g`: the exponent form when the exponent is under -4 or not under the number of digits (six when the
/// shortest form is wanted).
fn general(value: f64, precision: Option<usize>) -> String {
    let digits = precision.map(|digits| digits.max(1));
    let scientific = match digits {
        Some(digits) => format!("{value:.0$e}", digits - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let significant = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let trimmed = match digits {
        Some(_) if mantissa.contains('.') => mantissa.trim_end_matches('0').trim_end_matches('.'),
        _ => mantissa,
    };
    let threshold = match digits {
        None => 6,
        Some(digits) => i32::try_from(digits).unwrap_or(i32::MAX),
    };
    if exponent < -4 || exponent >= threshold {
        return with_go_exponent(&format!("{trimmed}e{exponent}"));
    }
    match digits {
        None => format!("{value}"),
        Some(_) => {
            let after_point = i32::try_from(significant).unwrap_or(i32::MAX) - 1 - exponent;
            let fixed = format!("{value:.0$}", usize::try_from(after_point).unwrap_or(0));
            if fixed.contains('.') {
                fixed.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                fixed
            }
        }
    }
}

/// Rust writes `1e6`, Go writes `1e+06`.
fn with_go_exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::{Style, format, shortest};

    #[test]
    fn the_shortest_form_is_go_s() {
        for (value, expected) in [
            (0.0, "0"),
            (535.0, "535"),
            (1.5, "1.5"),
            (-0.25, "-0.25"),
            (100_000.0, "100000"),
            (1_000_000.0, "1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (1e100, "1e+100"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(shortest(value), expected);
        }
    }

    #[test]
    fn precisions_are_go_s() {
        assert_eq!(format(1.5, Style::Fixed, Some(2)), "1.50");
        assert_eq!(format(1e6, Style::Fixed, None), "1000000");
        assert_eq!(format(1_234_567.0, Style::Exponent, Some(6)), "1.234567e+06");
        assert_eq!(format(1_234_567.0, Style::General, Some(3)), "1.23e+06");
        assert_eq!(format(100.0, Style::General, Some(3)), "100");
        assert_eq!(format(0.5, Style::General, Some(4)), "0.5");
    }
}
