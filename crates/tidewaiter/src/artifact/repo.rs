//! `repo …`: what a registry and its repositories have.

pub(crate) mod ls;
pub(crate) mod tags;
