//! What refers to a manifest: the referrers API, and the tag scheme for registries that have none.
//!
//! In the tag scheme, an index tagged `<algorithm>-<hex>` lists what refers to that digest, and clients keep it.
//! There is no lock between clients. A while after writing we read again, and write again when somebody else's
//! change took ours away.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, StatusCode};

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Index, Manifest, View};
use crate::media_type;
use crate::remote::call::{Answer, Call};
use crate::remote::repository::{PULL, Repository};
use crate::remote::retry::Pacing;
use crate::remote::settings::ReferrersMode;
use crate::remote::tags::{MAX_PAGE, next_page};

/// The most referrers of one manifest that are read.
const MAX_REFERRERS: usize = 100_000;

/// Manifests that are looked for at the same time.
const PARALLEL: usize = 16;

/// Bounds of the wait before a change to a list is looked at again; up to twice as much, by chance.
const MIN_SETTLING: Duration = Duration::from_millis(40);
const MAX_SETTLING: Duration = Duration::from_secs(1);

/// The digest that no manifest has, by which the API is looked for.
const NO_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A change to a fallback index.
enum Change<'a> {
    Add(&'a Descriptor),
    Remove(&'a Digest),
}

impl Repository {
    /// Manifests that refer to this one, from the API or the tag scheme.
    pub(super) async fn find_referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let from_api = match self.client.settings().referrers {
            ReferrersMode::Tag => None,
            _ if self.known_api() == Some(false) => None,
            _ => self.referrers_by_api(subject, artifact_type).await?,
        };
        let mut found = match from_api {
            Some(found) => found,
            None if self.client.settings().referrers == ReferrersMode::Api => return Err(self.no_api()),
            None => self.fallback_index(subject).await?.map(|(_, index)| index.manifests).unwrap_or_default(),
        };
        if let Some(wanted) = artifact_type {
            found.retain(|referrer| referrer.artifact_type.as_deref() == Some(wanted));
        }
        Ok(found)
    }

    fn no_api(&self) -> Error {
        Error::Unsupported { store: self.path(), operation: "the referrers API" }
    }

    fn known_api(&self) -> Option<bool> {
        *self.state.referrers_api.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn_api(&self, there: bool) {
        *self.state.referrers_api.lock().unwrap_or_else(PoisonError::into_inner) = Some(there);
    }

    /// The registry has the referrers API.
    pub(super) async fn has_api(&self) -> Result<bool> {
        match (self.client.settings().referrers, self.known_api()) {
            (ReferrersMode::Tag, _) => Ok(false),
            (ReferrersMode::Api, _) => Ok(true),
            (ReferrersMode::Auto, Some(known)) => Ok(known),
            (ReferrersMode::Auto, None) => {
                let answer = self.send(self.referrers_call(NO_DIGEST, None)).await?;
                let there = is_api_answer(&answer);
                match answer.status() {
                    StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {}
                    status if status.is_client_error() && status != StatusCode::UNAUTHORIZED => {}
                    _ => return Err(answer.into_error().await),
                }
                answer.discard().await;
                self.learn_api(there);
                Ok(there)
            }
        }
    }

    fn referrers_call(&self, digest: &str, artifact_type: Option<&str>) -> Call {
        let mut call = self
            .call(Method::GET, &format!("referrers/{digest}"), PULL)
            .header(ACCEPT, media_type::OCI_INDEX);
        if let Some(artifact_type) = artifact_type {
            call.url.query_pairs_mut().append_pair("artifactType", artifact_type);
        }
        call
    }

    /// All pages of the API's answer; `None` when there is no API.
    async fn referrers_by_api(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>> {
        let mut url = self.referrers_call(subject.as_str(), artifact_type).url;
        let mut found = Vec::new();
        let mut pages = 0_usize;
        loop {
            let mut call = self.referrers_call(subject.as_str(), None);
            call.url = url;
            call.whole = Some(MAX_PAGE);
            let answer = self.send(call).await?;
            if pages == 0 && answer.status() == StatusCode::NOT_FOUND {
                let error = answer.into_error().await;
                // A repository that is not there says nothing of the API.
                if has_code(&error, "NAME_UNKNOWN") {
                    return Ok(Some(Vec::new()));
                }
                self.learn_api(false);
                return Ok(None);
            }
            if answer.status() != StatusCode::OK {
                let error = answer.into_error().await;
                if pages == 0 && error.kind() == ErrorKind::Unsupported {
                    self.learn_api(false);
                    return Ok(None);
                }
                return Err(error);
            }
            if !is_api_answer(&answer) {
                if pages > 0 {
                    return Err(answer.protocol_error()("it is not an image index".to_owned()));
                }
                // A page for people, with status 200, is what some proxies answer to everything.
                self.learn_api(false);
                return Ok(None);
            }
            self.learn_api(true);
            let protocol = answer.protocol_error();
            let next = next_page(&self.endpoint, &answer)?;
            let body = answer.read_all(MAX_PAGE).await?;
            let page: Index = serde_json::from_slice(&body)
                .map_err(|error| protocol(format!("the list of referrers is not an index: {error}")))?;
            let empty = page.manifests.is_empty();
            found.extend(page.manifests);
            pages += 1;
            if found.len() > MAX_REFERRERS {
                return Err(protocol(format!("more than {MAX_REFERRERS} manifests refer to {subject}")));
            }
            match next.filter(|_| !empty) {
                Some(next) => url = next,
                None => return Ok(Some(found)),
            }
        }
    }

    /// The index of the tag scheme and its digest; `None` when there is none.
    async fn fallback_index(&self, subject: &Digest) -> Result<Option<(Digest, Index)>> {
        let tag = fallback_tag(subject);
        let (descriptor, bytes) = match self.manifest_bytes(&tag, None).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        // GitLab reads the tag as the digest it is made of, and answers with the subject.
        if descriptor.digest == *subject {
            return Ok(None);
        }
        let failed = |source| Error::ReadManifest { digest: self.full(&tag), source };
        match Manifest::parse(bytes, Some(&descriptor.media_type)).map_err(failed)?.view {
            View::Index(index) => Ok(Some((descriptor.digest, index))),
            // Somebody's own tag, which happens to look like one of the scheme.
            View::Image(_) | View::Artifact(_) => Ok(None),
        }
    }

    /// Records a pushed manifest with its subject, unless the registry has (`recorded`).
    pub(super) async fn record_referrer(&self, manifest: &Manifest, recorded: bool) -> Result<()> {
        let Some(subject) = manifest.subject() else { return Ok(()) };
        if recorded && self.client.settings().referrers != ReferrersMode::Tag {
            self.learn_api(true);
            return Ok(());
        }
        if self.has_api().await? {
            return Ok(());
        }
        let mut referrer = manifest.descriptor.plain();
        referrer.artifact_type = manifest.artifact_type().map(str::to_owned);
        referrer.annotations = manifest.annotations().cloned();
        self.change_fallback(&subject.digest, Change::Add(&referrer)).await
    }

    /// The subject that a manifest is recorded with by the tag scheme, and must be struck from when it goes.
    pub(super) async fn recorded_subject(&self, descriptor: &Descriptor) -> Result<Option<Digest>> {
        if self.client.settings().referrers == ReferrersMode::Api || self.known_api() == Some(true) {
            return Ok(None);
        }
        let bytes = match self.manifest_content(descriptor).await {
            Ok(bytes) => bytes,
            // What cannot be read can still be deleted.
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(None),
            Err(error) => return Err(error),
        };
        let parsed = Manifest::parse_with(descriptor.digest.algorithm(), bytes, Some(&descriptor.media_type));
        let Ok(manifest) = parsed else { return Ok(None) };
        match manifest.subject() {
            Some(subject) if !self.has_api().await? => Ok(Some(subject.digest.clone())),
            _ => Ok(None),
        }
    }

    /// Strikes a manifest from its subject's list.
    pub(super) async fn strike_referrer(&self, subject: &Digest, referrer: &Digest) -> Result<()> {
        self.change_fallback(subject, Change::Remove(referrer)).await
    }

    async fn change_fallback(&self, subject: &Digest, change: Change<'_>) -> Result<()> {
        let tag = fallback_tag(subject);
        let mut pacing = Pacing::new(&self.client.settings().retry);
        let mut rounds = 0;
        loop {
            let began = Instant::now();
            {
                // Our own tasks at least take turns.
                let _turn = self.state.fallback.lock().await;
                let listed = self.fallback_index(subject).await?;
                let (old, mut index) = match listed {
                    Some((digest, index)) => (Some(digest), index),
                    None => (None, empty_index()),
                };
                // From the second round on this means that nobody wrote over what we wrote.
                if !change.apply(&mut index.manifests) {
                    return Ok(());
                }
                let dropped = match old.filter(|_| index.manifests.is_empty()) {
                    Some(digest) => self.drop_fallback(&digest).await?,
                    None => false,
                };
                if !dropped {
                    self.put_fallback(index, &tag).await?;
                }
            }
            let Some((delay, _)) = pacing.next(None) else { return Err(self.contended(&tag)) };
            let settled = settling(began.elapsed());
            tokio::time::sleep(if rounds == 0 { settled } else { settled.max(delay) }).await;
            rounds += 1;
        }
    }

    /// Writes a list of referrers. Registries refuse one with manifests that are gone; those are left out then.
    async fn put_fallback(&self, mut index: Index, tag: &str) -> Result<()> {
        loop {
            let bytes = serde_json::to_vec(&index).map(Bytes::from).expect("an index serialises");
            let descriptor = Descriptor::of(media_type::OCI_INDEX, &bytes);
            let refused = match self.put_manifest(&descriptor, bytes, tag).await {
                Ok(answer) => {
                    answer.discard().await;
                    return Ok(());
                }
                Err(error) => error,
            };
            let names_missing =
                ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "MANIFEST_INVALID"];
            if !names_missing.iter().any(|code| has_code(&refused, code)) {
                return Err(refused);
            }
            let before = index.manifests.len();
            index.manifests = self.those_there(index.manifests).await?;
            if index.manifests.len() == before {
                return Err(refused);
            }
            tracing::debug!(tag, gone = before - index.manifests.len(), "referrers that are gone are struck");
        }
    }

    /// Those of some manifests that the repository has, in their order.
    async fn those_there(&self, manifests: Vec<Descriptor>) -> Result<Vec<Descriptor>> {
        let looked_for = stream::iter(manifests).map(|manifest| async move {
            match self.resolve_manifest(manifest.digest.as_str()).await {
                Ok(_) => Ok(Some(manifest)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        looked_for.buffered(PARALLEL).try_filter_map(async |found| Ok(found)).try_collect().await
    }

    fn contended(&self, tag: &str) -> Error {
        Error::Protocol {
            method: Method::PUT.to_string(),
            url: self.full(tag),
            reason: "other clients keep writing over our change to this list of referrers; try again"
                .to_owned(),
        }
    }

    /// Deletes a fallback index that has become empty, by its digest: what somebody else wrote since it was read
    /// stays. `false` when the registry does not delete.
    async fn drop_fallback(&self, read: &Digest) -> Result<bool> {
        match self.delete_by(read.as_str()).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::User) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// How long after a change to look whether it is still there: whoever read the list before our change, which took us
/// so long, may be about to write it back without.
fn settling(took: Duration) -> Duration {
    let least = (took * 3).clamp(MIN_SETTLING, MAX_SETTLING);
    least.mul_f64(1.0 + rand::random::<f64>())
}

impl Change<'_> {
    /// Makes the change; `false` when it was made already.
    fn apply(&self, referrers: &mut Vec<Descriptor>) -> bool {
        let before = referrers.clone();
        match self {
            Self::Add(referrer) => {
                if !referrers.iter().any(|known| known.digest == referrer.digest) {
                    referrers.push((*referrer).clone());
                }
            }
            Self::Remove(digest) => referrers.retain(|known| known.digest != **digest),
        }
        *referrers != before
    }
}

fn empty_index() -> Index {
    Index {
        schema_version: 2,
        media_type: Some(media_type::OCI_INDEX.to_owned()),
        artifact_type: None,
        manifests: Vec::new(),
        subject: None,
        annotations: None,
    }
}

/// The tag of the referrers tag scheme: algorithm and hex digits, cut to 32 and 64 characters.
pub(crate) fn fallback_tag(subject: &Digest) -> String {
    let hex = subject.hex();
    format!("{}-{}", subject.algorithm(), &hex[..hex.len().min(64)])
}

/// The answer is the referrers API's: status 200 and an image index.
fn is_api_answer(answer: &Answer) -> bool {
    let content_type = answer.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    answer.status() == StatusCode::OK
        && content_type.split(';').next().is_some_and(|essence| essence.trim() == media_type::OCI_INDEX)
}

fn has_code(error: &Error, code: &str) -> bool {
    matches!(error, Error::Response { errors, .. } if errors.iter().any(|error| error.code == code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    #[test]
    fn fallback_tags_are_cut_to_what_a_tag_may_be() {
        let tag = fallback_tag(&Digest::of(Algorithm::Sha512, b""));
        assert_eq!(tag.len(), "sha512-".len() + 64);
        assert!(tag.parse::<crate::reference::TagName>().is_ok());
        let known = "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(fallback_tag(&Digest::sha256(b"")), known);
    }
}
