//! What is known of images: the list, and the report of one.

pub mod sql;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidewaiter_advisory::{Gap, Matches, Severity, Suppressed, Undecided, match_inventory};
use tidewaiter_db::{Row, Statement, args};
use tidewaiter_inventory::sbom::{self, Format};
use tidewaiter_inventory::{Evidence, Inventory, Problem};
use tidewaiter_oci::Digest;

use crate::Platform;
use crate::clock::{self, Micros};
use crate::error::{Error, Result};
use crate::pipeline::{Subject, Verdict};
use crate::report::{self, ReportedFinding};

/// The embedded registry, as rows name it: its address may change between starts.
pub const EMBEDDED: &str = "embedded";

/// How far the analysis of an image has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits or runs.
    Pending,
    /// It is done.
    Analysed,
    /// It cannot be done.
    Failed,
}

impl State {
    /// The word in the database and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Analysed => "analysed",
            Self::Failed => "failed",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "analysed" => Self::Analysed,
            "failed" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

/// How many findings of each severity there are; severities without any are absent.
pub type SeverityCounts = BTreeMap<Severity, u64>;

/// An image in the list.
#[derive(Debug, Clone)]
pub struct ImageSummary {
    /// Digest of its manifest.
    pub digest: String,
    /// Names it can be pulled by: with tags, or where it has none by digest.
    pub names: Vec<String>,
    /// How far its analysis has come.
    pub state: State,
    /// Why it cannot be analysed.
    pub failure: Option<String>,
    /// `os/architecture[/variant]`; empty before the analysis.
    pub platform: String,
    /// Its operating system.
    pub distro: Option<String>,
    /// Size of its layers as stored, in bytes.
    pub size: i64,
    /// What could not be read in it.
    pub problems: Vec<Problem>,
    /// When it was pushed last.
    pub pushed_at: Micros,
    /// When its analysis ended.
    pub analysed_at: Option<Micros>,
    /// How many components it holds.
    pub components: i64,
    /// How many of them were never matched with advisories.
    pub unjudged: i64,
    /// What is wrong with it, counted.
    pub findings: SeverityCounts,
    /// Digests of the indexes that list it, the one pushed last first.
    pub indexes: Vec<String>,
    /// What speaks of it: signatures, attestations, SBOMs.
    pub artifacts: Vec<ArtifactSummary>,
}

/// Something that is kept beside images.
#[derive(Debug, Clone)]
pub struct ArtifactSummary {
    /// Digest of its manifest.
    pub digest: String,
    /// Names it can be pulled by.
    pub names: Vec<String>,
    /// Its type.
    pub artifact_type: String,
    /// What people call it, for example `signature`.
    pub role: String,
    /// What it states, when it is an attestation: `provenance`, `SBOM` and so on.
    pub states: Vec<String>,
    /// Size of its content, in bytes.
    pub size: i64,
    /// When it was pushed last.
    pub pushed_at: Micros,
    /// Digests of the manifests it speaks of.
    pub subjects: Vec<String>,
}

/// An index in which nothing can be analysed.
#[derive(Debug, Clone)]
pub struct EmptyIndex {
    /// Its digest.
    pub digest: String,
    /// Names it can be pulled by.
    pub names: Vec<String>,
    /// When it was pushed last.
    pub pushed_at: Micros,
}

/// Everything that repositories hold.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The images, the one pushed last first.
    pub images: Vec<ImageSummary>,
    /// The artifacts, the one pushed last first.
    pub artifacts: Vec<ArtifactSummary>,
    /// Indexes without an image.
    pub empty_indexes: Vec<EmptyIndex>,
}

