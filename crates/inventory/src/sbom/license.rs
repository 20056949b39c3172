//! Licences as the standard formats want them: identifiers and expressions of the SPDX list, and names for the
//! rest.

use spdx::{Expression, license_id};

/// Whether this is exactly an identifier of the SPDX licence list.
pub(super) fn is_id(license: &str) -> bool {
    license_id(license).is_some_and(|id| id.name == license)
}

/// Whether this is an expression of such identifiers.
pub(super) fn is_expression(license: &str) -> bool {
    Expression::parse(license).is_ok()
}

/// Licences as one expression, and the names in it that the list does not have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// `None` when nothing is said.
    pub(super) expression: Option<String>,
    /// What the references in the expression stand for: `LicenseRef-…` and the licence as found.
    pub(super) references: Vec<(String, String)>,
}

/// All of these licences apply, as far as one can tell from a list.
pub(super) fn declared(licenses: &[String]) -> Declared {
    let mut declared = Declared::default();
    let mut parts = Vec::with_capacity(licenses.len());
    for license in licenses {
        if !is_expression(license) {
            let reference = reference(license);
            parts.push(reference.clone());
            declared.references.push((reference, license.clone()));
        } else if licenses.len() > 1 && license.contains(' ') {
            parts.push(format!("({license})"));
        } else {
            parts.push(license.clone());
        }
    }
    declared.expression = (!parts.is_empty()).then(|| parts.join(" AND "));
    declared
}

/// A name for a licence that the list does not have: its letters and digits, and a digest, since others may have
/// the same.
fn reference(license: &str) -> String {
    let plain = license.chars().map(|character| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' => character,
        _ => '-',
    });
    let plain: String = plain.take(40).collect();
    let digest = ring::digest::digest(&ring::digest::SHA256, license.as_bytes());
    let hex: String = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("LicenseRef-{}-{hex}", plain.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_list_has_and_what_not() {
        let expression = |licenses: &[&str]| {
            let licenses: Vec<_> = licenses.iter().map(ToString::to_string).collect();
            declared(&licenses).expression.unwrap_or_default()
        };
        assert_eq!(expression(&[]), "");
        assert_eq!(expression(&["MIT"]), "MIT");
        assert_eq!(expression(&["MIT OR Apache-2.0"]), "MIT OR Apache-2.0");
        assert_eq!(
            expression(&["MIT OR Apache-2.0", "BSD-3-Clause"]),
            "(MIT OR Apache-2.0) AND BSD-3-Clause"
        );
        let odd = expression(&["SEE LICENSE IN x", "MIT"]);
        assert!(odd.starts_with("LicenseRef-SEE-LICENSE-IN-x-") && odd.ends_with(" AND MIT"), "{odd}");
        assert!(Expression::parse(&odd).is_ok(), "{odd}");
        assert!(is_id("MIT") && !is_id("mit") && !is_id("MIT OR Apache-2.0"));
    }
}
