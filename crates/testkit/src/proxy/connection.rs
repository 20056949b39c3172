//! One connection of a client: requests up, responses down, each direction on its own.
//!
//! The two directions meet in a queue of requests whose responses are due. So a server may answer before a
//! body has arrived, a client may send ahead, and an answer of the proxy's own takes its place in the order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::http::{Body, Head};
use super::ledger::Ledger;
use super::line::{Cut, Line, line};
use super::plan::Fault;

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// A request whose response is due.
struct Due {
    /// Its place in the ledger.
    entry: usize,
    method: String,
    response: Response,
}

enum Response {
    /// The server's, whole.
    Whole,
    /// The server's, up to this many bytes.
    Until(u64),
    /// The server's, up to the middle of its body.
    Half,
    /// The proxy's.
    Ours { bytes: Bytes, then: Then },
}

/// Serves a client until one side ends.
pub(super) async fn serve(client: TcpStream, upstream: SocketAddr, ledger: Arc<Ledger>) {
    let Ok(server) = TcpStream::connect(upstream).await else {
        return;
    };
    // Small heads must not wait for acknowledgements: the delay is ours to make.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (round_trip, handshake) = ledger.latency();
    let delay = round_trip / 2;
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let (up, up_end) = line(delay, Instant::now() + handshake);
    let (down, down_end) = line(delay, Instant::now());
    let (due, dues) = mpsc::channel(1024);

    let requests = Requests { source: Source::new(client_in), line: up, due, ledger: Arc::clone(&ledger) };
    let responses = Responses { source: Source::new(server_in), line: down, dues, ledger, delay };
    // The first direction that is cut ends all; a direction that ends in order lets the other finish.
    let _ = tokio::try_join!(
        requests.run(),
        up_end.pour(server_out),
        responses.run(),
        down_end.pour(client_out),
    );
}

/// Bytes that were read and not yet understood.
struct Source {
    stream: OwnedReadHalf,
    buffer: BytesMut,
}

impl Source {
    fn new(stream: OwnedReadHalf) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Reads more; false at the end.
    async fn fill(&mut self) -> Result<bool, Cut> {
        self.buffer.reserve(CHUNK);
        self.stream.read_buf(&mut self.buffer).await.map(|read| read > 0).map_err(|_| Cut)
    }