/// Everything about one image.
#[derive(Debug, Clone)]
pub struct ImageDetail {
    /// What the list shows.
    pub summary: ImageSummary,
    /// What was found in it, once it is analysed.
    pub inventory: Option<Inventory>,
    /// What is wrong with it, the worst first.
    pub findings: Vec<ReportedFinding>,
    /// What may be wrong: advisories speak of it, and cannot tell.
    pub undecided: Vec<Undecided>,
    /// What would be wrong if somebody did not say otherwise.
    pub suppressed: Vec<Suppressed>,
    /// What could not be judged.
    pub gaps: Vec<Gap>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Where the inventory of an image is kept.
pub(crate) fn inventory_key(digest: &Digest) -> String {
    format!("inventories/{}/{}", digest.algorithm(), digest.hex())
}

impl Platform {
    /// All images, and what else is kept with them or by itself.
    pub async fn listing(&self) -> Result<Listing> {
        let mut images = self
            .db
            .fetch_all(sql::LIST, args![])
            .await?
            .iter()
            .map(read_summary)
            .collect::<Result<Vec<_>>>()?;
        let names = self.names().await?;
        let counts = self.counts().await?;
        let artifacts = self.artifacts(&names).await?;
        let mut speaking: BTreeMap<&str, Vec<ArtifactSummary>> = BTreeMap::new();
        for artifact in &artifacts {
            for subject in &artifact.subjects {
                speaking.entry(subject).or_default().push(artifact.clone());
            }
        }
        let mut indexes = self.pairs(sql::INDEXES).await?;
        for image in &mut images {
            image.names = names.get(&image.digest).cloned().unwrap_or_default();
            image.findings = counts.get(&image.digest).cloned().unwrap_or_default();
            image.indexes = indexes.remove(&image.digest).unwrap_or_default();
            image.artifacts = speaking.remove(image.digest.as_str()).unwrap_or_default();
        }
        let mut empty_indexes = Vec::new();
        for row in self.db.fetch_all(sql::EMPTY_INDEXES, args![]).await? {
            let digest = row.text(0)?;
            let names = names.get(&digest).cloned().unwrap_or_default();
            empty_indexes.push(EmptyIndex { digest, names, pushed_at: row.i64(1)? });
        }
        Ok(Listing { images, artifacts, empty_indexes })
    }

    async fn artifacts(&self, names: &BTreeMap<String, Vec<String>>) -> Result<Vec<ArtifactSummary>> {
        let mut subjects = self.pairs(sql::SUBJECTS).await?;
        let mut artifacts = Vec::new();
        for row in self.db.fetch_all(sql::ARTIFACTS, args![]).await? {
            let subjects = subjects.remove(row.str(0)?).unwrap_or_default();
            artifacts.push(read_artifact(&row, names, subjects)?);
        }
        Ok(artifacts)
    }

    /// The second column of a statement's rows by the first, in their order.
    async fn pairs(&self, statement: Statement) -> Result<BTreeMap<String, Vec<String>>> {
        let mut pairs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in self.db.fetch_all(statement, args![]).await? {
            pairs.entry(row.text(0)?).or_default().push(row.text(1)?);
        }
        Ok(pairs)
    }

    /// One image with its findings.
    pub async fn image(&self, digest: &Digest) -> Result<ImageDetail> {
        let unknown = || Error::UnknownImage { digest: digest.to_string() };
        let row = self.db.fetch_optional(sql::ONE, args![digest.as_str()]).await?.ok_or_else(unknown)?;
        let mut summary = read_summary(&row)?;
        let names = self.names().await?;
        for row in self.db.fetch_all(sql::ARTIFACTS_OF, args![digest.as_str()]).await? {
            summary.artifacts.push(read_artifact(&row, &names, vec![digest.to_string()])?);
        }
        summary.names = names.get(digest.as_str()).cloned().unwrap_or_default();
        let findings = self.findings(digest).await?;
        for finding in &findings {
            *summary.findings.entry(finding.severity).or_default() += 1;
        }
        let inventory = match summary.state {
            State::Analysed => self.objects.get::<Inventory>(&inventory_key(digest)).await?,
            State::Pending | State::Failed => None,
        };
        let Matches { undecided, suppressed, gaps, .. } =
            inventory.as_ref().map(|inventory| self.judge_whole(inventory)).unwrap_or_default();
        let problems = summary.problems.clone();
        Ok(ImageDetail { summary, inventory, findings, undecided, suppressed, gaps, problems })
    }

    /// What is inside an image, as a document. [`Error::UnknownImage`] also while it was not read yet.
    pub async fn document(&self, digest: &Digest, format: Format) -> Result<Vec<u8>> {
        let unknown = || Error::UnknownImage { digest: digest.to_string() };
        self.db.fetch_optional(sql::ONE, args![digest.as_str()]).await?.ok_or_else(unknown)?;
        let inventory = self.objects.get::<Inventory>(&inventory_key(digest)).await?.ok_or_else(unknown)?;
        let names = self.names().await?.remove(digest.as_str()).unwrap_or_default();
        let subject = sbom::Subject {
            name: names.first().cloned().unwrap_or_else(|| digest.to_string()),
            digest: Some(digest.to_string()),
            tags: names,
            timestamp: Some(clock::rfc3339(self.clock.now())),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..sbom::Subject::default()
        };
        let written = tokio::task::spawn_blocking(move || format.write(&inventory, &subject)).await;
        written.map_err(|source| Error::Task { what: "writing a document", source })
    }

