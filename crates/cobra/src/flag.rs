//! Flags: what they are called, what values they take, and how help shows them.

use std::borrow::Cow;

use crate::complete::Values;
use crate::quote::quote;

/// Checks a value beyond its type; the error is the reason pflag prints after `invalid argument …:`.
pub type Check = fn(&str) -> Result<(), String>;

/// What values a flag takes, named as pflag names them in help.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A switch: `--flag`, `--flag=false`.
    Bool,
    /// A 64-bit number, decimal or with Go's prefixes (`0x`, `0o`, `0b`).
    Int,
    /// A text.
    Text,
    /// Texts separated by commas (one CSV line), repeatable: pflag's `strings`.
    Commas,
    /// One text each time it is given: pflag's `stringArray`.
    Repeated,
}

/// A flag of a command.
#[derive(Debug, Clone)]
pub struct Flag {
    pub(crate) name: Cow<'static, str>,
    pub(crate) shorthand: Option<char>,
    pub(crate) usage: String,
    pub(crate) kind: Kind,
    pub(crate) default: String,
    pub(crate) check: Option<Check>,
    pub(crate) hidden: bool,
    pub(crate) deprecated: Option<&'static str>,
    pub(crate) required: bool,
    pub(crate) persistent: bool,
    pub(crate) values: Values,
}

impl Flag {
    fn new(name: impl Into<Cow<'static, str>>, usage: impl Into<String>, kind: Kind) -> Self {
        let default = match kind {
            Kind::Bool => "false",
            Kind::Int => "0",
            Kind::Text => "",
            Kind::Commas | Kind::Repeated => "[]",
        };
        Self {
            name: name.into(),
            shorthand: None,
            usage: usage.into(),
            kind,
            default: default.to_owned(),
            check: None,
            hidden: false,
            deprecated: None,
            required: false,
            persistent: false,
            values: Values::Files,
        }
    }

    /// A switch. A word in back quotes in `usage` is what help shows as the value's name, for every kind.
    #[must_use]
    pub fn bool(name: impl Into<Cow<'static, str>>, usage: impl Into<String>) -> Self {
        Self::new(name, usage, Kind::Bool)
    }

    /// A number.
    #[must_use]
    pub fn int(name: impl Into<Cow<'static, str>>, usage: impl Into<String>) -> Self {
        Self::new(name, usage, Kind::Int)
    }

    /// A text.
    #[must_use]
    pub fn text(name: impl Into<Cow<'static, str>>, usage: impl Into<String>) -> Self {
        Self::new(name, usage, Kind::Text)
    }

    /// Texts separated by commas, repeatable.
    #[must_use]
    pub fn commas(name: impl Into<Cow<'static, str>>, usage: impl Into<String>) -> Self {
        Self::new(name, usage, Kind::Commas)
    }

    /// A text that may be given several times.
    #[must_use]
    pub fn repeated(name: impl Into<Cow<'static, str>>, usage: impl Into<String>) -> Self {
        Self::new(name, usage, Kind::Repeated)
    }

    /// The one-letter form.
    #[must_use]
    pub fn short(mut self, letter: char) -> Self {
        self.shorthand = Some(letter);
        self
    }

    /// The value when the flag is not given, as it would be typed.
    #[must_use]
    pub fn default(mut self, value: impl Into<String>) -> Self {
        self.default = value.into();
        self
    }

    /// A check of every value given.
    #[must_use]
    pub fn checked(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// Leaves the flag out of help and completion.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// Leaves the flag out of help and completion, and gives a notice with `advice` when it is used.
    #[must_use]
    pub fn deprecated(mut self, advice: &'static str) -> Self {
        self.deprecated = Some(advice);
        self.hidden = true;
        self
    }

    /// [`crate::Matches::validate`] fails when the flag is not given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The commands below take the flag as well; their help lists it under "Global Flags".
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// How values complete; files when not said.
    #[must_use]
    pub fn values(mut self, values: Values) -> Self {
        self.values = values;
        self
    }

    /// The long name, without dashes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Given without `=value` it means `true` and takes no word from the command line.
    pub(crate) fn is_switch(&self) -> bool {
        matches!(self.kind, Kind::Bool)
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::Commas | Kind::Repeated)
    }

    /// Both forms, as errors name a flag: `-u, --username`.
    pub(crate) fn spelling(&self) -> String {
        match self.shorthand {
            Some(letter) => format!("-{letter}, --{}", self.name),
            None => format!("--{}", self.name),
        }
    }

    /// The value's name and the usage without back quotes.
    pub(crate) fn unquoted_usage(&self) -> (String, String) {
        if let Some((before, rest)) = self.usage.split_once('`')
            && let Some((name, after)) = rest.split_once('`')
        {
            return (name.to_owned(), format!("{before}{name}{after}"));
        }
        let name = match self.kind {
            Kind::Bool => "",
            Kind::Int => "int",
            Kind::Text => "string",
            Kind::Commas => "strings",
            Kind::Repeated => "stringArray",
        };
        (name.to_owned(), self.usage.clone())
    }

    /// What follows the usage: the default unless it is nothing, and the deprecation.
    pub(crate) fn remarks(&self) -> String {
        let mut remarks = match self.kind {
            Kind::Bool if self.default == "false" => String::new(),
            Kind::Int if self.default == "0" => String::new(),
            Kind::Commas | Kind::Repeated if self.default == "[]" => String::new(),
            Kind::Text if self.default.is_empty() => String::new(),
            Kind::Text => format!(" (default {})", quote(&self.default)),
            _ => format!(" (default {})", self.default),
        };
        if let Some(advice) = self.deprecated {
            remarks.push_str(&format!(" (DEPRECATED: {advice})"));
        }
        remarks
    }
}
