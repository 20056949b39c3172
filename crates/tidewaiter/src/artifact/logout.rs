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
        .short("Log out from a remote registry")
        .long("Log out from a remote registry\n\nExample - Logout:\n  {oras} logout localhost:5000\n")
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REGISTRY), Values::Nothing])
        .flag(remote::debug_flag())
        .flag(Flag::repeated("registry-config", "auth config path"))
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
