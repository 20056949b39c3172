//! Executables and shared libraries, known by their first bytes: each is parsed once for all who ask what it is
//! built of.

mod go;
mod rust;

use object::Object as _;

use super::Room;
use crate::fragment::{Content, Package};
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room { name: "executable", recognises: Some(recognises), parse, ..Room::EMPTY };

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
    // Headers that make no sense are common in test data and firmware, and cost nobody a package.
    let file = object::File::parse(bytes).ok()?;
    let section = |name: &str| file.section_by_name_bytes(name.as_bytes());
    let go = section(".go.buildinfo").or_else(|| section("__go_buildinfo"));
    let mut packages = Vec::new();
    if let Some(section) = go
        && let Ok(data) = object::ObjectSection::data(&section)
    {
        packages.extend(go::packages(path, data, problems));
    }
    if let Some(section) = section(rust::SECTION)
        && let Ok(data) = object::ObjectSection::data(&section)
    {
        let first = u32::try_from(packages.len()).unwrap_or(u32::MAX);
        packages.extend(rust::packages(path, data, problems).into_iter().map(|package| Package {
            inside: package.inside.map(|position| position.saturating_add(first)),
            ..package
        }));
    }
    (!packages.is_empty()).then_some(Content::Packages(packages))
}
