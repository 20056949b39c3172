//! Bearer tokens: JSON web tokens (RFC 7519) signed with HMAC-SHA256 by a key that only this registry has.
//!
//! There are two sorts, as at Azure Container Registry. An access token is good for some scopes and about an
//! hour. A refresh token stands for a name and password for three hours and is exchanged for access tokens. They are
//! signed with different keys, so neither can pass for the other. Both are bound to the password they were got
//! with: when that is replaced or taken away, they end.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tidewaiter_db::{Db, args};

use super::accounts::Kind;
use super::scope::Scopes;
use super::sql;
use crate::error::Result;

/// Name of the key in the table of secrets.
const KEY: &str = "bearer-tokens";
/// Who issues the tokens.
const ISSUER: &str = "Tidewaiter Registry";
/// Seconds that an access token is good for.
pub(crate) const ACCESS_LIFETIME: i64 = 75 * 60;
/// Seconds that a refresh token is good for.
pub(crate) const REFRESH_LIFETIME: i64 = 3 * 3600;
/// Seconds that the clocks of servers with a common database may differ.
const CLOCK_SKEW: i64 = 60;
/// The longest token that is looked at, in bytes.
const MAX_LENGTH: usize = 16 * 1024;
const MICROS: i64 = 1_000_000;

type HmacSha256 = Hmac<Sha256>;

/// The claims of both sorts of token. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Claims {
    jti: String,
    /// Name of the user or token; empty for nobody in particular.
    pub(crate) sub: String,
    nbf: i64,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    iss: String,
    /// The service as the client knows it.
    aud: String,
    version: String,
    /// The registry's own number.
    rid: String,
    grant_type: String,
    /// What `sub` is the name of.
    pub(crate) kind: Kind,
    /// Fingerprint of the password's hash.
    pub(crate) credential: String,
    /// What it is good for; only access tokens have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access: Option<Scopes>,
}

/// Whom a token is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    /// The hash of the password that was shown; empty for nobody in particular.
    pub(crate) hash: &'a str,
    /// The service as the client knows it.
    pub(crate) service: &'a str,
    /// How the client asked.
    pub(crate) grant_type: &'a str,
}

/// A signed token and when it was made and ends, in seconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) text: String,
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
}

/// Signs and checks tokens.
#[derive(Clone)]
pub(crate) struct Signer {
    access: HmacSha256,
    refresh: HmacSha256,
    fingerprint: HmacSha256,
    header: String,
    registry_id: String,
}

impl Signer {
    /// Takes the key from the database. The first server that asks makes it.
    pub(crate) async fn load(db: &Db) -> Result<Self> {
        let fresh: [u8; 32] = rand::random();
        let mut tx = db.begin().await?;
        tx.execute(sql::INSERT_SECRET, args![KEY, fresh.as_slice()]).await?;
        let secret = tx.fetch_one(sql::SECRET, args![KEY]).await?.bytes(0)?;
        tx.commit().await?;
        Ok(Self::new(&secret))
    }

    fn new(secret: &[u8]) -> Self {
        let derive = |purpose: &str| mac(&keyed(secret), purpose.as_bytes());
        let registry_id = uuid(&derive("registry id"));
        let header = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{}"}}"#, &registry_id[..8]);
        Self {
            access: keyed(&derive("access tokens")),
            refresh: keyed(&derive("refresh tokens")),
            fingerprint: keyed(&derive("fingerprints")),
            header: BASE64.encode(header),
            registry_id,
        }
    }

    /// What a token says of the password it was got with.
    pub(crate) fn fingerprint(&self, hash: &str) -> String {
        BASE64.encode(&mac(&self.fingerprint, hash.as_bytes())[..12])
    }

    /// Makes an access token.
    pub(crate) fn access_token(&self, subject: Subject<'_>, scopes: Scopes, now: i64) -> Signed {
        let claims = self.claims(subject, Some(scopes), now / MICROS, now / MICROS + ACCESS_LIFETIME);
        self.sign(&self.access, &claims)
    }

    /// Makes a refresh token that ends at `expires_at`, in seconds since 1970.
    pub(crate) fn refresh_token(&self, subject: Subject<'_>, now: i64, expires_at: i64) -> Signed {
        let claims = self.claims(subject, None, now / MICROS, expires_at);
        self.sign(&self.refresh, &claims)
    }

    /// The claims of an access token that is ours and good at this time.
    pub(crate) fn check_access(&self, token: &str, now: i64) -> Option<Claims> {
        self.check(&self.access, token, now).filter(|claims| claims.access.is_some())
    }

    /// The claims of a refresh token that is ours and good at this time.
    pub(crate) fn check_refresh(&self, token: &str, now: i64) -> Option<Claims> {
        self.check(&self.refresh, token, now)
    }

    fn claims(&self, subject: Subject<'_>, access: Option<Scopes>, now: i64, expires_at: i64) -> Claims {
        let fingerprint = |hash: &str| if hash.is_empty() { String::new() } else { self.fingerprint(hash) };
        Claims {
            jti: uuid(&rand::random()),
            sub: subject.name.to_owned(),
            nbf: now,
            exp: expires_at,
            iat: now,
            iss: ISSUER.to_owned(),
            aud: subject.service.to_owned(),
            version: "1.0".to_owned(),
            rid: self.registry_id.clone(),
            grant_type: subject.grant_type.to_owned(),
            kind: subject.kind,
            credential: fingerprint(subject.hash),
            access,
        }
    }

