//! `backup`: a repository's artifacts as an OCI image layout, in a directory or a tar archive.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tidewaiter_cobra::{Arguments, Command, Flag, Matches, Values};
use tidewaiter_oci::content::{ReadTarget, Resolve as _, Tag as _};
use tidewaiter_oci::copy::{Concurrency, Copier, CopyOptions, ReferrerFilter};
use tidewaiter_oci::graph::{Referrer, referrer_tree};
use tidewaiter_oci::layout::Layout;
use tidewaiter_oci::{Descriptor, Reference, TagName, View};

use crate::artifact::complete;
use crate::artifact::display::line::one_line;
use crate::artifact::display::status::{self, Status, Style};
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::options::location::{Kind, Location};
use crate::artifact::options::remote::{self, RemoteOptions, Side};
use crate::artifact::options::target::TargetOptions;
use crate::artifact::options::{concurrency, read_concurrency, terminal};
use crate::artifact::session::Session;
use crate::environment;
use crate::size;

/// With more tags than this, each is shown on a line of its own.
const TAGS_ON_A_LINE: usize = 5;

pub(crate) fn command() -> Command {
    Command::new("backup")
        .positionals("[flags] --output <path> <registry>/<repository>[:<ref1>[,<ref2>...]]")
        .short("[Experimental] Save tags of a repository to a directory or a tar archive")
        .long(
            "[Experimental] Save tags of a repository to a directory or a tar archive\n\n\
             The directory, or the archive when the path ends in .tar, is an OCI image layout. Without tags \
             after the repository, all of them are saved. `{oras} restore` pushes them again.\n\n\
             Example - Save everything that has a tag:\n  \
             {oras} backup --output app.tar registry.example.com/team/app\n\n\
             Example - Save two releases to a directory:\n  \
             {oras} backup --output ./app-backup registry.example.com/team/app:1.3,1.4\n\n\
             Example - Save a release with its signatures and SBOMs:\n  \
             {oras} backup --include-referrers --output app-1.4.tar registry.example.com/team/app:1.4\n",
        )
        .arguments(Arguments::Exactly(1), &[Values::Ask(complete::REFERENCE), Values::Nothing])
        .flags(remote::flags(Side::ONLY))
        .flag(remote::distribution_spec_flag(Side::ONLY))
        .flag(terminal::flag())
        .flag(
            Flag::text("output", "write to this path: a tar archive when it ends in .tar, else a directory")
                .short('o')
                .required(),
        )
        .flag(Flag::bool(
            "include-referrers",
            "save what refers to them too: signatures, SBOMs, attestations",
        ))
        .flag(concurrency(3))
        .flag(remote::debug_flag())
}

/// A repository and tags of it.
#[derive(Debug)]
pub(crate) struct Selected {
    pub(crate) target: TargetOptions,
    /// All that there are when empty.
    pub(crate) tags: Vec<String>,
}

/// Reads `registry/repository[:tag[,tag…]]` and the flags of the registry.
pub(crate) fn read_selected(session: &Session, matches: &Matches) -> Outcome<Selected> {
    let argument = &matches.arguments()[0];
    if argument.is_empty() {
        return Err(Failure::new("artifact reference cannot be empty"));
    }
    if argument.contains('@') {
        return Err(Failure::new(format!("digest references are not supported: \"{argument}\"")));
    }
    let (first, further) = argument.split_once(',').map_or((argument.as_str(), None), |(a, b)| (a, Some(b)));
    let reference = Reference::parse(first)
        .map_err(|error| Failure::new(format!("invalid reference \"{first}\": {error}")))?;
    let mut tags: Vec<String> = Vec::new();
    if further.is_some() || reference.tag.is_some() {
        tags.push(reference.tag.as_ref().map(TagName::to_string).unwrap_or_default());
    }
    tags.extend(further.into_iter().flat_map(|further| further.split(',')).map(str::to_owned));
    for tag in &tags {
        if tag.is_empty() {
            return Err(Failure::new(format!("empty tag in reference \"{argument}\"")));
        }
        tag.parse::<TagName>().map_err(|error| {
            Failure::new(format!("invalid tag \"{tag}\" in reference \"{argument}\": {error}"))
        })?;
    }
    let target = TargetOptions {
        location: Location::registry(&reference.repository_path())?,
        remote: RemoteOptions::read(session, matches, Side::ONLY)?,
    };
    Ok(Selected { target, tags })
}

