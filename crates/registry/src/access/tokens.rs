//! Tokens and scope maps, as in ACR: a token has a name, two passwords, and a scope map that says what it may do.
//!
//! Passwords are made here, of 256 random bits, shown once and kept as a hash; guessing them is hopeless, so a plain
//! SHA-256 serves and every request can be checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Serialize;
use subtle::ConstantTimeEq as _;
use tidewaiter_db::{Db, Row, args};
use tidewaiter_oci::Digest;

use super::scope::{Action, Grants, RepositoryAction};
use crate::error::{Error, Result};
use crate::options::Clock;
use crate::sql;

/// Manages and checks tokens. Clones share the database.
#[derive(Debug, Clone)]
pub struct Tokens {
    db: Db,
    clock: Clock,
}

/// What a set of tokens may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeMap {
    /// Its name; those that begin with `_` are built in.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `repositories/<name or *>/<action>`, sorted.
    pub actions: Vec<String>,
    /// When it was made, in microseconds since 1970; 0 of those that are built in.
    pub created_at: i64,
}

/// A token without its passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Its name, which is the user name of its credentials.
    pub name: String,
    /// What it may do.
    pub scope_map: String,
    /// A disabled token is refused.
    pub enabled: bool,
    /// When each of its two passwords ends.
    pub passwords: [Expiry; 2],
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
}

/// When a password ends, in microseconds since 1970, if ever.
pub type Expiry = Option<i64>;

/// Which of a token's two passwords: one can be renewed while the other is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Password {
    /// The first.
    One,
    /// The second.
    Two,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Letters, digits, `-` and `_`, at most 64.
    pub name: String,
    /// The scope map, built in or made before.
    pub scope_map: String,
    /// When its passwords end, in microseconds since 1970.
    pub expires_at: Expiry,
}

/// A token that was just made: the only time that its passwords are known.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// The token.
    pub token: Token,
    /// Its passwords.
    pub passwords: [String; 2],
}

/// Why a token or scope map cannot be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The name cannot be one.
    #[error("\"{0}\" is not a name: use up to 64 letters, digits, - and _, not beginning with _")]
    Name(String),
    /// There is one of this name already.
    #[error("{0} exists already")]
    Exists(String),
    /// There is none of this name.
    #[error("{0} does not exist")]
    Unknown(String),
    /// A scope map is built in.
    #[error("the scope map {0} is built in and cannot be changed")]
    BuiltIn(String),
    /// Tokens still use the scope map.
    #[error("the scope map {name} is used by the token {token}; give that another one first")]
    InUse {
        /// The scope map.
        name: String,
        /// One of its tokens.
        token: String,
    },
    /// An action of a scope map is none.
    #[error(transparent)]
    Action(#[from] super::scope::InvalidAction),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<tidewaiter_db::Error> for TokenError {
    fn from(error: tidewaiter_db::Error) -> Self {
        Self::Store(Error::Database(error))
    }
}

/// The five scope maps that every registry has.
const SYSTEM_SCOPE_MAPS: [(&str, &str, &[Action]); 5] = [
    ("_repositories_admin", "everything on all repositories", &Action::ALL),
    ("_repositories_pull", "pull from all repositories", &[Action::ContentRead]),
    (
        "_repositories_pull_metadata_read",
        "pull from all repositories and list what they hold",
        &[Action::ContentRead, Action::MetadataRead],
    ),
    (
        "_repositories_push",
        "push to and pull from all repositories",
        &[Action::ContentRead, Action::ContentWrite],
    ),
    (
        "_repositories_push_metadata_write",
        "push to and pull from all repositories, list and change what they hold",
        &[Action::ContentRead, Action::ContentWrite, Action::MetadataRead, Action::MetadataWrite],
    ),
];

fn system_scope_map(name: &str) -> Option<Grants> {
    let (_, _, actions) = SYSTEM_SCOPE_MAPS.iter().find(|(system, _, _)| *system == name)?;
    Some(Grants::everywhere(actions))
}

