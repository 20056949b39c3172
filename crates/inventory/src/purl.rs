//! Package URLs (ECMA-427), written from parts that are already normalised for their type.

use std::fmt::Write as _;

use crate::fragment::Package;
use crate::model::{ComponentKind, Distro};

/// The package URL of a package found in an image of that operating system, by the rules of its type
/// (purl-spec, "PURL-TYPES").
pub(crate) fn of(package: &Package, distro: Option<&Distro>) -> String {
    if let Some(stated) = &package.purl {
        return stated.clone();
    }
    let kind = package.kind.purl_type();
    let (name, version) = (package.name.as_str(), package.version.as_str());
    let architecture = package.architecture.as_deref().unwrap_or_default();
    match package.kind {
        ComponentKind::Deb | ComponentKind::Apk => {
            let default = if package.kind == ComponentKind::Deb { "debian" } else { "alpine" };
            let namespace = distro.map_or(default, |distro| distro.id.as_str());
            let qualifiers = [("arch", architecture), ("distro", &distro_qualifier(distro))];
            write(kind, Some(namespace), name, version, &qualifiers)
        }
        ComponentKind::Rpm => {
            let namespace = distro.map(|distro| distro.id.as_str());
            let (epoch, version) = version.split_once(':').unwrap_or(("", version));
            let qualifiers =
                [("arch", architecture), ("distro", &distro_qualifier(distro)), ("epoch", epoch)];
            write(kind, namespace, name, version, &qualifiers)
        }
        ComponentKind::Golang => {
            let name = name.to_lowercase();
            let (namespace, name) = split_last(&name, '/');
            write(kind, namespace, name, version, &[])
        }
        ComponentKind::Npm | ComponentKind::Composer => {
            let (namespace, name) = split_last(name, '/');
            write(kind, namespace, name, version, &[])
        }
        ComponentKind::Maven => {
            let (namespace, name) = split_last(name, ':');
            write(kind, namespace, name, version, &[])
        }
        ComponentKind::Gem => write(kind, None, name, version, &[("platform", architecture)]),
        ComponentKind::Pypi
        | ComponentKind::Cargo
        | ComponentKind::Nuget
        | ComponentKind::Generic
        | ComponentKind::Other => write(kind, None, name, version, &[]),
    }
}

/// What is before and after the last `separator`.
fn split_last(name: &str, separator: char) -> (Option<&str>, &str) {
    name.rsplit_once(separator).map_or((None, name), |(before, last)| (Some(before), last))
}

/// `debian-12`: what the `distro` qualifier of a package URL says.
fn distro_qualifier(distro: Option<&Distro>) -> String {
    let Some(distro) = distro else { return String::new() };
    match distro.version_id.as_ref().or(distro.codename.as_ref()) {
        Some(version) => format!("{}-{version}", distro.id),
        None => distro.id.clone(),
    }
}

/// Writes `pkg:kind/namespace/name@version?qualifiers`. Namespace parts are separated by `/`; qualifiers must
/// be sorted by key, and those with an empty value are left out.
pub(crate) fn write(
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    version: &str,
    qualifiers: &[(&str, &str)],
) -> String {
    let mut out = format!("pkg:{kind}/");
    for part in namespace.unwrap_or_default().split('/').filter(|part| !part.is_empty()) {
        encode(part, &mut out);
        out.push('/');
    }
    encode(name, &mut out);
    if !version.is_empty() {
        out.push('@');
        encode(version, &mut out);
    }
    let mut separator = '?';
    for (key, value) in qualifiers.iter().filter(|(_, value)| !value.is_empty()) {
        out.push(separator);
        out.push_str(key);
        out.push('=');
        encode(value, &mut out);
        separator = '&';
    }
    out
}

/// Percent-encodes everything but letters, digits, `.`, `-`, `_`, `~` and the colon, which the specification
/// exempts (so the epoch of a Debian version stays readable).
fn encode(text: &str, out: &mut String) {
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_encoded() {
        let written = write(
            "deb",
            Some("debian"),
            "libstdc++6",
            "1:12.2.0-14+deb12u1~x",
            &[("arch", "amd64"), ("distro", "")],
        );
        assert_eq!(written, "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1~x?arch=amd64");
        assert_eq!(write("npm", Some("@angular"), "core", "1.0.0", &[]), "pkg:npm/%40angular/core@1.0.0");
    }
}
