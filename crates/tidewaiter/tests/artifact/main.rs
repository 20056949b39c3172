//! The commands on artifacts: the real program under the name `oras`.

mod commands;
mod endings;
mod errors;
mod help;
mod oras;
