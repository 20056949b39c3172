//! Making artifacts of files: what `push` and `attach` share.

use std::collections::BTreeSet;
use std::fs::FileType;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tempfile::NamedTempFile;
use tidewaiter_cobra::{Flag, Matches, Values};
use tidewaiter_oci::content::Target;
use tidewaiter_oci::copy::{Concurrency, Copier, CopyError, CopyOptions};
use tidewaiter_oci::pack::{
    Compression, DirectoryOptions, FileAttributes, Packed, Stage, Times, UNKNOWN_CONFIG, clean_title,
    pack_directory, pack_file, unnamed_layer,
};
use tidewaiter_oci::{Descriptor, Manifest};

use crate::artifact::display::status::Status;
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::options::annotations::{self, AnnotationSet};
use crate::artifact::options::location::split_path;
use crate::artifact::options::read_concurrency;
use crate::artifact::options::target::TargetOptions;
use crate::artifact::session::Session;
use crate::artifact::spool;
use crate::environment;

/// Stands for standard input among the files.
const STDIN: &str = "-";

/// Name of a file that comes from standard input, when none is given.
const STDIN_NAME: &str = "stdin";

/// The flags of both commands, the annotations' among them.
pub(crate) fn flags() -> Vec<Flag> {
    vec![
        annotations::flag(),
        annotations::file_flag(),
        Flag::text("export-manifest", "write the manifest to the file at `path` as well"),
        Flag::bool(
            "disable-path-validation",
            "accept absolute paths; they are part of the names that files are pulled under",
        ),
        Flag::bool(
            "reproducible",
            "write no times, so that the same files give the same digests (SOURCE_DATE_EPOCH sets one time for all)",
        ),
        Flag::text("compression", "compression of directories. Options: gzip, zstd, none")
            .default("gzip")
            .checked(check_compression)
            .values(Values::Words(&[
                ("gzip", "what every client unpacks"),
                ("zstd", "smaller and faster; ORAS does not unpack it"),
                ("none", ""),
            ])),
        Flag::bool(
            "preserve",
            "keep permissions and symbolic links of single files as well (in an annotation that other clients ignore)",
        ),
        Flag::text("stdin-name", "`name` of the file that is read from standard input when a file is -")
            .default(STDIN_NAME)
            .values(Values::Nothing),
        Flag::text("stdin-type", "media `type` of the file that is read from standard input")
            .values(Values::Nothing),
    ]
}

fn check_compression(text: &str) -> Result<(), String> {
    match text {
        "gzip" | "zstd" | "none" => Ok(()),
        other => Err(format!("unknown compression: {other}\nAvailable options: gzip, zstd, none")),
    }
}

/// What was said of how to make the artifact.
#[derive(Debug, Clone)]
pub(crate) struct PackingOptions {
    pub(crate) annotations: AnnotationSet,
    /// The time to write into the manifest; absent when it is to be left out.
    pub(crate) created: Option<Timestamp>,
    files: Vec<String>,
    export: Option<PathBuf>,
    attributes: FileAttributes,
    directories: DirectoryOptions,
    stdin_name: String,
    stdin_type: String,
}

impl PackingOptions {
    /// Reads the flags; `files` are the arguments after the target.
    pub(crate) fn read(matches: &Matches, files: &[String]) -> Outcome<Self> {
        if !matches.bool("disable-path-validation") {
            check_paths(files)?;
            if files.iter().any(|file| is_stdin(file)) {
                check_stdin_name(matches.text("stdin-name"))?;
            }
        }
        for file in files.iter().filter(|file| is_stdin(file)) {
            crate::artifact::manifest::push::check_stdin(
                matches,
                file.split(':').next().unwrap_or_default(),
            )?;
        }
        if files.iter().filter(|file| is_stdin(file)).count() > 1 {
            return Err(Failure::new("standard input can be read once only"));
        }
        let no_time = |text: &dyn std::fmt::Display| {
            let variable = environment::SOURCE_DATE_EPOCH;
            Failure::new(format!("{variable} is not a time in seconds since 1970: {text}"))
        };
        let epoch = environment::source_date_epoch().map_err(|text| no_time(&text))?;
        let (created, times) = match (epoch, matches.bool("reproducible")) {
            (Some(epoch), _) => {
                let created = Timestamp::from_second(epoch).map_err(|_| no_time(&epoch))?;
                (Some(created), Times::Fixed(epoch))
            }
            (None, true) => (None, Times::Fixed(0)),
            (None, false) => (Some(environment::timestamp()), Times::Keep),
        };
        let compression = match matches.text("compression") {
            "zstd" => Compression::Zstd { level: 3 },
            "none" => Compression::None,
            // A fifth faster than gzip's usual 6, for half a percent of size.
            _ => Compression::Gzip { level: 5 },
        };
        let export = matches.text("export-manifest");
        check_export(Path::new(export))?;
        Ok(Self {
            annotations: annotations::read(matches)?,
            created,
            files: files.to_vec(),
            export: (!export.is_empty()).then(|| PathBuf::from(export)),
            attributes: if matches.bool("preserve") { FileAttributes::Keep } else { FileAttributes::Ignore },
            directories: DirectoryOptions {
                compression,
                times,
                threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
                temporary_directory: environment::temporary_directory(),
            },
            stdin_name: matches.text("stdin-name").to_owned(),
            stdin_type: matches.text("stdin-type").to_owned(),
        })
    }

