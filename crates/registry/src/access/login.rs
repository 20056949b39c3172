//! Checks user names and passwords, and the tokens that stand for them.
//!
//! Clients that use Basic authentication send the password with every request, and checking one takes tens of
//! milliseconds on purpose. So what was checked is remembered for some minutes, under a keyed hash of name and
//! password; whether the account may still be used is asked anew each time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::accounts::{Account, Accounts, Kind, Unusable};
use super::passwords::{Desk, decoy};
use super::signing::{Claims, Signer};
use super::throttle::Throttle;
use crate::error::Error;
use crate::response::shortened;

/// How long a checked password is not checked again.
const REMEMBER: Duration = Duration::from_secs(300);
/// Checked passwords that are remembered.
const MAX_REMEMBERED: usize = 10_000;
/// How long a refusal takes at least, whether there is such a user or not.
const REFUSAL_TAKES: Duration = Duration::from_millis(250);
/// The longest user name and password that are looked at; refresh tokens are passwords too.
const MAX_LENGTH: usize = 16 * 1024;

/// Somebody who proved who they are.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) account: Arc<Account>,
    /// Hash of the password that was shown.
    pub(crate) hash: Arc<str>,
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No such user, or another password.
    Wrong,
    /// The password is right, but the account cannot be used.
    Unusable { name: String, why: Unusable },
    /// Too many failures, or too much to do: come back after this time.
    Throttled(Duration),
    /// It could not be found out.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A password that was found right.
#[derive(Debug, Clone)]
struct Checked {
    kind: Kind,
    hash: Arc<str>,
    until: Instant,
}

/// Checks who somebody is.
#[derive(Debug)]
pub(crate) struct Logins {
    accounts: Accounts,
    desk: Desk,
    throttle: Throttle,
    decoy: Arc<str>,
    refusal_takes: Duration,
    key: [u8; 32],
    checked: Mutex<HashMap<[u8; 32], Checked>>,
}

