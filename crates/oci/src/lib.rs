//! What a client knows of registries: names, digests, manifests, remotes, layouts, archives, copying.
//!
//! Start at [`content`]: small traits for stores of content, implemented by a [`remote`] repository, an OCI
//! [`layout`] directory, an [`archive`] and [`memory`]. Everything else either names things
//! ([`reference`](mod@reference), [`digest`], [`descriptor`], [`manifest`], [`platform`], [`media_type`]), or
//! moves them ([`copy`] between any two stores, [`graph`] for what hangs on an artifact, [`pack`] from files,
//! [`unpack`] to files).
//!
//! The crate prints nothing and reads no environment: proxies, credentials files and clocks are handed in.

pub mod archive;
mod blocking;
pub mod content;
pub mod copy;
pub mod credentials;
pub mod descriptor;
pub mod digest;
pub mod engine;
pub mod error;
pub mod graph;
mod json;
pub mod kind;
pub mod layout;
mod links;
pub mod manifest;
pub mod media_type;
pub mod memory;
mod object;
pub mod pack;
pub mod platform;
pub mod reference;
pub mod remote;
pub mod select;
mod tarball;
mod unnamed;
pub mod unpack;
pub mod verify;
mod watched;

pub use blocking::settled;
pub use content::{
    BlobReader, Delete, Fetch, Predecessors, Push, ReadTarget, Resolve, Tag as TagContent, Target,
};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, Hasher};
pub use error::{Error, ErrorKind, Result};
pub use manifest::{ImageManifest, Index, Manifest, View};
pub use platform::Platform;
pub use reference::{Reference, RepositoryName, TagName};
