//! Writing what was pulled into a directory: files, and archives that are unpacked.
//!
//! Nothing is written outside the directory, whatever a title or an archive says. Paths are taken apart and
//! followed name by name from an open directory, never through a symbolic link; links are only made when
//! following them stays inside; devices and the like are left out. Archives are unpacked into a hidden
//! directory first and moved into place when their digest has been proved right; files get their names when
//! they are whole. So an error leaves what was there before.

mod archive;
mod beneath;
mod merge;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, RenameFlags, renameat, renameat_with, symlinkat, unlinkat};
use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::CancellationToken;

use self::beneath::Directory;
use crate::blocking::{self, WantedReader};
use crate::content::{BlobReader, Fetch, FileTarget};
use crate::descriptor::Descriptor;
use crate::error::{Error, Result};
use crate::pack::{FILE_MODE, FileAttributes};
use crate::verify::Check;

/// The longest target of a symbolic link, in bytes.
const MAX_LINK: u64 = 4096;
const BUFFER: usize = 256 * 1024;
/// What an archive is called while it is unpacked.
const STAGED: &str = "unpacked";

/// What happens to files that are there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// They are replaced.
    #[default]
    Replace,
    /// They are kept, and [`Error::Exists`] is returned before anything is changed.
    Keep,
}

/// Where titles and links may lead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Paths {
    /// Nowhere but into the directory; else [`Error::OutsideTarget`].
    #[default]
    Inside,
    /// Anywhere: the artifact's producer is trusted. Entries of archives still stay in the archive's own
    /// directory.
    Anywhere,
}

/// How much an archive may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole archive after decompression.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
}

/// How to write.
#[derive(Debug, Clone, Copy)]
pub struct OutputOptions {
    /// What happens to files that are there already.
    pub existing: Existing,
    /// Where titles and links may lead.
    pub paths: Paths,
    /// Whether the annotation [`FILE_MODE`] is followed.
    pub attributes: FileAttributes,
    /// How much an archive may unpack to.
    pub limits: Limits,
}

impl OutputOptions {
    /// Replaces files, stays inside, ignores attributes.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { existing: Existing::Replace, paths: Paths::Inside, attributes: FileAttributes::Ignore, limits }
    }
}

/// What unpacking an archive did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Files, directories and links that were written.
    pub entries: u64,
    /// Devices, pipes and unknown things that were left out.
    pub left_out: u64,
}

/// A directory that pulled content is written to. Clones are the same directory.
#[derive(Debug, Clone)]
pub struct Output {
    root: Arc<Directory>,
    path: PathBuf,
    options: OutputOptions,
}

/// Where a title leads: an open directory, and the names below it.
struct Target {
    base: Arc<Directory>,
    base_path: PathBuf,
    names: Vec<OsString>,
}

