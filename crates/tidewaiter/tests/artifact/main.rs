//! The commands on artifacts: the real program under the name `oras`.

mod commands;
mod endings;
mod errors;
mod half_registry;
mod help;
mod mishaps;
mod oras;
mod progress;
mod promises;
