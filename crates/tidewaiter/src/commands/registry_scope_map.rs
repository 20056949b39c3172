//! `tidewaiter registry scope-map`: what tokens may do.

use anyhow::Result;
use clap::Subcommand;
use tidewaiter_registry::Clock;
use tidewaiter_registry::access::{Rules, ScopeMaps};

use super::registry_output::{self, Format, OutputArgs, print_json};
use super::registry_stores::DataArgs;
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
    List(ListArgs),
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
    /// What it is for; an update without it leaves it as it is
    #[arg(long)]
    description: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Arguments of `registry scope-map list`.
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
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
    Ok(ScopeMaps::new(data.open_database().await?, Clock::new(environment::now)))
}

/// Runs the command.
pub(crate) async fn run(command: Command, ui: Ui) -> Result<()> {
    match command {
        Command::Create(args) => {
            let rules = Rules::parse(&args.actions)?;
            let maps = scope_maps(&args.data).await?;
            maps.create(&args.name, args.description.as_deref().unwrap_or(""), &rules).await?;
            written(&maps, &args, ui).await
        }
        Command::Update(args) => {
            let rules = Rules::parse(&args.actions)?;
            let maps = scope_maps(&args.data).await?;
            let description = match &args.description {
                Some(description) => description.clone(),
                None => maps.get(&args.name).await?.description,
            };
            maps.update(&args.name, &description, &rules).await?;
            written(&maps, &args, ui).await
        }
        Command::List(args) => list(&args, ui).await,
        Command::Delete(args) => Ok(scope_maps(&args.data).await?.delete(&args.name).await?),
    }
}

/// Programs are told what a scope map has become; people have just said it themselves.
async fn written(maps: &ScopeMaps, args: &WriteArgs, ui: Ui) -> Result<()> {
    match args.output.format() {
        Format::Text => Ok(()),
        Format::Json => print_json(ui, &registry_output::scope_map(&maps.get(&args.name).await?)),
    }
}

async fn list(args: &ListArgs, ui: Ui) -> Result<()> {
    let maps = scope_maps(&args.data).await?.list().await?;
    if args.output.format() == Format::Json {
        return print_json(ui, &maps.iter().map(registry_output::scope_map).collect::<Vec<_>>());
    }
    for map in maps {
        ui.line(&map.name);
        for action in map.rules.to_actions() {
            ui.line(format_args!("  {action}"));
        }
    }
    Ok(())
}