    /// There is nothing to put into an artifact.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.annotations.manifest().is_none_or(std::collections::BTreeMap::is_empty)
    }

    /// The files with the names they will have; each name once.
    fn named_files<'s>(&'s self) -> Outcome<Vec<NamedFile<'s>>> {
        let mut names = BTreeSet::new();
        let name = |file: &'s String| {
            let (path, media_type) = split_path(file, "")?;
            let title = if path == STDIN { self.stdin_name.clone() } else { clean_title(path) };
            if !names.insert(title.clone()) {
                return Err(Failure::new(format!("{title}: duplicate name")));
            }
            // "-:type" would be read as a flag, so the type of standard input has a flag of its own.
            let media_type =
                if path == STDIN && media_type.is_empty() { &self.stdin_type } else { media_type };
            Ok(NamedFile { path, title, media_type: Some(media_type).filter(|text| !text.is_empty()) })
        };
        self.files.iter().map(name).collect()
    }

    /// What lies at a path.
    fn kind(&self, path: &Path) -> Outcome<FileType> {
        let metadata = match self.attributes {
            FileAttributes::Keep => path.symlink_metadata(),
            FileAttributes::Ignore => path.metadata(),
        };
        Ok(metadata.map_err(failure::sought(path))?.file_type())
    }

    /// Packs the configuration that `file[:type]` names.
    pub(crate) async fn pack_config(&self, file: &str) -> Outcome<Packed> {
        let (path, media_type) = split_path(file, UNKNOWN_CONFIG)?;
        self.kind(Path::new(path))?;
        let mut packed = pack_file(path, "", Some(media_type), FileAttributes::Ignore).await?;
        packed.descriptor.annotations = self.annotations.config().cloned();
        Ok(packed)
    }

    /// Writes the manifest to the file of `--export-manifest`.
    pub(crate) fn export(&self, manifest: &Manifest) -> Outcome {
        let Some(path) = &self.export else { return Ok(()) };
        std::fs::write(path, &manifest.bytes).map_err(failure::file("write", path))
    }
}

/// A file to be packed.
struct NamedFile<'a> {
    /// As given; `-` is standard input.
    path: &'a str,
    title: String,
    media_type: Option<&'a str>,
}

/// The layers of an artifact.
#[derive(Default)]
pub(crate) struct Layers {
    pub(crate) packed: Vec<Packed>,
    /// What was read from standard input, kept until it is pushed.
    spooled: Vec<NamedTempFile>,
}

impl Layers {
    pub(crate) fn descriptors(&self) -> Vec<Descriptor> {
        self.packed.iter().map(|packed| packed.descriptor.clone()).collect()
    }
}

fn is_stdin(file: &str) -> bool {
    file == "-" || file.starts_with("-:")
}

/// Titles of files become paths on other machines: absolute ones need to be meant.
fn check_paths(files: &[String]) -> Outcome {
    let mut absolute = Vec::new();
    for file in files {
        let (path, _) = split_path(file, "")?;
        if Path::new(path).is_absolute() {
            absolute.push(path);
        }
    }
    if absolute.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "absolute file path detected. If it's intentional, use --disable-path-validation flag to skip this check: {}",
        absolute.join(", ")
    )))
}

/// The name of standard input becomes a path too, and is nobody's path here.
fn check_stdin_name(name: &str) -> Outcome {
    let title = clean_title(name);
    if !Path::new(&title).is_absolute() && title != ".." && !title.starts_with("../") {
        return Ok(());
    }
    Err(Failure::new(format!(
        "--stdin-name leads out of the directory that it is pulled into. If it's intentional, use \
         --disable-path-validation flag to skip this check: {name}"
    )))
}

