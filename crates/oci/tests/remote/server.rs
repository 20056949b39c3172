//! A scripted server on a loopback port: a function answers each request, and everything is written down.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tidewaiter_oci::Reference;
use tidewaiter_oci::remote::{Client, Repository, RetrySettings, Settings};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `GET /v2/`, for comparisons.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    /// Send only so much of the body, and cut the connection.
    cut_after: Option<usize>,
    /// Cut the connection without an answer.
    hang_up: bool,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), cut_after: None, hang_up: false }
    }

    pub(crate) fn hang_up() -> Self {
        Self { hang_up: true, ..Self::new(500) }
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status).header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }

    /// The body, or the range of it that was asked for.
    pub(crate) fn ranged(seen: &Seen, body: &Bytes) -> Self {
        let range = seen.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let Some((start, end)) = range else { return Self::new(200).body(body.clone()) };
        let start: usize = start.parse().expect("a number");
        let end = end.parse::<usize>().map_or(body.len(), |end| end + 1).min(body.len());
        Self::new(206)
            .header("content-range", format!("bytes {start}-{}/{}", end - 1, body.len()))
            .body(body.slice(start..end))
    }
}

type Handler = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// How much of a request's body to read before the connection is cut; `None`: all of it, and answer.
type Patience = Arc<dyn Fn(&Seen) -> Option<usize> + Send + Sync>;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_impatient(|_| None, handler).await
    }

    /// Cuts connections while a request is still being sent.
    pub(crate) async fn start_impatient(
        patience: impl Fn(&Seen) -> Option<usize> + Send + Sync + 'static,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(None, Arc::new(patience), Arc::new(handler)).await
    }

    pub(crate) async fn start_tls(
        config: rustls::ServerConfig,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Some(Arc::new(config).into()), Arc::new(|_: &Seen| None), Arc::new(handler)).await
    }

    async fn serve(tls: Option<tokio_rustls::TlsAcceptor>, patience: Patience, handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("it has an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("connections come");
                let (log, patience, handler) =
                    (Arc::clone(&log), Arc::clone(&patience), Arc::clone(&handler));
                let tls = tls.clone();
                tokio::spawn(async move {
                    // Failed handshakes and cut connections are what these tests are about.
                    match tls {
                        None => drop(talk(TokioIo::new(stream), log, patience, handler).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(talk(TokioIo::new(stream), log, patience, handler).await);
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen, task }
    }

    /// Requests so far, in the order in which they were answered.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("nobody panicked").clone()
    }

    /// `GET /v2/` and so on, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    pub(crate) fn repository(&self, settings: Settings) -> Repository {
        let reference = Reference::parse(&format!("{}/a", self.address)).expect("a valid reference");
        client(settings).repository(&reference).expect("settings are valid")
    }
}

async fn talk(
    stream: impl hyper::rt::Read + hyper::rt::Write + Unpin,
    log: Arc<Mutex<Vec<Seen>>>,
    patience: Patience,
    handler: Handler,
) -> hyper::Result<()> {
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let (log, patience, handler) = (Arc::clone(&log), Arc::clone(&patience), Arc::clone(&handler));
        async move {
            let (parts, body) = request.into_parts();
            let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let mut seen = Seen { method: parts.method, target, headers: parts.headers, body: Bytes::new() };
            let limit = patience(&seen);
            seen.body = read(body, limit.unwrap_or(usize::MAX)).await;
            let reply = handler(&seen);
            log.lock().expect("nobody panicked").push(seen);
            if limit.is_some() || reply.hang_up { Err("hanging up") } else { Ok(answer(reply)) }
        }
    });
    hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await
}

async fn read(mut body: Incoming, limit: usize) -> Bytes {
    let mut bytes = BytesMut::new();
    while bytes.len() < limit
        && let Some(Ok(frame)) = body.frame().await
    {
        let data = frame.into_data().unwrap_or_default();
        bytes.extend_from_slice(&data[..data.len().min(limit - bytes.len())]);
    }
    bytes.freeze()
}

fn answer(reply: Reply) -> Response<BoxBody<Bytes, &'static str>> {
    let mut response = Response::builder().status(StatusCode::from_u16(reply.status).expect("a status"));
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let body = match reply.cut_after {
        None => http_body_util::Full::new(reply.body).map_err(|never: Infallible| match never {}).boxed(),
        Some(bytes) => {
            response = response.header("content-length", reply.body.len());
            let sent = stream::iter([Ok(Frame::data(reply.body.slice(..bytes)))]);
            // Being pending once has what was sent so far flushed.
            let cut = stream::once(async {
                tokio::task::yield_now().await;
                Err("cut off")
            });
            BoxBody::new(StreamBody::new(Box::pin(sent.chain(cut)) as SyncStream))
        }
    };
    response.body(body).expect("a valid answer")
}

type SyncStream =
    std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, &'static str>> + Send + Sync>>;

/// A client that does not wait long between tries.
pub(crate) fn client(settings: Settings) -> Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(settings).expect("settings are valid")
}

/// Settings whose own waits are too short to notice.
pub(crate) fn impatient() -> Settings {
    let retry = RetrySettings { base: Duration::from_micros(10), ..RetrySettings::default() };
    Settings { retry, ..Settings::default() }
}
