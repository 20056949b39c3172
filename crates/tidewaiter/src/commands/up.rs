//! `tidewaiter up`: the platform with its registry and its pages, in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tidewaiter_db::Db;
use tidewaiter_platform::access::{Access, OwnerToken};
use tidewaiter_platform::advisories::Advisories;
use tidewaiter_platform::clock::Clock;
use tidewaiter_platform::objects::Objects;
use tidewaiter_platform::{Platform, pipeline};
use tidewaiter_registry::{Anonymous, Options, Registry, ServeOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::db::FILE;
use super::registry;
use super::registry_access::AccessArgs;
use super::registry_behaviour::{BehaviourArgs, TlsArgs};
use super::registry_stores::StoreArgs;
use crate::serve::{DataDirectory, listen, raise_file_limit, stop_on_signal};
use crate::ui::Ui;
use crate::{demo, environment};

/// Start the platform: registry, analysis, dashboard and API
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where everything is kept; made when it is not there
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the dashboard and the API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address of the embedded registry
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    registry_listen: SocketAddr,
    #[command(flatten)]
    stores: StoreArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    behaviour: BehaviourArgs,
    #[command(flatten)]
    tls: TlsArgs,
    /// Push a few small images with known holes, and use the advisories that come with them
    #[arg(long, conflicts_with = "tls_cert")]
    demo: bool,
}

impl Args {
    /// Every request to the registry is to be logged.
    pub(crate) fn logs_access(&self) -> bool {
        self.behaviour.logs_access()
    }
}

/// Where data is kept when nobody says.
pub(crate) fn default_data(demo: bool) -> PathBuf {
    environment::data_home().join(if demo { "demo" } else { "data" })
}

/// Runs the command until it is asked to end.
pub(crate) async fn run(args: Args, ui: Ui) -> Result<()> {
    let data = args.data.clone().unwrap_or_else(|| default_data(args.demo));
    let options = args.behaviour.apply(Options::new(Clock::new(environment::now)))?;
    let serving = ServeOptions { tls: args.tls.load()?, ..ServeOptions::default() };
    let directory = DataDirectory::open(&data)?;
    raise_file_limit();
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let web_listener = listen(args.listen, "--listen").await?;
    let registry_listener = listen(args.registry_listen, "--registry-listen").await?;
    let (token, token_is_new) = OwnerToken::load_or_create(directory.path())?;
    let registry_address = registry_listener.local_addr()?;
    let of_pages = ServeOptions { names: args.access.names(web_listener.local_addr()?), ..serving.clone() };
    let names = args.access.names(registry_address);
    let options = args.access.apply(registry_address, options);
    let names = names.filter(|_| options.anonymous == Anonymous::Everything);
    let of_registry = ServeOptions { names, ..serving };
    let clock = options.clock.clone();
    let stores = args.stores.open(directory.path(), options).await?;
    let platform = Arc::new(assemble(stores, &directory, &token, registry_address, clock)?);
    if args.demo {
        demo::build_advisories(&directory)?;
    }
    platform.advisories.refresh().await;
    let scheme = if of_pages.tls.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}", web_listener.local_addr()?);
    greet(ui, &platform, &directory, &address, token_is_new.then_some(&token)).await?;
    let pushing = args.demo.then(|| tokio::spawn(demo::push(platform.registry_address.clone())));
    let ended = serve(platform, (web_listener, &of_pages), (registry_listener, &of_registry), stop).await;
    if let Some(pushing) = pushing {
        pushing.abort();
    }
    ended
}

/// Puts the platform together over its stores.
fn assemble(
    (db, registry): (Db, Registry),
    directory: &DataDirectory,
    token: &OwnerToken,
    registry_address: SocketAddr,
    clock: Clock,
) -> Result<Platform> {
    let objects = directory.join("objects");
    std::fs::create_dir_all(&objects).with_context(|| format!("{} cannot be made", objects.display()))?;
    let store = object_store::local::LocalFileSystem::new_with_prefix(&objects)
        .with_context(|| format!("{} cannot be used", objects.display()))?
        .with_fsync(true);
    Ok(Platform {
        access: Access::new(db.clone(), clock.clone(), token),
        db,
        registry,
        registry_address: registry_address.to_string(),
        objects: Objects::new(Arc::new(store)),
        advisories: Advisories::new(directory.join(FILE)),
        clock,
        instance: format!("{}-{}", std::process::id(), environment::now()),
    })
}

/// Says where everything is.
async fn greet(
    ui: Ui,
    platform: &Platform,
    directory: &DataDirectory,
    address: &str,
    new_token: Option<&OwnerToken>,
) -> Result<()> {
    let code = platform.access.new_login_code().await?;
    ui.line(format_args!("Tidewaiter {}", env!("CARGO_PKG_VERSION")));
    ui.line(format_args!("  Dashboard    {address}/login?code={code}  (works once, for 15 minutes)"));
    ui.line(format_args!("  API          {address}/api/v1/images"));
    ui.line(format_args!("  Registry     {}", platform.registry_address));
    ui.line(format_args!("  Data         {}", directory.path().display()));
    if let Some(token) = new_token {
        ui.line(format_args!("  Owner token  {}  (shown once, kept in owner-token)", token.as_str()));
    }
    match platform.advisories.current() {
        Some(database) => ui.line(format_args!("  Advisories   {} records", database.advisories())),
        None => {
            let data = directory.path().display();
            ui.line(format_args!(
                "  Advisories   none; make them with `tidewaiter db build --data {data} --from PATH…`"
            ));
        }
    }
    if let Some(failure) = platform.advisories.failure() {
        ui.note(format_args!("Warning: {failure}"));
    }
    ui.line("Press Ctrl-C to stop.");
    Ok(())
}

async fn serve(
    platform: Arc<Platform>,
    (web, of_pages): (TcpListener, &ServeOptions),
    (registry_listener, of_registry): (TcpListener, &ServeOptions),
    stop: CancellationToken,
) -> Result<()> {
    let pages = tidewaiter_web::router(Arc::clone(&platform));
    let pages = tidewaiter_registry::serve(web, pages, of_pages, stop.cancelled());
    let registry = async {
        let ended = registry::serve(&platform.registry, registry_listener, of_registry, stop.clone()).await;
        // Without its registry the platform is not up.
        stop.cancel();
        ended
    };
    let ((), registry, ()) =
        tokio::join!(pages, registry, pipeline::run(Arc::clone(&platform), stop.clone()));
    platform.db.close().await;
    registry
}
