//! Which operating system an image holds: `os-release(5)`, and the older files of Alpine and Debian where that
//! says nothing.

use crate::fragment::Content;
use crate::model::Distro;
use crate::path;

/// The small files that name the system, first in charge first.
pub(crate) const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];
pub(crate) const ALPINE_RELEASE: &str = "etc/alpine-release";
pub(crate) const DEBIAN_VERSION: &str = "etc/debian_version";

/// What distributions wrote before there was `os-release`, and some containers still have alone.
const LSB_RELEASE: &str = "etc/lsb-release";
const RELEASES: [&str; 8] = [
    "etc/centos-release",
    "etc/rocky-release",
    "etc/almalinux-release",
    "etc/oracle-release",
    "etc/fedora-release",
    "etc/redhat-release",
    "etc/system-release",
    "usr/lib/system-release",
];

/// How the one line of those files begins, and the `ID` of that system.
const NAMES: [(&str, &str); 9] = [
    ("CentOS", "centos"),
    ("Rocky", "rocky"),
    ("AlmaLinux", "almalinux"),
    ("Oracle", "ol"),
    ("Fedora", "fedora"),
    ("Red Hat Enterprise", "rhel"),
    ("Amazon", "amzn"),
    ("Scientific", "scientific"),
    ("VMware Photon", "photon"),
];

/// Text beyond this is not kept; real files have a few hundred bytes.
const MAX_TEXT: usize = 64 << 10;

/// Whether the file at `path` may name the operating system. `os-release` counts anywhere, because `etc` often
/// only links to it and the link may lead anywhere.
pub(crate) fn claims(path: &str) -> bool {
    let (_, name) = path::split(path);
    name == "os-release"
        || [ALPINE_RELEASE, DEBIAN_VERSION, LSB_RELEASE].contains(&path)
        || RELEASES.contains(&path)
}

pub(crate) fn keep(bytes: &[u8]) -> Content {
    let bytes = bytes.get(..MAX_TEXT).unwrap_or(bytes);
    Content::Text(String::from_utf8_lossy(bytes).into_owned())
}

/// The system that these texts name; `read` returns the text of a path, following links.
pub(crate) fn identify<'a>(read: impl Fn(&str) -> Option<&'a str>) -> Option<Distro> {
    let mut distro = OS_RELEASE.iter().find_map(|path| parse(read(path)?));
    let distro_before = || {
        let by_line = || RELEASES.iter().find_map(|path| release_line(read(path)?));
        read(LSB_RELEASE).and_then(lsb_release).or_else(by_line)
    };
    distro = distro.or_else(distro_before);
    let first_line =
        |path| read(path).and_then(|text| text.lines().next()).map(str::trim).filter(|line| !line.is_empty());
    if let Some(version) = first_line(ALPINE_RELEASE) {
        let distro = distro.get_or_insert_with(|| Distro { id: "alpine".to_owned(), ..Distro::default() });
        if distro.id == "alpine" && distro.version_id.is_none() {
            distro.version_id = Some(version.to_owned());
        }
    }
    if let Some(version) = first_line(DEBIAN_VERSION) {
        // Derived distributions keep the file with Debian's version in it.
        let distro = distro.get_or_insert_with(|| Distro { id: "debian".to_owned(), ..Distro::default() });
        if distro.id == "debian" {
            debian_version(version, distro);
        }
    }
    distro
}

/// `DISTRIB_ID=Ubuntu`, `DISTRIB_RELEASE=14.04`, `DISTRIB_CODENAME=trusty`, `DISTRIB_DESCRIPTION="…"`.
fn lsb_release(text: &str) -> Option<Distro> {
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim().split_once('='));
        lines
            .find(|(name, _)| *name == key)
            .map(|(_, value)| unquote(value))
            .filter(|value| !value.is_empty())
    };
    Some(Distro {
        id: value("DISTRIB_ID")?.to_lowercase(),
        version_id: value("DISTRIB_RELEASE"),
        codename: value("DISTRIB_CODENAME"),
        pretty_name: value("DISTRIB_DESCRIPTION"),
        ..Distro::default()
    })
}

/// `CentOS Linux release 7.9.2009 (Core)`.
fn release_line(text: &str) -> Option<Distro> {
    let line = text.lines().next()?.trim();
    let (_, id) = NAMES.iter().find(|(name, _)| line.starts_with(name))?;
    let version = line.split_once(" release ").map(|(_, rest)| rest).and_then(|rest| rest.split(' ').next());
    // `os-release` of these systems has two parts at most.
    let version = version.map(|version| version.split('.').take(2).collect::<Vec<_>>().join("."));
    Some(Distro {
        id: (*id).to_owned(),
        version_id: version.filter(|version| version.starts_with(|first: char| first.is_ascii_digit())),
        pretty_name: Some(line.to_owned()),
        ..Distro::default()
    })
}

