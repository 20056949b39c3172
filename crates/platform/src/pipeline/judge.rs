//! The job *judge*: matches components with the advisory database and keeps what is said of them.
//!
//! A component is judged once for all images that hold it in the same setting: its distribution and the
//! package that owns its files. When the database changes, only components whose records changed are matched
//! again; for the others it is noted that the verdict stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tidewaiter_advisory::{Database, Finding, match_inventory};
use tidewaiter_db::jobs::{self, Job, NewJob};
use tidewaiter_db::{Row, Tx, args};
use tidewaiter_inventory::{Component, Distro, Inventory};
use tidewaiter_oci::Digest;

use super::sql;
use crate::Platform;
use crate::error::{Error, Result};

/// The kind of the job.
pub(super) const KIND: &str = "judge";

/// Components judged in one transaction.
const BATCH: i64 = 500;

/// What to judge.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "scope")]
pub(super) enum Payload {
    /// The components of an image.
    Image {
        /// The image.
        digest: Digest,
    },
    /// All components, from the one after this number.
    Database {
        /// Number of the last component that is done.
        after: i64,
    },
}

impl Payload {
    pub(super) fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// A component in the setting that decides what is said of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subject {
    /// The distribution of the image.
    pub distro: Option<Distro>,
    /// The component, without its evidence.
    pub component: Component,
    /// The package that owns the component's files, without its evidence.
    pub owner: Option<Component>,
}

impl Subject {
    /// A component of an inventory.
    #[must_use]
    pub fn of(inventory: &Inventory, component: &Component) -> Self {
        let owner = component.owner.as_ref().and_then(|purl| {
            let same_root = |candidate: &&Component| candidate.root == component.root;
            inventory.components.iter().filter(same_root).find(|candidate| candidate.purl == *purl)
        });
        // Where it lies and what it touches differ between images and change no verdict.
        let bare = |component: &Component| Component {
            evidence: Vec::new(),
            relations: Vec::new(),
            root: None,
            ..component.clone()
        };
        let distro = inventory.distro_of(component).cloned();
        Self { distro, component: bare(component), owner: owner.map(bare) }
    }

    /// Identity and text, as the columns of the component's row.
    pub fn to_columns(&self) -> Result<(String, String)> {
        let text = serde_json::to_string(self)
            .map_err(|source| Error::EncodeObject { key: "subject".to_owned(), source })?;
        let identity = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((identity, text))
    }

    /// Reads the column.
    pub fn from_column(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|source| Error::DecodeColumn { what: "a component", source })
    }

    /// Changes when, and only when, some record that could name the component or its owner does.
    fn fingerprint(&self, database: &Database) -> String {
        let of = |component: &Component| database.lookup_fingerprint(self.distro.as_ref(), component);
        let owner = self.owner.as_ref().map(of);
        format!("{:?} {owner:?}", of(&self.component))
    }

    /// What the database says of the component, by id.
    fn judge(&self, database: &Database) -> BTreeMap<String, Verdict> {
        let components = [&self.component].into_iter().chain(&self.owner).cloned().collect();
        let inventory = Inventory { distro: self.distro.clone(), components, ..Inventory::default() };
        // The time decides only about whole systems, of which nothing is kept here.
        let matches = match_inventory(database, &inventory, jiff::Timestamp::UNIX_EPOCH);
        let plain = matches.findings.into_iter().map(|finding| Verdict { finding, suppressed: None });
        let suppressed = matches
            .suppressed
            .into_iter()
            .map(|entry| Verdict { finding: entry.finding, suppressed: Some(entry.reason) });
        plain
            .chain(suppressed)
            .filter(|verdict| verdict.finding.component == self.component.purl)
            .map(|verdict| (verdict.finding.id.clone(), verdict))
            .collect()
    }
}

/// What is said of a component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// The finding.
    pub(crate) finding: Finding,
    /// Why it does not count, when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) suppressed: Option<String>,
}

