//! The binary: arguments, terminal, wiring.
//!
//! Each command is a file under `commands/`, with its arguments and one `run` that calls the libraries. What
//! the program says goes through [`ui::Ui`]; what it reads of its surroundings comes from [`environment`].

mod artifact;
mod client;
mod commands;
mod demo;
mod environment;
mod exit;
mod plugin;
mod serve;
mod size;
mod ui;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use tracing_subscriber::EnvFilter;

use ui::Ui;

/// The pipeline allocates much and briefly; the system allocator costs a tenth of its time, and far more on musl.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The one command that is not read by clap: its words are ORAS's.
const ARTIFACT_HELP: &str = "Artifacts in registries, in the words of ORAS:\n  artifact    Push, pull, attach, discover, copy, tag and delete; see `tidewaiter artifact --help`.\n              Linked as `oras`, the program takes these words directly.";

/// Added to what is logged when every request to the registry is to be.
const ACCESS_LOG: &str = ",tidewaiter_registry::access=info";

/// Knows what is inside every container image, and what is wrong with it.
#[derive(Parser)]
#[command(name = "tidewaiter", version, max_term_width = 100, after_help = ARTIFACT_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: commands::Command,
}

/// The allocator asks for huge pages, of which small buffers touch many: they triple what a short command holds.
fn refuse_huge_pages() {
    // It only saves memory: a system that knows nothing of it is used as it is.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn main() -> ExitCode {
    refuse_huge_pages();
    let ui = Ui::default();
    if let Some((words, program)) = artifact_words() {
        return artifact::run(&words, program, ui);
    }
    let (words, usage) = match plugin::called() {
        None => (std::env::args_os().collect(), exit::USAGE),
        Some(plugin) => match plugin.answer(ui) {
            plugin::Asked::Said => return ExitCode::SUCCESS,
            plugin::Asked::Run(words) => {
                (words.into_iter().map(OsString::from).collect::<Vec<_>>(), exit::PLUGIN_USAGE)
            }
        },
    };
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => return told(&error, usage),
    };
    let mut filter = environment::variable(environment::TIDEWAITER_LOG).unwrap_or_else(|| "warn".to_owned());
    if arguments.command.logs_access() {
        filter.push_str(ACCESS_LOG);
    }
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal() && environment::variable(environment::NO_COLOR).is_none())
        .init();
    // One provider for the whole process; every client is built on it. A second call finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui.note(format_args!("Error: no threads can be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(arguments.command.run(ui)) {
        Ok(status) => status,
        Err(error) => {
            ui.note(format_args!("Error: {}", one_line(&error)));
            exit::of_error(&error)
        }
    }
}

/// Says what is wrong with the words, or gives the help that was asked for.
fn told(error: &clap::Error, usage: u8) -> ExitCode {
    // When nobody can be told, there is nobody to tell that either.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(usage) } else { ExitCode::SUCCESS }
}

/// The words for the commands on artifacts, when those were called, and how they were: after `artifact`, or
/// alone when the program is called `oras`.
fn artifact_words() -> Option<(Vec<String>, &'static str)> {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let called = words.next().unwrap_or_default();
    if Path::new(&called).file_stem().is_some_and(|name| name == "oras") {
        return Some((words.collect(), "oras"));
    }
    (words.next()? == "artifact").then(|| (words.collect(), "tidewaiter artifact"))
}

/// An error with its causes, each said once: many of our messages end with their cause already.
fn one_line(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
