//! Who may do what: anonymous clients, users of an htpasswd file, tokens with scope maps, bearer tokens.
//!
//! A request is first turned into a [`Caller`] with its grants ([`Access::caller`]), then asked whether it may do
//! what it wants ([`Access::check`]). What a caller may not read does not exist for it: answers do not depend on
//! whether the repository is there.

pub(crate) mod bearer;
mod htpasswd;
mod scope;
mod tokens;

use std::path::PathBuf;

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use tidewaiter_db::Db;

use crate::error::Result;
use crate::options::{Anonymous, Options};
use crate::response::ApiError;
pub(crate) use bearer::Keys;
use htpasswd::Htpasswd;
pub use scope::{Action, InvalidAction, RepositoryAction};
pub(crate) use scope::{Grants, Scope};
pub use tokens::{CreatedToken, Expiry, NewToken, Password, ScopeMap, Token, TokenError, Tokens};

/// The user name of Basic credentials whose password is a refresh token.
const REFRESH_TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// Who sends a request, and what it may do.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Name of the user or token; none is anonymous.
    pub(crate) name: Option<String>,
    pub(crate) grants: Grants,
    /// The scopes of the bearer token it came with, which may grant less than its owner has.
    bearer: Option<Vec<Scope>>,
}

impl Caller {
    /// May do this in a repository.
    pub(crate) fn may(&self, repository: &str, action: Action) -> bool {
        self.grants.allow(repository, action)
    }

    /// May learn that a repository is there.
    pub(crate) fn may_list(&self, repository: &str) -> bool {
        self.may(repository, Action::MetadataRead) || self.may(repository, Action::ContentRead)
    }
}

/// Decides about requests.
#[derive(Debug)]
pub(crate) struct Access {
    anonymous: Anonymous,
    htpasswd: Option<Htpasswd>,
    tokens: Tokens,
    pub(crate) keys: Keys,
    external_url: Option<String>,
}

impl Access {
    pub(crate) async fn open(db: &Db, options: &Options) -> Result<Self> {
        let htpasswd = match options.htpasswd.clone() {
            Some(path) => Some(Htpasswd::open(path).await?),
            None => None,
        };
        Ok(Self {
            anonymous: options.anonymous,
            htpasswd,
            tokens: Tokens::new(db.clone(), options.clock.clone()),
            keys: Keys::open(db).await?,
            external_url: options.external_url.clone(),
        })
    }

