//! The binary: arguments, terminal, wiring.
fn main() {}
