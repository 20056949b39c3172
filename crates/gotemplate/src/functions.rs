//! The functions that templates can call: Go's own and those of sprig.
//!
//! Each module lists its functions in a table; sprig's win over Go's where both have a name, as they do in
//! programs that register sprig. Left out on purpose: what makes keys and certificates, or encrypts.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::format::quote;
use crate::limits::Budget;
use crate::surroundings::Surroundings;
use crate::value::Value;

mod builtin;
mod cases;
pub(crate) mod compare;
pub(crate) mod dates;
mod decimals;
mod defaults;
mod dicts;
mod encoding;
mod json;
mod lists;
mod math;
mod passwords;
mod paths;
mod random;
mod regexes;
mod text;
mod urls;
pub(crate) mod versions;
mod words;
mod world;

/// What a function may use besides its arguments.
pub(crate) struct Context<'s> {
    pub(crate) budget: Budget,
    /// The world outside of the template.
    pub(crate) surroundings: &'s dyn Surroundings,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameter {
    Any,
    Text,
    Int,
    Bool,
    Map,
}

impl Parameter {
    /// Go's name of the type.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Map => "map[string]interface {}",
        }
    }

    /// Go can pass nil for it.
    fn takes_nil(self) -> bool {
        matches!(self, Self::Any | Self::Map)
    }

    /// Go's complaint when a value cannot be passed for it.
    pub(crate) fn check(self, value: &Value) -> Result<(), String> {
        let fits = match (self, value) {
            (Self::Any, _)
            | (Self::Text, Value::Text(_))
            | (Self::Int, Value::Int(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Map, Value::Map(_)) => true,
            (_, Value::Nil) => {
                if self.takes_nil() {
                    return Ok(());
                }
                return Err(format!("invalid value; expected {}", self.type_name()));
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(format!("wrong type for value; expected {}; got {}", self.type_name(), value.type_name()))
    }
}

/// What a function does with its arguments, which fit its parameters.
pub(crate) type Run = fn(&mut Context<'_>, &[Value]) -> Result<Value, String>;

/// A function.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// The type of any number of further arguments.
    pub(crate) rest: Option<Parameter>,
    pub(crate) run: Run,
}

impl Function {
    const fn new(name: &'static str, parameters: &'static [Parameter], run: Run) -> Self {
        Self { name, parameters, rest: None, run }
    }

    const fn variadic(
        name: &'static str,
        parameters: &'static [Parameter],
        rest: Parameter,
        run: Run,
    ) -> Self {
        Self { name, parameters, rest: Some(rest), run }
    }

    /// The parameter that an argument is for.
    pub(crate) fn parameter(&self, index: usize) -> Option<Parameter> {
        self.parameters.get(index).copied().or(self.rest)
    }

    /// Go's complaint when there are too many or too few arguments.
    pub(crate) fn check_count(&self, got: usize) -> Result<(), String> {
        let (name, least) = (self.name, self.parameters.len());
        match self.rest {
            Some(_) if got < least => {
                Err(format!("wrong number of args for {name}: want at least {least} got {got}"))
            }
            None if got != least => Err(format!("wrong number of args for {name}: want {least} got {got}")),
            _ => Ok(()),
        }
    }
}

/// Tables, the later ones winning.
const TABLES: &[&[Function]] = &[
    builtin::FUNCTIONS,
    cases::FUNCTIONS,
    compare::FUNCTIONS,
    dates::FUNCTIONS,
    decimals::FUNCTIONS,
    defaults::FUNCTIONS,
    dicts::FUNCTIONS,
    encoding::FUNCTIONS,
    json::FUNCTIONS,
    lists::FUNCTIONS,
    math::FUNCTIONS,
    passwords::FUNCTIONS,
    paths::FUNCTIONS,
    random::FUNCTIONS,
    regexes::FUNCTIONS,
    text::FUNCTIONS,
    urls::FUNCTIONS,
    versions::FUNCTIONS,
    words::FUNCTIONS,
    world::FUNCTIONS,
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Function>> =
    LazyLock::new(|| TABLES.iter().copied().flatten().map(|function| (function.name, function)).collect());

/// sprig's functions that have no place where results are written: they make keys and certificates, or encrypt.
const NOT_OFFERED: &[&str] = &[
    "buildCustomCert",
    "decryptAES",
    "encryptAES",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
];

/// There is a function of that name. `and`, `or` and `call` are among them, although the interpreter runs them
/// itself.
pub(crate) fn exists(name: &str) -> bool {
    matches!(name, "and" | "or" | "call") || find(name).is_some()
}

/// Why there is no function of that name.
pub(crate) fn refusal(name: &str) -> String {
    let quoted = quote(name);
    if NOT_OFFERED.contains(&name) {
        return format!(
            "function {quoted} is one of sprig's for keys, certificates and encryption, which are not offered here"
        );
    }
    format!("function {quoted} not defined")
}

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    BY_NAME.get(name).copied()
}

/// A text argument.
fn text_of(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

/// An integer argument.
fn int_of(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        _ => 0,
    }
}

/// A value as text, as sprig's `toString` makes it.
fn to_text(context: &mut Context, value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) => {
            context.budget.charge(text.len())?;
            Ok(text.to_string())
        }
        other => crate::format::plain(other, &mut context.budget),
    }
}

/// A list argument; sprig's complaint when it is none.
fn items_of<'v>(what: &str, value: &'v Value) -> Result<&'v [Value], String> {
    match value {
        Value::List(list) => Ok(list.items()),
        other => Err(format!("Cannot {what} on type {}", other.kind_name())),
    }
}

/// A position in a text, moved back to the start of the character that it falls into.
fn floor_boundary(text: &str, position: usize) -> usize {
    let mut position = position.min(text.len());
    while !text.is_char_boundary(position) {
        position -= 1;
    }
    position
}
