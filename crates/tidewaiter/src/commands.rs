//! The commands, one file each.

mod base_images;
mod cache;
mod cves;
pub(crate) mod db;
mod db_move;
mod explain;
mod findings;
mod image;
mod login_link;
mod output;
mod quickview;
mod registry;
mod registry_access;
mod registry_behaviour;
mod registry_gc;
mod registry_output;
mod registry_scope_map;
mod registry_stores;
mod registry_token;
mod registry_webhooks;
mod sbom;
mod up;

use std::process::ExitCode;

use clap::Subcommand;

use crate::ui::Ui;

/// What the program can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    Up(Box<up::Args>),
    Sbom(sbom::Args),
    Cves(Box<cves::Args>),
    #[command(visible_alias = "qv")]
    Quickview(Box<quickview::Args>),
    Explain(Box<explain::Args>),
    #[command(subcommand)]
    BaseImages(base_images::Command),
    #[command(subcommand)]
    Cache(cache::Command),
    #[command(subcommand)]
    Db(db::Command),
    #[command(subcommand)]
    Registry(registry::Command),
    LoginLink(login_link::Args),
    /// Tell which version this is
    Version,
}

impl Command {
    /// Every request to the registry is to be logged.
    pub(crate) fn logs_access(&self) -> bool {
        match self {
            Self::Up(args) => args.logs_access(),
            Self::Registry(command) => command.logs_access(),
            _ => false,
        }
    }

    /// Runs the command, and says the status to end with.
    pub(crate) async fn run(self, ui: Ui) -> anyhow::Result<ExitCode> {
        match self {
            Self::Cves(args) => return cves::run(*args, ui).await,
            Self::Quickview(args) => return quickview::run(*args, ui).await,
            Self::Explain(args) => return explain::run(*args, ui).await,
            Self::Up(args) => up::run(*args, ui).await,
            Self::Sbom(args) => sbom::run(args, ui).await,
            Self::BaseImages(command) => base_images::run(command, ui).await,
            Self::Cache(command) => cache::run(command, ui).await,
            Self::Db(command) => db::run(command, ui).await,
            Self::Registry(command) => registry::run(command, ui).await,
            Self::LoginLink(args) => login_link::run(args, ui).await,
            Self::Version => {
                ui.line(concat!("version: v", env!("CARGO_PKG_VERSION")));
                Ok(())
            }
        }?;
        Ok(ExitCode::SUCCESS)
    }
}
