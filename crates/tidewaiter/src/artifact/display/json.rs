//! JSON as Go's `encoding/json` writes it for people: two spaces of indent, `<`, `>`, `&` escaped.

use serde::Serialize;

/// Indented, without a newline at the end.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    escaped(serde_json::to_string_pretty(value))
}

/// On one line.
pub(crate) fn compact(value: &impl Serialize) -> String {
    escaped(serde_json::to_string(value))
}

/// JSON text with another indent and everything else as it is, with a newline at the end. What is no JSON
/// stays as it is.
pub(crate) fn reindented(text: &[u8]) -> Vec<u8> {
    // Raw values keep numbers and escapes as they were written; the order of members is kept by the text.
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    let mut opened = false;
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    };
    if serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err() {
        return text.to_vec();
    }
    for &byte in text {
        if in_string {
            out.push(byte);
            in_string = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        if byte.is_ascii_whitespace() {
            continue;
        }
        if opened && !matches!(byte, b'}' | b']') {
            depth += 1;
            line(&mut out, depth);
        }
        match byte {
            b'}' | b']' => {
                if !opened {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => out.push(byte),
        }
        in_string = byte == b'"';
        opened = matches!(byte, b'{' | b'[');
    }
    out.push(b'\n');
    out
}

/// The characters stand in strings only, so that replacing them in the text is enough.
fn escaped(text: serde_json::Result<String>) -> String {
    // Our results are structs, lists and maps with texts for keys: they always serialise.
    let text = text.unwrap_or_default();
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", character as u32));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_does() {
        assert_eq!(compact(&serde_json::json!({"a": "<&>"})), r#"{"a":"\u003c\u0026\u003e"}"#);
        assert_eq!(
            pretty(&serde_json::json!({"a": [], "b": [1]})),
            "{\n  \"a\": [],\n  \"b\": [\n    1\n  ]\n}"
        );
    }

    #[test]
    fn another_indent_changes_nothing_else() {
        let check = |text: &str, expected: &str| {
            assert_eq!(String::from_utf8(reindented(text.as_bytes())).expect("UTF-8"), expected);
        };
        check(
            r#"{"b":1.0,"a":{},"c":[ ],"d":"x\"{,\\"}"#,
            "{\n  \"b\": 1.0,\n  \"a\": {},\n  \"c\": [],\n  \"d\": \"x\\\"{,\\\\\"\n}\n",
        );
        check(r#"[[1,2],{"a":null}]"#, "[\n  [\n    1,\n    2\n  ],\n  {\n    \"a\": null\n  }\n]\n");
        check("not json", "not json");
    }
}
