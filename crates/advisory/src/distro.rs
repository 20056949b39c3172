//! From an operating system to the ecosystem whose advisories it is judged by.

use tidewaiter_inventory::{ComponentKind, Distro};

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

/// A family of distributions whose advisories carry one name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Family {
    /// The name in front of the colon: `Debian`, `Red Hat`.
    pub(crate) name: &'static str,
    /// What its packages are.
    pub(crate) packages: ComponentKind,
    /// Whether its advisories name source packages; else they name what is installed.
    pub(crate) by_source: bool,
    /// What the makers of its own packages call themselves, in lower case and in part; empty when packages do not say.
    pub(crate) vendors: &'static [&'static str],
}

const fn debs(name: &'static str) -> Family {
    Family { name, packages: ComponentKind::Deb, by_source: true, vendors: &[] }
}

const fn apks(name: &'static str) -> Family {
    Family { name, packages: ComponentKind::Apk, by_source: true, vendors: &[] }
}

const fn rpms(name: &'static str, by_source: bool, vendors: &'static [&'static str]) -> Family {
    Family { name, packages: ComponentKind::Rpm, by_source, vendors }
}

const FAMILIES: [Family; 22] = [
    debs("Debian"),
    debs("Ubuntu"),
    debs("Echo"),
    apks("Alpine"),
    apks("Wolfi"),
    apks("Chainguard"),
    apks("MinimOS"),
    apks("Alpaquita"),
    apks("BellSoft Hardened Containers"),
    rpms("Red Hat", false, &["red hat", "centos"]),
    rpms("AlmaLinux", false, &["almalinux"]),
    rpms("Rocky Linux", true, &["rocky"]),
    rpms("Oracle Linux", false, &["oracle"]),
    rpms("Amazon Linux", false, &["amazon"]),
    rpms("Fedora", true, &["fedora"]),
    rpms("Photon OS", true, &["vmware", "broadcom"]),
    rpms("Azure Linux", true, &["microsoft"]),
    rpms("SUSE", true, &["suse"]),
    rpms("openSUSE", true, &["suse"]),
    rpms("openEuler", true, &["openeuler"]),
    rpms("Mageia", true, &["mageia"]),
    rpms("Bottlerocket", true, &["bottlerocket"]),
];

/// The family of an ecosystem such as `Debian:12`; `None` for the ecosystems of languages.
pub(crate) fn family(ecosystem: &str) -> Option<&'static Family> {
    let name = ecosystem.split(':').next().unwrap_or_default();
    FAMILIES.iter().find(|family| family.name == name)
}