impl Output {
    /// Opens the directory, and makes it where it is missing.
    pub async fn open(path: impl Into<PathBuf>, options: OutputOptions) -> Result<Self> {
        let path = path.into();
        blocking::run(move || {
            let root = open_base(&path)?;
            Ok(Self { root, path, options })
        })
        .await
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes content as the file that `title` names, relative to the directory. It gets its name when it is
    /// whole and its digest right. Returns the file's path.
    pub async fn write_file(
        &self,
        title: &str,
        descriptor: &Descriptor,
        reader: BlobReader,
    ) -> Result<PathBuf> {
        let (output, title, descriptor) = (self.clone(), title.to_owned(), descriptor.clone());
        let runtime = Handle::current();
        blocking::run_while_wanted(move |unwanted| {
            let incoming = Incoming { from: Origin::Stream(reader), runtime, unwanted };
            output.write_blocking(&title, &descriptor, incoming)
        })
        .await
    }

    /// Like [`Output::write_file`], from the store that has the content, in the way that is fastest for it.
    /// `progress` is told of bytes that arrived, piece by piece.
    pub async fn write_file_from(
        &self,
        title: &str,
        descriptor: &Descriptor,
        store: Arc<dyn Fetch>,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<PathBuf> {
        let (output, title, descriptor) = (self.clone(), title.to_owned(), descriptor.clone());
        let runtime = Handle::current();
        blocking::run_while_wanted(move |unwanted| {
            let incoming = Incoming { from: Origin::Store { store, progress }, runtime, unwanted };
            output.write_blocking(&title, &descriptor, incoming)
        })
        .await
    }

    /// Unpacks a tar archive, compressed with gzip or Zstandard or not at all, as the directory that `title`
    /// names. The archive's digest must be the one of the annotation
    /// [`CONTENT_DIGEST`](crate::pack::CONTENT_DIGEST), if there is one. `reader` checks the digest of the
    /// archive as it was pulled, as the readers of all stores do.
    pub async fn unpack(&self, title: &str, descriptor: &Descriptor, reader: BlobReader) -> Result<Unpacked> {
        let (output, title, descriptor) = (self.clone(), title.to_owned(), descriptor.clone());
        let runtime = Handle::current();
        blocking::run_while_wanted(move |unwanted| {
            let incoming = Incoming { from: Origin::Stream(reader), runtime, unwanted };
            output.unpack_blocking(&title, &descriptor, incoming)
        })
        .await
    }

    fn target(&self, title: &str) -> Result<Target> {
        let trusted = self.options.paths == Paths::Anywhere;
        match beneath::names(title.as_bytes()) {
            Some(names) => Ok(Target { base: Arc::clone(&self.root), base_path: self.path.clone(), names }),
            None if trusted => {
                let path = self.path.join(title);
                let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                    let nameless = io::Error::new(
                        io::ErrorKind::InvalidFilename,
                        "that is no name of a file or directory",
                    );
                    return Err(Error::file("write", &path)(nameless));
                };
                let names = vec![name.to_owned()];
                Ok(Target { base: open_base(parent)?, base_path: parent.to_owned(), names })
            }
            None => Err(self.outside(title)),
        }
    }

    fn outside(&self, what: &str) -> Error {
        Error::OutsideTarget { what: what.to_owned(), directory: self.path.clone() }
    }

    fn write_blocking(&self, title: &str, descriptor: &Descriptor, incoming: Incoming) -> Result<PathBuf> {
        let Target { base, base_path, names } = self.target(title)?;
        let path = names.iter().fold(base_path, |path, name| path.join(name));
        let failed = |error: io::Error| Error::file("write", &path)(error);
        let Some((name, parents)) = names.split_last() else { return Err(self.outside(title)) };
        let directory = base.descend(parents, beneath::Missing::Create).map_err(failed)?;
        if self.options.existing == Existing::Keep && directory.has(name).map_err(failed)? {
            return Err(Error::Exists { path });
        }
        let mode = match self.options.attributes {
            FileAttributes::Keep => descriptor.annotation(FILE_MODE),
            FileAttributes::Ignore => None,
        };
        let temporary = Temporary::new(&directory);
        if mode == Some("120000") {
            let target = read_link_target(descriptor, incoming.open(descriptor)?)?;
            self.check_link(title, &target, parents.len())?;
            symlinkat(OsStr::from_bytes(&target), &directory, &temporary.name).map_err(io::Error::from)
        } else {
            self.fill(&directory, &temporary.name, descriptor, incoming, mode, &path)?;
            Ok(())
        }
        .map_err(failed)?;
        temporary.rename_to(name, self.options.existing).map_err(|error| match error {
            Errno::EXIST => Error::Exists { path: path.clone() },
            error => failed(error.into()),
        })?;
        Ok(path)
    }

    /// Writes content into a new file.
    fn fill(
        &self,
        directory: &Directory,
        name: &OsStr,
        descriptor: &Descriptor,
        incoming: Incoming,
        mode: Option<&str>,
        path: &Path,
    ) -> Result<()> {
        let failed = |error: io::Error| Error::file("write", path)(error);
        let mut file = directory.create(name, 0o666).map_err(failed)?;
        if incoming.arrives_in(&file, descriptor, path)? {
            return set_mode(&file, mode).map_err(failed);
        }
        let progress = incoming.progress();
        let mut reader = incoming.open(descriptor)?;
        let mut check = Check::new(descriptor);
        let mut buffer = vec![0; BUFFER];
        loop {
            let count =
                reader.read(&mut buffer).map_err(|error| Error::transfer(&descriptor.digest, error))?;
            if count == 0 {
                break;
            }
            check.update(&buffer[..count])?;
            file.write_all(&buffer[..count]).map_err(failed)?;
            if let Some(progress) = &progress {
                progress(count as u64);
            }
        }
        check.end()?;
        set_mode(&file, mode).map_err(failed)
    }

    /// Refuses a symbolic link in a directory `depth` levels down that leads out.
    fn check_link(&self, name: &str, target: &[u8], depth: usize) -> Result<()> {
        if self.options.paths == Paths::Anywhere || beneath::link_stays_inside(target, depth) {
            return Ok(());
        }
        Err(self.outside(&format!("{name} -> {}", String::from_utf8_lossy(target))))
    }

    fn unpack_blocking(&self, title: &str, descriptor: &Descriptor, incoming: Incoming) -> Result<Unpacked> {
        let reader = incoming.open(descriptor)?;
        let Target { base, base_path, names } = self.target(title)?;
        let staging = tempfile::Builder::new().prefix(".tidewaiter-").tempdir_in(&base_path);
        let staging = staging.map_err(Error::file("create a directory in", &base_path))?;
        // One more level, because the temporary directory itself is closed to others and this one is not.
        let within = Directory::open(staging.path()).and_then(|outer| {
            outer.make(OsStr::new(STAGED), 0o777)?;
            outer.child(OsStr::new(STAGED)).map(|opened| (outer, opened))
        });
        let (outer, opened) = within.map_err(Error::file("open", staging.path()))?;
        let unpacked = archive::unpack(self, title, descriptor, reader, &opened, names.len())?;
        let target = names.iter().fold(base_path, |path, name| path.join(name));
        let staged = merge::Staged { outer, directory: opened, entries: unpacked.directories };
        merge::into_place(&staged, &base, &names, &target, self.options.existing)?;
        Ok(unpacked.summary)
    }
}

/// A file's content on its way, until nobody wants it any more.
struct Incoming {
    from: Origin,
    runtime: Handle,
    unwanted: CancellationToken,
}

/// Where a file's content comes from.
enum Origin {
    Stream(BlobReader),
    Store { store: Arc<dyn Fetch>, progress: Arc<dyn Fn(u64) + Send + Sync> },
}

impl Incoming {
    /// Has the store write the file, when it has a way of its own.
    fn arrives_in(&self, file: &File, descriptor: &Descriptor, path: &Path) -> Result<bool> {
        let Origin::Store { store, progress } = &self.from else { return Ok(false) };
        let target = FileTarget {
            file: Arc::new(file.try_clone().map_err(Error::file("write", path))?),
            path: path.to_owned(),
            existing: 0,
            progress: Arc::clone(progress),
        };
        wait(&self.runtime, &self.unwanted, descriptor, store.fetch_into(descriptor, &target))
    }