/// A manifest that cannot be written is better known before everything is pushed.
fn check_export(path: &Path) -> Outcome {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => Err(Failure::new(format!(
            "failed to write {}: {} is not a directory",
            path.display(),
            parent.display()
        ))),
        _ => Ok(()),
    }
}

/// An artifact on its way: what is packed is put on a stage, and goes from there to its target. Large files go
/// while they are still being read for their digests.
pub(crate) struct Pushing<'a> {
    session: &'a Session,
    target: &'a TargetOptions,
    status: &'a Arc<Status>,
    stage: Stage,
    copier: Copier,
}

impl<'a> Pushing<'a> {
    pub(crate) fn new(
        session: &'a Session,
        matches: &Matches,
        target: &'a TargetOptions,
        store: Arc<dyn Target>,
        status: &'a Arc<Status>,
    ) -> Self {
        let options = CopyOptions {
            concurrency: Concurrency::new(read_concurrency(matches)),
            force: matches.declares("force") && matches.bool("force"),
            ..CopyOptions::default()
        };
        let stage = Stage::new();
        let reporter = Arc::clone(status);
        let copier = Copier::new(Arc::new(stage.clone()), store, options, reporter);
        Self { session, target, status, stage, copier }
    }

    fn failed(&self, failed: CopyError) -> Failure {
        self.target.blame(self.session, failed.error)
    }

    /// Packs the files, in their order.
    pub(crate) async fn pack(&self, packing: &PackingOptions) -> Outcome<Layers> {
        let mut layers = Layers::default();
        let files = packing.named_files()?;
        // Nothing is to be on its way yet when one of them turns out not to be there.
        for file in files.iter().filter(|file| file.path != STDIN) {
            packing.kind(Path::new(file.path))?;
        }
        for file in files {
            self.status.say(format_args!("Preparing {}", file.title));
            let mut packed = match file.path {
                STDIN => self.pack_spooled(spool::stdin().await?, &file, &mut layers).await?,
                path => self.pack_path(Path::new(path), &file, packing, &mut layers).await?,
            };
            if let Some(annotations) = packing.annotations.file(file.path) {
                packed.descriptor.annotations.get_or_insert_default().extend(annotations.clone());
            }
            layers.packed.push(packed);
        }
        if packing.files.is_empty() {
            self.status.say("Uploading empty artifact");
        }
        Ok(layers)
    }

    async fn pack_path(
        &self,
        path: &Path,
        file: &NamedFile<'_>,
        packing: &PackingOptions,
        layers: &mut Layers,
    ) -> Outcome<Packed> {
        let (title, media_type, attributes) = (&*file.title, file.media_type, packing.attributes);
        let kind = packing.kind(path)?;
        if kind.is_dir() {
            return Ok(pack_directory(path, title, media_type, &packing.directories).await?);
        }
        if kind.is_file() {
            let blob = unnamed_layer(path, title, media_type, attributes).await?;
            if let Some(descriptor) =
                self.copier.push_unnamed(&blob).await.map_err(|error| self.failed(error))?
            {
                return Ok(Packed::named(descriptor, &blob));
            }
        }
        if kind.is_file() || kind.is_symlink() {
            return Ok(pack_file(path, title, media_type, attributes).await?);
        }
        self.pack_spooled(spool::file(self.session.ui, path).await?, file, layers).await
    }

    async fn pack_spooled(
        &self,
        spooled: NamedTempFile,
        file: &NamedFile<'_>,
        layers: &mut Layers,
    ) -> Outcome<Packed> {
        let packed = pack_file(spooled.path(), &file.title, file.media_type, FileAttributes::Ignore).await?;
        layers.spooled.push(spooled);
        Ok(packed)
    }

    /// Pushes the artifact under its tags, or by its digest when there are none. `parts` are its blobs.
    pub(crate) async fn push(
        self,
        manifest: &Manifest,
        parts: impl IntoIterator<Item = Packed>,
        tags: &[String],
    ) -> Outcome {
        parts.into_iter().for_each(|packed| self.stage.add(packed));
        self.stage.add_manifest(manifest.clone(), manifest.digest().as_str());
        let result = self.copier.copy(manifest.digest().as_str(), tags).await;
        self.status.finish();
        result.map(drop).map_err(|error| self.failed(error))
    }
}
