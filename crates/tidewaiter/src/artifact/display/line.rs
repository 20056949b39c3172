//! Names that others chose, in output that people and scripts read line by line.

/// A text that stays on its line and does not steer the terminal: control characters and what else breaks
/// lines are left out. Tags, titles and types come from registries, which may answer anything.
pub(crate) fn one_line(text: &str) -> String {
    let sound = anstream::adapter::strip_str(text).to_string();
    sound.chars().filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_cannot_be_forged() {
        assert_eq!(one_line("a-b_c.d é"), "a-b_c.d é");
        assert_eq!(one_line("v1\nforged\r\u{2028}\u{85}\u{7}"), "v1forged");
        assert_eq!(one_line("\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}"), "red");
    }
}