/// `12.5`, or `trixie/sid` before a release.
fn debian_version(version: &str, distro: &mut Distro) {
    if version.starts_with(|first: char| first.is_ascii_digit()) {
        let major = version.split('.').next().unwrap_or(version);
        distro.version_id.get_or_insert_with(|| major.to_owned());
    } else if let Some(codename) = version.split('/').next() {
        distro.codename.get_or_insert_with(|| codename.to_owned());
    }
}

/// `None` when the text has no `ID`: then it names no system, whatever else it says.
fn parse(text: &str) -> Option<Distro> {
    let mut distro = Distro::default();
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let value = unquote(value);
        let some = Some(value.clone()).filter(|value| !value.is_empty());
        match key {
            "ID" => distro.id = value.to_lowercase(),
            "VERSION_ID" => distro.version_id = some,
            "VERSION_CODENAME" => distro.codename = some,
            "PRETTY_NAME" => distro.pretty_name = some,
            "ID_LIKE" => distro.id_like = value.split_whitespace().map(str::to_lowercase).collect(),
            _ => {}
        }
    }
    (!distro.id.is_empty()).then_some(distro)
}

/// A value as a shell would read it: single or double quotes around it, backslashes before special characters.
fn unquote(value: &str) -> String {
    let value = value.trim();
    if let Some(plain) = value.strip_prefix('\'') {
        return plain.strip_suffix('\'').unwrap_or(plain).to_owned();
    }
    let inner = value.strip_prefix('"').map_or(value, |inner| inner.strip_suffix('"').unwrap_or(inner));
    let mut out = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares `id version codename` for these files.
    #[track_caller]
    fn check(files: &[(&str, &str)], expect: Option<&str>) {
        let read = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
        let found = identify(read).map(|distro| {
            let or = |part: Option<String>| part.unwrap_or("-".to_owned());
            format!("{} {} {}", distro.id, or(distro.version_id), or(distro.codename))
        });
        assert_eq!(found.as_deref(), expect);
    }

    #[test]
    fn the_first_file_with_an_id_wins() {
        let usr = ("usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
        check(&[usr], Some("debian 12 -"));
        check(
            &[("etc/os-release", "ID='Ubuntu'\nVERSION_ID=22.04\nVERSION_CODENAME=jammy\n"), usr],
            Some("ubuntu 22.04 jammy"),
        );
        check(&[("etc/os-release", "NAME=nothing\n"), usr], Some("debian 12 -"));
        check(&[], None);
    }

    #[test]
    fn older_files_fill_the_gaps() {
        check(&[("etc/alpine-release", "3.19.1\n")], Some("alpine 3.19.1 -"));
        check(&[("etc/debian_version", "12.5\n")], Some("debian 12 -"));
        check(&[("etc/debian_version", "trixie/sid\n")], Some("debian - trixie"));
        check(
            &[("etc/os-release", "ID=debian\n"), ("etc/debian_version", "trixie/sid\n")],
            Some("debian - trixie"),
        );
        check(
            &[("etc/os-release", "ID=ubuntu\nVERSION_ID=24.04\n"), ("etc/debian_version", "trixie/sid\n")],
            Some("ubuntu 24.04 -"),
        );
        check(&[("etc/os-release", "ID=wolfi\n"), ("etc/alpine-release", "3.19\n")], Some("wolfi - -"));
        check(&[("etc/alpine-release", "\n")], None);
    }

    #[test]
    fn systems_from_before_os_release() {
        check(&[("etc/redhat-release", "CentOS release 6.10 (Final)\n")], Some("centos 6.10 -"));
        check(&[("etc/system-release", "Amazon Linux AMI release 2018.03\n")], Some("amzn 2018.03 -"));
        check(
            &[("etc/redhat-release", "Red Hat Enterprise Linux release 8.4 (Ootpa)\n")],
            Some("rhel 8.4 -"),
        );
        check(
            &[("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=12.04\nDISTRIB_CODENAME=precise\n")],
            Some("ubuntu 12.04 precise"),
        );
        check(
            &[("etc/os-release", "ID=rocky\nVERSION_ID=9.3\n"), ("etc/redhat-release", "CentOS release 6\n")],
            Some("rocky 9.3 -"),
        );
        check(&[("etc/system-release", "Something else\n")], None);
    }

    #[test]
    fn values_are_quoted_like_a_shell() {
        let name =
            |line: &str| parse(&format!("ID=a\nPRETTY_NAME={line}")).and_then(|distro| distro.pretty_name);
        assert_eq!(name(r#""A \"quoted\" \$name""#).as_deref(), Some(r#"A "quoted" $name"#));
        assert_eq!(name("'it is \\n'").as_deref(), Some("it is \\n"));
        assert_eq!(name("plain").as_deref(), Some("plain"));
        assert_eq!(name("\"open").as_deref(), Some("open"));
        assert_eq!(name("\"\""), None);
    }
}
