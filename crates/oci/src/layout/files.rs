//! The files of a layout directory and the one order in which they change: content first, durable, under its
//! final name; then `index.json`, replaced as a whole under a lock that other processes respect too.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tempfile::NamedTempFile;

use super::index::{Change, IndexFile, LAYOUT_FILE, ListedImage, MAX_INDEX_SIZE, check_layout_file, link};
use crate::descriptor::Descriptor;
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Result};
use crate::links::{Links, Node};
use crate::manifest::{MAX_MANIFEST_SIZE, Manifest};
use crate::verify::Check;

/// Prefix of our temporary files, which tells left-overs of ours from those of other programs.
const TEMPORARY_PREFIX: &str = "tidewaiter-";

/// Tells whether `index.json` is still the file that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Self { inode: metadata.ino(), size: metadata.size(), modified }
    }
}

/// What we know of the layout.
pub(super) struct State {
    /// The file as read, with all changes of ours.
    pub(super) index: IndexFile,
    stamp: Option<Stamp>,
    /// Changes that the file does not have yet, in order.
    pending: Vec<Change>,
    /// Which manifest points at what; read when first needed.
    links: Option<Links>,
}

/// A layout directory. Everything here blocks.
pub(super) struct Files {
    root: PathBuf,
    state: Mutex<State>,
    /// The layout is to be made when there is something to write: a command that fails before leaves none.
    unmade: Mutex<bool>,
    /// Held while `index.json` is replaced. Whoever waits finds its changes written by the one before.
    writer: Mutex<()>,
    /// Number of series of pushes under way, which put off writing `index.json`.
    batches: AtomicUsize,
}

