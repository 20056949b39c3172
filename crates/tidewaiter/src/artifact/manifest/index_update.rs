//! `manifest index update`: adds manifests to an index and takes some away.

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::{Descriptor, Digest, Index, Manifest, View};

use super::index_create::{Desk, artifact_type, pack};
use crate::artifact::complete;
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::options::pretty;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("update")
        .positionals("<index>{:<tag>|@<digest>} [{--add|--merge|--remove} <manifest>{<tag>|<digest>}] [...]")
        .short("[Experimental] Change which manifests an index lists, and push it")
        .long(
            "[Experimental] Change which manifests an index lists, and push it\n\n\
             First manifests are removed, then added, then those of other indexes are merged in. The index \
             has a new digest afterwards; the tag it was named by moves to it.\n\n\
             Example - Add a platform that was built later:\n  \
             {oras} manifest index update registry.example.com/team/app:1.4 --add 1.4-riscv64\n\n\
             Example - Exchange one build for another:\n  \
             {oras} manifest index update registry.example.com/team/app:1.4 --remove \
             sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 --add 1.4-amd64\n\n\
             Example - Take in all that another index lists:\n  \
             {oras} manifest index update registry.example.com/team/app:1.4 --merge 1.4-windows\n\n\
             Example - Give the changed index two more tags:\n  \
             {oras} manifest index update registry.example.com/team/app:1.4 --add 1.4-riscv64 --tag 1.4.1 \
             --tag latest\n\n\
             Example - See it before anything is pushed:\n  \
             {oras} manifest index update --output - --pretty registry.example.com/team/app:1.4 --add \
             1.4-riscv64\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(pretty())
        .flag(
            Flag::repeated("add", "list this manifest as well, a tag or digest; repeatable")
                .values(Values::Nothing),
        )
        .flag(
            Flag::repeated("merge", "list all manifests of this index as well, a tag or digest; repeatable")
                .values(Values::Nothing),
        )
        .flag(
            Flag::repeated("remove", "list the manifest of this digest no longer; repeatable")
                .values(Values::Nothing),
        )
        .flag(Flag::repeated("tag", "further tags for the updated index; repeatable").values(Values::Nothing))
        .flag(
            Flag::text("artifact-type", "new type of the index, a media type; an empty one clears it")
                .values(Values::Nothing),
        )
        .flag(
            Flag::text(
                "output",
                "write the index to the file at `path` and push nothing; - is standard output",
            )
            .short('o'),
        )
        .flag(remote::debug_flag())
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    failure::exclusive(matches, &["tag", "output"])?;
    let removed = removed(matches)?;
    let target = TargetOptions::read(session, matches, Side::ONLY, &matches.arguments()[0])?;
    matches.validate()?;
    let reference = target.reference(session)?;
    if !["add", "merge", "remove", "artifact-type"].iter().any(|flag| matches.given(flag)) {
        session.ui.line("Nothing to update as no change is requested");
        return Ok(());
    }
    let store = target.open_existing(session).await?.target();
    let to_stdout = matches.text("output") == "-";
    let desk = Desk { session, target: &target, store, to_stdout };
    let (_, before) = desk.fetch(reference).await?;
    let mut index = index_of(&before, reference)?;
    update(&desk, matches, &mut index, removed).await?;
    if matches.given("artifact-type") {
        index.artifact_type = artifact_type(matches)?;
    }
    let updated = pack(&index)?;
    desk.say("Updated   ", updated.digest());
    desk.deliver(matches, &updated, matches.list("tag")).await
}

/// The digests of `--remove`.
fn removed(matches: &Matches) -> Outcome<Vec<Digest>> {
    let digests = matches
        .list("remove")
        .iter()
        .map(|text| text.parse().map_err(|_| Failure::new(format!("remove: {text} is not a digest"))));
    digests.collect()
}

fn index_of(manifest: &Manifest, reference: &str) -> Outcome<Index> {
    match &manifest.view {
        View::Index(index) => Ok(index.clone()),
        _ => Err(Failure::new(format!("{reference} is not an index"))),
    }
}

/// Removes, adds and merges, in this order.
async fn update(desk: &Desk<'_>, matches: &Matches, index: &mut Index, removed: Vec<Digest>) -> Outcome {
    for digest in removed {
        let before = index.manifests.len();
        index.manifests.retain(|manifest| manifest.digest != digest);
        if index.manifests.len() == before {
            return Err(Failure::new(format!(
                "{digest} does not exist in the index {}",
                desk.target.location.raw
            )));
        }
        desk.say("Removed   ", digest);
    }
    for source in matches.list("add") {
        let (descriptor, _) = desk.fetch(source).await?;
        let digest = descriptor.digest.clone();
        add(index, descriptor);
        desk.say("Added     ", digest);
    }
    for source in matches.list("merge") {
        let (_, merged) = desk.fetch(source).await?;
        index_of(&merged, source)?.manifests.into_iter().for_each(|manifest| add(index, manifest));
        desk.say("Merged    ", merged.digest());
    }
    Ok(())
}

/// Adds a manifest that is not listed yet.
fn add(index: &mut Index, descriptor: Descriptor) {
    if index.manifests.iter().all(|listed| listed.digest != descriptor.digest) {
        index.manifests.push(descriptor);
    }
}
