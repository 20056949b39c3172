//! The registry: what the handlers share, and what the rest of the program calls.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use tidewaiter_db::{Db, Wake};
use tidewaiter_oci::{Digest, RepositoryName};
use tokio::task::JoinSet;

use crate::access::{Access, ScopeMaps, Tokens};
use crate::blobs::BlobStore;
use crate::cache::ByteCache;
use crate::collect::{self, CollectOptions, Collected};
use crate::error::{ErrorKind, Result};
use crate::events::{self, Event};
use crate::handlers;
use crate::metadata::{ListQuery, ManifestDetails, Metadata, Order};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::repository::Repository;
use crate::uploads::Uploads;
use crate::webhooks::{self, Runner};

/// How often idle uploads are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// Garbage is collected at the latest this long after the start, if at all.
const FIRST_COLLECTION: Duration = Duration::from_secs(3600);

/// A registry. Clones share everything.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(crate) shared: Arc<Shared>,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) access: Arc<Access>,
    pub(crate) metadata: Metadata,
    pub(crate) blobs: BlobStore,
    pub(crate) uploads: Uploads,
    pub(crate) cache: ByteCache,
    pub(crate) metrics: Metrics,
    pub(crate) options: Options,
    /// Names this process among those that share the database.
    pub(crate) instance: String,
}

