//! sprig: the environment and the network, as far as the surroundings tell of them.

use crate::value::Value;

use super::Parameter::Text;
use super::random::below;
use super::text::copied;
use super::{Context, Function, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("env", &[Text], |context, values| {
        let value = variable(context, text_of(&values[0]))?;
        copied(context, &value)
    }),
    Function::new("expandenv", &[Text], |context, values| expand(context, text_of(&values[0]))),
    Function::new("getHostByName", &[Text], |context, values| {
        let host = text_of(&values[0]);
        let addresses = context.surroundings.addresses(host).ok_or("there is no network here")?;
        if addresses.is_empty() {
            return Err(format!("lookup {host}: no such host"));
        }
        let chosen = below(context, addresses.len())?;
        Ok(Value::text(addresses[chosen].to_string()))
    }),
];

fn variable(context: &Context<'_>, name: &str) -> Result<String, String> {
    context.surroundings.variable(name).ok_or_else(|| "there is no environment here".to_owned())
}

/// Go's `os.ExpandEnv`: `$name` and `${name}`. A dollar without a name stays, braces without one go.
fn expand(context: &mut Context<'_>, text: &str) -> Result<Value, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('$') {
        expanded.push_str(&rest[..position]);
        rest = &rest[position + 1..];
        let (name, length) = name_of(rest);
        match (name, length) {
            ("", 0) => expanded.push('$'),
            ("", _) => {}
            (name, _) => {
                let value = variable(context, name)?;
                context.budget.charge(value.len())?;
                expanded.push_str(&value);
            }
        }
        rest = &rest[length..];
    }
    expanded.push_str(rest);
    copied(context, &expanded)
}

/// The name of a variable at the beginning of a text, and how many bytes stand for it.
fn name_of(text: &str) -> (&str, usize) {
    if let Some(inside) = text.strip_prefix('{') {
        return match inside.find('}') {
            Some(end) => (&inside[..end], end + 2),
            None => ("", 1),
        };
    }
    if text.starts_with(|c: char| "*#$@!?-0123456789".contains(c)) {
        return (&text[..1], 1);
    }
    let length = text.bytes().take_while(|byte| *byte == b'_' || byte.is_ascii_alphanumeric()).count();
    (&text[..length], length)
}
