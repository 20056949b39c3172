//! Tokens: named credentials for programs, each with two passwords, so that one can be replaced while the other
//! is in use, and one scope map.

use std::sync::Arc;

use tidewaiter_db::{Db, Row, args};

use super::name::check_name;
use super::passwords::{self, GeneratedPassword};
use super::{scope_maps, sql};
use crate::error::{Error, Result};
use crate::options::Clock;

/// Which of a token's two passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// `password1`
    Password1,
    /// `password2`
    Password2,
}

impl Slot {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::Password1, Self::Password2];

    /// As Azure names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password1 => "password1",
            Self::Password2 => "password2",
        }
    }
}

/// A password of a token. Only a hash of it is kept.
#[derive(Clone)]
pub struct Password {
    /// Which one it is.
    pub slot: Slot,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// When it stops working, in microseconds since 1970, if ever.
    pub expires_at: Option<i64>,
    pub(super) hash: Arc<str>,
}

impl Password {
    /// It has stopped working.
    #[must_use]
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").field("slot", &self.slot).finish_non_exhaustive()
    }
}

/// A token.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its name, which is the user name to log in with.
    pub name: String,
    /// Name of its scope map.
    pub scope_map: String,
    /// It may be used.
    pub enabled: bool,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// The passwords it has, at most two.
    pub passwords: Vec<Password>,
}

impl Token {
    fn read(row: &Row) -> Result<Self, tidewaiter_db::Error> {
        let created_at = row.i64(3)?;
        let mut passwords = Vec::new();
        for (slot, column) in [(Slot::Password1, 4), (Slot::Password2, 7)] {
            if let Some(hash) = row.optional_text(column)? {
                passwords.push(Password {
                    slot,
                    created_at: row.optional_i64(column + 1)?.unwrap_or(created_at),
                    expires_at: row.optional_i64(column + 2)?,
                    hash: hash.into(),
                });
            }
        }
        Ok(Self { name: row.text(0)?, scope_map: row.text(1)?, enabled: row.bool(2)?, created_at, passwords })
    }
}

/// The tokens of a registry.
#[derive(Debug, Clone)]
pub struct Tokens {
    db: Db,
    clock: Clock,
}

impl Tokens {
    /// Those kept in a database.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// All of them by name.
    pub async fn list(&self) -> Result<Vec<Token>> {
        let rows = self.db.fetch_all(sql::TOKENS, args![]).await?;
        Ok(rows.iter().map(Token::read).collect::<Result<_, _>>()?)
    }

    /// One by its name.
    pub async fn get(&self, name: &str) -> Result<Token> {
        self.find(name).await?.ok_or_else(|| unknown(name))
    }

    pub(super) async fn find(&self, name: &str) -> Result<Option<Token>> {
        let row = self.db.fetch_optional(sql::TOKEN, args![name]).await?;
        Ok(row.as_ref().map(Token::read).transpose()?)
    }

    /// Makes an enabled token without passwords.
    pub async fn create(&self, name: &str, scope_map: &str) -> Result<()> {
        check_name(name)?;
        let mut tx = self.db.begin().await?;
        scope_maps::require(&mut tx, scope_map).await?;
        if tx.execute(sql::INSERT_TOKEN, args![name, scope_map, true, self.clock.now()]).await? == 0 {
            return Err(Error::Exists { what: "token", name: name.to_owned() });
        }
        Ok(tx.commit().await?)
    }

    /// Deletes a token. Whoever is logged in with it is out within seconds; so it is with every change here.
    pub async fn delete(&self, name: &str) -> Result<()> {
        changed(name, self.db.execute(sql::DELETE_TOKEN, args![name]).await?)
    }

    /// Lets a token be used.
    pub async fn enable(&self, name: &str) -> Result<()> {
        changed(name, self.db.execute(sql::SET_ENABLED, args![name, true]).await?)
    }

    /// Keeps a token from being used.
    pub async fn disable(&self, name: &str) -> Result<()> {
        changed(name, self.db.execute(sql::SET_ENABLED, args![name, false]).await?)
    }

    /// Gives a token another scope map.
    pub async fn set_scope_map(&self, name: &str, scope_map: &str) -> Result<()> {
        let mut tx = self.db.begin().await?;
        scope_maps::require(&mut tx, scope_map).await?;
        changed(name, tx.execute(sql::SET_SCOPE_MAP, args![name, scope_map]).await?)?;
        Ok(tx.commit().await?)
    }

    /// Makes up a new password in place of the one that is there, if any. `expires_at` is in microseconds since
    /// 1970.
    pub async fn generate_password(
        &self,
        name: &str,
        slot: Slot,
        expires_at: Option<i64>,
    ) -> Result<GeneratedPassword> {
        let password = GeneratedPassword::new();
        let hash = passwords::hash(password.clone()).await?;
        self.set_password(name, slot, Some(hash), expires_at).await?;
        Ok(password)
    }

    /// Takes a password away.
    pub async fn remove_password(&self, name: &str, slot: Slot) -> Result<()> {
        self.set_password(name, slot, None, None).await
    }

    async fn set_password(
        &self,
        name: &str,
        slot: Slot,
        hash: Option<String>,
        expires_at: Option<i64>,
    ) -> Result<()> {
        let statement = match slot {
            Slot::Password1 => sql::SET_PASSWORD1,
            Slot::Password2 => sql::SET_PASSWORD2,
        };
        let created_at = hash.is_some().then(|| self.clock.now());
        changed(name, self.db.execute(statement, args![name, hash, created_at, expires_at]).await?)
    }
}

fn unknown(name: &str) -> Error {
    Error::Unknown { what: "token", name: name.to_owned() }
}

fn changed(name: &str, rows: u64) -> Result<()> {
    if rows == 0 { Err(unknown(name)) } else { Ok(()) }
}
