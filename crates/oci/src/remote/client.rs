//! The client: what all requests share, and trying again where that helps.
//!
//! What one try is, from challenges over redirects to the wire, is in [`exchange`](super::exchange).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use url::Url;

use crate::error::{Error, Result};
use crate::reference::{Reference, RepositoryName};
use crate::remote::auth::Auth;
use crate::remote::call::{Answer, Call};
use crate::remote::endpoint::Endpoint;
use crate::remote::exchange::{Failure, host_of};
use crate::remote::observer::Wait;
use crate::remote::registry::Registry;
use crate::remote::repository::{Repository, State};
use crate::remote::retry::{self, Pacing};
use crate::remote::settings::Settings;
use crate::remote::transport::{NoAnswerKind, Transport};

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

    pub(super) fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.shared.auth
    }

    /// Counts requests, for observers.
    pub(super) fn requests(&self) -> &AtomicU64 {
        &self.shared.requests
    }

    /// Lower-case names of headers whose values are not shown.
    pub(super) fn secret_headers(&self) -> &HashSet<String> {
        &self.shared.secret_headers
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

    /// A host has answered.
    pub(super) fn learn_answered(&self, host: String) {
        self.learnt(|learnt| {
            if learnt.answered.len() < MAX_LEARNT {
                learnt.answered.insert(host);
            }
        });
    }

    /// A host has warned of something; `true` the first time.
    pub(super) fn learn_warning(&self, host: &str, text: &str) -> bool {
        let key = (host.to_owned(), text.to_owned());
        self.learnt(|learnt| learnt.warnings.len() < MAX_LEARNT && learnt.warnings.insert(key))
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

    /// Tries until it helps or cannot help.
    async fn persist(&self, endpoint: &Endpoint, mut call: Call, authorize: bool) -> Result<Answer> {
        let mut pacing = Pacing::new(&self.settings().retry);
        let host = host_of(&call.url);
        loop {
            self.pause(&host).await;
            let outcome = self.attempt(endpoint, &mut call, authorize).await;
            let (asked, reason, outcome) = match outcome {
                Ok(answer) if retry::is_transient(answer.status()) => {
                    (retry::retry_after(answer.headers()), answer.status().to_string(), Ok(answer))
                }
                Ok(answer) => return Ok(answer),
                Err(failure) => {
                    let helps = self.may_help(&host, failure.kind, pacing.retries());
                    let error = self.explained(&call, &host, failure);
                    if !helps {
                        return Err(error);
                    }
                    (None, error.to_string(), Err(error))
                }
            };
            if call.once || !call.is_replayable() {
                return outcome;
            }
            let Some((delay, retry)) = pacing.next(asked) else {
                return outcome.map(|answer| answer.not_waited_for(pacing.exceeded(asked)));
            };
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
            tokio::time::sleep_until(until).await;
            self.learnt(|learnt| learnt.paused.retain(|_, until| *until > Instant::now()));
        }
    }

    /// Trying again may help. A host that was never reached is more likely misspelt than resting, and one that
    /// never answered will hardly do so after many tries.
    fn may_help(&self, host: &str, kind: NoAnswerKind, retries: u32) -> bool {
        match kind {
            NoAnswerKind::Permanent | NoAnswerKind::Untrusted => false,
            NoAnswerKind::Broken | NoAnswerKind::Dropped => retries == 0 || self.has_answered(host),
            NoAnswerKind::Unreachable => self.has_answered(host),
        }
    }

    fn has_answered(&self, host: &str) -> bool {
        self.learnt(|learnt| learnt.answered.contains(host))
    }

    /// The error of a try. Servers that want TLS often just hang up on who does not speak it.
    fn explained(&self, call: &Call, host: &str, failure: Failure) -> Error {
        let puzzling =
            failure.kind == NoAnswerKind::Dropped && call.url.scheme() == "http" && !self.has_answered(host);
        match failure.error {
            Error::Request { method, url, reason } if puzzling => {
                let reason = format!("the server hung up on plain HTTP; it may speak HTTPS ({reason})");
                Error::Request { method, url, reason }
            }
            error => error,
        }
    }
}
