//! The owner's token and the file that keeps it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::{Error, Result};

/// Name of the file in the data directory.
const FILE: &str = "owner-token";

/// Every token begins like this, so that people and secret scanners know what they see.
const PREFIX: &str = "twt_";

/// The secret of the installation's owner.
#[derive(Clone)]
pub struct OwnerToken(String);

/// Why the content of the token file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not hold an owner token; remove the file to have a new one made")]
pub struct InvalidToken;

impl OwnerToken {
    /// Reads the token of a data directory, or makes one: `true` beside it says that it is new. The file
    /// appears whole, readable by its owner alone.
    pub fn load_or_create(directory: &Path) -> Result<(Self, bool)> {
        let path = directory.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let token = text.trim();
                let valid = token.strip_prefix(PREFIX).is_some_and(|secret| {
                    secret.len() >= 32 && secret.bytes().all(|b| b.is_ascii_alphanumeric())
                });
                if !valid {
                    return Err(Error::ReadOwnerToken { path, source: Box::new(InvalidToken) });
                }
                Ok((Self(token.to_owned()), false))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let token = Self(format!("{PREFIX}{}", super::new_secret()));
                token.write(&path).map_err(|source| Error::WriteFile { path, source })?;
                Ok((token, true))
            }
            Err(source) => Err(Error::ReadOwnerToken { path, source: Box::new(source) }),
        }
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let temporary = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(format!("{}\n", self.0).as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    }

    /// The token's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_token_is_made_once_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (token, new) = OwnerToken::load_or_create(directory.path()).expect("made");
        assert!(new);
        let (again, new) = OwnerToken::load_or_create(directory.path()).expect("read");
        assert!(!new);
        assert_eq!(token.as_str(), again.as_str());
        let mode = fs::metadata(directory.path().join(FILE)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_with_something_else_is_refused_and_kept() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join(FILE);
        fs::write(&path, "hello\n").expect("written");
        assert!(OwnerToken::load_or_create(directory.path()).is_err());
        assert_eq!(fs::read_to_string(&path).expect("still there"), "hello\n");
    }
}
