//! A repository in a registry, and how it is a store of content.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::io::AsyncReadExt as _;
use url::Url;

use crate::content::{
    self, BlobReader, Content, Delete, Fetch, FileTarget, Predecessors, Push, ReadTarget, Resolve, Tag,
};
use crate::copy::Reporter;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{MAX_MANIFEST_SIZE, Manifest};
use crate::reference::RepositoryName;
use crate::remote::auth::scope::Scopes;
use crate::remote::call::{Answer, Call};
use crate::remote::client::Client;
use crate::remote::endpoint::Endpoint;
use crate::unnamed::Unnamed;

/// What pulling needs to be allowed.
pub(super) const PULL: &[&str] = &["pull"];
/// What pushing needs to be allowed.
pub(super) const PUSH: &[&str] = &["pull", "push"];
/// What deleting needs to be allowed.
pub(super) const DELETE: &[&str] = &["delete", "pull"];

/// A repository in a registry. Cheap to clone.
#[derive(Clone)]
pub struct Repository {
    pub(super) client: Client,
    pub(super) endpoint: Arc<Endpoint>,
    registry: Arc<str>,
    name: RepositoryName,
    /// What every token shall allow, because it will be needed.
    expected: &'static [&'static str],
    pub(super) state: Arc<State>,
}

/// What was learnt of a repository, shared by all its handles.
#[derive(Default)]
pub(super) struct State {
    /// The registry has the referrers API here, once that is known.
    pub(super) referrers_api: Mutex<Option<bool>>,
    /// Held while a fallback index is read, changed and written.
    pub(super) fallback: tokio::sync::Mutex<()>,
    /// Upload sessions that were opened by a mount that did not happen, by digest of the blob.
    pub(super) sessions: Mutex<HashMap<Digest, Url>>,
    /// The registry did not take a blob in a single request.
    pub(super) single_request_refused: AtomicBool,
    /// The registry did not take a blob in one PATCH, before its digest is known.
    pub(super) ahead_refused: AtomicBool,
    /// The registry does not know chunks.
    pub(super) chunks_refused: AtomicBool,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("path", &self.path()).finish_non_exhaustive()
    }
}

impl Repository {
    pub(super) fn new(
        client: Client,
        endpoint: Arc<Endpoint>,
        registry: Arc<str>,
        name: RepositoryName,
    ) -> Self {
        let state = client.state(&endpoint, &name);
        Self { client, endpoint, registry, name, expected: &[], state }
    }

    /// The same repository, to be written to: the first token will do for that, too.
    #[must_use]
    pub fn for_writing(self) -> Self {
        Self { expected: PUSH, ..self }
    }

    /// The same repository, to be deleted from: the first token will do for that, too.
    #[must_use]
    pub fn for_deleting(self) -> Self {
        Self { expected: DELETE, ..self }
    }

    /// Its name in its registry.
    #[must_use]
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// `registry/repository`, as typed.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.registry, self.name)
    }

    /// Both are on the same registry, so that blobs may be mounted from one to the other.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint
    }

    /// A whole reference to a tag or digest here.
    pub(super) fn full(&self, reference: &str) -> String {
        let separator = if reference.contains(':') { '@' } else { ':' };
        format!("{}{separator}{reference}", self.path())
    }

    /// A request for something of this repository; `path` is what follows its name.
    pub(super) fn call(&self, method: Method, path: &str, actions: &[&str]) -> Call {
        let url = self.endpoint.url(&format!("{}/{path}", self.name));
        Call::new(method, url).scopes(self.scopes(actions))
    }

    /// What a request has to be allowed, and what later ones will have to be.
    pub(super) fn scopes(&self, actions: &[&str]) -> Scopes {
        let name = self.name.as_str();
        Scopes::repository(name, actions).union(Scopes::repository(name, self.expected))
    }

    /// Makes a request. Any status is an answer.
    pub(super) async fn send(&self, call: Call) -> Result<Answer> {
        self.client.send(&self.endpoint, call).await
    }

    /// Makes a request for something that may not be there: 404 is [`Error::NotFound`].
    pub(super) async fn ask(&self, call: Call, what: &str, statuses: &[StatusCode]) -> Result<Answer> {
        let answer = self.send(call).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            answer.discard().await;
            return Err(Error::not_found(self.full(what)));
        }
        answer.expect(statuses).await
    }
}

#[async_trait]
impl Fetch for Repository {
    async fn fetch(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        if descriptor.is_manifest() {
            let bytes = self.manifest_content(descriptor).await?;
            return Ok(Box::pin(std::io::Cursor::new(bytes)));
        }
        self.blob_from(descriptor, 0).await
    }

