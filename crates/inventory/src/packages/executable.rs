//! Executables and shared libraries, known by their first bytes, and other files that tell the version of a program,
//! known by their names: each is gone through once for all who ask what it is and what it is built of.

mod classifier;
mod go;
mod rust;
mod stream;

use object::{Object as _, ObjectSection as _, ObjectSegment as _};

use super::Room;
use crate::fragment::{Content, Package};
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room {
    name: "executable",
    claims: classifier::claims,
    recognises: Some(recognises),
    parse,
    stream: Some(stream::open),
    held: HELD,
    ..Room::EMPTY
};

/// Larger programs are rare and mostly Go's, of which the mark of the build information is enough; and one is held for
/// each layer that is read at a time.
const HELD: u64 = 12 << 20;

/// ELF, PE (behind its DOS stub) and Mach-O in either order of bytes.
fn recognises(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF")
        || head.starts_with(b"MZ") && head.len() >= 64
        || [b"\xfe\xed\xfa\xce", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xcf\xfa\xed\xfe"]
            .iter()
            .any(|magic| head.starts_with(*magic))
}

/// Whether a file of that path may be an executable or a library, as far as the path tells.
pub(crate) fn is_plausible(path: &str) -> bool {
    let (directory, name) = path::split(path);
    match name.rsplit_once('.') {
        _ if path::split(directory).1.ends_with("bin") => true,
        Some((_, "so" | "exe" | "dll" | "dylib" | "node")) => true,
        // Versions of libraries and programs: libc.so.6, python3.11.
        Some((_, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => true,
        Some(_) => false,
        None => !path.starts_with("usr/share/") && !path.starts_with("etc/"),
    }
}

fn parse(path: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    let mut packages = Vec::new();
    // Headers that make no sense are common in test data and firmware, and cost nobody a package.
    if recognises(bytes)
        && let Ok(file) = object::File::parse(bytes)
    {
        let section = |name: &str| file.section_by_name_bytes(name.as_bytes());
        let go = section(".go.buildinfo").or_else(|| section("__go_buildinfo"));
        if let Some(Ok(data)) = go.map(|section| section.data()) {
            let memory = |address, length| {
                file.segments().find_map(|segment| segment.data_range(address, length).ok().flatten())
            };
            packages.extend(go::packages(path, data, &memory, problems));
        }
        if let Some(Ok(data)) = section(rust::SECTION).map(|section| section.data()) {
            append(&mut packages, rust::packages(path, data, problems));
        }
    }
    append(&mut packages, classifier::packages(path, bytes));
    (!packages.is_empty()).then_some(Content::Packages(packages))
}

/// Puts packages behind others of the same file.
fn append(packages: &mut Vec<Package>, more: Vec<Package>) {
    let first = u32::try_from(packages.len()).unwrap_or(u32::MAX);
    packages.extend(more.into_iter().map(|package| Package {
        inside: package.inside.map(|position| position.saturating_add(first)),
        ..package
    }));
}
