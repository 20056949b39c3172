//! Our reading of RPM databases against `rpm` itself, which writes them: SQLite, and of the same headers Berkeley
//! DB as its own loader makes it and NDB as its source describes it. Needs Debian's `rpm` and `db5.3-util`; a missing one fails the test.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use proptest::prelude::*;
use tempfile::TempDir;
use tidewaiter_inventory::{Component, inspect};

/// Runs a program to success and returns what it printed.
#[track_caller]
fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    output.stdout
}

/// Databases of the same packages, and what `rpm -qa` says of them.
struct Databases {
    directory: TempDir,
    expected: Vec<String>,
}

impl Databases {
    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.directory.path().join(name)).expect("a database")
    }
}

/// Enough packages for several levels of pages, one with a file list that goes on over many, one with everything that
/// a header may say, and a key.
const SPEC_BEGIN: &str = "\
Name: demo
Epoch: 2
Version: 1.4
Release: 3.el9
Summary: x
License: MIT and BSD
Vendor: Example Org
Packager: Someone <someone@example.com>
ModularityLabel: demo:1:20230101:abcdef
BuildArch: noarch
%description
x
%files
/usr/lib/python3/site-packages/demo-1.4.dist-info/METADATA
/opt/demo/*
";

fn databases() -> &'static Databases {
    static DATABASES: OnceLock<Databases> = OnceLock::new();
    DATABASES.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let top = directory.path().join("build");
        let packages = build(&top);
        let at = |name: &str| directory.path().join(name);
        let place = at("database");
        let rpm = || {
            let mut command = Command::new("rpm");
            command.arg("--dbpath").arg(&place).args(["--define", "_db_backend sqlite"]);
            command
        };
        run(rpm().args(["-i", "--justdb", "--nodeps", "--ignorearch", "--noscripts"]).args(&packages));
        let format = "%{NAME}|%{EPOCHNUM}|%{VERSION}-%{RELEASE}|%{ARCH}|%{LICENSE}|%{VENDOR}|%{PACKAGER}\
                      |%{MODULARITYLABEL}|%{SOURCERPM}\n";
        let said = String::from_utf8(run(rpm().args(["-qa", "--qf", format]))).expect("text");
        let mut expected: Vec<_> = said.lines().map(str::to_owned).collect();
        expected.sort();
        fs::copy(place.join("rpmdb.sqlite"), at("rpmdb.sqlite")).expect("copied");
        let exported = run(Command::new("rpmdb").arg("--exportdb").arg("--dbpath").arg(&place));
        let headers = split(&exported);
        load(&headers, "1234", &at("little"));
        load(&headers, "4321", &at("big"));
        fs::write(at("Packages.db"), ndb(&headers)).expect("written");
        assert_eq!(expected.len(), 151);
        Databases { directory, expected }
    })
}

/// Builds the packages; their files.
fn build(top: &Path) -> Vec<PathBuf> {
    let mut spec = SPEC_BEGIN.to_owned();
    for number in 0..150 {
        let _ = writeln!(
            spec,
            "%package -n part{number}\nSummary: {}\n%description -n part{number}\n{}\n%files -n part{number}",
            "s".repeat(number + 1),
            "long ".repeat(number * 10 + 1)
        );
    }
    let install = "%install\nmkdir -p %{buildroot}/usr/lib/python3/site-packages/demo-1.4.dist-info %{buildroot}/opt/demo\n\
                   touch %{buildroot}/usr/lib/python3/site-packages/demo-1.4.dist-info/METADATA\n\
                   for n in $(seq 3000); do : > %{buildroot}/opt/demo/file-with-a-longer-name-$n; done\n";
    spec.push_str(install);
    fs::create_dir_all(top).expect("a directory");
    let file = top.join("demo.spec");
    fs::write(&file, spec).expect("written");
    let define = format!("_topdir {}", top.display());
    let quick = "_binary_payload w0.ufdio";
    run(Command::new("rpmbuild").args(["-bb", "--define", &define, "--define", quick]).arg(&file));
    let built = fs::read_dir(top.join("RPMS/noarch")).expect("packages");
    built.map(|entry| entry.expect("an entry").path()).collect()
}

/// The headers that `rpmdb --exportdb` writes one after the other, without the eight bytes of magic before each.
fn split(exported: &[u8]) -> Vec<&[u8]> {
    let mut headers = Vec::new();
    let mut rest = exported;
    while !rest.is_empty() {
        let part = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().expect("four bytes")) as usize;
        let (header, after) = rest.split_at(16 + part(8) * 16 + part(12));
        headers.push(&header[8..]);
        rest = after;
    }
    headers
}

/// Makes a hash of Berkeley DB, as `rpm` did: headers by number, the last number under zero.
fn load(headers: &[&[u8]], order: &str, to: &Path) {
    let mut dump =
        format!("VERSION=3\nformat=bytevalue\ntype=hash\ndb_lorder={order}\ndb_pagesize=4096\nHEADER=END\n");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for (number, header) in (1_u32..).zip(headers) {
        let _ = writeln!(dump, " {}\n {}", hex(&number.to_le_bytes()), hex(header));
    }
    let _ = writeln!(dump, " 00000000\n {:08x}\nDATA=END", headers.len());
    let text = to.with_extension("dump");
    fs::write(&text, dump).expect("written");
    run(Command::new("db5.3_load").arg("-f").arg(&text).arg(to));
}

/// Makes rpm's own form, which Debian's `rpm` is built without: a page of slots, one of them free, then the headers.
fn ndb(headers: &[&[u8]]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let magic = |text: &[u8; 4]| u32::from_le_bytes(*text);
    let next = u32::try_from(headers.len()).expect("few") + 1;
    let mut slots = words(&[magic(b"RpmP"), 0, 1, 1, next, 0, 0, 0, magic(b"Slot"), 0, 0, 0]);
    let mut blobs = Vec::new();
    for (number, header) in (1_u32..).zip(headers) {
        let (at, length) = (4096 + blobs.len(), u32::try_from(header.len()).expect("small"));
        blobs.extend(words(&[magic(b"BlbS"), number, 1, length]));
        blobs.extend_from_slice(header);
        blobs.resize(blobs.len().next_multiple_of(4), 0);
        // Then a checksum, the length again and an end, at the end of a block.
        blobs.resize((blobs.len() + 12).next_multiple_of(16), 0);
        let blocks = (4096 + blobs.len() - at) / 16;
        slots.extend(words(&[magic(b"Slot"), number, at as u32 / 16, blocks as u32]));
    }
    while slots.len() < 4096 {
        slots.extend(words(&[magic(b"Slot"), 0, 0, 0]));
    }
    assert_eq!(slots.len(), 4096, "one page of slots is enough");
    slots.extend(blobs);
    slots
}

/// A component as `rpm -qa` prints it above.
fn line(component: &Component) -> String {
    let (epoch, version) = component.version.split_once(':').unwrap_or(("0", &component.version));
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "(none)".to_owned());
    let source = component.source.as_ref().expect("a source package");
    format!(
        "{}|{epoch}|{version}|{}|{}|{}|{}|{}|{}-{}.src.rpm",
        component.name,
        or_none(&component.architecture),
        component.licenses.join(","),
        or_none(&component.vendor),
        or_none(&component.maintainer),
        or_none(&component.modularity),
        source.name,
        source.version,
    )
}

#[track_caller]
fn check(place: &str, database: &str) {
    let databases = databases();
    let (components, problems) = inspect(place, &databases.bytes(database), None);
    assert_eq!(problems, []);
    let mut lines: Vec<_> = components.iter().map(line).collect();
    lines.sort();
    assert_eq!(lines, databases.expected);
}

#[test]
fn every_form_is_read_as_rpm_reads_it() {
    check("var/lib/rpm/rpmdb.sqlite", "rpmdb.sqlite");
    check("usr/lib/sysimage/rpm/Packages.db", "Packages.db");
    check("var/lib/rpm/Packages", "little");
    check("usr/share/rpm/Packages", "big");
}

#[test]
fn a_cut_off_database_says_so_and_gives_what_is_left() {
    let databases = databases();
    for (name, place) in [
        ("rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite"),
        ("Packages.db", "var/lib/rpm/Packages.db"),
        ("little", "var/lib/rpm/Packages"),
    ] {
        let bytes = databases.bytes(name);
        let (components, problems) = inspect(place, &bytes[..bytes.len() / 2], None);
        assert!(components.len() < 151, "{name}");
        let reason = &problems.first().unwrap_or_else(|| panic!("{name}: nothing is said")).reason;
        assert!(reason.contains("the rpm database is damaged"), "{name}: {reason}");
    }
    let (components, problems) = inspect("var/lib/rpm/Packages", b"something else, and long enough", None);
    assert_eq!((components.len(), problems.len()), (0, 1));
}

#[test]
fn a_distroless_image_has_a_list() {
    let list = "filesystem\t1.1-10.cm2\t1653816591\t1653628955\tMicrosoft Corporation\t(none)\t7596\tx86_64\t0\tfilesystem-1.1-10.cm2.src.rpm\n\
                openssl-libs\t1.1.1k-15.cm2\t1\t2\tMicrosoft Corporation\t1\t7\tx86_64\t1\topenssl-1.1.1k-15.cm2.src.rpm\nbroken\n";
    let (components, problems) = inspect("var/lib/rpmmanifest/container-manifest-2", list.as_bytes(), None);
    let found: Vec<_> = components.iter().map(|component| component.purl.as_str()).collect();
    assert_eq!(
        found,
        [
            "pkg:rpm/filesystem@1.1-10.cm2?arch=x86_64",
            "pkg:rpm/openssl-libs@1.1.1k-15.cm2?arch=x86_64&epoch=1"
        ]
    );
    assert_eq!(components[1].source.as_ref().map(|source| source.name.as_str()), Some("openssl"));
    assert_eq!(problems[0].position.as_deref(), Some("line 3"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever becomes of the bytes, reading them ends, without a panic.
    #[test]
    fn damage_is_survived(
        name in prop::sample::select(vec!["rpmdb.sqlite", "Packages.db", "little", "big"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        near in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = databases().bytes(name);
        // Most of what leads astray is near the beginning.
        let range = if near { 4096.min(bytes.len()) } else { bytes.len() };
        for (index, byte) in damage {
            bytes[index.index(range)] = byte;
        }
        let length = bytes.len() - cut.index(bytes.len()) / 2;
        let (components, _) = inspect("var/lib/rpm/Packages", &bytes[..length], None);
        prop_assert!(components.len() <= bytes.len() / 24);
    }
}
