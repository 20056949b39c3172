//! Who can log in: users of the password file, who may do everything, and tokens, who may do what their scope
//! map says.
//!
//! An account is looked up for every request, so what the database says of a token is kept for a moment. That
//! moment is how long a change (a disabled token, a new password) may take to have effect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::htpasswd::Htpasswd;
use super::name::check_name;
use super::rights::{Rights, Rules};
use super::scope_maps::ScopeMaps;
use super::tokens::Tokens;
use crate::error::{Error, Result};

/// How long a token's row is not read again.
const FRESH: Duration = Duration::from_secs(2);
/// Rows that are remembered.
const MAX_REMEMBERED: usize = 4096;

/// What sort of account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Nobody in particular.
    Anonymous,
    /// Somebody in the password file.
    User,
    /// A token.
    Token,
}

/// A password of an account.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) hash: Arc<str>,
    /// When it stops working, in microseconds since 1970.
    expires_at: Option<i64>,
}

/// An account as it is now.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) rules: Arc<Rules>,
    enabled: bool,
    pub(crate) credentials: Vec<Credential>,
}

/// Why an account cannot be used although the password was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The token was disabled.
    Disabled,
    /// The password has expired.
    Expired,
    /// The password was replaced or taken away.
    Replaced,
}

impl Account {
    /// The account may be used with the password that has this hash.
    pub(crate) fn usable(&self, hash: &str, now: i64) -> Result<(), Unusable> {
        let credential = self.credentials.iter().find(|credential| *credential.hash == *hash);
        let credential = credential.ok_or(Unusable::Replaced)?;
        if credential.expires_at.is_some_and(|at| at <= now) {
            return Err(Unusable::Expired);
        }
        if self.enabled { Ok(()) } else { Err(Unusable::Disabled) }
    }
}

/// All accounts.
#[derive(Debug)]
pub(crate) struct Accounts {
    htpasswd: Option<Htpasswd>,
    tokens: Tokens,
    scope_maps: ScopeMaps,
    everything: Arc<Rules>,
    remembered: Mutex<HashMap<String, (Instant, Arc<Account>)>>,
}

impl Accounts {
    pub(crate) fn new(htpasswd: Option<Htpasswd>, tokens: Tokens, scope_maps: ScopeMaps) -> Self {
        let everything = Arc::new(Rules::everywhere(Rights::ALL));
        Self { htpasswd, tokens, scope_maps, everything, remembered: Mutex::default() }
    }

    /// The accounts that a user name may mean.
    pub(crate) async fn named(&self, name: &str) -> Result<Vec<Arc<Account>>> {
        Ok(self.user(name).into_iter().chain(self.token(name).await?).collect())
    }

    /// One account.
    pub(crate) async fn find(&self, kind: Kind, name: &str) -> Result<Option<Arc<Account>>> {
        match kind {
            Kind::Anonymous => Ok(None),
            Kind::User => Ok(self.user(name)),
            Kind::Token => self.token(name).await,
        }
    }

    fn user(&self, name: &str) -> Option<Arc<Account>> {
        let hash = self.htpasswd.as_ref()?.hash_of(name)?;
        Some(Arc::new(Account {
            kind: Kind::User,
            name: name.to_owned(),
            rules: Arc::clone(&self.everything),
            enabled: true,
            credentials: vec![Credential { hash, expires_at: None }],
        }))
    }

    async fn token(&self, name: &str) -> Result<Option<Arc<Account>>> {
        if let Some(account) = self.remembered(name) {
            return Ok(Some(account));
        }
        // The database is not asked for what no token can be called.
        if check_name(name).is_err() {
            return Ok(None);
        }
        let Some(token) = self.tokens.find(name).await? else {
            return Ok(None);
        };
        let rules = match self.scope_maps.get(&token.scope_map).await {
            Ok(map) => map.rules,
            // Deleted a moment ago, together with the token.
            Err(Error::Unknown { .. }) => Rules::default(),
            Err(error) => return Err(error),
        };
        let credential = |password: &super::tokens::Password| Credential {
            hash: Arc::clone(&password.hash),
            expires_at: password.expires_at,
        };
        let account = Arc::new(Account {
            kind: Kind::Token,
            name: token.name,
            rules: Arc::new(rules),
            enabled: token.enabled,
            credentials: token.passwords.iter().map(credential).collect(),
        });
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(account.name.clone(), (Instant::now(), Arc::clone(&account)));
        Ok(Some(account))
    }

    #[cfg(test)]
    pub(crate) fn forget_all(&self) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn remembered(&self, name: &str) -> Option<Arc<Account>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, account) = remembered.get(name)?;
        (read_at.elapsed() < FRESH).then(|| Arc::clone(account))
    }
}
