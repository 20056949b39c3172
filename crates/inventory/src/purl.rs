//! Package URLs (ECMA-427), written from parts that are already normalised for their type.

use std::fmt::Write as _;

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
