//! What one layer adds, hides and replaces, and what its interesting files say.
//!
//! A fragment belongs to one layer alone, whatever lies below or above it, so it can be kept for as long as
//! [`FRAGMENT_VERSION`] stays and used for every image that has the layer.

mod builder;
mod toc;

use serde::{Deserialize, Serialize};

pub(crate) use builder::{Builder, Interest};
pub use toc::Entry;
pub(crate) use toc::Toc;

use crate::model::{Component, ComponentKind, Confidence, Distro, EvidenceKind, Problem, SourcePackage};
use crate::purl;

/// Changes whenever a layer would be read differently: other files are looked at, or more is kept of them.
/// Fragments of another version are to be dropped and their layers read again.
pub const FRAGMENT_VERSION: u32 = 9;

/// What one layer does to the file system and what its package databases and other telling files hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    version: u32,
    /// Digest of the uncompressed tar, `sha256:hex`; empty for a directory.
    pub diff_id: String,
    /// Size of the layer as stored, in bytes.
    pub size: u64,
    /// Size of the uncompressed tar, in bytes.
    pub uncompressed_size: u64,
    /// What could not be understood.
    pub problems: Vec<Problem>,
    pub(crate) toc: Toc,
    pub(crate) contents: Vec<Kept>,
}

/// What is kept of one interesting file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The room that read it ([`Room::name`](crate::packages::Room)); empty when it names the operating system.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) room: String,
    pub(crate) content: Content,
}

/// What an interesting file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content {
    /// The packages it describes.
    Packages(Vec<Package>),
    /// The paths that a package of this name (`name`, `name:architecture`) owns, as far as they matter.
    Owned { package: String, paths: Vec<String> },
    /// The licences of the package whose directory it is in.
    Licenses(Vec<String>),
    /// Its text, for the small files that name the operating system.
    Text(String),
}

impl Content {
    /// The packages it describes; none when it is something else.
    pub(crate) fn packages(&self) -> &[Package] {
        match self {
            Self::Packages(packages) => packages,
            Self::Owned { .. } | Self::Licenses(_) | Self::Text(_) => &[],
        }
    }
}

/// A package as its database describes it, before anything is known about the image around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) kind: ComponentKind,
    pub(crate) name: String,
    pub(crate) version: String,
    /// The package URL, where the evidence states it and the parts do not make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) purl: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<SourcePackage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) architecture: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) licenses: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vendor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maintainer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) modularity: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) cpes: Vec<String>,
    /// Paths it owns, where the database itself lists them and as far as they matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) owns: Vec<String>,
    /// What it needs, as it says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) requires: Vec<Requirement>,
    /// Other names under which packages of its kind may require it, such as `so:libc.musl-x86_64.so.1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) provides: Vec<String>,
    /// Position in the same file's list of the package that contains this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inside: Option<u32>,
    /// Path inside the file, when that is an archive ([`Evidence::member`](crate::Evidence)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) proof: EvidenceKind,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) confidence: Confidence,
}

/// A package that another one of the same kind needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Requirement {
    pub(crate) name: String,
    /// The exact version, where that is known (lock files, build information); no range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Package {
    /// A package of which nothing more is known yet.
    pub(crate) fn new(
        kind: ComponentKind,
        name: impl Into<String>,
        version: impl Into<String>,
        proof: EvidenceKind,
    ) -> Self {
        Self {
            kind,
            name: name.into(),
            version: version.into(),
            purl: None,
            source: None,
            architecture: None,
            licenses: Vec::new(),
            vendor: None,
            maintainer: None,
            modularity: None,
            cpes: Vec::new(),
            owns: Vec::new(),
            requires: Vec::new(),
            provides: Vec::new(),
            inside: None,
            member: None,
            proof,
            confidence: Confidence::High,
        }
    }

    /// The component this package is in an image of that operating system, before its evidence is known.
    pub(crate) fn component(&self, distro: Option<&Distro>) -> Component {
        Component {
            source: self.source.clone(),
            architecture: self.architecture.clone(),
            licenses: self.licenses.clone(),
            vendor: self.vendor.clone(),
            maintainer: self.maintainer.clone(),
            modularity: self.modularity.clone(),
            cpes: self.cpes.clone(),
            ..Component::new(self.kind, &self.name, &self.version, purl::of(self, distro))
        }
    }
}

/// Stored bytes are not a fragment of this version: drop them and read the layer again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored fragment was not written by this version; its layer must be read again")]
pub struct StaleFragment;

/// Zstandard level for stored fragments: 1 is within ten percent of 3 on them, at twice the speed.
const STORED_LEVEL: i32 = 1;

/// A stored fragment may unpack to this many bytes at most.
const STORED_LIMIT: u64 = 1 << 30;

impl Fragment {
    /// What the layer does to the file system: a path without leading slash and what happens there, in the order
    /// of the archive.
    pub fn entries(&self) -> impl Iterator<Item = (String, Entry<'_>)> {
        let mut reader = self.toc.reader();
        std::iter::from_fn(move || reader.next().map(|(path, entry)| (path.to_owned(), entry)))
    }

    /// The fragment as compressed bytes for a cache. About 20 bytes per file of the layer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("a fragment has string keys and plain values");
        zstd::bulk::compress(&json, STORED_LEVEL).expect("compressing into memory")
    }

    /// Reads what [`encode`](Self::encode) wrote. Anything else, including the bytes of another
    /// [`FRAGMENT_VERSION`], is stale.
    pub fn decode(bytes: &[u8]) -> Result<Self, StaleFragment> {
        use std::io::Read as _;
        let unpacked = zstd::stream::read::Decoder::new(bytes).map_err(|_| StaleFragment)?;
        let mut json = Vec::new();
        unpacked.take(STORED_LIMIT).read_to_end(&mut json).map_err(|_| StaleFragment)?;
        let fragment: Self = serde_json::from_slice(&json).map_err(|_| StaleFragment)?;
        fragment.checked()
    }

    /// The fragment, when it is one of this version and whole. For those who store it with serde themselves.
    pub fn checked(self) -> Result<Self, StaleFragment> {
        let sound = self.version == FRAGMENT_VERSION && self.toc.is_sound(self.contents.len());
        if sound { Ok(self) } else { Err(StaleFragment) }
    }
}
