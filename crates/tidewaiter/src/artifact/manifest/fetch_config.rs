//! `manifest fetch-config`: the configuration that a manifest names.

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::View;
use tidewaiter_oci::content::{fetch_all, fetch_manifest};
use tidewaiter_oci::manifest::MAX_MANIFEST_SIZE;

use super::{write_json, write_output};
use crate::artifact::complete;
use crate::artifact::display::json;
use crate::artifact::display::result::Plain;
use crate::artifact::failure::{Failure, Outcome};
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{descriptor, platform, pretty, verbose};
use crate::artifact::resolve::descriptor_of;
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("fetch-config")
        .aliases(&["get-config"])
        .positionals("[flags] <name>{:<tag>|@<digest>}")
        .short("Show the config that a manifest names")
        .long(
            "Show the config that a manifest names\n\n\
             Of an image that is how it is run: environment, entry point, user, history.\n\n\
             Example - Look at it:\n  \
             {oras} manifest fetch-config --pretty registry.example.com/team/app:1.4\n\n\
             Example - Find out which user an image runs as:\n  \
             {oras} manifest fetch-config --platform linux/amd64 registry.example.com/team/app:1.4 | jq \
             .config.User\n\n\
             Example - Save it:\n  \
             {oras} manifest fetch-config --output config.json registry.example.com/team/app:1.4\n\n\
             Example - Look at it in a layout on disk:\n  \
             {oras} manifest fetch-config --oci-layout --pretty ./app-layout:1.4\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(platform::flag())
        .flag(descriptor("fetched config"))
        .flag(pretty())
        .flag(Flag::text("output", "write the config to the file at `path`; - is standard output").short('o'))
        .flag(remote::debug_flag())
        .flag(verbose(false))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let output = matches.text("output");
    if output == "-" && matches.bool("descriptor") {
        return Err(Failure::new("`--output -` cannot be used with `--descriptor` at the same time"));
    }
    let target = TargetOptions::read(session, matches, Side::ONLY, &matches.arguments()[0])?;
    let platform = platform::read(matches)?;
    matches.validate()?;
    let reference = target.reference(session)?;
    let store = target.open_readable(session).await?;
    let raw = &target.location.raw;
    let blame =
        |error| target.blame(session, error).context(format_args!("failed to fetch the config of \"{raw}\""));
    let descriptor = descriptor_of(&*store, reference, platform.as_ref()).await.map_err(blame)?;
    let manifest = fetch_manifest(&*store, &descriptor).await.map_err(blame)?;
    let View::Image(image) = manifest.view else {
        let media_type = &manifest.descriptor.media_type;
        return Err(Failure::new(format!("{raw}: a manifest of type {media_type} has no config")));
    };
    if !matches.bool("descriptor") || !output.is_empty() {
        let bytes = fetch_all(&*store, &image.config, MAX_MANIFEST_SIZE).await.map_err(blame)?;
        match output {
            "" | "-" => write_json(session.ui, &bytes, matches.bool("pretty")),
            output => write_output(session.ui, output, &bytes)?,
        }
    }
    if matches.bool("descriptor") {
        write_json(session.ui, json::compact(&Plain::from(&image.config)).as_bytes(), matches.bool("pretty"));
    }
    Ok(())
}