    fn sign(&self, key: &HmacSha256, claims: &Claims) -> Signed {
        let payload = serde_json::to_vec(claims).expect("claims are plain JSON");
        let mut text = format!("{}.{}", self.header, BASE64.encode(payload));
        let signature = BASE64.encode(mac(key, text.as_bytes()));
        text.push('.');
        text.push_str(&signature);
        Signed { text, issued_at: claims.iat, expires_at: claims.exp }
    }

    /// `aud` is not compared: it is the name under which the client reached us, and the key already says that
    /// the token is for this registry and no other.
    fn check(&self, key: &HmacSha256, token: &str, now: i64) -> Option<Claims> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let payload = signed.strip_prefix(&self.header)?.strip_prefix('.')?;
        let signature = BASE64.decode(signature).ok()?;
        let mut mac = key.clone();
        mac.update(signed.as_bytes());
        mac.verify_slice(&signature).ok()?;
        let claims: Claims = decode(payload)?;
        let now = now / MICROS;
        (claims.nbf <= now + CLOCK_SKEW && now < claims.exp).then_some(claims)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("registry_id", &self.registry_id).finish_non_exhaustive()
    }
}

fn keyed(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn mac(key: &HmacSha256, bytes: &[u8]) -> [u8; 32] {
    let mut mac = key.clone();
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&BASE64.decode(part).ok()?).ok()
}

/// Sixteen of the bytes in the form of a version 8 UUID (RFC 9562).
pub(crate) fn uuid(bytes: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(36);
    for (at, &byte) in bytes.iter().take(16).enumerate() {
        let byte = match at {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => byte,
        };
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::rights::{Rights, Rules};
    use super::*;

    const NOW: i64 = 1_700_000_000 * MICROS;

    fn signer() -> Signer {
        Signer::new(b"a secret of the test")
    }

    fn subject() -> Subject<'static> {
        Subject { kind: Kind::Token, name: "ci", hash: "h", service: "r.example", grant_type: "password" }
    }

    fn access() -> String {
        let scopes = Scopes::grant(&["repository:a:pull"], &Rules::everywhere(Rights::ALL));
        signer().access_token(subject(), scopes, NOW).text
    }

    #[test]
    fn access_tokens_carry_the_claims_of_azure() {
        let token = access();
        let claims: serde_json::Value = decode(token.split('.').nth(1).expect("three parts")).expect("JSON");
        let names: Vec<_> = claims.as_object().expect("an object").keys().cloned().collect();
        for name in
            ["jti", "sub", "nbf", "exp", "iat", "iss", "aud", "version", "rid", "grant_type", "access"]
        {
            assert!(names.iter().any(|found| found == name), "{name}");
        }
        let entry = serde_json::json!([{"Type": "repository", "Name": "a", "Actions": ["pull"]}]);
        assert_eq!(claims["access"], entry);
        assert_eq!((claims["sub"].as_str(), claims["aud"].as_str()), (Some("ci"), Some("r.example")));
        assert_eq!(claims["exp"].as_i64(), Some(NOW / MICROS + ACCESS_LIFETIME));
    }

    #[test]
    fn tokens_are_good_for_their_time_and_purpose_only() {
        let (signer, token) = (signer(), access());
        assert!(signer.check_access(&token, NOW).is_some());
        assert!(signer.check_access(&token, NOW + ACCESS_LIFETIME * MICROS).is_none(), "too late");
        assert!(signer.check_access(&token, NOW - 2 * CLOCK_SKEW * MICROS).is_none(), "too early");
        assert!(signer.check_refresh(&token, NOW).is_none(), "not a refresh token");
        let refresh = signer.refresh_token(subject(), NOW, NOW / MICROS + REFRESH_LIFETIME).text;
        assert!(signer.check_refresh(&refresh, NOW).is_some());
        assert!(signer.check_access(&refresh, NOW).is_none(), "not an access token");
        assert!(Signer::new(b"another registry").check_access(&token, NOW).is_none());
    }

    #[test]
    fn a_token_without_a_signature_is_none() {
        let none = BASE64.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let token = access();
        let payload = token.split('.').nth(1).expect("three parts");
        for forged in [
            format!("{none}.{payload}."),
            format!("{}.{payload}.", signer().header),
            token[..token.len() - 1].to_owned(),
            String::new(),
            "..".to_owned(),
            "a".repeat(MAX_LENGTH + 1),
        ] {
            assert!(signer().check_access(&forged, NOW).is_none(), "{forged}");
        }
    }

    #[test]
    fn numbers_look_like_uuids() {
        assert_eq!(uuid(&[0xff; 32]), "ffffffff-ffff-8fff-bfff-ffffffffffff");
    }

    #[tokio::test]
    async fn the_key_is_made_once() {
        let temp = tidewaiter_db::testing::TempDb::new().await;
        let one = Signer::load(&temp.db).await.expect("loads");
        let two = Signer::load(&temp.db).await.expect("loads");
        assert_eq!(one.registry_id, two.registry_id);
        let token = one.access_token(subject(), Scopes::default(), NOW).text;
        assert!(two.check_access(&token, NOW).is_some());
    }

    proptest::proptest! {
        #[test]
        fn no_change_of_a_token_goes_unnoticed(at in 0_usize..600, with in "[A-Za-z0-9._-]") {
            let token = access();
            let at = at % token.len();
            let changed = format!("{}{with}{}", &token[..at], &token[at + 1..]);
            // The last character of a part may have spare bits, which the decoder refuses when set.
            proptest::prop_assert!(changed == token || signer().check_access(&changed, NOW).is_none());
        }
    }
}
