//! sprig: words and lines.

use crate::value::Value;

use super::Parameter::{Int, Text};
use super::text::copied;
use super::{Context, Function, int_of, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("title", &[Text], |context, values| copied(context, &title(text_of(&values[0])))),
    Function::new("untitle", &[Text], |context, values| {
        let lower = |c: char| c.to_lowercase().collect();
        copied(context, &at_word_starts(text_of(&values[0]), char::is_whitespace, lower))
    }),
    Function::new("initials", &[Text], |context, values| {
        let words = text_of(&values[0]).split_whitespace();
        copied(context, &words.filter_map(|word| word.chars().next()).collect::<String>())
    }),
    Function::new("nospace", &[Text], |context, values| {
        let dense: String = text_of(&values[0]).chars().filter(|c| !c.is_whitespace()).collect();
        copied(context, &dense)
    }),
    Function::new("swapcase", &[Text], |context, values| {
        let swap = |c: char| -> String {
            if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
        };
        copied(context, &text_of(&values[0]).chars().map(swap).collect::<String>())
    }),
    Function::new("wrap", &[Int, Text], |context, values| {
        wrap(context, &values[0], "\n", text_of(&values[1]), false)
    }),
    Function::new("wrapWith", &[Int, Text, Text], |context, values| {
        wrap(context, &values[0], text_of(&values[1]), text_of(&values[2]), true)
    }),
];

/// Go's `strings.Title`: a word starts after anything that is no letter, digit or underscore.
fn title(text: &str) -> String {
    let separates = |c: char| !(c == '_' || c.is_alphanumeric());
    at_word_starts(text, separates, |c| c.to_uppercase().collect())
}

fn at_word_starts(text: &str, separates: impl Fn(char) -> bool, change: impl Fn(char) -> String) -> String {
    let mut result = String::with_capacity(text.len());
    let mut starts = true;
    for character in text.chars() {
        if starts && !separates(character) {
            result.push_str(&change(character));
        } else {
            result.push(character);
        }
        starts = separates(character);
    }
    result
}

/// Breaks a text into lines of at most so many characters, at blanks; longer words stay whole unless they
/// may be `cut`.
fn wrap(context: &mut Context, width: &Value, newline: &str, text: &str, cut: bool) -> Result<Value, String> {
    let width = usize::try_from(int_of(width)).unwrap_or(1).max(1);
    let newline = if newline.is_empty() { "\n" } else { newline };
    context.budget.charge(text.len().saturating_mul(4))?;
    context.budget.charge((text.len() / width).saturating_mul(newline.len()))?;
    let characters: Vec<char> = text.chars().collect();
    let mut wrapped = String::with_capacity(text.len());
    let mut offset = 0;
    while characters.len() - offset > width {
        if characters[offset] == ' ' {
            offset += 1;
            continue;
        }
        let window = &characters[offset..=offset + width];
        let blank = match window.iter().rposition(|c| *c == ' ') {
            Some(position) => Some(offset + position),
            None if cut => {
                wrapped.extend(&characters[offset..offset + width]);
                wrapped.push_str(newline);
                offset += width;
                continue;
            }
            None => {
                let after = &characters[offset + width..];
                after.iter().position(|c| *c == ' ').map(|position| offset + width + position)
            }
        };
        let Some(blank) = blank else { break };
        wrapped.extend(&characters[offset..blank]);
        wrapped.push_str(newline);
        offset = blank + 1;
        if offset >= characters.len() {
            break;
        }
    }
    wrapped.extend(characters.get(offset..).unwrap_or_default());
    Ok(Value::text(wrapped))
}
