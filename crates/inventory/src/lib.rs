//! What is inside an image: layers, fragments, components with evidence.
//!
//! The way of an image through this crate: [`layer::read`] takes the stored bytes of one layer, streams them
//! once and returns a [`Fragment`] (what the layer adds, hides and replaces). [`merge()`] lays the fragments of
//! an image over each other, bottom first, and returns the [`Inventory`]. [`rootfs::read`] makes one fragment
//! from a directory instead. [`sbom`] writes an inventory down for others.
//!
//! The crate is handed readers and returns values, on a blocking thread: no network, no async, no environment,
//! no clock. Content never fails an analysis: what cannot be understood becomes a [`Problem`], and only reading
//! itself is an error ([`ReadError`]).

mod archive;
mod base;
mod error;
mod fragment;
#[doc(hidden)]
pub mod fuzzing;
mod image;
pub mod layer;
mod limits;
mod merge;
pub mod model;
mod os_release;
mod packages;
mod path;
mod problems;
mod provenance;
mod purl;
pub mod rootfs;
pub mod sbom;

pub use base::{Catalogue, KnownImage, chain_ids};
pub use error::ReadError;
pub use fragment::{Entry, FRAGMENT_VERSION, Fragment, StaleFragment};
pub use layer::LayerSource;
pub use limits::Limits;
pub use merge::{ManifestFacts, merge};
pub use model::*;
pub use packages::inspect;
pub use provenance::{Provenance, UsedImage};
pub use purl::Purl;