    /// Everybody may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.anonymous == Anonymous::Everything
    }

    fn anonymous_grants(&self) -> Grants {
        match self.anonymous {
            Anonymous::Nothing => Grants::none(),
            Anonymous::Pull => Grants::everywhere(&[Action::ContentRead, Action::MetadataRead]),
            Anonymous::Everything => Grants::All,
        }
    }

    /// Anonymous clients may do something.
    pub(crate) fn admits_anonymous(&self) -> bool {
        self.anonymous != Anonymous::Nothing
    }

    /// The client without credentials.
    pub(crate) fn anonymous(&self) -> Caller {
        Caller { name: None, grants: self.anonymous_grants(), bearer: None }
    }

    /// Who sends a request. Wrong credentials are an error, not anonymous.
    pub(crate) async fn caller(&self, headers: &HeaderMap, now: i64) -> Result<Caller, ApiError> {
        let Some(value) = headers.get(header::AUTHORIZATION).filter(|_| !self.is_open()) else {
            return Ok(self.anonymous());
        };
        let value = value.to_str().unwrap_or("");
        let (scheme, credentials) = value.split_once(' ').unwrap_or((value, ""));
        let caller = if scheme.eq_ignore_ascii_case("bearer") {
            self.keys.access(credentials.trim(), now).map(|claims| Caller {
                name: claims.name(),
                grants: claims.grants(),
                bearer: Some(claims.access),
            })
        } else if scheme.eq_ignore_ascii_case("basic") {
            let (user, password) = basic(credentials).ok_or_else(|| self.unauthorized(headers, None))?;
            self.principal(&user, &password, now).await?
        } else {
            None
        };
        caller.ok_or_else(|| self.unauthorized(headers, None))
    }

    /// The user or token with these credentials; `None` when they are wrong.
    pub(crate) async fn principal(
        &self,
        user: &str,
        password: &str,
        now: i64,
    ) -> Result<Option<Caller>, ApiError> {
        if user == REFRESH_TOKEN_USER {
            return self.refreshed(password, now).await;
        }
        let caller = |grants| Caller { name: Some(user.to_owned()), grants, bearer: None };
        if let Some(grants) = self.tokens.verify(user, password, now).await? {
            return Ok(Some(caller(grants)));
        }
        match &self.htpasswd {
            Some(htpasswd) if htpasswd.verify(user, password, now).await? => Ok(Some(caller(Grants::All))),
            _ => Ok(None),
        }
    }

    /// The owner of a refresh token, with what it may do now.
    pub(crate) async fn refreshed(&self, token: &str, now: i64) -> Result<Option<Caller>, ApiError> {
        let Some(claims) = self.keys.refresh(token, now) else { return Ok(None) };
        let Some(name) = claims.name() else { return Ok(None) };
        let grants = self.owner_grants(&name).await?;
        Ok(grants.map(|grants| Caller { name: Some(name), grants, bearer: None }))
    }

    /// What a user or token may do now; `None` when there is none of this name any more.
    async fn owner_grants(&self, name: &str) -> Result<Option<Grants>> {
        Ok(match self.tokens.grants(name).await? {
            Some(grants) => Some(grants),
            None if self.htpasswd.as_ref().is_some_and(|htpasswd| htpasswd.knows(name)) => Some(Grants::All),
            None => None,
        })
    }

    /// The caller as the list of repositories sees it. A bearer token names no repositories for that: it carries
    /// the scope of the list, and its owner's grants decide what is shown.
    pub(crate) async fn lister(&self, caller: &Caller, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let scope = Scope::catalog();
        let refused = || self.refuse(caller, headers, &scope);
        let grants = match (&caller.bearer, &caller.name) {
            (None, Some(_)) => caller.grants.clone(),
            (None, None) if self.admits_anonymous() => caller.grants.clone(),
            (Some(scopes), Some(name)) if scopes.contains(&scope) => {
                self.owner_grants(name).await?.ok_or_else(refused)?
            }
            (Some(scopes), None) if scopes.contains(&scope) => self.anonymous_grants(),
            _ => return Err(refused()),
        };
        Ok(Caller { grants, ..caller.clone() })
    }

    /// Refuses what the caller may not do. `scope` is what a bearer token would need.
    pub(crate) fn check(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        repository: &str,
        actions: &[Action],
    ) -> Result<(), ApiError> {
        if actions.iter().any(|action| caller.may(repository, *action)) {
            return Ok(());
        }
        let action = actions.first().copied().unwrap_or(Action::ContentRead);
        Err(self.refuse(caller, headers, &Scope::repository(repository, action)))
    }

    /// The answer to who may not: "who are you" where other credentials may help, "no" where they cannot.
    pub(crate) fn refuse(&self, caller: &Caller, headers: &HeaderMap, scope: &Scope) -> ApiError {
        if caller.name.is_none() || caller.bearer.is_some() {
            return self.unauthorized(headers, Some(scope));
        }
        let message = format!("these credentials do not allow {scope}");
        ApiError::new(StatusCode::FORBIDDEN, "DENIED", message)
    }

    /// Tells the client where to get a token.
    pub(crate) fn unauthorized(&self, headers: &HeaderMap, scope: Option<&Scope>) -> ApiError {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let base = match &self.external_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("{}://{host}", scheme(headers)),
        };
        let service = base.split("://").nth(1).unwrap_or(host);
        let mut challenge = format!("Bearer realm=\"{base}/oauth2/token\",service=\"{service}\"");
        if let Some(scope) = scope {
            challenge.push_str(&format!(",scope=\"{scope}\""));
        }
        ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
            .header(header::WWW_AUTHENTICATE, challenge)
    }
}

/// How the client came here. Our own TLS and proxies in front of us both say so in this header.
fn scheme(headers: &HeaderMap) -> &str {
    match headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()) {
        Some("https") => "https",
        _ => "http",
    }
}

/// User and password of Basic credentials.
pub(crate) fn basic(credentials: &str) -> Option<(String, String)> {
    let credentials = credentials.trim();
    let bytes = STANDARD.decode(credentials).or_else(|_| STANDARD_NO_PAD.decode(credentials)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The path of the htpasswd file and what is wrong with it.
pub(crate) fn htpasswd_error(path: &std::path::Path, reason: impl Into<String>) -> crate::Error {
    crate::Error::Htpasswd { path: PathBuf::from(path), reason: reason.into() }
}