impl Tokens {
    /// Tokens of the registry in this database.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Makes a token with two passwords.
    pub async fn create(&self, new: &NewToken) -> Result<CreatedToken, TokenError> {
        check_name(&new.name)?;
        let mut tx = self.db.begin().await?;
        if system_scope_map(&new.scope_map).is_none()
            && tx.fetch_optional(sql::SCOPE_MAP, args![&new.scope_map]).await?.is_none()
        {
            return Err(TokenError::Unknown(format!("the scope map {}", new.scope_map)));
        }
        let passwords = [generate(), generate()];
        let token = Token {
            name: new.name.clone(),
            scope_map: new.scope_map.clone(),
            enabled: true,
            passwords: [new.expires_at; 2],
            created_at: self.clock.now(),
        };
        let arguments = args![
            &token.name,
            &token.scope_map,
            hash(&passwords[0]),
            new.expires_at,
            hash(&passwords[1]),
            new.expires_at,
            token.created_at
        ];
        match tx.execute(sql::INSERT_TOKEN, arguments).await {
            Err(error) if error.is_conflict() => {
                return Err(TokenError::Exists(format!("the token {}", new.name)));
            }
            other => other?,
        };
        tx.commit().await?;
        Ok(CreatedToken { token, passwords })
    }

    /// All tokens by name.
    pub async fn list(&self) -> Result<Vec<Token>, TokenError> {
        let rows = self.db.fetch_all(sql::TOKENS, args![]).await?;
        Ok(rows.iter().map(read_token).collect::<Result<_, _>>()?)
    }

    /// Replaces one password; the new one, shown this once.
    pub async fn renew(
        &self,
        name: &str,
        password: Password,
        expires_at: Expiry,
    ) -> Result<String, TokenError> {
        let statement = match password {
            Password::One => sql::SET_PASSWORD_ONE,
            Password::Two => sql::SET_PASSWORD_TWO,
        };
        let fresh = generate();
        let changed = self.db.execute(statement, args![name, hash(&fresh), expires_at]).await?;
        found(changed, || format!("the token {name}"))?;
        Ok(fresh)
    }

    /// Lets a token in or keeps it out.
    pub async fn set_enabled(&self, name: &str, enabled: bool) -> Result<(), TokenError> {
        let changed = self.db.execute(sql::ENABLE_TOKEN, args![name, enabled]).await?;
        found(changed, || format!("the token {name}"))
    }

    /// Removes a token.
    pub async fn delete(&self, name: &str) -> Result<(), TokenError> {
        let changed = self.db.execute(sql::DELETE_TOKEN, args![name]).await?;
        found(changed, || format!("the token {name}"))
    }

    /// Makes a scope map of actions `repositories/<name or *>/<action>`.
    pub async fn create_scope_map(
        &self,
        name: &str,
        description: &str,
        actions: &[String],
    ) -> Result<ScopeMap, TokenError> {
        check_name(name)?;
        let mut parsed =
            actions.iter().map(|text| text.parse()).collect::<Result<Vec<RepositoryAction>, _>>()?;
        parsed.sort_unstable();
        parsed.dedup();
        let actions: Vec<_> = parsed.iter().map(ToString::to_string).collect();
        let created_at = self.clock.now();
        let json = serde_json::json!(actions).to_string();
        match self.db.execute(sql::INSERT_SCOPE_MAP, args![name, description, json, created_at]).await {
            Err(error) if error.is_conflict() => {
                return Err(TokenError::Exists(format!("the scope map {name}")));
            }
            other => other?,
        };
        Ok(ScopeMap { name: name.to_owned(), description: description.to_owned(), actions, created_at })
    }

