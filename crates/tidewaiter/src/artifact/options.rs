//! Groups of flags that several commands share. Each declares its flags and reads them from what was typed.

pub(crate) mod annotations;
pub(crate) mod format;
pub(crate) mod location;
pub(crate) mod platform;
pub(crate) mod remote;
pub(crate) mod target;
pub(crate) mod terminal;

use tidewaiter_cobra::Flag;

/// `--concurrency`, with the default of the command.
pub(crate) fn concurrency(default: u32) -> Flag {
    Flag::int("concurrency", "how many transfers may be under way at a time").default(default.to_string())
}

/// `--descriptor`
pub(crate) fn descriptor(what: &str) -> Flag {
    Flag::bool("descriptor", format!("print the descriptor of the {what}, as JSON"))
}

/// `--pretty`
pub(crate) fn pretty() -> Flag {
    Flag::bool("pretty", "prettify JSON on standard output: indent it, one member a line")
}

/// `--force`, which answers the question before a deletion.
pub(crate) fn force() -> Flag {
    Flag::bool("force", "do not ask, and succeed when it is gone already").short('f')
}

/// `--verbose`, which no longer does anything but hide lines when it is switched off.
pub(crate) fn verbose(default: bool) -> Flag {
    let default = if default { "true" } else { "false" };
    Flag::bool("verbose", "verbose output")
        .short('v')
        .default(default)
        .deprecated("and will be removed in a future release.")
}

/// What `--concurrency` means: at least one.
pub(crate) fn read_concurrency(matches: &tidewaiter_cobra::Matches) -> std::num::NonZeroUsize {
    let typed = usize::try_from(matches.int("concurrency")).ok();
    typed.and_then(std::num::NonZeroUsize::new).unwrap_or(std::num::NonZeroUsize::MIN)
}
