//! `restore`: artifacts from a backup, or any OCI image layout, to a repository.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::archive::Archive;
use tidewaiter_oci::content::{ReadTarget, Tag as _, Target};
use tidewaiter_oci::copy::{Concurrency, Copier, CopyOptions, ReferrerFilter};
use tidewaiter_oci::layout::Layout;
use tidewaiter_oci::memory::Memory;

use crate::artifact::backup::{Selected, count_referrers, read_selected, say_found};
use crate::artifact::complete;
use crate::artifact::display::line::one_line;
use crate::artifact::display::status::{self, Status, Style};
use crate::artifact::failure::{Failure, Outcome};
use crate::artifact::options::location::Kind;
use crate::artifact::options::remote::{self, Side};
use crate::artifact::options::{concurrency, read_concurrency, terminal};
use crate::artifact::session::Session;
use crate::size;

pub(crate) fn command() -> Command {
    Command::new("restore")
        .positionals("[flags] --input <path> <registry>/<repository>[:<ref1>[,<ref2>...]]")
        .short("[Experimental] Push tags of a backup to a repository")
        .long(
            "[Experimental] Push tags of a backup to a repository\n\n\
             The backup is an OCI image layout, a directory or a tar archive, such as `{oras} backup` \
             writes. Without tags after the repository, all of them are pushed.\n\n\
             Example - See what would be pushed:\n  \
             {oras} restore --dry-run --input app.tar registry.example.com/team/app\n\n\
             Example - Push everything that has a tag:\n  \
             {oras} restore --input app.tar registry.example.com/team/app\n\n\
             Example - Push two releases, to a repository of another name:\n  \
             {oras} restore --input ./app-backup registry.example.com/rescue/app:1.3,1.4\n\n\
             Example - Leave signatures and SBOMs out:\n  \
             {oras} restore --exclude-referrers --input app.tar registry.example.com/team/app\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(remote::flags(Side::ONLY))
        .flag(remote::distribution_spec_flag(Side::ONLY))
        .flag(terminal::flag())
        .flag(Flag::text("input", "the backup: a directory or a tar archive").required())
        .flag(Flag::bool(
            "exclude-referrers",
            "leave out what refers to them: signatures, SBOMs, attestations",
        ))
        .flag(Flag::bool("dry-run", "say what would be pushed, and push nothing"))
        .flag(concurrency(5))
        .flag(remote::debug_flag())
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let selected = read_selected(session, matches)?;
    matches.validate()?;
    let input = matches.text("input");
    if input.is_empty() {
        return Err(Failure::new("the input path cannot be empty"));
    }
    let metadata = std::fs::metadata(input)
        .map_err(|error| Failure::new(format!("failed to access input path \"{input}\": {error}")))?;
    let started = Instant::now();
    let (source, all) = open(Path::new(input), metadata.is_file()).await?;
    if metadata.is_file() {
        session.ui.line(format_args!("Loaded backup archive: {input} ({})", size::bytes(metadata.len())));
    }
    let tags = if selected.tags.is_empty() { all } else { selected.tags.clone() };
    if tags.is_empty() {
        return Err(Failure::new(format!("no tags found in OCI layout \"{input}\"")).advice(format!(
            "`{} repo tags --oci-layout {input}` lists the tags there are",
            session.program
        )));
    }
    say_found(session, &tags, "the backup");
    push_tags(session, matches, &selected, source, &tags).await?;
    let (count, path) = (tags.len(), &selected.target.location.path);
    if matches.bool("dry-run") {
        session.ui.line(format_args!(
            "Dry run complete: {count} tag(s) would be restored to \"{path}\" (no data pushed)"
        ));
    } else {
        let elapsed = size::duration(started.elapsed());
        session.ui.line(format_args!("Successfully restored {count} tag(s) to \"{path}\" in {elapsed}"));
    }
    Ok(())
}

/// Opens the backup and lists its tags.
async fn open(input: &Path, is_file: bool) -> Outcome<(Arc<dyn ReadTarget>, Vec<String>)> {
    if is_file {
        let archive = Archive::open(input).await.map_err(|error| {
            let input = input.display();
            Failure::new(format!(
                "failed to prepare OCI store from tar archive \"{input}\": invalid OCI Image Layout: {error}"
            ))
        })?;
        let tags = archive.references().iter().flat_map(|image| image.names.iter().cloned()).collect();
        return Ok((Arc::new(archive), tags));
    }
    let has_layout = input.join("oci-layout").exists() || input.join("index.json").exists();
    if !has_layout {
        return Ok((Arc::new(Memory::new()), Vec::new()));
    }
    let layout = Layout::open(input).await?;
    let tags = layout.tags(None).await?;
    Ok((Arc::new(layout), tags))
}

async fn push_tags(
    session: &Session,
    matches: &Matches,
    selected: &Selected,
    source: Arc<dyn ReadTarget>,
    tags: &[String],
) -> Outcome {
    let target = &selected.target;
    let Kind::Registry(reference) = &target.location.kind else {
        return Err(Failure::new("a layout is not restored to; copy it"));
    };
    let destination: Arc<dyn Target> = Arc::new(target.repository(session, reference)?.for_writing());
    let (dry_run, without_referrers) = (matches.bool("dry-run"), matches.bool("exclude-referrers"));
    let options = CopyOptions {
        concurrency: Concurrency::new(read_concurrency(matches)),
        referrers: (!without_referrers).then(ReferrerFilter::default),
        ..CopyOptions::default()
    };
    let style = if terminal::draws(matches) { Style::Bars } else { Style::Lines { unnamed: true } };
    let status = Status::new(session.ui, status::RESTORE, style);
    let copier = Copier::new(Arc::clone(&source), destination, options, Arc::clone(&status) as _);
    for tag in tags {
        let root = source.resolve(tag).await;
        let root = root
            .map_err(|error| Failure::from(error).context(format_args!("failed to resolve tag \"{tag}\"")))?;
        let count = if without_referrers { 0 } else { count_referrers(&*source, &root).await? };
        let shown = one_line(tag);
        if dry_run {
            session.ui.line(format_args!("Dry run: would push tag {shown} with {count} referrer(s)"));
            continue;
        }
        copier.copy(tag, std::slice::from_ref(tag)).await.map_err(|failed| {
            status.finish();
            let what = format!("failed to restore tag \"{tag}\" to \"{}\"", target.location.path);
            target.blame(session, failed.error).context(what)
        })?;
        session.ui.line(format_args!("Pushed tag {shown} with {count} referrer(s)"));
    }
    status.finish();
    Ok(())
}
