//! The rooms that know package databases, one file each, and the table that registers them.
//!
//! A room says which paths it wants to see, reads such a file into [`Content`], and writes the package URL once
//! the image around it is known. Adding an ecosystem means adding a file here and a line to [`ROOMS`].

mod apk;
mod dpkg;
mod npm;
mod python;

use crate::fragment::{Content, Package};
use crate::model::{ComponentKind, Distro};
use crate::os_release;
use crate::path;
use crate::problems::Problems;

/// One ecosystem.
pub(crate) struct Room {
    /// What its packages are.
    pub(crate) kind: ComponentKind,
    /// The directories its database is in when it is the image's own; the same files elsewhere belong to some
    /// nested root. Empty for ecosystems that keep a file per package, anywhere.
    pub(crate) homes: &'static [&'static str],
    /// Whether a file is worth reading, from its directory and its name.
    pub(crate) claims: fn(directory: &str, name: &str) -> bool,
    /// What a claimed file says; `None` when that is nothing.
    pub(crate) parse: fn(path: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content>,
    /// The package URL of a package found in an image of that operating system.
    pub(crate) purl: fn(package: &Package, distro: Option<&Distro>) -> String,
}

/// Every room, in the order of [`ComponentKind`].
pub(crate) const ROOMS: &[&Room] = &[&dpkg::ROOM, &apk::ROOM, &npm::ROOM, &python::ROOM];

/// The room for a kind of package.
pub(crate) fn room_of(kind: ComponentKind) -> &'static Room {
    match kind {
        ComponentKind::Deb => &dpkg::ROOM,
        ComponentKind::Apk => &apk::ROOM,
        ComponentKind::Npm => &npm::ROOM,
        ComponentKind::Pypi => &python::ROOM,
    }
}

/// The room that wants the file at `path`.
pub(crate) fn claiming(path: &str) -> Option<&'static Room> {
    let (directory, name) = path::split(path);
    ROOMS.iter().copied().find(|room| (room.claims)(directory, name))
}

/// Whether the file at `path` is worth reading.
pub(crate) fn is_interesting(path: &str) -> bool {
    claiming(path).is_some() || os_release::claims(path)
}

/// Whether owning the file at `path` matters: it is the evidence for a package that lives in a file of its own.
pub(crate) fn is_evidence(path: &str) -> bool {
    claiming(path).is_some_and(|room| room.homes.is_empty())
}

/// What an interesting file says.
pub(crate) fn parse(path: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    match claiming(path) {
        Some(room) => (room.parse)(path, bytes, problems),
        None => Some(os_release::keep(bytes)),
    }
}

/// The lines of a text file with their numbers from 1, without line ends.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    bytes
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// A field value as text, without white space around it.
pub(crate) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.trim_ascii()).into_owned()
}

/// `debian-12`: what the `distro` qualifier of a package URL says.
pub(crate) fn distro_qualifier(distro: Option<&Distro>) -> String {
    let Some(distro) = distro else { return String::new() };
    match distro.version_id.as_ref().or(distro.codename.as_ref()) {
        Some(version) => format!("{}-{version}", distro.id),
        None => distro.id.clone(),
    }
}
