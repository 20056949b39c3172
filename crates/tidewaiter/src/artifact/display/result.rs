//! Results as data: the shapes of `--format json` and of what templates see.

use serde::Serialize;
use tidewaiter_oci::descriptor::Annotations;
use tidewaiter_oci::graph::Referrer;
use tidewaiter_oci::{Descriptor, Platform};

/// A piece of content and where it is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Described {
    reference: String,
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
}

impl Described {
    /// Content of the repository or layout at `path`.
    pub(crate) fn new(path: &str, descriptor: &Descriptor) -> Self {
        Self {
            reference: format!("{path}@{}", descriptor.digest),
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.to_string(),
            size: descriptor.size,
            annotations: descriptor.annotations.clone().filter(|annotations| !annotations.is_empty()),
            artifact_type: descriptor.artifact_type.clone().filter(|artifact_type| !artifact_type.is_empty()),
        }
    }
}

/// What `push` made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pushed {
    #[serde(flatten)]
    pub(crate) described: Described,
    /// References by all its tags.
    pub(crate) reference_as_tags: Vec<String>,
}

/// A file that `pull` wrote.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PulledFile {
    /// Absolute; a directory's ends with the separator.
    pub(crate) path: String,
    #[serde(flatten)]
    pub(crate) described: Described,
}

/// What `pull` wrote.
#[derive(Debug, Serialize)]
pub(crate) struct Pulled {
    pub(crate) reference: String,
    pub(crate) files: Vec<PulledFile>,
}

/// A manifest with its content, as `manifest fetch` gives it.
#[derive(Debug, Serialize)]
pub(crate) struct Fetched {
    #[serde(flatten)]
    pub(crate) described: Described,
    /// Parsed; absent when the bytes are no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<serde_json::Value>,
}

/// A manifest and what refers to it.
#[derive(Debug, Serialize)]
pub(crate) struct Discovered {
    #[serde(flatten)]
    described: Described,
    referrers: Vec<Self>,
}

impl Discovered {
    pub(crate) fn new(path: &str, subject: &Descriptor, referrers: &[Referrer]) -> Self {
        let below = |referrer: &Referrer| Self::new(path, &referrer.descriptor, &referrer.referrers);
        Self { described: Described::new(path, subject), referrers: referrers.iter().map(below).collect() }
    }
}

/// The same, with the direct referrers once more under the name that they had until ORAS 1.2: tutorials and
/// scripts that still say `-o json` read `.manifests[0].digest`.
#[derive(Debug, Serialize)]
pub(crate) struct DiscoveredCompatibly {
    #[serde(flatten)]
    pub(crate) discovered: Discovered,
    pub(crate) manifests: Vec<Described>,
}

/// What `repo ls` found.
#[derive(Debug, Serialize)]
pub(crate) struct Repositories {
    pub(crate) registry: String,
    pub(crate) repositories: Vec<String>,
}

/// What `repo tags` found.
#[derive(Debug, Serialize)]
pub(crate) struct Tags {
    pub(crate) tags: Vec<String>,
}

/// A descriptor as `--descriptor` prints it: what only its place says of it is left out, but for the platform that it
/// was chosen by.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plain {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations>,
}

impl Plain {
    /// The descriptor as its place has it, an entry of a layout.
    pub(crate) fn entry(descriptor: &Descriptor) -> Self {
        Self { annotations: descriptor.annotations.clone(), ..Self::chosen(descriptor) }
    }

    /// The descriptor with the platform it was chosen by in its index.
    pub(crate) fn chosen(descriptor: &Descriptor) -> Self {
        Self { platform: descriptor.platform.clone(), ..Self::from(descriptor) }
    }
}

impl From<&Descriptor> for Plain {
    fn from(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.to_string(),
            size: descriptor.size,
            platform: None,
            annotations: None,
        }
    }
}
