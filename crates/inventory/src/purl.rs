//! Package URLs (ECMA-427): written from parts that are already normalised for their type, and taken apart.

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

/// A package URL taken apart and decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purl {
    /// The type, lower case.
    pub kind: String,
    /// The namespace with `/` between its parts; empty when there is none.
    pub namespace: String,
    /// The name, without namespace.
    pub name: String,
    /// Empty when there is none.
    pub version: String,
    qualifiers: Vec<(String, String)>,
}

impl Purl {
    /// Takes a package URL apart; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("pkg:")?.trim_start_matches('/');
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, rest) = rest.split_once('/')?;
        // A version is what follows the last `@` of the name; scopes that nobody encoded begin with one.
        let name_at = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (path, version) = match rest.rfind('@').filter(|&at| at > name_at) {
            Some(at) => (rest.get(..at)?, rest.get(at + 1..)?),
            None => (rest, ""),
        };
        let (namespace, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
        let name = decode(name);
        if kind.is_empty() || name.is_empty() {
            return None;
        }
        let qualifiers = qualifiers.split('&').filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((key.to_lowercase(), decode(value)))
        });
        Some(Self {
            kind: kind.to_lowercase(),
            namespace: decode(namespace.trim_matches('/')),
            name,
            version: decode(version),
            qualifiers: qualifiers.collect(),
        })
    }

    /// The value of a qualifier, when it has one.
    #[must_use]
    pub fn qualifier(&self, key: &str) -> Option<&str> {
        let found = self.qualifiers.iter().find(|(name, _)| name == key)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }

    /// The package that this one was built from, under its name and version: without what is said of the built one alone.
    #[must_use]
    pub fn of_source(&self, name: &str, version: &str) -> String {
        let namespace = Some(self.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let of_both =
            self.qualifiers.iter().filter(|(key, _)| !["arch", "epoch", "upstream"].contains(&key.as_str()));
        let qualifiers: Vec<(&str, &str)> =
            of_both.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        write(&self.kind, namespace, name, version, &qualifiers)
    }

    /// The kind of component that this type is.
    #[must_use]
    pub fn component_kind(&self) -> ComponentKind {
        match self.kind.as_str() {
            "deb" => ComponentKind::Deb,
            "apk" => ComponentKind::Apk,
            "rpm" => ComponentKind::Rpm,
            "npm" => ComponentKind::Npm,
            "pypi" => ComponentKind::Pypi,
            "golang" => ComponentKind::Golang,
            "cargo" => ComponentKind::Cargo,
            "maven" => ComponentKind::Maven,
            "nuget" => ComponentKind::Nuget,
            "gem" => ComponentKind::Gem,
            "composer" => ComponentKind::Composer,
            "generic" => ComponentKind::Generic,
            _ => ComponentKind::Other,
        }
    }

    /// The name as components have it: with the namespace, where that is part of the name.
    #[must_use]
    pub fn full_name(&self) -> String {
        let separator = match self.component_kind() {
            ComponentKind::Npm | ComponentKind::Golang | ComponentKind::Composer => '/',
            ComponentKind::Maven => ':',
            _ => return self.name.clone(),
        };
        if self.namespace.is_empty() {
            return self.name.clone();
        }
        format!("{}{separator}{}", self.namespace, self.name)
    }

    /// The version as components have it: with the epoch that package URLs of RPM packages keep apart.
    #[must_use]
    pub fn full_version(&self) -> String {
        match self.qualifier("epoch").filter(|&epoch| self.kind == "rpm" && epoch != "0") {
            Some(epoch) => format!("{epoch}:{}", self.version),
            None => self.version.clone(),
        }
    }
}

/// Decodes percent-encoding; what is none stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let hex = text.get(index + 1..index + 3).filter(|_| byte == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                index += 3;
            }
            None => {
                out.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
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

    #[test]
    fn what_is_written_is_taken_apart() {
        let check = |text: &str, name: &str, version: &str| {
            let purl = Purl::parse(text).expect(text);
            assert_eq!((purl.full_name().as_str(), purl.full_version().as_str()), (name, version), "{text}");
        };
        check(
            "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64",
            "libstdc++6",
            "12.2.0-14+deb12u1",
        );
        check("pkg:npm/%40angular/core@1.0.0", "@angular/core", "1.0.0");
        check("pkg:npm/@angular/core@1.0.0", "@angular/core", "1.0.0");
        check("pkg:npm/@angular/core", "@angular/core", "");
        check("pkg:maven/org.a/b@1?type=jar", "org.a:b", "1");
        check("pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386&epoch=2", "curl", "2:7.50.3-1.fc25");
        check("pkg:golang/example.com/a/b@v1.0.0#sub/path", "example.com/a/b", "v1.0.0");
        check("pkg:generic/a@100%", "a", "100%");
        for text in ["", "npm/a", "pkg:npm", "pkg:npm/", "pkg:/a"] {
            assert_eq!(Purl::parse(text), None, "{text}");
        }
    }
}
