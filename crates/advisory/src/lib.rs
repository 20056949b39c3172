//! What is known to be wrong: feeds, the compiled database, version orders, matching, findings.
//!
//! [`build`] compiles published advisory data ([OSV](https://ossf.github.io/osv-schema/) records, the KEV
//! catalogue, EPSS scores) into one file; [`Database::open`] maps it; [`match_inventory`] holds what is
//! inside an image against it. All three are pure: they are handed paths and times and return values.
//!
//! The way of an advisory through the modules: [`feeds`] reads it, [`compile`] reduces and resolves it,
//! [`database`] stores it, [`range`] and [`versions`] decide whether a version is affected, [`matching`] makes
//! a finding of it, for the release that [`distro`] says.

mod compile;
mod database;
mod distro;
mod error;
mod feeds;
mod matching;
mod naming;
mod range;
mod severity;
pub mod versions;
pub mod vex;

pub use compile::{BuildOptions, BuildReport, Skipped, Source, Unreadable, build, check};
pub use database::{Advisory, ChangedPackage, Database, DatabaseId, EcosystemCount, PackageChange};
pub use error::Error;
pub use feeds::SourceKind;
pub use feeds::record::Reference;
pub use matching::{
    Epss, Explanation, Finding, Fix, FixState, Gap, GapKind, Kev, Matches, RecordMatch, Suppressed, Trace,
    Undecided, match_component, match_inventory, suppression, trace,
};
pub use severity::{Score, Severity, SeveritySource, UnknownSeverity};