    /// What the database says of an inventory as a whole, apart from the findings, which are kept.
    fn judge_whole(&self, inventory: &Inventory) -> Matches {
        let now = Timestamp::from_microsecond(self.clock.now()).unwrap_or_default();
        let database = self.advisories.current();
        database.map(|database| match_inventory(&database, inventory, now)).unwrap_or_default()
    }

    async fn findings(&self, digest: &Digest) -> Result<Vec<ReportedFinding>> {
        let mut findings = Vec::new();
        for row in self.db.fetch_all(sql::FINDINGS, args![digest.as_str()]).await? {
            let verdict: Verdict = from_json("a finding", row.str(0)?)?;
            let subject = Subject::from_column(row.str(1)?)?;
            let evidence: Vec<Evidence> = from_json("the evidence of a component", row.str(2)?)?;
            findings.push(ReportedFinding::new(&verdict.finding, &subject.component, &evidence));
        }
        report::sort(&mut findings);
        Ok(findings)
    }

    /// The names of each image, by digest.
    async fn names(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in self.db.fetch_all(sql::NAMES, args![]).await? {
            let name = format!("{}/{}:{}", self.address_of(row.str(1)?), row.str(2)?, row.str(3)?);
            names.entry(row.text(0)?).or_default().insert(name);
        }
        for row in self.db.fetch_all(sql::REPOSITORIES, args![]).await? {
            let digest = row.text(0)?;
            if !names.contains_key(&digest) {
                let name = format!("{}/{}@{digest}", self.address_of(row.str(1)?), row.str(2)?);
                names.entry(digest).or_default().insert(name);
            }
        }
        Ok(names.into_iter().map(|(digest, names)| (digest, names.into_iter().collect())).collect())
    }

    fn address_of<'a>(&'a self, registry: &'a str) -> &'a str {
        if registry == EMBEDDED { &self.registry_address } else { registry }
    }

    async fn counts(&self) -> Result<BTreeMap<String, SeverityCounts>> {
        let mut counts: BTreeMap<String, SeverityCounts> = BTreeMap::new();
        for row in self.db.fetch_all(sql::COUNTS, args![]).await? {
            let severity = Severity::ALL
                .into_iter()
                .find(|severity| row.str(1).is_ok_and(|name| name == severity.as_str()));
            let count = u64::try_from(row.i64(2)?).unwrap_or_default();
            *counts.entry(row.text(0)?).or_default().entry(severity.unwrap_or_default()).or_default() +=
                count;
        }
        Ok(counts)
    }
}

fn read_artifact(
    row: &Row,
    names: &BTreeMap<String, Vec<String>>,
    subjects: Vec<String>,
) -> Result<ArtifactSummary> {
    let digest = row.text(0)?;
    Ok(ArtifactSummary {
        names: names.get(&digest).cloned().unwrap_or_default(),
        artifact_type: row.text(1)?,
        role: row.text(2)?,
        states: row.str(3)?.split(',').filter(|state| !state.is_empty()).map(str::to_owned).collect(),
        size: row.i64(4)?,
        pushed_at: row.i64(5)?,
        subjects,
        digest,
    })
}

fn read_summary(row: &Row) -> Result<ImageSummary> {
    Ok(ImageSummary {
        digest: row.text(0)?,
        names: Vec::new(),
        state: State::read(row.str(1)?),
        failure: row.optional_text(2)?,
        platform: row.text(3)?,
        distro: row.optional_text(4)?,
        size: row.i64(5)?,
        problems: from_json("the problems of an image", row.str(6)?)?,
        pushed_at: row.i64(7)?,
        analysed_at: row.optional_i64(8)?,
        components: row.i64(9)?,
        unjudged: row.i64(10)?,
        findings: SeverityCounts::new(),
        indexes: Vec::new(),
        artifacts: Vec::new(),
    })
}

fn from_json<'a, T: Deserialize<'a>>(what: &'static str, text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| Error::DecodeColumn { what, source })
}
