//! `/api/v1/images`: which images there are, and what is wrong with one.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use tidewaiter_platform::Problem;
use tidewaiter_platform::Severity;
use tidewaiter_platform::clock::rfc3339;
use tidewaiter_platform::images::{ArtifactSummary, ImageSummary, State as ImageState};
use tidewaiter_platform::report::{self, Report, ReportedImage};
use tidewaiter_platform::{Digest, DocumentFormat, InvalidDigest, UnknownFormat};

use crate::Shared;
use crate::error::ApiError;

/// `GET /api/v1/images`.
#[derive(Serialize)]
pub(crate) struct Images {
    images: Vec<Image>,
    /// What is no image: signatures, attestations, charts, models.
    artifacts: Vec<Artifact>,
    /// Indexes in which nothing can be analysed.
    empty_indexes: Vec<EmptyIndex>,
}

/// One artifact.
#[derive(Serialize)]
struct Artifact {
    digest: String,
    names: Vec<String>,
    r#type: String,
    role: String,
    /// What an attestation states.
    states: Vec<String>,
    /// Bytes of the content as stored.
    size: i64,
    /// Digests of the manifests it speaks of.
    subjects: Vec<String>,
    pushed_at: String,
}

/// An index without an image.
#[derive(Serialize)]
struct EmptyIndex {
    digest: String,
    names: Vec<String>,
    pushed_at: String,
}

/// One image of the list.
#[derive(Serialize)]
struct Image {
    digest: String,
    names: Vec<String>,
    state: ImageState,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    platform: String,
    distro: Option<String>,
    /// Bytes of the layers as stored.
    size: i64,
    components: i64,
    /// Whether every component has been matched with advisories.
    judged: bool,
    findings: Counts,
    problems: Vec<Problem>,
    pushed_at: String,
    analysed_at: Option<String>,
    /// Digests of the indexes that list it.
    indexes: Vec<String>,
    /// Digests of the artifacts that speak of it.
    artifacts: Vec<String>,
}

/// Findings of each severity; all of them are there, so that nobody has to ask whether a key is.
#[derive(Serialize)]
struct Counts {
    critical: u64,
    high: u64,
    medium: u64,
    low: u64,
    negligible: u64,
    unknown: u64,
}

impl From<ImageSummary> for Image {
    fn from(image: ImageSummary) -> Self {
        let count = |severity| image.findings.get(&severity).copied().unwrap_or_default();
        Self {
            findings: Counts {
                critical: count(Severity::Critical),
                high: count(Severity::High),
                medium: count(Severity::Medium),
                low: count(Severity::Low),
                negligible: count(Severity::Negligible),
                unknown: count(Severity::Unknown),
            },
            judged: image.state == ImageState::Analysed && image.unjudged == 0,
            digest: image.digest,
            names: image.names,
            state: image.state,
            failure: image.failure,
            platform: image.platform,
            distro: image.distro,
            size: image.size,
            components: image.components,
            problems: image.problems,
            pushed_at: rfc3339(image.pushed_at),
            analysed_at: image.analysed_at.map(rfc3339),
            indexes: image.indexes,
            artifacts: image.artifacts.into_iter().map(|artifact| artifact.digest).collect(),
        }
    }
}

impl From<ArtifactSummary> for Artifact {
    fn from(artifact: ArtifactSummary) -> Self {
        Self {
            digest: artifact.digest,
            names: artifact.names,
            r#type: artifact.artifact_type,
            role: artifact.role,
            states: artifact.states,
            size: artifact.size,
            subjects: artifact.subjects,
            pushed_at: rfc3339(artifact.pushed_at),
        }
    }
}

/// All images, the one pushed last first, and what else there is.
pub(crate) async fn list(State(platform): State<Shared>) -> Result<Json<Images>, ApiError> {
    let listing = platform.listing().await?;
    let empty = listing.empty_indexes.into_iter().map(|index| EmptyIndex {
        digest: index.digest,
        names: index.names,
        pushed_at: rfc3339(index.pushed_at),
    });
    Ok(Json(Images {
        images: listing.images.into_iter().map(Image::from).collect(),
        artifacts: listing.artifacts.into_iter().map(Artifact::from).collect(),
        empty_indexes: empty.collect(),
    }))
}

/// The digest in a path.
pub(crate) fn parse_digest(text: &str) -> Result<Digest, ApiError> {
    text.parse().map_err(|error: InvalidDigest| ApiError::bad_request(error.to_string()))
}

/// What a request for a document says.
#[derive(Deserialize)]
pub(crate) struct DocumentQuery {
    format: Option<String>,
}

/// What is inside one image: `GET /api/v1/images/{digest}/sbom?format=…`, and the same below the pages.
pub(crate) async fn sbom(
    State(platform): State<Shared>,
    Path(digest): Path<String>,
    Query(query): Query<DocumentQuery>,
) -> Result<Response, ApiError> {
    let digest = parse_digest(&digest)?;
    let name = query.format.as_deref().unwrap_or("json");
    let format: DocumentFormat =
        name.parse().map_err(|error: UnknownFormat| ApiError::bad_request(error.to_string()))?;
    let document = platform.document(&digest, format).await?;
    let ending = if format == DocumentFormat::List { "txt" } else { "json" };
    let file = format!("attachment; filename=\"{}.{name}.{ending}\"", digest.short());
    let headers =
        [(header::CONTENT_TYPE, format.media_type().to_owned()), (header::CONTENT_DISPOSITION, file)];
    Ok((headers, document).into_response())
}

/// The findings of one image, the worst first.
pub(crate) async fn findings(
    State(platform): State<Shared>,
    Path(digest): Path<String>,
) -> Result<Json<Report>, ApiError> {
    let digest = parse_digest(&digest)?;
    let detail = platform.image(&digest).await?;
    let summary = detail.summary;
    let name = summary.names.first().cloned().unwrap_or_else(|| digest.to_string());
    let image = match &detail.inventory {
        Some(inventory) => ReportedImage::new(&name, Some(digest.as_str()), inventory),
        None => ReportedImage {
            name,
            digest: Some(digest.to_string()),
            platform: summary.platform,
            distro: summary.distro,
            ..ReportedImage::default()
        },
    };
    let mut report = Report {
        image,
        counts: report::Counts::default(),
        findings: detail.findings,
        undecided: detail.undecided,
        suppressed: detail.suppressed,
        gaps: detail.gaps,
        problems: detail.problems,
    };
    report.count();
    Ok(Json(report))
}
