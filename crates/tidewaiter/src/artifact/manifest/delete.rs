//! `manifest delete`: a manifest with all its tags, or with everything that refers to it.

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::Descriptor;
use tidewaiter_oci::content::Target;
use tidewaiter_oci::graph::{DeletePlan, DeleteScope, delete_planned, plan_delete};

use super::write_json;
use crate::artifact::complete;
use crate::artifact::display::json;
use crate::artifact::display::line::one_line;
use crate::artifact::display::result::Plain;
use crate::artifact::failure::{Failure, Outcome};
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{descriptor, force, pretty, verbose};
use crate::artifact::prompt;
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("delete")
        .aliases(&["remove", "rm"])
        .positionals("[flags] <name>{:<tag>|@<digest>}")
        .short("Delete a manifest, and with it every tag that names it")
        .long(
            "Delete a manifest, and with it every tag that names it\n\n\
             What refers to the manifest stays, unless `--recursive` is given. To take a tag away and keep \
             the manifest, use `{oras} tag rm`.\n\n\
             Example - Delete after a question:\n  \
             {oras} manifest delete registry.example.com/team/app:1.2\n\n\
             Example - Delete in a script, and be content if it is gone already:\n  \
             {oras} manifest delete --force registry.example.com/team/app:1.2\n\n\
             Example - Delete an image with its signatures, SBOMs and whatever else refers to it:\n  \
             {oras} manifest delete --recursive registry.example.com/team/app:1.2\n\n\
             Example - Note what was deleted:\n  \
             {oras} manifest delete --force --descriptor registry.example.com/team/app:1.2 > deleted.json\n\n\
             Example - Delete one that has no tag:\n  \
             {oras} manifest delete \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(remote::distribution_spec_flag(Side::ONLY))
        .flag(descriptor("deleted manifest"))
        .flag(pretty())
        .flag(force())
        .flag(
            Flag::bool(
                "recursive",
                "delete everything that refers to the manifest as well, and of an index the manifests that \
                 nothing else needs; what will be deleted is shown first",
            )
            .short('r'),
        )
        .flag(remote::debug_flag())
        .flag(verbose(false))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    check_force(matches)?;
    let target = TargetOptions::read(session, matches, Side::ONLY, &matches.arguments()[0])?;
    matches.validate()?;
    let reference = target.reference(session)?;
    let store = target.open_existing(session).await?.target();
    let raw = &target.location.raw;
    let found = match store.resolve(reference).await {
        Ok(found) => found,
        Err(error) if error.is_not_found() && matches.bool("force") && !matches.bool("descriptor") => {
            session.ui.line(format_args!("Missing {raw}"));
            return Ok(());
        }
        Err(error) if error.is_not_found() => {
            return Err(Failure::new(format!("{raw}: the specified manifest does not exist")));
        }
        Err(error) => return Err(target.blame(session, error)),
    };
    if matches.bool("recursive") {
        return delete_graph(session, matches, &target, &*store, &found).await;
    }
    let question = format!(
        "Are you sure you want to delete the manifest \"{}\" and all tags associated with it?",
        found.digest
    );
    if !matches.bool("force") && !prompt::confirm(session.ui, &question).await? {
        return Ok(());
    }
    store
        .delete(&found)
        .await
        .map_err(|error| target.blame(session, error).context(format_args!("failed to delete {raw}")))?;
    report(session, matches, &target, &found);
    Ok(())
}

/// With the descriptor for a result there is no place for a question.
pub(crate) fn check_force(matches: &Matches) -> Outcome {
    if matches.bool("descriptor") && !matches.bool("force") {
        return Err(Failure::new(
            "must apply --force to confirm the deletion if the descriptor is outputted",
        ));
    }
    Ok(())
}

fn report(session: &Session, matches: &Matches, target: &TargetOptions, deleted: &Descriptor) {
    if matches.bool("descriptor") {
        let plain = json::compact(&Plain::entry(deleted));
        write_json(session.ui, plain.as_bytes(), matches.bool("pretty"));
    } else {
        session.ui.line(format_args!("Deleted {}", target.location.annotated()));
    }
}

/// Shows what hangs on the manifest, asks, and deletes it all, leaves first.
async fn delete_graph(
    session: &Session,
    matches: &Matches,
    target: &TargetOptions,
    store: &dyn Target,
    root: &Descriptor,
) -> Outcome {
    let blame = |error| target.blame(session, error);
    let plan = plan_delete(store, root, DeleteScope::ReferrersAndManifests).await.map_err(blame)?;
    show_plan(session, target, &plan);
    let count = plan.manifests.len();
    let question = match count {
        1 => "Are you sure you want to delete this manifest and all tags associated with it?".to_owned(),
        _ => format!(
            "Are you sure you want to delete these {count} manifests and all tags associated with them?"
        ),
    };
    if !matches.bool("force") && !prompt::confirm(session.ui, &question).await? {
        return Ok(());
    }
    let describes = matches.bool("descriptor");
    let mut remaining = count;
    let deleted = |descriptor: &Descriptor| {
        remaining = remaining.saturating_sub(1);
        if !describes && descriptor.digest != root.digest {
            session.ui.line(format_args!(
                "Deleted [{}] {}",
                target.location.kind_name(),
                target.location.at(&descriptor.digest)
            ));
        }
    };
    let result = delete_planned(store, &plan, deleted).await;
    result.map_err(|error| {
        blame(error).advice(format!(
            "{remaining} of {count} manifests were not deleted; run the command again to go on"
        ))
    })?;
    report(session, matches, target, root);
    Ok(())
}

fn show_plan(session: &Session, target: &TargetOptions, plan: &DeletePlan) {
    let line = |descriptor: &Descriptor| {
        let kind = descriptor.artifact_type.as_deref().unwrap_or(&descriptor.media_type);
        format!("  {} {kind}", descriptor.digest)
    };
    session.ui.note(format_args!("To be deleted from {}, in this order:", target.location.path));
    plan.manifests.iter().for_each(|descriptor| session.ui.note(line(descriptor)));
    if !plan.kept.is_empty() {
        session.ui.note("Kept, because other tags need it:");
        plan.kept.iter().for_each(|descriptor| session.ui.note(line(descriptor)));
    }
    if !plan.broken.is_empty() {
        session.ui.note("Tags of indexes that list some of it, and will be incomplete:");
        plan.broken.iter().for_each(|tag| session.ui.note(format_args!("  {}", one_line(tag))));
    }
}