/// Runs the job: one batch, and another job for the rest.
pub(super) async fn run(platform: &Platform, job: &Job) -> Result<()> {
    let payload: Payload = serde_json::from_str(&job.payload)
        .map_err(|source| Error::DecodeColumn { what: "the payload of a judge job", source })?;
    let Some(database) = platform.advisories.current() else {
        // Without a database there is nothing to say yet; the first one that comes judges everything.
        return conclude(platform, job, None).await;
    };
    let id = database.id().to_string();
    let rows = match &payload {
        Payload::Image { digest } => {
            platform.db.fetch_all(sql::STALE_OF_IMAGE, args![digest.as_str(), &id, BATCH]).await?
        }
        Payload::Database { after } => platform.db.fetch_all(sql::STALE, args![*after, &id, BATCH]).await?,
    };
    let stale: Vec<Stale> = rows.iter().map(Stale::read).collect::<Result<_>>()?;
    let next = (i64::try_from(stale.len()) == Ok(BATCH)).then(|| match payload {
        Payload::Image { digest } => Payload::Image { digest },
        Payload::Database { .. } => Payload::Database { after: stale.last().map_or(0, |last| last.id) },
    });
    let judged = judge_all(database, stale).await?;
    conclude(platform, job, Some((&id, judged, next))).await
}

/// A component that was not judged with the current database.
struct Stale {
    id: i64,
    subject: String,
    was_judged: bool,
    fingerprint: Option<String>,
}

impl Stale {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.i64(0)?,
            subject: row.text(1)?,
            was_judged: row.optional_text(2)?.is_some(),
            fingerprint: row.optional_text(3)?,
        })
    }
}

/// A component after judging; no verdicts when what was said before stands.
struct Judged {
    id: i64,
    was_judged: bool,
    fingerprint: String,
    verdicts: Option<BTreeMap<String, Verdict>>,
}

async fn judge_all(database: Arc<Database>, stale: Vec<Stale>) -> Result<Vec<Judged>> {
    let judge =
        move || stale.into_iter().map(|stale| judge_one(&database, &stale)).collect::<Result<Vec<_>>>();
    tokio::task::spawn_blocking(judge)
        .await
        .map_err(|source| Error::Task { what: "matching components with advisories", source })?
}

fn judge_one(database: &Database, stale: &Stale) -> Result<Judged> {
    let subject = Subject::from_column(&stale.subject)?;
    let fingerprint = subject.fingerprint(database);
    let stands = stale.was_judged && stale.fingerprint.as_ref() == Some(&fingerprint);
    let verdicts = (!stands).then(|| subject.judge(database));
    Ok(Judged { id: stale.id, was_judged: stale.was_judged, fingerprint, verdicts })
}

/// Keeps the verdicts and ends the job in one transaction.
async fn conclude(
    platform: &Platform,
    job: &Job,
    outcome: Option<(&str, Vec<Judged>, Option<Payload>)>,
) -> Result<()> {
    let now = platform.clock.now();
    let mut tx = platform.db.begin().await?;
    let mut next = None;
    if let Some((database, judged, rest)) = outcome {
        for judged in &judged {
            keep(&mut tx, now, database, judged).await?;
        }
        next = rest;
    }
    jobs::finish(&mut tx, job, now).await?;
    if let Some(next) = next {
        jobs::enqueue(&mut tx, &NewJob::new(KIND, next.to_json()), now).await?;
    }
    Ok(tx.commit().await?)
}

/// Replaces what is said of a component, and notes what became different.
async fn keep(tx: &mut Tx, now: i64, database: &str, judged: &Judged) -> Result<()> {
    if tx.execute(sql::SET_JUDGED, args![judged.id, database, &judged.fingerprint]).await? == 0 {
        // The component left with its last image while it was being judged.
        return Ok(());
    }
    let Some(verdicts) = &judged.verdicts else {
        return Ok(());
    };
    let mut before = BTreeMap::new();
    for row in tx.fetch_all(sql::VERDICTS, args![judged.id]).await? {
        before.insert(row.text(0)?, row.text(1)?);
    }
    let mut changes = Vec::new();
    for (id, verdict) in verdicts {
        let text = serde_json::to_string(verdict)
            .map_err(|source| Error::EncodeObject { key: id.clone(), source })?;
        let old = before.remove(id);
        if old.as_ref() == Some(&text) {
            continue;
        }
        changes.push((if old.is_some() { "finding-changed" } else { "finding-appeared" }, id.clone()));
        let severity = verdict.finding.severity.as_str();
        let arguments = args![judged.id, id, severity, verdict.suppressed.is_some(), text];
        tx.execute(sql::SET_VERDICT, arguments).await?;
    }
    for (id, _) in before {
        tx.execute(sql::DROP_VERDICT, args![judged.id, &id]).await?;
        changes.push(("finding-vanished", id));
    }
    let cause = if judged.was_judged { "advisories" } else { "analysis" };
    for (kind, id) in changes {
        let arguments = args![now, kind, cause, None::<String>, judged.id, id, database];
        tx.execute(sql::ADD_CHANGE, arguments).await?;
    }
    Ok(())
}
