//! Numbers, characters and strings as templates spell them.

use crate::format::quote;
use crate::node::OperandValue;

/// A number or a character constant.
pub(crate) fn number(text: &str) -> Result<OperandValue, String> {
    let illegal = || format!("illegal number syntax: {}", quote(text));
    if let Some(inner) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        let unescaped = unescape(inner).ok_or_else(|| format!("malformed character constant: {text}"))?;
        let mut characters = unescaped.chars();
        return match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(OperandValue::Int(i64::from(character as u32), text.to_owned())),
            _ => Err(format!("malformed character constant: {text}")),
        };
    }
    let clean = text.replace('_', "").to_ascii_lowercase();
    let unsigned = clean.trim_start_matches(['+', '-']);
    let negative = clean.starts_with('-');
    let parsed = match unsigned.as_bytes() {
        [b'0', b'x', ..] => i64::from_str_radix(&unsigned[2..], 16).ok(),
        [b'0', b'b', ..] => i64::from_str_radix(&unsigned[2..], 2).ok(),
        [b'0', b'o', ..] => i64::from_str_radix(&unsigned[2..], 8).ok(),
        [b'0', _, ..] if !unsigned.contains(['.', 'e']) => i64::from_str_radix(unsigned, 8).ok(),
        _ => unsigned.parse().ok(),
    };
    if let Some(value) = parsed {
        return Ok(OperandValue::Int(if negative { -value } else { value }, text.to_owned()));
    }
    if !unsigned.contains(['.', 'e']) || unsigned.starts_with("0x") {
        return Err(format!("integer overflow: {}", quote(text)));
    }
    let value: f64 = unsigned.parse().map_err(|_| illegal())?;
    let value = if negative { -value } else { value };
    // Go takes a constant such as 1e3 for an integer wherever one fits.
    let whole = value.fract() == 0.0 && value.abs() < 9e15 && !unsigned.contains('.');
    match whole.then(|| format!("{value:.0}").parse().ok()).flatten() {
        Some(integer) => Ok(OperandValue::Int(integer, text.to_owned())),
        None => Ok(OperandValue::Float(value, text.to_owned())),
    }
}

/// The string that a quoted token means.
pub(crate) fn unquote(text: &str) -> Result<String, String> {
    if let Some(raw) = text.strip_prefix('`') {
        return Ok(raw.trim_end_matches('`').replace('\r', ""));
    }
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.and_then(unescape).ok_or_else(|| "invalid syntax".to_owned())
}

/// Resolves Go's escapes.
fn unescape(text: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('\\') {
        plain.extend_from_slice(&rest.as_bytes()[..position]);
        let escape = rest[position + 1..].chars().next()?;
        rest = &rest[position + 1 + escape.len_utf8()..];
        let digits = |count: usize, radix: u32, text: &str| {
            text.get(..count).and_then(|digits| u32::from_str_radix(digits, radix).ok())
        };
        let simple = match escape {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' | '"' | '\'' => escape as u8,
            'x' => {
                let byte = u8::try_from(digits(2, 16, rest)?).ok()?;
                rest = &rest[2..];
                byte
            }
            '0'..='7' => {
                let octal = format!("{escape}{}", rest.get(..2)?);
                rest = &rest[2..];
                u8::from_str_radix(&octal, 8).ok()?
            }
            'u' | 'U' => {
                let count = if escape == 'u' { 4 } else { 8 };
                let character = char::from_u32(digits(count, 16, rest)?)?;
                rest = &rest[count..];
                plain.extend_from_slice(character.to_string().as_bytes());
                continue;
            }
            _ => return None,
        };
        plain.push(simple);
    }
    plain.extend_from_slice(rest.as_bytes());
    Some(String::from_utf8_lossy(&plain).into_owned())
}
