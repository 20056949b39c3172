//! Names that a mistyped command may have meant.

use crate::command::Command;

/// Edits that a suggestion may be away, as in cobra.
const MAX_DISTANCE: usize = 2;

/// Commands below `parent` within two edits of `typed`, or beginning with it, or that ask to be suggested.
pub(crate) fn suggestions(parent: &Command, typed: &str) -> Vec<String> {
    let lower = typed.to_lowercase();
    let is_close = |command: &&Command| {
        let name = command.name.to_lowercase();
        distance(&lower, &name) <= MAX_DISTANCE
            || name.starts_with(&lower)
            || command.suggest_for.iter().any(|wrong| wrong.eq_ignore_ascii_case(typed))
    };
    let available = parent.commands().into_iter().filter(|command| command.is_available());
    available.filter(is_close).map(|command| command.name.to_string()).collect()
}

/// The Levenshtein distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances_are_levenshtein_s() {
        for (a, b, expected) in
            [("", "abc", 3), ("kitten", "sitting", 3), ("push", "pull", 2), ("cp", "cp", 0)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
