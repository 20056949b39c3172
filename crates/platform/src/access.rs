//! Who may look: the owner's token, one-time login links, browser sessions.
//!
//! The owner token is the one secret of a fresh installation. It is made at the first start, kept in a file
//! that only its owner reads, and opens the API as a bearer token. A login link exchanges a code that works
//! once for a session cookie. The database knows links and sessions only by their SHA-256.

mod owner_token;
pub mod sql;

pub use owner_token::{InvalidToken, OwnerToken};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tidewaiter_db::{Db, args};

use crate::clock::{Clock, Micros, SECOND};
use crate::error::Result;

/// How long a login link works.
pub const LINK_LIFETIME: Micros = 15 * 60 * SECOND;

/// How long a session lasts.
pub const SESSION_LIFETIME: Micros = 7 * 24 * 3600 * SECOND;

/// Checks who comes, and lets people in.
#[derive(Debug, Clone)]
pub struct Access {
    db: Db,
    clock: Clock,
    owner: [u8; 32],
}

/// A new random secret of 256 bits, as 64 hex digits.
fn new_secret() -> String {
    let bytes: [u8; 32] = rand::random();
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

impl Access {
    /// Access for the owner of a token.
    #[must_use]
    pub fn new(db: Db, clock: Clock, token: &OwnerToken) -> Self {
        Self { db, clock, owner: hash(token.as_str()) }
    }

    /// The text is the owner's token.
    #[must_use]
    pub fn is_owner_token(&self, token: &str) -> bool {
        hash(token).ct_eq(&self.owner).into()
    }

    /// A code that opens one session within [`LINK_LIFETIME`].
    pub async fn new_login_code(&self) -> Result<String> {
        let code = new_secret();
        let now = self.clock.now();
        self.db.execute(sql::DROP_LINKS, args![now]).await?;
        self.db.execute(sql::ADD_LINK, args![hex(&hash(&code)), now + LINK_LIFETIME]).await?;
        Ok(code)
    }

    /// Takes a login code and opens a session; absent when the code is unknown, used or too old.
    pub async fn redeem(&self, code: &str) -> Result<Option<String>> {
        let taken = self.db.execute(sql::TAKE_LINK, args![hex(&hash(code)), self.clock.now()]).await?;
        if taken == 0 { Ok(None) } else { self.open_session().await.map(Some) }
    }

    /// Opens a session and gives its secret, the value of the cookie.
    pub async fn open_session(&self) -> Result<String> {
        let secret = new_secret();
        let now = self.clock.now();
        self.db.execute(sql::DROP_SESSIONS, args![now]).await?;
        let expires = now + SESSION_LIFETIME;
        self.db.execute(sql::ADD_SESSION, args![hex(&hash(&secret)), now, expires]).await?;
        Ok(secret)
    }

    /// The secret belongs to a session that is open.
    pub async fn is_session(&self, secret: &str) -> Result<bool> {
        let found = self.db.fetch_optional(sql::SESSION, args![hex(&hash(secret)), self.clock.now()]).await?;
        Ok(found.is_some())
    }

    /// Ends a session.
    pub async fn close_session(&self, secret: &str) -> Result<()> {
        self.db.execute(sql::END_SESSION, args![hex(&hash(secret))]).await?;
        Ok(())
    }
}
