//! Users from a password file of Apache's `htpasswd -B`: one `name:bcrypt hash` a line.
//!
//! Only bcrypt is taken, as by the distribution registry: the other forms that `htpasswd` can write are broken
//! or not hashes at all. The file is read again when it changes; one that became unreadable or wrong is reported
//! and the users from before stay.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::watched::Watched;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// The highest cost that is taken: above it one login keeps a processor busy for many seconds.
const MAX_COST: u32 = 15;

/// Why a password file is not used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidHtpasswd {
    /// The file cannot be read.
    #[error("cannot read the password file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line is wrong.
    #[error("{} line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it and what to do.
        reason: String,
    },
}

/// Hashes by user name.
type Users = HashMap<String, Arc<str>>;

/// A password file and what it says.
#[derive(Debug)]
pub(crate) struct Htpasswd {
    path: PathBuf,
    users: Watched<Arc<Users>>,
}

impl Htpasswd {
    /// Reads the file. Blocks: call it where that is allowed.
    pub(crate) fn open(path: &Path) -> Result<Self, InvalidHtpasswd> {
        Ok(Self { path: path.to_owned(), users: Watched::open(&[path], || load(path))? })
    }

    /// The hash of a user's password, by the file as it is now.
    pub(crate) fn hash_of(&self, user: &str) -> Option<Arc<str>> {
        self.users.current(|| self.read_again()).get(user).cloned()
    }

    fn read_again(&self) -> Option<Arc<Users>> {
        match load(&self.path) {
            Ok(users) => {
                tracing::info!(path = %self.path.display(), users = users.len(), "read the password file again");
                Some(users)
            }
            Err(error) => {
                tracing::error!(%error, "the password file is not taken; the users from before stay");
                None
            }
        }
    }
}

fn load(path: &Path) -> Result<Arc<Users>, InvalidHtpasswd> {
    let failed = |source| InvalidHtpasswd::Read { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(failed(io::Error::other(format!("it is larger than {MAX_FILE} bytes"))));
    }
    let users = parse(&text).map_err(|(line, reason)| InvalidHtpasswd::Line {
        path: path.to_owned(),
        line,
        reason,
    })?;
    Ok(Arc::new(users))
}

/// Reads a whole file; the number of the first wrong line and what is wrong with it.
fn parse(text: &[u8]) -> Result<Users, (usize, String)> {
    let mut users = Users::new();
    for (number, line) in (1..).zip(text.split(|&b| b == b'\n')) {
        let wrong = |reason: &str| (number, reason.to_owned());
        let line = std::str::from_utf8(line).map_err(|_| wrong("it is not UTF-8"))?.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (user, hash) = line.split_once(':').ok_or_else(|| wrong("it does not read NAME:HASH"))?;
        if user.is_empty() {
            return Err(wrong("it has no user name"));
        }
        check_hash(hash).map_err(|reason| (number, format!("the password of \"{user}\" {reason}")))?;
        if users.insert(user.to_owned(), hash.into()).is_some() {
            return Err((number, format!("the user \"{user}\" has a line further up already")));
        }
    }
    Ok(users)
}

/// `$2y$05$` and 53 characters.
fn check_hash(hash: &str) -> Result<(), String> {
    let foreign = || "is not hashed with bcrypt; set it anew with `htpasswd -B`".to_owned();
    let rest =
        ["$2y$", "$2a$", "$2b$"].iter().find_map(|prefix| hash.strip_prefix(prefix)).ok_or_else(foreign)?;
    let (cost, digits) = rest.split_once('$').ok_or_else(foreign)?;
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'/';
    if digits.len() != 53 || !digits.bytes().all(alphabet) {
        return Err("has a bcrypt hash that is cut off or damaged; set it anew with `htpasswd -B`".to_owned());
    }
    match cost.parse::<u32>() {
        Ok(4..=MAX_COST) => Ok(()),
        _ => Err(format!("has a bcrypt cost of {cost}; use one from 4 to {MAX_COST}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";

    #[test]
    fn files_of_htpasswd_are_read() {
        let text = format!("# people\n\nalice:{HASH}\r\nbob:{}\n", HASH.replace("2y", "2a"));
        let users = parse(text.as_bytes()).expect("valid");
        assert_eq!(users.len(), 2);
        assert_eq!(users.get("alice").map(AsRef::as_ref), Some(HASH));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (line, part) in [
            ("carol", "NAME:HASH"),
            (":x", "no user name"),
            ("carol:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "\"carol\" is not hashed with bcrypt"),
            ("carol:$apr1$x$y", "htpasswd -B"),
            ("carol:plain", "not hashed"),
            ("carol:$2y$05$short", "cut off"),
            ("alice:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC", "further up"),
        ] {
            let text = format!("alice:{HASH}\n{line}\n");
            let (number, reason) = parse(text.as_bytes()).expect_err(line);
            assert_eq!(number, 2);
            assert!(reason.contains(part), "{line}: {reason}");
        }
        let (_, reason) = parse(format!("a:{}", HASH.replace("$05$", "$31$")).as_bytes()).expect_err("cost");
        assert!(reason.contains("cost of 31"), "{reason}");
        assert!(parse(b"a\xff:b").is_err());
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("users");
        fs::write(&path, format!("alice:{HASH}\n")).expect("writes");
        let file = Htpasswd::open(&path).expect("valid");
        let look = || file.users.now(|| file.read_again());
        let write = |text: &str| fs::write(&path, text).expect("writes");
        write(&format!("alice:{HASH}\nbob:{HASH}\n"));
        assert!(look().contains_key("bob"));
        write("bob:plain\n");
        assert!(look().contains_key("bob"), "the users from before stay");
        write(&format!("alice:{HASH}\n"));
        assert!(!look().contains_key("bob") && look().contains_key("alice"));
        fs::remove_file(&path).expect("removes");
        assert!(look().contains_key("alice"));
        assert!(file.hash_of("alice").is_some());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Htpasswd::open(Path::new("/nonexistent/users")).expect_err("missing");
        assert!(error.to_string().contains("/nonexistent/users"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_us_panic(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&text);
        }
    }
}
