//! What every command is handed: where to speak, and what it was called.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use crate::artifact::failure::{self, Failure, Outcome};
use crate::ui::Ui;

/// How a tag or a digest is written.
const REFERENCE_FORM: &str = "\"<name>:<tag>\" or \"<name>@<digest>\"";

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
    /// Goes with the session, when nothing is written into it any more.
    scratch: Arc<Mutex<Vec<TempDir>>>,
}

impl Session {
    pub(crate) fn new(ui: Ui, program: &str, path: String, use_line: String) -> Self {
        Self { ui, program: program.to_owned(), path, use_line, scratch: Arc::default() }
    }

    /// Makes a directory that is there until the program ends, however it does.
    pub(crate) fn scratch_directory(&self, prefix: &str, parent: &Path) -> Outcome<PathBuf> {
        let made = tempfile::Builder::new().prefix(prefix).tempdir_in(parent);
        let made = made.map_err(failure::file("create a directory in", parent))?;
        let path = made.path().to_owned();
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(made);
        Ok(path)
    }

    /// A reference without the tag or digest that the command needs.
    pub(crate) fn missing_reference(&self, raw: &str) -> Failure {
        self.missing(raw, "", "no tag or digest specified", REFERENCE_FORM)
    }

    /// A subject without its reference, where nothing is given that could be attached either: a word may be missing.
    pub(crate) fn missing_subject(&self, raw: &str) -> Failure {
        let hint = "Are you missing an artifact reference to attach to? ";
        self.missing(raw, hint, "no tag or digest specified", REFERENCE_FORM)
    }

    /// A reference without the digest that the command needs.
    pub(crate) fn missing_digest(&self, raw: &str) -> Failure {
        self.missing(raw, "", "no digest specified", "\"<name>@<digest>\"")
    }

    fn missing(&self, raw: &str, hint: &str, what: &str, form: &str) -> Failure {
        Failure::new(format!("\"{raw}\": {what}")).usage(&self.use_line).advice(format!(
            "{hint}Please specify a reference as {form}. Run \"{} -h\" for examples",
            self.path
        ))
    }
}
