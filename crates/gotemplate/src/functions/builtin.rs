//! Go's own functions.

use crate::format;
use crate::value::Value;

use super::Parameter::{Any, Text};
use super::{Context, Function, floor_boundary, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("print", &[], Any, |context, values| {
        format::sprint(values, &mut context.budget).map(Value::text)
    }),
    Function::variadic("println", &[], Any, |context, values| {
        format::sprintln(values, &mut context.budget).map(Value::text)
    }),
    Function::variadic("printf", &[Text], Any, |context, values| {
        format::sprintf(text_of(&values[0]), &values[1..], &mut context.budget).map(Value::text)
    }),
    Function::new("not", &[Any], |_, values| Ok(Value::Bool(!values[0].is_true()))),
    Function::new("len", &[Any], |_, values| length(&values[0])),
    Function::variadic("index", &[Any], Any, |_, values| index(&values[0], &values[1..])),
    Function::variadic("slice", &[Any], Any, |context, values| slice(context, &values[0], &values[1..])),
    Function::variadic("html", &[], Any, |context, values| escaped(context, values, escape_html)),
    Function::variadic("js", &[], Any, |context, values| escaped(context, values, escape_js)),
    Function::variadic("urlquery", &[], Any, |context, values| escaped(context, values, escape_query)),
];

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.entries().len(),
        Value::Nil => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// A position that Go would take as an index into something of `length` items.
fn position(index: &Value, length: usize) -> Result<usize, String> {
    match index {
        Value::Int(number) => match usize::try_from(*number) {
            Ok(position) if position <= length => Ok(position),
            _ => Err(format!("index out of range: {number}")),
        },
        Value::Nil => Err("cannot index slice/array with nil".to_owned()),
        other => Err(format!("cannot index slice/array with type {}", other.type_name())),
    }
}

fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    if matches!(value, Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    let mut value = value.clone();
    for key in keys {
        value = match &value {
            Value::List(list) => {
                let position = position(key, list.items().len())?;
                list.items()
                    .get(position)
                    .cloned()
                    .ok_or_else(|| format!("index out of range: {position}"))?
            }
            Value::Text(text) => {
                let position = position(key, text.len())?;
                let byte = text.as_bytes().get(position);
                let byte = byte.ok_or_else(|| format!("index out of range: {position}"))?;
                Value::Int(i64::from(*byte))
            }
            Value::Map(map) => match key {
                Value::Text(name) => map.entries().get(name).cloned().unwrap_or(Value::Nil),
                Value::Nil => return Err("value is nil; should be of type string".to_owned()),
                other => return Err(format!("value has type {}; should be string", other.type_name())),
            },
            Value::Nil => return Err("index of nil pointer".to_owned()),
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(value)
}

/// Go's `slice` and sprig's, which are the same for lists.
fn slice(context: &mut Context, value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match value {
        Value::List(list) => list.items().len(),
        Value::Text(text) => text.len(),
        Value::Nil => return Err("slice of untyped nil".to_owned()),
        other => return Err(format!("list should be type of slice or array but {}", other.kind_name())),
    };
    if bounds.len() > 2 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    let start = bounds.first().map_or(Ok(0), |bound| position(bound, length))?;
    let end = bounds.get(1).map_or(Ok(length), |bound| position(bound, length))?;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    match value {
        Value::List(list) => {
            context.budget.charge_items(end - start)?;
            Ok(Value::list(list.items()[start..end].to_vec()))
        }
        other => {
            let text = text_of(other);
            context.budget.charge(end - start)?;
            Ok(Value::text(&text[floor_boundary(text, start)..floor_boundary(text, end)]))
        }
    }
}

/// Go's escapers take what `print` takes.
fn escaped(context: &mut Context, values: &[Value], escape: fn(&str) -> String) -> Result<Value, String> {
    let text = match values {
        [Value::Text(text)] => text.to_string(),
        values => format::sprint(values, &mut context.budget)?,
    };
    context.budget.charge(text.len().saturating_mul(6))?;
    Ok(Value::text(escape(&text)))
}

fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0' => escaped.push('\u{fffd}'),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn escape_js(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\'' => escaped.push_str("\\'"),
            '"' => escaped.push_str("\\\""),
            '<' | '>' | '&' | '=' => escaped.push_str(&format!("\\u{:04X}", character as u32)),
            control if (control as u32) < 0x20 || control == '\u{7f}' => {
                escaped.push_str(&format!("\\u{:04X}", control as u32));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

fn escape_query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            b' ' => escaped.push('+'),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}
