//! `tidewaiter registry gc`: garbage collection by hand, also beside a running registry.

use std::time::Duration;

use anyhow::Result;
use tidewaiter_registry::{Clock, CollectOptions, ErrorKind, Options};

use super::registry_behaviour::parse_time;
use super::registry_output::{Format, OutputArgs, print_json};
use super::registry_stores::WholeDataArgs;
use crate::environment;
use crate::ui::Ui;

/// Arguments of `registry gc`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Say what would be deleted, and delete nothing. Clients can push meanwhile, but not where the database is in
    /// PostgreSQL, or the disk has not room for four of it
    #[arg(long)]
    dry_run: bool,
    /// Keep what a client uploaded or asked for in this time before now, like `90m`, and up to an hour longer. What
    /// it is about to push a manifest for is garbage until then; `0s`, while nobody pushes, keeps nothing
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_time)]
    grace: Duration,
    /// Delete manifests that have no tag and that no index lists, too
    #[arg(long)]
    untagged: bool,
    /// Keep the signatures, SBOMs and reports that refer to such a manifest
    #[arg(long, requires = "untagged")]
    keep_referrers: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    data: WholeDataArgs,
}

/// Runs the command.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<()> {
    let options = Options {
        grace: args.grace,
        delete_referrers: !args.keep_referrers,
        ..Options::new(Clock::new(environment::now))
    };
    let registry = args.data.open_registry(options).await?;
    let collect = CollectOptions { dry_run: args.dry_run, untagged: args.untagged };
    let collected = registry.collect(collect).await.map_err(|error| {
        let full = error.kind() == ErrorKind::Full;
        let error = anyhow::Error::new(error);
        match full {
            true => error
                .context("deleting needs some megabytes of room itself; free them elsewhere, then try again"),
            false => error,
        }
    })?;
    if args.output.format() == Format::Json {
        return print_json(ui, &collected);
    }
    ui.line(if args.dry_run { "Would be deleted:" } else { "Deleted:" });
    ui.line(format_args!("  blobs            {} with {} bytes", collected.blobs, collected.bytes));
    ui.line(format_args!(
        "  uses of blobs    {} by repositories that have no manifest for them",
        collected.links
    ));
    ui.line(format_args!("  manifests        {} without a tag", collected.manifests));
    ui.line(format_args!("  left by uploads  {}", collected.stray_objects));
    Ok(())
}
