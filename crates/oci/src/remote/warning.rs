//! `Warning: 299 - "text"` headers, after the distribution specification, "Warnings".

use http::HeaderMap;

/// The most that all warnings of an answer may have together, in bytes; what is longer is left out.
const MAX_LENGTH: usize = 4096;

/// The texts of an answer's warnings.
pub(super) fn texts(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(http::header::WARNING);
    if values.iter().map(http::HeaderValue::len).sum::<usize>() > MAX_LENGTH {
        return Vec::new();
    }
    values.iter().filter_map(|value| text(value.to_str().ok()?)).collect()
}

/// `299 - "text"`, where quotes and backslashes in the text are escaped.
fn text(value: &str) -> Option<String> {
    let quoted = value.trim().strip_prefix("299 - \"")?.strip_suffix('"')?;
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => text.push(characters.next()?),
            // What goes to a terminal must not steer it.
            other if other.is_control() => {}
            other => text.push(other),
        }
    }
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_warnings_of_the_specification_are_read() {
        assert_eq!(text(r#"299 - "old \"v1\" goes""#).as_deref(), Some(r#"old "v1" goes"#));
        for other in [r#"199 - "x""#, r#"299 agent "x""#, "299 - x", r#"299 - """#, r#"299 - "a"b""#, ""] {
            assert_eq!(text(other), None, "{other}");
        }
    }
}
