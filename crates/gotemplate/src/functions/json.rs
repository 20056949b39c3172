//! sprig: JSON in and out, as Go's `encoding/json` writes it.

use crate::float::{self, Style};
use crate::limits::{Budget, MAX_DEPTH};
use crate::value::Value;

use super::Parameter::{Any, Text};
use super::{Context, Function, text_of};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toJson", &[Any], |context, values| write(context, &values[0], true, None)),
    Function::new("mustToJson", &[Any], |context, values| write(context, &values[0], true, None)),
    Function::new("toPrettyJson", &[Any], |context, values| write(context, &values[0], true, Some(0))),
    Function::new("mustToPrettyJson", &[Any], |context, values| write(context, &values[0], true, Some(0))),
    Function::new("toRawJson", &[Any], |context, values| write(context, &values[0], false, None)),
    Function::new("mustToRawJson", &[Any], |context, values| write(context, &values[0], false, None)),
    Function::new("fromJson", &[Text], |context, values| {
        Ok(read(context, text_of(&values[0])).unwrap_or(Value::Nil))
    }),
    Function::new("mustFromJson", &[Text], |context, values| read(context, text_of(&values[0]))),
];

fn read(context: &mut Context, text: &str) -> Result<Value, String> {
    context.budget.charge(text.len().saturating_mul(8))?;
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(Value::from_json(&json))
}

fn write(context: &mut Context, value: &Value, html: bool, indent: Option<usize>) -> Result<Value, String> {
    let mut writer = Writer { text: String::new(), budget: &mut context.budget, html };
    writer.value(value, indent, 0)?;
    Ok(Value::text(writer.text))
}

struct Writer<'b> {
    text: String,
    budget: &'b mut Budget,
    /// `<`, `>` and `&` are escaped.
    html: bool,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) -> Result<(), String> {
        self.budget.charge(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    fn line(&mut self, indent: Option<usize>) -> Result<(), String> {
        match indent {
            Some(level) => self.push(&format!("\n{}", "  ".repeat(level))),
            None => Ok(()),
        }
    }

    fn value(&mut self, value: &Value, indent: Option<usize>, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("the value is nested too deeply for JSON".to_owned());
        }
        let inner = indent.map(|level| level + 1);
        match value {
            Value::Nil => self.push("null"),
            Value::Bool(flag) => self.push(if *flag { "true" } else { "false" }),
            Value::Int(number) => self.push(&number.to_string()),
            Value::Float(number) => {
                let text = number_text(*number)?;
                self.push(&text)
            }
            Value::Text(text) => self.string(text),
            Value::Time(time) => self.string(&time.timestamp().to_string()),
            Value::Version(version) => self.string(&version.to_string()),
            Value::List(list) if list.items().is_empty() => self.push("[]"),
            Value::Map(map) if map.entries().is_empty() => self.push("{}"),
            Value::List(list) => {
                self.push("[")?;
                for (index, item) in list.items().iter().enumerate() {
                    if index > 0 {
                        self.push(",")?;
                    }
                    self.line(inner)?;
                    self.value(item, inner, depth + 1)?;
                }
                self.line(indent)?;
                self.push("]")
            }
            Value::Map(map) => {
                self.push("{")?;
                for (index, (key, item)) in map.entries().iter().enumerate() {
                    if index > 0 {
                        self.push(",")?;
                    }
                    self.line(inner)?;
                    self.string(key)?;
                    self.push(if indent.is_some() { ": " } else { ":" })?;
                    self.value(item, inner, depth + 1)?;
                }
                self.line(indent)?;
                self.push("}")
            }
        }
    }

    fn string(&mut self, text: &str) -> Result<(), String> {
        self.budget.charge(text.len() + 2)?;
        self.text.push('"');
        for character in text.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{2028}' | '\u{2029}' => self.text.push_str(&format!("\\u{:04x}", character as u32)),
                '<' | '>' | '&' if self.html => self.text.push_str(&format!("\\u{:04x}", character as u32)),
                control if (control as u32) < 0x20 => {
                    self.text.push_str(&format!("\\u{:04x}", control as u32));
                }
                other => self.text.push(other),
            }
        }
        self.text.push('"');
        Ok(())
    }
}

/// A number as Go's JSON writes it: with an exponent only when very small or very large.
fn number_text(number: f64) -> Result<String, String> {
    if !number.is_finite() {
        return Err(format!("json: unsupported value: {}", float::shortest(number)));
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = float::format(number, Style::Exponent, None);
        return Ok(text.replace("e-0", "e-"));
    }
    Ok(float::format(number, Style::Fixed, None))
}
