//! What every command is handed: where to speak, and what it was called.

use crate::artifact::failure::Failure;
use crate::ui::Ui;

/// A running command.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) ui: Ui,
    /// How the program is called: `oras`, or `tidewaiter artifact`.
    pub(crate) program: String,
    /// The command with what leads to it, for example `oras manifest fetch`.
    pub(crate) path: String,
    /// The one line that says how it is called.
    pub(crate) use_line: String,
}

impl Session {
    /// A reference without the tag or digest that the command needs.
    pub(crate) fn missing_reference(&self, raw: &str) -> Failure {
        self.missing(raw, "no tag or digest specified", "\"<name>:<tag>\" or \"<name>@<digest>\"")
    }

    /// A reference without the digest that the command needs.
    pub(crate) fn missing_digest(&self, raw: &str) -> Failure {
        self.missing(raw, "no digest specified", "\"<name>@<digest>\"")
    }

    fn missing(&self, raw: &str, what: &str, form: &str) -> Failure {
        Failure::new(format!("\"{raw}\": {what}")).usage(&self.use_line).advice(format!(
            "Please specify a reference in the form of {form}. Run \"{} -h\" for more options and examples",
            self.path
        ))
    }
}
