//! The decision about each request: who sent it, what it needs, and whether that may be.
//!
//! It falls before anything is looked up, so the answer to somebody who may not read a repository is the same
//! whether the repository exists or not.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::http::header::{self, HeaderMap};
use axum::http::request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tidewaiter_db::Db;
use tidewaiter_oci::RepositoryName;

use super::REFRESH_TOKEN_USER;
use super::accounts::{Accounts, Kind};
use super::caller::Caller;
use super::challenge::{Fault, Reached, Refuser};
use super::htpasswd::Htpasswd;
use super::login::{Login, Logins, Refusal};
use super::rights::{Right, Rights, Rules};
use super::scope::{CATALOG_SCOPE, Scopes, scope_for};
use super::scope_maps::ScopeMaps;
use super::signing::Signer;
use super::tokens::Tokens;
use crate::error::{Error, Result};
use crate::options::{Anonymous, Challenge, Clock, Options};
use crate::response::ApiError;
use crate::server::ClientAddress;

/// What a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// To know who it is.
    Introduction,
    /// To know that it is somebody with an account, even where strangers may pull.
    Account,
    /// To list repositories.
    Listing,
    /// A right on a repository.
    Repository(RepositoryName, Right),
    /// To push into a repository, and to read the one that a blob is to be mounted from.
    Mount { into: RepositoryName, from: RepositoryName },
}

impl Need {
    /// The scope of a token that is good for it.
    fn scope(&self) -> Option<String> {
        match self {
            Self::Introduction | Self::Account => None,
            Self::Listing => Some(CATALOG_SCOPE.to_owned()),
            Self::Repository(name, right) => Some(scope_for(name.as_str(), *right)),
            Self::Mount { into, from } => {
                let into = scope_for(into.as_str(), Right::ContentWrite);
                Some(format!("{into} {}", scope_for(from.as_str(), Right::ContentRead)))
            }
        }
    }
}

/// What a client shows to say who it is.
#[derive(PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Password {
        name: String,
        password: String,
    },
    Bearer(String),
    /// Something that is none of these.
    Unreadable,
}

/// Controls access to a registry.
#[derive(Debug)]
pub(crate) struct Access {
    anonymous: Anonymous,
    challenge: Challenge,
    external: Option<Reached>,
    pub(super) clock: Clock,
    pub(super) signer: Signer,
    pub(super) logins: Logins,
    pub(super) strangers: Arc<Rules>,
}

impl Access {
    /// Reads the password file and the signing key.
    pub(crate) async fn open(db: &Db, options: &Options) -> Result<Self> {
        let clock = options.clock.clone();
        let htpasswd = match options.htpasswd.clone() {
            Some(path) => {
                let opened = tokio::task::spawn_blocking(move || Htpasswd::open(&path)).await;
                Some(opened.map_err(|source| Error::Task { source })??)
            }
            None => None,
        };
        let tokens = Tokens::new(db.clone(), clock.clone());
        let scope_maps = ScopeMaps::new(db.clone(), clock.clone());
        let strangers = Arc::new(Rules::everywhere(match options.anonymous {
            Anonymous::Everything => Rights::ALL,
            Anonymous::Pull => Rights::READ,
            Anonymous::Nothing => Rights::NONE,
        }));
        let logins = Logins::new(Accounts::new(htpasswd, tokens, scope_maps));
        Ok(Self {
            anonymous: options.anonymous,
            challenge: options.challenge,
            external: options.external_url.as_ref().map(Reached::at),
            clock,
            signer: Signer::load(db).await?,
            logins,
            strangers,
        })
    }

