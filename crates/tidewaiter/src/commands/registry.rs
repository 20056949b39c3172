//! `tidewaiter registry`: the embedded registry by itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use tidewaiter_db::{Db, DbLocation};
use tidewaiter_registry::{BlobStore, Clock, Options, Registry, ServeOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::environment;
use crate::serve::{DataDirectory, listen, stop_on_signal};
use crate::ui::Ui;

/// Run and manage the embedded registry
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve an OCI registry from a directory
    Serve(ServeArgs),
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
}

/// Name of the database in a data directory.
pub(crate) const DATABASE: &str = "tidewaiter.db";

/// Runs the command.
pub(crate) async fn run(command: Command, ui: Ui) -> Result<()> {
    match command {
        Command::Serve(args) => run_serve(args, ui).await,
    }
}

async fn run_serve(args: ServeArgs, ui: Ui) -> Result<()> {
    let directory = DataDirectory::open(&args.data)?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let listener = listen(args.listen, "--listen").await?;
    let (db, registry) = open(&directory).await?;
    ui.line(format_args!("Registry  {}", listener.local_addr()?));
    ui.line(format_args!("Data      {}", directory.path().display()));
    ui.line("Press Ctrl-C to stop.");
    let ended = serve(&registry, listener, stop).await;
    db.close().await;
    ended
}

/// Opens the registry of a data directory, and the database that everything in it shares.
pub(crate) async fn open(directory: &DataDirectory) -> Result<(Db, Registry)> {
    let db =
        Db::open(&DbLocation::Sqlite(directory.join(DATABASE)), &tidewaiter_db::Options::default()).await?;
    let blobs = BlobStore::local(&directory.join("registry")).await?;
    let registry = Registry::open(db.clone(), blobs, Options::new(Clock::new(environment::now))).await?;
    Ok((db, registry))
}

/// Serves the registry until `stop`.
pub(crate) async fn serve(registry: &Registry, listener: TcpListener, stop: CancellationToken) -> Result<()> {
    let router = registry.router();
    tidewaiter_registry::serve(listener, router, &ServeOptions::default(), stop.cancelled_owned()).await;
    Ok(())
}
