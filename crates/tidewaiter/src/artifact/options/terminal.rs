//! `--no-tty`: progress bars on a terminal, or lines.

use std::io::IsTerminal as _;

use tidewaiter_cobra::{Flag, Matches};

pub(crate) fn flag() -> Flag {
    Flag::bool("no-tty", "[Preview] disable progress bars, and write a line for each step")
}

/// `--no-tty` of a command that draws nothing but colours.
pub(crate) fn colour_flag() -> Flag {
    Flag::bool("no-tty", "[Preview] disable colors, also on a terminal")
}

/// Progress is drawn: on a terminal that is large enough, unless it was switched off, or debug logs or content
/// go to the same place.
pub(crate) fn draws(matches: &Matches) -> bool {
    let off = matches.bool("no-tty") || matches.bool("debug");
    !off && std::io::stderr().is_terminal() && is_large_enough()
}

fn is_large_enough() -> bool {
    rustix::termios::tcgetwinsize(std::io::stderr()).is_ok_and(|size| size.ws_col >= 80 && size.ws_row >= 10)
}
