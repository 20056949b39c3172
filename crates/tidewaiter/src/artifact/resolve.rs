//! `resolve`: the digest that a tag stands for.

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::content::ReadTarget;
use tidewaiter_oci::select::select_platform;
use tidewaiter_oci::{Descriptor, Platform, Result};

use crate::artifact::complete;
use crate::artifact::failure::Outcome;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{platform, verbose};
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("resolve")
        .aliases(&["digest"])
        .positionals("[flags] <name>{:<tag>|@<digest>}")
        .short("[Preview] Print the digest that a tag stands for")
        .long(
            "[Preview] Print the digest that a tag stands for\n\n\
             Example - Write down what was deployed:\n  \
             {oras} resolve registry.example.com/team/app:1.4 > deployed.txt\n\n\
             Example - Get a reference that cannot move, for a deployment:\n  \
             {oras} resolve --full-reference registry.example.com/team/app:1.4\n\n\
             Example - Get the digest of one image of an index:\n  \
             {oras} resolve --platform linux/arm64 registry.example.com/team/app:1.4\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(platform::flag())
        .flag(Flag::bool("full-reference", "print the repository too: name@digest").short('l'))
        .flag(remote::debug_flag())
        .flag(verbose(false))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let target = TargetOptions::read(session, matches, Side::ONLY, &matches.arguments()[0])?;
    let platform = platform::read(matches)?;
    matches.validate()?;
    let reference = target.reference(session)?;
    let store = target.open_readable(session).await?;
    let descriptor = descriptor_of(&*store, reference, platform.as_ref())
        .await
        .map_err(|error| target.blame(session, error).context("failed to resolve digest"))?;
    if matches.bool("full-reference") {
        session.ui.line(target.location.at(&descriptor.digest));
    } else {
        session.ui.line(&descriptor.digest);
    }
    Ok(())
}

/// The descriptor that a tag or digest names, or for a platform that of the image in the index it names.
pub(crate) async fn descriptor_of(
    store: &dyn ReadTarget,
    reference: &str,
    platform: Option<&Platform>,
) -> Result<Descriptor> {
    let Some(platform) = platform else { return store.resolve(reference).await };
    let manifest = store.fetch_reference(reference).await?;
    select_platform(store, &manifest, platform, reference).await
}
