//! sprig: maps.

use std::rc::Rc;

use crate::limits::MAX_DEPTH;
use crate::value::{Map, Value};

use super::Parameter::{Any, Map as MapType, Text};
use super::{Context, Function, text_of, to_text};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("dict", &[], Any, dict),
    Function::new("get", &[MapType, Text], |_, values| {
        let found = map_of(&values[0]).and_then(|map| map.entries().get(text_of(&values[1])).cloned());
        Ok(found.unwrap_or_else(|| Value::text("")))
    }),
    Function::new("set", &[MapType, Text, Any], |context, values| {
        context.budget.charge_items(1)?;
        if let Some(map) = map_of(&values[0]) {
            map.set(text_of(&values[1]), values[2].clone());
        }
        Ok(values[0].clone())
    }),
    Function::new("unset", &[MapType, Text], |_, values| {
        if let Some(map) = map_of(&values[0]) {
            map.unset(text_of(&values[1]));
        }
        Ok(values[0].clone())
    }),
    Function::new("hasKey", &[MapType, Text], |_, values| {
        let found = map_of(&values[0]).is_some_and(|map| map.entries().contains_key(text_of(&values[1])));
        Ok(Value::Bool(found))
    }),
    Function::variadic("pluck", &[Text], MapType, |_, values| {
        let key = text_of(&values[0]);
        let maps = values[1..].iter().filter_map(map_of);
        Ok(Value::list(maps.filter_map(|map| map.entries().get(key).cloned()).collect()))
    }),
    Function::variadic("keys", &[], MapType, |context, values| {
        let mut keys = Vec::new();
        for map in values.iter().filter_map(map_of) {
            context.budget.charge_items(map.entries().len())?;
            keys.extend(map.entries().keys().map(|key| Value::Text(key.clone())));
        }
        Ok(Value::list(keys))
    }),
    Function::new("values", &[MapType], |context, values| {
        let Some(map) = map_of(&values[0]) else { return Ok(Value::list(Vec::new())) };
        context.budget.charge_items(map.entries().len())?;
        Ok(Value::list(map.entries().values().cloned().collect()))
    }),
    Function::variadic("pick", &[MapType], Text, |context, values| {
        let wanted = |key: &str| values[1..].iter().any(|value| text_of(value) == key);
        filtered(context, &values[0], wanted)
    }),
    Function::variadic("omit", &[MapType], Text, |context, values| {
        let unwanted = |key: &str| values[1..].iter().any(|value| text_of(value) == key);
        filtered(context, &values[0], |key| !unwanted(key))
    }),
    Function::variadic("merge", &[MapType], MapType, |context, values| merge(context, values, false)),
    Function::variadic("mustMerge", &[MapType], MapType, |context, values| merge(context, values, false)),
    Function::variadic("mergeOverwrite", &[MapType], MapType, |context, values| merge(context, values, true)),
    Function::variadic("mustMergeOverwrite", &[MapType], MapType, |context, values| {
        merge(context, values, true)
    }),
    Function::variadic("dig", &[Text, Any], Any, dig),
    Function::new("deepCopy", &[Any], |context, values| deep_copy(context, &values[0], 0)),
    Function::new("mustDeepCopy", &[Any], |context, values| deep_copy(context, &values[0], 0)),
];

fn map_of(value: &Value) -> Option<&Rc<Map>> {
    match value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

fn dict(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let mut entries = Vec::new();
    for pair in values.chunks(2) {
        let key = to_text(context, &pair[0])?;
        entries.push((key, pair.get(1).cloned().unwrap_or_else(|| Value::text(""))));
    }
    context.budget.charge_items(entries.len())?;
    Ok(Value::map(entries))
}

fn filtered(context: &mut Context, value: &Value, keep: impl Fn(&str) -> bool) -> Result<Value, String> {
    let Some(map) = map_of(value) else { return Ok(Value::map(Vec::<(String, Value)>::new())) };
    context.budget.charge_items(map.entries().len())?;
    let entries = map.entries();
    let kept = entries.iter().filter(|(key, _)| keep(key));
    Ok(Value::map(kept.map(|(key, value)| (key.clone(), value.clone()))))
}

/// Merges maps into the first, deeply. Without `overwrite` what the first has stays, if it is not empty.
fn merge(context: &mut Context, values: &[Value], overwrite: bool) -> Result<Value, String> {
    for source in values[1..].iter().filter_map(map_of) {
        if let Some(target) = map_of(&values[0]) {
            merge_into(context, target, source, overwrite, 0)?;
        }
    }
    Ok(values[0].clone())
}

fn merge_into(
    context: &mut Context,
    target: &Rc<Map>,
    source: &Rc<Map>,
    overwrite: bool,
    depth: usize,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("the maps are nested too deeply to merge".to_owned());
    }
    if Rc::ptr_eq(target, source) {
        return Ok(());
    }
    context.budget.charge_items(source.entries().len())?;
    let entries: Vec<_> = source.entries().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in entries {
        let present = target.entries().get(&key).cloned();
        match (present, &value) {
            (Some(Value::Map(inner)), Value::Map(other)) => {
                merge_into(context, &inner, other, overwrite, depth + 1)?;
            }
            (Some(present), new) if present.is_true() && !(overwrite && new.is_true()) => {}
            _ => target.set(&key, value),
        }
    }
    Ok(())
}

/// `dig "a" "b" default map`
fn dig(_: &mut Context, values: &[Value]) -> Result<Value, String> {
    let [keys @ .., default, map] = values else {
        return Err("dig needs at least three arguments".to_owned());
    };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".to_owned());
    }
    let mut value = map.clone();
    for key in keys {
        let found = match &value {
            Value::Map(map) => map.entries().get(text_of(key)).cloned(),
            other => return Err(format!("dig: {} is not a map", other.type_name())),
        };
        match found {
            Some(found) => value = found,
            None => return Ok(default.clone()),
        }
    }
    Ok(value)
}

fn deep_copy(context: &mut Context, value: &Value, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err("the value is nested too deeply to copy".to_owned());
    }
    context.budget.charge_items(1)?;
    match value {
        Value::List(list) => {
            let copies = list.items().iter().map(|item| deep_copy(context, item, depth + 1));
            copies.collect::<Result<_, _>>().map(Value::list)
        }
        Value::Map(map) => {
            let entries: Vec<_> =
                map.entries().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            let copies =
                entries.into_iter().map(|(key, value)| Ok((key, deep_copy(context, &value, depth + 1)?)));
            copies.collect::<Result<Vec<_>, String>>().map(Value::map)
        }
        other => Ok(other.clone()),
    }
}
