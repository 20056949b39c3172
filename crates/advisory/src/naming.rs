//! Names of vulnerabilities and packages: which name to show, which names are the same.

use std::borrow::Cow;

use tidewaiter_inventory::Purl;

use crate::versions::Scheme;

/// The CVE that a record id stands for: `CVE-2022-0778` itself, and `DEBIAN-CVE-2022-0778`.
pub(crate) fn cve_of(id: &str) -> Option<&str> {
    let start = if id.starts_with("CVE-") { 0 } else { id.find("-CVE-")? + 1 };
    cve_number(&id[start..]).map(|_| &id[start..])
}

/// Year and number of a CVE, by which CVEs are put in order.
pub(crate) fn cve_number(id: &str) -> Option<(u32, u64)> {
    let (year, number) = id.strip_prefix("CVE-")?.split_once('-')?;
    Some((year.parse().ok()?, number.parse().ok()?))
}

/// Beginnings of the ids of announcements.
const ANNOUNCEMENTS: [&str; 27] = [
    "ALAS",
    "ALBA-",
    "ALEA-",
    "ALSA-",
    "DLA-",
    "DSA-",
    "DTSA-",
    "ELA-",
    "ELBA-",
    "ELEA-",
    "ELSA-",
    "FEDORA-",
    "LSN-",
    "MGAA-",
    "MGASA-",
    "OESA-",
    "PHSA-",
    "RHBA-",
    "RHEA-",
    "RHSA-",
    "RLBA-",
    "RLEA-",
    "RLSA-",
    "RXSA-",
    "SUSE-",
    "USN-",
    "openSUSE-",
];

/// Beginnings of the ids of announcements that are not about security unless they name a CVE.
const ENHANCEMENTS: [&str; 14] = [
    "ALBA-",
    "ALEA-",
    "ELBA-",
    "ELEA-",
    "MGAA-",
    "RHBA-",
    "RHEA-",
    "RLBA-",
    "RLEA-",
    "SUSE-FU-",
    "SUSE-OU-",
    "SUSE-RU-",
    "openSUSE-FU-",
    "openSUSE-RU-",
];

/// Whether a record is an announcement of a distribution: it tells of an update and names the CVEs it fixes,
/// rather than being a record of one vulnerability.
pub(crate) fn is_announcement(id: &str) -> bool {
    ANNOUNCEMENTS.iter().any(|prefix| id.starts_with(prefix))
}

/// Whether an announcement is one of mended bugs or new features, and says nothing of security by itself.
pub(crate) fn is_enhancement(id: &str) -> bool {
    ENHANCEMENTS.iter().any(|prefix| id.starts_with(prefix))
}

/// Whether a record reports malware rather than a mistake.
pub(crate) fn is_malware(id: &str) -> bool {
    id.starts_with("MAL-")
}

/// The one spelling of a package name that is stored and looked up. Python has many for each (PEP 503); NuGet and
/// Composer do not mind the case.
pub(crate) fn package_name(scheme: Scheme, name: &str) -> Cow<'_, str> {
    match scheme {
        Scheme::Pep440 => Cow::Owned(python_name(name)),
        Scheme::NuGet | Scheme::Composer => Cow::Owned(name.to_lowercase()),
        _ => Cow::Borrowed(name),
    }
}

/// The ecosystem of what is known by its name in the CPE dictionary, `vendor:product`.
pub(crate) const CPE: &str = "CPE";

/// Vendor and product of a CPE name, in either form; `None` when one of them is open.
pub(crate) fn product_of_cpe(cpe: &str) -> Option<String> {
    let rest = cpe.strip_prefix("cpe:2.3:").or_else(|| cpe.strip_prefix("cpe:/"))?;
    let mut parts = rest.split(':').skip(1);
    let (vendor, product) = (parts.next()?, parts.next()?);
    let is_named = |part: &str| !part.is_empty() && part != "*" && part != "-";
    (is_named(vendor) && is_named(product)).then(|| format!("{vendor}:{product}").to_lowercase())
}

/// Under which name a source package of RPM is stored, where advisories name both it and what is built of it.
pub(crate) fn source_key(name: &str) -> String {
    format!("{name}.src")
}

/// Ecosystems by the type of a package URL.
pub(crate) const BY_PURL_TYPE: [(&str, &str); 15] = [
    ("bitnami", "Bitnami"),
    ("cargo", "crates.io"),
    ("composer", "Packagist"),
    ("gem", "RubyGems"),
    ("githubactions", "GitHub Actions"),
    ("golang", "Go"),
    ("hex", "Hex"),
    ("julia", "Julia"),
    ("maven", "Maven"),
    ("npm", "npm"),
    ("nuget", "NuGet"),
    ("opam", "opam"),
    ("pub", "Pub"),
    ("pypi", "PyPI"),
    ("swift", "SwiftURL"),
];

/// The ecosystem of a type of package URLs, for packages of languages.
pub(crate) fn ecosystem_of_type(kind: &str) -> Option<&'static str> {
    BY_PURL_TYPE.iter().find(|(known, _)| *known == kind).map(|(_, ecosystem)| *ecosystem)
}

/// Ecosystem and name of a package URL, for packages of languages.
pub(crate) fn package_of_purl(text: &str) -> Option<(String, String)> {
    let purl = Purl::parse(text)?;
    Some((ecosystem_of_type(&purl.kind)?.to_owned(), purl.full_name()))
}

fn python_name(name: &str) -> String {
    let mut normalised = String::with_capacity(name.len());
    for character in name.trim().chars() {
        if matches!(character, '-' | '_' | '.') {
            if !normalised.ends_with('-') {
                normalised.push('-');
            }
        } else {
            normalised.extend(character.to_lowercase());
        }
    }
    normalised
}
