//! The one place that reads the environment. Every variable the program heeds is a documented constant here.

use std::path::PathBuf;

/// Directory of Docker's `config.json`, in place of `~/.docker`.
pub(crate) const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// The user's home directory.
pub(crate) const HOME: &str = "HOME";
/// Directory of the user's data, in place of `~/.local/share`.
pub(crate) const XDG_DATA_HOME: &str = "XDG_DATA_HOME";
/// Directory of the session's files, where Podman keeps `containers/auth.json`.
pub(crate) const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// What is logged, in `tracing` filter syntax: `info`, `tidewaiter_platform=debug,warn`, …
pub(crate) const TIDEWAITER_LOG: &str = "TIDEWAITER_LOG";

/// A variable's value; absent when it is unset, empty or not UTF-8.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the environment")]
    let value = std::env::var(name).ok();
    value.filter(|value| !value.is_empty())
}

/// The user's home directory.
pub(crate) fn home() -> Option<PathBuf> {
    variable(HOME).map(PathBuf::from)
}

/// Where the user's data of this program is kept: `$XDG_DATA_HOME/tidewaiter`.
pub(crate) fn data_home() -> PathBuf {
    let base = variable(XDG_DATA_HOME).map(PathBuf::from).or_else(|| Some(home()?.join(".local/share")));
    base.unwrap_or_default().join("tidewaiter")
}

/// The time now: the one clock that everything else is handed.
pub(crate) fn timestamp() -> jiff::Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the time")]
    let now = jiff::Timestamp::now();
    now
}

/// The time now, in microseconds since the epoch.
pub(crate) fn now() -> i64 {
    timestamp().as_microsecond()
}
