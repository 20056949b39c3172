//! The client: what all requests share, and the way each of them takes.
//!
//! A request goes through four layers, outermost first: [`Client::send`] tries again where that helps;
//! `authorized` answers challenges; `follow` follows redirects, hop by hop; `exchange` sends one request, tells
//! the observer, and collects warnings.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::header::{AUTHORIZATION, COOKIE, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::error::{Error, Result};
use crate::reference::{Reference, RepositoryName};
use crate::remote::auth::{Auth, Authorization, challenge};
use crate::remote::call::{Answer, Call, Payload};
use crate::remote::observer::{RequestEvent, ResponseEvent, Wait, shown_headers, shown_url};
use crate::remote::registry::Registry;
use crate::remote::repository::{Repository, State};
use crate::remote::retry::{self, Pacing};
use crate::remote::settings::Settings;
use crate::remote::stall::no_answer_within;
use crate::remote::transport::{NoAnswer, NoAnswerKind, Outgoing, Transport};
use crate::remote::{trust, warning};

/// Most redirects followed for one request.
const MAX_REDIRECTS: usize = 10;

/// Talks to registries. Cheap to clone; clones share connections, tokens and what was learnt of registries.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Arc<Settings>,
    transport: Transport,
    auth: Auth,
    secret_headers: HashSet<String>,
    requests: AtomicU64,
    learnt: Mutex<Learnt>,
}

/// What we learn of hosts as we talk to them.
#[derive(Default)]
struct Learnt {
    /// Warnings already shown, by host and text.
    warnings: HashSet<(String, String)>,
    /// Hosts that have answered.
    answered: HashSet<String>,
    /// When hosts that asked for a pause may be asked again.
    paused: HashMap<String, Instant>,
    /// Repositories, by endpoint and name.
    repositories: HashMap<String, Arc<State>>,
}

/// Most entries of each kind in [`Learnt`]; a client that meets more forgets and learns again.
const MAX_LEARNT: usize = 4096;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// A registry's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    host: String,
    base: Url,
}

impl Endpoint {
    pub(super) fn of(host: &str, base: Url) -> Self {
        Self { host: host.to_owned(), base }
    }

    /// Host and port, as credentials are filed under.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Scheme, host and port, ending in `/`.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Scheme, host and port as text.
    pub(super) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// The URL of a path below `/v2/`. `path` is made of names, digests and tags, which need no escaping.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{path}"));
        url
    }

    /// A URL is on this registry.
    pub(super) fn owns(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }
}

/// A try that failed without an answer.
struct Failure {
    error: Error,
    kind: NoAnswerKind,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, kind: NoAnswerKind::Permanent }
    }
}

