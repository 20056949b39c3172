//! What a command line said: values of flags, and arguments.

use std::collections::BTreeMap;

use crate::command::{Command, Group};
use crate::error::Error;
use crate::flag::{Flag, Kind};
use crate::quote::quote;

/// A flag's value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<String>),
}

/// A flag's state: its value and whether the command line said it.
#[derive(Debug, Clone)]
struct Slot {
    value: Value,
    given: bool,
}

/// The values of a command's flags, and its arguments.
///
/// The getters panic when the command does not declare the flag, or declares it as another kind: that is a
/// mistake in the program, not in what was typed.
#[derive(Debug, Clone, Default)]
pub struct Matches {
    slots: BTreeMap<String, Slot>,
    arguments: Vec<String>,
    before_dashes: Option<usize>,
    required: Vec<String>,
    groups: Vec<Group>,
}

impl Matches {
    /// Everything at its default.
    pub(crate) fn new(command: &Command, flags: &[&Flag]) -> Self {
        let mut slots = BTreeMap::new();
        for flag in flags {
            let value = match flag.kind {
                Kind::Bool => Value::Bool(flag.default == "true"),
                Kind::Int => Value::Int(flag.default.parse().unwrap_or_default()),
                Kind::Text => Value::Text(flag.default.clone()),
                Kind::Commas | Kind::Repeated => {
                    let inner = flag.default.trim_start_matches('[').trim_end_matches(']');
                    Value::List(inner.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect())
                }
            };
            slots.insert(flag.name.to_string(), Slot { value, given: false });
        }
        let mut required: Vec<_> =
            flags.iter().filter(|flag| flag.required).map(|flag| flag.name.to_string()).collect();
        required.sort_unstable();
        let groups = command.groups.clone();
        Self { slots, required, groups, ..Self::default() }
    }

    /// Takes a value from the command line; the error is pflag's reason.
    pub(crate) fn set(&mut self, flag: &Flag, text: &str) -> Result<(), String> {
        if let Some(check) = flag.check {
            check(text)?;
        }
        let slot = self
            .slots
            .entry(flag.name.to_string())
            .or_insert(Slot { value: Value::Bool(false), given: false });
        match flag.kind {
            Kind::Bool => slot.value = Value::Bool(parse_bool(text)?),
            Kind::Int => slot.value = Value::Int(parse_int(text)?),
            Kind::Text => slot.value = Value::Text(text.to_owned()),
            Kind::Commas | Kind::Repeated => {
                let added = match flag.kind {
                    Kind::Commas => split_commas(text)?,
                    _ => vec![text.to_owned()],
                };
                match &mut slot.value {
                    Value::List(list) if slot.given => list.extend(added),
                    value => *value = Value::List(added),
                }
            }
        }
        slot.given = true;
        Ok(())
    }

    pub(crate) fn push_argument(&mut self, argument: &str) {
        self.arguments.push(argument.to_owned());
    }

    pub(crate) fn mark_dashes(&mut self) {
        self.before_dashes = Some(self.arguments.len());
    }

    /// The arguments that are not flags.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// How many arguments stood before `--`, when there was one.
    #[must_use]
    pub fn arguments_before_dashes(&self) -> Option<usize> {
        self.before_dashes
    }

    /// The command line said this flag.
    #[must_use]
    pub fn given(&self, name: &str) -> bool {
        self.slots.get(name).is_some_and(|slot| slot.given)
    }

    /// The command declares this flag.
    #[must_use]
    pub fn declares(&self, name: &str) -> bool {
        self.slots.contains_key(name)
    }

    fn value(&self, name: &str) -> &Value {
        match self.slots.get(name) {
            Some(slot) => &slot.value,
            None => panic!("the command does not declare --{name}"),
        }
    }

