//! The model of what is inside an image: the shapes that `advisory`, `platform` and every report lean on.
//!
//! A [`Fragment`](crate::Fragment) says what one layer adds, hides and replaces; merging the fragments of
//! an image, bottom first, gives an [`Inventory`]. Evidence is kept and verdicts are derived elsewhere:
//! nothing is left out here because a later rule would ignore it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one image holds: facts about the image, its operating system, its components.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Facts from the manifest and the image configuration.
    pub image: ImageFacts,
    /// The operating system the root file system names in its `os-release`, when it has one.
    pub distro: Option<Distro>,
    /// Everything found in the final file system, sorted by (kind, name, version, first location).
    pub components: Vec<Component>,
    /// What could not be read, and what of it that costs.
    pub problems: Vec<Problem>,
}

/// Facts about the image that its manifest and configuration state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// GOOS-style operating system, for example `linux`.
    pub os: String,
    /// GOARCH-style architecture, for example `amd64`.
    pub architecture: String,
    /// Architecture variant, for example `v8`.
    pub variant: Option<String>,
    /// Creation time as the configuration spells it (RFC 3339).
    pub created: Option<String>,
    /// Author as the configuration spells it.
    pub author: Option<String>,
    /// Labels of the configuration.
    pub labels: BTreeMap<String, String>,
    /// Environment of the configuration, `NAME=value` each, in order.
    pub env: Vec<String>,
    /// Entry point of the configuration.
    pub entrypoint: Vec<String>,
    /// Default command of the configuration.
    pub cmd: Vec<String>,
    /// User of the configuration; empty is root.
    pub user: String,
    /// The layers, bottom first.
    pub layers: Vec<LayerFacts>,
    /// The history of the configuration, bottom first.
    pub history: Vec<HistoryEntry>,
}

/// One layer of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFacts {
    /// Position from the bottom, from 0.
    pub ordinal: u32,
    /// Digest of the layer as stored in the registry (compressed), `algorithm:hex`.
    pub digest: String,
    /// Digest of the uncompressed tar, `algorithm:hex`.
    pub diff_id: String,
    /// Size as stored, in bytes.
    pub size: u64,
    /// Size of the uncompressed tar, in bytes.
    pub uncompressed_size: u64,
    /// The history entry that made this layer, when the configuration says so.
    pub created_by: Option<String>,
}

/// One step of how the image was built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The command of the step.
    pub created_by: String,
    /// RFC 3339 time of the step.
    pub created: Option<String>,
    /// Comment of the step.
    pub comment: Option<String>,
    /// The step made no layer.
    pub empty_layer: bool,
}

/// An operating system, from `os-release(5)`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distro {
    /// `ID`, lower case, for example `debian`.
    pub id: String,
    /// `VERSION_ID`, for example `12` or `3.19.1`; absent on rolling releases.
    pub version_id: Option<String>,
    /// `VERSION_CODENAME`, for example `bookworm`.
    pub codename: Option<String>,
    /// `PRETTY_NAME`.
    pub pretty_name: Option<String>,
    /// `ID_LIKE`, split at white space.
    pub id_like: Vec<String>,
}

/// What sort of thing a component is, which decides its purl type and how advisories are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComponentKind {
    /// A Debian package (dpkg).
    Deb,
    /// An Alpine package (apk).
    Apk,
    /// A package of the npm registry.
    Npm,
    /// A Python distribution.
    Pypi,
}

impl ComponentKind {
    /// The purl type: `deb`, `apk`, `npm`, `pypi`.
    #[must_use]
    pub fn purl_type(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Npm => "npm",
            Self::Pypi => "pypi",
        }
    }
}

/// One installed package, with the evidence for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// What sort of package.
    pub kind: ComponentKind,
    /// Name as its ecosystem spells it (`@scope/name` for scoped npm packages, normalised for Python).
    pub name: String,
    /// Installed version, as found, epoch and all.
    pub version: String,
    /// Package URL with distro and architecture qualifiers where they apply.
    pub purl: String,
    /// The source package this one was built from; always present for dpkg and apk.
    pub source: Option<SourcePackage>,
    /// Architecture as the package database spells it.
    pub architecture: Option<String>,
    /// Licence expressions or names as found.
    pub licenses: Vec<String>,
    /// The component that owns this one's files (`purl`), when an operating system package does.
    pub owner: Option<String>,
    /// Where it was found.
    pub evidence: Vec<Evidence>,
}

/// A source package: what distribution advisories name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Source name.
    pub name: String,
    /// Source version, which may differ from the binary version.
    pub version: String,
}

/// One place that shows a component is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// Path in the image without leading slash, for example `var/lib/dpkg/status`.
    pub path: String,
    /// The layer that brought it: its position from the bottom.
    pub layer: u32,
    /// `diff_id` of that layer.
    pub diff_id: String,
}

/// Something in the content that could not be understood; it never fails an analysis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// `diff_id` or digest of the layer, when it belongs to one.
    pub layer: Option<String>,
    /// Path in the image without leading slash, when it belongs to a file.
    pub path: Option<String>,
    /// Byte offset or line within that file, when known, as `byte 12` or `line 3`.
    pub position: Option<String>,
    /// One sentence: what is wrong and what was left out because of it.
    pub reason: String,
}
