//! The job *resolve*: what was pushed, and which images of it are to be analysed.

use std::collections::BTreeSet;

use tidewaiter_db::jobs::{self, Job, NewJob};
use tidewaiter_db::{Tx, args};
use tidewaiter_oci::kind::{
    ArtifactKind, Kind, classify, is_image_member, predicates, role_of_predicate, spoken_of, spoken_of_by_tag,
};
use tidewaiter_oci::{ImageManifest, Index, Manifest, View};

use super::{ManifestPayload, analyse};
use crate::Platform;
use crate::error::Result;
use crate::images::{EMBEDDED, State, sql as images};

/// The kind of the job.
pub(super) const KIND: &str = "resolve";

/// Runs the job. A manifest that is gone by now needs nothing more.
pub(super) async fn run(platform: &Platform, job: &Job) -> Result<()> {
    let payload = ManifestPayload::of(job)?;
    let manifest = payload.fetch(platform).await?;
    let now = platform.clock.now();
    let mut tx = platform.db.begin().await?;
    match &manifest {
        Some(manifest) => resolve(&mut tx, now, &payload, manifest).await?,
        None => tracing::debug!(digest = %payload.digest, "the manifest is gone"),
    }
    jobs::finish(&mut tx, job, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Notes what the manifest is.
async fn resolve(tx: &mut Tx, now: i64, payload: &ManifestPayload, manifest: &Manifest) -> Result<()> {
    match (classify(manifest), &manifest.view) {
        (Kind::Image, View::Image(image)) => add_image(tx, now, payload, image).await,
        (Kind::Index, View::Index(index)) => add_members(tx, now, payload, index).await,
        (Kind::Artifact(kind), _) => add_artifact(tx, now, manifest, &kind, payload).await,
        // The view decides between the first two.
        (Kind::Image | Kind::Index, _) => Ok(()),
    }
}

/// Keeps an artifact, with what it speaks of: its subject, or what the tag names that cosign's older form gave it.
async fn add_artifact(
    tx: &mut Tx,
    now: i64,
    manifest: &Manifest,
    kind: &ArtifactKind,
    payload: &ManifestPayload,
) -> Result<()> {
    let digest = &payload.digest;
    let states: BTreeSet<&str> =
        predicates(manifest).map(|predicate| role_of_predicate(predicate).as_str()).collect();
    let states = states.into_iter().collect::<Vec<_>>().join(",");
    let size = manifest.successors().iter().map(|part| part.size).fold(0, u64::saturating_add);
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    // An earlier version may have taken it for an image.
    tx.execute(images::DROP_IMAGE, args![digest]).await?;
    tx.execute(
        images::ADD_ARTIFACT,
        args![digest, &kind.artifact_type, kind.role.as_str(), states, size, now],
    )
    .await?;
    let by_tag = tags(tx, payload).await?.into_iter().filter_map(|tag| spoken_of_by_tag(&tag));
    let subjects = by_tag.chain(manifest.subject().map(|subject| subject.digest.clone()));
    for subject in subjects.filter(|subject| subject.as_str() != digest) {
        tx.execute(images::ADD_SUBJECT, args![digest, subject.as_str()]).await?;
    }
    Ok(())
}

async fn tags(tx: &mut Tx, payload: &ManifestPayload) -> Result<Vec<String>> {
    let rows = tx.fetch_all(images::TAGS_OF, args![EMBEDDED, &payload.repository, &payload.digest]).await?;
    Ok(rows.iter().map(|row| row.text(0)).collect::<tidewaiter_db::Result<_>>()?)
}

/// Enqueues the analysis of an image, unless it is known already.
async fn add_image(tx: &mut Tx, now: i64, payload: &ManifestPayload, image: &ImageManifest) -> Result<()> {
    let digest = &payload.digest;
    let size: u64 = image.layers.iter().map(|layer| layer.size).fold(image.config.size, u64::saturating_add);
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    tx.execute(images::ADD_IMAGE, args![digest, "", size, now]).await?;
    let state = tx.fetch_one(images::STATE, args![digest]).await?.text(0)?;
    if state != State::Analysed.as_str() {
        tx.execute(images::SET_PENDING, args![digest]).await?;
        let job = NewJob::new(analyse::KIND, payload.to_json()).dedup(digest);
        jobs::enqueue(tx, &job, now).await?;
    }
    Ok(())
}

/// An index may arrive after its members, before them, or without some of them: each member that may be an image
/// is noted, and looked at when it is there. So is what another member says of one.
async fn add_members(tx: &mut Tx, now: i64, payload: &ManifestPayload, index: &Index) -> Result<()> {
    let tags = tags(tx, payload).await?;
    if !tags.is_empty() && tags.iter().all(|tag| spoken_of_by_tag(tag).is_some()) {
        // A list of referrers by tag: what it lists says itself what it speaks of.
        return Ok(());
    }
    tx.execute(images::ADD_INDEX, args![&payload.digest, now]).await?;
    for member in &index.manifests {
        let digest = member.digest.as_str();
        if let Some(subject) = spoken_of(member) {
            tx.execute(images::ADD_SUBJECT, args![digest, subject.as_str()]).await?;
        }
        if is_image_member(member) {
            tx.execute(images::ADD_MEMBER, args![&payload.digest, digest]).await?;
            let inner = ManifestPayload { repository: payload.repository.clone(), digest: digest.to_owned() };
            let job = NewJob::new(KIND, inner.to_json()).dedup(format!("{}@{digest}", payload.repository));
            jobs::enqueue(tx, &job, now).await?;
        }
    }
    Ok(())
}
