//! Errors, worded and placed as Go's `text/template` words and places them.

/// A template that cannot be read or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not a template: `template: NAME:LINE: MESSAGE`.
    #[error("template: {name}:{line}: {message}")]
    Parse {
        /// Name of the template.
        name: String,
        /// Line, from one.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// The template failed on its data: `template: NAME:LINE:COLUMN: executing "NAME" at <NODE>: MESSAGE`.
    #[error("template: {name}:{line}:{column}: executing \"{template}\" at <{node}>: {message}")]
    Execute {
        /// Name of the whole text.
        name: String,
        /// Line, from one.
        line: usize,
        /// Column in bytes, from zero as Go counts on the first line.
        column: usize,
        /// Name of the template that was running: the text's own, or one that it defines.
        template: String,
        /// The part of the template that failed.
        node: String,
        /// What went wrong.
        message: String,
    },
}
