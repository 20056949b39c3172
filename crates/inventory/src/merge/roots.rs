//! Other roots inside an image: a package database that is not at the image's own places belongs to the system of
//! some directory, with an `os-release` of its own.

use super::overlay::Overlay;
use crate::fragment::Content;
use crate::model::{Distro, NestedRoot};
use crate::os_release;
use crate::packages::Room;
use crate::path;

/// The root that a database at `file` belongs to, by the places its package manager uses. The directory of the
/// database itself when it is at none of them.
pub(super) fn of_database<'p>(file: &'p str, room: &Room) -> &'p str {
    let (directory, _) = path::split(file);
    let before = |home: &&str| {
        let places = directory.match_indices(home).map(|(start, _)| start);
        places
            .filter(|&start| start > 0 && directory.as_bytes()[start - 1] == b'/')
            .find(|start| matches!(directory.as_bytes().get(start + home.len()), None | Some(b'/')))
            .map(|start| &directory[..start - 1])
    };
    // The longest place leaves the shortest root: `usr/lib/apk/db` before `lib/apk/db`.
    room.homes.iter().filter_map(before).min_by_key(|root| root.len()).unwrap_or(directory)
}

/// The roots, sorted and each once, with the systems they name.
pub(super) fn describe<'p>(overlay: &Overlay<'_>, roots: impl Iterator<Item = &'p str>) -> Vec<NestedRoot> {
    let mut roots: Vec<&str> = roots.collect();
    roots.sort_unstable();
    roots.dedup();
    roots
        .into_iter()
        .map(|root| NestedRoot { path: root.to_owned(), distro: identify(overlay, root) })
        .collect()
}

/// The system that the directory `root` names; the image's own for the empty path.
pub(super) fn identify(overlay: &Overlay<'_>, root: &str) -> Option<Distro> {
    os_release::identify(|file| match &overlay.get(&path::join(root, file))?.kept.content {
        Content::Text(text) => Some(text.as_str()),
        Content::Packages(_) | Content::Owned { .. } | Content::Licenses(_) => None,
    })
}
