//! Paths as they are inside an image: relative to its root, `/` between names, no leading or trailing slash,
//! no `.` or `..`.
//!
//! Tar names are bytes. Bytes that are not UTF-8 become `\xNN` so that paths stay printable and two different
//! names practically never become one.

use std::fmt::Write as _;

/// Longest path that is kept, in bytes: Linux `PATH_MAX`. No runtime can unpack a longer one.
pub(crate) const MAX_PATH: usize = 4096;

/// Why a name from an archive is not a path inside the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadPath {
    /// `..` leads above the root.
    Escapes,
    /// Longer than [`MAX_PATH`].
    TooLong,
}

/// Writes the clean form of an archive name into `out`; the root itself becomes the empty string.
///
/// `a/../b` is read as `b`, lexically, as container runtimes do before they unpack.
pub(crate) fn clean(name: &[u8], out: &mut String) -> Result<(), BadPath> {
    out.clear();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if out.is_empty() {
                    return Err(BadPath::Escapes);
                }
                let keep = out.rfind('/').unwrap_or(0);
                out.truncate(keep);
            }
            _ => {
                if !out.is_empty() {
                    out.push('/');
                }
                push_printable(part, out);
            }
        }
    }
    if out.len() > MAX_PATH { Err(BadPath::TooLong) } else { Ok(()) }
}

/// Appends bytes as text; what is not UTF-8 is written as `\xNN`.
pub(crate) fn push_printable(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

/// Splits into the directory (empty for the root) and the last name.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Puts a directory and a name together.
pub(crate) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// Whether `directory` is `tail` or ends with it, in whole names: `srv/root/var/lib/dpkg` ends with `lib/dpkg`.
pub(crate) fn ends_with(directory: &str, tail: &str) -> bool {
    directory.strip_suffix(tail).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// Whether `path` lies below `directory` (or anywhere, when that is the root).
pub(crate) fn is_below(path: &str, directory: &str) -> bool {
    directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &[u8], expect: Result<&str, BadPath>) {
        let mut out = String::from("left over");
        let result = clean(name, &mut out).map(|()| out.as_str());
        assert_eq!(result, expect, "{}", name.escape_ascii());
    }

    #[test]
    fn names_become_clean_paths() {
        check(b"./", Ok(""));
        check(b".", Ok(""));
        check(b"/", Ok(""));
        check(b"./etc/os-release", Ok("etc/os-release"));
        check(b"/etc//os-release/", Ok("etc/os-release"));
        check(b"a/./b/../c", Ok("a/c"));
        check(b"a/..", Ok(""));
        check(b"a/../..", Err(BadPath::Escapes));
        check(b"../etc/passwd", Err(BadPath::Escapes));
        check(b"caf\xc3\xa9/\xff", Ok("café/\\xff"));
        check(&[b'a'; MAX_PATH], Ok("a".repeat(MAX_PATH).as_str()));
        check(&[b'a'; MAX_PATH + 1], Err(BadPath::TooLong));
    }

    #[test]
    fn tails_are_whole_names() {
        assert!(ends_with("var/lib/dpkg", "lib/dpkg"));
        assert!(ends_with("lib/dpkg", "lib/dpkg"));
        assert!(!ends_with("var/mylib/dpkg", "lib/dpkg"));
        assert!(is_below("a/b", "a"));
        assert!(is_below("a", ""));
        assert!(!is_below("ab/c", "a"));
        assert!(!is_below("a", "a"));
    }
}
