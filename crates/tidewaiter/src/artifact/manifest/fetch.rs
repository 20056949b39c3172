//! `manifest fetch`: a manifest's bytes, or what there is to say of it.

use bytes::Bytes;
use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::content::{fetch_all, fetch_manifest};
use tidewaiter_oci::manifest::MAX_MANIFEST_SIZE;
use tidewaiter_oci::select::select_platform;
use tidewaiter_oci::{Descriptor, Manifest};

use super::{write_json, write_output};
use crate::artifact::complete;
use crate::artifact::display::json;
use crate::artifact::display::result::{Described, Fetched, Plain};
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::options::format;
use crate::artifact::options::location::Kind;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{descriptor, platform, pretty, verbose};
use crate::artifact::resolve::descriptor_of;
use crate::artifact::session::Session;

pub(crate) fn command() -> Command {
    Command::new("fetch")
        .aliases(&["get", "show"])
        .positionals("[flags] <name>{:<tag>|@<digest>}")
        .short("Show a manifest or an index, byte for byte")
        .long(
            "Show a manifest or an index, byte for byte\n\n\
             Without other flags the bytes come unchanged, so that they have the digest they are known \
             by.\n\n\
             Example - Look at a manifest:\n  \
             {oras} manifest fetch --pretty registry.example.com/team/app:1.4\n\n\
             Example - Look at the manifest of one platform:\n  \
             {oras} manifest fetch --pretty --platform linux/arm64 registry.example.com/team/app:1.4\n\n\
             Example - Ask for digest and size, and not for the manifest itself:\n  \
             {oras} manifest fetch --descriptor registry.example.com/team/app:1.4\n\n\
             Example - [Experimental] List the digests of the layers:\n  \
             {oras} manifest fetch --format go-template='{{range .content.layers}}{{println \
             .digest}}{{end}}' registry.example.com/team/app:1.4\n\n\
             Example - [Experimental] Get the manifest with its reference and digest, for another \
             program:\n  \
             {oras} manifest fetch --format json registry.example.com/team/app:1.4\n\n\
             Example - Refuse anything but an OCI index:\n  \
             {oras} manifest fetch --media-type application/vnd.oci.image.index.v1+json \
             registry.example.com/team/app:1.4\n\n\
             Example - Look at a manifest in a layout on disk:\n  \
             {oras} manifest fetch --oci-layout --pretty ./app-layout:1.4\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(platform::flag())
        .flag(descriptor("fetched manifest"))
        .flag(pretty())
        .flags(format::flags(format::USUAL))
        .flag(
            Flag::commas("media-type", "accept these media types and no others, separated by commas")
                .values(Values::Nothing),
        )
        .flag(
            Flag::text("output", "write the manifest to the file at `path`; - is standard output").short('o'),
        )
        .flag(remote::debug_flag())
        .flag(verbose(false))
}

fn check(matches: &Matches) -> Outcome {
    let to_stdout = matches.text("output") == "-";
    if to_stdout && matches.given("format") {
        return Err(format::not_with_stdout(matches));
    }
    if to_stdout && matches.bool("descriptor") {
        return Err(Failure::new("`--descriptor` cannot be used with `--output -` at the same time"));
    }
    failure::exclusive(matches, &["format", "pretty"])?;
    failure::exclusive(matches, &["format", "descriptor"])
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    check(matches)?;
    let format = format::read(matches, format::USUAL)?;
    let target = TargetOptions::read(session, matches, Side::ONLY, &matches.arguments()[0])?;
    if matches.given("media-type") && matches!(target.location.kind, Kind::Layout(_)) {
        return Err(Failure::new("`--media-type` cannot be used with `--oci-layout` at the same time"));
    }
    let platform = platform::read(matches)?;
    matches.validate()?;
    let reference = target.reference(session)?;
    let output = matches.text("output");
    let store = target.open_readable(session).await?;
    if matches.bool("descriptor") && output.is_empty() {
        let found = descriptor_of(&*store, reference, platform.as_ref()).await;
        let found = found.map_err(|error| {
            target.blame(session, error).context(format_args!("failed to find \"{}\"", target.location.raw))
        })?;
        write_json(session.ui, json::compact(&shown(&target, &found)).as_bytes(), matches.bool("pretty"));
        return Ok(());
    }
    let (fetched, bytes) =
        fetch(session, &target, reference, matches.list("media-type"), platform.as_ref()).await?;
    if !output.is_empty() {
        let shown = output == "-" && matches.bool("pretty");
        let written = if shown { json::reindented(&bytes) } else { bytes.to_vec() };
        write_output(session.ui, output, &written)?;
    }
    if matches.bool("descriptor") {
        write_json(session.ui, json::compact(&shown(&target, &fetched)).as_bytes(), matches.bool("pretty"));
    } else if format.is_structured() {
        let content = serde_json::from_slice(&bytes).ok();
        let described = Described::new(&target.location.path, &fetched);
        format.write(session.ui, &Fetched { described, content })?;
    } else if output.is_empty() {
        write_json(session.ui, &bytes, matches.bool("pretty"));
    }
    Ok(())
}

/// The descriptor as `--descriptor` prints it: with what the index of a layout says of it.
fn shown(target: &TargetOptions, descriptor: &Descriptor) -> Plain {
    match target.location.kind {
        Kind::Layout(_) => Plain::entry(descriptor),
        Kind::Registry(_) => Plain::chosen(descriptor),
    }
}

/// A manifest's bytes, of whatever media type it is.
async fn fetch(
    session: &Session,
    target: &TargetOptions,
    reference: &str,
    accept: &[String],
    platform: Option<&tidewaiter_oci::Platform>,
) -> Outcome<(Descriptor, Bytes)> {
    let blame = |error| {
        let what = format!("failed to fetch the content of \"{}\"", target.location.raw);
        target.blame(session, error).context(what)
    };
    let store = target.open_readable(session).await?;
    let (descriptor, bytes) = match &target.location.kind {
        Kind::Registry(name) => {
            let accept = (!accept.is_empty()).then_some(accept);
            target.repository(session, name)?.manifest_bytes(reference, accept).await.map_err(blame)?
        }
        Kind::Layout(_) => {
            let descriptor = store.resolve(reference).await.map_err(blame)?;
            let bytes = fetch_all(&*store, &descriptor, MAX_MANIFEST_SIZE).await.map_err(blame)?;
            (descriptor, bytes)
        }
    };
    let Some(platform) = platform else { return Ok((descriptor, bytes)) };
    let manifest = Manifest::parse_with(descriptor.digest.algorithm(), bytes, Some(&descriptor.media_type))
        .map_err(|error| Failure::new(error.to_string()))?;
    let chosen = select_platform(&*store, &manifest, platform, reference).await.map_err(blame)?;
    if chosen.digest == *manifest.digest() {
        return Ok((manifest.descriptor, manifest.bytes));
    }
    let manifest = fetch_manifest(&*store, &chosen).await.map_err(blame)?;
    Ok((Descriptor { platform: chosen.platform, ..manifest.descriptor }, manifest.bytes))
}
