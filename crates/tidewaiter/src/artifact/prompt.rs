//! Questions to the person at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::artifact::failure::{Failure, Outcome};
use crate::ui::Ui;

/// Asks for a line. The end of input is an empty answer.
pub(crate) async fn ask(ui: Ui, question: &str) -> Outcome<String> {
    ui.prompt(question);
    read_line().await
}

/// Asks for a line that is not shown while it is typed.
pub(crate) async fn ask_secret(ui: Ui, question: &str) -> Outcome<String> {
    ui.prompt(question);
    if !io::stdin().is_terminal() {
        return read_line().await;
    }
    let answer = {
        let _silence = Silence::begin()?;
        read_line().await
    };
    // The newline that was typed was not shown either.
    ui.note("");
    answer
}

/// Asks a question that only "y" and "yes" affirm.
pub(crate) async fn confirm(ui: Ui, question: &str) -> Outcome<bool> {
    let answer = ask(ui, &format!("{question} [y/N] ")).await?;
    let agreed = matches!(answer.to_lowercase().as_str(), "y" | "yes");
    if !agreed {
        ui.line("Operation cancelled.");
    }
    Ok(agreed)
}

/// Reads on another thread, so that a signal is heard meanwhile.
async fn read_line() -> Outcome<String> {
    let read = || {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    };
    let line = tokio::task::spawn_blocking(read).await.map_err(io::Error::from).flatten();
    let line = line.map_err(|error| Failure::new(format!("failed to read from stdin: {error}")))?;
    Ok(line.trim().to_owned())
}

/// As long as this lives the terminal does not show what is typed.
struct Silence {
    before: Option<Termios>,
}

impl Silence {
    fn begin() -> Outcome<Self> {
        let stdin = io::stdin();
        let Ok(before) = tcgetattr(&stdin) else { return Ok(Self { before: None }) };
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &silent)
            .map_err(|error| Failure::new(format!("failed to switch the terminal's echo: {error}")))?;
        Ok(Self { before: Some(before) })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // It could be switched off, so it can be switched on.
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}
