//! What the templates show: texts made from the platform's values.

use std::collections::{BTreeSet, HashMap};

use tidewaiter_platform::Severity;
use tidewaiter_platform::clock::rfc3339;
use tidewaiter_platform::images::{ArtifactSummary, ImageSummary, Listing, SeverityCounts, State};
use tidewaiter_platform::report::ReportedFinding;
use tidewaiter_platform::{LayerFacts, Problem};

/// What something in a registry is called.
pub(crate) struct Named {
    pub(crate) digest: String,
    names: Vec<String>,
}

impl Named {
    /// The first of its names, else its digest.
    pub(crate) fn title(&self) -> &str {
        self.names.first().unwrap_or(&self.digest)
    }

    pub(crate) fn more_names(&self) -> &[String] {
        self.names.get(1..).unwrap_or_default()
    }

    pub(crate) fn short_digest(&self) -> &str {
        self.digest.get(..19).unwrap_or(&self.digest)
    }
}

/// An image as a row, and at the head of its own page.
pub(crate) struct ImageRow {
    pub(crate) named: Named,
    pub(crate) platform: String,
    pub(crate) components: i64,
    pub(crate) findings: Chips,
    state: State,
    failure: Option<String>,
    distro: Option<String>,
    size: i64,
    unjudged: i64,
}

impl ImageRow {
    pub(crate) fn new(image: ImageSummary) -> Self {
        Self {
            findings: Chips(image.findings),
            named: Named { digest: image.digest, names: image.names },
            platform: image.platform,
            components: image.components,
            state: image.state,
            failure: image.failure,
            distro: image.distro,
            size: image.size,
            unjudged: image.unjudged,
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.state == State::Failed
    }

    /// Analysed, and some components wait to be matched.
    pub(crate) fn is_judging(&self) -> bool {
        self.state == State::Analysed && self.unjudged > 0
    }

    /// Analysed, and everything matched.
    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Analysed && self.unjudged == 0
    }

    pub(crate) fn failure(&self) -> &str {
        self.failure.as_deref().unwrap_or_default()
    }

    pub(crate) fn system(&self) -> &str {
        self.distro.as_deref().unwrap_or("–")
    }

    pub(crate) fn size_text(&self) -> String {
        size_text(u64::try_from(self.size).unwrap_or_default())
    }
}

/// A row of the list: an image, or the images of an index, one per platform.
pub(crate) struct ImageGroup {
    pub(crate) named: Named,
    pub(crate) pushed: String,
    /// The images, in the order of their platforms; none in an index without any.
    pub(crate) images: Vec<ImageRow>,
    /// What speaks of them, each once.
    pub(crate) artifacts: String,
}

/// The rows of the list, the one pushed last first: images of one index together.
pub(crate) fn groups(listing: Listing) -> Vec<ImageGroup> {
    let mut groups: Vec<ImageGroup> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut artifacts: Vec<BTreeSet<String>> = Vec::new();
    for image in listing.images {
        let digest = image.indexes.first().unwrap_or(&image.digest).clone();
        let place = *places.entry(digest.clone()).or_insert(groups.len());
        if place == groups.len() {
            let (names, pushed) = (image.names.clone(), rfc3339(image.pushed_at));
            let named = Named { digest, names };
            groups.push(ImageGroup { named, pushed, images: Vec::new(), artifacts: String::new() });
            artifacts.push(BTreeSet::new());
        }
        artifacts[place].extend(image.artifacts.iter().flat_map(labels));
        groups[place].images.push(ImageRow::new(image));
    }
    for artifact in &listing.artifacts {
        for place in artifact.subjects.iter().filter_map(|subject| places.get(subject)) {
            artifacts[*place].extend(labels(artifact));
        }
    }
    for (group, artifacts) in groups.iter_mut().zip(artifacts) {
        group.images.sort_by(|one, other| one.platform.cmp(&other.platform));
        group.artifacts = artifacts.into_iter().collect::<Vec<_>>().join(", ");
    }
    groups.extend(listing.empty_indexes.into_iter().map(|index| ImageGroup {
        named: Named { digest: index.digest, names: index.names },
        pushed: rfc3339(index.pushed_at),
        images: Vec::new(),
        artifacts: String::new(),
    }));
    groups.sort_by(|one, other| other.pushed.cmp(&one.pushed));
    groups
}

/// What an artifact is, in words: what an attestation states says more than that it is one.
fn labels(artifact: &ArtifactSummary) -> Vec<String> {
    if artifact.states.is_empty() { vec![artifact.role.clone()] } else { artifact.states.clone() }
}