    /// Who wants to know of bytes that arrive by reading.
    fn progress(&self) -> Option<Arc<dyn Fn(u64) + Send + Sync>> {
        match &self.from {
            Origin::Stream(_) => None,
            Origin::Store { progress, .. } => Some(Arc::clone(progress)),
        }
    }

    fn open(self, descriptor: &Descriptor) -> Result<SyncIoBridge<BlobReader>> {
        let Self { from, runtime, unwanted } = self;
        let reader = match from {
            Origin::Stream(reader) => reader,
            Origin::Store { store, .. } => wait(&runtime, &unwanted, descriptor, store.fetch(descriptor))?,
        };
        let reader: BlobReader = Box::pin(WantedReader::new(reader, unwanted));
        Ok(SyncIoBridge::new_with_handle(reader, runtime))
    }
}

/// Waits for async work on a blocking thread, until nobody wants what comes of it any more.
fn wait<T>(
    runtime: &Handle,
    unwanted: &CancellationToken,
    descriptor: &Descriptor,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let outcome = runtime.block_on(unwanted.run_until_cancelled(work));
    outcome.unwrap_or_else(|| Err(Error::transfer(&descriptor.digest, blocking::given_up())))
}

/// Follows six digits as git has them; the type was looked at before.
fn set_mode(file: &File, mode: Option<&str>) -> io::Result<()> {
    match mode.and_then(|mode| u32::from_str_radix(mode.get(2..)?, 8).ok()) {
        Some(bits) => file.set_permissions(std::fs::Permissions::from_mode(bits & 0o777)),
        None => Ok(()),
    }
}

fn open_base(path: &Path) -> Result<Arc<Directory>> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::fs::create_dir_all(path).map_err(Error::file("create", path))?;
    Directory::open(path).map(Arc::new).map_err(Error::file("open", path))
}

fn read_link_target(descriptor: &Descriptor, mut reader: SyncIoBridge<BlobReader>) -> Result<Vec<u8>> {
    let digest = &descriptor.digest;
    if descriptor.size > MAX_LINK {
        let (digest, actual) = (digest.clone(), descriptor.size);
        return Err(Error::SizeMismatch { digest, expected: MAX_LINK, actual });
    }
    let mut target = Vec::new();
    reader.read_to_end(&mut target).map_err(|error| Error::transfer(digest, error))?;
    crate::content::check(descriptor, &target)?;
    Ok(target)
}

/// A name for something that is not finished. What still has it in the end is removed.
struct Temporary<'a> {
    directory: &'a Directory,
    name: OsString,
}

impl<'a> Temporary<'a> {
    fn new(directory: &'a Directory) -> Self {
        Self { directory, name: beneath::unused_name() }
    }

    fn rename_to(self, name: &OsStr, existing: Existing) -> Result<(), Errno> {
        let (from, directory) = (&self.name, self.directory);
        match existing {
            Existing::Replace => renameat(directory, from, directory, name),
            Existing::Keep => renameat_with(directory, from, directory, name, RenameFlags::NOREPLACE),
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // It is not there after a rename.
        let _ = unlinkat(self.directory, &self.name, AtFlags::empty());
    }
}

/// Bytes of an archive as a name for messages.
fn shown(path: &[u8]) -> String {
    OsString::from_vec(path.to_vec()).to_string_lossy().into_owned()
}