/// `Found 2 tag(s) in x: 1, idx`, or one tag a line when there are many.
pub(crate) fn say_found(session: &Session, tags: &[String], place: &str) {
    let count = tags.len();
    if count > TAGS_ON_A_LINE {
        session.ui.line(format_args!("Found {count} tag(s) in {place}:"));
        tags.iter().for_each(|tag| session.ui.line(one_line(tag)));
    } else {
        session.ui.line(format_args!("Found {count} tag(s) in {place}: {}", one_line(&tags.join(", "))));
    }
}

pub(crate) async fn run(session: &Session, matches: &Matches) -> Outcome {
    let selected = read_selected(session, matches)?;
    matches.validate()?;
    let output = matches.text("output");
    if output.is_empty() {
        return Err(Failure::new("the output path cannot be empty"));
    }
    let started = Instant::now();
    let place = Place::prepare(session, Path::new(output))?;
    let repository = match &selected.target.location.kind {
        Kind::Registry(reference) => selected.target.repository(session, reference)?,
        Kind::Layout(_) => return Err(Failure::new("a layout cannot be backed up; copy it")),
    };
    let path = &selected.target.location.path;
    // What is not there is said before anything is fetched.
    for tag in &selected.tags {
        repository
            .resolve(tag)
            .await
            .map_err(|error| Failure::from(error).context(format_args!("failed to resolve tag \"{tag}\"")))?;
    }
    let tags = match selected.tags.is_empty() {
        false => selected.tags.clone(),
        true => repository
            .tags(None)
            .await
            .map_err(|error| selected.target.blame(session, error).context("failed to find tags"))?,
    };
    if tags.is_empty() {
        return Err(Failure::new(format!("no tags found in repository \"{path}\""))
            .advice(format!("`{} repo tags {path}` lists the tags there are", session.program)));
    }
    say_found(session, &tags, path);
    let layout = Layout::create(place.directory()).await?;
    copy_tags(session, matches, &selected.target, Arc::new(repository), &layout, &tags).await?;
    place.finish(session).await?;
    session.ui.line(format_args!(
        "Successfully backed up {} tag(s) from \"{path}\" to \"{output}\" in {}.",
        tags.len(),
        size::duration(started.elapsed())
    ));
    Ok(())
}

async fn copy_tags(
    session: &Session,
    matches: &Matches,
    target: &TargetOptions,
    source: Arc<dyn ReadTarget>,
    layout: &Layout,
    tags: &[String],
) -> Outcome {
    let with_referrers = matches.bool("include-referrers");
    let options = CopyOptions {
        concurrency: Concurrency::new(read_concurrency(matches)),
        referrers: with_referrers.then(ReferrerFilter::default),
        ..CopyOptions::default()
    };
    let style = if terminal::draws(matches) { Style::Bars } else { Style::Lines { unnamed: true } };
    let status = Status::new(session.ui, status::BACKUP, style);
    let copier = Copier::new(source, Arc::new(layout.clone()), options, Arc::clone(&status) as _);
    for tag in tags {
        let copied = copier.copy(tag, std::slice::from_ref(tag)).await;
        let copied = copied.map_err(|failed| {
            status.finish();
            let path = &target.location.path;
            target
                .blame(session, failed.error)
                .context(format_args!("failed to back up tag \"{tag}\" from \"{path}\""))
        })?;
        let count = if with_referrers { count_referrers(layout, &copied).await? } else { 0 };
        let tag = one_line(tag);
        session.ui.line(format_args!("Pulled tag {tag} with {count} referrer(s)"));
    }
    status.finish();
    Ok(())
}

/// How much refers to a manifest, at all levels; of an index also what refers to the manifests it lists.
pub(crate) async fn count_referrers(store: &dyn ReadTarget, root: &Descriptor) -> Outcome<usize> {
    fn count(referrers: &[Referrer]) -> usize {
        referrers.iter().map(|referrer| 1 + count(&referrer.referrers)).sum()
    }
    let mut subjects = vec![root.clone()];
    if let View::Index(index) = tidewaiter_oci::content::fetch_manifest(store, root).await?.view {
        subjects.extend(index.manifests.into_iter().filter(Descriptor::is_manifest));
    }
    let mut total = 0;
    for subject in subjects {
        total += count(&referrer_tree(store, &subject, None, None).await?);
    }
    Ok(total)
}

