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
    /// The images it stands on, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub base_images: Vec<BaseImage>,
    /// Other roots inside the image: directories with a package database of their own. Sorted by directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<NestedRoot>,
    /// Everything found in the final file system, sorted by (kind, name, version, first location).
    pub components: Vec<Component>,
    /// What could not be read, and what of it that costs.
    pub problems: Vec<Problem>,
}

impl Inventory {
    /// The operating system that a component of this inventory belongs to: that of its nested root when it is in
    /// one, otherwise that of the image.
    #[must_use]
    pub fn distro_of(&self, component: &Component) -> Option<&Distro> {
        match &component.root {
            None => self.distro.as_ref(),
            Some(path) => self.roots.iter().find(|root| root.path == *path)?.distro.as_ref(),
        }
    }
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
    /// Working directory of the configuration; empty is `/`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Ports that the configuration exposes, `80/tcp` each, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposed_ports: Vec<String>,
    /// Annotations of the manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Where the source code is: from provenance, else from annotations and labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_repository: Option<String>,
    /// The commit it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_revision: Option<String>,
    /// The layers, bottom first.
    pub layers: Vec<LayerFacts>,
    /// The history of the configuration, bottom first.
    pub history: Vec<HistoryEntry>,
}

impl ImageFacts {
    /// `os/arch[/variant]`; empty when the configuration does not say.
    #[must_use]
    pub fn platform(&self) -> String {
        if self.os.is_empty() {
            return String::new();
        }
        let variant = self.variant.iter().map(|variant| format!("/{variant}")).collect::<String>();
        format!("{}/{}{variant}", self.os, self.architecture)
    }
}

/// An image that another one stands on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseImage {
    /// Its name; empty when only its layers are known.
    pub name: String,
    /// Digest of its manifest or index, when that is known.
    pub digest: Option<String>,
    /// How many of the lowest layers are its own; 0 when that is not known.
    pub layers: u32,
    /// What shows it.
    pub proof: BaseProof,
    /// Other images with the same layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
}

/// What shows which image another one stands on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseProof {
    /// The build's own record.
    Provenance,
    /// An annotation or a label.
    Stated,
    /// The same layers.
    Layers,
    /// The history of the configuration gives it away: a guess.
    #[default]
    History,
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

/// A directory inside the image that is the root of another system: a chroot, a build root, an unpacked image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedRoot {
    /// Path of the directory without leading slash, for example `srv/chroot/bookworm`.
    pub path: String,
    /// The operating system its own `os-release` names.
    pub distro: Option<Distro>,
}

/// What sort of thing a component is, which decides its purl type and how advisories are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComponentKind {
    /// A Debian package (dpkg).
    Deb,
    /// An Alpine package (apk).
    Apk,
    /// An RPM package.
    Rpm,
    /// A package of the npm registry.
    Npm,
    /// A Python distribution.
    Pypi,
    /// A Go module, or the Go standard library as `stdlib`.
    Golang,
    /// A Rust crate.
    Cargo,
    /// A Java artifact, named `group:artifact` (the artifact alone when the group is unknown).
    Maven,
    /// A .NET package.
    Nuget,
    /// A Ruby gem.
    Gem,
    /// A PHP package, named `vendor/name`.
    Composer,
    /// A program, runtime or library without a package, known by its bytes.
    Generic,
    /// A package of an ecosystem that has no kind of its own here; its purl says which.
    Other,
}

impl ComponentKind {
    /// The purl type: `deb`, `apk`, `npm`, `pypi` and so on; `generic` where the kind does not decide it.
    #[must_use]
    pub fn purl_type(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Golang => "golang",
            Self::Cargo => "cargo",
            Self::Maven => "maven",
            Self::Nuget => "nuget",
            Self::Gem => "gem",
            Self::Composer => "composer",
            Self::Generic | Self::Other => "generic",
        }
    }

    /// Whether the packages belong to an operating system, which then decides their advisories.
    #[must_use]
    pub fn is_os_package(self) -> bool {
        matches!(self, Self::Deb | Self::Apk | Self::Rpm)
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
    /// Who built the package, as the package database spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Who maintains the package, as found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintainer: Option<String>,
    /// The module stream of an RPM package, `name:stream:version:context`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modularity: Option<String>,
    /// Common platform enumeration names (`cpe:2.3:…`) that the evidence or its rule states.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpes: Vec<String>,
    /// The nested root it belongs to ([`NestedRoot::path`]); absent for the image's own root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The component that owns this one's files (`purl`), when an operating system package does.
    pub owner: Option<String>,
    /// Other components that this one needs or holds, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
    /// Where it was found.
    pub evidence: Vec<Evidence>,
}

impl Component {
    /// A component of which nothing more is known yet.
    #[must_use]
    pub fn new(
        kind: ComponentKind,
        name: impl Into<String>,
        version: impl Into<String>,
        purl: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            name: name.into(),
            version: version.into(),
            purl: purl.into(),
            source: None,
            architecture: None,
            licenses: Vec::new(),
            vendor: None,
            maintainer: None,
            modularity: None,
            cpes: Vec::new(),
            root: None,
            owner: None,
            relations: Vec::new(),
            evidence: Vec::new(),
        }
    }

    /// What the components of an inventory are sorted by.
    pub(crate) fn sort_key(&self) -> (ComponentKind, &str, &str, &str, &str) {
        let first = self.evidence.first().map_or("", |evidence| evidence.path.as_str());
        (self.kind, &self.name, &self.version, first, &self.purl)
    }
}

/// An edge from one component to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Relation {
    /// What the other one is to this one.
    pub kind: RelationKind,
    /// Package URL of the other one.
    pub purl: String,
}

/// What a component is to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationKind {
    /// It is needed to build or to run.
    DependsOn,
    /// It is built in: a module in a binary, an archive in an archive.
    Contains,
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
    /// Path inside that file, when it is an archive: `BOOT-INF/lib/a.jar`, nested archives separated by `!/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// What sort of proof it is.
    #[serde(default)]
    pub kind: EvidenceKind,
    /// How sure it makes.
    #[serde(default)]
    pub confidence: Confidence,
    /// The layer that brought it: its position from the bottom.
    pub layer: u32,
    /// `diff_id` of that layer.
    pub diff_id: String,
}

/// What sort of proof a place is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// The database of a package manager.
    Database,
    /// The metadata that a package itself installs.
    #[default]
    Metadata,
    /// A lock file: what was to be installed.
    LockFile,
    /// What the linker or compiler wrote into a binary about its parts.
    BuildInfo,
    /// Names and versions inside an archive, such as the manifest of a jar.
    Archive,
    /// A pattern in the bytes of a file.
    Pattern,
    /// The name of the file alone.
    FileName,
    /// An SBOM that lies in the image or comes with it.
    Sbom,
}

/// How sure a piece of evidence makes. `Low` is a guess that may be wrong in name or version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A guess.
    Low,
    /// Probably right.
    Medium,
    /// Stated by whoever installed or built it.
    #[default]
    High,
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
