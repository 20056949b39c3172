//! Go's quoting of strings (`%q`), which error texts and defaults in help use.

/// Quotes text as Go's `%q` does: printable characters stay, the rest is escaped.
#[must_use]
pub fn quote(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            control if (control as u32) < 0x20 || control == '\u{7f}' => {
                let _ = write!(quoted, "\\x{:02x}", control as u32);
            }
            control if control.is_control() || is_unprintable_space(control) => {
                let _ = write!(quoted, "\\u{:04x}", control as u32);
            }
            printable => quoted.push(printable),
        }
    }
    quoted.push('"');
    quoted
}

/// Go counts no space as printable but the ASCII one.
fn is_unprintable_space(character: char) -> bool {
    character != ' ' && (character.is_whitespace() || character == '\u{feff}' || character == '\u{200b}')
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn quotes_as_go_does() {
        assert_eq!(quote("a b"), "\"a b\"");
        assert_eq!(quote("a\"b\\c\n\t\u{1}é\u{a0}"), "\"a\\\"b\\\\c\\n\\t\\x01é\\u00a0\"");
    }
}