/// Which advisories an operating system is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Release {
    /// Those of exactly this ecosystem, for example `Debian:12`.
    Exact(String),
    /// Those of this ecosystem and of all parts of it: `Red Hat:enterprise_linux:9` and what follows another colon.
    Parts(String),
    /// Those of the products of SUSE for this version and service pack, `15 SP5`.
    Suse(String),
    /// Those of this system, which judge one that is built from it and has no advisories of its own.
    Like(Box<Self>),
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
/// | `ubuntu` | the Ubuntu release; which of its archives is used is for [`ubuntu`] to say |
/// | `alpine` | the release branch of `VERSION_ID` (`3.19.1` → `v3.19`); `edge` and pre-releases are rolling |
/// | `postmarketos` | the Alpine release it is built on; `edge` is rolling |
/// | `rhel`, `centos`, `scientific` | the major release of Red Hat Enterprise Linux, all its repositories |
/// | `almalinux`, `rocky`, `ol`, `amzn`, `fedora`, `mageia` | their own release |
/// | `sles` and its kin | all modules of the service pack |
/// | `opensuse-leap`, `opensuse-tumbleweed`, `openEuler`, `photon`, `azurelinux`, `mariner` | their own release |
/// | `wolfi`, `chainguard`, `minimos`, `echo` | the one release there is |
/// | others that are `ID_LIKE` `rhel` | Red Hat Enterprise Linux of the same major version, which is said |
pub(crate) fn release(distro: &Distro) -> Release {
    let version = distro.version_id.as_deref().filter(|version| !version.is_empty());
    let major = version.map(|version| version.split('.').next().unwrap_or(version));
    let exact = |family: &str, version: Option<&str>| match version {
        Some(version) => Release::Exact(format!("{family}:{version}")),
        None => Release::Unknown,
    };
    let red_hat = || match major {
        Some(major) => Release::Parts(format!("Red Hat:enterprise_linux:{major}")),
        None => Release::Unknown,
    };
    match distro.id.as_str() {
        "debian" | "raspbian" => debian(version, distro.codename.as_deref()),
        "devuan" => match version.and_then(|version| look_up(&DEVUAN_RELEASES, version)) {
            Some(release) => Release::Exact(format!("Debian:{release}")),
            None if version.is_none() => Release::Rolling("Debian"),
            None => Release::Unknown,
        },
        "ubuntu" => exact("Ubuntu", version),
        "echo" => Release::Exact("Echo".to_owned()),
        "alpine" => alpine(version),
        "postmarketos" => {
            let version = version.map(|version| version.trim_start_matches('v'));
            match version.and_then(|version| look_up(&POSTMARKETOS_RELEASES, version)) {
                Some(release) => Release::Exact(format!("Alpine:v{release}")),
                None if version.is_none_or(|version| version == "edge") => Release::Rolling("Alpine"),
                None => Release::Unknown,
            }
        }
        "wolfi" => Release::Exact("Wolfi".to_owned()),
        "chainguard" => Release::Exact("Chainguard".to_owned()),
        "minimos" => Release::Exact("MinimOS".to_owned()),
        "alpaquita" => exact("Alpaquita", version),
        "rhel" | "centos" | "scientific" | "sl" => red_hat(),
        "almalinux" => exact("AlmaLinux", major),
        "rocky" => exact("Rocky Linux", major),
        "ol" | "oracle" | "oraclelinux" => exact("Oracle Linux", major),
        "amzn" | "amazon" | "amazonlinux" => exact("Amazon Linux", major),
        "fedora" => exact("Fedora", version),
        "mageia" => exact("Mageia", version),
        "photon" => exact("Photon OS", version),
        "azurelinux" | "mariner" => exact("Azure Linux", major),
        "openeuler" | "openEuler" => exact("openEuler", version).map(|name| openeuler(&name, distro)),
        "opensuse-leap" | "opensuse" => {
            exact("openSUSE", version.map(|version| format!("Leap {version}")).as_deref())
        }
        "opensuse-tumbleweed" => Release::Exact("openSUSE:Tumbleweed".to_owned()),
        "sles" | "sled" | "sles_sap" | "sle_hpc" => match version {
            Some(version) => Release::Suse(version.replacen('.', " SP", 1)),
            None => Release::Unknown,
        },
        _ if distro.id_like.iter().any(|like| like == "rhel") && major.is_some() => {
            Release::Like(Box::new(red_hat()))
        }
        _ => Release::Unknown,
    }
}

impl Release {
    fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Exact(name) => Self::Exact(change(name)),
            other => other,
        }
    }
}

/// `PRETTY_NAME="openEuler 24.03 (LTS-SP1)"` is what tells the service pack.
fn openeuler(name: &str, distro: &Distro) -> String {
    let pretty = distro.pretty_name.as_deref().unwrap_or_default();
    match pretty.split_once('(').and_then(|(_, rest)| rest.split_once(')')) {
        Some((pack, _)) => format!("{name}-{pack}"),
        None => name.to_owned(),
    }
}

/// The names under which a release of Ubuntu may be published, the ordinary archive first: long-term releases bear
/// a suffix, and what Ubuntu Pro fixes is apart. A package whose version says `esm` came from Ubuntu Pro, and only its
/// records know that version.
pub(crate) fn ubuntu(release: &str, installed: &str) -> Vec<String> {
    let version = release.split_once(':').map_or("", |(_, version)| version);
    let plain = [release.to_owned(), format!("{release}:LTS")];
    let pro = [format!("Ubuntu:Pro:{version}:LTS"), format!("Ubuntu:Pro:{version}")];
    if installed.contains("esm") {
        pro.into_iter().chain(plain).collect()
    } else {
        plain.into_iter().chain(pro).collect()
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

/// The number of a Debian release by its code name; `None` for `sid`, which is none.
pub(crate) fn debian_release(codename: &str) -> Option<&'static str> {
    look_up(&DEBIAN_CODENAMES, codename)
}

fn look_up<'a>(table: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    table.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
}
