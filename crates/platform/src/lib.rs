//! What an organisation knows: images, what they hold, what is wrong with them, and who may look.
//!
//! [`Platform`] is the whole of it. [`pipeline`] turns pushes into reports, [`images`] answers what is known,
//! [`access`] says who may ask, [`analysis`] and [`source`] read images for the pipeline and for the command
//! line alike, [`report`] is the shape in which findings leave the house.

pub mod access;
pub mod advisories;
pub mod analysis;
pub mod base_images;
pub mod cache;
pub mod clock;
mod error;
pub mod feeds;
pub mod images;
pub mod objects;
pub mod pipeline;
pub use tidewaiter_report as report;
pub mod source;

pub use error::{Error, ErrorKind, Result};
/// Shapes of the rooms below that the platform's answers are made of, for those who know only the platform.
pub use tidewaiter_advisory::{Severity, Undecided};
pub use tidewaiter_inventory::sbom::{Format as DocumentFormat, UnknownFormat};
pub use tidewaiter_inventory::{LayerFacts, Problem};
pub use tidewaiter_oci::Digest;
pub use tidewaiter_oci::digest::InvalidDigest;

use tidewaiter_db::Db;
use tidewaiter_registry::Registry;

use access::Access;
use advisories::Advisories;
use clock::Clock;
use objects::Objects;

/// The platform: everything its parts share.
#[derive(Debug)]
pub struct Platform {
    /// The database.
    pub db: Db,
    /// The embedded registry, whose pushes are analysed.
    pub registry: Registry,
    /// The address under which people reach the embedded registry, for showing names.
    pub registry_address: String,
    /// Fragments and inventories.
    pub objects: Objects,
    /// The advisory database in use.
    pub advisories: Advisories,
    /// Who may look.
    pub access: Access,
    /// The time.
    pub clock: Clock,
    /// Name of this process among those that share the database, for the leases of its jobs.
    pub instance: String,
}
