//! Working below an open directory: every step goes through a descriptor, and none through a symbolic link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;

/// Directories below each other that we go down into. Each takes a descriptor while it is open.
pub(super) const MAX_DEPTH: usize = 128;

/// What to do about directories that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Make them.
    Create,
    /// Fail.
    Fail,
}

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory(OwnedFd);

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Directory {
    /// Opens a directory that the user named, through links as users expect.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, OPEN, Mode::empty())?))
    }

    /// Opens a directory in this one. A symbolic link is an error.
    pub(super) fn child(&self, name: &OsStr) -> io::Result<Self> {
        match openat(self, name, OPEN | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(child) => Ok(Self(child)),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(in_the_way(name)),
            Err(error) => Err(error.into()),
        }
    }

    /// Goes down along names.
    pub(super) fn descend(&self, names: &[OsString], missing: Missing) -> io::Result<Self> {
        let mut directory = Self(rustix::io::fcntl_dupfd_cloexec(self, 0)?);
        for name in names {
            directory = match directory.child(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && missing == Missing::Create => {
                    directory.make(name, 0o777)?;
                    directory.child(name)?
                }
                child => child?,
            };
        }
        Ok(directory)
    }

    /// Makes a directory; one that is there is as good.
    pub(super) fn make(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        match mkdirat(self, name, Mode::from_raw_mode(mode)) {
            Err(error) if error != Errno::EXIST => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Makes a new file. The mode is narrowed by the process's umask.
    pub(super) fn create(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(self, name, flags, Mode::from_raw_mode(mode))?))
    }

    /// What a name stands for here; nothing when it is not there.
    pub(super) fn kind(&self, name: &OsStr) -> io::Result<Option<FileType>> {
        match statat(self, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The name is taken.
    pub(super) fn has(&self, name: &OsStr) -> io::Result<bool> {
        Ok(self.kind(name)?.is_some())
    }
}

/// Something that is no directory stands where one is needed.
pub(super) fn in_the_way(name: &OsStr) -> io::Error {
    let name = name.to_string_lossy();
    io::Error::new(
        io::ErrorKind::NotADirectory,
        format!("{name} is a symbolic link or a file where a directory is needed; move it away"),
    )
}

/// Takes a relative path apart. Nothing when it leads out, or cannot be a path; an empty list when it is the
/// directory itself.
pub(super) fn names(path: &[u8]) -> Option<Vec<OsString>> {
    let mut names = Vec::new();
    if path.starts_with(b"/") || path.contains(&0) {
        return None;
    }
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return None,
            name => names.push(OsString::from_vec(name.to_vec())),
        }
    }
    (names.len() <= MAX_DEPTH).then_some(names)
}

/// A symbolic link in a directory `depth` levels below the top leads to something below the top.
///
/// `..` may only come first: there it is certain where it leads, because no directory above the link is a
/// link itself. Behind a name that is another link it could lead anywhere.
pub(super) fn link_stays_inside(target: &[u8], depth: usize) -> bool {
    if target.is_empty() || target.starts_with(b"/") || target.contains(&0) {
        return false;
    }
    let mut up = 0;
    let mut down = false;
    for name in target.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if down => return false,
            b".." => up += 1,
            _ => down = true,
        }
    }
    up <= depth
}

/// A hidden name that nobody else takes.
pub(super) fn unused_name() -> OsString {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    OsStr::from_bytes(format!(".tidewaiter-{}-{number}", std::process::id()).as_bytes()).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_lead_out_are_refused() {
        let check = |path: &str, expected: Option<&[&str]>| {
            let expected = expected.map(|names| names.iter().map(OsString::from).collect::<Vec<_>>());
            assert_eq!(names(path.as_bytes()), expected, "{path}");
        };
        check("a/b", Some(&["a", "b"]));
        check("./a//b/.", Some(&["a", "b"]));
        check(".", Some(&[]));
        check("..a/b..", Some(&["..a", "b.."]));
        for path in ["/a", "..", "a/..", "a/../b", "../a", "a\0"] {
            check(path, None);
        }
        check(&"a/".repeat(MAX_DEPTH + 1), None);
    }

    #[test]
    fn links_that_lead_out_are_refused() {
        for (target, depth) in [("a", 0), ("../a", 1), ("./../../a/b", 2), ("a/b/c", 0), ("..", 1)] {
            assert!(link_stays_inside(target.as_bytes(), depth), "{target} {depth}");
        }
        for (target, depth) in
            [("", 0), ("/a", 5), ("..", 0), ("../../a", 1), ("a/../b", 5), (".././a/..", 5), ("a\0", 1)]
        {
            assert!(!link_stays_inside(target.as_bytes(), depth), "{target} {depth}");
        }
    }

    proptest! {
        #[test]
        fn names_have_no_way_up(path in "[a./\\PC]{0,40}") {
            for name in names(path.as_bytes()).unwrap_or_default() {
                prop_assert!(name != ".." && name != "." && !name.is_empty());
                prop_assert!(!name.as_bytes().contains(&b'/'));
            }
        }
    }
}
