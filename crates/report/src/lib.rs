//! Findings as documents: for people, for programs, for other tools.
//!
//! A [`Report`] is what is known to be wrong with one image. [`Selection`] says which of it is wanted, [`packages`] puts
//! it together by package, and every form it is written in has a module of its own. Writing is pure: names, times and
//! texts are handed in.

pub mod bills;
mod counts;
pub mod gitlab;
pub mod html;
pub mod markdown;
mod model;
pub mod packages;
pub mod sarif;
mod selection;
pub mod text;
mod weakness;

pub use counts::Counts;
pub use model::{
    AffectedRange, Location, Report, ReportedFinding, ReportedFix, ReportedImage, ReportedLayer,
    ReportedPackage, sort,
};
pub use selection::{Condition, Selection};

/// Where people read more about a vulnerability.
#[must_use]
pub fn link(id: &str) -> String {
    match id.split('-').next() {
        Some("GHSA") => format!("https://github.com/advisories/{id}"),
        _ => format!("https://osv.dev/vulnerability/{id}"),
    }
}
