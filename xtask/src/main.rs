//! Chores of this repository. `cargo xtask --help` lists them.

mod advisory_fixtures;

use clap::Parser;

/// Chores of this repository.
#[derive(Parser)]
enum Chore {
    /// Take the demo's advisory records out of OSV's bulk exports.
    AdvisoryFixtures(advisory_fixtures::Args),
}

fn main() -> anyhow::Result<()> {
    match Chore::parse() {
        Chore::AdvisoryFixtures(args) => advisory_fixtures::run(&args),
    }
}