    /// Waits for a whole head; nothing when the connection ends before one begins.
    async fn head(&mut self) -> Result<Option<Head>, Cut> {
        loop {
            if let Some(head) = Head::parse(&self.buffer).map_err(|_| Cut)? {
                return Ok(Some(head));
            }
            if !self.fill().await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(Cut) };
            }
        }
    }

    /// The next bytes of a body; nothing at its end.
    async fn body(&mut self, body: &mut Body) -> Result<Option<Bytes>, Cut> {
        if body.ended() {
            return Ok(None);
        }
        if self.buffer.is_empty() && !self.fill().await? {
            return if *body == Body::UntilClose { Ok(None) } else { Err(Cut) };
        }
        let taken = body.take(&self.buffer).map_err(|_| Cut)?;
        Ok(Some(self.buffer.split_to(taken).freeze()))
    }

    /// Passes a message on, or only the first `limit` bytes of it and then a cut.
    async fn pass(
        &mut self,
        head: &Head,
        mut body: Body,
        line: &Line,
        limit: Option<u64>,
    ) -> Result<(), Cut> {
        let mut left = limit.unwrap_or(u64::MAX);
        let mut piece = Some(self.buffer.split_to(head.length).freeze());
        while let Some(mut bytes) = piece {
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= bytes.len() as u64;
            line.send(bytes).await?;
            if left == 0 {
                break;
            }
            piece = self.body(&mut body).await?;
        }
        if limit.is_some() {
            line.cut().await?;
            // The cut is still on its way; where it comes out, it ends this direction too.
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// What becomes of the connection behind an answer of the proxy's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Continue,
    Close,
}

/// The way up.
struct Requests {
    source: Source,
    line: Line,
    due: mpsc::Sender<Due>,
    ledger: Arc<Ledger>,
}

impl Requests {
    async fn run(mut self) -> Result<(), Cut> {
        while let Some(head) = self.source.head().await? {
            let [method, target, _] = head.words.clone();
            let body = head.request_body();
            let (entry, fault) = self.ledger.record(&method, &target);
            let (response, limit) = match fault {
                Some(Fault::Answer { status, retry_after }) => {
                    self.source.buffer.advance(head.length);
                    // A client that waits for our word whether to send its body may or may not send it then:
                    // after our answer nobody knows what the next bytes are.
                    let then = if head.expects { Then::Close } else { Then::Continue };
                    let bytes = answer(&method, status, retry_after, then);
                    let response = Response::Ours { bytes, then };
                    self.answer(Due { entry, method, response }, body, then).await?;
                    continue;
                }
                Some(Fault::CutRequest { after }) => (Response::Whole, Some(after)),
                Some(Fault::CutResponse { after }) => (Response::Until(after), None),
                Some(Fault::HalfBody) => (Response::Half, None),
                None => (Response::Whole, None),
            };
            self.due.send(Due { entry, method, response }).await.map_err(|_| Cut)?;
            self.source.pass(&head, body, &self.line, limit).await?;
        }
        Ok(())
    }

    /// Takes the body off the wire before it answers, where there is one.
    async fn answer(&mut self, due: Due, mut body: Body, then: Then) -> Result<(), Cut> {
        if then == Then::Continue {
            while self.source.body(&mut body).await?.is_some() {}
        }
        self.due.send(due).await.map_err(|_| Cut)
    }
}

/// The proxy's own answer, in the words of a registry.
fn answer(method: &str, status: u16, retry_after: Option<u32>, then: Then) -> Bytes {
    let code = if status == 429 { "TOOMANYREQUESTS" } else { "UNKNOWN" };
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"the fault proxy answered {status}"}}]}}"#);
    let mut text = format!(
        "HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    if let Some(seconds) = retry_after {
        text += &format!("Retry-After: {seconds}\r\n");
    }
    if then == Then::Close {
        text += "Connection: close\r\n";
    }
    text += "\r\n";
    if method != "HEAD" {
        text += &body;
    }
    Bytes::from(text)
}

/// The way down.
struct Responses {
    source: Source,
    line: Line,
    dues: mpsc::Receiver<Due>,
    ledger: Arc<Ledger>,
    delay: Duration,
}

impl Responses {
    async fn run(mut self) -> Result<(), Cut> {
        while let Some(due) = self.next().await? {
            if let Response::Ours { bytes, then } = due.response {
                // The request's way up was not gone: it is added here.
                self.line.send_later(bytes, self.delay).await?;
                if then == Then::Close {
                    self.line.cut().await?;
                }
                continue;
            }
            self.relay(&due).await?;
        }
        Ok(())
    }

    /// The next request that wants a response. A server that hangs up meanwhile is hung up on the client, who
    /// would otherwise send its next request into nothing.
    async fn next(&mut self) -> Result<Option<Due>, Cut> {
        loop {
            tokio::select! {
                biased;
                due = self.dues.recv() => return Ok(due),
                more = self.source.fill() => if !more? {
                    self.line.cut().await?;
                    return Ok(self.dues.recv().await);
                },
            }
        }
    }

    async fn relay(&mut self, due: &Due) -> Result<(), Cut> {
        loop {
            let head = self.source.head().await?.ok_or(Cut)?;
            let status = head.status().map_err(|_| Cut)?;
            let interim = (100..200).contains(&status);
            let body = head.response_body(&due.method, status);
            if interim {
                self.source.pass(&head, body, &self.line, None).await?;
                continue;
            }
            self.ledger.status(due.entry, status);
            let limit = match (&due.response, &body) {
                (Response::Until(bytes), _) => Some(*bytes),
                (Response::Half, Body::Length(length)) => Some(head.length as u64 + length / 2),
                (Response::Half, _) => Some(head.length as u64 + 1),
                (Response::Whole | Response::Ours { .. }, _) => None,
            };
            let until_close = body == Body::UntilClose;
            self.source.pass(&head, body, &self.line, limit).await?;
            return if until_close { self.line.cut().await } else { Ok(()) };
        }
    }
}
