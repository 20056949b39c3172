//! Go's `fmt`: how values print, and `printf`.

use std::fmt::Write as _;

use crate::float::{self, Style};
use crate::functions::dates;
use crate::limits::{Budget, MAX_DEPTH};
use crate::value::Value;

/// Largest width and precision that `printf` takes, as in Go.
const MAX_WIDTH: usize = 1_000_000;

/// Quotes text as `%q` does: printable characters stay, the rest is escaped.
pub(crate) fn quote(text: &str) -> String {
    quote_with(text, '"', false)
}

fn quote_with(text: &str, mark: char, ascii_only: bool) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(mark);
    for character in text.chars() {
        let code = character as u32;
        match character {
            c if c == mark || c == '\\' => quoted.extend(['\\', c]),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            _ if code < 0x20 || code == 0x7f => {
                let _ = write!(quoted, "\\x{code:02x}");
            }
            c if is_printable(c) && (!ascii_only || c.is_ascii()) => quoted.push(c),
            _ if code <= 0xffff => {
                let _ = write!(quoted, "\\u{code:04x}");
            }
            _ => {
                let _ = write!(quoted, "\\U{code:08x}");
            }
        }
    }
    quoted.push(mark);
    quoted
}

/// Go counts no space as printable but the ASCII one.
fn is_printable(character: char) -> bool {
    let blank = character.is_whitespace() || matches!(character, '\u{feff}' | '\u{200b}'..='\u{200f}');
    character == ' ' || !(character.is_control() || blank)
}

/// A value as `%v` prints it.
pub(crate) fn plain(value: &Value, budget: &mut Budget) -> Result<String, String> {
    let mut printer = Printer { out: String::new(), budget };
    printer.value(value, &Verb::plain(), 0)?;
    Ok(printer.out)
}

/// As `fmt.Sprint`: blanks between operands when neither is a string.
pub(crate) fn sprint(values: &[Value], budget: &mut Budget) -> Result<String, String> {
    let mut printer = Printer { out: String::new(), budget };
    for (index, value) in values.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if index > 0 && !is_text(value) && !is_text(&values[index - 1]) {
            printer.out.push(' ');
        }
        printer.value(value, &Verb::plain(), 0)?;
    }
    Ok(printer.out)
}

/// As `fmt.Sprintln`.
pub(crate) fn sprintln(values: &[Value], budget: &mut Budget) -> Result<String, String> {
    let mut printer = Printer { out: String::new(), budget };
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            printer.out.push(' ');
        }
        printer.value(value, &Verb::plain(), 0)?;
    }
    printer.out.push('\n');
    Ok(printer.out)
}

/// As `fmt.Sprintf`.
pub(crate) fn sprintf(format: &str, values: &[Value], budget: &mut Budget) -> Result<String, String> {
    budget.charge(format.len())?;
    let mut printer = Printer { out: String::new(), budget };
    let mut arguments = values.iter();
    let mut rest = format;
    while let Some(position) = rest.find('%') {
        printer.out.push_str(&rest[..position]);
        rest = &rest[position + 1..];
        let verb = Verb::read(&mut rest, &mut arguments, &mut printer.out);
        match verb.letter {
            None => printer.out.push_str("%!(NOVERB)"),
            Some('%') => printer.out.push('%'),
            Some(letter) => match arguments.next() {
                Some(value) => printer.value(value, &verb, 0)?,
                None => {
                    let _ = write!(printer.out, "%!{letter}(MISSING)");
                }
            },
        }
    }
    printer.out.push_str(rest);
    let extra: Vec<&Value> = arguments.collect();
    if !extra.is_empty() {
        printer.out.push_str("%!(EXTRA ");
        for (index, value) in extra.into_iter().enumerate() {
            if index > 0 {
                printer.out.push_str(", ");
            }
            printer.typed(value, 0)?;
        }
        printer.out.push(')');
    }
    Ok(printer.out)
}

