//! What commands show: status while they work, results when they are done, what goes over the wire.

pub(crate) mod json;
pub(crate) mod line;
pub(crate) mod progress;
pub(crate) mod result;
mod row;
pub(crate) mod status;
pub(crate) mod tree;
pub(crate) mod wire;
pub(crate) mod yaml;
