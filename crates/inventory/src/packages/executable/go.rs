//! Modules that a Go program was built of, from the build information its linker wrote (`debug/buildinfo` and
//! `runtime/debug.BuildInfo` of the Go standard library).

use crate::fragment::Package;
use crate::model::{ComponentKind, EvidenceKind};
use crate::problems::Problems;

/// What the section begins with, since Go 1.13.
const MAGIC: &[u8] = b"\xff Go buildinf:";

/// Where the size of a pointer stands, and the flags behind it.
const POINTER_SIZE: usize = 14;
const FLAGS: usize = 15;

/// The flag for strings that stand in the section itself, since Go 1.18.
const INLINE: u8 = 2;

/// The flag for pointers that begin with their highest byte.
const BIG_ENDIAN: u8 = 1;

/// Where inline strings begin.
const INLINE_START: usize = 32;

/// The module information stands between two marks of this length.
const MARK: usize = 16;

/// Names of variables that programs have their version put into by the linker, in lower case.
const VERSION_VARIABLES: [&str; 6] =
    ["version", "buildversion", "gitversion", "appversion", "semver", "versionnumber"];

/// The bytes that the program has at an address, when that many are in the file.
pub(super) type Memory<'m, 'd> = &'m dyn Fn(u64, u64) -> Option<&'d [u8]>;

/// Where build information may begin in these bytes.
pub(super) fn marks(bytes: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memmem::find_iter(bytes, MAGIC)
}

/// Whether build information begins here that needs nothing else of the file.
pub(super) fn is_whole(data: &[u8]) -> bool {
    data.get(FLAGS).is_some_and(|flags| flags & INLINE != 0)
}

/// The modules of the section `data`: the main module first when there is one, the others inside it, the standard
/// library last. Before Go 1.18 the section points into `memory`.
pub(super) fn packages<'d>(
    path: &str,
    data: &'d [u8],
    memory: Memory<'_, 'd>,
    problems: &mut Problems,
) -> Vec<Package> {
    let Some((version, modules)) = read(data, memory) else {
        problems.file(path, "the Go build information is not understood; its modules are not listed");
        return Vec::new();
    };
    let mut packages: Vec<Package> = Vec::new();
    let mut has_main = false;
    let mut settings = Vec::new();
    for line in modules.lines() {
        let mut fields = line.splitn(4, '\t');
        let kind = fields.next().unwrap_or_default();
        let (Some(name), version) = (fields.next(), fields.next()) else { continue };
        match (kind, version) {
            ("build", None) => settings.extend(name.split_once('=')),
            ("mod" | "dep", Some(version)) => {
                has_main |= kind == "mod";
                packages.push(module(name, version));
            }
            // The module that the one before was replaced by.
            ("=>", Some(version)) => {
                if let Some(last) = packages.last_mut() {
                    *last = module(name, version);
                }
            }
            _ => {}
        }
    }
    if has_main
        && let Some(main) = packages.first_mut().filter(|main| main.version == "(devel)")
        && let Some(version) = main_version(&settings)
    {
        main.version = version;
    }
    if let Some(release) = release(version) {
        packages.push(module("stdlib", release));
    }
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

/// The release of Go in `go1.22.1 X:nocoverageredesign`, `go1.20.4-fips`, `devel go1.23-1234 …`. None where there is
/// none.
fn release(version: &str) -> Option<&str> {
    let version = version.split(' ').find_map(|word| word.strip_prefix("go"))?;
    let release = version.split(['-', '+']).next()?;
    release.starts_with(|first: char| first.is_ascii_digit()).then_some(release)
}

/// The version of a main module that was built from a working copy: what the linker was told to put into a variable
/// for it, or else the pseudo-version of the commit.
fn main_version(settings: &[(&str, &str)]) -> Option<String> {
    let get = |wanted: &str| settings.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
    let told =
        get("-ldflags").into_iter().flat_map(|flags| flags.split([' ', '"', '\'', '\\'])).find_map(|word| {
            let (variable, value) = word.trim_start_matches("-X=").split_once('=')?;
            let variable = variable.rsplit('.').next().unwrap_or(variable).to_lowercase();
            let digits = value.strip_prefix('v').unwrap_or(value);
            let is_version = digits.starts_with(|first: char| first.is_ascii_digit()) && digits.contains('.');
            (VERSION_VARIABLES.contains(&variable.as_str()) && is_version).then(|| format!("v{digits}"))
        });
    told.or_else(|| {
        let time: String = get("vcs.time")?.chars().filter(char::is_ascii_digit).take(14).collect();
        let revision = get("vcs.revision")?.get(..12)?;
        (time.len() == 14).then(|| format!("v0.0.0-{time}-{revision}"))
    })
}

/// The version of Go and the text of the module information.
fn read<'d>(data: &'d [u8], memory: Memory<'_, 'd>) -> Option<(&'d str, &'d str)> {
    let flags = *data.strip_prefix(MAGIC).and_then(|_| data.get(FLAGS))?;
    let (version, modules) = if flags & INLINE == 0 {
        let pointers = Pointers { size: *data.get(POINTER_SIZE)?, is_big: flags & BIG_ENDIAN != 0, memory };
        let size = usize::from(pointers.size);
        (pointers.string(data.get(16..)?)?, pointers.string(data.get(16 + size..)?).unwrap_or_default())
    } else {
        let mut rest = data.get(INLINE_START..)?;
        (string(&mut rest)?, string(&mut rest)?)
    };
    let modules = modules.get(MARK..modules.len().saturating_sub(MARK)).unwrap_or_default();
    Some((str::from_utf8(version).ok()?, str::from_utf8(modules).ok()?))
}

