//! Runs a router on a listener: connections, time limits, graceful shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// How connections are served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Most connections at one time; more wait to be accepted.
    pub connections: usize,
    /// How long a client may take to send the head of a request.
    pub header_patience: Duration,
    /// How long requests under way may take to end when the server shuts down.
    pub shutdown_patience: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            connections: 4096,
            header_patience: Duration::from_secs(60),
            shutdown_patience: Duration::from_secs(30),
        }
    }
}

/// Whose request it is: an extension of every request that came through [`serve`].
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub SocketAddr);

/// Serves a router until `shutdown` resolves. Then no connection is accepted any more, requests under way end,
/// uploads among them, and what has not ended in time is cut off. Sessions of cut-off uploads end with the process.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: &ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(options.header_patience);
    builder.http2().timer(TokioTimer::new()).adaptive_window(true).max_concurrent_streams(128);
    let builder = Arc::new(builder);
    let connections = Arc::new(Semaphore::new(options.connections));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            // The semaphore is never closed, so a permit always comes.
            let permit = Arc::clone(&connections).acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let watcher = graceful.watcher();
                let (builder, router) = (Arc::clone(&builder), router.clone());
                tokio::spawn(async move {
                    let _permit = permit;
                    // Small answers must not wait for more to send.
                    let _ = stream.set_nodelay(true);
                    let service = router.map_request(move |mut request: Request<Incoming>| {
                        request.extensions_mut().insert(ClientAddress(address));
                        request
                    });
                    let service = TowerToHyperService::new(service);
                    let connection = builder.serve_connection(TokioIo::new(stream), service);
                    if let Err(error) = watcher.watch(connection.into_owned()).await {
                        tracing::debug!(%address, error, "a connection ended with an error");
                    }
                });
            }
            Err(error) => {
                // Out of file handles, mostly: others have to end first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(options.shutdown_patience, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests that did not end in time were cut off");
    }
}
