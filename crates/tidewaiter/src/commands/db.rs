//! `tidewaiter db`: the advisory database.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use tidewaiter_advisory::{BuildOptions, BuildReport, Database, build};

use crate::environment;
use crate::ui::Ui;

/// Make and look at the advisory database
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Compile advisories into the database that images are matched with
    Build(BuildArgs),
    /// Tell what a database holds
    Info(InfoArgs),
}

/// Arguments of `db build`.
#[derive(clap::Args)]
pub(crate) struct BuildArgs {
    /// Advisories: OSV zip files, JSON files or directories of them, the KEV catalogue, EPSS scores
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    from: Vec<PathBuf>,
    /// The file to write; the one before is replaced once the new one is complete
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the database that `tidewaiter up --data DIR` uses
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    data: Option<PathBuf>,
}

/// Arguments of `db info`.
#[derive(clap::Args)]
pub(crate) struct InfoArgs {
    /// The database
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Name of the database in a data directory.
pub(crate) const FILE: &str = "advisories.twdb";

/// Where the database of the command line is.
pub(crate) fn default_path() -> PathBuf {
    environment::data_home().join(FILE)
}

/// Runs the command.
pub(crate) async fn run(command: Command, ui: Ui) -> Result<()> {
    tokio::task::spawn_blocking(move || match command {
        Command::Build(args) => run_build(args, ui),
        Command::Info(args) => run_info(args, ui),
    })
    .await?
}

fn run_build(args: BuildArgs, ui: Ui) -> Result<()> {
    let output = args.output.or_else(|| Some(args.data?.join(FILE))).unwrap_or_else(default_path);
    if let Some(directory) = output.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("the directory {} cannot be made", directory.display()))?;
    }
    let options = BuildOptions { built_at: environment::timestamp() };
    let report = build(&args.from, &output, &options)?;
    say_what_was_built(&report, ui);
    ui.line(format_args!("Wrote {} ({} bytes, id {})", output.display(), report.size, report.id));
    Ok(())
}

fn say_what_was_built(report: &BuildReport, ui: Ui) {
    for source in &report.sources {
        ui.note(format_args!("Read {}: {} entries", source.name, source.entries));
    }
    let skipped = &report.skipped;
    for (number, reason) in [
        (skipped.withdrawn, "withdrawn"),
        (skipped.older_copies, "older copies of others"),
        (skipped.without_versions, "about commits, without versions"),
        (skipped.unreadable, "unreadable"),
    ] {
        if number > 0 {
            ui.note(format_args!("Left out {number} records: {reason}"));
        }
    }
    for unreadable in &skipped.unreadable_named {
        ui.note(format_args!("Warning: {}: {}", unreadable.name, unreadable.reason));
    }
    let unordered: u64 = skipped.ecosystems.values().sum();
    if unordered > 0 {
        let names: Vec<_> = skipped.ecosystems.keys().map(String::as_str).collect();
        ui.note(format_args!("Left out {unordered} mentions of packages of {}", names.join(", ")));
    }
    ui.line(format_args!(
        "{} advisories, {} known exploited, {} with a probability of being exploited",
        report.advisories, report.kev, report.epss
    ));
}

fn run_info(args: InfoArgs, ui: Ui) -> Result<()> {
    let path = args.file.unwrap_or_else(default_path);
    let database = Database::open(&path)?;
    ui.line(format_args!("Database  {}", path.display()));
    ui.line(format_args!("Id        {}", database.id()));
    ui.line(format_args!("Built     {}", database.built_at().strftime("%Y-%m-%dT%H:%M:%SZ")));
    ui.line(format_args!("Records   {}", database.advisories()));
    Ok(())
}
