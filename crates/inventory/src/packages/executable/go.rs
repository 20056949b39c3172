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

/// The modules of the section `data`: the main module first when there is one, the others inside it, the standard
/// library last.
pub(super) fn packages(path: &str, data: &[u8], problems: &mut Problems) -> Vec<Package> {
    let Some((version, modules)) = read(data) else {
        problems.file(path, "the Go build information is not understood; its modules are not listed");
        return Vec::new();
    };
    let mut packages: Vec<Package> = Vec::new();
    let mut has_main = false;
    for line in modules.lines() {
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or_default();
        let (Some(name), Some(version)) = (fields.next(), fields.next()) else { continue };
        has_main |= kind == "mod";
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
    if has_main {
        for package in packages.iter_mut().skip(1) {
            package.inside = Some(0);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A section as the linker writes it since Go 1.18.
    fn section(version: &str, modules: &str) -> Vec<u8> {
        let mut data = MAGIC.to_vec();
        data.extend([8, INLINE]);
        data.resize(INLINE_START, 0);
        let marked = format!("{0}{modules}{0}", "m".repeat(MARK));
        for text in [version, &marked] {
            let mut length = text.len();
            while length >= 0x80 {
                data.push((length & 0x7f) as u8 | 0x80);
                length >>= 7;
            }
            data.push(length as u8);
            data.extend(text.bytes());
        }
        data
    }

    #[track_caller]
    fn check(data: &[u8], expect: &[&str]) {
        let mut problems = Problems::new(9);
        let packages = packages("bin/x", data, &mut problems);
        let lines = packages.iter().map(|package| {
            let inside = package.inside.map(|inside| format!(" in {inside}")).unwrap_or_default();
            format!("{} {}{inside}", package.name, package.version)
        });
        let lines: Vec<_> =
            lines.chain(problems.finish(None).into_iter().map(|problem| problem.reason)).collect();
        assert_eq!(lines, expect);
    }

    #[test]
    fn modules_are_inside_the_main_one() {
        let modules = "path\texample.com/app\nmod\texample.com/app\tv1.0.0\t\ndep\tgolang.org/x/net\tv0.20.0\th1:x=\n\
                       dep\texample.com/old\tv1.0.0\n=>\texample.com/new\tv1.1.0\th1:y=\nbuild\t-compiler=gc\n";
        check(
            &section("go1.22.1 X:nocoverageredesign", modules),
            &[
                "example.com/app v1.0.0",
                "golang.org/x/net v0.20.0 in 0",
                "example.com/new v1.1.0 in 0",
                "stdlib 1.22.1 in 0",
            ],
        );
    }

    #[test]
    fn without_a_main_module_nothing_holds_the_others() {
        check(
            &section("go1.20", "path\tcommand-line-arguments\ndep\tgolang.org/x/net\tv0.20.0\th1:x=\n"),
            &["golang.org/x/net v0.20.0", "stdlib 1.20"],
        );
        check(&section("go1.20", ""), &["stdlib 1.20"]);
    }

    #[test]
    fn other_bytes_are_a_problem() {
        let reason = "the Go build information is not understood; its modules are not listed";
        check(b"", &[reason]);
        check(&section("go1.20", "")[..40], &[reason]);
    }
}
