//! Where a database is: a file for SQLite, a URL for PostgreSQL.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DbLocation {
    /// A SQLite file; it is created when it is not there, its directory is not.
    Sqlite(PathBuf),
    /// `postgres://user:password@host:port/database?sslmode=…`.
    Postgres(String),
}

/// The text names no database we can open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a database: give sqlite:FILE or postgres://USER@HOST/DATABASE")]
pub struct InvalidLocation {
    /// What was given, without a password.
    pub text: String,
}

impl FromStr for DbLocation {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
        let path = path.unwrap_or(text);
        if path.is_empty() || path.contains("://") {
            return Err(InvalidLocation { text: without_password(text) });
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

impl fmt::Display for DbLocation {
    /// A path or a URL without its password, fit for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Debug for DbLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Cuts `:password` out of the user part and drops the query, which may hold one too.
fn without_password(url: &str) -> String {
    let url = url.split('?').next().unwrap_or(url);
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or(user);
            format!("{scheme}://{user}@{host}{path}")
        }
        None => format!("{scheme}://{authority}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_urls_are_told_apart() {
        assert_eq!("data/a.db".parse(), Ok(DbLocation::Sqlite("data/a.db".into())));
        assert_eq!("sqlite:///a.db".parse(), Ok(DbLocation::Sqlite("/a.db".into())));
        assert_eq!("sqlite:data/a.db".parse(), Ok(DbLocation::Sqlite("data/a.db".into())));
        let url = "postgres://u:p@h/d";
        assert_eq!(url.parse(), Ok(DbLocation::Postgres(url.to_owned())));
        for text in ["", "sqlite:", "sqlite://", "mysql://u:p@h/d"] {
            assert!(text.parse::<DbLocation>().is_err(), "{text}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let shown = |text: &str| text.parse::<DbLocation>().expect("valid").to_string();
        assert_eq!(shown("postgres://u:p@h:5432/d?password=p"), "postgres://u@h:5432/d");
        assert_eq!(shown("postgres:///d?host=/run"), "postgres:///d");
        let error = "mysql://u:secret@h/d".parse::<DbLocation>().expect_err("mysql");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
