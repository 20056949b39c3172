//! Questions to the person at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::artifact::failure::{Failure, Outcome};
use crate::ui::Ui;

/// Asks for a line. The end of input is an empty answer.
pub(crate) fn ask(ui: Ui, question: &str) -> Outcome<String> {
    ui.prompt(question);
    read_line()
}

/// Asks for a line that is not shown while it is typed.
pub(crate) fn ask_secret(ui: Ui, question: &str) -> Outcome<String> {
    ui.prompt(question);
    let answer = if io::stdin().is_terminal() { without_echo(read_line) } else { read_line() };
    // The newline that was typed was not shown either.
    ui.note("");
    answer
}

/// Asks a question that only "y" and "yes" affirm.
pub(crate) fn confirm(ui: Ui, question: &str) -> Outcome<bool> {
    let answer = ask(ui, &format!("{question} [y/N] "))?;
    let agreed = matches!(answer.to_lowercase().as_str(), "y" | "yes");
    if !agreed {
        ui.line("Operation cancelled.");
    }
    Ok(agreed)
}

fn read_line() -> Outcome<String> {
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::new(format!("failed to read from stdin: {error}")))?;
    Ok(line.trim().to_owned())
}

/// Runs `read` while the terminal does not show what is typed.
fn without_echo(read: impl FnOnce() -> Outcome<String>) -> Outcome<String> {
    let stdin = io::stdin();
    let Ok(before) = tcgetattr(&stdin) else { return read() };
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    let failed = |error| Failure::new(format!("failed to switch the terminal's echo: {error}"));
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(failed)?;
    let answer = read();
    tcsetattr(&stdin, OptionalActions::Flush, &before).map_err(failed)?;
    answer
}