/// A directive of a format.
#[derive(Debug, Clone, Default)]
struct Verb {
    letter: Option<char>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Verb {
    fn plain() -> Self {
        Self { letter: Some('v'), ..Self::default() }
    }

    /// Reads what follows `%`; problems with `*` go to `out` as Go puts them.
    fn read(rest: &mut &str, arguments: &mut std::slice::Iter<'_, Value>, out: &mut String) -> Self {
        let mut verb = Self::default();
        while let Some(flag) = rest.chars().next() {
            match flag {
                '-' => (verb.minus, verb.zero) = (true, false),
                '+' => verb.plus = true,
                '#' => verb.sharp = true,
                ' ' => verb.space = true,
                '0' => verb.zero = !verb.minus,
                _ => break,
            }
            *rest = &rest[1..];
        }
        verb.width = Self::number(rest, arguments, out, "%!(BADWIDTH)");
        if let Some(after) = rest.strip_prefix('.') {
            *rest = after;
            verb.precision = Some(Self::number(rest, arguments, out, "%!(BADPREC)").unwrap_or(0));
        }
        verb.letter = rest.chars().next();
        // `%+v` asks for the names of fields, of which these values have none, and for no sign.
        verb.plus &= verb.letter != Some('v');
        *rest = &rest[verb.letter.map_or(0, char::len_utf8)..];
        verb
    }

    fn number(
        rest: &mut &str,
        arguments: &mut std::slice::Iter<'_, Value>,
        out: &mut String,
        bad: &str,
    ) -> Option<usize> {
        if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            let given = match arguments.next() {
                Some(Value::Int(number)) => usize::try_from(*number).ok().filter(|n| *n <= MAX_WIDTH),
                _ => None,
            };
            if given.is_none() {
                out.push_str(bad);
            }
            return given;
        }
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = rest.split_at(length);
        *rest = after;
        digits.parse().ok().filter(|number| *number <= MAX_WIDTH)
    }
}

struct Printer<'b> {
    out: String,
    budget: &'b mut Budget,
}

