//! Moving an unpacked directory to where it belongs: in one step where nothing is there yet, else file by
//! file, each replaced in one step.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, fchmod, fstat, futimens, renameat};

use super::archive::{DirectoryEntry, times};
use super::beneath::{Directory, Missing, in_the_way};
use super::{Existing, STAGED};
use crate::error::{Error, Result};

/// A directory that was unpacked and is not in its place yet.
pub(super) struct Staged {
    /// What it lies in, called [`STAGED`].
    pub(super) outer: Directory,
    pub(super) directory: Directory,
    /// Its directories, itself among them, with what the archive says of them.
    pub(super) entries: Vec<DirectoryEntry>,
}

/// Names of directories below the one that was unpacked.
type Names = Vec<OsString>;

/// Moves it to the place that `names` lead to from `base`, which messages call `path`. With
/// [`Existing::Keep`], nothing is moved if anything would be replaced.
pub(super) fn into_place(
    staged: &Staged,
    base: &Directory,
    names: &[OsString],
    path: &Path,
    existing: Existing,
) -> Result<()> {
    let failed = |error: io::Error| Error::file("write", path)(error);
    let mut kept = HashSet::new();
    let target = match names.split_last() {
        Some((name, parents)) => {
            let parent = base.descend(parents, Missing::Create).map_err(failed)?;
            if !parent.has(name).map_err(failed)? {
                renameat(&staged.outer, OsStr::new(STAGED), &parent, name)
                    .map_err(|error| failed(error.into()))?;
                let target = parent.child(name).map_err(failed)?;
                return finish(&target, &staged.entries, &kept).map_err(failed);
            }
            parent.child(name).map_err(failed)?
        }
        None => base.descend(&[], Missing::Fail).map_err(failed)?,
    };
    if existing == Existing::Keep
        && let Some(found) = first_conflict(&staged.directory, &target, path).map_err(failed)?
    {
        return Err(Error::Exists { path: found });
    }
    merge(&staged.directory, &target, &mut Vec::new(), &mut kept).map_err(failed)?;
    kept.insert(Vec::new());
    finish(&target, &staged.entries, &kept).map_err(failed)
}

fn names_in(directory: &Directory) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// The first path that is there already and is not a directory on both sides.
fn first_conflict(staged: &Directory, target: &Directory, path: &Path) -> io::Result<Option<PathBuf>> {
    for name in names_in(staged)? {
        let Some(there) = target.kind(&name)? else { continue };
        let path = path.join(&name);
        let both = there == FileType::Directory && staged.kind(&name)? == Some(FileType::Directory);
        let found = match both {
            true => first_conflict(&staged.child(&name)?, &target.child(&name)?, &path)?,
            false => Some(path),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Moves everything in one directory into another, and notes which directories were there.
fn merge(
    staged: &Directory,
    target: &Directory,
    at: &mut Names,
    kept: &mut HashSet<Names>,
) -> io::Result<()> {
    for name in names_in(staged)? {
        let is_directory = staged.kind(&name)? == Some(FileType::Directory);
        match target.kind(&name)? {
            Some(FileType::Directory) if is_directory => {
                at.push(name.clone());
                kept.insert(at.clone());
                merge(&staged.child(&name)?, &target.child(&name)?, at, kept)?;
                at.pop();
            }
            Some(_) if is_directory => return Err(in_the_way(&name)),
            _ => renameat(staged, &name, target, &name)
                .map_err(|error| io::Error::new(io::Error::from(error).kind(), describe(&name, error)))?,
        }
    }
    Ok(())
}

fn describe(name: &OsStr, error: rustix::io::Errno) -> String {
    format!("{}: {error}", name.to_string_lossy())
}

/// Sets times, and modes where the directory is new. The innermost first: what is done inside a directory
/// changes its time, and may need the rights that it is about to lose.
fn finish(target: &Directory, entries: &[DirectoryEntry], kept: &HashSet<Names>) -> io::Result<()> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|entry| Reverse(entry.names.len()));
    for entry in entries {
        let directory = target.descend(&entry.names, Missing::Fail)?;
        if !kept.contains(&entry.names) {
            // Made with the mode that the umask left of it, and with all rights for ourselves.
            let mode = fstat(&directory)?.st_mode & 0o777 & entry.mode;
            fchmod(&directory, Mode::from_raw_mode(mode))?;
        }
        futimens(&directory, &times(entry.mtime))?;
    }
    Ok(())
}