/// A layout that another program damages is not our state: a lock poisoned by a panic is still whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Files {
    /// Opens an existing layout.
    pub(super) fn open(root: &Path) -> Result<Self> {
        if root.is_file() {
            let operation = "this: archives can only be read by commands that pull or copy; unpack it, or name a directory";
            return Err(Error::Unsupported { store: root.display().to_string(), operation });
        }
        let read = |name: &str, limit| match read_limited(&root.join(name), limit) {
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let reason = if root.exists() { format!("it has no file {name}") } else { missing() };
                Err(Error::invalid_store(root, reason))
            }
            other => other,
        };
        check_layout_file(root, &read("oci-layout", MAX_MANIFEST_SIZE)?)?;
        let index = IndexFile::parse(root, &read("index.json", MAX_INDEX_SIZE)?)?;
        Ok(Self::new(root, index, false))
    }

    fn new(root: &Path, index: IndexFile, unmade: bool) -> Self {
        let state = State { index, stamp: None, pending: Vec::new(), links: None };
        Self {
            root: root.to_owned(),
            state: Mutex::new(state),
            unmade: Mutex::new(unmade),
            writer: Mutex::default(),
            batches: AtomicUsize::new(0),
        }
    }

    /// Opens a layout for writing. Where there is none it is made when something is written.
    pub(super) fn create(root: &Path) -> Result<Self> {
        if root.is_file() {
            let operation = "writing: archives can only be read; unpack it, or name a directory";
            return Err(Error::Unsupported { store: root.display().to_string(), operation });
        }
        if !root.join("index.json").exists() && !root.join("oci-layout").exists() {
            return Ok(Self::new(root, IndexFile::default(), true));
        }
        Self::make(root)?;
        Self::open(root)
    }

    /// Makes the layout, if that was put off.
    fn ensure_made(&self) -> Result<()> {
        let mut unmade = locked(&self.unmade);
        if *unmade {
            Self::make(&self.root)?;
            *unmade = false;
        }
        Ok(())
    }

    /// There is no layout yet, nor did another process make it meanwhile.
    fn is_unmade(&self) -> bool {
        *locked(&self.unmade) && !self.root.join("index.json").exists()
    }

    /// Makes what is missing of a layout.
    fn make(root: &Path) -> Result<()> {
        for directory in [root.join("blobs/sha256"), root.join("ingest")] {
            fs::create_dir_all(&directory).map_err(Error::file("create", &directory))?;
        }
        {
            let _lock = lock_directory(root)?;
            let empty = IndexFile::default().to_bytes().map_err(json("write", root))?;
            for (name, content) in [("oci-layout", LAYOUT_FILE.as_bytes()), ("index.json", &empty)] {
                let path = root.join(name);
                if !path.exists() {
                    replace(root, &path, content, 0o644)?;
                }
            }
            remove_leftovers(&root.join("ingest"));
        }
        Ok(())
    }

    /// The directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where content is, or would be.
    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// The content is there, in the right size: a file that a crash of some program cut off is not.
    pub(super) fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        let path = self.blob_path(&descriptor.digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.is_file() && metadata.len() == descriptor.size),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::file("read", path)(error)),
        }
    }

    /// Opens content for reading.
    pub(super) fn open_blob(&self, descriptor: &Descriptor) -> Result<File> {
        let path = self.blob_path(&descriptor.digest);
        let file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::incomplete_store(&self.root, &descriptor.digest),
            _ => Error::file("open", &path)(error),
        })?;
        let actual = file.metadata().map_err(Error::file("read", &path))?.len();
        if actual != descriptor.size {
            let (digest, expected) = (descriptor.digest.clone(), descriptor.size);
            return Err(Error::SizeMismatch { digest, expected, actual });
        }
        Ok(file)
    }

    /// Opens content for reading from a byte on.
    pub(super) fn open_blob_at(&self, descriptor: &Descriptor, offset: u64) -> Result<File> {
        let mut file = self.open_blob(descriptor)?;
        let path = || self.blob_path(&descriptor.digest);
        file.seek(io::SeekFrom::Start(offset)).map_err(|error| Error::file("read", path())(error))?;
        Ok(file)
    }

    /// Size of content that a digest alone names.
    pub(super) fn blob_size(&self, digest: &Digest) -> Option<u64> {
        fs::metadata(self.blob_path(digest)).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
    }

    fn read_node(&self, descriptor: &Descriptor) -> Option<Node> {
        let algorithm = descriptor.digest.algorithm();
        let read = read_limited(&self.blob_path(&descriptor.digest), MAX_MANIFEST_SIZE);
        let parsed = read
            .map(|bytes| Manifest::parse_with(algorithm, Bytes::from(bytes), Some(&descriptor.media_type)));
        match parsed {
            Ok(Ok(manifest)) if *manifest.digest() == descriptor.digest => Some(Node::of(&manifest)),
            outcome => {
                tracing::debug!(digest = %descriptor.digest, ?outcome, "passing over a manifest of the layout");
                None
            }
        }
    }

    /// What the layout says now, with the changes of other processes.
    pub(super) fn state(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = locked(&self.state);
        if self.is_unmade() {
            return Ok(state);
        }
        let path = self.root.join("index.json");
        let metadata = fs::metadata(&path).map_err(Error::file("read", &path))?;
        if state.stamp != Some(Stamp::of(&metadata)) {
            let file = File::open(&path).map_err(Error::file("open", &path))?;
            let stamp = Stamp::of(&file.metadata().map_err(Error::file("read", &path))?);
            let bytes = read_file(file, &path, MAX_INDEX_SIZE)?;
            let State { index, pending, links, .. } = &mut *state;
            *index = IndexFile::parse(&self.root, &bytes)?;
            pending.iter().for_each(|change| index.apply(change));
            if let Some(old) = links.take() {
                let read = |d: &Descriptor| old.get(&d.digest).cloned().or_else(|| self.read_node(d));
                *links = Some(link(index, read));
            }
            state.stamp = Some(stamp);
        }
        Ok(state)
    }

    /// Which manifest points at what.
    pub(super) fn links<'a>(&self, state: &'a mut State) -> &'a mut Links {
        let State { index, links, .. } = state;
        links.get_or_insert_with(|| link(index, |descriptor| self.read_node(descriptor)))
    }

    /// The images among the manifests.
    pub(super) fn images(&self, state: &mut State) -> Vec<ListedImage> {
        let State { index, links, .. } = state;
        let links = links.get_or_insert_with(|| link(index, |descriptor| self.read_node(descriptor)));
        index.images(links)
    }

    /// Makes changes known here at once, and durable unless a batch puts that off.
    pub(super) fn change(&self, changes: Vec<Change>, node: Option<Node>) -> Result<()> {
        {
            let mut state = self.state()?;
            let State { index, pending, links, .. } = &mut *state;
            changes.iter().for_each(|change| index.apply(change));
            pending.extend(changes);
            if let (Some(links), Some(node)) = (links, node) {
                links.insert(node);
            }
        }
        if self.batches.load(Ordering::Acquire) == 0 { self.flush() } else { Ok(()) }
    }

    /// Puts off writing `index.json` until as many calls of [`Files::end_batch`] and a flush.
    pub(super) fn begin_batch(&self) {
        self.batches.fetch_add(1, Ordering::AcqRel);
    }

    /// Ends what [`Files::begin_batch`] began.
    pub(super) fn end_batch(&self) {
        self.batches.fetch_sub(1, Ordering::AcqRel);
    }

    /// Writes all changes into `index.json`.
    pub(super) fn flush(&self) -> Result<()> {
        let _writer = locked(&self.writer);
        if locked(&self.state).pending.is_empty() {
            return Ok(());
        }
        self.ensure_made()?;
        let _lock = lock_directory(&self.root)?;
        self.write_index()
    }

    /// Writes `index.json`; the caller holds both locks.
    fn write_index(&self) -> Result<()> {
        let path = self.root.join("index.json");
        let (bytes, count) = {
            let state = self.state()?;
            (state.index.to_bytes().map_err(json("write", &path))?, state.pending.len())
        };
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            sync_directory(&self.root.join("blobs").join(algorithm.as_str()))?;
        }
        let stamp = replace(&self.root, &path, &bytes, 0o644)?;
        let mut state = locked(&self.state);
        state.pending.drain(..count);
        state.stamp = Some(stamp);
        Ok(())
    }

    /// Deletes content. Of a manifest also its referrers, and what nothing points at any more and has no tag.
    pub(super) fn delete(&self, target: &Descriptor) -> Result<()> {
        let _writer = locked(&self.writer);
        let _lock = lock_directory(&self.root)?;
        let deleted = {
            let mut state = self.state()?;
            self.links(&mut state);
            if state.index.find(&target.digest).is_none() && self.blob_size(&target.digest).is_none() {
                return Err(Error::not_found(target.digest.as_str()));
            }
            let deleted = collect(&mut state, target);
            let changes: Vec<_> = deleted.iter().cloned().map(Change::Remove).collect();
            changes.iter().for_each(|change| state.index.apply(change));
            state.pending.extend(changes);
            deleted
        };
        // The index first: a crash in between leaves content that nobody sees, not names without content.
        self.write_index()?;
        for digest in deleted {
            let path = self.blob_path(&digest);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::file("delete", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Starts writing content.
    pub(super) fn ingest(&self, descriptor: &Descriptor) -> Result<Ingest> {
        self.ensure_made()?;
        let directory = self.root.join("ingest");
        let target = self.blob_path(&descriptor.digest);
        let parent = self.root.join("blobs").join(descriptor.digest.algorithm().as_str());
        for directory in [&directory, &parent] {
            fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
        }
        Ok(Ingest { file: temporary(&directory)?, target, check: Check::new(descriptor) })
    }
}

/// Takes a manifest or blob out of the links, with what goes with it.
fn collect(state: &mut State, target: &Descriptor) -> Vec<Digest> {
    let State { index, links, .. } = state;
    let mut seen = HashSet::new();
    let mut deleted = Vec::new();
    let mut waiting = vec![target.digest.clone()];
    while let Some(digest) = waiting.pop() {
        if !seen.insert(digest.clone()) {
            continue;
        }
        if let Some(links) = links {
            waiting.extend(links.referrers(&digest, None).into_iter().map(|referrer| referrer.digest));
            let orphans = links.remove(&digest);
            let untagged = orphans.into_iter().map(|orphan| orphan.digest).filter(|d| !index.is_tagged(d));
            waiting.extend(untagged);
        }
        deleted.push(digest);
    }
    deleted
}

/// Content on its way into the layout. Dropped before [`Ingest::finish`], it leaves nothing.
pub(super) struct Ingest {
    file: NamedTempFile,
    target: PathBuf,
    check: Check,
}

impl Ingest {
    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.check.update(bytes)?;
        // Not through the wrapper, whose errors name the path once more.
        self.file.as_file_mut().write_all(bytes).map_err(Error::file("write", self.file.path()))
    }

    /// Checks the content and gives it its name.
    pub(super) fn finish(mut self) -> Result<()> {
        self.check.end()?;
        persist(self.file, &self.target, 0o444)
    }
}

fn missing() -> String {
    "there is no such file or directory".to_owned()
}

fn json(operation: &'static str, path: &Path) -> impl FnOnce(serde_json::Error) -> Error {
    let failed = Error::file(operation, path);
    move |error| failed(io::Error::from(error))
}

/// A temporary file that is locked for as long as it is in use.
fn temporary(directory: &Path) -> Result<NamedTempFile> {
    loop {
        let file = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(directory);
        let file = file.map_err(Error::file("create a temporary file in", directory))?;
        // Where locks do not work nothing is cleared away either.
        let locked = file.as_file().lock();
        let metadata = file.as_file().metadata().map_err(Error::file("read", file.path()))?;
        // Another process may have taken it for a left-over before it was locked.
        if locked.is_err() || metadata.nlink() > 0 {
            return Ok(file);
        }
    }
}

/// Deletes temporary files of ours whose process has ended.
fn remove_leftovers(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY_PREFIX));
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            let removed = fs::remove_file(&path);
            tracing::debug!(path = %path.display(), ?removed, "cleared away a left-over of a crash");
        }
    }
}

