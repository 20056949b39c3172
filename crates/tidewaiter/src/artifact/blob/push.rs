//! `blob push`: a blob from a file or from standard input.

use std::path::Path;
use std::sync::Arc;

use tempfile::NamedTempFile;
use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::content::{Content, Target, Unnamed};
use tidewaiter_oci::copy::{Event, Reporter};
use tidewaiter_oci::pack::unnamed_file;
use tidewaiter_oci::{Algorithm, Descriptor, Digest, media_type};

use crate::artifact::complete;
use crate::artifact::display::json;
use crate::artifact::display::result::Plain;
use crate::artifact::display::status::{self, Status, Style};
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::manifest::push::check_stdin;
use crate::artifact::manifest::write_json;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{descriptor, pretty, terminal, verbose};
use crate::artifact::session::Session;
use crate::artifact::spool;

pub(crate) fn command() -> Command {
    Command::new("push")
        .positionals("[flags] <name>[@digest] <file>")
        .short("Store one file as a blob")
        .long(
            "Store one file as a blob\n\n\
             A blob is part of an artifact once a manifest names it; registries may clear away those that \
             none does.\n\n\
             Example - Store a file; its digest is printed:\n  \
             {oras} blob push registry.example.com/team/app notes.txt\n\n\
             Example - Refuse the file if it is not the one that is meant:\n  \
             {oras} blob push \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 \
             hello.txt\n\n\
             Example - Store what a program writes; its size and digest must be known:\n  \
             echo hello | {oras} blob push --size 6 \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 \
             -\n\n\
             Example - Get a descriptor to put into a manifest:\n  \
             {oras} blob push --descriptor --media-type application/json registry.example.com/team/app \
             config.json\n\n\
             Example - Store a file in a layout on disk:\n  \
             {oras} blob push --oci-layout ./app-layout notes.txt\n",
        )
        .arguments(
            Arguments::Exactly(2),
            &[Values::Ask(complete::REFERENCE), Values::Files, Values::Nothing],
        )
        .flags(target::flags(Side::ONLY))
        .flag(descriptor("pushed blob"))
        .flag(pretty())
        .flag(terminal::flag())
        .flag(Flag::int("size", "size in bytes, needed when the blob comes from standard input").default("-1"))
        .flag(
            Flag::text("media-type", "media type in what --descriptor prints")
                .default(media_type::OCI_LAYER)
                .values(Values::Nothing),
        )
        .flag(remote::debug_flag())
        .flag(verbose(true))
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let [raw, file] = matches.arguments() else { return Err(Failure::new("no file given")) };
    check_stdin(matches, file)?;
    if file == "-" && matches.int("size") < 0 {
        return Err(Failure::new("`--size` must be provided if the blob is read from stdin"));
    }
    let target = TargetOptions::read(session, matches, Side::ONLY, raw)?;
    matches.validate()?;
    let digest = target.location.digest();
    if digest.is_none() && !target.location.reference.is_empty() {
        return Err(session.missing_digest(&target.location.raw));
    }
    let (source, _spooled) = find(session, matches, file, digest).await?;
    let store = target.open(session).await?.target();
    let describes = matches.bool("descriptor");
    let style = match (describes, terminal::draws(matches)) {
        (_, true) => Style::Bars,
        (true, false) => Style::Silent,
        (false, false) => Style::Lines { unnamed: matches.bool("verbose") },
    };
    let status = Status::new(session.ui, status::UPLOAD, style);
    let blob = push(&*store, source, &status).await.map_err(|error| target.blame(session, error))?;
    status.finish();
    if describes {
        write_json(session.ui, json::compact(&Plain::from(&blob)).as_bytes(), matches.bool("pretty"));
    } else {
        session.ui.line(format_args!("Pushed: {}", target.location.annotated()));
        session.ui.line(format_args!("Digest: {}", blob.digest));
    }
    Ok(())
}

/// What is to be pushed.
enum Source {
    /// Content whose digest is known.
    Named(Box<Descriptor>, Content),
    /// A file that may be hashed while it is pushed.
    Unnamed(Unnamed),
}

/// Finds what is to be pushed. What can be read only once is kept in a temporary file as long as that lives.
async fn find(
    session: &Session,
    matches: &Matches,
    file: &str,
    digest: Option<Digest>,
) -> Outcome<(Source, Option<NamedTempFile>)> {
    let media_type = matches.text("media-type");
    let size = u64::try_from(matches.int("size")).ok();
    if file == "-" {
        let Some(digest) = digest else {
            return Err(Failure::new("content digest must be provided if it is read from stdin"));
        };
        let blob = Descriptor::new(media_type, digest, size.unwrap_or(0));
        return Ok((Source::Named(Box::new(blob), Content::Stream(Box::pin(tokio::io::stdin()))), None));
    }
    let given = Path::new(file);
    let kind = given.metadata().map_err(failure::sought(given))?.file_type();
    let spooled = match kind.is_file() || kind.is_dir() {
        true => None,
        false => Some(spool::file(session.ui, given).await?),
    };
    let path = spooled.as_ref().map_or(given, NamedTempFile::path);
    let algorithm = digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let blob = unnamed_file(path, media_type, algorithm).await?;
    if let Some(size) = size.filter(|size| *size != blob.size) {
        return Err(Failure::new(format!(
            "input size {size} does not match the actual content size {}",
            blob.size
        )));
    }
    let Some(digest) = digest else { return Ok((Source::Unnamed(blob), spooled)) };
    let descriptor = blob.measure().await?;
    if digest != descriptor.digest {
        return Err(Failure::new(format!("{file} has digest {}, not {digest}", descriptor.digest)));
    }
    Ok((Source::Named(Box::new(descriptor), Content::Reopen(Box::new(blob.content))), spooled))
}

/// Pushes a blob, unless it is there.
async fn push(
    store: &dyn Target,
    source: Source,
    status: &Arc<Status>,
) -> tidewaiter_oci::Result<Descriptor> {
    let (blob, content) = match source {
        Source::Named(blob, content) => (*blob, content),
        Source::Unnamed(blob) => {
            let reporter: Arc<dyn Reporter> = Arc::<Status>::clone(status);
            if let Some(pushed) = store.push_unnamed(&blob, &reporter).await? {
                return Ok(pushed);
            }
            (blob.measure().await?, Content::Reopen(Box::new(blob.content)))
        }
    };
    if store.exists(&blob).await? {
        status.report(&blob, Event::Exists);
    } else {
        status.report(&blob, Event::Started);
        store.push(&blob, content).await?;
        status.report(&blob, Event::Copied);
    }
    Ok(blob)
}
