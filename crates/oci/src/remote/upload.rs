//! Pushing blobs.
//!
//! Small ones are offered in a single request, for which one refusal is enough to learn that the registry has
//! none. Everything else opens a session and sends the whole blob in one PUT, which every registry knows and
//! which needs the fewest requests. Chunks are sent only where a body would be too large, or after a connection
//! broke: what a chunk brought over stays there, and sending goes on from it. Which of these a registry takes is
//! found out by trying, see [`way`].

mod ahead;
mod way;

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use http::{HeaderValue, Method, StatusCode};
use url::Url;

use crate::content::{self, Content};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::media_type;
use crate::remote::auth::scope::Scopes;
use crate::remote::call::{Answer, Call, Payload};
use crate::remote::observer::{Wait, shown_url};
use crate::remote::repository::{PULL, PUSH, Repository};
use crate::remote::retry::Pacing;
use crate::remote::source::{self, Failure, Source};
use crate::remote::trust;
use way::{Sizes, Way};

/// Most sessions kept for pushes that follow a refused mount.
const MAX_SESSIONS: usize = 1024;

/// Streams up to this size are read into memory first, in bytes.
const SMALL_STREAM: u64 = 1 << 20;

/// Chunk size after a connection broke, in bytes: what may have to be sent once more.
const CAUTIOUS_CHUNK: u64 = 32 << 20;

const CREATED: &[StatusCode] = &[StatusCode::CREATED, StatusCode::OK, StatusCode::NO_CONTENT];

impl Repository {
    /// Takes a blob from another repository of the same registry.
    pub(super) async fn mount_blob(&self, digest: &Digest, from: &str) -> Result<bool> {
        let mut call =
            self.upload_call(Method::POST, self.uploads_url(&[("mount", digest.as_str()), ("from", from)]));
        call.scopes = call.scopes.union(Scopes::repository(from, PULL));
        let answer = self.send(call).await?;
        match answer.status() {
            StatusCode::CREATED => {
                answer.discard().await;
                Ok(true)
            }
            StatusCode::ACCEPTED => {
                let session = self.location(&answer)?;
                answer.discard().await;
                let mut sessions = self.state.sessions.lock().unwrap_or_else(PoisonError::into_inner);
                if sessions.len() < MAX_SESSIONS {
                    sessions.insert(digest.clone(), session);
                }
                Ok(false)
            }
            // Whatever the reason, pushing may work; if not, it says why.
            _ => {
                let error = answer.into_error().await;
                tracing::debug!(%digest, from, %error, "the registry does not mount");
                Ok(false)
            }
        }
    }

    /// Pushes a blob.
    pub(super) async fn push_blob(&self, descriptor: &Descriptor, content: Content) -> Result<()> {
        let content = match content {
            // In memory it can be sent again.
            Content::Stream(reader) if descriptor.size <= SMALL_STREAM => {
                Content::Bytes(source::collect(descriptor, reader).await?)
            }
            content => content,
        };
        let whole = match &content {
            Content::Bytes(bytes) => Some(bytes.clone()),
            Content::Stream(_) | Content::Reopen(_) => None,
        };
        if let Some(bytes) = &whole {
            content::check(descriptor, bytes)?;
        }
        let kept = {
            let mut sessions = self.state.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.remove(&descriptor.digest)
        };
        let session = match (whole.filter(|_| self.offers_single_request(descriptor.size)), kept) {
            (_, Some(url)) => Session { url, least: 0 },
            (None, None) => self.open_session().await?,
            (Some(bytes), None) => match self.single_request(descriptor, bytes).await? {
                Single::Done => return Ok(()),
                Single::Session(session) => session,
                Single::Refused => self.open_session().await?,
            },
        };
        Upload::new(self, descriptor, content, session).run(None).await
    }

    fn offers_single_request(&self, size: u64) -> bool {
        size <= self.client.settings().transfer.single_request
            && self.client.settings().transfer.single_request > 0
            && !self.state.single_request_refused.load(Ordering::Relaxed)
    }

