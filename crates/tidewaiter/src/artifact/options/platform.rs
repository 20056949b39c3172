//! `--platform`

use tidewaiter_cobra::{Flag, Matches};
use tidewaiter_oci::Platform;

use crate::artifact::failure::{Failure, Outcome};

const PLACEHOLDER: &str = "os[/arch][/variant][:os_version]";

pub(crate) fn flag() -> Flag {
    named("platform", "of an index, take the image for this platform")
}

/// A flag that takes a platform.
pub(crate) fn named(name: &'static str, usage: &str) -> Flag {
    Flag::text(name, format!("{usage}: `{PLACEHOLDER}`"))
}

/// The platform of `--platform`, when one was given.
pub(crate) fn read(matches: &Matches) -> Outcome<Option<Platform>> {
    parse(matches.text("platform"))
}

/// A platform, when the text is not empty.
pub(crate) fn parse(text: &str) -> Outcome<Option<Platform>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|error: tidewaiter_oci::platform::InvalidPlatform| Failure::new(error.to_string()))
}
