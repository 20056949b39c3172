//! Bearer tokens: JSON web tokens (RFC 7519) that the registry signs (HMAC with SHA-256) and reads itself.
//!
//! An access token carries what it allows and lives short; a refresh token only says whose it is, and is traded for
//! access tokens. The key is in the database, so that all processes of one registry accept each other's tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tidewaiter_db::{Db, args};

use super::Caller;
use super::scope::{Grants, Scope};
use crate::error::Result;
use crate::sql;

/// How long an access token is good, in seconds. A token that is disabled works for this long at most.
pub(crate) const ACCESS_SECONDS: i64 = 20 * 60;
/// How long a refresh token is good, in seconds.
const REFRESH_SECONDS: i64 = 3 * 3600;
/// The head of all our tokens: `{"alg":"HS256","typ":"JWT"}`.
const HEAD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// The name of the key in the database.
const KEY: &str = "bearer";

/// Signs and checks tokens.
pub(crate) struct Keys(Hmac<Sha256>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// What a token says, with the names that ACR's tokens have.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    jti: String,
    sub: String,
    nbf: i64,
    exp: i64,
    iat: i64,
    iss: String,
    aud: String,
    version: String,
    grant_type: String,
    #[serde(default)]
    pub(super) access: Vec<Scope>,
}

impl Claims {
    /// Whose token it is; none is anonymous.
    pub(crate) fn name(&self) -> Option<String> {
        Some(self.sub.clone()).filter(|name| !name.is_empty())
    }

    /// What an access token allows.
    pub(crate) fn grants(&self) -> Grants {
        Grants::These(self.access.iter().flat_map(Scope::allowed).collect())
    }
}

impl Keys {
    /// Reads the key, which is made with the first start.
    pub(crate) async fn open(db: &Db) -> Result<Self> {
        let row = match db.fetch_optional(sql::SECRET, args![KEY]).await? {
            Some(row) => row,
            None => {
                let fresh: [u8; 32] = rand::random();
                db.execute(sql::INSERT_SECRET, args![KEY, &fresh[..]]).await?;
                // Another process may have been first: what is stored counts.
                db.fetch_one(sql::SECRET, args![KEY]).await?
            }
        };
        Ok(Self::new(&row.bytes(0)?))
    }

    fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// An access token for what of the scopes the caller may do. `now` is in microseconds.
    pub(crate) fn sign_access(&self, caller: &Caller, service: &str, scopes: &[Scope], now: i64) -> String {
        let access = scopes.iter().filter_map(|scope| scope.granted(&caller.grants)).collect();
        self.sign(caller, service, "access_token", ACCESS_SECONDS, access, now)
    }

    /// A refresh token for a user or token.
    pub(crate) fn sign_refresh(&self, caller: &Caller, service: &str, now: i64) -> String {
        self.sign(caller, service, "refresh_token", REFRESH_SECONDS, Vec::new(), now)
    }

    fn sign(
        &self,
        caller: &Caller,
        service: &str,
        grant_type: &str,
        seconds: i64,
        access: Vec<Scope>,
        now: i64,
    ) -> String {
        let now = now / 1_000_000;
        let claims = Claims {
            jti: format!("{:032x}", rand::random::<u128>()),
            sub: caller.name.clone().unwrap_or_default(),
            // Clocks of several servers differ a little.
            nbf: now - 60,
            exp: now + seconds,
            iat: now,
            iss: "Tidewaiter".to_owned(),
            aud: service.to_owned(),
            version: "1.0".to_owned(),
            grant_type: grant_type.to_owned(),
            access,
        };
        let claims = serde_json::to_vec(&claims).expect("claims are texts and numbers");
        let signed = format!("{HEAD}.{}", BASE64.encode(claims));
        let mut mac = self.0.clone();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(mac.finalize().into_bytes()))
    }

    /// What an access token says; `None` when it is not ours, is over, or is no access token.
    pub(crate) fn access(&self, token: &str, now: i64) -> Option<Claims> {
        self.read(token, now).filter(|claims| claims.grant_type == "access_token")
    }

    /// What a refresh token says; `None` when it is not ours, is over, or is no refresh token.
    pub(crate) fn refresh(&self, token: &str, now: i64) -> Option<Claims> {
        self.read(token, now).filter(|claims| claims.grant_type == "refresh_token")
    }

    fn read(&self, token: &str, now: i64) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, claims) = signed.split_once('.')?;
        if head != HEAD {
            return None;
        }
        let mut mac = self.0.clone();
        mac.update(signed.as_bytes());
        mac.verify_slice(&BASE64.decode(signature).ok()?).ok()?;
        let claims: Claims = serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()?;
        let now = now / 1_000_000;
        (claims.nbf <= now && now < claims.exp).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scope::Action;
    use super::*;

    #[test]
    fn tokens_are_good_for_what_they_say_and_as_long_as_they_say() {
        let keys = Keys::new(b"a key");
        let caller = Caller {
            name: Some("ci".to_owned()),
            grants: Grants::everywhere(&[Action::ContentRead]),
            bearer: None,
        };
        let scope = Scope::repository("a", Action::ContentWrite);
        let now = 1_000_000_000_000_000;
        let token = keys.sign_access(&caller, "localhost", &[scope], now);
        let claims = keys.access(&token, now).expect("good");
        assert_eq!(claims.name().as_deref(), Some("ci"));
        assert!(claims.grants().allow("a", Action::ContentRead));
        assert!(!claims.grants().allow("a", Action::ContentWrite), "not more than the caller has");
        assert!(!claims.grants().allow("b", Action::ContentRead), "not more than was asked for");
        assert!(keys.access(&token, now + (ACCESS_SECONDS + 1) * 1_000_000).is_none());
        assert!(keys.refresh(&token, now).is_none());
        assert!(Keys::new(b"another key").access(&token, now).is_none());
        let forged = token.replacen('.', ".e30", 1);
        for wrong in ["", ".", "..", "a.b.c", &forged, &token[..token.len() - 1]] {
            assert!(keys.access(wrong, now).is_none(), "{wrong}");
        }
    }
}
