//! What goes into statements and what comes out of them.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::error::{Cause, Error, Result};

/// An argument of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An integer; also times in microseconds, and truth values as 0 and 1.
    I64(Option<i64>),
    /// Text. PostgreSQL takes none with a zero byte in it: use bytes for text from outside that was not parsed.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

/// The arguments of a statement, in the order of `$1`, `$2`, …
///
/// ```
/// use tidewaiter_db::{Value, args};
/// let none: Option<String> = None;
/// assert_eq!(args!["a", 1_i64, none], vec![Value::from("a"), Value::from(1_i64), Value::Text(None)]);
/// ```
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        ::std::vec![$($crate::Value::from($value)),*]
    };
}

macro_rules! from {
    ($($variant:ident: $($from:ty)|+;)+) => {
        $($(
            impl From<$from> for Value {
                fn from(value: $from) -> Self {
                    Self::$variant(Some(value.into()))
                }
            }
            impl From<Option<$from>> for Value {
                fn from(value: Option<$from>) -> Self {
                    Self::$variant(value.map(Into::into))
                }
            }
        )+)+
    };
}

from! {
    I64: i64 | i32 | u32 | bool;
    Text: String | &str | &String;
    Bytes: Vec<u8> | &[u8];
}

impl From<u64> for Value {
    /// Sizes and counts. Neither engine holds more than `i64::MAX`, and no size is larger.
    fn from(value: u64) -> Self {
        Self::I64(Some(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

/// A row of a result. Columns are asked for by position from 0; a column of another type, or NULL where a value
/// is asked for, is [`Error::Column`].
pub struct Row(pub(crate) Inner);

pub(crate) enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! get_optional {
    ($row:expr, $index:expr, $type:ty, $expected:literal) => {
        match &$row.0 {
            Inner::Sqlite(row) => row.try_get::<Option<$type>, _>($index),
            Inner::Postgres(row) => row.try_get::<Option<$type>, _>($index),
        }
        .map_err(|source| Error::Column { index: $index, expected: $expected, source: Cause(source) })
    };
}

/// SQLite's driver would read NULL as 0 or as an empty text, so every value is asked for as an optional one.
macro_rules! get {
    ($row:expr, $index:expr, $type:ty, $expected:literal) => {
        get_optional!($row, $index, $type, $expected)?.ok_or_else(|| {
            let source = Box::new(sqlx::error::UnexpectedNullError);
            let source = sqlx::Error::ColumnDecode { index: $index.to_string(), source };
            Error::Column { index: $index, expected: $expected, source: Cause(source) }
        })
    };
}

impl Row {
    /// An integer.
    pub fn i64(&self, index: usize) -> Result<i64> {
        get!(self, index, i64, "an integer")
    }

    /// An integer or NULL.
    pub fn optional_i64(&self, index: usize) -> Result<Option<i64>> {
        get_optional!(self, index, i64, "an integer or NULL")
    }

    /// A truth value, stored as 0 or 1.
    pub fn bool(&self, index: usize) -> Result<bool> {
        Ok(self.i64(index)? != 0)
    }

    /// Text.
    pub fn text(&self, index: usize) -> Result<String> {
        get!(self, index, String, "text")
    }

    /// Text or NULL.
    pub fn optional_text(&self, index: usize) -> Result<Option<String>> {
        get_optional!(self, index, String, "text or NULL")
    }

    /// Text, without copying it.
    pub fn str(&self, index: usize) -> Result<&str> {
        get!(self, index, &str, "text")
    }

    /// Bytes.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        get!(self, index, Vec<u8>, "bytes")
    }

    /// Bytes or NULL.
    pub fn optional_bytes(&self, index: usize) -> Result<Option<Vec<u8>>> {
        get_optional!(self, index, Vec<u8>, "bytes or NULL")
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").finish_non_exhaustive()
    }
}
