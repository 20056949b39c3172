//! Runs a router on a listener: connections, TLS, time limits, graceful shutdown.

mod names;
mod progress;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Response, StatusCode, Version, header};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

pub use self::names::Names;
use self::progress::{Activity, AnswerBody, PatientBody, PatientStream};
use crate::response::ApiError;
use crate::tls::Tls;
pub(crate) use progress::Stalled;

/// How long a connection that is to be closed may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// How connections are served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Speak TLS.
    pub tls: Option<Tls>,
    /// The names that requests have to come under; any name will do without.
    pub names: Option<Names>,
    /// Most connections at one time; more wait to be accepted.
    pub connections: usize,
    /// How long a client may take for the TLS handshake, and for the head of a request, the first one and each that
    /// follows the end of another.
    pub header_patience: Duration,
    /// How long nothing may come of the body of a request that is waited for, or be taken of an answer.
    pub stall_patience: Duration,
    /// How long requests under way may take to end when the server shuts down.
    pub shutdown_patience: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            tls: None,
            names: None,
            connections: 4096,
            header_patience: Duration::from_secs(60),
            stall_patience: Duration::from_secs(60),
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
    let permits = Arc::new(Semaphore::new(options.connections));
    let connections = TaskTracker::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            // The semaphore is never closed, so a permit always comes.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let server = Arc::clone(&server);
                connections.spawn(async move {
                    let _permit = permit;
                    server.accept(stream, address).await;
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
    connections.close();
    server.stopping.cancel();
    if tokio::time::timeout(options.shutdown_patience, connections.wait()).await.is_err() {
        tracing::warn!("requests that did not end in time were cut off");
        server.cut_off.cancel();
    }
}

/// What all connections share.
struct Server {
    router: Router,
    builder: Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    names: Option<Names>,
    header_patience: Duration,
    stall_patience: Duration,
    /// No request is begun any more.
    stopping: CancellationToken,
    /// Nor is one ended.
    cut_off: CancellationToken,
}

/// How a client reached us.
#[derive(Debug, Clone)]
struct Client {
    address: SocketAddr,
    /// What it is known to speak.
    protocol: Option<HeaderValue>,
}

impl Server {
    fn new(router: Router, options: &ServeOptions) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(options.header_patience)
            .title_case_headers(true);
        builder.http2().timer(TokioTimer::new()).adaptive_window(true).max_concurrent_streams(128);
        Self {
            router,
            builder,
            tls: options.tls.clone().map(|tls| tls.0),
            names: options.names.clone(),
            header_patience: options.header_patience,
            stall_patience: options.stall_patience,
            stopping: CancellationToken::new(),
            cut_off: CancellationToken::new(),
        }
    }

    async fn accept(self: Arc<Self>, stream: TcpStream, address: SocketAddr) {
        // Small answers must not wait for more to send.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else {
            return self.run(stream, Client { address, protocol: None }).await;
        };
        let accepted = tokio::select! {
            () = self.stopping.cancelled() => return,
            accepted = tokio::time::timeout(self.header_patience, tls.accept(stream)) => accepted,
        };
        match accepted {
            Ok(Ok(stream)) => {
                let protocol = Some(HeaderValue::from_static("https"));
                self.run(stream, Client { address, protocol }).await;
            }
            Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
        }
    }

    /// Serves one connection until the client ends it, nothing has happened on it for too long, or the server stops.
    /// The builder's own limits begin with the first bytes and leave HTTP/2 alone, so idleness is judged here.
    async fn run<S>(self: Arc<Self>, stream: S, client: Client)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let address = client.address;
        let activity = Activity::default();
        let stream = PatientStream::new(stream, self.stall_patience, activity.clone());
        let service = service_fn(|request: Request<Incoming>| {
            let (busy, version) = (activity.begin(), request.version());
            let answer = Arc::clone(&self).answer(request, client.clone());
            async move { Ok::<_, Infallible>(answer.await.map(|body| AnswerBody::new(body, busy, version))) }
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut ending = false;
        loop {
            let patience = if ending { FAREWELL } else { self.header_patience };
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%address, error, "a connection ended with an error");
                    }
                    return;
                }
                () = self.cut_off.cancelled() => return,
                () = activity.held_up(self.stall_patience) => {
                    tracing::debug!(%address, "a client has taken nothing of its answers for too long");
                    return;
                }
                () = self.stopping.cancelled(), if !ending => {}
                () = activity.quiet(patience) => {
                    if ending {
                        return;
                    }
                }
            }
            ending = true;
            connection.as_mut().graceful_shutdown();
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        client: Client,
    ) -> Response<axum::body::Body> {
        let version = request.version();
        let stalled = Stalled::default();
        let mut request = request.map(|body| PatientBody::new(body, self.stall_patience, stalled.clone()));
        request.extensions_mut().insert(ClientAddress(client.address));
        request.extensions_mut().insert(stalled.clone());
        // HTTP/2 has the host in another place, where the handlers do not look.
        if let Some(authority) = request.uri().authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            request.headers_mut().entry(header::HOST).or_insert(host);
        }
        let own =
            self.names.as_ref().map_or(Ok(()), |names| names.check(request.method(), request.headers()));
        if let Err(error) = own {
            return error.into_response();
        }
        // Over our own TLS we know how the client came; otherwise a proxy in front of us knows better.
        if let Some(protocol) = client.protocol {
            request.headers_mut().insert("x-forwarded-proto", protocol);
        }
        // The error type of a router has no values.
        let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        if !stalled.happened() {
            return response;
        }
        let message = "the rest of the request did not come; what came before may have been kept";
        let mut response = ApiError::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT", message).into_response();
        if version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