impl Logins {
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self {
            accounts,
            desk: Desk::new(),
            throttle: Throttle::default(),
            decoy: decoy(),
            refusal_takes: REFUSAL_TAKES,
            key: rand::random(),
            checked: Mutex::default(),
        }
    }

    /// Checks a name and a password that came from an address.
    pub(crate) async fn password(
        &self,
        address: IpAddr,
        name: &str,
        password: &str,
        now: i64,
    ) -> Result<Login, Refusal> {
        if name.len() > MAX_LENGTH || password.len() > MAX_LENGTH {
            return Err(Refusal::Wrong);
        }
        let id = self.id(name, password);
        if let Some(login) = self.known(&id, name, now).await? {
            return Ok(login);
        }
        let begun = Instant::now();
        let attempt = self.throttle.begin(address, name, begun).map_err(Refusal::Throttled)?;
        let checked = self.check(&id, name, password, now).await;
        match &checked {
            Err(Refusal::Wrong) => {
                tokio::time::sleep_until((begun + self.refusal_takes).into()).await;
                tracing::warn!(%address, user = shortened(name).escape_debug().to_string(), "a login failed");
            }
            _ => self.throttle.succeeded(attempt),
        }
        checked
    }

    /// Whom the claims of a signed token speak of, if that account still has the password it was got with.
    pub(crate) async fn claims(&self, claims: &Claims, signer: &Signer, now: i64) -> Result<Login, Refusal> {
        let account = self.accounts.find(claims.kind, &claims.sub).await?.ok_or(Refusal::Wrong)?;
        let credential =
            account.credentials.iter().find(|known| signer.fingerprint(&known.hash) == claims.credential);
        let hash = credential.map(|known| Arc::clone(&known.hash));
        usable(account, hash.ok_or(Refusal::Wrong)?, now)
    }

    /// What is remembered under; useless to whoever reads it out of our memory after the key is gone.
    fn id(&self, name: &str, password: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(&(name.len() as u64).to_be_bytes());
        mac.update(name.as_bytes());
        mac.update(password.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The account of a password that was checked a while ago, if it still is its password.
    async fn known(&self, id: &[u8; 32], name: &str, now: i64) -> Result<Option<Login>, Refusal> {
        let checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let Some(checked) = checked.filter(|checked| Instant::now() < checked.until) else {
            return Ok(None);
        };
        let Some(account) = self.accounts.find(checked.kind, name).await? else {
            return Ok(None);
        };
        match usable(account, checked.hash, now) {
            Err(Refusal::Unusable { why: Unusable::Replaced, .. }) => Ok(None),
            login => login.map(Some),
        }
    }

    async fn check(&self, id: &[u8; 32], name: &str, password: &str, now: i64) -> Result<Login, Refusal> {
        let turn = self.desk.turn().await.map_err(|_| Refusal::Throttled(Duration::from_secs(1)))?;
        // Clients begin with several requests at once: whoever waited finds what the first one found out.
        if let Some(login) = self.known(id, name, now).await? {
            return Ok(login);
        }
        let accounts = self.accounts.named(name).await?;
        let mut hashes: Vec<_> = accounts
            .iter()
            .flat_map(|account| &account.credentials)
            .map(|credential| Arc::clone(&credential.hash))
            .collect();
        if hashes.is_empty() {
            hashes.push(Arc::clone(&self.decoy));
        }
        let found = turn.check(password.to_owned(), hashes).await?;
        let hash = found.filter(|hash| *hash != self.decoy).ok_or(Refusal::Wrong)?;
        let account = accounts
            .into_iter()
            .find(|account| account.credentials.iter().any(|credential| credential.hash == hash))
            .ok_or(Refusal::Wrong)?;
        self.remember(
            *id,
            Checked { kind: account.kind, hash: Arc::clone(&hash), until: Instant::now() + REMEMBER },
        );
        usable(account, hash, now)
    }

    fn remember(&self, id: [u8; 32], entry: Checked) {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.len() >= MAX_REMEMBERED {
            let now = Instant::now();
            checked.retain(|_, entry| now < entry.until);
        }
        if checked.len() >= MAX_REMEMBERED {
            checked.clear();
        }
        checked.insert(id, entry);
    }
}

fn usable(account: Arc<Account>, hash: Arc<str>, now: i64) -> Result<Login, Refusal> {
    match account.usable(&hash, now) {
        Ok(()) => Ok(Login { account, hash }),
        Err(why) => Err(Refusal::Unusable { name: account.name.clone(), why }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tidewaiter_db::testing::TempDb;

    use super::super::htpasswd::Htpasswd;
    use super::super::rights::{Rights, Rules};
    use super::super::scope_maps::ScopeMaps;
    use super::super::tokens::{Slot, Tokens};
    use super::*;
    use crate::options::Clock;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    struct Fixture {
        temp: TempDb,
        tokens: Tokens,
        logins: Logins,
    }

    fn clock() -> Clock {
        Clock::new(|| 1_000)
    }

    async fn fixture() -> Fixture {
        let temp = TempDb::new().await;
        let tokens = Tokens::new(temp.db.clone(), clock());
        let maps = ScopeMaps::new(temp.db.clone(), clock());
        let path = temp.directory.path().join("users");
        // Written by `htpasswd -nbB alice secret`.
        std::fs::write(&path, "alice:$2y$05$iHni6WEpoqRQgHdb9QsvM.aSExBzdXca0ZqVdDP7yF8T3NwcE/Mcq\n")
            .expect("writes");
        let users = Htpasswd::open(Path::new(&path)).expect("valid");
        let logins = Logins::new(Accounts::new(Some(users), tokens.clone(), maps));
        Fixture { temp, tokens, logins }
    }

    fn refused(login: Result<Login, Refusal>) -> String {
        format!("{:?}", login.expect_err("refused"))
    }

    #[tokio::test]
    async fn users_and_tokens_log_in_with_their_passwords_only() {
        let Fixture { tokens, logins, temp: _temp } = fixture().await;
        tokens.create("ci", "_repositories_pull").await.expect("creates");
        let one = tokens.generate_password("ci", Slot::Password1, None).await.expect("generates");
        let two = tokens.generate_password("ci", Slot::Password2, Some(2_000)).await.expect("generates");
        for password in [one.as_str(), two.as_str(), one.as_str()] {
            let login = logins.password(HERE, "ci", password, 1_000).await.expect("logs in");
            assert_eq!(
                (login.account.kind, login.account.rules.anywhere()),
                (Kind::Token, Rules::parse(&["repositories/*/content/read"]).expect("valid").anywhere())
            );
        }
        let login = logins.password(HERE, "alice", "secret", 1_000).await.expect("logs in");
        assert_eq!((login.account.kind, login.account.rules.on("x")), (Kind::User, Rights::ALL));
        for (name, password) in
            [("alice", one.as_str()), ("ci", "secret"), ("nobody", "secret"), ("", ""), ("a\0", "x")]
        {
            let refusal = logins.password(HERE, name, password, 1_000).await;
            assert_eq!(refused(refusal), "Wrong", "{name}");
        }
        // An expired password is told as such to whoever has it, checked now or before.
        assert!(refused(logins.password(HERE, "ci", two.as_str(), 2_000).await).contains("Expired"));
    }

    #[tokio::test]
    async fn what_is_remembered_ends_with_the_account() {
        let Fixture { tokens, temp, .. } = fixture().await;
        tokens.create("ci", "_repositories_pull").await.expect("creates");
        let password = tokens.generate_password("ci", Slot::Password1, None).await.expect("generates");
        let logins =
            Logins::new(Accounts::new(None, tokens.clone(), ScopeMaps::new(temp.db.clone(), clock())));
        let signer = Signer::load(&temp.db).await.expect("loads");
        let login = logins.password(HERE, "ci", password.as_str(), 1_000).await.expect("logs in");
        let subject = super::super::signing::Subject {
            kind: Kind::Token,
            name: "ci",
            hash: &login.hash,
            service: "r",
            grant_type: "password",
        };
        let refresh = signer.refresh_token(subject, 1_000, 10_000).text;
        let claims = signer.check_refresh(&refresh, 1_000).expect("good");
        let is_in = async || {
            // A row is believed for two seconds; a test does not wait for them.
            logins.accounts.forget_all();
            let by_password = logins.password(HERE, "ci", password.as_str(), 1_000).await.is_ok();
            let by_claims = logins.claims(&claims, &signer, 1_000).await.is_ok();
            assert_eq!(by_password, by_claims);
            by_claims
        };
        assert!(is_in().await);
        tokens.disable("ci").await.expect("disables");
        assert!(!is_in().await);
        tokens.enable("ci").await.expect("enables");
        assert!(is_in().await);
        tokens.generate_password("ci", Slot::Password1, None).await.expect("generates");
        assert!(!is_in().await, "the password was replaced");
        tokens.delete("ci").await.expect("deletes");
        assert!(!is_in().await);
    }

    #[tokio::test]
    async fn guessing_is_slowed_down_and_stopped() {
        let Fixture { mut logins, temp: _temp, .. } = fixture().await;
        logins.refusal_takes = Duration::ZERO;
        let mut refusals = Vec::new();
        for number in 0..12 {
            refusals.push(refused(logins.password(HERE, "alice", &number.to_string(), 1_000).await));
        }
        assert_eq!(refusals.iter().filter(|refusal| *refusal == "Wrong").count(), 10, "{refusals:?}");
        assert!(refused(logins.password(HERE, "alice", "secret", 1_000).await).contains("Throttled"));
        logins
            .password(IpAddr::from([192, 0, 2, 1]), "alice", "secret", 1_000)
            .await
            .expect("from elsewhere");
        logins.password(HERE, "alice", "secret", 1_000).await.expect("what was checked needs no attempt");
    }
}
