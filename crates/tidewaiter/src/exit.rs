//! The statuses that the program ends with: the same for every command and every format.

use std::process::ExitCode;

use tidewaiter_oci::error::ErrorKind;

/// Something was found that the command was told to fail on.
const FINDINGS: u8 = 2;
/// The words make no sense (`EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// The same where the docker client runs us: what it ends with itself.
pub(crate) const PLUGIN_USAGE: u8 = 125;
/// A registry, an engine or a server cannot be reached, or failed (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;

/// What the help of commands says of it.
pub(crate) const HELP: &str = "Exit status: 0 when it was done, 1 when it failed, 2 when something was found that --exit-code or --fail-on name,\n64 when the words make no sense, 69 when a registry or an engine cannot be reached.";

/// Something was found.
pub(crate) fn findings() -> ExitCode {
    ExitCode::from(FINDINGS)
}

/// The status for an error.
pub(crate) fn of_error(error: &anyhow::Error) -> ExitCode {
    let is_unreachable = error.chain().any(|cause| {
        let content = match cause.downcast_ref::<tidewaiter_platform::Error>() {
            Some(tidewaiter_platform::Error::Content(content)) => Some(content),
            _ => cause.downcast_ref::<tidewaiter_oci::Error>(),
        };
        content.is_some_and(|content| content.kind() == ErrorKind::Temporary)
    });
    if is_unreachable { ExitCode::from(UNAVAILABLE) } else { ExitCode::FAILURE }
}
