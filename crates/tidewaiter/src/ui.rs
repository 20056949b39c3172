//! All that the program says: results on standard output, everything else on standard error. Under the name `oras`
//! status goes where ORAS writes it, to standard output.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Speaks to the person or the script at the other end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ui {
    status: Channel,
}

/// Where lines of status go.
#[derive(Debug, Clone, Copy, Default)]
enum Channel {
    #[default]
    Stderr,
    Stdout,
}

impl Ui {
    /// Writes a result as it is. A reader that has gone away (a closed pipe) is the end of the program, and no
    /// error of ours.
    pub(crate) fn out(self, text: impl Display) {
        let mut stdout = anstream::stdout().lock();
        let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
        self.end_on_closed_pipe(written);
    }

    /// Writes a result and ends the line.
    pub(crate) fn line(self, text: impl Display) {
        self.out(format_args!("{text}\n"));
    }

    /// Writes a result of bytes.
    pub(crate) fn bytes(self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        self.end_on_closed_pipe(written);
    }

    /// A text with colours as standard output takes it: without them where nobody sees them.
    pub(crate) fn as_shown(self, text: &str) -> String {
        match anstream::AutoStream::choice(&io::stdout()) {
            anstream::ColorChoice::Never => Self::without_colours(text),
            _ => text.to_owned(),
        }
    }

    /// A text without its colours.
    pub(crate) fn without_colours(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    /// The same with status on standard output, where scripts written for ORAS read it.
    #[must_use]
    pub(crate) fn with_status_on_stdout(self) -> Self {
        Self { status: Channel::Stdout }
    }

    /// Says how far something has come.
    pub(crate) fn status(self, text: impl Display) {
        match self.status {
            Channel::Stdout => self.line(text),
            Channel::Stderr => self.note(text),
        }
    }

    /// Says something that is not the result: progress, a warning, where things are.
    pub(crate) fn note(self, text: impl Display) {
        let mut stderr = anstream::stderr().lock();
        // When nobody can be told, there is nobody to tell that either.
        let _ = writeln!(stderr, "{text}");
    }

    /// Asks something: what is typed stands on the same line.
    pub(crate) fn prompt(self, text: impl Display) {
        if matches!(self.status, Channel::Stdout) {
            return self.out(text);
        }
        let mut stderr = anstream::stderr().lock();
        // As for notes.
        let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
    }

    fn end_on_closed_pipe(self, written: io::Result<()>) {
        let Err(error) = written else {
            return;
        };
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.note(format_args!("Error: standard output cannot be written: {error}"));
            std::process::exit(1);
        }
        std::process::exit(0);
    }
}
