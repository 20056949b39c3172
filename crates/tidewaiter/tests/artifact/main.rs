//! The commands on artifacts: the real program under the name `oras`.

mod commands;
mod errors;
mod help;
mod oras;
