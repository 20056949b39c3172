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
        .short("Get one blob, named by its digest")
        .long(
            "Get one blob, named by its digest\n\n\
             The bytes are checked against the digest on their way.\n\n\
             Example - Save a layer to a file:\n  \
             {oras} blob fetch --output layer.tar.gz \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n\n\
             Example - List what is in a layer, without a file:\n  \
             {oras} blob fetch --output - \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 \
             | tar -tz\n\n\
             Example - Ask how large it is before fetching it:\n  \
             {oras} blob fetch --descriptor \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n\n\
             Example - Read a blob out of a layout on disk:\n  \
             {oras} blob fetch --oci-layout --output - \
             ./app-layout@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(descriptor("fetched blob"))
        .flag(pretty())
        .flag(terminal::flag())
        .flag(Flag::text("output", "write the blob to the file at `path`; - is standard output").short('o'))
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