    /// All scope maps, the built-in ones first.
    pub async fn scope_maps(&self) -> Result<Vec<ScopeMap>, TokenError> {
        let system = SYSTEM_SCOPE_MAPS.iter().map(|(name, description, actions)| ScopeMap {
            name: (*name).to_owned(),
            description: (*description).to_owned(),
            actions: actions.iter().map(|action| format!("repositories/*/{}", action.as_str())).collect(),
            created_at: 0,
        });
        let mut maps: Vec<_> = system.collect();
        for row in self.db.fetch_all(sql::SCOPE_MAPS, args![]).await? {
            maps.push(ScopeMap {
                name: row.text(0)?,
                description: row.text(1)?,
                actions: serde_json::from_str(row.str(2)?).unwrap_or_default(),
                created_at: row.i64(3)?,
            });
        }
        Ok(maps)
    }

    /// Removes a scope map that no token uses.
    pub async fn delete_scope_map(&self, name: &str) -> Result<(), TokenError> {
        if system_scope_map(name).is_some() {
            return Err(TokenError::BuiltIn(name.to_owned()));
        }
        let mut tx = self.db.begin().await?;
        if let Some(row) = tx.fetch_optional(sql::TOKEN_OF_SCOPE_MAP, args![name]).await? {
            return Err(TokenError::InUse { name: name.to_owned(), token: row.text(0)? });
        }
        let changed = tx.execute(sql::DELETE_SCOPE_MAP, args![name]).await?;
        found(changed, || format!("the scope map {name}"))?;
        tx.commit().await?;
        Ok(())
    }

    /// What a token may do, when the password is one of its own.
    pub(crate) async fn verify(&self, name: &str, password: &str, now: i64) -> Result<Option<Grants>> {
        let Some(row) = self.db.fetch_optional(sql::TOKEN_SECRETS, args![name]).await? else {
            return Ok(None);
        };
        let given = hash(password);
        let mut right = false;
        for column in [1, 3] {
            let Some(stored) = row.optional_text(column)? else { continue };
            let living = row.optional_i64(column + 1)?.is_none_or(|end| now < end);
            right |= bool::from(stored.as_bytes().ct_eq(given.as_bytes())) && living;
        }
        if !right {
            return Ok(None);
        }
        read_grants(row.str(0)?, row.optional_text(5)?).map(Some)
    }

    /// What an enabled token may do.
    pub(crate) async fn grants(&self, name: &str) -> Result<Option<Grants>> {
        let Some(row) = self.db.fetch_optional(sql::TOKEN_SECRETS, args![name]).await? else {
            return Ok(None);
        };
        read_grants(row.str(0)?, row.optional_text(5)?).map(Some)
    }
}

/// The grants of a built-in scope map, or of the stored actions of another.
fn read_grants(scope_map: &str, actions: Option<String>) -> Result<Grants> {
    if let Some(grants) = system_scope_map(scope_map) {
        return Ok(grants);
    }
    let actions: Vec<String> =
        actions.and_then(|actions| serde_json::from_str(&actions).ok()).unwrap_or_default();
    Ok(Grants::These(actions.iter().filter_map(|text| text.parse().ok()).collect()))
}

fn read_token(row: &Row) -> Result<Token, tidewaiter_db::Error> {
    Ok(Token {
        name: row.text(0)?,
        scope_map: row.text(1)?,
        enabled: row.bool(2)?,
        passwords: [row.optional_i64(3)?, row.optional_i64(4)?],
        created_at: row.i64(5)?,
    })
}

fn found(changed: u64, what: impl FnOnce() -> String) -> Result<(), TokenError> {
    if changed == 0 { Err(TokenError::Unknown(what())) } else { Ok(()) }
}

fn check_name(name: &str) -> Result<(), TokenError> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > 64 || name.starts_with('_') || !name.bytes().all(valid) {
        return Err(TokenError::Name(name.to_owned()));
    }
    Ok(())
}

fn generate() -> String {
    BASE64.encode(rand::random::<[u8; 32]>())
}

fn hash(password: &str) -> String {
    Digest::sha256(password.as_bytes()).to_string()
}
