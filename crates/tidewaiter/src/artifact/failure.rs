//! What a command ends with when it does not succeed: the words that people and scripts know from ORAS.

use std::fmt;
use std::process::ExitCode;

use tidewaiter_oci as oci;

use crate::artifact::signals::Signal;

/// Begins the message when a registry gave the reason.
pub(crate) const FROM_REGISTRY: &str = "Error response from registry:";

/// A command that failed. Displays as it is shown: a prefix with the message, and up to two further lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure {
    prefix: Option<String>,
    message: String,
    usage: Option<String>,
    advice: Option<String>,
    signal: Option<Signal>,
}

/// A result of a command or a part of one.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// The command was asked to end before it was done.
    pub(crate) fn ended_by(signal: Signal) -> Self {
        Self { signal: Some(signal), ..Self::new(signal.message()) }
    }

    /// What the program ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        self.signal.map_or(ExitCode::FAILURE, Signal::exit_code)
    }

    /// Begins with this instead of `Error:`.
    pub(crate) fn prefixed(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Adds a line `Usage: …`.
    pub(crate) fn usage(mut self, line: impl Into<String>) -> Self {
        self.usage = Some(line.into());
        self
    }

    /// Adds lines that say what to do.
    pub(crate) fn advice(mut self, text: impl Into<String>) -> Self {
        self.advice = Some(text.into());
        self
    }

    /// Says what was tried, before the message.
    pub(crate) fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.prefix.as_deref().unwrap_or("Error:"), self.message)?;
        if let Some(usage) = &self.usage {
            write!(f, "\nUsage: {usage}")?;
        }
        if let Some(advice) = &self.advice {
            write!(f, "\n{advice}")?;
        }
        Ok(())
    }
}

impl From<oci::Error> for Failure {
    fn from(error: oci::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<tidewaiter_cobra::Error> for Failure {
    fn from(error: tidewaiter_cobra::Error) -> Self {
        let failure = Self::new(error.to_string());
        match error.hint() {
            Some(hint) => failure.advice(hint),
            None => failure,
        }
    }
}

/// A file that a command reads or writes itself could not be; made for `map_err`.
pub(crate) fn file(
    operation: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(std::io::Error) -> Failure + use<> {
    let path = path.display().to_string();
    move |error| Failure::new(format!("failed to {operation} {path}: {}", reason(&error)))
}

/// A file that is not found, under the path it was looked for at: whoever reads a log does not know the directory that
/// it was written in.
pub(crate) fn sought(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Failure + use<> {
    file("find", &std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

/// What the system says, in the words that scripts written for Go programs look for.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let Some((text, _)) = text.split_once(" (os error ") else { return text };
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Several flags of which at most one may be given. The message names those that were, in the order asked.
pub(crate) fn exclusive<S: AsRef<str>>(matches: &tidewaiter_cobra::Matches, names: &[S]) -> Outcome {
    let given = names.iter().map(AsRef::as_ref).filter(|name| matches.given(name));
    let given: Vec<String> = given.map(|name| format!("--{name}")).collect();
    if given.len() < 2 {
        return Ok(());
    }
    Err(Failure::new(format!("{} cannot be used at the same time", given.join(", "))))
}

/// Flags that must be given together or not at all.
pub(crate) fn together<S: AsRef<str>>(matches: &tidewaiter_cobra::Matches, names: &[S]) -> Outcome {
    let (given, missing): (Vec<&str>, Vec<&str>) =
        names.iter().map(AsRef::as_ref).partition(|name| matches.given(name));
    if given.is_empty() || missing.is_empty() {
        return Ok(());
    }
    let list = |names: Vec<&str>| names.iter().map(|name| format!("--{name}")).collect::<Vec<_>>().join(", ");
    Err(Failure::new(format!("{} must be used in conjunction with {}", list(given), list(missing))))
}