impl Printer<'_> {
    fn push(&mut self, text: &str) -> Result<(), String> {
        self.budget.charge(text.len() + 1)?;
        self.out.push_str(text);
        Ok(())
    }

    fn value(&mut self, value: &Value, verb: &Verb, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("the value is nested too deeply to print".to_owned());
        }
        let letter = verb.letter.unwrap_or('v');
        match (letter, value) {
            ('T', value) => self.padded(value.type_name(), verb),
            ('v', Value::Nil) if depth == 0 => self.padded("<nil>", verb),
            ('v', Value::Nil) => self.push(if verb.sharp { "interface {}(nil)" } else { "<nil>" }),
            (_, Value::Nil) => self.push(&format!("%!{letter}(<nil>)")),
            (_, Value::List(list)) => self.list(list.items(), verb, depth),
            (_, Value::Map(map)) => self.map(map, verb, depth),
            ('t' | 'v', Value::Bool(flag)) => self.padded(if *flag { "true" } else { "false" }, verb),
            (_, Value::Int(number)) => self.integer(*number, value, verb),
            (_, Value::Float(number)) => self.float(*number, value, verb),
            (_, Value::Text(text)) => self.text(text, value, verb),
            ('v' | 's', Value::Time(time)) => self.padded(&dates::display(time), verb),
            (_, Value::Version(version)) => self.text(&version.to_string(), value, verb),
            _ => self.bad(value, verb),
        }
    }

    /// `%!d(string=hi)`: the flags still count for the value.
    fn bad(&mut self, value: &Value, verb: &Verb) -> Result<(), String> {
        self.push(&format!("%!{}({}=", verb.letter.unwrap_or('v'), value.type_name()))?;
        self.value(value, &Verb { letter: Some('v'), sharp: false, ..verb.clone() }, 0)?;
        self.push(")")
    }

    /// `string=hi`
    fn typed(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if matches!(value, Value::Nil) {
            return self.push("<nil>");
        }
        self.push(value.type_name())?;
        self.push("=")?;
        self.value(value, &Verb::plain(), depth)
    }

    fn list(&mut self, items: &[Value], verb: &Verb, depth: usize) -> Result<(), String> {
        let sharp = verb.sharp && verb.letter == Some('v');
        self.push(if sharp { "[]interface {}{" } else { "[" })?;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(if sharp { ", " } else { " " })?;
            }
            self.value(item, verb, depth + 1)?;
        }
        self.push(if sharp { "}" } else { "]" })
    }

    fn map(&mut self, map: &crate::value::Map, verb: &Verb, depth: usize) -> Result<(), String> {
        let sharp = verb.sharp && verb.letter == Some('v');
        self.push(if sharp { "map[string]interface {}{" } else { "map[" })?;
        for (index, (key, value)) in map.entries().iter().enumerate() {
            if index > 0 {
                self.push(if sharp { ", " } else { " " })?;
            }
            self.value(&Value::Text(key.clone()), verb, depth + 1)?;
            self.push(":")?;
            self.value(value, verb, depth + 1)?;
        }
        self.push(if sharp { "}" } else { "]" })
    }

    fn text(&mut self, text: &str, value: &Value, verb: &Verb) -> Result<(), String> {
        let cut: String = match verb.precision {
            Some(limit) => text.chars().take(limit).collect(),
            None => text.to_owned(),
        };
        let hex = |upper: bool| {
            let bytes = text.bytes().take(verb.precision.unwrap_or(usize::MAX));
            let digits: Vec<String> =
                bytes.map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect();
            let mark = match (verb.sharp && !digits.is_empty(), upper) {
                (true, true) => "0X",
                (true, false) => "0x",
                (false, _) => "",
            };
            let between = if verb.space { format!(" {mark}") } else { String::new() };
            format!("{mark}{}", digits.join(&between))
        };
        match verb.letter.unwrap_or('v') {
            'v' if verb.sharp => self.padded(&quote(&cut), verb),
            'v' | 's' => self.padded(&cut, verb),
            'q' if verb.sharp && !cut.contains('`') && cut.chars().all(|c| c == '\t' || is_printable(c)) => {
                self.padded(&format!("`{cut}`"), verb)
            }
            'q' => self.padded(&quote_with(&cut, '"', verb.plus), verb),
            'x' => self.padded(&hex(false), verb),
            'X' => self.padded(&hex(true), verb),
            _ => self.bad(value, verb),
        }
    }

    fn integer(&mut self, number: i64, value: &Value, verb: &Verb) -> Result<(), String> {
        let magnitude = number.unsigned_abs();
        let character = || u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
        let (prefix, digits) = match verb.letter.unwrap_or('v') {
            'v' | 'd' => ("", magnitude.to_string()),
            'b' => (if verb.sharp { "0b" } else { "" }, format!("{magnitude:b}")),
            'o' => (if verb.sharp { "0" } else { "" }, format!("{magnitude:o}")),
            'O' => ("0o", format!("{magnitude:o}")),
            'x' => (if verb.sharp { "0x" } else { "" }, format!("{magnitude:x}")),
            'X' => (if verb.sharp { "0X" } else { "" }, format!("{magnitude:X}")),
            'c' => return self.padded(&character().to_string(), verb),
            'q' => return self.padded(&quote_with(&character().to_string(), '\'', verb.plus), verb),
            'U' => return self.padded(&format!("U+{magnitude:04X}"), verb),
            _ => return self.bad(value, verb),
        };
        let least = verb.precision.unwrap_or(0);
        let digits = format!("{digits:0>least$}");
        self.number(number < 0, prefix, &digits, verb, verb.precision.is_none())
    }

    fn float(&mut self, number: f64, value: &Value, verb: &Verb) -> Result<(), String> {
        let default = Some(verb.precision.unwrap_or(6));
        let text = match verb.letter.unwrap_or('v') {
            'v' | 'g' => float::format(number, Style::General, verb.precision),
            'G' => float::format(number, Style::General, verb.precision).to_uppercase(),
            'f' | 'F' => float::format(number, Style::Fixed, default),
            'e' => float::format(number, Style::Exponent, default),
            'E' => float::format(number, Style::Exponent, default).to_uppercase(),
            _ => return self.bad(value, verb),
        };
        let negative = text.starts_with('-');
        let digits = text.trim_start_matches(['-', '+']);
        if number.is_infinite() && !negative {
            // Go always shows this sign, as a blank where a blank stands for it.
            let sign = if verb.space && !verb.plus { " " } else { "+" };
            return self.padded(&format!("{sign}{digits}"), &Verb { zero: false, ..verb.clone() });
        }
        self.number(negative, "", digits, verb, number.is_finite())
    }

    /// Sign, prefix and digits, padded to the width with zeros or blanks.
    fn number(
        &mut self,
        negative: bool,
        prefix: &str,
        digits: &str,
        verb: &Verb,
        may_zero: bool,
    ) -> Result<(), String> {
        let sign = match (negative, verb.plus, verb.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        };
        if verb.zero && may_zero {
            let width = verb.width.unwrap_or(0).saturating_sub(sign.len() + prefix.len());
            self.budget.charge(width)?;
            return self.push(&format!("{sign}{prefix}{digits:0>width$}"));
        }
        self.padded(&format!("{sign}{prefix}{digits}"), verb)
    }

    fn padded(&mut self, text: &str, verb: &Verb) -> Result<(), String> {
        let missing = verb.width.unwrap_or(0).saturating_sub(text.chars().count());
        self.budget.charge(missing)?;
        let pad = if verb.zero { "0" } else { " " }.repeat(missing);
        if verb.minus {
            self.push(text)?;
            self.push(&pad)
        } else {
            self.push(&pad)?;
            self.push(text)
        }
    }
}
