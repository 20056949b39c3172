//! Version orders: one file per scheme, all of them total.
//!
//! Advisory ranges are only as good as the order they are walked with, so every scheme follows its own
//! package manager exactly, and has an answer for every string: what is not a version of the scheme sorts below
//! every version, and among itself byte by byte, unless the package manager itself orders it (dpkg, apk and rpm do).
//! Preparing a version parses it once; comparing prepared versions allocates nothing.

mod apk;
mod composer;
mod dpkg;
mod gem;
mod generic;
mod maven;
mod rpm;
mod semver;

use std::cmp::Ordering;
use std::str::FromStr as _;

use self::semver::Dialect;

/// Makes the order of a type out of its `compare`.
macro_rules! ordered {
    ($type:ty) => {
        impl Ord for $type {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.compare(other)
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $type {}
    };
}
use ordered;

/// How the versions of an ecosystem are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Debian's order, as `dpkg --compare-versions` has it.
    Dpkg,
    /// Alpine's order, as apk-tools 3 has it.
    Apk,
    /// RPM's order.
    Rpm,
    /// SemVer 2.0 precedence, read leniently: npm, Go, Rust, and every OSV `SEMVER` range.
    SemVer,
    /// Python's order, PEP 440.
    Pep440,
    /// RubyGems' order.
    Gem,
    /// Maven's order.
    Maven,
    /// NuGet's order: SemVer with up to four numbers, whatever the case of letters.
    NuGet,
    /// Composer's order, for Packagist.
    Composer,
    /// Dart's order: SemVer, and build metadata counts.
    Pub,
    /// Bitnami's order: SemVer, and its own revision does not count.
    Bitnami,
    /// The order of what comes without a package: numbers, letters behind them, what came before a release.
    Generic,
}

/// The families of OSV ecosystems whose versions we can order. Releases follow a colon: `Debian:12`.
const FAMILIES: [(&str, Scheme); 38] = [
    ("AlmaLinux", Scheme::Rpm),
    ("Alpaquita", Scheme::Apk),
    ("Alpine", Scheme::Apk),
    ("Amazon Linux", Scheme::Rpm),
    ("Azure Linux", Scheme::Rpm),
    ("BellSoft Hardened Containers", Scheme::Apk),
    ("Bitnami", Scheme::Bitnami),
    // What is known by the names of the CPE dictionary.
    ("CPE", Scheme::Generic),
    ("Chainguard", Scheme::Apk),
    ("Debian", Scheme::Dpkg),
    ("Echo", Scheme::Dpkg),
    ("Fedora", Scheme::Rpm),
    ("GitHub Actions", Scheme::SemVer),
    ("Go", Scheme::SemVer),
    ("Hex", Scheme::SemVer),
    ("Julia", Scheme::SemVer),
    ("Mageia", Scheme::Rpm),
    ("Maven", Scheme::Maven),
    ("MinimOS", Scheme::Apk),
    ("NuGet", Scheme::NuGet),
    ("Oracle Linux", Scheme::Rpm),
    ("Packagist", Scheme::Composer),
    ("Photon OS", Scheme::Rpm),
    ("Pub", Scheme::Pub),
    ("PyPI", Scheme::Pep440),
    ("Red Hat", Scheme::Rpm),
    ("Rocky Linux", Scheme::Rpm),
    ("RubyGems", Scheme::Gem),
    ("SUSE", Scheme::Rpm),
    ("SwiftURL", Scheme::SemVer),
    ("Ubuntu", Scheme::Dpkg),
    ("VSCode", Scheme::SemVer),
    ("Wolfi", Scheme::Apk),
    ("crates.io", Scheme::SemVer),
    ("npm", Scheme::SemVer),
    ("openEuler", Scheme::Rpm),
    ("openSUSE", Scheme::Rpm),
    ("opam", Scheme::Dpkg),
];

impl Scheme {
    /// The scheme of an OSV ecosystem such as `Debian:12`, `npm` or `PyPI`; `None` when we cannot order it.
    #[must_use]
    pub fn of_ecosystem(ecosystem: &str) -> Option<Self> {
        let family = ecosystem.split(':').next().unwrap_or_default();
        FAMILIES.iter().find(|(name, _)| *name == family).map(|(_, scheme)| *scheme)
    }

    /// Compares two versions. Total: strings that are not versions have a fixed place too.
    #[must_use]
    pub fn compare(self, a: &str, b: &str) -> Ordering {
        self.prepare(a).cmp(&self.prepare(b))
    }

    /// Parses a version once, for comparing it many times.
    #[must_use]
    pub fn prepare(self, version: &str) -> Prepared<'_> {
        let semver = |dialect| semver::Version::parse(version, dialect).map(Inner::SemVer);
        let inner = match self {
            Self::Dpkg => Some(Inner::Dpkg(dpkg::Version::new(version))),
            Self::Apk => Some(Inner::Apk(apk::Version::new(version))),
            Self::Rpm => Some(Inner::Rpm(rpm::Version::new(version))),
            Self::SemVer => semver(Dialect::Plain),
            Self::NuGet => semver(Dialect::CaseBlind),
            Self::Pub => semver(Dialect::BuildCounts),
            Self::Bitnami => semver(Dialect::Revision),
            Self::Pep440 => pep440_rs::Version::from_str(version).ok().map(Inner::Pep440),
            Self::Gem => gem::Version::parse(version).map(Inner::Gem),
            Self::Generic => generic::Version::parse(version).map(Inner::Generic),
            Self::Maven => maven::Version::parse(version).map(Inner::Maven),
            Self::Composer => composer::Version::parse(version).map(Inner::Composer),
        };
        Prepared(inner.unwrap_or(Inner::Other(version)))
    }

    /// Whether the string is a version of this scheme, so that its place in the order means something.
    #[must_use]
    pub fn is_valid(self, version: &str) -> bool {
        match self.prepare(version).0 {
            Inner::Other(_) => false,
            Inner::Dpkg(version) => version.is_valid(),
            Inner::Apk(version) => version.is_valid(),
            Inner::Rpm(version) => version.is_valid(),
            _ => true,
        }
    }

    /// The name people know the scheme by, for explanations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "Debian",
            Self::Apk => "Alpine",
            Self::Rpm => "RPM",
            Self::SemVer => "SemVer",
            Self::Pep440 => "Python",
            Self::Gem => "RubyGems",
            Self::Maven => "Maven",
            Self::NuGet => "NuGet",
            Self::Composer => "Composer",
            Self::Pub => "Dart",
            Self::Bitnami => "Bitnami",
            Self::Generic => "plain",
        }
    }
}

/// A parsed version. Only versions of the same [`Scheme`] compare meaningfully.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prepared<'a>(Inner<'a>);

/// The first of them sorts below all others: text that is no version of its scheme.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Inner<'a> {
    Other(&'a str),
    Dpkg(dpkg::Version<'a>),
    Apk(apk::Version<'a>),
    Rpm(rpm::Version<'a>),
    SemVer(semver::Version<'a>),
    Pep440(pep440_rs::Version),
    Gem(gem::Version<'a>),
    Generic(generic::Version<'a>),
    Maven(maven::Version),
    Composer(composer::Version),
}

/// Orders two runs of ASCII digits by value, whatever their length: no number is too big for a version.
fn compare_digits(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Splits off the leading run of ASCII digits.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

#[cfg(test)]
mod tests;
