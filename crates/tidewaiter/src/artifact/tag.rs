//! `tag`: gives a manifest further tags; `tag rm` takes tags away without deleting what they name.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidewaiter_cobra::{Arguments, Command, Matches, Values};
use tidewaiter_oci::TagName;

use crate::artifact::complete;
use crate::artifact::failure::{Failure, Outcome};
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{concurrency, force, read_concurrency, verbose};
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("tag")
        .positionals("[flags] <name>{:<tag>|@<digest>} <new_tag> [...]")
        .short("Give an image or artifact further tags")
        .long(
            "Give an image or artifact further tags\n\n\
             Nothing is copied. A tag that names something else already moves.\n\n\
             Example - Let `latest` follow a release:\n  \
             {oras} tag registry.example.com/team/app:1.4 latest\n\n\
             Example - Give a digest two tags:\n  \
             {oras} tag \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 \
             1.4 1\n\n\
             Example - Tag in a layout on disk:\n  \
             {oras} tag --oci-layout ./app-layout:1.4 latest\n",
        )
        .arguments(Arguments::AtLeast(2), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(concurrency(5))
        .flag(remote::debug_flag())
        .flag(verbose(false))
        .command(remove_command())
}

fn remove_command() -> Command {
    Command::new("rm")
        .aliases(&["remove", "delete"])
        .positionals("[flags] <name>:<tag>[,<tag>][...]")
        .short("Remove tags and nothing else")
        .long(
            "Remove tags and nothing else: the manifest and its other tags stay, also on registries that only \
             delete by digest\n\n\
             Example - Take one tag away:\n  {oras} tag rm registry.example.com/team/app:old\n\n\
             Example - Take two tags away:\n  {oras} tag rm registry.example.com/team/app:1.2,1.2.7\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(force())
        .flag(remote::debug_flag())
}

/// ORAS 0.x had `tag list`, and tutorials still do.
pub(crate) fn mistaken_subcommand(session: &Session, names: &[&str], first: Option<&str>) -> Option<Failure> {
    let word = first.filter(|word| names == ["tag"] && matches!(*word, "list" | "ls"))?;
    let program = &session.program;
    Some(
        Failure::new(format!("there is no \"{word}\" sub-command for \"{program} tag\" command"))
            .usage(&session.use_line)
            .advice(format!("`{program} repo tags` lists the tags of a repository, and with --oci-layout those of an OCI image layout")),
    )
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let [raw, tags @ ..] = matches.arguments() else { return Err(Failure::new("no reference given")) };
    if let Some(failure) = mistaken_subcommand(session, &["tag"], Some(raw)) {
        return Err(failure);
    }
    let target = TargetOptions::read(session, matches, Side::ONLY, raw)
        .map_err(|failure| failure.context(format!("unable to add tag for '{raw}'")))?;
    matches.validate()?;
    let reference = target.reference(session)?;
    for tag in tags {
        check_tag(&target, tag)?;
    }
    let store = target.open_existing(session).await?.target();
    let blame = |error| target.blame(session, error);
    let descriptor = store.resolve(reference).await.map_err(blame)?;
    let kind = target.location.kind_name();
    session.ui.line(format_args!("Tagging [{kind}] {}", target.location.at(&descriptor.digest)));
    let (store, descriptor) = (&store, &descriptor);
    stream::iter(tags)
        .map(Ok)
        .try_for_each_concurrent(read_concurrency(matches).get(), |tag| async move {
            store.tag(descriptor, tag).await?;
            session.ui.line(format_args!("Tagged {tag}"));
            Ok(())
        })
        .await
        .map_err(blame)
}

pub(crate) async fn remove(session: &Session, matches: &Matches) -> Outcome {
    let mut parts = matches.arguments()[0].split(',');
    let raw = parts.next().unwrap_or_default();
    let target = TargetOptions::read(session, matches, Side::ONLY, raw)?;
    matches.validate()?;
    let first = target.reference(session)?;
    let tags: Vec<&str> = std::iter::once(first).chain(parts).collect();
    for tag in &tags {
        check_tag(&target, tag)?;
    }
    let store = target.open_existing(session).await?.target();
    for tag in tags {
        let shown = format!("[{}] {}:{tag}", target.location.kind_name(), target.location.path);
        match store.untag(tag).await {
            Ok(()) => session.ui.line(format_args!("Untagged {shown}")),
            Err(error) if error.is_not_found() && matches.bool("force") => {
                session.ui.line(format_args!("Missing {shown}"));
            }
            Err(error) => return Err(target.blame(session, error)),
        }
    }
    Ok(())
}

/// In a registry a tag has a form; in a layout it may be any text but a digest.
pub(crate) fn check_tag(target: &TargetOptions, tag: &str) -> Outcome {
    let is_digest = tag.parse::<tidewaiter_oci::Digest>().is_ok();
    let fits = if target.location.is_layout() { !tag.is_empty() } else { tag.parse::<TagName>().is_ok() };
    if fits && !is_digest {
        return Ok(());
    }
    Err(Failure::new(format!("invalid reference: invalid tag {}", tidewaiter_cobra::quote(tag))))
}