    /// A switch.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Bool(value) => *value,
            other => panic!("--{name} is not a switch: {other:?}"),
        }
    }

    /// A number.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Int(value) => *value,
            other => panic!("--{name} is not a number: {other:?}"),
        }
    }

    /// A text; empty when it was not given and has no default.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Value::Text(value) => value,
            other => panic!("--{name} is not a text: {other:?}"),
        }
    }

    /// The texts of a flag that may be given several times.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Value::List(values) => values,
            other => panic!("--{name} is not a list: {other:?}"),
        }
    }

    /// Checks required flags and rules over several flags, in cobra's order. Not part of dispatching, because
    /// cobra lets a command look at its flags first.
    pub fn validate(&self) -> Result<(), Error> {
        let missing = self.required.iter().filter(|name| !self.given(name));
        let names: Vec<_> = missing.cloned().collect();
        if !names.is_empty() {
            return Err(Error::RequiredFlags { names });
        }
        self.groups.iter().try_for_each(|group| self.check_group(group))
    }

    fn check_group(&self, group: &Group) -> Result<(), Error> {
        let (Group::Exclusive(names) | Group::Together(names) | Group::OneRequired(names)) = group;
        let (mut set, mut missing): (Vec<String>, Vec<String>) =
            names.iter().map(ToString::to_string).partition(|name| self.given(name));
        set.sort_unstable();
        missing.sort_unstable();
        let all = names.join(" ");
        match group {
            Group::Exclusive(_) if set.len() > 1 => Err(Error::ExclusiveFlags { group: all, set }),
            Group::Together(_) if !set.is_empty() && !missing.is_empty() => {
                Err(Error::IncompleteFlags { group: all, missing })
            }
            Group::OneRequired(_) if set.is_empty() => Err(Error::NoneOfFlags { group: all }),
            _ => Ok(()),
        }
    }
}

/// The words Go's `strconv.ParseBool` takes.
fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text))),
    }
}

/// What Go's `strconv.ParseInt(text, 0, 64)` takes, underscores between digits aside.
fn parse_int(text: &str) -> Result<i64, String> {
    let failed = |reason| format!("strconv.ParseInt: parsing {}: {reason}", quote(text));
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(failed("invalid syntax"));
    }
    let magnitude = i128::from_str_radix(digits, radix).map_err(|_| failed("value out of range"))?;
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).map_err(|_| failed("value out of range"))
}

/// Splits one line of comma-separated values, with Go's `encoding/csv` rules for quotes.
fn split_commas(text: &str) -> Result<Vec<String>, String> {
    let line = text.split('\n').next().unwrap_or_default().trim_end_matches('\r');
    let failed = |column: usize, what: &str| Err(format!("parse error on line 1, column {column}: {what}"));
    if line.is_empty() {
        return Ok(Vec::new());
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let start = line.len() - rest.len();
        let Some(mut quoted) = rest.strip_prefix('"') else {
            let (field, after) = match rest.split_once(',') {
                Some((field, after)) => (field, Some(after)),
                None => (rest, None),
            };
            if let Some(position) = field.find('"') {
                return failed(start + position + 1, "bare \" in non-quoted field");
            }
            fields.push(field.to_owned());
            match after {
                Some(after) => rest = after,
                None => return Ok(fields),
            }
            continue;
        };
        let mut field = String::new();
        loop {
            let Some((part, after)) = quoted.split_once('"') else {
                return failed(line.len() + 1, "extraneous or missing \" in quoted-field");
            };
            field.push_str(part);
            match after.strip_prefix('"') {
                Some(more) => {
                    field.push('"');
                    quoted = more;
                }
                None => {
                    quoted = after;
                    break;
                }
            }
        }
        fields.push(field);
        match quoted.strip_prefix(',') {
            Some(after) => rest = after,
            None if quoted.is_empty() => return Ok(fields),
            None => {
                let column = line.len() - quoted.len();
                return failed(column, "extraneous or missing \" in quoted-field");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_go_s_prefixes() {
        for (text, expected) in
            [("5", 5), ("-1", -1), ("0x1F", 31), ("010", 8), ("0", 0), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(parse_int(text), Ok(expected), "{text}");
        }
        let error = parse_int("9223372036854775808").expect_err("too large");
        assert_eq!(error, "strconv.ParseInt: parsing \"9223372036854775808\": value out of range");
        assert_eq!(parse_int("x").expect_err("no number"), "strconv.ParseInt: parsing \"x\": invalid syntax");
    }

    #[test]
    fn comma_lists_follow_csv() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(split_commas(text).expect(text), expected, "{text}");
        };
        check("", &[]);
        check("a", &["a"]);
        check("a,b,", &["a", "b", ""]);
        check("\"a,b\",c", &["a,b", "c"]);
        check("\"say \"\"hi\"\"\"", &["say \"hi\""]);
        let error = split_commas("a\"b").expect_err("bare quote");
        assert_eq!(error, "parse error on line 1, column 2: bare \" in non-quoted field");
        assert!(split_commas("\"a").is_err());
    }
}