/// How a program that was built before Go 1.18 points at its strings.
struct Pointers<'m, 'd> {
    size: u8,
    is_big: bool,
    memory: Memory<'m, 'd>,
}

impl<'d> Pointers<'_, 'd> {
    /// The string that a pointer points at: a pointer to its bytes, and their number.
    fn string(&self, bytes: &[u8]) -> Option<&'d [u8]> {
        let size = u64::from(self.size);
        let header = (self.memory)(self.number(bytes)?, 2 * size)?;
        let length = self.number(header.get(usize::from(self.size)..)?)?;
        (self.memory)(self.number(header)?, length)
    }

    fn number(&self, bytes: &[u8]) -> Option<u64> {
        match (self.size, self.is_big) {
            (4, false) => bytes.first_chunk().map(|chunk| u32::from_le_bytes(*chunk).into()),
            (4, true) => bytes.first_chunk().map(|chunk| u32::from_be_bytes(*chunk).into()),
            (8, false) => bytes.first_chunk().map(|chunk| u64::from_le_bytes(*chunk)),
            (8, true) => bytes.first_chunk().map(|chunk| u64::from_be_bytes(*chunk)),
            _ => None,
        }
    }
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
pub(super) mod tests {
    use super::*;

    /// A section as the linker writes it since Go 1.18.
    pub(in crate::packages::executable) fn section(version: &str, modules: &str) -> Vec<u8> {
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
        let packages = packages("bin/x", data, &|_, _| None, &mut problems);
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
    fn a_working_copy_has_the_version_that_was_linked_in_or_that_of_its_commit() {
        let built = |settings: &str| {
            section("devel go1.23-abcdef Mon", &format!("path\ta\nmod\texample.com/a\t(devel)\t\n{settings}"))
        };
        let check = |settings: &str, version: &str| {
            check(&built(settings), &[&format!("example.com/a {version}"), "stdlib 1.23 in 0"]);
        };
        check("build\t-ldflags=\"-s -w -X example.com/a/pkg.Version=2.10.4 -X main.date=1\"\n", "v2.10.4");
        check("build\t-ldflags=-X=main.version=v1.0.0-rc1\n", "v1.0.0-rc1");
        check("build\t-ldflags=-X main.goVersion=1.20.1\n", "(devel)");
        check(
            "build\tvcs.revision=0123456789abcdef0123\nbuild\tvcs.time=2024-01-02T03:04:05Z\n",
            "v0.0.0-20240102030405-0123456789ab",
        );
        check("", "(devel)");
    }

    #[test]
    fn before_1_18_the_strings_are_elsewhere() {
        let modules = format!("{0}mod\texample.com/a\tv1.0.0\t\n{0}", "m".repeat(MARK));
        let mut memory = vec![0; 64];
        memory[0..8].copy_from_slice(&32_u64.to_le_bytes());
        memory[8..16].copy_from_slice(&8_u64.to_le_bytes());
        memory[16..24].copy_from_slice(&64_u64.to_le_bytes());
        memory[24..32].copy_from_slice(&(modules.len() as u64).to_le_bytes());
        memory[32..40].copy_from_slice(b"go1.17.5");
        memory.extend(modules.bytes());
        let mut data = MAGIC.to_vec();
        data.extend([8, 0]);
        data.extend(0_u64.to_le_bytes());
        data.extend(16_u64.to_le_bytes());
        let at = |address: u64, length: u64| {
            let from = usize::try_from(address).ok()?;
            memory.get(from..from.checked_add(usize::try_from(length).ok()?)?)
        };
        let packages = packages("app", &data, &at, &mut Problems::new(9));
        let found: Vec<_> = packages.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
        assert_eq!(found, ["example.com/a v1.0.0", "stdlib 1.17.5"]);
    }

    #[test]
    fn other_bytes_are_a_problem() {
        let reason = "the Go build information is not understood; its modules are not listed";
        check(b"", &[reason]);
        check(&section("go1.20", "")[..40], &[reason]);
    }
}
