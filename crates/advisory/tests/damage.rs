//! A database file that is something else, cut short, or changed: opening says so, or lookups still end.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::hint::black_box;
use std::path::{Path, PathBuf};

use serde_json::json;
use support::{component, distro, fixture_database, fixtures, image, try_build, write_records};
use tempfile::TempDir;
use tidewaiter_advisory::{Database, Error, match_inventory};
use tidewaiter_inventory::ComponentKind::{Apk, Deb, Npm, Pypi};

/// A small database of every kind of record, as bytes.
fn small_database(directory: &TempDir) -> (PathBuf, Vec<u8>) {
    let names = ["DSA-5103-1", "MAL-2025-690", "CVE-2016-0682", "GHSA-4859-gpc7-4j66"];
    let mut inputs: Vec<PathBuf> =
        names.iter().map(|name| fixtures("osv").join(format!("{name}.json"))).collect();
    let glibc = json!({
        "id": "DEBIAN-CVE-2023-4911", "modified": "2025-01-27T23:52:29Z", "upstream": ["CVE-2023-4911"],
        "details": "A buffer overflow.", "references": [{"type": "WEB", "url": "https://example.org"}],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": "glibc"}, "ranges": [
            {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.36-9+deb12u3"}]}]}],
    });
    inputs.extend(write_records(directory, &[glibc]));
    inputs.push(fixtures("exploitation"));
    let path = directory.path().join("advisories.db");
    try_build(&inputs, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

/// Opens a file and asks it everything. Whether it answers right does not matter, that it answers does.
fn ask(path: &Path) -> Result<(), Error> {
    let database = Database::open(path)?;
    let components = vec![
        component(Deb, "libc6 of glibc", "2.36-9"),
        component(Deb, "openssl", "1.1.1d-0+deb10u7"),
        component(Apk, "db", "5.3.28-r1"),
        component(Npm, "dot", "1.0.0"),
        component(Npm, "theme-check-vscode", "4.0.0"),
        component(Pypi, "django", "3.2.12"),
    ];
    for (id, version) in [("debian", "12"), ("debian", ""), ("alpine", "3.8.1")] {
        let matches =
            match_inventory(&database, &image(distro(id, version), components.clone()), support::BUILT_AT);
        for finding in &matches.findings {
            black_box(database.advisories_named(&finding.id));
        }
        for component in &components {
            black_box(database.lookup_fingerprint(distro(id, version).as_ref(), component));
        }
    }
    for name in ["CVE-2023-4911", "DEBIAN-CVE-2023-4911", "GHSA-4859-gpc7-4j66"] {
        black_box((database.advisories_named(name), database.epss(name), database.kev(name)));
    }
    Ok(())
}

#[test]
fn no_flipped_byte_makes_it_panic() {
    let directory = TempDir::new().unwrap();
    let (path, bytes) = small_database(&directory);
    ask(&path).unwrap();
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1 << (position % 8);
        std::fs::write(&path, &changed).unwrap();
        let _ = ask(&path);
    }
}

/// Changes a byte and makes all checksums right again, as somebody would who means harm.
#[test]
fn no_forged_byte_makes_it_panic() {
    let directory = TempDir::new().unwrap();
    let (path, bytes) = small_database(&directory);
    let header = Header::of(&bytes);
    for (section, (offset, length)) in header.sections.iter().copied().enumerate() {
        for position in offset..offset + length {
            let mut changed = bytes.clone();
            // Numbers become one more or one less, or very large.
            changed[position] = if position % 2 == 0 { 0xff } else { bytes[position] ^ 1 };
            header.seal(&mut changed, section);
            std::fs::write(&path, &changed).unwrap();
            let _ = ask(&path);
        }
    }
}

/// Where the checksums are.
struct Header {
    sections: Vec<(usize, usize)>,
}

impl Header {
    const FIXED: usize = 64;
    const ENTRY: usize = 24;

    fn of(bytes: &[u8]) -> Self {
        let number = |at: usize, length: usize| {
            bytes[at..at + length].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
        };
        let entry = |section| Self::FIXED + section * Self::ENTRY;
        let count = number(20, 4);
        Self {
            sections: (0..count)
                .map(|section| (number(entry(section) + 4, 8), number(entry(section) + 12, 8)))
                .collect(),
        }
    }

    fn seal(&self, bytes: &mut [u8], section: usize) {
        let (offset, length) = self.sections[section];
        let checksum = crc32fast::hash(&bytes[offset..offset + length]);
        let at = Self::FIXED + section * Self::ENTRY + 20;
        bytes[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
        let end = Self::FIXED + self.sections.len() * Self::ENTRY;
        let checksum = crc32fast::hash(&bytes[..end]);
        bytes[end..end + 4].copy_from_slice(&checksum.to_le_bytes());
    }
}

#[test]
fn no_truncation_goes_unnoticed() {
    let directory = TempDir::new().unwrap();
    let (path, bytes) = small_database(&directory);
    for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        ask(&path).unwrap_err();
    }
    let mut longer = bytes;
    longer.push(0);
    std::fs::write(&path, &longer).unwrap();
    ask(&path).unwrap_err();
}

#[test]
fn every_refusal_is_one_clear_sentence() {
    let directory = TempDir::new().unwrap();
    let (path, bytes) = small_database(&directory);
    let refusal = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let told = Database::open(&path).unwrap_err().to_string();
        told.replace(&directory.path().display().to_string(), "DIR")
    };
    insta::assert_snapshot!(refusal(b""), @"DIR/advisories.db is not a Tidewaiter advisory database; build one with `tidewaiter db build`");
    insta::assert_snapshot!(refusal(b"SQLite format 3\0 and more"), @"DIR/advisories.db is not a Tidewaiter advisory database; build one with `tidewaiter db build`");
    insta::assert_snapshot!(refusal(&bytes[..1000]), @"the advisory database DIR/advisories.db is damaged (it is cut short); build it again with `tidewaiter db build`");
    let with = |position: usize, byte: u8| {
        let mut changed = bytes.clone();
        changed[position] = byte;
        changed
    };
    insta::assert_snapshot!(refusal(&with(16, 0)), @"the advisory database DIR/advisories.db was made by an older version of Tidewaiter (format 0, this one reads 2); build it again with `tidewaiter db build`");
    insta::assert_snapshot!(refusal(&with(16, 99)), @"the advisory database DIR/advisories.db was made by a newer version of Tidewaiter (format 99, this one reads 2); build it again with `tidewaiter db build`");
    insta::assert_snapshot!(refusal(&with(30, !bytes[30])), @"the advisory database DIR/advisories.db is damaged (its header does not match its checksum); build it again with `tidewaiter db build`");
    let records = Header::of(&bytes).sections[8].0;
    insta::assert_snapshot!(refusal(&with(records, !bytes[records])), @"the advisory database DIR/advisories.db is damaged (its records do not match their checksum); build it again with `tidewaiter db build`");
    let told = Database::open(directory.path()).unwrap_err();
    assert!(matches!(told, Error::NotADatabase { .. } | Error::Open { .. }), "{told:?}");
    let missing = Database::open(&directory.path().join("missing.db")).unwrap_err();
    assert!(matches!(missing, Error::Open { .. }), "{missing:?}");
}

/// Only the long texts are not checked when a file is opened; they are when they are read.
#[test]
fn a_damaged_text_costs_only_the_text() {
    let directory = TempDir::new().unwrap();
    let (path, mut bytes) = small_database(&directory);
    let header = Header::of(&bytes);
    let (offset, length) = header.sections[15];
    bytes[offset + length / 2] ^= 0xff;
    std::fs::write(&path, &bytes).unwrap();
    let database = Database::open(&path).unwrap();
    let advisories = database.advisories_named("CVE-2023-4911");
    assert_eq!(advisories[0].details, "");
    assert!(!advisories[0].summary.is_empty());
}

#[test]
fn a_database_stays_open_while_another_takes_its_place() {
    let (directory, database) = fixture_database();
    let path = directory.path().join("advisories.db");
    try_build(&[fixtures("osv").join("MAL-2025-690.json")], &path).unwrap();
    assert_eq!(database.advisories_named("CVE-2023-4911").len(), 1);
    assert_eq!(Database::open(&path).unwrap().advisories_named("CVE-2023-4911"), []);
}
