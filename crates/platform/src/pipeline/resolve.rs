//! The job *resolve*: what was pushed, and which images of it are to be analysed.

use tidewaiter_db::jobs::{self, Job, NewJob};
use tidewaiter_db::{Tx, args};
use tidewaiter_oci::{Descriptor, ImageManifest, Index, View};

use super::{ManifestPayload, analyse};
use crate::Platform;
use crate::analysis::as_image;
use crate::error::Result;
use crate::images::{State, sql as images};

/// The kind of the job.
pub(super) const KIND: &str = "resolve";

/// Runs the job. A manifest that is gone by now needs nothing more.
pub(super) async fn run(platform: &Platform, job: &Job) -> Result<()> {
    let payload = ManifestPayload::of(job)?;
    let manifest = payload.fetch(platform).await?;
    let now = platform.clock.now();
    let mut tx = platform.db.begin().await?;
    match &manifest {
        Some(manifest) => match (&manifest.view, as_image(manifest)) {
            (_, Ok(image)) => add_image(&mut tx, now, &payload, image).await?,
            (View::Index(index), _) => add_members(&mut tx, now, &payload, index).await?,
            (_, Err(reason)) => tracing::debug!(%reason, "nothing to analyse"),
        },
        None => tracing::debug!(digest = %payload.digest, "the manifest is gone"),
    }
    jobs::finish(&mut tx, job, now).await?;
    tx.commit().await?;
    Ok(())
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

/// An index may arrive after its members, before them, or without some of them: each member that is an image
/// is noted, and looked at when it is there.
async fn add_members(tx: &mut Tx, now: i64, payload: &ManifestPayload, index: &Index) -> Result<()> {
    for member in index.manifests.iter().filter(|member| is_image_member(member)) {
        let digest = member.digest.as_str();
        tx.execute(images::ADD_MEMBER, args![&payload.digest, digest]).await?;
        let inner = ManifestPayload { repository: payload.repository.clone(), digest: digest.to_owned() };
        let job = NewJob::new(KIND, inner.to_json()).dedup(format!("{}@{digest}", payload.repository));
        jobs::enqueue(tx, &job, now).await?;
    }
    Ok(())
}

/// BuildKit lists attestations among the images, for a platform called `unknown`.
fn is_image_member(member: &Descriptor) -> bool {
    member.is_manifest()
        && member.annotation("vnd.docker.reference.type").is_none()
        && member.platform.as_ref().is_none_or(|platform| platform.os != "unknown")
}
