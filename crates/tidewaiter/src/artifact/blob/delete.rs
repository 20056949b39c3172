//! `blob delete`: a blob by its digest.

use tidewaiter_cobra::{Arguments, Command, Matches, Values};

use super::{digest_of, find};
use crate::artifact::complete;
use crate::artifact::display::json;
use crate::artifact::display::result::Plain;
use crate::artifact::failure::{Failure, Outcome};
use crate::artifact::manifest::delete::check_force;
use crate::artifact::manifest::write_json;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{descriptor, force, pretty, verbose};
use crate::artifact::prompt;
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("delete")
        .aliases(&["remove", "rm"])
        .positionals("[flags] <name>@<digest>")
        .short("Delete one blob, named by its digest")
        .long(
            "Delete one blob, named by its digest\n\n\
             Whether a manifest still needs the blob is not looked into.\n\n\
             Example - Delete after a question:\n  \
             {oras} blob delete \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n\n\
             Example - Delete in a script, where nobody answers:\n  \
             {oras} blob delete --force \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n\n\
             Example - Note what was deleted:\n  \
             {oras} blob delete --force --descriptor \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 \
             > deleted.json\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(descriptor("deleted blob"))
        .flag(pretty())
        .flag(force())
        .flag(remote::debug_flag())
        .flag(verbose(false))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    check_force(matches)?;
    let target = TargetOptions::read(session, matches, Side::ONLY, &matches.arguments()[0])?;
    matches.validate()?;
    let digest = digest_of(session, &target)?;
    let raw = &target.location.raw;
    let may_be_missing = matches.bool("force") && !matches.bool("descriptor");
    if may_be_missing && target.is_absent() {
        session.ui.line(format_args!("Missing {raw}"));
        return Ok(());
    }
    let opened = target.open_existing(session).await?;
    let blob = match find(&target, &opened, &digest).await {
        Ok(blob) => blob,
        Err(error) if !error.is_not_found() => return Err(target.blame(session, error)),
        Err(_) if may_be_missing => {
            session.ui.line(format_args!("Missing {raw}"));
            return Ok(());
        }
        Err(_) => return Err(Failure::new(format!("{raw}: the specified blob does not exist"))),
    };
    let question = format!("Are you sure you want to delete the blob \"{digest}\"?");
    if !matches.bool("force") && !prompt::confirm(session.ui, &question).await? {
        return Ok(());
    }
    opened
        .target()
        .delete(&blob)
        .await
        .map_err(|error| target.blame(session, error).context(format_args!("failed to delete {raw}")))?;
    if matches.bool("descriptor") {
        write_json(session.ui, json::compact(&Plain::from(&blob)).as_bytes(), matches.bool("pretty"));
    } else {
        session.ui.line(format_args!("Deleted {}", target.location.annotated()));
    }
    Ok(())
}
