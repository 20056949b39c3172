//! `tidewaiter registry`: the embedded registry by itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use tidewaiter_db::{Db, DbLocation};
use tidewaiter_oci::RepositoryName;
use tidewaiter_registry::{BlobStore, Clock, Options, Registry, ServeOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::registry_access::{self, AccessArgs};
use super::{registry_scope_map, registry_token, up};
use crate::environment;
use crate::serve::{DataDirectory, listen, stop_on_signal};
use crate::ui::Ui;

/// Run and manage the embedded registry
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve an OCI registry from a directory
    Serve(ServeArgs),
    /// Print a repository's manifests as `az acr manifest list-metadata` does
    Manifests(ManifestsArgs),
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
    access: AccessArgs,
}

/// Arguments of `registry manifests`.
#[derive(clap::Args)]
pub(crate) struct ManifestsArgs {
    /// Name of the repository
    repository: String,
    #[command(flatten)]
    data: DataArgs,
}

/// Where a registry that may be running keeps everything.
#[derive(clap::Args)]
pub(crate) struct DataArgs {
    /// The data directory of the registry [default: that of `tidewaiter up`]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// Name of the database in a data directory.
pub(crate) const DATABASE: &str = "tidewaiter.db";
/// Name of the blob store in a data directory.
const BLOBS: &str = "registry";

/// Runs the command.
pub(crate) async fn run(command: Command, ui: Ui) -> Result<()> {
    match command {
        Command::Serve(args) => run_serve(args, ui).await,
        Command::Manifests(args) => run_manifests(args, ui).await,
        Command::Token(command) => registry_token::run(command, ui).await,
        Command::ScopeMap(command) => registry_scope_map::run(command, ui).await,
    }
}

async fn run_serve(args: ServeArgs, ui: Ui) -> Result<()> {
    let directory = DataDirectory::open(&args.data)?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let listener = listen(args.listen, "--listen").await?;
    let address = listener.local_addr()?;
    let options = args.access.apply(address, Options::new(Clock::new(environment::now)));
    let anonymous = options.anonymous;
    let (db, registry) = open(&directory, options).await?;
    ui.line(format_args!("Registry  {address}"));
    ui.line(format_args!("Data      {}", directory.path().display()));
    ui.line(format_args!("Access    {}", registry_access::describe(anonymous)));
    ui.line("Press Ctrl-C to stop.");
    let ended = serve(&registry, listener, stop).await;
    db.close().await;
    ended
}

async fn run_manifests(args: ManifestsArgs, ui: Ui) -> Result<()> {
    let db = open_database(&args.data.data).await?;
    let blobs = BlobStore::local(&data_path(&args.data.data).join(BLOBS)).await?;
    let registry = Registry::open(db, blobs, Options::new(Clock::new(environment::now))).await?;
    let name: RepositoryName = args.repository.parse()?;
    let manifests = registry.manifests(&name).await?;
    let manifests = manifests.with_context(|| format!("repository \"{name}\" is not found"))?;
    ui.line(serde_json::to_string_pretty(&manifests)?);
    Ok(())
}

/// Opens the registry of a data directory, and the database that everything in it shares.
pub(crate) async fn open(directory: &DataDirectory, options: Options) -> Result<(Db, Registry)> {
    let db =
        Db::open(&DbLocation::Sqlite(directory.join(DATABASE)), &tidewaiter_db::Options::default()).await?;
    let blobs = BlobStore::local(&directory.join(BLOBS)).await?;
    let registry = Registry::open(db.clone(), blobs, options).await?;
    Ok((db, registry))
}

fn data_path(data: &Option<PathBuf>) -> PathBuf {
    data.clone().unwrap_or_else(|| up::default_data(false))
}

/// Opens the database of a registry that is there, and may be running.
pub(crate) async fn open_database(data: &Option<PathBuf>) -> Result<Db> {
    let path = data_path(data).join(DATABASE);
    if !path.exists() {
        bail!("there is no registry in {}; name its directory with --data", data_path(data).display());
    }
    Ok(Db::open(&DbLocation::Sqlite(path), &tidewaiter_db::Options::default()).await?)
}

/// Serves the registry until `stop`.
pub(crate) async fn serve(registry: &Registry, listener: TcpListener, stop: CancellationToken) -> Result<()> {
    let router = registry.router();
    tidewaiter_registry::serve(listener, router, &ServeOptions::default(), stop.cancelled_owned()).await;
    Ok(())
}
