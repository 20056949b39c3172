//! `/api/v1/images`: which images there are, and what is wrong with one.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use tidewaiter_platform::Problem;
use tidewaiter_platform::Severity;
use tidewaiter_platform::clock::rfc3339;
use tidewaiter_platform::images::{ImageSummary, State as ImageState};
use tidewaiter_platform::report::{Report, ReportedImage};

use crate::Shared;
use crate::error::ApiError;

/// `GET /api/v1/images`.
#[derive(Serialize)]
pub(crate) struct Images {
    images: Vec<Image>,
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
        }
    }
}

/// All images, the one pushed last first.
pub(crate) async fn list(State(platform): State<Shared>) -> Result<Json<Images>, ApiError> {
    let images = platform.images().await?.into_iter().map(Image::from).collect();
    Ok(Json(Images { images }))
}

/// The findings of one image, the worst first.
pub(crate) async fn findings(
    State(platform): State<Shared>,
    Path(digest): Path<String>,
) -> Result<Json<Report>, ApiError> {
    let digest = digest
        .parse()
        .map_err(|error: tidewaiter_platform::InvalidDigest| ApiError::bad_request(error.to_string()))?;
    let detail = platform.image(&digest).await?;
    let image = ReportedImage {
        name: detail.summary.names.first().cloned().unwrap_or_else(|| digest.to_string()),
        digest: Some(digest.to_string()),
        platform: detail.summary.platform,
        distro: detail.summary.distro,
    };
    Ok(Json(Report { image, findings: detail.findings, problems: detail.problems }))
}