    /// Lets a request through, with who sent it, or says what to answer.
    pub(crate) async fn admit(&self, parts: &request::Parts, need: &Need) -> Result<Caller, ApiError> {
        if self.is_open() {
            return Ok(Caller::stranger(Arc::clone(&self.strangers)));
        }
        let refuser = self.refuser(parts);
        let scope = need.scope();
        let caller = match shown(&parts.headers) {
            Shown::Nothing => Caller::stranger(Arc::clone(&self.strangers)),
            Shown::Password { name, password } => {
                let login = self.login(address(parts), &name, &password).await;
                let login = login.map_err(|refusal| refuser.refused(refusal))?;
                Caller::named(&login.account.name, Arc::clone(&login.account.rules), None)
            }
            Shown::Bearer(token) => match self.bearer(&token).await {
                Ok(caller) => caller,
                Err(Refusal::Wrong) => return Err(refuser.challenge(scope.as_deref(), Fault::Invalid)),
                Err(refusal) => return Err(refuser.refused(refusal)),
            },
            Shown::Unreadable => return Err(refuser.challenge(scope.as_deref(), Fault::Invalid)),
        };
        let (may, could) = match need {
            Need::Introduction => (caller.is_introduced(), false),
            Need::Account => (caller.name().is_some(), false),
            Need::Listing => (caller.may_list(), caller.could_list()),
            Need::Repository(name, right) => {
                (caller.may(name.as_str(), *right), caller.could(name.as_str(), *right))
            }
            Need::Mount { into, from } => {
                let (read, write) = (Right::ContentRead, Right::ContentWrite);
                // Who may not read the source at all is not refused: they upload what they cannot mount.
                let reads = caller.may(from.as_str(), read) || !caller.could(from.as_str(), read);
                (caller.may(into.as_str(), write) && reads, caller.could(into.as_str(), write))
            }
        };
        let refused = match scope {
            _ if may => return Ok(caller),
            Some(scope) if could => refuser.challenge(Some(&scope), Fault::Insufficient),
            Some(scope) if caller.name().is_some() => Refuser::denied(&scope),
            scope => refuser.challenge(scope.as_deref(), Fault::Absent),
        };
        Err(refused.refusing(caller.name()))
    }

    /// Everybody may do everything, and nobody is asked who they are.
    pub(super) fn is_open(&self) -> bool {
        self.anonymous == Anonymous::Everything
    }

    pub(super) fn refuser(&self, parts: &request::Parts) -> Refuser {
        let reached = self.external.clone().unwrap_or_else(|| Reached::by(&parts.uri, &parts.headers));
        Refuser { reached, challenge: self.challenge }
    }

    /// Checks a name and a password, which is a refresh token for the name that stands for one.
    pub(super) async fn login(&self, address: IpAddr, name: &str, password: &str) -> Result<Login, Refusal> {
        if name == REFRESH_TOKEN_USER {
            return self.refresh(password).await;
        }
        self.logins.password(address, name, password, self.clock.now()).await
    }

    /// Checks a refresh token.
    pub(super) async fn refresh(&self, token: &str) -> Result<Login, Refusal> {
        let now = self.clock.now();
        let claims = self.signer.check_refresh(token, now).ok_or(Refusal::Wrong)?;
        self.logins.claims(&claims, &self.signer, now).await
    }

    async fn bearer(&self, token: &str) -> Result<Caller, Refusal> {
        let now = self.clock.now();
        let claims = self.signer.check_access(token, now).ok_or(Refusal::Wrong)?;
        let scopes = claims.access.clone().unwrap_or_default();
        if claims.kind == Kind::Anonymous {
            return Ok(Caller::anonymous(Arc::clone(&self.strangers), scopes));
        }
        let login = self.logins.claims(&claims, &self.signer, now).await?;
        Ok(Caller::named(&login.account.name, Arc::clone(&login.account.rules), Some(scopes)))
    }

    /// What a token for somebody, or for nobody in particular, is good for.
    pub(super) fn grant<T: AsRef<str>>(&self, login: Option<&Login>, asked: &[T]) -> Scopes {
        Scopes::grant(asked, login.map_or(&self.strangers, |login| &login.account.rules))
    }
}

/// Where a request came from.
pub(super) fn address(parts: &request::Parts) -> IpAddr {
    let address = parts.extensions.get::<ClientAddress>().map(|address| address.0.ip());
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Reads the `Authorization` header.
pub(super) fn shown(headers: &HeaderMap) -> Shown {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Shown::Nothing,
        (Some(value), None) => value.to_str().unwrap_or(""),
        (Some(_), Some(_)) => return Shown::Unreadable,
    };
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Shown::Bearer(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Shown::Unreadable;
    }
    let text = BASE64.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match text.as_deref().and_then(|text| text.split_once(':')) {
        // Clients that were asked for a password and have none send this.
        Some(("", "")) => Shown::Nothing,
        Some((name, password)) => Shown::Password { name: name.to_owned(), password: password.to_owned() },
        None => Shown::Unreadable,
    }
}
