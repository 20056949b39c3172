//! `tidewaiter registry scope-map`: what tokens may do.

use anyhow::Result;
use clap::Subcommand;
use tidewaiter_registry::Clock;
use tidewaiter_registry::access::{Rules, ScopeMaps};

use super::registry::{DataArgs, open_database};
use crate::environment;
use crate::ui::Ui;

/// Manage what tokens may do
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a scope map
    Create(WriteArgs),
    /// Change what a scope map allows, for all tokens that have it
    Update(WriteArgs),
    /// List the scope maps with what they allow
    List(DataArgs),
    /// Delete a scope map that no token has
    Delete(DeleteArgs),
}

/// Arguments of `registry scope-map create` and `update`.
#[derive(clap::Args)]
pub(crate) struct WriteArgs {
    /// Name of the scope map
    name: String,
    /// What it allows: `repositories/NAME/content/read`, also `content/write`, `content/delete`, `metadata/read` and
    /// `metadata/write`; NAME may be a beginning followed by `*`
    #[arg(required = true, value_name = "ACTION")]
    actions: Vec<String>,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    #[command(flatten)]
    data: DataArgs,
}

/// Arguments of `registry scope-map delete`.
#[derive(clap::Args)]
pub(crate) struct DeleteArgs {
    /// Name of the scope map
    name: String,
    #[command(flatten)]
    data: DataArgs,
}

async fn scope_maps(data: &DataArgs) -> Result<ScopeMaps> {
    Ok(ScopeMaps::new(open_database(&data.data).await?, Clock::new(environment::now)))
}

/// Runs the command.
pub(crate) async fn run(command: Command, ui: Ui) -> Result<()> {
    match command {
        Command::Create(args) => {
            let rules = Rules::parse(&args.actions)?;
            Ok(scope_maps(&args.data).await?.create(&args.name, &args.description, &rules).await?)
        }
        Command::Update(args) => {
            let rules = Rules::parse(&args.actions)?;
            Ok(scope_maps(&args.data).await?.update(&args.name, &args.description, &rules).await?)
        }
        Command::List(args) => {
            for map in scope_maps(&args).await?.list().await? {
                ui.line(&map.name);
                for action in map.rules.to_actions() {
                    ui.line(format_args!("  {action}"));
                }
            }
            Ok(())
        }
        Command::Delete(args) => Ok(scope_maps(&args.data).await?.delete(&args.name).await?),
    }
}
