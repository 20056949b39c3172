//! What could not be judged, put into words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidewaiter_inventory::{ComponentKind, Distro};

use super::lookup::{self, Missing};
use crate::database::Database;
use crate::distro::{self, Release};

/// Something that was not judged, or not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What sort of gap.
    pub kind: GapKind,
    /// How many packages it leaves out; 0 when it leaves out none but makes the judgement doubtful.
    pub packages: u64,
    /// The whole of it in a sentence or two.
    pub text: String,
}

/// Sorts of gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapKind {
    /// The image names no operating system.
    NoSystem,
    /// No advisories are known for the operating system.
    UnknownSystem,
    /// The operating system is out of support: nobody says any more what is wrong with it.
    EndOfLife,
    /// The system was judged by the advisories of another one.
    OtherSystem,
    /// The packages are of another package manager than the operating system's.
    PackageManager,
    /// The packages were not made by the distribution.
    ThirdParty,
    /// The database holds no records of these packages.
    NotCovered,
    /// Nothing is known about advisories for packages of this kind.
    NotRead,
    /// The packages do not say the name that advisories know them by.
    NoName,
}

impl GapKind {
    /// Whether an operating system was left without a judgement that can be relied on.
    #[must_use]
    pub fn is_of_system(self) -> bool {
        matches!(self, Self::NoSystem | Self::UnknownSystem | Self::EndOfLife | Self::NotCovered)
    }
}

/// What is doubtful about judging a system at all.
pub(super) fn of_system(database: &Database, distro: &Distro, now: Timestamp) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let name = describe(distro);
    match distro::release(distro) {
        Release::Rolling(family) => gaps.extend(lookup::newest(database, family).map(|newest| {
            other_system(format!(
                "{name} is a rolling release that nobody publishes advisories for; its packages were judged by those of \
                 {newest}, the newest release the advisory database covers. What is fixed only in newer packages may be \
                 missing or too much.",
            ))
        })),
        Release::Like(_) => gaps.push(other_system(format!(
            "No advisories are known for {name}; its packages were judged by those of Red Hat Enterprise Linux, which it \
             says it is like."
        ))),
        _ => {}
    }
    gaps.extend(database.end_of_support(distro).filter(|end| end.at <= now).map(|end| Gap {
        kind: GapKind::EndOfLife,
        packages: 0,
        text: format!(
            "{name} has been out of support since {}: that nothing is found is no sign that nothing is there.",
            end.date
        ),
    }));
    gaps
}

fn other_system(text: String) -> Gap {
    Gap { kind: GapKind::OtherSystem, packages: 0, text }
}

/// Packages that could not be looked up.
pub(super) fn of_packages(
    database: &Database,
    distro: Option<&Distro>,
    missing: &Missing,
    kind: ComponentKind,
    count: u64,
) -> Gap {
    let packages = packages(kind, count);
    let system = distro.map_or_else(|| "the operating system".to_owned(), describe);
    let (kind, text) = match missing {
        Missing::Order => (
            GapKind::NotRead,
            format!(
                "{packages} are listed and not judged: nobody publishes advisories that Tidewaiter can match them with."
            ),
        ),
        Missing::Distro => (
            GapKind::NoSystem,
            format!(
                "The image names no operating system (it has no os-release file), so {packages} could not be judged."
            ),
        ),
        Missing::KnownDistro => (
            GapKind::UnknownSystem,
            format!("No advisories are known for {system}, so {packages} could not be judged."),
        ),
        Missing::PackageManager => (
            GapKind::PackageManager,
            format!("{packages} could not be judged: {system} has another package manager."),
        ),
        Missing::Group => (
            GapKind::NoName,
            format!(
                "{packages} could not be judged: their archives name no group, and advisories know them by group and artifact."
            ),
        ),
        Missing::OwnPackage(vendor) => (
            GapKind::ThirdParty,
            format!(
                "{packages} of {vendor:?} could not be judged: they are not of {system}, whose advisories are about its own packages."
            ),
        ),
        Missing::Coverage(ecosystem) => {
            let family = ecosystem.split(':').next().unwrap_or_default();
            let covered: Vec<&str> = database
                .ecosystems()
                .iter()
                .map(|covered| covered.name.as_str())
                .filter(|covered| covered.split(':').next() == Some(family) && *covered != family)
                .collect();
            let covered = match covered.as_slice() {
                [] => String::new(),
                [first, .., last] if covered.len() > 12 => format!(" (it does for {first} to {last})"),
                covered => format!(" (it does for {})", covered.join(", ")),
            };
            let text = format!(
                "The advisory database holds nothing for {ecosystem}{covered}, so {packages} could not be judged. Build \
                 one from newer or more data with `tidewaiter db build`."
            );
            (GapKind::NotCovered, text)
        }
    };
    Gap { kind, packages: count, text }
}

fn packages(kind: ComponentKind, count: u64) -> String {
    let name = match kind {
        ComponentKind::Deb => "Debian",
        ComponentKind::Apk => "Alpine",
        ComponentKind::Npm => "npm",
        ComponentKind::Pypi => "Python",
        ComponentKind::Rpm => "RPM",
        ComponentKind::Golang => "Go",
        ComponentKind::Cargo => "Rust",
        ComponentKind::Maven => "Java",
        ComponentKind::Nuget => ".NET",
        ComponentKind::Gem => "Ruby",
        ComponentKind::Composer => "PHP",
        ComponentKind::Generic => "unpackaged binary",
        ComponentKind::Other => "other",
    };
    if count == 1 { format!("1 {name} package") } else { format!("{count} {name} packages") }
}

fn describe(distro: &Distro) -> String {
    let named = distro.pretty_name.clone().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| {
        format!("{} {}", distro.id, distro.version_id.as_deref().unwrap_or_default()).trim_end().to_owned()
    })
}
