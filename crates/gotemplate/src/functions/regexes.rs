//! sprig: regular expressions. The syntax is the one Go and Rust share (RE2's, without look-around), and
//! matching takes linear time.

use regex::Regex;

use crate::value::Value;

use super::Parameter::{Int, Text};
use super::{Context, Function, int_of, text_of};

/// Memory that a compiled expression may take, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", &[Text, Text], is_match),
    Function::new("mustRegexMatch", &[Text, Text], is_match),
    Function::new("regexFind", &[Text, Text], find),
    Function::new("mustRegexFind", &[Text, Text], find),
    Function::new("regexFindAll", &[Text, Text, Int], find_all),
    Function::new("mustRegexFindAll", &[Text, Text, Int], find_all),
    Function::new("regexReplaceAll", &[Text, Text, Text], replace),
    Function::new("mustRegexReplaceAll", &[Text, Text, Text], replace),
    Function::new("regexReplaceAllLiteral", &[Text, Text, Text], replace_literal),
    Function::new("mustRegexReplaceAllLiteral", &[Text, Text, Text], replace_literal),
    Function::new("regexSplit", &[Text, Text, Int], split),
    Function::new("mustRegexSplit", &[Text, Text, Int], split),
    Function::new("regexQuoteMeta", &[Text], |_, values| Ok(Value::text(regex::escape(text_of(&values[0]))))),
];

fn compile(context: &mut Context, values: &[Value]) -> Result<Regex, String> {
    let expression = text_of(&values[0]);
    context.budget.charge(expression.len().saturating_mul(16))?;
    context.budget.charge(values.get(1).map_or(0, |text| text_of(text).len()))?;
    let regex = regex::RegexBuilder::new(expression).size_limit(SIZE_LIMIT).build();
    regex.map_err(|error| format!("error parsing regexp: {error}"))
}

fn is_match(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let regex = compile(context, values)?;
    Ok(Value::Bool(regex.is_match(text_of(&values[1]))))
}

fn find(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let regex = compile(context, values)?;
    Ok(Value::text(regex.find(text_of(&values[1])).map_or("", |found| found.as_str())))
}

/// A negative limit means all.
fn limit(value: &Value) -> usize {
    usize::try_from(int_of(value)).unwrap_or(usize::MAX)
}

fn find_all(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let regex = compile(context, values)?;
    let text = text_of(&values[1]);
    context.budget.charge_items(text.len().min(limit(&values[2])))?;
    let found = regex.find_iter(text).take(limit(&values[2]));
    Ok(Value::list(found.map(|found| Value::text(found.as_str())).collect()))
}

fn replaced(context: &mut Context, values: &[Value], literal: bool) -> Result<Value, String> {
    let regex = compile(context, values)?;
    let (text, replacement) = (text_of(&values[1]), text_of(&values[2]));
    let most = text.len().saturating_add(1).saturating_mul(replacement.len().saturating_add(text.len()));
    // The result is at most this long; a small text is not worth measuring first.
    let count = if most > 1 << 16 { regex.find_iter(text).count() } else { text.len() };
    context.budget.charge(count.saturating_mul(replacement.len()).saturating_add(text.len()))?;
    let result = if literal {
        regex.replace_all(text, regex::NoExpand(replacement))
    } else {
        regex.replace_all(text, replacement)
    };
    context.budget.charge(result.len())?;
    Ok(Value::text(result.into_owned()))
}

fn replace(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    replaced(context, values, false)
}

fn replace_literal(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    replaced(context, values, true)
}

fn split(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let regex = compile(context, values)?;
    let text = text_of(&values[1]);
    let limit = limit(&values[2]);
    context.budget.charge_items(text.len().min(limit).saturating_add(1))?;
    if limit == 0 {
        return Ok(Value::list(Vec::new()));
    }
    Ok(Value::list(regex.splitn(text, limit).map(Value::text).collect()))
}