impl Registry {
    /// Opens a registry over a database and a blob store that belong together. A password file that cannot be used
    /// is an error, and so are settings of webhooks that cannot work.
    pub async fn open(db: Db, blobs: BlobStore, options: Options) -> Result<Self> {
        for webhook in &options.webhooks {
            webhook.check()?;
        }
        let shared = Shared {
            access: Arc::new(Access::open(&db, &options).await?),
            metadata: Metadata::new(db),
            blobs,
            uploads: Uploads::new(options.max_uploads, options.clock.clone()),
            cache: ByteCache::new(options.cache_bytes),
            metrics: Metrics::new(),
            options,
            instance: format!("{:032x}", rand::random::<u128>()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The HTTP side: everything under `/v2/` and `/acr/v1/`, and the token service under `/oauth2/`.
    pub fn router(&self) -> Router {
        handlers::router(Arc::clone(&self.shared))
    }

    /// Reads a repository without HTTP, straight from the stores.
    #[must_use]
    pub fn repository(&self, name: &RepositoryName) -> Repository {
        Repository::new(Arc::clone(&self.shared), name.clone())
    }

    /// All manifests of a repository by digest, as `az acr manifest list-metadata` prints them; `None` when there is
    /// no such repository.
    pub async fn manifests(&self, name: &RepositoryName) -> Result<Option<Vec<ManifestDetails>>> {
        let metadata = &self.shared.metadata;
        if metadata.repository(name).await?.is_none() {
            return Ok(None);
        }
        let mut manifests: Vec<ManifestDetails> = Vec::new();
        loop {
            let last = manifests.last().map(|last| last.digest.clone()).unwrap_or_default();
            let query = ListQuery { order: Order::Name, last: &last, last_updated: None, limit: 1000 };
            let page = metadata.manifests(name, &query).await?;
            if page.is_empty() {
                return Ok(Some(manifests));
            }
            manifests.extend(page);
        }
    }

    /// Gets ready to do what has to be done now and then: to end idle uploads, collect garbage, post events. The
    /// future that is given does it until `stop` resolves; the binary runs it beside the server. Webhooks are posted
    /// what happens from now on. Fails when the settings of one are wrong.
    pub async fn upkeep<S: Future<Output = ()>>(&self, stop: S) -> Result<impl Future<Output = ()> + use<S>> {
        let mut runners = Vec::new();
        for webhook in &self.shared.options.webhooks {
            let runner = Runner::new(Arc::clone(&self.shared), webhook.clone())?;
            runner.register().await?;
            runners.push(runner);
        }
        Ok(self.clone().keep_up(runners, stop))
    }

    async fn keep_up(self, runners: Vec<Runner>, stop: impl Future<Output = ()>) {
        self.shared.metadata.db().keep_room().await;
        let mut posting: JoinSet<()> = runners.into_iter().map(Runner::run).collect();
        // Also in the middle of a collection: what it leaves is found by the next one.
        tokio::select! {
            () = stop => {}
            never = self.tidy() => match never {},
        }
        posting.shutdown().await;
        if let Err(error) = webhooks::release(&self.shared).await {
            tracing::debug!(%error, "the next process has to wait before it posts events");
        }
    }

    /// Ends idle uploads and collects garbage, until it is dropped.
    async fn tidy(&self) -> Infallible {
        let mut sweep = tokio::time::interval(SWEEP);
        let every = self.shared.options.collect_every.unwrap_or(Duration::MAX);
        // The first time comes sooner: on a machine that is switched off every night, a day never ends.
        let first = if every == Duration::MAX { every } else { every.min(FIRST_COLLECTION) };
        let mut collecting = Box::pin(tokio::time::sleep(first));
        loop {
            tokio::select! {
                _ = sweep.tick() => self.shared.end_idle_uploads(),
                () = &mut collecting => {
                    match self.collect(self.shared.options.collect).await {
                        Ok(collected) => tracing::info!(?collected, "collected garbage"),
                        Err(error) => tracing::warn!(%error, "cannot collect garbage"),
                    }
                    collecting = Box::pin(tokio::time::sleep(every));
                }
            }
        }
    }

    /// Collects garbage, while clients push and pull.
    pub async fn collect(&self, options: CollectOptions) -> Result<Collected> {
        let collected = self.shared.with_kept_room(|| collect::collect(&self.shared, options)).await;
        self.shared.metadata.db().keep_room().await;
        collected
    }

    /// Manages scope maps.
    #[must_use]
    pub fn scope_maps(&self) -> ScopeMaps {
        ScopeMaps::new(self.shared.metadata.db().clone(), self.shared.options.clock.clone())
    }

    /// Manages tokens.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens::new(self.shared.metadata.db().clone(), self.shared.options.clock.clone())
    }

    /// Up to `limit` events with numbers above `cursor`, in order. A reader that goes on after the last number it
    /// has seen misses none, also while others push.
    pub async fn events_after(&self, cursor: i64, limit: u32) -> Result<Vec<Event>> {
        events::after(self.shared.metadata.db(), cursor, limit).await
    }

    /// Hears of new events: subscribe, read, wait, read again. On SQLite, events of other processes are not
    /// heard: wait some seconds at most.
    #[must_use]
    pub fn wake(&self) -> Wake {
        events::subscribe(self.shared.metadata.db())
    }
}

impl Shared {
    /// The time, in microseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.options.clock.now()
    }

    /// Runs what deletes. When the disk is too full for that, it runs again in the room that is kept for it.
    pub(crate) async fn with_kept_room<T, F>(&self, deleting: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        match deleting().await {
            Err(error) if error.kind() == ErrorKind::Full && self.metadata.db().give_up_room().await => {
                tracing::warn!(%error, "the disk is full: deleting in the room that was kept for it");
                deleting().await
            }
            result => result,
        }
    }

    /// Ends uploads that nobody has touched for too long.
    fn end_idle_uploads(&self) {
        let patience = i64::try_from(self.options.upload_patience.as_micros()).unwrap_or(i64::MAX);
        let ended = self.uploads.end_idle(self.now().saturating_sub(patience));
        if ended > 0 {
            tracing::info!(ended, "ended idle uploads");
        }
        self.metrics.uploads.set(i64::try_from(self.uploads.count()).unwrap_or(i64::MAX));
    }

    /// The bytes of a manifest that was found to be there; `None` when it was deleted meanwhile.
    pub(crate) async fn manifest_bytes(&self, digest: &Digest) -> Result<Option<Bytes>> {
        if let Some(bytes) = self.cache.get(digest) {
            return Ok(Some(bytes));
        }
        let bytes = self.metadata.content(digest).await?;
        if let Some(bytes) = &bytes {
            self.cache.insert(digest, bytes.clone());
        }
        Ok(bytes)
    }
}
