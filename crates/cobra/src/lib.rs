//! Command lines in the manner of cobra and pflag: the same grammar, errors, help and completion.
//!
//! A tree of [`Command`]s says what a program takes. [`Command::dispatch`] reads an argument list against it
//! and returns an [`Outcome`]: which command was meant, notices about deprecated words, and either what to do
//! ([`Action`]) or why the words make no sense ([`Error`], with cobra's texts). Nothing here prints, exits, or
//! reads anything but its arguments; help, completion scripts and completion answers come back as strings.
//!
//! clap was considered and does not fit: scripts and tutorials depend on pflag's grammar (`--flag=value` for
//! switches, `-fvalue`, flags after arguments, comma lists), on the wording of its errors and on the layout
//! of its help, none of which clap can be made to reproduce.

mod command;
mod complete;
mod dispatch;
mod error;
mod flag;
mod help;
mod matches;
mod parse;
mod quote;
mod scripts;
mod suggest;

pub use command::{Arguments, Command, Group};
pub use complete::{Answer, Candidate, Completion, Directive, Question, Values};
pub use dispatch::{Action, Outcome};
pub use error::Error;
pub use flag::{Check, Flag};
pub use matches::Matches;
pub use quote::quote;
pub use scripts::Shell;
