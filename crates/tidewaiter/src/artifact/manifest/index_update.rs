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
        .short("[Experimental] Update and push an image index")
        .long(
            "[Experimental] Update and push an image index. All manifests should be in the same repository\n\n\
             Example - Remove a manifest and add two manifests from an index tagged 'v1'. The tag will point to the \
             updated index:\n  {oras} manifest index update localhost:5000/hello:v1 --add linux-amd64 --add \
             linux-arm64 --remove sha256:99e4703fbf30916f549cd6bfa9cdbab614b5392fbe64fdee971359a77073cdf9\n\n\
             Example - Merge manifests from the index 'v2-windows' to the index 'v2':\n  \
             {oras} manifest index update localhost:5000/hello:v2 --merge v2-windows\n\n\
             Example - Update an index and tag the updated index as 'v2.1.0' and 'v2':\n  \
             {oras} manifest index update localhost:5000/hello@sha256:99e4703fbf30916f549cd6bfa9cdbab614b5392fbe64fdee971359a77073cdf9 \
             --add linux-amd64 --tag v2.1.0 --tag v2\n\n\
             Example - Update an index and save it locally to index.json, auto push will be disabled:\n  \
             {oras} manifest index update --output index.json localhost:5000/hello:v2 --add linux-amd64\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(pretty())
        .flag(Flag::repeated("add", "manifests to add to the index").values(Values::Nothing))
        .flag(Flag::repeated("merge", "indexes to be merged into the index").values(Values::Nothing))
        .flag(Flag::repeated("remove", "manifests to remove from the index, must be digests").values(Values::Nothing))
        .flag(Flag::repeated("tag", "extra tags for the updated index").values(Values::Nothing))
        .flag(Flag::text("artifact-type", "artifact type; an empty one clears it").values(Values::Nothing))
        .flag(Flag::text("output", "file `path` to write the updated index to, use - for stdout").short('o'))
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
