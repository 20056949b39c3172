//! Who may do what.
//!
//! Those who can log in are users of a password file ([`Options::htpasswd`](crate::Options::htpasswd)), who may do everything, and
//! [`Tokens`] in the database, each held to a [`ScopeMap`]: names, actions and shapes are those of Azure Container
//! Registry. A client sends name and password with each request, or has `oauth2` sign a bearer token for some
//! scopes. `gate` decides about each request before anything else looks at it.
//!
//! ```text
//! gate ── challenge     what to answer when not
//!  ├── login ── accounts ── htpasswd, tokens ── scope_maps ── rights
//!  │     └── passwords, throttle
//!  └── signing ── scope
//! ```

mod accounts;
mod caller;
mod challenge;
mod gate;
mod htpasswd;
mod login;
mod name;
pub(crate) mod oauth2;
mod passwords;
mod rights;
mod scope;
mod scope_maps;
mod signing;
pub(crate) mod sql;
mod throttle;
mod tokens;

pub(crate) use caller::Caller;
pub(crate) use gate::{Access, Need};
pub use htpasswd::InvalidHtpasswd;
pub use passwords::GeneratedPassword;
pub use rights::{InvalidAction, Repositories, Right, Rights, Rules};
pub use scope_maps::{ScopeMap, ScopeMaps};
pub use tokens::{Password, Slot, Token, Tokens};

/// The user name that goes with a refresh token in place of a password, as at Azure Container Registry.
pub(crate) const REFRESH_TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";