    async fn single_request(&self, descriptor: &Descriptor, bytes: Bytes) -> Result<Single> {
        let call = self
            .upload_call(Method::POST, self.uploads_url(&[("digest", descriptor.digest.as_str())]))
            .header(CONTENT_TYPE, media_type::OCTET_STREAM)
            .body(Payload::Bytes(bytes));
        let answer = self.send(call).await?;
        if answer.status() == StatusCode::CREATED {
            answer.discard().await;
            return Ok(Single::Done);
        }
        self.state.single_request_refused.store(true, Ordering::Relaxed);
        if answer.status() == StatusCode::ACCEPTED {
            return self.session(answer).await.map(Single::Session);
        }
        match answer.into_error().await {
            error if error.kind() == ErrorKind::Access => Err(error),
            error => {
                tracing::debug!(%error, "the registry does not take blobs in a single request");
                Ok(Single::Refused)
            }
        }
    }

    async fn open_session(&self) -> Result<Session> {
        let call = self.upload_call(Method::POST, self.uploads_url(&[]));
        let answer = self.send(call).await?.expect(&[StatusCode::ACCEPTED]).await?;
        self.session(answer).await
    }

    async fn session(&self, answer: Answer) -> Result<Session> {
        let url = self.location(&answer)?;
        let least = answer.header("oci-chunk-min-length").and_then(|text| text.trim().parse().ok());
        answer.discard().await;
        Ok(Session { url, least: least.unwrap_or(0) })
    }

    /// Tells the registry to forget what it has. It need not know how.
    async fn cancel_session(&self, session: Url) {
        let mut call = self.upload_call(Method::DELETE, session);
        call.once = true;
        if let Ok(answer) = self.send(call).await {
            answer.discard().await;
        }
    }

