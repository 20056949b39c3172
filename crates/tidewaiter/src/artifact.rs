//! Artifacts on the command line: `tidewaiter artifact …`, and the same words under the name `oras`.
//!
//! Grammar, texts, JSON shapes, errors and exit codes are those of ORAS 1.3, so that scripts written for it run
//! unchanged. One file per command: it declares its flags and says what it does with the `oci` crate. Options
//! that several commands share are in [`options`], what is shown in [`display`]. Results go to standard output,
//! everything else to standard error; commands never print but through [`Ui`].

mod blob;
mod cache;
mod complete;
mod display;
mod failure;
mod manifest;
mod options;
pub(crate) mod prompt;
mod repo;
mod session;
mod signals;
mod spool;
mod tree;

mod attach;
mod backup;
mod cp;
mod discover;
mod login;
mod logout;
mod packing;
mod plan;
mod pull;
mod push;
mod resolve;
mod restore;
mod tag;
mod version;

use std::process::ExitCode;
use std::time::Duration;

use tidewaiter_cobra::{Action, Completion, Matches, Outcome};
use tokio::time::timeout;

use self::failure::Failure;
use self::session::Session;
use self::signals::Signals;
use crate::ui::Ui;

/// The version of ORAS whose ways this follows.
const COMPATIBLE_VERSION: &str = "1.3.3";

/// How long work that was given up may take to clear away what it began: longer than any disk that is well.
const CLEARING: Duration = Duration::from_secs(30);

/// Runs a command line. `program` is how the tree of commands is reached: `oras`, or `tidewaiter artifact`.
pub(crate) fn run(words: &[String], program: &str, ui: Ui) -> ExitCode {
    let ui = if program == "oras" { ui.with_status_on_stdout() } else { ui };
    let root = tree::root(program);
    let outcome = root.dispatch(words);
    for notice in &outcome.notices {
        ui.note(notice);
    }
    let session = Session::new(ui, program, outcome.command_path(), outcome.use_line());
    match act(outcome, &session) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.note(&failure);
            failure.exit_code()
        }
    }
}

fn act(outcome: Outcome<'_>, session: &Session) -> Result<(), Failure> {
    let names = outcome.names();
    match outcome.result {
        Ok(Action::Print(text)) => session.ui.out(text),
        Ok(Action::Complete(Completion::Ready(answer))) => complete::write(session.ui, &answer),
        Ok(Action::Complete(Completion::Ask(question))) => {
            let answer = block_on(complete::answer(session, question))?;
            complete::write(session.ui, &answer);
        }
        Ok(Action::Run(matches)) => return perform(&names, session, &matches),
        Err(error) => return Err(tree::refused(&names, session, error)),
    }
    Ok(())
}

/// Runs the command of that name. What needs no network gets no runtime, and so no threads.
fn perform(names: &[&str], session: &Session, matches: &Matches) -> Result<(), Failure> {
    if let ["version"] = names {
        version::run(session, matches);
        return Ok(());
    }
    block_on(async {
        match names {
            ["attach"] => attach::run(session, matches).await,
            ["backup"] => backup::run(session, matches).await,
            ["blob", "delete"] => blob::delete::run(session, matches).await,
            ["blob", "fetch"] => blob::fetch::run(session, matches).await,
            ["blob", "push"] => blob::push::run(session, matches).await,
            ["cp"] => cp::run(session, matches).await,
            ["discover"] => discover::run(session, matches).await,
            ["login"] => login::run(session, matches).await,
            ["logout"] => logout::run(session, matches).await,
            ["manifest", "delete"] => manifest::delete::run(session, matches).await,
            ["manifest", "fetch"] => manifest::fetch::run(session, matches).await,
            ["manifest", "fetch-config"] => manifest::fetch_config::run(session, matches).await,
            ["manifest", "index", "create"] => manifest::index_create::run(session, matches).await,
            ["manifest", "index", "update"] => manifest::index_update::run(session, matches).await,
            ["manifest", "push"] => manifest::push::run(session, matches).await,
            ["pull"] => pull::run(session, matches).await,
            ["push"] => push::run(session, matches).await,
            ["repo", "ls"] => repo::ls::run(session, matches).await,
            ["repo", "tags"] => repo::tags::run(session, matches).await,
            ["resolve"] => resolve::run(session, matches).await,
            ["restore"] => restore::run(session, matches).await,
            ["tag"] => tag::run(session, matches).await,
            ["tag", "rm"] => tag::remove(session, matches).await,
            other => Err(Failure::new(format!("{} cannot be run", other.join(" ")))),
        }
    })?
}

/// Runs a command's work to its end, or until a signal. Either way nothing it began stays behind: what is still
/// under way, because something beside it failed, is dropped and waited for.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("failed to start threads: {error}")))?;
    // One provider for the whole process; a second call finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let signals = Signals::listen();
    let ended = runtime.block_on(async {
        tokio::select! {
            outcome = work => Ok(outcome),
            signal = signals.first() => Err(Failure::ended_by(signal)),
        }
    });
    // Work on a disk that does not answer must not keep the program for ever.
    let _ = runtime.block_on(async { timeout(CLEARING, tidewaiter_oci::settled()).await });
    // Nor a blocked read of standard input or a slow name server at all.
    runtime.shutdown_background();
    ended
}
