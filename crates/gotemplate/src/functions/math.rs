//! sprig: numbers.

use crate::value::Value;

use super::Parameter::{Any, Int, Text};
use super::{Context, Function, int_of, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("atoi", &[Text], |_, values| Ok(Value::Int(text_of(&values[0]).parse().unwrap_or(0)))),
    Function::new("int", &[Any], |_, values| Ok(Value::Int(integer(&values[0])))),
    Function::new("int64", &[Any], |_, values| Ok(Value::Int(integer(&values[0])))),
    Function::new("float64", &[Any], |_, values| Ok(Value::Float(float(&values[0])))),
    Function::new("toDecimal", &[Any], |context, values| {
        let text = super::to_text(context, &values[0])?;
        Ok(Value::Int(i64::from_str_radix(&text, 8).unwrap_or(0)))
    }),
    Function::new("add1", &[Any], |_, values| Ok(Value::Int(integer(&values[0]).wrapping_add(1)))),
    Function::variadic("add", &[], Any, |_, values| {
        Ok(Value::Int(values.iter().fold(0, |sum, value| sum.wrapping_add(integer(value)))))
    }),
    Function::new("sub", &[Any, Any], |_, values| {
        Ok(Value::Int(integer(&values[0]).wrapping_sub(integer(&values[1]))))
    }),
    Function::variadic("mul", &[Any], Any, |_, values| {
        Ok(Value::Int(values.iter().fold(1, |product, value| product.wrapping_mul(integer(value)))))
    }),
    Function::new("div", &[Any, Any], |_, values| divided(values, i64::wrapping_div)),
    Function::new("mod", &[Any, Any], |_, values| divided(values, i64::wrapping_rem)),
    Function::variadic("max", &[Any], Any, |_, values| Ok(extreme(values, i64::max))),
    Function::variadic("biggest", &[Any], Any, |_, values| Ok(extreme(values, i64::max))),
    Function::variadic("min", &[Any], Any, |_, values| Ok(extreme(values, i64::min))),
    Function::variadic("maxf", &[Any], Any, |_, values| {
        Ok(Value::Float(values.iter().map(float).fold(f64::NEG_INFINITY, f64::max)))
    }),
    Function::variadic("minf", &[Any], Any, |_, values| {
        Ok(Value::Float(values.iter().map(float).fold(f64::INFINITY, f64::min)))
    }),
    Function::new("floor", &[Any], |_, values| Ok(Value::Float(float(&values[0]).floor()))),
    Function::new("ceil", &[Any], |_, values| Ok(Value::Float(float(&values[0]).ceil()))),
    Function::variadic("round", &[Any, Int], Any, |_, values| Ok(Value::Float(round(values)))),
    Function::new("until", &[Int], |context, values| {
        let count = int_of(&values[0]);
        steps(context, 0, count, if count < 0 { -1 } else { 1 })
    }),
    Function::new("untilStep", &[Int, Int, Int], |context, values| {
        steps(context, int_of(&values[0]), int_of(&values[1]), int_of(&values[2]))
    }),
    Function::variadic("seq", &[], Int, sequence),
];

/// What sprig's conversions make of a value.
pub(super) fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        Value::Float(number) => *number as i64,
        Value::Bool(flag) => i64::from(*flag),
        Value::Text(text) => text.parse().unwrap_or(0),
        _ => 0,
    }
}

pub(super) fn float(value: &Value) -> f64 {
    match value {
        Value::Float(number) => *number,
        Value::Text(text) => text.parse().unwrap_or(0.0),
        other => integer(other) as f64,
    }
}

fn divided(values: &[Value], divide: fn(i64, i64) -> i64) -> Result<Value, String> {
    match integer(&values[1]) {
        0 => Err("runtime error: integer divide by zero".to_owned()),
        divisor => Ok(Value::Int(divide(integer(&values[0]), divisor))),
    }
}

fn extreme(values: &[Value], better: fn(i64, i64) -> i64) -> Value {
    Value::Int(values.iter().map(integer).reduce(better).unwrap_or(0))
}

/// `round value places [point]`: up from `point` (one half), as sprig does it.
fn round(values: &[Value]) -> f64 {
    let point = values.get(2).map_or(0.5, float);
    let places = i32::try_from(int_of(&values[1])).unwrap_or(0);
    let power = 10_f64.powi(places);
    let digit = power * float(&values[0]);
    let fraction = digit.fract();
    let rounded = if fraction >= point { digit.ceil() } else { digit.floor() };
    rounded / power
}

/// The numbers from `start` towards `stop`, which is not among them.
fn range(context: &mut Context, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, String> {
    let forwards = stop > start;
    if step == 0 || (step > 0) != forwards || start == stop {
        return Ok(Vec::new());
    }
    let distance = i128::from(stop) - i128::from(start);
    let count = distance.unsigned_abs().div_ceil(u128::from(step.unsigned_abs()));
    context.budget.charge_items(usize::try_from(count).unwrap_or(usize::MAX))?;
    let mut numbers = Vec::new();
    let mut number = i128::from(start);
    while (forwards && number < i128::from(stop)) || (!forwards && number > i128::from(stop)) {
        numbers.extend(i64::try_from(number));
        number += i128::from(step);
    }
    Ok(numbers)
}

fn steps(context: &mut Context, start: i64, stop: i64, step: i64) -> Result<Value, String> {
    let numbers = range(context, start, stop, step)?;
    Ok(Value::list(numbers.into_iter().map(Value::Int).collect()))
}

/// As the shell's `seq`: the last number is among them, and the result is one text.
fn sequence(context: &mut Context, values: &[Value]) -> Result<Value, String> {
    let numbers: Vec<i64> = values.iter().map(int_of).collect();
    let (start, step, end) = match numbers[..] {
        [end] => (1, if end < 1 { -1 } else { 1 }, end),
        [start, end] => (start, if end < start { -1 } else { 1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Ok(Value::text("")),
    };
    let past_end = if step < 0 { end.saturating_sub(1) } else { end.saturating_add(1) };
    let numbers = range(context, start, past_end, step)?;
    let texts: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    Ok(Value::text(texts.join(" ")))
}
