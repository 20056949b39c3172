//! Hashing and checking of passwords, away from the threads that serve requests.
//!
//! A check is slow and takes memory on purpose, so few run at a time and few may wait; whoever comes on top is
//! told to come back.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use argon2::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Error, Result};

/// Checks that run at a time.
const AT_ONCE: usize = 2;
/// Checks that run or wait.
const MAX_QUEUE: usize = 128;
/// Characters of a generated password. Azure's have as many.
const GENERATED_LENGTH: usize = 52;
/// What generated passwords are made of: nothing that shells, URLs or eyes trip over.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Memory in KiB and passes of a hash. Passwords of tokens are generated, so nobody guesses them; the hash is
/// there for a copy of the database in wrong hands.
const MEMORY: u32 = 8 * 1024;
const PASSES: u32 = 3;

/// A password that was made up for a token. It is shown once and kept only as a hash.
#[derive(Clone, PartialEq, Eq)]
pub struct GeneratedPassword(String);

impl GeneratedPassword {
    /// Makes one up: 52 characters, each of 64.
    pub(crate) fn new() -> Self {
        let random: [u8; GENERATED_LENGTH] = rand::random();
        Self(random.iter().map(|&byte| char::from(ALPHABET[usize::from(byte % 64)])).collect())
    }

    /// The password.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for GeneratedPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GeneratedPassword")
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY, PASSES, 1, None).expect("constants within argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes a password for the database.
pub(crate) async fn hash(password: GeneratedPassword) -> Result<String> {
    let work = move || {
        let salt: [u8; 16] = rand::random();
        let hash = argon2().hash_password_with_salt(password.0.as_bytes(), &salt);
        hash.expect("a salt of 16 bytes and constant parameters").to_string()
    };
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::Task { source })
}

/// The password belongs to the hash: bcrypt's from a password file, or argon2's from the database. Blocks.
fn matches(password: &[u8], hash: &str) -> bool {
    if hash.starts_with("$argon2") {
        argon2().verify_password(password, hash).is_ok()
    } else {
        bcrypt::verify(password, hash).unwrap_or(false)
    }
}

/// The queue of checks is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// The places where passwords are checked.
#[derive(Debug)]
pub(crate) struct Desk {
    running: Semaphore,
    queue: Semaphore,
}

/// A turn at checking.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _running: SemaphorePermit<'a>,
    _queued: SemaphorePermit<'a>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { running: Semaphore::new(AT_ONCE), queue: Semaphore::new(MAX_QUEUE) }
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, Busy> {
        let queued = self.queue.try_acquire().map_err(|_| Busy)?;
        let running = self.running.acquire().await.expect("the semaphore is never closed");
        Ok(Turn { _running: running, _queued: queued })
    }
}

impl Turn<'_> {
    /// Which of the hashes the password belongs to.
    pub(crate) async fn check(&self, password: String, hashes: Vec<Arc<str>>) -> Result<Option<Arc<str>>> {
        let work = move || hashes.into_iter().find(|hash| matches(password.as_bytes(), hash));
        tokio::task::spawn_blocking(work).await.map_err(|source| Error::Task { source })
    }
}

/// A hash that no password belongs to and that takes as long to check as a real one.
pub(crate) fn decoy() -> Arc<str> {
    let salt = "AAAAAAAAAAAAAAAAAAAAAA";
    let zeros = "A".repeat(43);
    format!("$argon2id$v=19$m={MEMORY},t={PASSES},p=1${salt}${zeros}").into()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn only_the_right_password_belongs_to_a_hash() {
        let desk = Desk::new();
        let password = GeneratedPassword::new();
        assert_eq!(password.as_str().len(), GENERATED_LENGTH);
        let ours: Arc<str> = hash(password.clone()).await.expect("hashes").into();
        // Written by `htpasswd -nbB a secret`.
        let theirs: Arc<str> = "$2y$05$iHni6WEpoqRQgHdb9QsvM.aSExBzdXca0ZqVdDP7yF8T3NwcE/Mcq".into();
        let both = vec![Arc::clone(&theirs), Arc::clone(&ours)];
        let turn = desk.turn().await.expect("free");
        let found = turn.check(password.as_str().to_owned(), both.clone()).await.expect("checks");
        assert_eq!(found, Some(ours));
        let found = turn.check("secret".to_owned(), both.clone()).await.expect("checks");
        assert_eq!(found, Some(theirs));
        for wrong in ["", "secret ", "x".repeat(10_000).as_str(), "a\0b"] {
            let found = turn.check(wrong.to_owned(), both.clone()).await.expect("checks");
            assert_eq!(found, None, "{}", wrong.len());
        }
    }

    #[tokio::test]
    async fn the_decoy_is_a_real_hash() {
        let parsed = argon2::password_hash::phc::PasswordHash::new(&decoy()).expect("valid").to_string();
        assert_eq!(parsed, *decoy());
        let real = hash(GeneratedPassword::new()).await.expect("hashes");
        let start = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(start(&real), start(&decoy()));
    }

    #[tokio::test]
    async fn few_run_and_few_wait() {
        let desk = Desk::new();
        let first = desk.turn().await.expect("free");
        let _second = desk.turn().await.expect("free");
        let mut waiting: Vec<_> = (2..MAX_QUEUE).map(|_| Box::pin(desk.turn())).collect();
        for turn in &mut waiting {
            assert!(turn.now_or_never().is_none());
        }
        assert_eq!(desk.turn().await.expect_err("full"), Busy);
        drop(first);
        assert!((&mut waiting[0]).now_or_never().is_some());
    }
}
