//! RPM packages: the database of `rpm` in its three forms, read from the bytes without the engine that wrote it, and
//! the lists that images without `rpm` have in its place.

mod berkeley;
mod bytes;
mod header;
mod manifest;
mod ndb;
mod sqlite;

use std::borrow::Cow;

use self::header::Header;
use super::{Room, Sink, is_evidence};
use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, EvidenceKind, SourcePackage};
use crate::path;
use crate::problems::Problems;

pub(crate) const ROOM: Room = Room {
    name: "rpm",
    homes: &["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm", "var/lib/rpmmanifest"],
    claims,
    parse,
    stream: Some(|_, _| Box::new(Large(Vec::new()))),
    ..Room::EMPTY
};

/// Databases that are larger are not read. One of 5,000 packages with all their file lists has about 200 MB.
const LARGEST: usize = 256 * 1024 * 1024;

fn claims(directory: &str, name: &str) -> bool {
    let is_in = |home: &&str| path::ends_with(directory, home);
    match name {
        "rpmdb.sqlite" | "Packages.db" | "Packages" => {
            ["lib/rpm", "lib/sysimage/rpm", "share/rpm"].iter().any(is_in)
        }
        manifest::NAME => is_in(&"lib/rpmmanifest"),
        _ => false,
    }
}

/// Packages that are listed of one database; systems have some thousands.
const MOST: usize = 100_000;

/// A database that is larger than what other files may have. It has to be held: its pages lie in any order.
struct Large(Vec<u8>);

impl Sink for Large {
    fn take(&mut self, bytes: &[u8]) {
        if self.0.len() <= LARGEST {
            self.0.extend_from_slice(bytes);
        }
    }

    fn finish(self: Box<Self>, path: &str, problems: &mut Problems) -> Option<Content> {
        if self.0.len() > LARGEST {
            let limit = LARGEST >> 20;
            problems
                .file(path, format!("the database has more than {limit} MiB; its packages are not listed"));
            return None;
        }
        parse(path, &self.0, problems)
    }
}

fn parse(file: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    if path::split(file).1 == manifest::NAME {
        return Some(Content::Packages(manifest::packages(file, bytes, problems)));
    }
    // What is made at the start and was never filled.
    if bytes.is_empty() {
        return None;
    }
    let mut packages = Vec::new();
    let mut broken: Option<(usize, &'static str)> = None;
    let mut left_out = 0_usize;
    let mut take = |blob: Cow<'_, [u8]>| match Header::parse(&blob).and_then(|header| package(&header)) {
        Ok(Some(_)) if packages.len() >= MOST => left_out += 1,
        Ok(package) => packages.extend(package),
        Err(reason) => broken = Some((broken.map_or(1, |(count, _)| count + 1), reason)),
    };
    // By what it is: rpm can be told to use other forms than the one that a name is usual for.
    let read = if bytes.starts_with(sqlite::MAGIC) {
        sqlite::blobs(bytes, &mut take)
    } else if bytes.starts_with(ndb::MAGIC) {
        ndb::blobs(bytes, &mut take)
    } else if berkeley::recognises(bytes) {
        berkeley::blobs(bytes, &mut take)
    } else {
        Err("it is none of the forms that rpm writes: SQLite, NDB, a hash of Berkeley DB")
    };
    if let Err(reason) = read {
        let found = packages.len();
        problems
            .file(file, format!("the rpm database is damaged: {reason}; {found} packages of it are listed"));
    }
    if left_out > 0 {
        problems
            .file(file, format!("the rpm database has more than {MOST} packages; {left_out} are left out"));
    }
    if let Some((count, reason)) = broken {
        problems.file(file, format!("{count} packages of the rpm database are left out: {reason}"));
    }
    Some(Content::Packages(packages))
}

/// The package of a header; none when it is a key that `rpm` keeps like one.
fn package(header: &Header<'_>) -> Result<Option<Package>, &'static str> {
    let name = header.text(header::NAME).ok_or("a package has no name")?;
    if name == "gpg-pubkey" {
        return Ok(None);
    }
    let version = header.text(header::VERSION).ok_or("a package has no version")?;
    let release = header.text(header::RELEASE).ok_or("a package has no release")?;
    let version = full_version(header.number(header::EPOCH), &format!("{version}-{release}"));
    Ok(Some(Package {
        source: header.text(header::SOURCE_RPM).and_then(|file| source(&file)),
        architecture: header.text(header::ARCHITECTURE),
        licenses: header.text(header::LICENSE).into_iter().collect(),
        vendor: header.text(header::VENDOR).filter(|vendor| vendor != "(none)"),
        maintainer: header.text(header::PACKAGER),
        modularity: header.text(header::MODULARITY),
        owns: owned(header),
        ..Package::new(ComponentKind::Rpm, name, version, EvidenceKind::Database)
    }))
}

/// `epoch:version-release`; an epoch of zero and none are the same to everybody who compares.
fn full_version(epoch: Option<u32>, version: &str) -> String {
    match epoch {
        None | Some(0) => version.to_owned(),
        Some(epoch) => format!("{epoch}:{version}"),
    }
}

/// The source package that a file name such as `openssl-3.0.7-1.el9.src.rpm` is of. It never has an epoch.
pub(crate) fn source(file: &str) -> Option<SourcePackage> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some(SourcePackage { name: name.to_owned(), version: format!("{version}-{release}") })
}

/// The files of a package whose owner matters to somebody.
fn owned(header: &Header<'_>) -> Vec<String> {
    let directories: Vec<_> = header.texts(header::DIRECTORIES).collect();
    let mut owned = Vec::new();
    let mut clean = String::new();
    for (name, directory) in header.texts(header::BASE_NAMES).zip(header.numbers(header::DIRECTORY_INDEXES)) {
        let directory = usize::try_from(directory).ok().and_then(|index| directories.get(index));
        let Some(directory) = directory else { continue };
        if path::clean(&[directory, name].concat(), &mut clean).is_ok() && is_evidence(&clean) {
            owned.push(clean.clone());
        }
    }
    owned
}