/// Where the backup goes.
enum Place {
    Directory(PathBuf),
    /// A layout in a temporary directory becomes an archive at the end.
    Archive {
        path: PathBuf,
        layout: PathBuf,
    },
}

impl Place {
    fn prepare(session: &Session, output: &Path) -> Outcome<Self> {
        let is_archive = output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tar"));
        if !is_archive {
            return Ok(Self::Directory(output.to_owned()));
        }
        if output.is_dir() {
            let message =
                format!("the output path \"{}\" already exists and is a directory", output.display());
            return Err(Failure::new(message).advice(
                "To back up to a tar archive, please specify a different output file name or remove the existing directory.",
            ));
        }
        // Fails now rather than when everything has been fetched, and leaves nothing behind.
        let existed = output.exists();
        File::options()
            .create(true)
            .append(true)
            .open(output)
            .map_err(failure::file("create the output file", output))?;
        if !existed {
            std::fs::remove_file(output).map_err(failure::file("remove", output))?;
        }
        let temporary = environment::temporary_directory();
        let layout = session.scratch_directory("tidewaiter-backup-", &temporary)?;
        Ok(Self::Archive { path: output.to_owned(), layout })
    }

    fn directory(&self) -> &Path {
        match self {
            Self::Directory(path) => path,
            Self::Archive { layout, .. } => layout,
        }
    }

    async fn finish(self, session: &Session) -> Outcome {
        let Self::Archive { path, layout } = self else {
            // A layout that nobody writes to needs no place for what is on its way. What is in use stays.
            let _ = std::fs::remove_dir(self.directory().join("ingest"));
            return Ok(());
        };
        session.ui.line(format_args!("Exporting to {}", path.display()));
        let size = archive(layout, &path).await.map_err(|error| {
            Failure::new(format!("failed to create tar archive at {}: {error}", path.display()))
        })?;
        session.ui.line(format_args!("Exported to {} ({})", path.display(), size::bytes(size)));
        Ok(())
    }
}

/// Writes a layout as an archive, and gives its size. It gets its name when it is whole; until then it is a
/// temporary file beside it, which goes when nobody waits any more.
async fn archive(layout: PathBuf, path: &Path) -> io::Result<u64> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What the name stands for may be a device or a link to elsewhere: that is written to, not replaced.
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return write_archive(layout, File::create(path)?).await;
    }
    let mode = Permissions::from_mode(0o666);
    let file = tempfile::Builder::new().prefix(".tidewaiter-").permissions(mode).tempfile_in(parent)?;
    let size = write_archive(layout, file.as_file().try_clone()?).await?;
    file.persist(path)?;
    Ok(size)
}

async fn write_archive(layout: PathBuf, file: File) -> io::Result<u64> {
    tokio::task::spawn_blocking(move || append_all(&layout, file)).await?
}

/// Writes a layout's files in order and without times.
fn append_all(layout: &Path, file: File) -> io::Result<u64> {
    let mut files = Vec::new();
    collect(layout, Path::new(""), &mut files)?;
    files.sort();
    let mut builder = tar::Builder::new(io::BufWriter::new(file));
    for name in files {
        let mut file = File::open(layout.join(&name))?;
        let mut header = tar::Header::new_gnu();
        header.set_size(file.metadata()?.len());
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, &name, &mut file)?;
    }
    let mut writer = builder.into_inner()?;
    writer.flush()?;
    writer.get_ref().metadata().map(|metadata| metadata.len())
}

/// The files that make up a layout; what is on its way in is not part of it.
fn collect(layout: &Path, below: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(layout.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        let is_content =
            name.starts_with("blobs") || name == Path::new("oci-layout") || name == Path::new("index.json");
        match entry.file_type()? {
            _ if !is_content => {}
            kind if kind.is_dir() => collect(layout, &name, files)?,
            _ => files.push(name),
        }
    }
    Ok(())
}
