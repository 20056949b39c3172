//! The outbox: what happened to manifests and tags, in the order in which it happened.
//!
//! A row is written in the transaction that does what it tells of. Transactions that write events wait for each
//! other (SQLite has one writer; on PostgreSQL a lock is held from before the first number is taken until the
//! commit), so numbers become visible in their order and a reader that remembers the last number it has seen
//! never misses a row.

use serde::{Deserialize, Serialize};
use tidewaiter_db::{Db, Row, Tx, Wake, args};

use crate::error::Result;
use crate::sql;

/// The topic told after every push and delete.
pub(crate) const TOPIC: &str = "registry";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A manifest was pushed; with a tag when the tag was set.
    Push,
    /// A manifest was deleted, with all its tags.
    Delete,
    /// A tag was removed; the manifest is still there.
    Untag,
}

impl Action {
    /// As the database keeps it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Untag => "untag",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "delete" => Self::Delete,
            "untag" => Self::Untag,
            _ => Self::Push,
        }
    }
}

/// What the client told of itself in the request that caused an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Number of the request, unique.
    pub id: String,
    /// The `Host` it asked.
    pub host: String,
    /// HTTP method.
    pub method: String,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Who it was, when it said so.
    pub user: Option<String>,
}

/// One push or delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number; later events have higher ones, not all numbers are used.
    pub sequence: i64,
    /// When, in microseconds since 1970.
    pub time: i64,
    /// What happened.
    pub action: Action,
    /// Where.
    pub repository: String,
    /// The tag that was set or removed.
    pub tag: Option<String>,
    /// The manifest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// Who caused it; `None` for what the registry did itself.
    pub origin: Option<Origin>,
}

/// An event that is about to happen.
#[derive(Debug)]
pub(crate) struct NewEvent<'a> {
    pub(crate) action: Action,
    pub(crate) repository: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) digest: &'a str,
    pub(crate) media_type: &'a str,
    pub(crate) size: u64,
}

/// Writes an event. The transaction must hold the registry's lock.
pub(crate) async fn record(
    tx: &mut Tx,
    event: &NewEvent<'_>,
    origin: Option<&Origin>,
    now: i64,
) -> Result<()> {
    let origin = origin.and_then(|origin| serde_json::to_string(origin).ok());
    tx.execute(
        sql::INSERT_EVENT,
        args![
            now,
            event.action.as_str(),
            event.repository,
            event.tag,
            event.digest,
            event.media_type,
            event.size,
            origin
        ],
    )
    .await?;
    tx.notify(TOPIC);
    Ok(())
}

/// Up to `limit` events with numbers above `cursor`, in order.
pub(crate) async fn after(db: &Db, cursor: i64, limit: u32) -> Result<Vec<Event>> {
    let rows = db.fetch_all(sql::EVENTS_AFTER, args![cursor, limit]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

fn read(row: &Row) -> Result<Event, tidewaiter_db::Error> {
    Ok(Event {
        sequence: row.i64(0)?,
        time: row.i64(1)?,
        action: Action::parse(row.str(2)?),
        repository: row.text(3)?,
        tag: row.optional_text(4)?,
        digest: row.text(5)?,
        media_type: row.text(6)?,
        size: u64::try_from(row.i64(7)?).unwrap_or(0),
        origin: row.optional_text(8)?.and_then(|text| serde_json::from_str(&text).ok()),
    })
}

/// Hears of new events.
pub(crate) fn subscribe(db: &Db) -> Wake {
    db.subscribe(TOPIC)
}
