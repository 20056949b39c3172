//! Brings a database to the schema this program knows.
//!
//! Each migration has a file for each engine under `migrations/`, runs in a transaction of its own, and leaves
//! its number in `schema_version`. Several programs may open one database at once: the first migrates, the
//! others wait for it and find nothing left to do.

use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::error::{Cause, Error, Result};

/// A step of the schema.
struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migration {
    ($version:literal, $name:literal) => {
        Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
        }
    };
}

/// All of them, in order. A published one is never changed.
const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_jobs"),
    migration!(2, "0002_registry"),
    migration!(3, "0003_platform"),
    migration!(4, "0004_access"),
    migration!(5, "0005_webhooks"),
    migration!(6, "0006_known_repositories"),
    migration!(7, "0007_artifacts"),
];

const CREATE_VERSIONS: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, name TEXT NOT NULL)";
const NEWEST: &str = "SELECT COALESCE(MAX(version), 0) FROM schema_version";
const RECORD: &str = "INSERT INTO schema_version (version, name) VALUES ($1, $2)";
/// Makes programs that migrate one PostgreSQL database at once wait for each other.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(7594012)";

/// Newest version this program knows.
fn known() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// The same steps for both engines; only the types of the driver differ.
macro_rules! migrate {
    ($connection:expr, $location:expr, $begin:expr, $text:ident) => {{
        let failed = |version, name| move |source| Error::Migrate { version, name, source: Cause(source) };
        let setup = failed(0, "schema_version");
        let mut tx = $connection.begin_with($begin).await.map_err(setup)?;
        $crate::migrations::prepare!(tx, $text).map_err(setup)?;
        sqlx::query(CREATE_VERSIONS).execute(&mut *tx).await.map_err(setup)?;
        let found: i64 = sqlx::query_scalar(NEWEST).fetch_one(&mut *tx).await.map_err(setup)?;
        tx.commit().await.map_err(setup)?;
        if found > known() {
            return Err(Error::TooNew { location: $location.to_owned(), found, known: known() });
        }
        for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
            let failed = failed(migration.version, migration.name);
            let mut tx = $connection.begin_with($begin).await.map_err(failed)?;
            $crate::migrations::prepare!(tx, $text).map_err(failed)?;
            let newest: i64 = sqlx::query_scalar(NEWEST).fetch_one(&mut *tx).await.map_err(failed)?;
            if newest >= migration.version {
                continue;
            }
            sqlx::raw_sql(migration.$text).execute(&mut *tx).await.map_err(failed)?;
            let record = sqlx::query(RECORD).bind(migration.version).bind(migration.name);
            record.execute(&mut *tx).await.map_err(failed)?;
            tx.commit().await.map_err(failed)?;
        }
        Ok(())
    }};
}

/// SQLite's `BEGIN IMMEDIATE` already keeps others out; PostgreSQL needs a lock.
macro_rules! prepare {
    ($tx:ident, sqlite) => {
        Ok::<(), sqlx::Error>(())
    };
    ($tx:ident, postgres) => {
        sqlx::query(POSTGRES_LOCK).execute(&mut *$tx).await.map(|_| ())
    };
}
use prepare;

/// Migrates a SQLite file.
pub(crate) async fn migrate_sqlite(connection: &mut SqliteConnection, location: &str) -> Result<()> {
    migrate!(connection, location, "BEGIN IMMEDIATE", sqlite)
}

/// Migrates a PostgreSQL database.
pub(crate) async fn migrate_postgres(connection: &mut PgConnection, location: &str) -> Result<()> {
    migrate!(connection, location, "BEGIN", postgres)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_up_and_stand_in_the_names() {
        for (position, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(usize::try_from(migration.version), Ok(position + 1));
            assert!(migration.name.starts_with(&format!("{:04}_", migration.version)), "{}", migration.name);
        }
    }
}
