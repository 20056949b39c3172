//! JSON as Go's `encoding/json` writes it: compact, with `<`, `>`, `&`, U+2028 and U+2029 escaped. Digests of
//! what ORAS and we make of the same input agree only if every byte does.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut written = 0;
        for (position, found) in text.match_indices(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            writer.write_all(&text.as_bytes()[written..position])?;
            let code = found.chars().next().map_or(0, u32::from);
            write!(writer, "\\u{code:04x}")?;
            written = position + found.len();
        }
        writer.write_all(&text.as_bytes()[written..])
    }
}

/// The bytes that Go writes for the same structure. Maps must be sorted by key already, as `BTreeMap`s are.
pub(crate) fn to_go_json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, GoFormatter))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_does() {
        let check = |text: &str, expected: &str| {
            assert_eq!(String::from_utf8(to_go_json(&text).expect("text")).expect("UTF-8"), expected);
        };
        check("plain", r#""plain""#);
        check("<a href=\"x\">&", r#""\u003ca href=\"x\"\u003e\u0026""#);
        check("\u{2028}é\u{2029}", r#""\u2028é\u2029""#);
        check("\t\n\r\u{1}\u{7f}\\/", "\"\\t\\n\\r\\u0001\u{7f}\\\\/\"");
    }
}
