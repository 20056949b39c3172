//! One request and its answer, as the rest of the module sees them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::error::{Error, RegistryError, Result};
use crate::remote::auth::scope::Scopes;
use crate::remote::detail;
use crate::remote::observer::{self, Excerpt, MAX_EXCERPT, shown_url};
use crate::remote::retry;
use crate::remote::stall::Activity;

/// The most of an error answer that is read, in bytes.
const MAX_ERROR: usize = 64 * 1024;

/// Most entries of an error answer that are shown.
const MAX_ERRORS: usize = 16;

/// What a request sends.
pub(super) enum Payload {
    /// Nothing.
    Empty,
    /// Bytes that can be sent again.
    Bytes(Bytes),
    /// A stream that can be sent once, with its length and a watch on whether it moves.
    Stream { body: Option<reqwest::Body>, length: u64, activity: Arc<Activity> },
}

/// A request to make.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Payload,
    /// What a token has to allow.
    pub(super) scopes: Scopes,
    /// It moves many bytes.
    pub(super) bulk: bool,
    /// It carries secrets in its URL or body: no redirect elsewhere is followed.
    pub(super) stay: bool,
    /// The caller tries again itself.
    pub(super) once: bool,
    /// A successful answer is read whole, up to so many bytes, before it counts as one.
    pub(super) whole: Option<u64>,
}

impl Call {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Payload::Empty,
            scopes: Scopes::default(),
            bulk: false,
            stay: false,
            once: false,
            whole: None,
        }
    }

    pub(super) fn scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = scopes;
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        // Values are numbers, media types and digests that were parsed before.
        if let Ok(value) = value.try_into() {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn body(mut self, body: Payload) -> Self {
        self.body = body;
        self
    }

    /// Has a successful answer read before it counts as one: an answer that breaks off is asked for again.
    pub(super) fn whole(mut self, limit: u64) -> Self {
        self.whole = Some(limit);
        self
    }

    /// The body, for one try. A stream is given once.
    pub(super) fn take_body(&mut self) -> Option<reqwest::Body> {
        match &mut self.body {
            Payload::Empty => Some(reqwest::Body::from(Bytes::new())),
            Payload::Bytes(bytes) => Some(reqwest::Body::from(bytes.clone())),
            Payload::Stream { body, .. } => body.take(),
        }
    }

    /// It can be sent again.
    pub(super) fn is_replayable(&self) -> bool {
        !matches!(self.body, Payload::Stream { body: None, .. })
    }
}

/// An answer: its head, and its body to be read.
pub(super) struct Answer {
    method: Method,
    /// What was asked for, before redirects.
    url: Url,
    response: reqwest::Response,
    /// Read ahead, for an observer or because it was wanted whole.
    ahead: VecDeque<Bytes>,
    /// How reading ahead ended, when it failed.
    failed: Option<std::io::Error>,
    stall_timeout: Duration,
    /// Who gave it, when it was not the registry.
    elsewhere: Option<String>,
    /// The most that is waited for the registry, when it asked for more.
    patience: Option<Duration>,
}

impl Answer {
    pub(super) fn new(
        method: Method,
        url: Url,
        response: reqwest::Response,
        stall_timeout: Duration,
    ) -> Self {
        let (ahead, failed, elsewhere) = (VecDeque::new(), None, None);
        Self { method, url, response, ahead, failed, stall_timeout, elsewhere, patience: None }
    }

    /// Another host gave it, which the registry pointed at.
    pub(super) fn given_by(self, host: String) -> Self {
        Self { elsewhere: Some(host), ..self }
    }

    /// It asks for a longer wait than this, when there is one.
    pub(super) fn not_waited_for(self, patience: Option<Duration>) -> Self {
        Self { patience, ..self }
    }

    /// The host that gave it, when that was not the registry.
    pub(super) fn elsewhere(&self) -> Option<&str> {
        self.elsewhere.as_deref()
    }

    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// `Content-Length`, also of answers to HEAD.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// What was asked for, before redirects.
    pub(super) fn asked(&self) -> &Url {
        &self.url
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// Says that this answer breaks the protocol.
    pub(super) fn protocol_error(&self) -> impl Fn(String) -> Error + Send + Sync + use<> {
        let (method, url) = (self.method.to_string(), shown_url(&self.url));
        move |reason| Error::Protocol { method: method.clone(), url: url.clone(), reason }
    }

    /// The next piece of the body; `None` at its end.
    pub(super) async fn chunk(&mut self) -> std::io::Result<Option<Bytes>> {
        if let Some(chunk) = self.ahead.pop_front() {
            return Ok(Some(chunk));
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        match tokio::time::timeout(self.stall_timeout, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, words(&error))),
            Err(_) => {
                let seconds = self.stall_timeout.as_secs();
                let reason = format!("nothing came for {seconds} seconds");
                Err(std::io::Error::new(std::io::ErrorKind::TimedOut, reason))
            }
        }
    }

