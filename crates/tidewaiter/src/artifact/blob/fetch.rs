//! `blob fetch`: a blob to a file or to standard output.

use std::path::Path;
use std::sync::Arc;

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::Descriptor;
use tidewaiter_oci::content::Fetch;
use tidewaiter_oci::copy::{Event, Reporter as _};
use tidewaiter_oci::unpack::{Limits, Output, OutputOptions, Paths};
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

/// Blobs are written as they are.
const NOTHING_UNPACKED: Limits = Limits { bytes: 0, entries: 0 };

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
    status: &Arc<Status>,
) -> Outcome {
    let store: Arc<dyn Fetch> = match opened {
        Opened::Registry(repository) => Arc::new(repository.clone()),
        Opened::Layout(layout) => Arc::new(layout.clone()),
    };
    status.report(blob, Event::Started);
    let path = Path::new(output);
    if output == "-" || is_device(path) {
        stream(session, target, &*store, blob, (output != "-").then_some(path)).await?;
    } else {
        let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        let options = OutputOptions { paths: Paths::Anywhere, ..OutputOptions::new(NOTHING_UNPACKED) };
        let written = match Output::open(parent, options).await {
            Ok(output) => {
                output.write_file_from(&name.to_string_lossy(), blob, store, status.counter(blob)).await
            }
            Err(error) => Err(error),
        };
        written.map_err(|error| target.blame(session, error))?;
    }
    status.report(blob, Event::Copied);
    Ok(())
}

/// Something is there that takes bytes and is no file, such as a pipe: it is written to, not replaced.
fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// Writes a blob to a device, or to standard output.
async fn stream(
    session: &Session,
    target: &TargetOptions,
    store: &dyn Fetch,
    blob: &Descriptor,
    device: Option<&Path>,
) -> Outcome {
    let mut reader = store.fetch(blob).await.map_err(|error| target.blame(session, error))?;
    let mut file = match device {
        Some(path) => {
            let opened = tokio::fs::OpenOptions::new().write(true).open(path).await;
            Some((opened.map_err(failure::file("open", path))?, path))
        }
        None => None,
    };
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = reader
            .read(&mut buffer)
            .await
            .map_err(|error| target.blame(session, tidewaiter_oci::Error::transfer(&blob.digest, error)))?;
        match &mut file {
            Some((file, path)) if count == 0 => {
                return file.flush().await.map_err(failure::file("write", path));
            }
            None if count == 0 => return Ok(()),
            Some((file, path)) => {
                file.write_all(&buffer[..count]).await.map_err(failure::file("write", path))?;
            }
            None => session.ui.bytes(&buffer[..count]),
        }
    }
}
