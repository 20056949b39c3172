//! `tidewaiter cache`: what is kept of layers that were read.

use std::io::IsTerminal as _;

use anyhow::{Result, anyhow, bail};
use clap::Subcommand;
use tidewaiter_platform::cache::{CacheUse, FragmentCache};

use crate::artifact::prompt;
use crate::ui::Ui;
use crate::{environment, size};

/// Look at and empty the cache of layers that were read
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Tell how much is kept, and where
    Df,
    /// Remove everything that is kept
    Prune(PruneArgs),
}

/// Arguments of `cache prune`.
#[derive(clap::Args)]
pub(crate) struct PruneArgs {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// Runs the command.
pub(crate) async fn run(command: Command, ui: Ui) -> Result<()> {
    let cache = FragmentCache::new(&environment::cache_home(), environment::system_time());
    match command {
        Command::Df => {
            let kept = cache.usage()?;
            ui.line(format_args!("Location  {}", cache.directory().display()));
            ui.line(format_args!("Layers    {}", kept.layers));
            ui.line(format_args!(
                "Size      {} of {}",
                size::bytes(kept.bytes),
                size::bytes(environment::cache_limit()?)
            ));
        }
        Command::Prune(args) => {
            let kept = cache.usage()?;
            if !args.force && kept != CacheUse::default() {
                if !std::io::stdin().is_terminal() {
                    bail!("nobody can be asked whether {} layers may be forgotten; add --force", kept.layers);
                }
                let question = format!("Forget {} layers ({})?", kept.layers, size::bytes(kept.bytes));
                let agreed = prompt::confirm(ui, &question).await;
                if !agreed.map_err(|failure| anyhow!(failure.to_string()))? {
                    return Ok(());
                }
            }
            let removed = cache.prune()?;
            ui.line(format_args!("Removed {} layers, {}", removed.layers, size::bytes(removed.bytes)));
        }
    }
    Ok(())
}
