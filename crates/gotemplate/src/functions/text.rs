//! sprig: strings.

use crate::value::Value;

use super::Parameter::{Int, Text};
use super::{Context, Function, floor_boundary, int_of, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("trim", &[Text], |context, values| copied(context, text_of(&values[0]).trim())),
    Function::new("trimAll", &[Text, Text], trim_all),
    Function::new("trimall", &[Text, Text], trim_all),
    Function::new("trimSuffix", &[Text, Text], |context, values| {
        let text = text_of(&values[1]);
        copied(context, text.strip_suffix(text_of(&values[0])).unwrap_or(text))
    }),
    Function::new("trimPrefix", &[Text, Text], |context, values| {
        let text = text_of(&values[1]);
        copied(context, text.strip_prefix(text_of(&values[0])).unwrap_or(text))
    }),
    Function::new("upper", &[Text], |context, values| copied(context, &text_of(&values[0]).to_uppercase())),
    Function::new("lower", &[Text], |context, values| copied(context, &text_of(&values[0]).to_lowercase())),
    Function::new("contains", &[Text, Text], |_, values| {
        Ok(Value::Bool(text_of(&values[1]).contains(text_of(&values[0]))))
    }),
    Function::new("hasPrefix", &[Text, Text], |_, values| {
        Ok(Value::Bool(text_of(&values[1]).starts_with(text_of(&values[0]))))
    }),
    Function::new("hasSuffix", &[Text, Text], |_, values| {
        Ok(Value::Bool(text_of(&values[1]).ends_with(text_of(&values[0]))))
    }),
    Function::new("repeat", &[Int, Text], repeat),
    Function::new("replace", &[Text, Text, Text], replace),
    Function::new("substr", &[Int, Int, Text], substr),
    Function::new("trunc", &[Int, Text], trunc),
    Function::new("abbrev", &[Int, Text], |context, values| {
        let (width, text) = (int_of(&values[0]), text_of(&values[1]));
        match usize::try_from(width) {
            Ok(width) if width >= 4 && text.len() > width => {
                copied(context, &format!("{}...", &text[..floor_boundary(text, width - 3)]))
            }
            _ => copied(context, text),
        }
    }),
    Function::new("abbrevboth", &[Int, Int, Text], abbreviate_both),
    Function::new("indent", &[Int, Text], |context, values| indent(context, values, "")),
    Function::new("nindent", &[Int, Text], |context, values| indent(context, values, "\n")),
    Function::new("plural", &[Text, Text, Int], |_, values| {
        Ok(values[usize::from(int_of(&values[2]) != 1)].clone())
    }),
];

/// A text that a function made.
pub(super) fn copied(context: &mut Context, text: &str) -> Result<Value, String> {
    context.budget.charge(text.len())?;
    Ok(Value::text(text))
}

fn trim_all(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let cut = text_of(&values[0]);
    copied(context, text_of(&values[1]).trim_matches(|c| cut.contains(c)))
}

fn repeat(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let Ok(count) = usize::try_from(int_of(&values[0])) else {
        return Err("strings: negative Repeat count".to_owned());
    };
    let text = text_of(&values[1]);
    context.budget.charge(text.len().saturating_mul(count))?;
    Ok(Value::text(text.repeat(count)))
}

fn replace(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let (old, new, text) = (text_of(&values[0]), text_of(&values[1]), text_of(&values[2]));
    context.budget.charge(text.len())?;
    let count = text.matches(old).count();
    context.budget.charge(count.saturating_mul(new.len()).saturating_add(text.len()))?;
    Ok(Value::text(text.replace(old, new)))
}

/// `substr start end text`, in bytes; negative bounds mean the start and the end.
fn substr(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let text = text_of(&values[2]);
    let start = usize::try_from(int_of(&values[0])).unwrap_or(0);
    let end = usize::try_from(int_of(&values[1])).map_or(text.len(), |end| end.min(text.len()));
    if start > end {
        return Err(format!("runtime error: slice bounds out of range [{start}:{end}]"));
    }
    copied(context, &text[floor_boundary(text, start)..floor_boundary(text, end)])
}

/// `trunc count text`: the first bytes, or with a negative count the last ones.
fn trunc(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let (count, text) = (int_of(&values[0]), text_of(&values[1]));
    let bytes = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if bytes >= text.len() {
        return copied(context, text);
    }
    if count < 0 {
        copied(context, &text[floor_boundary(text, text.len() - bytes)..])
    } else {
        copied(context, &text[..floor_boundary(text, bytes)])
    }
}

/// `abbrevboth left right text`: what begins about at `left`, in at most `right` bytes, with dots where
/// something is left out.
fn abbreviate_both(context: &mut Context<'_>, values: &[Value]) -> Result<Value, String> {
    let (left, width, text) = (int_of(&values[0]), int_of(&values[1]), text_of(&values[2]));
    let (Ok(width), true) = (usize::try_from(width), width >= 4 && (left <= 0 || width >= 7)) else {
        return copied(context, text);
    };
    if text.len() <= width {
        return copied(context, text);
    }
    let kept = width - 3;
    let left = usize::try_from(left).unwrap_or(0).min(text.len() - kept);
    if left <= 4 {
        return copied(context, &format!("{}...", &text[..floor_boundary(text, kept)]));
    }
    let left = floor_boundary(text, left);
    if left + kept >= text.len() {
        return copied(context, &format!("...{}", &text[floor_boundary(text, text.len() - kept)..]));
    }
    // Dots on both sides take more away; what is too narrow for that has none at the end.
    let inside = match kept {
        0..4 => String::new(),
        kept => format!("{}...", &text[left..floor_boundary(text, left + kept - 3)]),
    };
    copied(context, &format!("...{inside}"))
}

fn indent(context: &mut Context, values: &[Value], before: &str) -> Result<Value, String> {
    let spaces = usize::try_from(int_of(&values[0]));
    let Ok(spaces) = spaces else { return Err("strings: negative Repeat count".to_owned()) };
    let text = text_of(&values[1]);
    let lines = text.matches('\n').count() + 1;
    context.budget.charge(lines.saturating_mul(spaces).saturating_add(text.len()))?;
    let pad = " ".repeat(spaces);
    Ok(Value::text(format!("{before}{pad}{}", text.replace('\n', &format!("\n{pad}")))))
}
