//! `blob fetch`: a blob to a file or to standard output.

use std::path::Path;

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::Descriptor;
use tidewaiter_oci::content::Fetch as _;
use tidewaiter_oci::copy::{Event, Reporter as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{digest_of, find};
use crate::artifact::complete;
use crate::artifact::display::json;
use crate::artifact::display::result::Plain;
use crate::artifact::display::status::{self, Status, Style};
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::manifest::write_json;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, Opened, TargetOptions};
use crate::artifact::options::{descriptor, pretty, terminal, verbose};
use crate::artifact::session::Session;

/// Bytes moved at a time.
const CHUNK: usize = 256 * 1024;

pub(crate) fn command() -> Command {
    Command::new("fetch")
        .aliases(&["get"])
        .positionals("[flags] {--output <file> | --descriptor} <name>@<digest>")
        .short("Fetch a blob from a registry or an OCI image layout")
        .long(
            "Fetch a blob from a registry or an OCI image layout\n\n\
             Example - Fetch a blob from registry and save it to a local file:\n  \
             {oras} blob fetch --output blob.tar.gz localhost:5000/hello@sha256:9a201d228ebd966211f7d1131be19f152be428bd373a92071c71d8deaf83b3e5\n\n\
             Example - Fetch a blob from registry and print the raw blob content:\n  \
             {oras} blob fetch --output - localhost:5000/hello@sha256:9a201d228ebd966211f7d1131be19f152be428bd373a92071c71d8deaf83b3e5\n\n\
             Example - Fetch and print the descriptor of a blob:\n  \
             {oras} blob fetch --descriptor localhost:5000/hello@sha256:9a201d228ebd966211f7d1131be19f152be428bd373a92071c71d8deaf83b3e5\n\n\
             Example - Fetch and print a blob from OCI image layout folder 'layout-dir':\n  \
             {oras} blob fetch --oci-layout --output - layout-dir@sha256:9a201d228ebd966211f7d1131be19f152be428bd373a92071c71d8deaf83b3e5\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(descriptor("fetched blob"))
        .flag(pretty())
        .flag(terminal::flag())
        .flag(Flag::text("output", "output file `path`, use - for stdout").short('o'))
        .flag(remote::debug_flag())
        .flag(verbose(false))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let output = matches.text("output");
    if output.is_empty() && !matches.bool("descriptor") {
        return Err(Failure::new("either `--output` or `--descriptor` must be provided"));
    }
    if output == "-" && matches.bool("descriptor") {
        return Err(Failure::new("`--output -` cannot be used with `--descriptor` at the same time"));
    }
    let target = TargetOptions::read(session, matches, Side::ONLY, &matches.arguments()[0])?;
    matches.validate()?;
    let digest = digest_of(session, &target)?;
    let opened = target.open_existing(session).await?;
    let blob = find(&target, &opened, &digest).await.map_err(|error| target.blame(session, error))?;
    if !output.is_empty() {
        let draws = terminal::draws(matches) && output != "-";
        let status =
            Status::new(session.ui, status::DOWNLOAD, if draws { Style::Bars } else { Style::Silent });
        let fetched = fetch(session, &target, &opened, &blob, output, &status).await;
        status.finish();
        fetched?;
    }
    if matches.bool("descriptor") {
        write_json(session.ui, json::compact(&Plain::from(&blob)).as_bytes(), matches.bool("pretty"));
    }
    Ok(())
}

async fn fetch(
    session: &Session,
    target: &TargetOptions,
    opened: &Opened,
    blob: &Descriptor,
    output: &str,
    status: &Status,
) -> Outcome {
    let reader = match opened {
        Opened::Registry(repository) => repository.fetch(blob).await,
        Opened::Layout(layout) => layout.fetch(blob).await,
    };
    let mut reader = reader.map_err(|error| target.blame(session, error))?;
    let path = Path::new(output);
    let mut file = match output {
        "-" => None,
        _ => Some(tokio::fs::File::create(path).await.map_err(failure::file("create", path))?),
    };
    status.report(blob, Event::Started);
    let mut buffer = vec![0; CHUNK];
    let mut done = 0_u64;
    loop {
        let count = reader
            .read(&mut buffer)
            .await
            .map_err(|error| target.blame(session, tidewaiter_oci::Error::transfer(&blob.digest, error)))?;
        if count == 0 {
            break;
        }
        match &mut file {
            Some(file) => {
                file.write_all(&buffer[..count]).await.map_err(failure::file("write", path))?;
            }
            None => session.ui.bytes(&buffer[..count]),
        }
        done += count as u64;
        status.report(blob, Event::Progress(done));
    }
    if let Some(mut file) = file {
        file.flush().await.map_err(failure::file("write", path))?;
    }
    status.report(blob, Event::Copied);
    Ok(())
}