impl Client {
    /// A client with these settings. Fails when certificates, keys or proxies are not what they should be.
    pub fn new(settings: Settings) -> Result<Self> {
        let settings = Arc::new(settings);
        let shared = Shared {
            transport: Transport::new(Arc::clone(&settings))?,
            auth: Auth::default(),
            secret_headers: settings.secret_headers(),
            requests: AtomicU64::new(0),
            learnt: Mutex::default(),
            settings,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The repository that a reference names; its tag and digest do not matter.
    pub fn repository(&self, reference: &Reference) -> Result<Repository> {
        Ok(self.registry(&reference.registry)?.repository(reference.repository.clone()))
    }

    /// A registry, by host and optional port as references name it.
    pub fn registry(&self, name: &str) -> Result<Registry> {
        let host = if name == "docker.io" { "registry-1.docker.io" } else { name };
        let scheme = self.settings().scheme(host);
        let base = Url::parse(&format!("{scheme}://{host}/")).ok().filter(|url| url.path() == "/");
        let base = base.ok_or_else(|| Error::Config {
            what: format!("registry \"{name}\""),
            reason: "it is not a host name with an optional port".to_owned(),
        })?;
        Ok(Registry::new(self.clone(), name, Endpoint::of(host, base)))
    }

    /// What it was told.
    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// What is known of a repository, shared by all its handles.
    pub(super) fn state(&self, endpoint: &Endpoint, name: &RepositoryName) -> Arc<State> {
        self.learnt(|learnt| {
            if learnt.repositories.len() >= MAX_LEARNT {
                learnt.repositories.clear();
            }
            Arc::clone(learnt.repositories.entry(format!("{}/{name}", endpoint.origin())).or_default())
        })
    }

    fn learnt<T>(&self, change: impl FnOnce(&mut Learnt) -> T) -> T {
        change(&mut self.shared.learnt.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a request, with credentials and retries. Any status is an answer.
    pub(super) async fn send(&self, endpoint: &Endpoint, call: Call) -> Result<Answer> {
        self.persist(endpoint, call, true).await
    }

    /// As [`Client::send`], without credentials: for token servers.
    pub(super) async fn send_unauthorized(&self, endpoint: &Endpoint, call: Call) -> Result<Answer> {
        // Token requests are part of authorizing another request: boxed, for the cycle of calls.
        Box::pin(self.persist(endpoint, call, false)).await
    }

    async fn persist(&self, endpoint: &Endpoint, mut call: Call, authorize: bool) -> Result<Answer> {
        let mut pacing = Pacing::new(&self.settings().retry);
        let host = host_of(&call.url);
        loop {
            self.pause(&host).await;
            let outcome = match authorize {
                true => self.authorized(endpoint, &mut call).await,
                false => self.follow(endpoint, &mut call, None).await,
            };
            let (asked, reason, outcome) = match outcome {
                Ok(answer) if retry::is_transient(answer.status()) => {
                    (retry::retry_after(answer.headers()), answer.status().to_string(), Ok(answer))
                }
                Ok(answer) => return Ok(answer),
                Err(failure) if self.may_help(&host, failure.kind) => {
                    (None, failure.error.to_string(), Err(failure.error))
                }
                Err(failure) => return Err(failure.error),
            };
            let next = pacing.next(asked).filter(|_| call.is_replayable());
            let Some((delay, retry)) = next else { return outcome };
            if let Ok(answer) = outcome {
                answer.discard().await;
            }
            tracing::info!(host, reason, ?delay, retry, "waiting before trying again");
            let wait = Wait { host: host.clone(), reason, delay, retry };
            self.settings().observer.waiting(&wait);
            if asked.is_some() {
                let until = Instant::now() + delay;
                self.learnt(|learnt| learnt.paused.insert(host.clone(), until));
            }
            tokio::time::sleep(delay).await;
        }
    }

    /// Waits while a host wants to be left alone, so that parallel requests do not each have to be told.
    async fn pause(&self, host: &str) {
        let until = self.learnt(|learnt| learnt.paused.get(host).copied());
        if let Some(until) = until {
            tokio::time::sleep_until(until.into()).await;
            self.learnt(|learnt| learnt.paused.retain(|_, until| *until > Instant::now()));
        }
    }

    /// Trying again may help. A host that was never reached is more likely misspelt than resting.
    fn may_help(&self, host: &str, kind: NoAnswerKind) -> bool {
        match kind {
            NoAnswerKind::Permanent => false,
            NoAnswerKind::Broken => true,
            NoAnswerKind::Unreachable => self.learnt(|learnt| learnt.answered.contains(host)),
        }
    }

    /// One try, with credentials as the registry wants them.
    async fn authorized(&self, endpoint: &Endpoint, call: &mut Call) -> Result<Answer, Failure> {
        let auth = &self.shared.auth;
        let first = auth.known(self, endpoint, &call.scopes).await?;
        let answer = self.follow(endpoint, call, first.as_ref()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let Some(challenge) = challenge::of(answer.headers()) else { return Ok(answer) };
        let second = auth.answer(self, endpoint, &challenge, &call.scopes, first.as_ref()).await?;
        // A stream cannot be sent again; who sends it again finds the new token waiting.
        let Some(second) = second.filter(|_| call.is_replayable()) else { return Ok(answer) };
        answer.discard().await;
        self.follow(endpoint, call, Some(&second)).await
    }

    /// One try, through its redirects. Credentials and custom headers go to the registry's own origin only.
    async fn follow(
        &self,
        endpoint: &Endpoint,
        call: &mut Call,
        authorization: Option<&Authorization>,
    ) -> Result<Answer, Failure> {
        let mut url = call.url.clone();
        let mut method = call.method.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = call.headers.clone();
            if url.origin() != call.url.origin() {
                headers.remove(AUTHORIZATION);
                headers.remove(COOKIE);
            }
            let to_registry = endpoint.owns(&url);
            if to_registry {
                for (name, value) in &self.settings().headers {
                    headers.append(name.clone(), value.clone());
                }
                if let Some(authorization) = authorization {
                    headers.insert(AUTHORIZATION, authorization.header.clone());
                }
            }
            let answer = self.exchange(call, method.clone(), &url, headers, to_registry).await?;
            let Some(location) = redirection(&answer) else {
                if to_registry {
                    self.warn(endpoint, answer.headers());
                }
                return Ok(answer);
            };
            let refused = answer.protocol_error();
            let next = trust::redirect(&url, &location, self.settings().insecure).map_err(&refused)?;
            if call.stay && next.origin() != url.origin() {
                return Err(
                    refused("it redirects to another host, which would get our secrets".to_owned()).into()
                );
            }
            if !call.is_replayable() {
                return Err(refused("it redirects a stream that was sent already".to_owned()).into());
            }
            let reading = matches!(method, Method::GET | Method::HEAD);
            match answer.status() {
                StatusCode::SEE_OTHER => {
                    method = if method == Method::HEAD { Method::HEAD } else { Method::GET };
                    call.body = Payload::Empty;
                }
                StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if !reading => {
                    return Err(refused(format!("it redirects a {method} elsewhere")).into());
                }
                _ => {}
            }
            url = next;
            answer.discard().await;
        }
        let error = Error::Protocol {
            method: call.method.to_string(),
            url: shown_url(&call.url),
            reason: format!("it redirects more than {MAX_REDIRECTS} times"),
        };
        Err(error.into())
    }

    /// Sends one request and waits for the head of its answer.
    async fn exchange(
        &self,
        call: &mut Call,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        to_registry: bool,
    ) -> Result<Answer, Failure> {
        let observer = &self.settings().observer;
        let watched = observer.wants_wire();
        let number = self.shared.requests.fetch_add(1, Ordering::Relaxed);
        let mut headers = headers;
        if let Payload::Stream { length, .. } = &call.body {
            headers.insert(http::header::CONTENT_LENGTH, (*length).into());
        }
        if watched {
            let headers = shown_headers(&headers, &self.shared.secret_headers);
            observer.request(&RequestEvent { number, method: method.clone(), url: shown_url(url), headers });
        }
        let Some(body) = call.take_body() else {
            return Err(Error::Request {
                method: method.to_string(),
                url: shown_url(url),
                reason: "the stream was sent already".to_owned(),
            }
            .into());
        };
        let asked = url.clone();
        let outgoing =
            Outgoing { method: method.clone(), url: asked, headers, body, to_registry, bulk: call.bulk };
        let sent = match self.in_time(&call.body, outgoing).await? {
            Ok(response) => response,
            Err(NoAnswer { reason, kind }) => {
                if watched {
                    observer.failed(number, &reason);
                }
                let error = Error::Request { method: method.to_string(), url: shown_url(url), reason };
                return Err(Failure { error, kind });
            }
        };
        self.learnt(|learnt| {
            if learnt.answered.len() < MAX_LEARNT {
                learnt.answered.insert(host_of(url));
            }
        });
        let stall_timeout = self.settings().stall_timeout;
        let mut answer = Answer::new(method, call.url.clone(), sent, stall_timeout);
        if watched {
            let body = answer.excerpt().await;
            let headers = shown_headers(answer.headers(), &self.shared.secret_headers);
            observer.response(&ResponseEvent { number, status: answer.status(), headers, body });
        }
        Ok(answer)
    }

    /// Sends, and gives up when nothing moves or nobody answers.
    async fn in_time(
        &self,
        body: &Payload,
        outgoing: Outgoing,
    ) -> Result<Result<reqwest::Response, NoAnswer>, Error> {
        let (stall, answer) = (self.settings().stall_timeout, self.settings().answer_timeout);
        let overdue = async {
            match body {
                Payload::Stream { activity, .. } => activity.stalled(stall, answer).await,
                Payload::Empty | Payload::Bytes(_) => {
                    tokio::time::sleep(answer).await;
                    no_answer_within(answer)
                }
            }
        };
        tokio::select! {
            sent = self.shared.transport.send(outgoing) => sent,
            reason = overdue => Ok(Err(NoAnswer { reason, kind: NoAnswerKind::Broken })),
        }
    }

    /// Passes on a registry's warnings that were not passed on before.
    fn warn(&self, endpoint: &Endpoint, headers: &HeaderMap) {
        for text in warning::texts(headers) {
            let key = (endpoint.host().to_owned(), text.clone());
            let new = self.learnt(|learnt| learnt.warnings.len() < MAX_LEARNT && learnt.warnings.insert(key));
            if new {
                self.settings().observer.warning(endpoint.host(), &text);
            }
        }
    }
}

/// Where an answer redirects to.
fn redirection(answer: &Answer) -> Option<String> {
    match answer.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => answer.header(LOCATION.as_str()).map(str::to_owned),
        _ => None,
    }
}

/// Host and port.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
