//! `tidewaiter registry`: the embedded registry by itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use tidewaiter_oci::RepositoryName;
use tidewaiter_registry::{Anonymous, Clock, Options, Registry, ServeOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::registry_access::{self, AccessArgs};
use super::registry_behaviour::{BehaviourArgs, TlsArgs};
use super::registry_output::print_json;
use super::registry_stores::{StoreArgs, WholeDataArgs};
use super::{registry_gc, registry_scope_map, registry_token};
use crate::environment;
use crate::serve::{DataDirectory, listen, raise_file_limit, stop_on_signal};
use crate::ui::Ui;

/// Run and manage the embedded registry
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve an OCI registry from a directory
    Serve(Box<ServeArgs>),
    /// Print a repository's manifests as `az acr manifest list-metadata` does
    Manifests(ManifestsArgs),
    /// Delete what nothing uses any more; the registry may be running
    Gc(registry_gc::Args),
    #[command(subcommand)]
    Token(registry_token::Command),
    #[command(subcommand)]
    ScopeMap(registry_scope_map::Command),
}

/// Arguments of `registry serve`.
#[derive(clap::Args)]
pub(crate) struct ServeArgs {
    /// Where everything is kept; made when it is not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    #[command(flatten)]
    stores: StoreArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    behaviour: BehaviourArgs,
}

/// Arguments of `registry manifests`.
#[derive(clap::Args)]
pub(crate) struct ManifestsArgs {
    /// Name of the repository
    repository: String,
    #[command(flatten)]
    data: WholeDataArgs,
}

impl Command {
    /// Every request is to be logged.
    pub(crate) fn logs_access(&self) -> bool {
        matches!(self, Self::Serve(args) if args.behaviour.logs_access())
    }
}

/// Runs the command.
pub(crate) async fn run(command: Command, ui: Ui) -> Result<()> {
    match command {
        Command::Serve(args) => run_serve(*args, ui).await,
        Command::Manifests(args) => run_manifests(args, ui).await,
        Command::Gc(args) => registry_gc::run(args, ui).await,
        Command::Token(command) => registry_token::run(command, ui).await,
        Command::ScopeMap(command) => registry_scope_map::run(command, ui).await,
    }
}

async fn run_serve(args: ServeArgs, ui: Ui) -> Result<()> {
    let options = args.behaviour.apply(Options::new(Clock::new(environment::now)))?;
    let mut serving = ServeOptions { tls: args.tls.load()?, ..ServeOptions::default() };
    let directory = DataDirectory::open(&args.data)?;
    raise_file_limit();
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let listener = listen(args.listen, "--listen").await?;
    let address = listener.local_addr()?;
    let names = args.access.names(address);
    let options = args.access.apply(address, options);
    serving.names = names.filter(|_| options.anonymous == Anonymous::Everything);
    let (anonymous, needs_tokens) = (options.anonymous, registry_access::needs_tokens(&options));
    let (db, registry) = args.stores.open(directory.path(), options).await?;
    ui.line(format_args!("Registry  {address}{}", if serving.tls.is_some() { ", with TLS" } else { "" }));
    ui.line(format_args!("Data      {}", directory.path().display()));
    ui.line(format_args!("Access    {}", registry_access::describe(anonymous)));
    if needs_tokens && registry.tokens().list().await?.is_empty() {
        let data = directory.path().display();
        ui.note(format_args!(
            "Nobody can log in yet: make a token with `tidewaiter registry token create NAME --data {data}`."
        ));
    }
    ui.line("Press Ctrl-C to stop.");
    let ended = serve(&registry, listener, &serving, stop).await;
    db.close().await;
    ended
}

async fn run_manifests(args: ManifestsArgs, ui: Ui) -> Result<()> {
    let registry = args.data.open_registry(Options::new(Clock::new(environment::now))).await?;
    let name: RepositoryName = args.repository.parse()?;
    let manifests = registry.manifests(&name).await?;
    let manifests = manifests.with_context(|| format!("repository \"{name}\" is not found"))?;
    print_json(ui, &manifests)
}

/// Serves the registry until `stop`, and looks after it meanwhile.
pub(crate) async fn serve(
    registry: &Registry,
    listener: TcpListener,
    options: &ServeOptions,
    stop: CancellationToken,
) -> Result<()> {
    let upkeep = registry.upkeep(stop.clone().cancelled_owned()).await?;
    let serving = tidewaiter_registry::serve(listener, registry.router(), options, stop.cancelled_owned());
    tokio::join!(serving, upkeep);
    Ok(())
}
