//! From an operating system to the ecosystem whose advisories it is judged by.

use tidewaiter_inventory::Distro;

/// Debian's releases by code name, for images whose `os-release` has no `VERSION_ID`. The first is the
/// release in preparation; the next cycle adds a line.
const DEBIAN_CODENAMES: [(&str, &str); 12] = [
    ("forky", "14"),
    ("trixie", "13"),
    ("bookworm", "12"),
    ("bullseye", "11"),
    ("buster", "10"),
    ("stretch", "9"),
    ("jessie", "8"),
    ("wheezy", "7"),
    ("squeeze", "6.0"),
    ("lenny", "5.0"),
    ("etch", "4.0"),
    ("sarge", "3.1"),
];

/// Devuan follows Debian release by release.
const DEVUAN_RELEASES: [(&str, &str); 6] =
    [("6", "13"), ("5", "12"), ("4", "11"), ("3", "10"), ("2", "9"), ("1", "8")];

/// postmarketOS is built on one Alpine release each.
const POSTMARKETOS_RELEASES: [(&str, &str); 12] = [
    ("25.12", "3.23"),
    ("25.06", "3.22"),
    ("24.12", "3.21"),
    ("24.06", "3.20"),
    ("23.12", "3.19"),
    ("23.06", "3.18"),
    ("22.12", "3.17"),
    ("22.06", "3.16"),
    ("21.12", "3.15"),
    ("21.06", "3.14"),
    ("21.03", "3.13"),
    ("20.05", "3.12"),
];

/// Which advisories an operating system is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Release {
    /// Those of exactly this ecosystem, for example `Debian:12`.
    Exact(String),
    /// Those of the newest release the database holds of this family (`Debian`, `Alpine`): the system is a
    /// rolling one, for which nobody publishes records of its own.
    Rolling(&'static str),
    /// None: the distribution is not known.
    Unknown,
}

/// Finds the release that an operating system is judged by, derivatives included:
///
/// | `ID` | judged as |
/// |---|---|
/// | `debian`, `raspbian` | the Debian release in `VERSION_ID`, else in `VERSION_CODENAME`; `sid` and no release at all are rolling |
/// | `devuan` | the Debian release it follows |
/// | `alpine` | the release branch of `VERSION_ID` (`3.19.1` → `v3.19`); `edge` and pre-releases are rolling |
/// | `postmarketos` | the Alpine release it is built on; `edge` is rolling |
pub(crate) fn release(distro: &Distro) -> Release {
    let version = distro.version_id.as_deref().filter(|version| !version.is_empty());
    match distro.id.as_str() {
        "debian" | "raspbian" => debian(version, distro.codename.as_deref()),
        "devuan" => match version.and_then(|version| look_up(&DEVUAN_RELEASES, version)) {
            Some(release) => Release::Exact(format!("Debian:{release}")),
            None if version.is_none() => Release::Rolling("Debian"),
            None => Release::Unknown,
        },
        "alpine" => alpine(version),
        "postmarketos" => {
            let version = version.map(|version| version.trim_start_matches('v'));
            match version.and_then(|version| look_up(&POSTMARKETOS_RELEASES, version)) {
                Some(release) => Release::Exact(format!("Alpine:v{release}")),
                None if version.is_none_or(|version| version == "edge") => Release::Rolling("Alpine"),
                None => Release::Unknown,
            }
        }
        _ => Release::Unknown,
    }
}

fn debian(version: Option<&str>, codename: Option<&str>) -> Release {
    if let Some(version) = version {
        // Point releases have no records of their own: 12.5 is 12. Before 7 the minor number was the release.
        let (major, minor) = version.split_once('.').unwrap_or((version, ""));
        let old = major.parse::<u32>().is_ok_and(|major| major < 7);
        return Release::Exact(match (old, minor) {
            (true, "") => format!("Debian:{major}.0"),
            (true, minor) => format!("Debian:{major}.{minor}"),
            (false, _) => format!("Debian:{major}"),
        });
    }
    match codename.and_then(|codename| look_up(&DEBIAN_CODENAMES, codename)) {
        Some(release) if release != DEBIAN_CODENAMES[0].1 => Release::Exact(format!("Debian:{release}")),
        _ => Release::Rolling("Debian"),
    }
}

fn alpine(version: Option<&str>) -> Release {
    let Some(version) = version else { return Release::Rolling("Alpine") };
    if version.contains("edge") || version.contains("_alpha") {
        return Release::Rolling("Alpine");
    }
    let mut parts = version.trim_start_matches('v').split('.');
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) => Release::Exact(format!("Alpine:v{major}.{minor}")),
        _ => Release::Exact(format!("Alpine:v{version}")),
    }
}

fn look_up<'a>(table: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    table.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
}
