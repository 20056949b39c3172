//! What can be wrong with a command line, in cobra's and pflag's words.

use crate::command::Arguments;
use crate::quote::quote;

/// The words make no sense. `Display` is what cobra prints after `Error: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No command of that name.
    #[error("unknown command {} for {}{}", quote(name), quote(parent), did_you_mean(suggestions))]
    UnknownCommand {
        /// What was typed.
        name: String,
        /// Path of the command it was typed after.
        parent: String,
        /// Names that may have been meant.
        suggestions: Vec<String>,
    },
    /// No flag of that name.
    #[error("unknown flag: --{name}")]
    UnknownFlag {
        /// The name, without dashes.
        name: String,
    },
    /// No flag of that letter.
    #[error("unknown shorthand flag: '{letter}' in -{word}")]
    UnknownShorthand {
        /// The letter.
        letter: char,
        /// The word it stands in, without the dash, from the letter on.
        word: String,
    },
    /// A word such as `---x` or `--=x`.
    #[error("bad flag syntax: {word}")]
    BadSyntax {
        /// The word.
        word: String,
    },
    /// The command line ends where a flag's value should be.
    #[error("flag needs an argument: --{name}")]
    NeedsValue {
        /// The flag's name, without dashes.
        name: String,
    },
    /// The command line ends where a one-letter flag's value should be.
    #[error("flag needs an argument: '{letter}' in -{word}")]
    ShorthandNeedsValue {
        /// The letter.
        letter: char,
        /// The word it stands in, without the dash, from the letter on.
        word: String,
    },
    /// A value that the flag does not take.
    #[error("invalid argument {} for {} flag: {reason}", quote(value), quote(flag))]
    InvalidValue {
        /// The value.
        value: String,
        /// The flag, both forms: `-u, --username`.
        flag: String,
        /// Why not.
        reason: String,
    },
    /// The wrong number of arguments.
    #[error("{}", count_message(*expected, *got, path, first))]
    ArgumentCount {
        /// How many there should be.
        expected: Arguments,
        /// How many there were.
        got: usize,
        /// Path of the command.
        path: String,
        /// The first argument, when there was one.
        first: Option<String>,
    },
    /// Required flags are missing.
    #[error("required flag(s) \"{}\" not set", names.join("\", \""))]
    RequiredFlags {
        /// Their names, sorted.
        names: Vec<String>,
    },
    /// Flags that exclude each other.
    #[error(
        "if any flags in the group [{group}] are set none of the others can be; [{}] were all set",
        set.join(" ")
    )]
    ExclusiveFlags {
        /// All names of the rule, separated by spaces.
        group: String,
        /// Those that were given, sorted.
        set: Vec<String>,
    },
    /// Flags that must be given together.
    #[error(
        "if any flags in the group [{group}] are set they must all be set; missing [{}]",
        missing.join(" ")
    )]
    IncompleteFlags {
        /// All names of the rule, separated by spaces.
        group: String,
        /// Those that were not given, sorted.
        missing: Vec<String>,
    },
    /// None of several flags was given.
    #[error("at least one of the flags in the group [{group}] is required")]
    NoneOfFlags {
        /// All names of the rule, separated by spaces.
        group: String,
    },
}

impl Error {
    /// A line that cobra prints below the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownCommand { parent, .. } => Some(format!("`{parent} --help` lists the commands")),
            _ => None,
        }
    }
}

fn did_you_mean(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        return String::new();
    }
    let lines: String = suggestions.iter().map(|name| format!("\t{name}\n")).collect();
    format!("\n\nDid you mean this?\n{lines}")
}

fn count_message(expected: Arguments, got: usize, path: &str, first: &Option<String>) -> String {
    match expected {
        Arguments::Any => String::new(),
        Arguments::None => {
            format!("unknown command {} for {}", quote(first.as_deref().unwrap_or_default()), quote(path))
        }
        Arguments::Exactly(n) => format!("accepts {n} arg(s), received {got}"),
        Arguments::AtLeast(n) => format!("requires at least {n} arg(s), only received {got}"),
        Arguments::AtMost(n) => format!("accepts at most {n} arg(s), received {got}"),
        Arguments::Between(low, high) => {
            format!("accepts between {low} and {high} arg(s), received {got}")
        }
    }
}