    /// The whole body, when it has at most `limit` bytes.
    pub(super) async fn read_all(mut self, limit: u64) -> Result<Bytes> {
        self.load(limit).await?;
        Ok(self.ahead.pop_front().unwrap_or_default())
    }

    /// Reads the whole body, when it has at most `limit` bytes, into memory.
    pub(super) async fn load(&mut self, limit: u64) -> Result<()> {
        let protocol = self.protocol_error();
        let too_large = || protocol(format!("it is larger than {limit} bytes"));
        let expected = self.content_length();
        if expected.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(expected.unwrap_or(0)).unwrap_or(0));
        let (method, url) = (self.method.to_string(), shown_url(&self.url));
        loop {
            let chunk = self.chunk().await.map_err(|error| Error::Request {
                method: method.clone(),
                url: url.clone(),
                reason: format!("the answer broke off: {error}"),
            })?;
            let Some(chunk) = chunk else {
                self.ahead.push_back(bytes.freeze());
                return Ok(());
            };
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
    }

    /// Reads up to `limit` bytes of the body, whatever happens.
    async fn read_some(&mut self, limit: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < limit {
            let Ok(Some(chunk)) = self.chunk().await else { break };
            bytes.extend_from_slice(&chunk[..chunk.len().min(limit - bytes.len())]);
        }
        bytes
    }

    /// Reads what is left of a body nobody wants, when it is little, so that the connection can be used again.
    pub(super) async fn discard(mut self) {
        self.read_some(MAX_ERROR).await;
    }

    /// This answer when its status is one of these; otherwise the error that it is.
    pub(super) async fn expect(self, statuses: &[StatusCode]) -> Result<Self> {
        if statuses.contains(&self.status()) { Ok(self) } else { Err(self.into_error().await) }
    }

    /// The error that this answer is.
    pub(super) async fn into_error(mut self) -> Error {
        let status = self.status();
        let retry_after = retry::retry_after(self.headers()).map(|delay| delay.as_secs());
        let (method, url) = (self.method.to_string(), shown_url(&self.url));
        if status.is_success() || status.is_redirection() {
            let reason = format!("status {status} was not expected");
            return Error::Protocol { method, url, reason };
        }
        let errors = parse_errors(&self.read_some(MAX_ERROR).await);
        let error =
            Error::Response { method, url, status: status.as_u16(), errors, retry_after, patience: None };
        error.not_waited_for(self.patience)
    }

    /// Reads the beginning of the body for an observer; it is given out again afterwards.
    pub(super) async fn excerpt(&mut self) -> Excerpt {
        if self.method == Method::HEAD || self.content_length() == Some(0) {
            return Excerpt::Empty;
        }
        let content_type = self.header("content-type").unwrap_or_default().to_owned();
        if !observer::is_text(&content_type) {
            return Excerpt::NotText { content_type };
        }
        let mut bytes = Vec::new();
        let mut ahead = VecDeque::new();
        let mut ended = false;
        while bytes.len() <= MAX_EXCERPT {
            match self.chunk().await {
                Ok(Some(chunk)) => {
                    bytes.extend_from_slice(&chunk);
                    ahead.push_back(chunk);
                    continue;
                }
                Ok(None) => {}
                // Whoever reads the body is told, where it breaks off.
                Err(error) => self.failed = Some(error),
            }
            ended = true;
            break;
        }
        self.ahead = ahead;
        if bytes.is_empty() {
            return Excerpt::Empty;
        }
        let cut = !ended || bytes.len() > MAX_EXCERPT;
        bytes.truncate(MAX_EXCERPT);
        Excerpt::Text { text: observer::shown_text(&String::from_utf8_lossy(&bytes)), cut }
    }
}

/// What an error of the HTTP client says, without the layers that only say that something failed.
fn words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Reads `{"errors": […]}`; none when it is something else.
fn parse_errors(body: &[u8]) -> Vec<RegistryError> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        detail: Option<serde_json::Value>,
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return Vec::new() };
    let entries = body.errors.into_iter().take(MAX_ERRORS).map(|entry| RegistryError {
        code: entry.code,
        message: entry.message,
        detail: entry.detail.filter(|detail| !detail.is_null()).map(|detail| detail::shown(&detail)),
    });
    entries.collect()
}