    fn uploads_url(&self, query: &[(&str, &str)]) -> Url {
        let mut url = self.endpoint.url(&format!("{}/blobs/uploads/", self.name()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn upload_call(&self, method: Method, url: Url) -> Call {
        Call::new(method, url).scopes(Scopes::repository(self.name().as_str(), PUSH))
    }

    /// The upload location that an answer names.
    fn location(&self, answer: &Answer) -> Result<Url> {
        let named = answer
            .header(LOCATION.as_str())
            .ok_or_else(|| answer.protocol_error()("it has no Location to upload to".to_owned()))?;
        trust::same_registry(&self.endpoint, answer.method().as_str(), answer.asked(), named)
    }
}

/// What became of a blob offered in a single request.
enum Single {
    Done,
    Session(Session),
    Refused,
}

/// An upload session of a registry.
struct Session {
    url: Url,
    /// The smallest chunk it takes, but for the last.
    least: u64,
}

/// A blob being pushed.
struct Upload<'a> {
    repository: &'a Repository,
    descriptor: &'a Descriptor,
    source: Source,
    session: Session,
    /// What the session has, in bytes.
    at: u64,
    way: Way,
    /// A chunk was taken, so chunks are known here.
    moved: bool,
    pacing: Pacing,
    /// How often it was begun again.
    restarts: u32,
}

/// How one request of an upload ended.
enum Step {
    Done,
    /// The session has more than before.
    Moved,
    /// The session is gone, or never was.
    Lost(Error),
    /// It does not have what we thought, or the connection broke.
    Unclear(Error),
    /// The body was too large.
    TooLarge(Error),
    /// The registry does not know chunks.
    NoChunks(Error),
}

impl<'a> Upload<'a> {
    fn new(
        repository: &'a Repository,
        descriptor: &'a Descriptor,
        content: Content,
        session: Session,
    ) -> Self {
        let settings = repository.client.settings();
        let chunk = settings.transfer.max_body.filter(|limit| descriptor.size > *limit);
        Self {
            repository,
            descriptor,
            source: Source::new(descriptor, content),
            session,
            at: 0,
            way: Way::new(chunk, repository.state.chunks_refused.load(Ordering::Relaxed)),
            moved: false,
            pacing: Pacing::new(&settings.retry),
            restarts: 0,
        }
    }

    /// Sends what is missing. `begun` is how a request ended that was made already.
    async fn run(mut self, begun: Option<Step>) -> Result<()> {
        let result = self.steps(begun).await;
        if result.as_ref().is_err_and(|error| !matches!(error, Error::Request { .. })) {
            self.repository.cancel_session(self.session.url).await;
        }
        result
    }

    async fn steps(&mut self, mut begun: Option<Step>) -> Result<()> {
        loop {
            let step = match begun.take() {
                Some(step) => step,
                None => self.step().await?,
            };
            match step {
                Step::Done => return Ok(()),
                Step::Moved => {
                    self.moved = true;
                    self.pacing.progressed();
                }
                Step::TooLarge(error) => {
                    let chunk = (!self.is_whole()).then(|| self.next_length());
                    let sizes = self.sizes();
                    if !self.source.can_rewind() || !self.way.too_large(chunk, &sizes) {
                        return Err(error);
                    }
                    self.begin_again().await?;
                }
                Step::NoChunks(error) => {
                    self.repository.state.chunks_refused.store(true, Ordering::Relaxed);
                    if !self.source.can_rewind() || !self.way.no_chunks() {
                        return Err(error);
                    }
                    self.begin_again().await?;
                }
                Step::Lost(error) => {
                    if self.arrived().await? {
                        return Ok(());
                    }
                    self.wait(error).await?;
                    if !self.moved {
                        // It may be chunks that the registry does not find.
                        self.way.whole_again();
                    }
                    self.restart().await?;
                }
                Step::Unclear(error) => {
                    self.wait(error).await?;
                    if !self.way.takes_chunks() || !self.find_out().await? {
                        if self.arrived().await? {
                            return Ok(());
                        }
                        self.restart().await?;
                    }
                }
            }
        }
    }

    /// The next request.
    async fn step(&mut self) -> Result<Step> {
        if self.at == self.descriptor.size && self.at > 0 {
            self.finish(Payload::Empty).await
        } else if self.is_whole() {
            self.send_whole().await
        } else {
            self.send_chunk().await
        }
    }

    /// The next request carries the whole blob.
    fn is_whole(&self) -> bool {
        self.at == 0 && self.way.chunk().is_none_or(|chunk| chunk >= self.descriptor.size)
    }

    /// Size of the next chunk, in bytes.
    fn next_length(&self) -> u64 {
        let left = self.descriptor.size - self.at;
        self.way.chunk().map_or(left, |chunk| chunk.max(self.session.least).min(left))
    }

    fn sizes(&self) -> Sizes {
        let least = self.session.least;
        Sizes { usual: self.repository.client.settings().transfer.chunk.max(least).max(1), least }
    }

    /// Everything in one PUT.
    async fn send_whole(&mut self) -> Result<Step> {
        let payload = self.source.payload(0, self.descriptor.size).await?;
        self.finish(payload).await
    }

    /// The request that ends the upload, with what is still to be sent.
    async fn finish(&mut self, payload: Payload) -> Result<Step> {
        let mut url = self.session.url.clone();
        url.query_pairs_mut().append_pair("digest", self.descriptor.digest.as_str());
        let mut call = self.repository.upload_call(Method::PUT, url);
        call = call.header(CONTENT_TYPE, media_type::OCTET_STREAM).body(payload);
        if matches!(call.body, Payload::Empty) {
            call = call.header(CONTENT_LENGTH, HeaderValue::from(0));
        }
        let answer = match self.send(call).await? {
            Ok(answer) => answer,
            Err(step) => return Ok(step),
        };
        if CREATED.contains(&answer.status()) {
            answer.discard().await;
            return Ok(Step::Done);
        }
        step_of(answer, self.source.streams()).await
    }

    /// The next chunk in a PATCH.
    async fn send_chunk(&mut self) -> Result<Step> {
        let length = self.next_length();
        let payload = self.source.payload(self.at, length).await?;
        let end = self.at + length;
        let call = self
            .repository
            .upload_call(Method::PATCH, self.session.url.clone())
            .header(CONTENT_TYPE, media_type::OCTET_STREAM)
            .header(CONTENT_RANGE, format!("{}-{}", self.at, end - 1))
            .body(payload);
        let answer = match self.send(call).await? {
            Ok(answer) => answer,
            Err(step) => return Ok(step),
        };
        match answer.status() {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT | StatusCode::CREATED => {}
            status if knows_no_patch(status) => return Ok(Step::NoChunks(answer.into_error().await)),
            _ => return step_of(answer, self.source.streams()).await,
        }
        // Most registries take all of a chunk; the others say how far they got.
        let has = received(&answer).unwrap_or(end);
        if has > end || has <= self.at {
            return Err(answer.protocol_error()(format!(
                "it has {has} bytes after {} to {end} were sent",
                self.at
            )));
        }
        self.session.url = self.repository.location(&answer)?;
        answer.discard().await;
        self.at = has;
        Ok(Step::Moved)
    }

    /// Sends a request of this upload. Failures of what is pushed end the upload; those of the network do not.
    async fn send(&mut self, mut call: Call) -> Result<Result<Answer, Step>> {
        // Sending blindly again might send twice: first the session is asked what it has.
        call.once = true;
        let sent = self.repository.send(call).await;
        if let Some(failure) = self.source.failure() {
            return Err(match failure {
                Failure::Read(source) => Error::transfer(&self.descriptor.digest, source),
                Failure::Size(actual) => Error::SizeMismatch {
                    digest: self.descriptor.digest.clone(),
                    expected: self.descriptor.size,
                    actual,
                },
            });
        }
        match sent {
            Ok(answer) => Ok(Ok(answer)),
            Err(error @ Error::Request { .. }) => Ok(Err(Step::Unclear(error))),
            Err(error) => Err(error),
        }
    }

    /// Waits before the next try, or gives up with the error.
    async fn wait(&mut self, error: Error) -> Result<()> {
        let asked = match &error {
            Error::Response { retry_after, .. } => retry_after.map(std::time::Duration::from_secs),
            _ => None,
        };
        let next = self.pacing.next(asked).filter(|_| self.source.can_rewind());
        let Some((delay, retry)) = next else {
            return Err(error.not_waited_for(self.pacing.exceeded(asked)));
        };
        let host = self.repository.endpoint.host().to_owned();
        let reason = error.to_string();
        tracing::info!(host, digest = %self.descriptor.digest, at = self.at, reason, "upload broke off");
        self.repository.client.settings().observer.waiting(&Wait { host, reason, delay, retry });
        tokio::time::sleep(delay).await;
        self.way.carefully(CAUTIOUS_CHUNK.max(self.session.least));
        Ok(())
    }

    /// Asks the session what it has, to go on from there. `false` when it does not say.
    async fn find_out(&mut self) -> Result<bool> {
        let call = self.repository.upload_call(Method::GET, self.session.url.clone());
        let answer = self.repository.send(call).await?;
        let known = matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::ACCEPTED);
        let has = received(&answer).filter(|has| known && *has <= self.descriptor.size);
        let url = self.repository.location(&answer);
        answer.discard().await;
        let Some(has) = has else { return Ok(false) };
        self.at = has;
        if let Ok(url) = url {
            self.session.url = url;
        }
        Ok(true)
    }

    /// The blob is there: what we sent may have arrived without our hearing of it.
    async fn arrived(&mut self) -> Result<bool> {
        let call = self.repository.call(Method::HEAD, &format!("blobs/{}", self.descriptor.digest), PUSH);
        let answer = self.repository.send(call).await?;
        Ok(answer.status() == StatusCode::OK)
    }

    /// Begins again after a session was lost.
    async fn restart(&mut self) -> Result<()> {
        // Sessions that take much and are lost again would have us go on for ever.
        self.restarts += 1;
        if self.restarts > self.repository.client.settings().retry.retries {
            return Err(Error::Protocol {
                method: Method::PATCH.to_string(),
                url: shown_url(&self.session.url),
                reason: "the registry keeps losing what was uploaded".to_owned(),
            });
        }
        self.begin_again().await
    }

    /// Begins again in a new session.
    async fn begin_again(&mut self) -> Result<()> {
        self.session = self.repository.open_session().await?;
        self.at = 0;
        Ok(())
    }
}

/// The registry does not know the method of chunks.
fn knows_no_patch(status: StatusCode) -> bool {
    matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
}

/// What an answer that is no success means for an upload, whose requests may carry streams.
async fn step_of(answer: Answer, streams: bool) -> Result<Step> {
    let status = answer.status();
    let error = answer.into_error().await;
    Ok(match status {
        StatusCode::NOT_FOUND => Step::Lost(error),
        StatusCode::PAYLOAD_TOO_LARGE => Step::TooLarge(error),
        StatusCode::RANGE_NOT_SATISFIABLE => Step::Unclear(error),
        // A token ran out, and a stream could not be sent again with another.
        StatusCode::UNAUTHORIZED if streams => Step::Unclear(error),
        _ if error.kind() == ErrorKind::Temporary => Step::Unclear(error),
        _ => return Err(error),
    })
}

/// How many bytes a session has, by the `Range` of an answer: `0-<last>`. An empty session has no way to say so;
/// registries write `0-0` or `0--1`, so a session with one byte counts as empty, and is found out by the next chunk.
fn received(answer: &Answer) -> Option<u64> {
    let text = answer.header(RANGE.as_str())?.trim();
    let last = text.strip_prefix("bytes=").unwrap_or(text).strip_prefix("0-")?;
    match last {
        "0" | "-1" => Some(0),
        last => last.parse::<u64>().ok()?.checked_add(1),
    }
}
