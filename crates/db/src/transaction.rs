//! Transactions. Dropping one takes everything back.

use sqlx::{Postgres, Sqlite, Transaction};

use crate::changes::Changes;
use crate::database::{bind_postgres, bind_sqlite};
use crate::error::{Cause, Error, Result};
use crate::journal::Journal;
use crate::statement::Statement;
use crate::value::{Inner, Row, Value};
use crate::wake::{CHANNEL, Topics};

/// A transaction that may write. On SQLite it holds the one write lock from its beginning; on PostgreSQL
/// transactions run beside each other, and [`Tx::lock`] makes those of one area wait for each other.
pub struct Tx {
    pub(crate) inner: TxInner,
    pub(crate) topics: Topics,
    pub(crate) news: Vec<&'static str>,
}

pub(crate) enum TxInner {
    Sqlite(Transaction<'static, Sqlite>, Journal, Changes),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// All rows of a result.
    pub async fn fetch_all(&mut self, statement: impl Into<Statement>, args: Vec<Value>) -> Result<Vec<Row>> {
        let statement = statement.into();
        match &mut self.inner {
            TxInner::Sqlite(tx, ..) => {
                let rows = bind_sqlite(statement, args).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(|row| Row(Inner::Sqlite(row))).collect())
            }
            TxInner::Postgres(tx) => {
                let rows = bind_postgres(statement, args).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(|row| Row(Inner::Postgres(row))).collect())
            }
        }
        .map_err(|source| Error::statement(statement, source))
    }

    /// The first row of a result, if it has one.
    pub async fn fetch_optional(
        &mut self,
        statement: impl Into<Statement>,
        args: Vec<Value>,
    ) -> Result<Option<Row>> {
        let statement = statement.into();
        match &mut self.inner {
            TxInner::Sqlite(tx, ..) => {
                let row = bind_sqlite(statement, args).fetch_optional(&mut **tx).await;
                row.map(|row| row.map(|row| Row(Inner::Sqlite(row))))
            }
            TxInner::Postgres(tx) => {
                let row = bind_postgres(statement, args).fetch_optional(&mut **tx).await;
                row.map(|row| row.map(|row| Row(Inner::Postgres(row))))
            }
        }
        .map_err(|source| Error::statement(statement, source))
    }

    /// The first row of a result that has one; [`Error::NoRow`] otherwise.
    pub async fn fetch_one(&mut self, statement: impl Into<Statement>, args: Vec<Value>) -> Result<Row> {
        let statement = statement.into();
        let row = self.fetch_optional(statement, args).await?;
        row.ok_or_else(|| Error::NoRow { statement: statement.in_one_line() })
    }

    /// Runs a statement; the number of rows it changed.
    pub async fn execute(&mut self, statement: impl Into<Statement>, args: Vec<Value>) -> Result<u64> {
        let statement = statement.into();
        match &mut self.inner {
            TxInner::Sqlite(tx, ..) => {
                bind_sqlite(statement, args).execute(&mut **tx).await.map(|done| done.rows_affected())
            }
            TxInner::Postgres(tx) => {
                bind_postgres(statement, args).execute(&mut **tx).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|source| Error::statement(statement, source))
    }

    /// Waits until no other transaction of any process holds the lock of this area; it is held until the
    /// transaction ends. Costs nothing on SQLite, where every writing transaction is alone anyway.
    pub async fn lock(&mut self, area: &'static str) -> Result<()> {
        if matches!(self.inner, TxInner::Postgres(_)) {
            self.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", crate::args![area]).await?;
        }
        Ok(())
    }

    /// Tells the subscribers of a topic, once the transaction is committed.
    pub fn notify(&mut self, topic: &'static str) {
        if !self.news.contains(&topic) {
            self.news.push(topic);
        }
    }

    /// Keeps everything. When this returns without an error, it survives the loss of power.
    pub async fn commit(mut self) -> Result<()> {
        if matches!(self.inner, TxInner::Postgres(_)) {
            for topic in std::mem::take(&mut self.news) {
                self.execute("SELECT pg_notify($1, $2)", crate::args![CHANNEL, topic]).await?;
                self.news.push(topic);
            }
        }
        match self.inner {
            TxInner::Sqlite(tx, journal, changes) => {
                let writing = changes.writing();
                match tx.commit().await {
                    Ok(()) => {
                        drop(writing);
                        journal.sync().await.map_err(sqlx::Error::Io)
                    }
                    Err(error) => Err(error),
                }
            }
            TxInner::Postgres(tx) => tx.commit().await,
        }
        .map_err(|source| Error::Transaction { operation: "commit", source: Cause(source) })?;
        for topic in self.news {
            self.topics.tell(topic);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("news", &self.news).finish_non_exhaustive()
    }
}