    async fn fetch_from(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader> {
        if descriptor.is_manifest() {
            let bytes = self.manifest_content(descriptor).await?;
            let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            return Ok(Box::pin(std::io::Cursor::new(bytes.slice(offset..))));
        }
        self.blob_from(descriptor, offset).await
    }

    async fn fetch_into(&self, descriptor: &Descriptor, target: &FileTarget) -> Result<bool> {
        if descriptor.is_manifest() || descriptor.size < self.client.settings().transfer.parallel_from {
            return Ok(false);
        }
        self.fetch_to_file(descriptor, target).await.map(|()| true)
    }

    async fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        let digest = descriptor.digest.as_str();
        let kind = if descriptor.is_manifest() { "manifests" } else { "blobs" };
        let mut call = self.call(Method::HEAD, &format!("{kind}/{digest}"), PULL);
        if descriptor.is_manifest() {
            call = call.header(http::header::ACCEPT, descriptor.media_type.as_str());
        }
        match self.ask(call, digest, &[StatusCode::OK]).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Resolve for Repository {
    async fn resolve(&self, reference: &str) -> Result<Descriptor> {
        self.resolve_manifest(reference).await
    }

    async fn fetch_reference(&self, reference: &str) -> Result<Manifest> {
        let (descriptor, bytes) = self.manifest_bytes(reference, None).await?;
        let algorithm = descriptor.digest.algorithm();
        Manifest::parse_with(algorithm, bytes, Some(&descriptor.media_type))
            .map_err(|source| Error::ReadManifest { digest: self.full(reference), source })
    }
}

#[async_trait]
impl Push for Repository {
    async fn push(&self, descriptor: &Descriptor, content: Content) -> Result<()> {
        if descriptor.is_manifest() {
            let bytes = whole(descriptor, content).await?;
            return self.push_manifest(descriptor, bytes, descriptor.digest.as_str()).await;
        }
        self.push_blob(descriptor, content).await
    }

    async fn push_unnamed(&self, blob: &Unnamed, reporter: &Arc<dyn Reporter>) -> Result<Option<Descriptor>> {
        let transfer = &self.client.settings().transfer;
        let too_small = blob.size < transfer.ahead_from;
        let too_large = transfer.max_body.is_some_and(|limit| blob.size > limit);
        if too_small || too_large || self.state.ahead_refused.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.push_while_hashing(blob.clone(), reporter).await.map(Some)
    }

    async fn records_referrers(&self) -> Result<bool> {
        self.has_api().await
    }

    async fn record(&self, manifest: &Manifest) -> Result<()> {
        self.record_referrer(manifest, false).await
    }

    async fn mount(&self, descriptor: &Descriptor, from: &str) -> Result<bool> {
        self.mount_blob(&descriptor.digest, from).await
    }
}

#[async_trait]
impl Tag for Repository {
    async fn push_tagged(&self, manifest: &Manifest, tag: &str) -> Result<()> {
        self.push_manifest(&manifest.descriptor, manifest.bytes.clone(), tag).await
    }

    async fn tag(&self, descriptor: &Descriptor, tag: &str) -> Result<()> {
        let bytes = self.clone().for_writing().manifest_content(descriptor).await?;
        self.put_manifest(descriptor, bytes, tag).await?.discard().await;
        Ok(())
    }

    async fn tags(&self, last: Option<&str>) -> Result<Vec<String>> {
        self.tag_pages(last).all().await
    }

    async fn untag(&self, tag: &str) -> Result<()> {
        self.remove_tag(tag).await
    }
}

#[async_trait]
impl Predecessors for Repository {
    async fn referrers(&self, subject: &Descriptor, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        self.find_referrers(&subject.digest, artifact_type).await
    }
}

#[async_trait]
impl Delete for Repository {
    async fn delete(&self, descriptor: &Descriptor) -> Result<()> {
        if descriptor.is_manifest() {
            return self.delete_manifest(descriptor).await;
        }
        let digest = descriptor.digest.as_str();
        self.delete_path(&format!("blobs/{digest}"), digest).await
    }
}

impl ReadTarget for Repository {
    fn display_name(&self) -> String {
        format!("[registry] {}", self.path())
    }
}

/// All of a manifest's content, checked.
async fn whole(descriptor: &Descriptor, content: Content) -> Result<Bytes> {
    let reader = match content {
        Content::Bytes(bytes) => {
            content::check(descriptor, &bytes)?;
            return Ok(bytes);
        }
        Content::Stream(reader) => reader,
        Content::Reopen(reopen) => reopen.open(0).await?,
    };
    let mut bytes = Vec::new();
    let failed = |source| Error::Transfer { digest: descriptor.digest.clone(), source };
    reader.take(MAX_MANIFEST_SIZE + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    content::check(descriptor, &bytes)?;
    Ok(Bytes::from(bytes))
}
