//! What can go wrong with a database, in words for the person who runs it.

use std::fmt;
use std::path::PathBuf;

use crate::statement::Statement;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is, which decides exit code, HTTP status and retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The location is wrong, cannot be written to, or holds something else.
    Config,
    /// It may work later: the server is away, the file is locked.
    Temporary,
    /// The disk is full.
    Full,
    /// A row that breaks a unique rule.
    Conflict,
    /// Somebody else has the job now.
    LeaseLost,
    /// Our own fault: a statement or a type is wrong.
    Internal,
}

/// What the database driver said.
#[derive(Debug)]
pub struct Cause(pub(crate) sqlx::Error);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            // It may call it an input or output error.
            sqlx::Error::Database(_) if self.kind() == ErrorKind::Full => f.write_str("the disk is full"),
            sqlx::Error::Database(error) => f.write_str(error.message()),
            sqlx::Error::PoolTimedOut => f.write_str("no connection became free in time"),
            other => other.fmt(f),
        }
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            // It is what is shown already, in other words.
            sqlx::Error::Database(_) => None,
            other => std::error::Error::source(other),
        }
    }
}

/// An operation of this crate that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be opened or reached.
    #[error("cannot open the database {location}: {source}")]
    Open {
        /// Path, or URL without password.
        location: String,
        /// Why not.
        source: Cause,
    },
    /// The SQLite file cannot be created or written.
    #[error("cannot write the database {}: {source}; check the owner and mode of the directory", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{} is not a database of Tidewaiter: move it away, or name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The database was written by a newer program.
    #[error(
        "the database {location} has schema version {found}, this program knows {known}: use the newer program that wrote it"
    )]
    TooNew {
        /// Path, or URL without password.
        location: String,
        /// Version found.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
    /// A migration failed; nothing of it was kept.
    #[error("cannot bring the database to schema version {version} ({name}): {source}")]
    Migrate {
        /// Number of the migration.
        version: i64,
        /// Its name.
        name: &'static str,
        /// Why not.
        source: Cause,
    },
    /// A database cannot be copied.
    #[error("cannot copy the database to {}: {source}", path.display())]
    Copy {
        /// The file to be made.
        path: PathBuf,
        /// Why not.
        source: Cause,
    },
    /// A transaction cannot be started or ended.
    #[error("cannot {operation} a transaction: {source}")]
    Transaction {
        /// `begin` or `commit`.
        operation: &'static str,
        /// Why not.
        source: Cause,
    },
    /// A statement failed.
    #[error("the statement `{statement}` failed: {source}")]
    Statement {
        /// Its text, in one line.
        statement: String,
        /// Why.
        source: Cause,
    },
    /// A statement that has to find a row found none.
    #[error("the statement `{statement}` found no row")]
    NoRow {
        /// Its text, in one line.
        statement: String,
    },
    /// A column does not hold what the code expects.
    #[error("column {index} of a result is not {expected}: {source}")]
    Column {
        /// Position from 0.
        index: usize,
        /// For example `an integer`.
        expected: &'static str,
        /// What the driver says.
        source: Cause,
    },
    /// A job's lease ended and somebody else has taken the job: the effects must not be kept.
    #[error("the lease of job {id} ({kind}) was lost to another worker")]
    LeaseLost {
        /// The job.
        id: i64,
        /// Its kind.
        kind: String,
    },
}

impl Error {
    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unwritable { .. } | Self::Foreign { .. } | Self::TooNew { .. } => ErrorKind::Config,
            Self::Open { source, .. } | Self::Migrate { source, .. } if source.kind() == ErrorKind::Full => {
                ErrorKind::Full
            }
            Self::Open { .. } => ErrorKind::Config,
            Self::Copy { source, .. } | Self::Transaction { source, .. } | Self::Statement { source, .. } => {
                source.kind()
            }
            Self::Migrate { .. } | Self::NoRow { .. } | Self::Column { .. } => ErrorKind::Internal,
            Self::LeaseLost { .. } => ErrorKind::LeaseLost,
        }
    }

    /// A unique rule was broken.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.kind() == ErrorKind::Conflict
    }

    /// A SQLite file could not be opened because somebody else has it locked.
    pub(crate) fn is_locked(&self) -> bool {
        let (Self::Open { source, .. } | Self::Migrate { source, .. }) = self else { return false };
        let sqlx::Error::Database(error) = &source.0 else { return false };
        let code = error.code().and_then(|code| code.parse::<i64>().ok());
        code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
    }

    pub(crate) fn statement(statement: Statement, source: sqlx::Error) -> Self {
        Self::Statement { statement: statement.in_one_line(), source: Cause(source) }
    }
}

/// SQLite's primary result codes that say "not now": busy, locked, input or output error.
const SQLITE_TEMPORARY: &[i64] = &[5, 6, 10];
/// SQLite's primary result code of a lock that somebody else has.
const SQLITE_BUSY: i64 = 5;
/// SQLite's primary result code of a full disk.
const SQLITE_FULL: i64 = 13;
/// What it says when there is no room for the index of its journal.
const SQLITE_IOERR_SHMSIZE: i64 = 4874;

impl Cause {
    fn kind(&self) -> ErrorKind {
        match &self.0 {
            sqlx::Error::Database(error) if error.is_unique_violation() => ErrorKind::Conflict,
            sqlx::Error::Database(error) => match error.code().as_deref() {
                Some("53100") => ErrorKind::Full,
                // PostgreSQL's classes: connection, transaction rollback, resources, operator intervention.
                Some(code) if code.len() == 5 && ["08", "40", "53", "57"].contains(&&code[..2]) => {
                    ErrorKind::Temporary
                }
                Some(code) if code.len() < 5 => match code.parse::<i64>() {
                    Ok(code) if code & 0xff == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE => ErrorKind::Full,
                    Ok(code) if SQLITE_TEMPORARY.contains(&(code & 0xff)) => ErrorKind::Temporary,
                    _ => ErrorKind::Internal,
                },
                _ => ErrorKind::Internal,
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => ErrorKind::Temporary,
            _ => ErrorKind::Internal,
        }
    }
}
