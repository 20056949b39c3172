//! The one door to SQL: SQLite or PostgreSQL behind one small type, migrations, the job table.
//!
//! [`Db::open`] takes a [`DbLocation`] and gives a [`Db`], which is cheap to clone. One SQL text serves both
//! engines: `$1` placeholders, integer microseconds for times, 0 and 1 for truth values. Where the engines
//! really differ, a [`Statement`] carries both texts.
//!
//! ```text
//! let db = Db::open(&location, &Options::default()).await?;
//! let row = db.fetch_optional(sql::IMAGE, args![digest]).await?;      // reads: the read pool
//! db.execute(sql::TOUCH, args![digest, now]).await?;                  // one write: the write connection
//! let mut tx = db.begin().await?;                                     // several: BEGIN IMMEDIATE on SQLite
//! tx.execute(sql::INSERT, args![digest, size]).await?;
//! jobs::enqueue(&mut tx, &NewJob::new("analyse", payload), now).await?;
//! tx.notify("images");                                                // heard by subscribers after commit
//! tx.commit().await?;
//! ```
//!
//! [`jobs`] is the durable queue: `enqueue`, `claim`, `heartbeat`, `finish`, `fail`, `counts`. Whoever waits
//! for news calls [`Db::subscribe`] once and [`Wake::wait`] in a loop.
//!
//! Statements live in one `sql` module per area, declared with [`statements!`], and a test prepares every one
//! on both engines with `testing::check_statements` (feature `testing`).

mod changes;
mod database;
mod error;
pub mod jobs;
mod journal;
mod location;
mod migrations;
mod reserve;
mod statement;
#[cfg(feature = "testing")]
pub mod testing;
mod transaction;
mod value;
mod wake;

pub use database::{Db, Options};
pub use error::{Cause, Error, ErrorKind, Result};
pub use location::{DbLocation, InvalidLocation};
pub use statement::Statement;
pub use transaction::Tx;
pub use value::{Row, Value};
pub use wake::Wake;
