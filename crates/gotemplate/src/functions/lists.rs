//! sprig: lists.

use crate::value::Value;

use super::Parameter::{Any, Int, Text};
use super::compare::deep_equal;
use super::defaults::{is_empty, texts};
use super::{Context, Function, int_of, items_of, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("list", &[], Any, list),
    Function::variadic("tuple", &[], Any, list),
    Function::new("first", &[Any], first),
    Function::new("mustFirst", &[Any], first),
    Function::new("last", &[Any], last),
    Function::new("mustLast", &[Any], last),
    Function::new("rest", &[Any], rest),
    Function::new("mustRest", &[Any], rest),
    Function::new("initial", &[Any], initial),
    Function::new("mustInitial", &[Any], initial),
    Function::new("append", &[Any, Any], append),
    Function::new("push", &[Any, Any], append),
    Function::new("mustAppend", &[Any, Any], append),
    Function::new("mustPush", &[Any, Any], append),
    Function::new("prepend", &[Any, Any], prepend),
    Function::new("mustPrepend", &[Any, Any], prepend),
    Function::variadic("concat", &[], Any, concat),
    Function::new("reverse", &[Any], reverse),
    Function::new("mustReverse", &[Any], reverse),
    Function::new("uniq", &[Any], uniq),
    Function::new("mustUniq", &[Any], uniq),
    Function::variadic("without", &[Any], Any, without),
    Function::variadic("mustWithout", &[Any], Any, without),
    Function::new("has", &[Any, Any], has),
    Function::new("mustHas", &[Any, Any], has),
    Function::new("compact", &[Any], compact),
    Function::new("mustCompact", &[Any], compact),
    Function::variadic("mustSlice", &[Any], Any, |context, values| {
        let slice = super::find("slice").ok_or("slice is missing")?;
        (slice.run)(context, values)
    }),
    Function::new("chunk", &[Int, Any], chunk),
    Function::new("mustChunk", &[Int, Any], chunk),
    Function::new("sortAlpha", &[Any], |context, values| {
        let mut texts = texts(context, &values[0])?;
        context.budget.charge_items(texts.len())?;
        texts.sort();
        Ok(Value::list(texts.into_iter().map(Value::text).collect()))
    }),
    Function::new("join", &[Text, Any], |context, values| {
        let separator = text_of(&values[0]);
        let texts = texts(context, &values[1])?;
        context.budget.charge(texts.len().saturating_mul(separator.len()))?;
        Ok(Value::text(texts.join(separator)))
    }),
    Function::new("splitList", &[Text, Text], |context, values| {
        let parts = split(context, text_of(&values[0]), text_of(&values[1]), usize::MAX)?;
        Ok(Value::list(parts))
    }),
    Function::new("split", &[Text, Text], |context, values| {
        split(context, text_of(&values[0]), text_of(&values[1]), usize::MAX).map(numbered)
    }),
    Function::new("splitn", &[Text, Int, Text], |context, values| {
        let limit = usize::try_from(int_of(&values[1])).unwrap_or(usize::MAX);
        split(context, text_of(&values[0]), text_of(&values[2]), limit).map(numbered)
    }),
];

fn made(context: &mut Context, items: impl Iterator<Item = Value>) -> Result<Value, String> {
    let items: Vec<Value> = items.collect();
    context.budget.charge_items(items.len())?;
    Ok(Value::list(items))
}

fn list(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    made(context, values.iter().cloned())
}

fn first(_: &mut Context, values: &[Value]) -> Result<Value, String> {
    Ok(items_of("find first", &values[0])?.first().cloned().unwrap_or(Value::Nil))
}

fn last(_: &mut Context, values: &[Value]) -> Result<Value, String> {
    Ok(items_of("find last", &values[0])?.last().cloned().unwrap_or(Value::Nil))
}

fn rest(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    match items_of("find rest", &values[0])? {
        [] => Ok(Value::Nil),
        [_, rest @ ..] => made(context, rest.iter().cloned()),
    }
}

fn initial(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    match items_of("find initial", &values[0])? {
        [] => Ok(Value::Nil),
        [initial @ .., _] => made(context, initial.iter().cloned()),
    }
}

fn append(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let items = items_of("push", &values[0])?;
    context.budget.charge_items(items.len())?;
    made(context, items.iter().chain([&values[1]]).cloned())
}

fn prepend(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let items = items_of("prepend", &values[0])?;
    context.budget.charge_items(items.len())?;
    made(context, [&values[1]].into_iter().chain(items).cloned())
}

fn concat(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let mut all = Vec::new();
    for value in values {
        let items = items_of("concat", value)?;
        context.budget.charge_items(items.len())?;
        all.extend_from_slice(items);
    }
    Ok(Value::list(all))
}

fn reverse(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    made(context, items_of("find reverse", &values[0])?.iter().rev().cloned())
}

/// The items that none before them equals.
fn uniq(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let mut unique: Vec<Value> = Vec::new();
    for item in items_of("find uniq", &values[0])? {
        if !contains(context, &unique, item)? {
            unique.push(item.clone());
        }
    }
    made(context, unique.into_iter())
}

fn contains(context: &mut Context, items: &[Value], wanted: &Value) -> Result<bool, String> {
    for item in items {
        if deep_equal(item, wanted, &mut context.budget, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn without(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let mut kept = Vec::new();
    for item in items_of("find without", &values[0])? {
        if !contains(context, &values[1..], item)? {
            kept.push(item.clone());
        }
    }
    made(context, kept.into_iter())
}

fn has(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    if matches!(values[1], Value::Nil) {
        return Ok(Value::Bool(false));
    }
    let items = items_of("find has", &values[1])?;
    contains(context, items, &values[0]).map(Value::Bool)
}

fn compact(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    made(context, items_of("compact", &values[0])?.iter().filter(|item| !is_empty(item)).cloned())
}

fn chunk(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let items = items_of("chunk", &values[1])?;
    let Some(size) = usize::try_from(int_of(&values[0])).ok().filter(|size| *size > 0) else {
        return Err(format!("cannot make chunks of {}", int_of(&values[0])));
    };
    context.budget.charge_items(items.len())?;
    made(context, items.chunks(size).map(|chunk| Value::list(chunk.to_vec())))
}

/// Go's `strings.SplitN`: no separator splits into characters.
fn split(context: &mut Context, separator: &str, text: &str, limit: usize) -> Result<Vec<Value>, String> {
    context.budget.charge_items(text.len().saturating_add(1))?;
    if limit == 0 {
        return Ok(Vec::new());
    }
    if separator.is_empty() {
        let mut parts: Vec<Value> =
            text.chars().take(limit.saturating_sub(1)).map(|c| Value::text(c.to_string())).collect();
        let taken: usize = text.chars().take(parts.len()).map(char::len_utf8).sum();
        if taken < text.len() {
            parts.push(Value::text(&text[taken..]));
        }
        return Ok(parts);
    }
    Ok(text.splitn(limit, separator).map(Value::text).collect())
}

/// sprig's `split` gives a map with the keys `_0`, `_1` and so on.
fn numbered(parts: Vec<Value>) -> Value {
    Value::map(parts.into_iter().enumerate().map(|(index, part)| (format!("_{index}"), part)))
}
