//! The job *analyse*: reads the layers of an image, stores its inventory, interns its components.

use tidewaiter_db::jobs::{self, Job, NewJob};
use tidewaiter_db::{Tx, args};
use tidewaiter_inventory::{Distro, Inventory};
use tidewaiter_oci::Digest;

use super::judge::{self, Subject};
use super::{ManifestPayload, sql};
use crate::Platform;
use crate::analysis::{Context, analyse};
use crate::error::{Error, Result};
use crate::images::{inventory_key, sql as images};

/// The kind of the job.
pub(super) const KIND: &str = "analyse";

/// Runs the job. An image that is gone by now needs nothing more.
pub(super) async fn run(platform: &Platform, job: &Job) -> Result<()> {
    let payload = ManifestPayload::of(job)?;
    let Some(manifest) = payload.fetch(platform).await? else {
        return finish(platform, job).await;
    };
    let repository = platform.registry.repository(&payload.name()?);
    let (inventory, _) = analyse(&repository, &manifest, &platform.objects, Context::default()).await?;
    platform.objects.put(&inventory_key(manifest.digest()), &inventory).await?;
    store(platform, job, manifest.digest(), &inventory).await
}

async fn finish(platform: &Platform, job: &Job) -> Result<()> {
    let mut tx = platform.db.begin().await?;
    jobs::finish(&mut tx, job, platform.clock.now()).await?;
    Ok(tx.commit().await?)
}

/// Keeps what was found, and has it judged.
async fn store(platform: &Platform, job: &Job, digest: &Digest, inventory: &Inventory) -> Result<()> {
    let now = platform.clock.now();
    let subjects = subjects(inventory)?;
    let mut tx = platform.db.begin().await?;
    let facts = &inventory.image;
    let size: u64 = facts.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add);
    let problems = to_json("problems", &inventory.problems)?;
    let arguments = args![
        digest.as_str(),
        facts.platform(),
        inventory.distro.as_ref().map(system_text),
        i64::try_from(size).unwrap_or(i64::MAX),
        problems,
        now,
    ];
    if tx.execute(images::SET_ANALYSED, arguments).await? == 1 {
        add_components(&mut tx, digest, &subjects).await?;
        let change = args![
            now,
            "image-analysed",
            "analysis",
            digest.as_str(),
            None::<i64>,
            None::<String>,
            None::<String>
        ];
        tx.execute(sql::ADD_CHANGE, change).await?;
        let payload = judge::Payload::Image { digest: digest.clone() };
        let job = NewJob::new(judge::KIND, payload.to_json()).dedup(digest.as_str());
        jobs::enqueue(&mut tx, &job, now).await?;
    }
    jobs::finish(&mut tx, job, now).await?;
    Ok(tx.commit().await?)
}

async fn add_components(tx: &mut Tx, digest: &Digest, subjects: &[(String, String, String)]) -> Result<()> {
    tx.execute(images::CLEAR_COMPONENTS, args![digest.as_str()]).await?;
    for (identity, subject, evidence) in subjects {
        let id = tx.fetch_one(images::ADD_COMPONENT, args![identity, subject]).await?.i64(0)?;
        tx.execute(images::ADD_IMAGE_COMPONENT, args![digest.as_str(), id, evidence]).await?;
    }
    Ok(())
}

/// Identity, subject and evidence of each component, as columns.
fn subjects(inventory: &Inventory) -> Result<Vec<(String, String, String)>> {
    let columns = inventory.components.iter().map(|component| {
        let (identity, subject) = Subject::of(inventory, component).to_columns()?;
        Ok((identity, subject, to_json("evidence", &component.evidence)?))
    });
    columns.collect()
}

fn to_json<T: serde::Serialize>(key: &str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|source| Error::EncodeObject { key: key.to_owned(), source })
}

/// A distribution as people call it.
fn system_text(distro: &Distro) -> String {
    let version = distro.version_id.as_deref().unwrap_or_default();
    distro.pretty_name.clone().unwrap_or_else(|| format!("{} {version}", distro.id).trim_end().to_owned())
}

/// Notes that an image cannot be analysed, and why.
pub(super) async fn give_up(platform: &Platform, job: &Job, reason: &str) -> Result<()> {
    let digest = ManifestPayload::of(job)?.digest;
    platform.db.execute(images::SET_FAILED, args![digest, reason, platform.clock.now()]).await?;
    Ok(())
}
