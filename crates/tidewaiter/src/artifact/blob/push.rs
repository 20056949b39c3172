//! `blob push`: a blob from a file or from standard input.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::content::{BlobReader, Content, Reopen};
use tidewaiter_oci::copy::{Event, Reporter as _};
use tidewaiter_oci::{Algorithm, Descriptor, Digest, media_type};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

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

/// Bytes hashed at a time.
const CHUNK: usize = 256 * 1024;

pub(crate) fn command() -> Command {
    Command::new("push")
        .positionals("[flags] <name>[@digest] <file>")
        .short("Push a blob to a registry or an OCI image layout")
        .long(
            "Push a blob to a registry or an OCI image layout\n\n\
             Example - Push blob 'hi.txt' to a registry:\n  {oras} blob push localhost:5000/hello hi.txt\n\n\
             Example - Push blob 'hi.txt' with the specific digest:\n  \
             {oras} blob push localhost:5000/hello@sha256:9a201d228ebd966211f7d1131be19f152be428bd373a92071c71d8deaf83b3e5 hi.txt\n\n\
             Example - Push blob from stdin with blob size and digest:\n  \
             {oras} blob push --size 12 localhost:5000/hello@sha256:9a201d228ebd966211f7d1131be19f152be428bd373a92071c71d8deaf83b3e5 -\n\n\
             Example - Push blob 'hi.txt' and output the descriptor:\n  \
             {oras} blob push --descriptor localhost:5000/hello hi.txt\n\n\
             Example - Push blob 'hi.txt' into an OCI image layout folder 'layout-dir':\n  \
             {oras} blob push --oci-layout layout-dir hi.txt\n",
        )
        .arguments(
            Arguments::Exactly(2),
            &[Values::Ask(complete::REFERENCE), Values::Files, Values::Nothing],
        )
        .flags(target::flags(Side::ONLY))
        .flag(descriptor("pushed blob"))
        .flag(pretty())
        .flag(terminal::flag())
        .flag(Flag::int("size", "provide the blob size").default("-1"))
        .flag(
            Flag::text("media-type", "specify the returned media type in the descriptor if --descriptor is used")
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
    let (blob, content) = prepare(matches, file, digest).await?;
    let store = target.open(session).await?.target();
    let blame = |error| target.blame(session, error);
    let describes = matches.bool("descriptor");
    let style = match (describes, terminal::draws(matches)) {
        (_, true) => Style::Bars,
        (true, false) => Style::Silent,
        (false, false) => Style::Lines { unnamed: matches.bool("verbose") },
    };
    let status = Status::new(session.ui, status::UPLOAD, style);
    if store.exists(&blob).await.map_err(blame)? {
        status.report(&blob, Event::Exists);
    } else {
        status.report(&blob, Event::Started);
        store.push(&blob, content).await.map_err(blame)?;
        status.report(&blob, Event::Copied);
    }
    status.finish();
    if describes {
        write_json(session.ui, json::compact(&Plain::from(&blob)).as_bytes(), matches.bool("pretty"));
    } else {
        session.ui.line(format_args!("Pushed: {}", target.location.annotated()));
        session.ui.line(format_args!("Digest: {}", blob.digest));
    }
    Ok(())
}

/// What is to be pushed, and its descriptor.
async fn prepare(matches: &Matches, file: &str, digest: Option<Digest>) -> Outcome<(Descriptor, Content)> {
    let media_type = matches.text("media-type");
    let size = u64::try_from(matches.int("size")).ok();
    if file == "-" {
        let Some(digest) = digest else {
            return Err(Failure::new("content digest must be provided if it is read from stdin"));
        };
        let blob = Descriptor::new(media_type, digest, size.unwrap_or(0));
        return Ok((blob, Content::Stream(Box::pin(tokio::io::stdin()))));
    }
    let path = PathBuf::from(file);
    let algorithm = digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let blob = measure(&path, media_type, algorithm).await.map_err(failure::file("read", &path))?;
    if let Some(size) = size.filter(|size| *size != blob.size) {
        return Err(Failure::new(format!(
            "input size {size} does not match the actual content size {}",
            blob.size
        )));
    }
    match digest {
        Some(digest) if digest != blob.digest => {
            Err(Failure::new(format!("{file} has digest {}, not {digest}", blob.digest)))
        }
        _ => Ok((blob, Content::Reopen(Box::new(File(path))))),
    }
}

/// The descriptor of a file's content.
async fn measure(path: &Path, media_type: &str, algorithm: Algorithm) -> std::io::Result<Descriptor> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut hasher = algorithm.hasher();
    let mut buffer = vec![0; CHUNK];
    let mut size = 0_u64;
    loop {
        let count = file.read(&mut buffer).await?;
        if count == 0 {
            return Ok(Descriptor::new(media_type, hasher.finish(), size));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}

/// A file that can be read again when a push breaks off.
struct File(PathBuf);

#[async_trait]
impl Reopen for File {
    async fn open(&self, offset: u64) -> tidewaiter_oci::Result<BlobReader> {
        let failed = |operation| {
            let path = self.0.clone();
            move |source| tidewaiter_oci::Error::File { operation, path, source }
        };
        let mut file = tokio::fs::File::open(&self.0).await.map_err(failed("open"))?;
        file.seek(std::io::SeekFrom::Start(offset)).await.map_err(failed("read"))?;
        Ok(Box::pin(file))
    }
}
