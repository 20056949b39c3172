//! Runs a router on a listener: connections, TLS, time limits, graceful shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::tls::Tls;

/// How connections are served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Speak TLS.
    pub tls: Option<Tls>,
    /// Most connections at one time; more wait to be accepted.
    pub connections: usize,
    /// How long a client may take for the TLS handshake, and for the head of a request.
    pub header_patience: Duration,
    /// How long requests under way may take to end when the server shuts down.
    pub shutdown_patience: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            tls: None,
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
    let server = Arc::new(Server::new(router, options));
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
                let (server, watcher) = (Arc::clone(&server), graceful.watcher());
                tokio::spawn(async move {
                    let _permit = permit;
                    server.accept(stream, address, watcher).await;
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

/// What all connections share.
struct Server {
    router: Router,
    builder: Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    patience: Duration,
}

impl Server {
    fn new(router: Router, options: &ServeOptions) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(options.header_patience);
        builder.http2().timer(TokioTimer::new()).adaptive_window(true).max_concurrent_streams(128);
        let tls = options.tls.clone().map(|tls| tls.0);
        Self { router, builder, tls, patience: options.header_patience }
    }

    async fn accept(&self, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        // Small answers must not wait for more to send.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.run(stream, address, watcher, None).await };
        match tokio::time::timeout(self.patience, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                self.run(stream, address, watcher, Some(HeaderValue::from_static("https"))).await;
            }
            Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
        }
    }

    /// Serves one connection; `protocol` is what the client is known to speak.
    async fn run<S>(&self, stream: S, address: SocketAddr, watcher: Watcher, protocol: Option<HeaderValue>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = self.router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ClientAddress(address));
            // HTTP/2 has the host in another place, where the handlers do not look.
            if let Some(authority) = request.uri().authority()
                && let Ok(host) = HeaderValue::from_str(authority.as_str())
            {
                request.headers_mut().entry(header::HOST).or_insert(host);
            }
            // Over our own TLS we know how the client came; otherwise a proxy in front of us knows better.
            if let Some(protocol) = &protocol {
                request.headers_mut().insert("x-forwarded-proto", protocol.clone());
            }
            request
        });
        let service = TowerToHyperService::new(service);
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection.into_owned()).await {
            tracing::debug!(%address, error, "a connection ended with an error");
        }
    }
}
