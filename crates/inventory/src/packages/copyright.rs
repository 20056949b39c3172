//! Licences of Debian packages, which no database of dpkg names: the `copyright` file of each (machine-readable since
//! DEP-5, "copyright-format/1.0"; free text before, which points at the common licences of the system).

use super::{Room, lines};
use crate::fragment::Content;
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room { name: "copyright", homes: &[DIRECTORY], claims, parse, ..Room::EMPTY };

/// Where each package has a directory, or a link to that of another one.
pub(crate) const DIRECTORY: &str = "usr/share/doc";

/// Name of the file in it.
pub(crate) const NAME: &str = "copyright";

/// Where the texts of common licences are, which free texts point at.
const COMMON: &[u8] = b"/usr/share/common-licenses/";

/// Licences of one package that are kept; the kernel's are some thirty.
const MAX_LICENSES: usize = 64;

/// Longer names are sentences.
const MAX_NAME: usize = 100;

fn claims(directory: &str, name: &str) -> bool {
    name == NAME && path::ends_with(path::split(directory).0, DIRECTORY)
}

fn parse(_file: &str, bytes: &[u8], _problems: &mut Problems) -> Option<Content> {
    let mut licenses: Vec<String> = Vec::new();
    let mut add = |name: &[u8]| {
        let Ok(name) = str::from_utf8(name.trim_ascii()) else { return };
        let is_new = !licenses.iter().any(|known| known == name);
        if is_new && !name.is_empty() && name.len() <= MAX_NAME && licenses.len() < MAX_LICENSES {
            licenses.push(name.to_owned());
        }
    };
    let is_machine_readable = bytes.starts_with(b"Format:") || bytes.starts_with(b"Format-Specification:");
    for (_, line) in lines(bytes) {
        if is_machine_readable {
            if let Some(name) = line.strip_prefix(b"License:") {
                add(name);
            }
        } else if let Some(at) = memchr::memmem::find(line, COMMON) {
            let rest = line.get(at + COMMON.len()..).unwrap_or_default();
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
            let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or_default();
            add(name.strip_suffix(b".").unwrap_or(name));
        }
    }
    (!licenses.is_empty()).then_some(Content::Licenses(licenses))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let found = match parse("usr/share/doc/a/copyright", text.as_bytes(), &mut Problems::new(9)) {
            Some(Content::Licenses(licenses)) => licenses,
            _ => Vec::new(),
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn machine_readable_and_free_text() {
        check(
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n See below\n\nFiles: a\nLicense: MIT\n\nLicense: GPL-2+\n text\n",
            &["GPL-2+", "MIT"],
        );
        check(
            "On Debian systems the text is in\n`/usr/share/common-licenses/GPL-3'.\nand /usr/share/common-licenses/LGPL-2.1.\n",
            &["GPL-3", "LGPL-2.1"],
        );
        check("Public domain.\n", &[]);
    }

    #[test]
    fn only_the_files_of_packages() {
        assert!(claims("usr/share/doc/libc6", "copyright"));
        assert!(claims("srv/root/usr/share/doc/libc6", "copyright"));
        assert!(!claims("usr/share/doc/libc6/examples", "copyright"));
        assert!(!claims("usr/share/doc", "copyright"));
    }
}
