//! Names that people give to tokens and scope maps.

use crate::error::{Error, Result};

/// The longest name.
const MAX_LENGTH: usize = 64;

/// Checks a new name. Names that begin with an underscore belong to the system.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'.';
    let valid = name.len() <= MAX_LENGTH
        && name.bytes().all(allowed)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    match valid {
        true if name == super::REFRESH_TOKEN_USER => Err(Error::ReservedName { name: name.to_owned() }),
        true => Ok(()),
        false => Err(Error::InvalidName { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "docker-scout-readonly-token", "ci.build_2"] {
            check_name(name).expect(name);
        }
        for name in [
            "",
            "_repositories_pull",
            "-a",
            "a b",
            "a:b",
            "ä",
            super::super::REFRESH_TOKEN_USER,
            &"a".repeat(65),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
        let error = check_name(super::super::REFRESH_TOKEN_USER).expect_err("reserved");
        assert!(error.to_string().contains("refresh token"), "{error}");
    }
}