/// An artifact as a row.
pub(crate) struct ArtifactRow {
    pub(crate) named: Named,
    pub(crate) label: String,
    pub(crate) artifact_type: String,
    pub(crate) size: String,
    pub(crate) pushed: String,
    /// What it speaks of.
    pub(crate) subjects: Vec<String>,
}

impl ArtifactRow {
    pub(crate) fn new(artifact: &ArtifactSummary) -> Self {
        Self {
            named: Named { digest: artifact.digest.clone(), names: artifact.names.clone() },
            label: labels(artifact).join(", "),
            artifact_type: artifact.artifact_type.clone(),
            size: size_text(u64::try_from(artifact.size).unwrap_or_default()),
            pushed: rfc3339(artifact.pushed_at),
            subjects: artifact.subjects.clone(),
        }
    }
}

/// A size as people read it, in units of 1000.
pub(crate) fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "kB", "MB", "GB"];
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// The counts per severity, the worst first.
pub(crate) struct Chips(SeverityCounts);

/// A severity with the letter that stands for it.
pub(crate) struct Chip(Severity);

impl std::fmt::Display for Chip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Chip {
    pub(crate) fn letter(&self) -> char {
        self.0.as_str().chars().next().map_or('?', |letter| letter.to_ascii_uppercase())
    }
}

impl Chips {
    /// The four usual severities always, the others where there is something to count.
    pub(crate) fn shown(&self) -> Vec<(Chip, u64)> {
        let counts = Severity::ALL
            .into_iter()
            .rev()
            .map(|severity| (severity, self.0.get(&severity).copied().unwrap_or_default()));
        counts
            .filter(|(severity, count)| *count > 0 || *severity >= Severity::Low)
            .map(|(severity, count)| (Chip(severity), count))
            .collect()
    }
}

/// A finding as a row.
pub(crate) struct FindingRow {
    pub(crate) id: String,
    pub(crate) aliases: String,
    pub(crate) severity: Severity,
    pub(crate) summary: String,
    pub(crate) package: String,
    pub(crate) source: String,
    pub(crate) version: String,
    pub(crate) fix: String,
    pub(crate) layer: String,
    pub(crate) diff_id: String,
    pub(crate) path: String,
}

impl FindingRow {
    pub(crate) fn new(finding: &ReportedFinding) -> Self {
        let source = finding.package.source.as_ref().filter(|source| source.name != finding.package.name);
        Self {
            id: finding.id.clone(),
            aliases: finding.aliases.join(", "),
            severity: finding.severity,
            summary: finding.summary.clone(),
            package: finding.package.name.clone(),
            source: source.map(|source| format!("{} {}", source.name, source.version)).unwrap_or_default(),
            version: finding.package.version.clone(),
            fix: finding.fix.to_text(),
            layer: finding.layer.as_ref().map(|layer| layer.ordinal.to_string()).unwrap_or_default(),
            diff_id: finding.layer.as_ref().map(|layer| layer.diff_id.clone()).unwrap_or_default(),
            path: finding.path.clone().unwrap_or_default(),
        }
    }
}

/// A layer as a row.
pub(crate) struct LayerRow {
    pub(crate) ordinal: u32,
    pub(crate) created_by: String,
    pub(crate) size: String,
    pub(crate) digest: String,
}

impl LayerRow {
    pub(crate) fn new(layer: &LayerFacts) -> Self {
        Self {
            ordinal: layer.ordinal,
            created_by: layer.created_by.clone().unwrap_or_default(),
            size: size_text(layer.size),
            digest: layer.digest.clone(),
        }
    }
}

/// A problem as a sentence with its place.
pub(crate) fn problem_text(problem: &Problem) -> String {
    let place = [&problem.path, &problem.position];
    let place = place.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
    if place.is_empty() { problem.reason.clone() } else { format!("{place}: {}", problem.reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_a_unit() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (28_300_000, "28.3 MB"),
            (5_000_000_000_000, "5000.0 GB"),
        ] {
            assert_eq!(size_text(bytes), expected);
        }
    }

    #[test]
    fn the_worst_comes_first_and_usual_severities_are_always_shown() {
        let counts = Chips(SeverityCounts::from([(Severity::Low, 2), (Severity::Unknown, 1)]));
        let shown: Vec<_> =
            counts.shown().into_iter().map(|(chip, count)| (chip.to_string(), count)).collect();
        let expected = [("critical", 0), ("high", 0), ("medium", 0), ("low", 2), ("unknown", 1)];
        assert_eq!(shown, expected.map(|(name, count)| (name.to_owned(), count)));
    }
}
