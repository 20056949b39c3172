//! The pages: the list of images, and one image with its findings.

mod view;

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use tidewaiter_platform::{Platform, Undecided};

use crate::Shared;
use crate::api::images::parse_digest;
use crate::error::{PageError, render};
use view::{ArtifactRow, FindingRow, ImageGroup, ImageRow, LayerRow, problem_text};

#[derive(Template)]
#[template(path = "images.html")]
struct ImagesPage<'a> {
    groups: Vec<ImageGroup>,
    artifacts: Vec<ArtifactRow>,
    /// What is known of the advisory database; absent when there is none.
    advisories: Option<String>,
    registry: &'a str,
}

#[derive(Template)]
#[template(path = "image.html")]
struct ImagePage {
    image: ImageRow,
    layers: Vec<LayerRow>,
    findings: Vec<FindingRow>,
    artifacts: Vec<ArtifactRow>,
    gaps: Vec<String>,
    undecided: Vec<String>,
    problems: Vec<String>,
}

/// What cannot be told, a line for each component and reason.
fn undecided(all: &[Undecided]) -> Vec<String> {
    let mut lines: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for one in all {
        lines.entry((&one.component, &one.reason)).or_default().push(&one.id);
    }
    let line = |((component, reason), ids): ((&str, &str), Vec<&str>)| {
        format!("{component}: {reason} ({})", ids.join(", "))
    };
    lines.into_iter().map(line).collect()
}

fn advisories_line(platform: &Platform) -> Option<String> {
    let database = platform.advisories.current()?;
    let built = database.built_at().strftime("%Y-%m-%d %H:%M UTC");
    let mut line = format!("Advisories: {} records, database built {built}.", database.advisories());
    if let Some(failure) = platform.advisories.failure() {
        line.push_str(" A newer file could not be used: ");
        line.push_str(&failure);
    }
    Some(line)
}

/// `GET /`: all images.
pub(crate) async fn images(State(platform): State<Shared>) -> Result<Response, PageError> {
    let listing = platform.listing().await?;
    let artifacts = listing.artifacts.iter().map(ArtifactRow::new).collect();
    let groups = view::groups(listing);
    let advisories = advisories_line(&platform);
    Ok(render(&ImagesPage { groups, artifacts, advisories, registry: &platform.registry_address }))
}

/// `GET /images/{digest}`: one image.
pub(crate) async fn image(
    State(platform): State<Shared>,
    Path(digest): Path<String>,
) -> Result<Response, PageError> {
    let digest = parse_digest(&digest)?;
    let detail = platform.image(&digest).await?;
    let layers =
        detail.inventory.iter().flat_map(|inventory| &inventory.image.layers).map(LayerRow::new).collect();
    Ok(render(&ImagePage {
        artifacts: detail.summary.artifacts.iter().map(ArtifactRow::new).collect(),
        image: ImageRow::new(detail.summary),
        layers,
        findings: detail.findings.iter().map(FindingRow::new).collect(),
        gaps: detail.gaps.iter().map(|gap| gap.text.clone()).collect(),
        undecided: undecided(&detail.undecided),
        problems: detail.problems.iter().map(problem_text).collect(),
    }))
}
