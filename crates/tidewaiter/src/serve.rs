//! What every server command needs: a data directory of its own, sockets, the end by signal.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A data directory that this process alone serves from; others are kept out until it ends.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory when it is not there, readable by its owner alone, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
            format!("the data directory {shown} cannot be made; choose another with --data")
        })?;
        let lock = File::create(path.join("lock")).with_context(|| {
            format!("the data directory {shown} cannot be written to; choose another with --data")
        })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another tidewaiter serves from {shown}; stop it, or choose another directory with --data"
                )
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("the data directory {shown} cannot be locked"));
            }
        }
        let path =
            fs::canonicalize(path).with_context(|| format!("the data directory {shown} cannot be found"))?;
        Ok(Self { path, _lock: lock })
    }

    /// A path in the directory.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Listens on an address; `flag` is the flag that chooses another one.
pub(crate) async fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
            std::io::ErrorKind::PermissionDenied => "this port needs more rights".to_owned(),
            _ => error.to_string(),
        };
        anyhow::anyhow!("{address} cannot be listened on: {why}; choose another address with {flag}")
    })
}

/// Lets this process have as many open files as it may. Each connection is one, and what shells and services start with
/// is meant for programs that open a few.
pub(crate) fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the number of open files cannot be raised");
    }
}

/// Exit code of a server that was asked to end while it was ending: what shells report of an interrupted program.
const STOPPED_TWICE: i32 = 130;

/// Cancels `stop` when the process is asked to end, and ends it at once when it is asked again.
pub(crate) fn stop_on_signal(stop: CancellationToken) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be heard")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be heard")?;
    tokio::spawn(async move {
        let mut asked = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        asked().await;
        stop.cancel();
        // Who asks twice does not want to wait for requests to end. Nothing that was acknowledged is lost by it.
        asked().await;
        std::process::exit(STOPPED_TWICE);
    });
    Ok(())
}
