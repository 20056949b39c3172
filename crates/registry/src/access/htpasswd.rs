//! Users from an htpasswd file with bcrypt hashes (`htpasswd -B`). The file is read again when it changes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::Semaphore;

use super::htpasswd_error;
use crate::error::{Error, Result};

/// bcrypt is slow on purpose: this many checks run at once, the others wait.
const CHECKS_AT_ONCE: usize = 2;
/// A password that was right is not checked again for this long, in microseconds.
const REMEMBERED: i64 = 5 * 60 * 1_000_000;
/// Most passwords that are remembered.
const MOST_REMEMBERED: usize = 10_000;
/// What the password of an unknown user is compared with, so that it takes as long as a known one's.
const NOBODY: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

/// The users of a file.
#[derive(Debug)]
pub(super) struct Htpasswd {
    path: PathBuf,
    users: Mutex<Users>,
    checks: Arc<Semaphore>,
    /// Key under which right passwords are remembered; it never leaves the process.
    secret: [u8; 32],
    /// When each password that was right was checked.
    remembered: Mutex<HashMap<[u8; 32], i64>>,
}

#[derive(Debug, Default)]
struct Users {
    changed: Option<SystemTime>,
    hashes: Arc<HashMap<String, String>>,
}

impl Htpasswd {
    pub(super) async fn open(path: PathBuf) -> Result<Self> {
        let htpasswd = Self {
            path,
            users: Mutex::default(),
            checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            secret: rand::random(),
            remembered: Mutex::default(),
        };
        htpasswd.read_if_changed()?;
        Ok(htpasswd)
    }

    /// The users as the file has them now.
    fn read_if_changed(&self) -> Result<Arc<HashMap<String, String>>> {
        let changed = std::fs::metadata(&self.path)
            .and_then(|metadata| metadata.modified())
            .map_err(|error| htpasswd_error(&self.path, error.to_string()))?;
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.changed != Some(changed) {
            let text = std::fs::read_to_string(&self.path)
                .map_err(|error| htpasswd_error(&self.path, error.to_string()))?;
            users.hashes = Arc::new(parse(&text).map_err(|reason| htpasswd_error(&self.path, reason))?);
            users.changed = Some(changed);
            self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(Arc::clone(&users.hashes))
    }

    /// The users; a file that has become unreadable or wrong leaves those that were read before.
    fn users(&self) -> Arc<HashMap<String, String>> {
        self.read_if_changed().unwrap_or_else(|error| {
            tracing::warn!(%error, "the users read before stay");
            Arc::clone(&self.users.lock().unwrap_or_else(PoisonError::into_inner).hashes)
        })
    }

    /// There is a user of this name.
    pub(super) fn knows(&self, user: &str) -> bool {
        self.users().contains_key(user)
    }

    /// The password is the user's.
    pub(super) async fn verify(&self, user: &str, password: &str, now: i64) -> Result<bool> {
        let users = self.users();
        let hash = users.get(user).cloned();
        let key = self.remembered_key(user, password, hash.as_deref().unwrap_or(""));
        {
            let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            if remembered.get(&key).is_some_and(|checked| now - checked < REMEMBERED) {
                return Ok(true);
            }
        }
        let (known, hash) = (hash.is_some(), hash.unwrap_or_else(|| NOBODY.to_owned()));
        let password = password.to_owned();
        // The semaphore is never closed; without a permit the check would only be less polite.
        let permit = Arc::clone(&self.checks).acquire_owned().await.ok();
        let matches = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        let right = matches.await.map_err(|source| Error::Task { source })? && known;
        if right {
            let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            if remembered.len() >= MOST_REMEMBERED {
                remembered.clear();
            }
            remembered.insert(key, now);
        }
        Ok(right)
    }

    /// Passwords are remembered by a keyed hash, together with what they were compared with.
    fn remembered_key(&self, user: &str, password: &str, hash: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        for part in [user, password, hash] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

/// Reads `user:hash` lines. Only bcrypt is taken: the other kinds can be guessed.
fn parse(text: &str) -> Result<HashMap<String, String>, String> {
    let mut users = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = number + 1;
        let (user, hash) =
            line.split_once(':').ok_or_else(|| format!("line {number} is not <user>:<hash>"))?;
        if !["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) {
            return Err(format!(
                "the password of {user} in line {number} is not a bcrypt hash; make it with htpasswd -B"
            ));
        }
        users.insert(user.to_owned(), hash.to_owned());
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bcrypt_is_taken() {
        let users = parse("# users\n\nada:$2y$05$abc\r\n").expect("valid");
        assert_eq!(users["ada"], "$2y$05$abc");
        for (text, expected) in [
            ("ada", "line 1"),
            ("\nada:$apr1$x$y", "line 2"),
            ("ada:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "bcrypt"),
        ] {
            let reason = parse(text).expect_err(text);
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
