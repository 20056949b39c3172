//! `logout`: forgets a registry's credential.

use std::path::PathBuf;

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::credentials::{Store, StoreSettings};

use crate::artifact::complete;
use crate::artifact::failure::Outcome;
use crate::artifact::options::remote;
use crate::artifact::session::Session;
use crate::environment;

pub(crate) fn command() -> Command {
    Command::new("logout")
        .positionals("[flags] <registry>")
        .short("Forget what `login` kept for a registry")
        .long(
            "Forget what `login` kept for a registry\n\n\
             Example - Forget the credential:\n  \
             {oras} logout registry.example.com\n\n\
             Example - Forget it in a file other than Docker's:\n  \
             {oras} logout --registry-config ./job-auth.json registry.example.com\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REGISTRY), Values::Nothing])
        .flag(remote::debug_flag())
        .flag(Flag::repeated("registry-config", "forget it in this file instead of Docker's; repeatable"))
}

pub(crate) async fn run(_: &Session, matches: &Matches) -> Outcome {
    let files = match matches.list("registry-config") {
        [] => environment::credential_files(),
        files => files.iter().map(PathBuf::from).collect(),
    };
    matches.validate()?;
    Store::new(StoreSettings::new(files)).erase(&matches.arguments()[0]).await?;
    Ok(())
}