/// Makes a temporary file durable under its final name.
fn persist(file: NamedTempFile, path: &Path, mode: u32) -> Result<()> {
    let operation = Error::file("write", path);
    let written = file.as_file().set_permissions(fs::Permissions::from_mode(mode));
    let written = written.and_then(|()| file.as_file().sync_all());
    let written = written.and_then(|()| file.persist(path).map_err(|error| error.error));
    written.map(drop).map_err(operation)
}

/// Replaces a file at the top of the layout as a whole.
fn replace(root: &Path, path: &Path, content: &[u8], mode: u32) -> Result<Stamp> {
    let ingest = root.join("ingest");
    fs::create_dir_all(&ingest).map_err(Error::file("create", &ingest))?;
    let mut file = temporary(&ingest)?;
    file.as_file_mut().write_all(content).map_err(Error::file("write", file.path()))?;
    let handle = file.as_file().try_clone().map_err(Error::file("write", path))?;
    persist(file, path, mode)?;
    sync_directory(root)?;
    Ok(Stamp::of(&handle.metadata().map_err(Error::file("read", path))?))
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> Result<()> {
    match File::open(directory).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Some file systems cannot do this for directories; they keep names in their own way.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other.map_err(Error::file("sync", directory)),
    }
}

/// Waits for the lock that processes of ours share on a layout. It is on the directory itself, which needs no
/// extra file and ends with the process.
fn lock_directory(root: &Path) -> Result<File> {
    let directory = File::open(root).map_err(Error::file("open", root))?;
    if let Err(error) = directory.lock() {
        // Network file systems often cannot; other tools never lock, so this is no worse than they are.
        tracing::warn!(path = %root.display(), %error, "the layout cannot be locked; change it from one place only");
    }
    Ok(directory)
}

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_file(File::open(path).map_err(Error::file("open", path))?, path, limit)
}

fn read_file(file: File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(Error::file("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::invalid_store(path, format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}
