//! sprig: `camelcase`, `snakecase`, `kebabcase`.

use super::Parameter::Text;
use super::text::copied;
use super::{Function, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("camelcase", &[Text], |context, values| copied(context, &camel(text_of(&values[0])))),
    Function::new("snakecase", &[Text], |context, values| copied(context, &joined(text_of(&values[0]), '_'))),
    Function::new("kebabcase", &[Text], |context, values| copied(context, &joined(text_of(&values[0]), '-'))),
];

fn connects(character: char) -> bool {
    matches!(character, '-' | '_') || character.is_whitespace()
}

/// Each word begins with a capital; a word of capitals keeps only its first one. Of what connects two words one
/// character goes; at both ends it stays.
fn camel(text: &str) -> String {
    let inside = text.trim_matches(connects);
    let start = text.find(inside).unwrap_or(0);
    let mut result = text[..start].to_owned();
    let (mut begins, mut lowers) = (true, false);
    let mut characters = inside.chars().peekable();
    while let Some(character) = characters.next() {
        if connects(character) {
            begins = true;
            if characters.peek().copied().is_some_and(connects) {
                result.push(character);
            }
        } else if begins {
            begins = false;
            lowers = character.is_uppercase();
            result.extend(character.to_uppercase());
        } else {
            lowers &= character.is_uppercase();
            if lowers {
                result.extend(character.to_lowercase());
            } else {
                result.push(character);
            }
        }
    }
    result.push_str(&text[start + inside.len()..]);
    result
}

/// What a part of a name is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connector,
    Punctuation,
    Number,
    /// Capitals, or one capital with the small letters after it.
    Capitals,
    Letters,
    Other,
}

impl Kind {
    fn of(character: char) -> Self {
        match character {
            c if connects(c) => Self::Connector,
            c if c.is_ascii_punctuation() && !"$+<=>^`|~".contains(c) => Self::Punctuation,
            c if c.is_uppercase() => Self::Capitals,
            // Scripts without spaces are no words of letters.
            c if c.is_alphabetic() && c < '\u{2e80}' => Self::Letters,
            c if c.is_numeric() => Self::Number,
            _ => Self::Other,
        }
    }
}

/// The parts of a name. `HTTPServer` has `HTTP` and `Server`.
fn parts(text: &str) -> Vec<(Kind, &str)> {
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    let kind_at = |index: usize| characters.get(index).map(|(_, character)| Kind::of(*character));
    let offset = |index: usize| characters.get(index).map_or(text.len(), |(offset, _)| *offset);
    let run = |from: usize, kind: Kind| (from..).take_while(|index| kind_at(*index) == Some(kind)).count();
    let mut parts = Vec::new();
    let mut start = 0;
    while let Some(kind) = kind_at(start) {
        let same = run(start, kind);
        let letters = if kind == Kind::Capitals { run(start + same, Kind::Letters) } else { 0 };
        let length = match (letters, same) {
            (0, same) => same,
            (letters, 1) => 1 + letters,
            (_, same) => same - 1,
        };
        parts.push((kind, &text[offset(start)..offset(start + length)]));
        start += length;
    }
    parts
}

/// The parts in small letters, joined. A number belongs to the letters that follow it, or else to the part
/// before it.
fn joined(text: &str, connector: char) -> String {
    let parts = parts(text);
    let kind_at = |index: usize| parts.get(index).map(|(kind, _)| *kind);
    let mut result = String::with_capacity(text.len() + parts.len());
    let mut index = 0;
    let push = |result: &mut String, index: &mut usize| {
        match parts[*index] {
            (Kind::Connector, part) => result.extend(part.chars().map(|_| connector)),
            (_, part) => result.push_str(&part.to_lowercase()),
        }
        *index += 1;
    };
    while let Some(kind) = kind_at(index) {
        push(&mut result, &mut index);
        if matches!(kind, Kind::Connector | Kind::Punctuation) {
            continue;
        }
        let mut counts = kind == Kind::Number;
        if !counts && kind_at(index) == Some(Kind::Number) {
            counts = kind_at(index + 1) == Some(Kind::Letters);
            if counts {
                result.push(connector);
            }
            push(&mut result, &mut index);
        }
        while counts && matches!(kind_at(index), Some(Kind::Letters | Kind::Number)) {
            push(&mut result, &mut index);
        }
        if !matches!(kind_at(index), None | Some(Kind::Connector | Kind::Punctuation)) {
            result.push(connector);
        }
    }
    result
}
