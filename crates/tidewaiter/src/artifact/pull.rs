//! `pull`: an artifact's files.

use std::path::{MAIN_SEPARATOR, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::content::{ReadTarget, fetch_manifest};
use tidewaiter_oci::copy::{Concurrency, Event, Lanes, Reporter as _};
use tidewaiter_oci::pack::{FileAttributes, UNPACK};
use tidewaiter_oci::select::select_platform;
use tidewaiter_oci::unpack::{Existing, Limits, Output, OutputOptions, Paths};
use tidewaiter_oci::{Descriptor, Error, Manifest, Platform};
use tokio::io::AsyncReadExt as _;

use crate::artifact::cache::Cached;
use crate::artifact::complete;
use crate::artifact::display::result::{Described, Pulled, PulledFile};
use crate::artifact::display::status::{self, Status, Style, TITLE};
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::options::format::{self, Format};
use crate::artifact::options::location::split_path;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::target::{self, TargetOptions};
use crate::artifact::options::{concurrency, platform, read_concurrency, terminal, verbose};
use crate::artifact::plan::{self, Plan, Wanted};
use crate::artifact::push::style;
use crate::artifact::session::Session;
use crate::environment;

/// Most that one archive may unpack to: a terabyte, in ten million entries. What a disk holds is the real
/// bound; these stop an archive that never ends.
const LIMITS: Limits = Limits { bytes: 1 << 40, entries: 10_000_000 };

/// Bytes moved to standard output at a time.
const CHUNK: usize = 256 * 1024;

pub(crate) fn command() -> Command {
    Command::new("pull")
        .positionals("[flags] <name>{:<tag>|@<digest>}")
        .short("Download the files of an artifact")
        .long(
            "Download the files of an artifact\n\n\
             Files and directories get the names they were pushed under, below the output directory. Layers \
             without a name are left out: `{oras} cp` copies those.\n\n\
             Example - Download into a directory:\n  \
             {oras} pull --output ./app registry.example.com/team/app:1.4\n\n\
             Example - Download some of the files:\n  \
             {oras} pull --include '*.json' --include 'docs/**' registry.example.com/team/app:1.4\n\n\
             Example - Hand one file to another program:\n  \
             {oras} pull --include report.json --output - registry.example.com/team/app:1.4 | jq .\n\n\
             Example - Download what this artifact is attached to as well:\n  \
             {oras} pull --include-subject \
             registry.example.com/team/app@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n\n\
             Example - Download the artifact for one platform of an index:\n  \
             {oras} pull --platform linux/arm64 registry.example.com/team/app:1.4\n\n\
             Example - Fetch nothing twice:\n  \
             ORAS_CACHE=~/.cache/oras {oras} pull registry.example.com/team/app:1.4\n\n\
             Example - [Experimental] List where the files were written:\n  \
             {oras} pull registry.example.com/team/app:1.4 --format go-template='{{range .files}}{{println \
             .path}}{{end}}'\n\n\
             Example - Get the files out of a layout on disk, or one that was archived with tar:\n  \
             {oras} pull --oci-layout ./app-layout:1.4\n  \
             {oras} pull --oci-layout app-layout.tar:1.4\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(target::flags(Side::ONLY))
        .flag(platform::flag())
        .flags(format::flags(format::USUAL))
        .flag(terminal::flag())
        .flags(own_flags())
        .flag(concurrency(3))
        .flag(remote::debug_flag())
        .flag(verbose(true))
}

fn own_flags() -> [Flag; 8] {
    [
        Flag::text("output", "output directory, or - to write one file to stdout")
            .short('o')
            .default(".")
            .values(Values::Directories),
        Flag::bool("keep-old-files", "fail where a file exists already, and leave it as it is").short('k'),
        Flag::bool("allow-path-traversal", "let names of files lead out of the output directory").short('T'),
        Flag::bool(
            "include-subject",
            "[Preview] pull what the artifact refers to as well, and what that refers to",
        ),
        Flag::text("config", "write the config to this file"),
        Flag::repeated("include", "pull only files whose name matches the `pattern` (*, ** and ? are wild)")
            .values(Values::Nothing),
        Flag::bool("no-unpack", "save directories as the archives they are stored as"),
        Flag::bool("preserve", "set permissions and make symbolic links as push --preserve kept them"),
    ]
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let format = format::read(matches, format::USUAL)?;
    let target = TargetOptions::read(session, matches, Side::ONLY, &matches.arguments()[0])?;
    let platform = platform::read(matches)?;
    matches.validate()?;
    let to_stdout = matches.text("output") == "-";
    if to_stdout && format.is_structured() {
        return Err(format::not_with_stdout(matches));
    }
    let reference = target.reference(session)?;
    let source = Cached::wrap(target.open_readable(session).await?, environment::pull_cache()).await?;
    let blame = |error| target.blame(session, error);
    let root = root_of(&*source, reference, platform.as_ref()).await.map_err(blame)?;
    let shown = if to_stdout { Style::Silent } else { style(matches, &format) };
    let status = Status::new(session.ui, status::DOWNLOAD, shown);
    let (config, config_type) = match matches.text("config") {
        "" => (None, ""),
        text => split_path(text, "").map(|(path, media_type)| (Some(path), media_type))?,
    };
    let wanted = Wanted {
        config: config.map(|path| (path.to_owned(), config_type.to_owned())),
        with_subjects: matches.bool("include-subject"),
        patterns: matches.list("include").to_vec(),
    };
    let root_descriptor = root.descriptor.clone();
    let plan = plan::make(&*source, root, &wanted, &status).await.map_err(blame)?;
    plan.check_patterns(&wanted)?;
    if to_stdout {
        return write_to_stdout(session, &target, &*source, &plan).await;
    }
    let files = write(session, matches, &target, &source, &plan, &status).await;
    status.finish();
    report(session, &target, &format, &root_descriptor, &plan, files?)
}

/// What a tag or digest names, or the image for a platform in the index it names.
async fn root_of(
    source: &dyn ReadTarget,
    reference: &str,
    platform: Option<&Platform>,
) -> tidewaiter_oci::Result<Manifest> {
    let named = source.fetch_reference(reference).await?;
    let Some(platform) = platform else { return Ok(named) };
    let chosen = select_platform(source, &named, platform, reference).await?;
    match chosen.digest == *named.digest() {
        true => Ok(named),
        false => fetch_manifest(source, &chosen).await,
    }
}

/// Writes all files of a plan, many at a time, and gives them in its order.
async fn write(
    session: &Session,
    matches: &Matches,
    target: &TargetOptions,
    source: &Arc<dyn ReadTarget>,
    plan: &Plan,
    status: &Arc<Status>,
) -> Outcome<Vec<PulledFile>> {
    plan.check_names()?;
    let output = Output::open(matches.text("output"), output_options(matches)).await?;
    let unpacks = !matches.bool("no-unpack");
    let lanes = Lanes::new(Concurrency::new(read_concurrency(matches)));
    // The first that fails ends them all, whichever it is.
    let mut written: Vec<(usize, PathBuf)> = stream::iter(plan.files.iter().enumerate())
        .map(|(place, file)| {
            let (output, lanes) = (&output, &lanes);
            async move {
                let _permit = lanes.enter(file.size).await;
                let path = write_one(output, source, file, status, unpacks).await;
                path.map(|path| (place, path)).map_err(|error| explain(session, target, error))
            }
        })
        .buffer_unordered(lanes.width())
        .try_collect()
        .await?;
    written.sort_unstable();
    for manifest in &plan.manifests {
        status.report(manifest, Event::Copied);
    }
    let describe = |(file, (_, path)): (&Descriptor, (usize, PathBuf))| -> Outcome<PulledFile> {
        let absolute = std::path::absolute(&path).map_err(failure::file("find", &path))?;
        let mut path = absolute.display().to_string();
        if absolute.is_dir() && !path.ends_with(MAIN_SEPARATOR) {
            path.push(MAIN_SEPARATOR);
        }
        Ok(PulledFile { path, described: Described::new(&target.location.path, file) })
    };
    plan.files.iter().zip(written).map(describe).collect()
}

fn output_options(matches: &Matches) -> OutputOptions {
    OutputOptions {
        existing: if matches.bool("keep-old-files") { Existing::Keep } else { Existing::Replace },
        paths: if matches.bool("allow-path-traversal") { Paths::Anywhere } else { Paths::Inside },
        attributes: if matches.bool("preserve") { FileAttributes::Keep } else { FileAttributes::Ignore },
        ..OutputOptions::new(LIMITS)
    }
}

async fn write_one(
    output: &Output,
    source: &Arc<dyn ReadTarget>,
    file: &Descriptor,
    status: &Arc<Status>,
    unpacks: bool,
) -> tidewaiter_oci::Result<PathBuf> {
    let title = file.annotation(TITLE).unwrap_or_default();
    status.report(file, Event::Started);
    let path = if unpacks && file.annotation(UNPACK) == Some("true") {
        let reader = source.fetch(file).await?;
        output.unpack(title, file, status.watched(file, reader)).await?;
        output.path().join(title)
    } else {
        let source: Arc<dyn ReadTarget> = Arc::clone(source);
        output.write_file_from(title, file, source, status.counter(file)).await?
    };
    status.report(file, Event::Copied);
    Ok(path)
}

/// What went wrong, and when it was a name that leads out of the directory, what lifts the rule.
fn explain(session: &Session, target: &TargetOptions, error: Error) -> Failure {
    let leads_out = matches!(error, Error::OutsideTarget { .. });
    let failure = target.blame(session, error);
    match leads_out {
        true => failure.advice(
            "Pulling files outside of the working directory is blocked. Use --allow-path-traversal if the producer \
             of the artifact is trusted",
        ),
        false => failure,
    }
}

/// Writes the one file of a plan to standard output.
async fn write_to_stdout(
    session: &Session,
    target: &TargetOptions,
    source: &dyn ReadTarget,
    plan: &Plan,
) -> Outcome {
    let [file] = plan.files.as_slice() else {
        let message = format!("`--output -` writes one file, but {} are to be pulled", plan.files.len());
        return Err(match plan.names().as_str() {
            "" if plan.skipped_unnamed => Failure::new(message).advice(unnamed_advice(session, target)),
            "" => Failure::new(message),
            names => Failure::new(message).advice(format!("Choose one with --include. There are: {names}")),
        });
    };
    let mut reader = source.fetch(file).await.map_err(|error| target.blame(session, error))?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = reader.read(&mut buffer).await;
        let count = count.map_err(|error| target.blame(session, Error::transfer(&file.digest, error)))?;
        if count == 0 {
            return Ok(());
        }
        session.ui.bytes(&buffer[..count]);
    }
}

fn report(
    session: &Session,
    target: &TargetOptions,
    format: &Format,
    root: &Descriptor,
    plan: &Plan,
    files: Vec<PulledFile>,
) -> Outcome {
    if format.is_structured() {
        let reference = target.location.at(&root.digest);
        return format.write(session.ui, &Pulled { reference, files });
    }
    if plan.skipped_unnamed {
        session.ui.line(format_args!("Skipped pulling layers without file name in \"{TITLE}\""));
        session.ui.line(unnamed_advice(session, target));
    } else {
        session.ui.line(format_args!("Pulled {}", target.location.annotated()));
        session.ui.line(format_args!("Digest: {}", root.digest));
    }
    Ok(())
}

fn unnamed_advice(session: &Session, target: &TargetOptions) -> String {
    let (program, raw) = (&session.program, &target.location.raw);
    format!("Use '{program} copy {raw} --to-oci-layout <layout-dir>' to pull all layers.")
}
