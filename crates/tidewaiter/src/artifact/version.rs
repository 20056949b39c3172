//! `version`: which versions these are.

use tidewaiter_cobra::{Arguments, Command, Matches, Values};

use crate::artifact::COMPATIBLE_VERSION;
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("version")
        .positionals("[flags]")
        .short("Print which version this is")
        .long(
            "Print which version this is\n\n\
             The first line is the version of ORAS whose commands, outputs and formats these are; scripts \
             read it. The last line is Tidewaiter's own.\n\n\
             Example - Print the version of ORAS and nothing else:\n  \
             {oras} version | sed -n 's/^Version: *//p'\n",
        )
        .arguments(Arguments::Any, &[Values::Nothing])
}

pub(crate) fn run(session: &Session, matches: &Matches) {
    if !matches.arguments().is_empty() {
        let words = matches.arguments().join(" ");
        session.ui.note(format_args!(
            "warning: `{}` requires no argument, \"{words}\" will be ignored",
            session.path
        ));
    }
    // Scripts take what stands after "Version:"; the lines below have names that ORAS does not use, or say
    // what there is instead of Go.
    session.ui.line(format_args!("Version:    {COMPATIBLE_VERSION}"));
    session.ui.line("Go version: none (written in Rust)");
    session.ui.line(format_args!("OS/Arch:    {}/{}", std::env::consts::OS, architecture()));
    session.ui.line(format_args!("Tidewaiter: {}", env!("CARGO_PKG_VERSION")));
}

/// This machine's architecture, as Go calls it.
fn architecture() -> String {
    tidewaiter_oci::Platform::host().architecture
}
