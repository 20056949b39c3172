//! Modules that a Go program was built of, from the build information its linker wrote (`debug/buildinfo` and
//! `runtime/debug.BuildInfo` of the Go standard library).

use crate::fragment::Package;
use crate::model::{ComponentKind, EvidenceKind};
use crate::problems::Problems;

/// What the section begins with, since Go 1.13.
const MAGIC: &[u8] = b"\xff Go buildinf:";

/// The flag for strings that stand in the section itself, since Go 1.18.
const INLINE: u8 = 2;

/// Where inline strings begin.
const INLINE_START: usize = 32;

/// The module information stands between two marks of this length.
const MARK: usize = 16;

/// The modules of the section `data`: the main module first, the others inside it, the standard library last.
pub(super) fn packages(path: &str, data: &[u8], problems: &mut Problems) -> Vec<Package> {
    let Some((version, modules)) = read(data) else {
        problems.file(path, "the Go build information is not understood; its modules are not listed");
        return Vec::new();
    };
    let mut packages: Vec<Package> = Vec::new();
    for line in modules.lines() {
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or_default();
        let (Some(name), Some(version)) = (fields.next(), fields.next()) else { continue };
        match kind {
            "mod" | "dep" => packages.push(module(name, version)),
            // The module that the one before was replaced by.
            "=>" => {
                if let Some(last) = packages.last_mut() {
                    *last = module(name, version);
                }
            }
            _ => {}
        }
    }
    let release = version.strip_prefix("go").unwrap_or(version).split(' ').next().unwrap_or_default();
    packages.push(module("stdlib", release));
    for package in packages.iter_mut().skip(1) {
        package.inside = Some(0);
    }
    packages
}

fn module(name: &str, version: &str) -> Package {
    Package::new(ComponentKind::Golang, name, version, EvidenceKind::BuildInfo)
}

/// The version of Go and the text of the module information.
fn read(data: &[u8]) -> Option<(&str, &str)> {
    let flags = *data.strip_prefix(MAGIC)?.get(1)?;
    if flags & INLINE == 0 {
        return None;
    }
    let mut rest = data.get(INLINE_START..)?;
    let version = str::from_utf8(string(&mut rest)?).ok()?;
    let modules = string(&mut rest)?;
    let modules = modules.get(MARK..modules.len().checked_sub(MARK)?).unwrap_or_default();
    Some((version, str::from_utf8(modules).ok()?))
}

/// A string behind its length as a varint.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0_u64;
    for (position, &byte) in rest.iter().take(10).enumerate() {
        length |= u64::from(byte & 0x7f).checked_shl(7 * position as u32)?;
        if byte < 0x80 {
            let length = usize::try_from(length).ok()?;
            let (string, after) = rest.get(position + 1..)?.split_at_checked(length)?;
            *rest = after;
            return Some(string);
        }
    }
    None
}
