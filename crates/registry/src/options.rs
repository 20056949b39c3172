//! How a registry is run. Plain fields: the binary fills them from arguments and environment.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::collect::CollectOptions;
use crate::webhooks::Webhook;

/// Tells the time, in microseconds since 1970.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// A clock that asks this function.
    pub fn new(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// What clients without credentials may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    /// Nothing.
    Nothing,
    /// Pull and list.
    Pull,
    /// Everything: there is no access control, credentials are not looked at.
    Everything,
}

/// How clients are asked to authenticate. Both ways are always understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// By tokens from `/oauth2/token`, as at Azure Container Registry.
    Bearer,
    /// By name and password with every request.
    Basic,
}

/// How a registry is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the time comes from.
    pub clock: Clock,
    /// What clients without credentials may do.
    pub anonymous: Anonymous,
    /// A file of users who may do everything, made by `htpasswd -B`. Tokens are in the database.
    pub htpasswd: Option<PathBuf>,
    /// How clients are asked to authenticate.
    pub challenge: Challenge,
    /// The URL that clients reach the registry by, where that is not what they send as `Host`. Only scheme, host and
    /// port count.
    pub external_url: Option<Url>,
    /// Everything that would change something is refused.
    pub read_only: bool,
    /// Manifests, tags and blobs can be deleted through the API.
    pub deletes: bool,
    /// The referrers API answers. Off, the registry behaves as those before distribution-spec 1.1: clients
    /// keep lists of referrers under tags.
    pub referrers: bool,
    /// Deleting a manifest deletes what refers to it.
    pub delete_referrers: bool,
    /// Manifests may be pushed without all that they name: parts of an image for many platforms, for example.
    pub sparse: bool,
    /// Sessions of unfinished uploads at one time, over all clients. One more ends the one that has got nothing yet and
    /// has been idle for longest; when there is none, it gets 429. Uploads in one request need no session.
    pub max_uploads: usize,
    /// An upload that nothing was added to for this long is dropped.
    pub upload_patience: Duration,
    /// Bytes of small blobs and manifests kept in memory.
    pub cache_bytes: usize,
    /// A blob that no manifest points at is kept for this long after a client uploaded, mounted or asked for it.
    pub grace: Duration,
    /// How often [`Registry::upkeep`](crate::Registry::upkeep) collects garbage; `None` is never.
    pub collect_every: Option<Duration>,
    /// What it collects then.
    pub collect: CollectOptions,
    /// Where events are posted to, by [`Registry::upkeep`](crate::Registry::upkeep).
    pub webhooks: Vec<Webhook>,
}

impl Options {
    /// Deleting a manifest deletes what refers to it. A registry without the referrers API knows of no referrers.
    pub(crate) fn cascades(&self) -> bool {
        self.delete_referrers && self.referrers
    }

    /// The defaults: no access control, everything allowed, referrers on.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            anonymous: Anonymous::Everything,
            htpasswd: None,
            challenge: Challenge::Bearer,
            external_url: None,
            read_only: false,
            deletes: true,
            referrers: true,
            delete_referrers: true,
            sparse: false,
            max_uploads: 10_000,
            upload_patience: Duration::from_secs(3600),
            cache_bytes: 16 * 1024 * 1024,
            grace: Duration::from_secs(24 * 3600),
            collect_every: None,
            collect: CollectOptions::default(),
            webhooks: Vec::new(),
        }
    }
}
