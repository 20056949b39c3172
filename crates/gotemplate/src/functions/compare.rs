//! Comparing: Go's `eq`, `lt` and their kin, and deep equality.

use std::cmp::Ordering;

use crate::limits::{Budget, MAX_DEPTH};
use crate::value::Value;

use super::Function;
use super::Parameter::Any;

const INCOMPATIBLE: &str = "incompatible types for comparison";
const INVALID: &str = "invalid type for comparison";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("eq", &[Any], Any, |_, values| eq(&values[0], &values[1..]).map(Value::Bool)),
    Function::new("ne", &[Any, Any], |_, values| {
        eq(&values[0], &values[1..]).map(|equal| Value::Bool(!equal))
    }),
    Function::new("lt", &[Any, Any], |_, values| order(values).map(|order| Value::Bool(order == Less))),
    Function::new("le", &[Any, Any], |_, values| order(values).map(|order| Value::Bool(order != Greater))),
    Function::new("gt", &[Any, Any], |_, values| order(values).map(|order| Value::Bool(order == Greater))),
    Function::new("ge", &[Any, Any], |_, values| order(values).map(|order| Value::Bool(order != Less))),
    Function::new("deepEqual", &[Any, Any], |context, values| {
        deep_equal(&values[0], &values[1], &mut context.budget, 0).map(Value::Bool)
    }),
];

use Ordering::{Greater, Less};

/// The first value equals one of the others.
fn eq(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        let equal = match (first, other) {
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Time(a), Value::Time(b)) => a == b,
            (Value::Version(a), Value::Version(b)) => a == b,
            (Value::Nil, Value::Nil) => true,
            (Value::Nil, _) | (_, Value::Nil) => false,
            (Value::List(_) | Value::Map(_), _) => {
                return Err(format!("non-comparable type {}", first.type_name()));
            }
            (_, Value::List(_) | Value::Map(_)) => {
                return Err(format!("non-comparable type {}", other.type_name()));
            }
            _ => return Err(INCOMPATIBLE.to_owned()),
        };
        if equal {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The order of two numbers or two texts.
fn order(values: &[Value]) -> Result<Ordering, String> {
    match (&values[0], &values[1]) {
        (Value::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
        // Not-a-number is neither below nor above anything; equal is the order that no strict test takes.
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b).unwrap_or(Ordering::Equal)),
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (
            Value::Int(_) | Value::Float(_) | Value::Text(_),
            Value::Int(_) | Value::Float(_) | Value::Text(_),
        ) => Err(INCOMPATIBLE.to_owned()),
        _ => Err(INVALID.to_owned()),
    }
}

/// Equal in type and content, as Go's `reflect.DeepEqual`.
pub(crate) fn deep_equal(a: &Value, b: &Value, budget: &mut Budget, depth: usize) -> Result<bool, String> {
    if depth > MAX_DEPTH {
        return Err("the values are nested too deeply to compare".to_owned());
    }
    budget.charge(1)?;
    Ok(match (a, b) {
        (Value::List(a), Value::List(b)) => {
            let (a, b) = (a.items(), b.items());
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !deep_equal(a, b, budget, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            let (a, b) = (a.entries(), b.entries());
            if a.len() != b.len() {
                return Ok(false);
            }
            for ((a_key, a), (b_key, b)) in a.iter().zip(b.iter()) {
                if a_key != b_key || !deep_equal(a, b, budget, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::List(_) | Value::Map(_), _) | (_, Value::List(_) | Value::Map(_)) => false,
        (Value::Nil, Value::Nil) => true,
        (a, b) => eq(a, std::slice::from_ref(b)).unwrap_or(false),
    })
}
