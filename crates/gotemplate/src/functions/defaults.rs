//! sprig: defaults, conditions, types, conversions.

use crate::format;
use crate::value::Value;

use super::Parameter::{Any, Bool, Text};
use super::{Function, text_of, to_text};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("default", &[Any], Any, |_, values| {
        let given = values.get(1).filter(|given| given.is_true());
        Ok(given.unwrap_or(&values[0]).clone())
    }),
    Function::new("empty", &[Any], |_, values| Ok(Value::Bool(is_empty(&values[0])))),
    Function::variadic("coalesce", &[], Any, |_, values| {
        Ok(values.iter().find(|value| !is_empty(value)).cloned().unwrap_or(Value::Nil))
    }),
    Function::variadic("all", &[], Any, |_, values| Ok(Value::Bool(!values.iter().any(is_empty)))),
    Function::variadic("any", &[], Any, |_, values| {
        Ok(Value::Bool(values.iter().any(|value| !is_empty(value))))
    }),
    Function::new("ternary", &[Any, Any, Bool], |_, values| {
        Ok(values[usize::from(!values[2].is_true())].clone())
    }),
    Function::new("fail", &[Text], |_, values| Err(text_of(&values[0]).to_owned())),
    Function::new("typeOf", &[Any], |_, values| Ok(Value::text(values[0].type_name()))),
    Function::new("typeIs", &[Text, Any], |_, values| {
        Ok(Value::Bool(text_of(&values[0]) == values[1].type_name()))
    }),
    Function::new("typeIsLike", &[Text, Any], |_, values| {
        let wanted = text_of(&values[0]);
        Ok(Value::Bool(wanted == values[1].type_name() || wanted == format!("*{}", values[1].type_name())))
    }),
    Function::new("kindOf", &[Any], |_, values| Ok(Value::text(values[0].kind_name()))),
    Function::new("kindIs", &[Text, Any], |_, values| {
        Ok(Value::Bool(text_of(&values[0]) == values[1].kind_name()))
    }),
    Function::new("toString", &[Any], |context, values| to_text(context, &values[0]).map(Value::text)),
    Function::new("toStrings", &[Any], |context, values| {
        let texts = texts(context, &values[0])?;
        Ok(Value::list(texts.into_iter().map(Value::text).collect()))
    }),
    Function::variadic("quote", &[], Any, |context, values| {
        let mut quoted = Vec::new();
        for value in values.iter().filter(|value| !matches!(value, Value::Nil)) {
            let text = to_text(context, value)?;
            context.budget.charge(text.len())?;
            quoted.push(format::quote(&text));
        }
        Ok(Value::text(quoted.join(" ")))
    }),
    Function::variadic("squote", &[], Any, |context, values| {
        let mut quoted = Vec::new();
        for value in values.iter().filter(|value| !matches!(value, Value::Nil)) {
            quoted.push(format!("'{}'", to_text(context, value)?));
        }
        Ok(Value::text(quoted.join(" ")))
    }),
    Function::variadic("cat", &[], Any, |context, values| {
        let mut parts = Vec::new();
        for value in values.iter().filter(|value| !matches!(value, Value::Nil)) {
            parts.push(to_text(context, value)?);
        }
        Ok(Value::text(parts.join(" ")))
    }),
    Function::new("hello", &[], |_, _| Ok(Value::text("Hello!"))),
];

/// What sprig calls empty: what `if` takes for false.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.is_true()
}

/// A list's items as texts, without nil; a single value as one text.
pub(super) fn texts(context: &mut super::Context, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::List(list) => {
            let items = list.items().iter().filter(|item| !matches!(item, Value::Nil));
            items.map(|item| to_text(context, item)).collect()
        }
        other => Ok(vec![to_text(context, other)?]),
    }
}
