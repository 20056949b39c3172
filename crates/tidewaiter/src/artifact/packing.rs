//! Making artifacts of files: what `push` and `attach` share.

use std::collections::BTreeSet;
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
    pack_directory, pack_file,
};
use tidewaiter_oci::{Descriptor, Manifest};

use crate::artifact::display::status::Status;
use crate::artifact::failure::{self, Failure, Outcome};
use crate::artifact::options::annotations::{self, AnnotationSet};
use crate::artifact::options::location::split_path;
use crate::artifact::options::read_concurrency;
use crate::environment;

/// Name of a file that comes from standard input, when none is given.
const STDIN_NAME: &str = "stdin";

/// The flags of both commands, the annotations' among them.
pub(crate) fn flags() -> Vec<Flag> {
    vec![
        annotations::flag(),
        annotations::file_flag(),
        Flag::text("export-manifest", "`path` of the pushed manifest"),
        Flag::bool("disable-path-validation", "skip path validation"),
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
        let epoch = environment::source_date_epoch().map_err(|text| {
            Failure::new(format!("{} is not a number of seconds: {text}", environment::SOURCE_DATE_EPOCH))
        })?;
        let (created, times) = match (epoch, matches.bool("reproducible")) {
            (Some(epoch), _) => {
                let created = Timestamp::from_second(epoch);
                (Some(created.map_err(|error| Failure::new(error.to_string()))?), Times::Fixed(epoch))
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

    /// Packs the files, in their order.
    pub(crate) async fn pack(&self, status: &Status) -> Outcome<Layers> {
        let mut layers = Layers::default();
        let mut names = BTreeSet::new();
        for file in &self.files {
            let (path, media_type) = split_path(file, "")?;
            let title = if path == "-" { self.stdin_name.clone() } else { clean_title(path) };
            if !names.insert(title.clone()) {
                return Err(Failure::new(format!("{title}: duplicate name")));
            }
            status.say(format_args!("Preparing {title}"));
            // "-:type" would be read as a flag, so the type of standard input has a flag of its own.
            let media_type = if path == "-" && media_type.is_empty() { &self.stdin_type } else { media_type };
            let media_type = Some(media_type).filter(|text| !text.is_empty());
            let mut packed = match path {
                "-" => {
                    let spooled = spool_stdin().await?;
                    let packed =
                        pack_file(spooled.path(), &title, media_type, FileAttributes::Ignore).await?;
                    layers.spooled.push(spooled);
                    packed
                }
                path => self.pack_path(Path::new(path), &title, media_type).await?,
            };
            if let Some(annotations) = self.annotations.file(path) {
                packed.descriptor.annotations.get_or_insert_default().extend(annotations.clone());
            }
            layers.packed.push(packed);
        }
        if self.files.is_empty() {
            status.say("Uploading empty artifact");
        }
        Ok(layers)
    }

    async fn pack_path(&self, path: &Path, title: &str, media_type: Option<&str>) -> Outcome<Packed> {
        let is_directory = match self.attributes {
            FileAttributes::Keep => path.symlink_metadata(),
            FileAttributes::Ignore => path.metadata(),
        };
        let is_directory = is_directory.map_err(failure::file("find", path))?.is_dir();
        Ok(match is_directory {
            true => pack_directory(path, title, media_type, &self.directories).await?,
            false => pack_file(path, title, media_type, self.attributes).await?,
        })
    }

    /// Packs the configuration that `file[:type]` names.
    pub(crate) async fn pack_config(&self, file: &str) -> Outcome<Packed> {
        let (path, media_type) = split_path(file, UNKNOWN_CONFIG)?;
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

/// Standard input as a file, so that its digest is known before it is sent.
async fn spool_stdin() -> Outcome<NamedTempFile> {
    let spool = || {
        let mut file = NamedTempFile::new_in(environment::temporary_directory())?;
        std::io::copy(&mut std::io::stdin().lock(), &mut file)?;
        Ok(file)
    };
    let spooled = tokio::task::spawn_blocking(spool).await;
    let failed = |error: std::io::Error| Failure::new(format!("failed to read standard input: {error}"));
    spooled.map_err(|error| failed(error.into()))?.map_err(failed)
}

/// Pushes a packed artifact under its tags, or by its digest when there are none.
pub(crate) async fn push(
    stage: Stage,
    manifest: &Manifest,
    target: Arc<dyn Target>,
    tags: &[String],
    matches: &Matches,
    status: &Arc<Status>,
) -> Result<(), CopyError> {
    let options = CopyOptions {
        concurrency: Concurrency::new(read_concurrency(matches)),
        force: matches.declares("force") && matches.bool("force"),
        ..CopyOptions::default()
    };
    let reporter = Arc::clone(status);
    let copier = Copier::new(Arc::new(stage), target, options, reporter);
    let result = copier.copy(manifest.digest().as_str(), tags).await;
    status.finish();
    result.map(drop)
}
