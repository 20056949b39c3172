//! The rooms that know package databases, one file each, and the table that registers them.
//!
//! A room says which paths it wants to see, reads such a file into [`Content`], and writes the package URL once
//! the image around it is known. Adding an ecosystem means adding a file here and a line to [`ROOMS`].

mod apk;
mod dpkg;
mod npm;
mod python;

use crate::fragment::{Content, Package};
use crate::model::{Component, ComponentKind, Distro, Problem};
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
    /// Whether a file is worth reading although its name says nothing, because another name may follow as a
    /// hard link: package managers link files out of stores that are ordered by content.
    pub(crate) may_be_linked: fn(directory: &str, name: &str) -> bool,
    /// What a claimed file says; `None` when that is nothing.
    pub(crate) parse: fn(path: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content>,
    /// The package URL of a package found in an image of that operating system.
    pub(crate) purl: fn(package: &Package, distro: Option<&Distro>) -> String,
}

/// Every room, in the order of [`ComponentKind`].
pub(crate) const ROOMS: &[&Room] = &[&dpkg::ROOM, &apk::ROOM, &npm::ROOM, &python::ROOM];

/// The room that wants the file at `path`.
pub(crate) fn claiming(path: &str) -> Option<&'static Room> {
    let (directory, name) = path::split(path);
    ROOMS.iter().copied().find(|room| (room.claims)(directory, name))
}

/// Whether the file at `path` is worth reading.
pub(crate) fn is_interesting(path: &str) -> bool {
    claiming(path).is_some() || os_release::claims(path)
}

/// Whether the file at `path` may turn out to be interesting when a hard link to it follows.
pub(crate) fn may_be_linked(path: &str) -> bool {
    storing(path).is_some()
}

/// Whether owning the file at `path` matters: it is the evidence for a package that lives in a file of its own.
pub(crate) fn is_evidence(path: &str) -> bool {
    claiming(path).is_some_and(|room| room.homes.is_empty())
}

/// The room that reads the file at `path` in case a hard link gives it a telling name.
fn storing(path: &str) -> Option<&'static Room> {
    let (directory, name) = path::split(path);
    ROOMS.iter().copied().find(|room| (room.may_be_linked)(directory, name))
}

/// The room whose content this is at `path`. A hard link can give content a name it was not read for; then it is
/// nobody's.
pub(crate) fn describing(path: &str, content: &Content) -> Option<&'static Room> {
    let room = claiming(path)?;
    let fits = match content {
        Content::Packages(packages) => packages.iter().all(|package| package.kind == room.kind),
        Content::Owned { .. } => room.kind == ComponentKind::Deb,
        Content::Text(_) => false,
    };
    fits.then_some(room)
}

/// What an interesting file says.
pub(crate) fn parse(path: &str, bytes: &[u8], problems: &mut Problems) -> Option<Content> {
    match claiming(path) {
        Some(room) => (room.parse)(path, bytes, problems),
        None if os_release::claims(path) => Some(os_release::keep(bytes)),
        // Most of what lies in a store is none of our business, so nothing in it is a problem.
        None => (storing(path)?.parse)(path, bytes, &mut Problems::new(0)),
    }
}

/// What a single file says on its own: the packages it describes, without evidence, and what is wrong with it.
///
/// `path` is where the file would be in an image, relative to its root, and decides how it is read; a path that
/// nobody asks for gives nothing. `distro` goes into package URLs.
#[must_use]
pub fn inspect(path: &str, bytes: &[u8], distro: Option<&Distro>) -> (Vec<Component>, Vec<Problem>) {
    let mut problems = Problems::new(usize::MAX);
    let mut components = Vec::new();
    if let Some(room) = claiming(path)
        && let Some(Content::Packages(packages)) = (room.parse)(path, bytes, &mut problems)
    {
        components.extend(packages.iter().map(|package| package.component((room.purl)(package, distro))));
    }
    (components, problems.finish(None))
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reads one file and compares what it says, a line per component and then a line per problem:
    /// `purl source=name version arch licences` and `line: reason`.
    #[track_caller]
    pub(crate) fn check(path: &str, content: &str, expect: &[&str]) {
        let (components, problems) = inspect(path, content.as_bytes(), None);
        let components = components.iter().map(|component| {
            let source =
                component.source.iter().map(|source| format!("source={} {}", source.name, source.version));
            let parts =
                [component.purl.clone()].into_iter().chain(source).chain(component.licenses.iter().cloned());
            parts.collect::<Vec<_>>().join(" ")
        });
        let problems = problems
            .iter()
            .map(|problem| format!("{}: {}", problem.position.as_deref().unwrap_or("file"), problem.reason));
        assert_eq!(components.chain(problems).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn rooms_stand_in_the_order_of_their_kinds() {
        assert!(ROOMS.is_sorted_by_key(|room| room.kind));
    }
}
