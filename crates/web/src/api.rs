//! The API under `/api/v1`: JSON, snake_case keys, RFC 3339 times in UTC.

pub(crate) mod images;
