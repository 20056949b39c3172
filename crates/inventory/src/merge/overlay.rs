//! The file system that layers add up to, as far as it matters: kept files and symbolic links by path.
//!
//! Everything else is left out on purpose. A file nobody reads, or an empty directory, is told apart from
//! nothing at all by no question asked here; what such an entry removes is removed.
//!
//! Layers are laid on in archive order, as runtimes unpack them: the directory part of a name goes through the
//! links that are there at that moment, the last part never does. A whiteout hides what the layers below put
//! there, wherever it stands in its own layer (image specification, "Whiteouts").

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher as _;
use std::ops::Bound;

use foldhash::fast::RandomState;

use crate::fragment::{Entry, Fragment, Kept};
use crate::os_release;
use crate::packages;
use crate::path;

/// Most links that are followed in one path: what Linux allows.
const MAX_LINKS: usize = 40;

/// Names that are looked up in all, over all paths and layers. An image of three million files in ten layers
/// needs less; one built of links upon links would otherwise keep us busy for hours.
const MAX_STEPS: u64 = 1 << 28;

/// A kept file and the layer it came with.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'f> {
    pub(super) kept: &'f Kept,
    pub(super) layer: u32,
}

#[derive(Debug, Clone, Copy)]
struct Link<'f> {
    target: &'f str,
    layer: u32,
}

/// The file system so far.
#[derive(Debug, Default)]
pub(super) struct Overlay<'f> {
    files: BTreeMap<String, File<'f>>,
    links: BTreeMap<String, Link<'f>>,
    /// Hashes of all places where a file or a link ever was, and of the directories above them. Most entries of an image
    /// are none and hide none, and one look here tells.
    taken: HashSet<u64, RandomState>,
    /// The same of the places themselves.
    exact: HashSet<u64, RandomState>,
    hasher: RandomState,
    /// The last directory that was resolved, and to what: archives name one directory many times in a row.
    last_directory: (String, String),
    /// What was hidden in the current layer already. Once is enough, and a layer may say it a million times.
    hidden: HashSet<(String, bool)>,
    /// Names looked up so far.
    steps: Cell<u64>,
    /// Whether a file changed that holds a package database, since it was last asked.
    database_changed: bool,
}

impl<'f> Overlay<'f> {
    /// Lays `fragment` over what is there. Calls `note` with a path and what is wrong with it.
    pub(super) fn lay(&mut self, fragment: &'f Fragment, layer: u32, mut note: impl FnMut(&str, String)) {
        self.hidden.clear();
        let mut contents = fragment.contents.iter();
        let mut reader = fragment.toc.reader();
        while let Some((name, entry)) = reader.next() {
            let kept = if entry == Entry::Kept { contents.next() } else { None };
            let Some(place) = self.place(name, entry) else {
                note(
                    name,
                    "its directory is reached through links in a circle; the entry is skipped".to_owned(),
                );
                continue;
            };
            match entry {
                Entry::Directory => self.remove_exactly(&place),
                Entry::File => self.remove(&place),
                Entry::Kept => {
                    self.remove(&place);
                    if let Some(kept) = kept {
                        self.put(place, File { kept, layer });
                    }
                }
                Entry::Symlink(target) => {
                    self.remove(&place);
                    self.link(place, Link { target, layer });
                }
                Entry::HardLink(target) => {
                    if !self.hard_link(&place, target, layer) && packages::is_interesting(&place) {
                        let reason = "whose content was not kept; what it describes is missing";
                        note(&place, format!("a hard link to {target:?}, {reason}"));
                    }
                }
                Entry::Whiteout => self.hide(&place, true, layer),
                Entry::Opaque => self.hide(&place, false, layer),
            }
        }
    }

    /// Where an entry goes: all of an opaque directory is a directory, of any other name all but the last part.
    fn place(&mut self, name: &str, entry: Entry<'_>) -> Option<String> {
        if entry == Entry::Opaque {
            return self.directory(name);
        }
        let (directory, base) = path::split(name);
        Some(path::join(&self.directory(directory)?, base))
    }

    /// The file at `path`, through any links.
    pub(super) fn get(&self, path: &str) -> Option<File<'f>> {
        self.files.get(&self.resolve(path)?).copied()
    }

    /// Where `path` really is, through any links in it; `None` when they go round in circles.
    pub(super) fn resolve(&self, path: &str) -> Option<String> {
        let mut place = String::new();
        // Parts still to go, the next one last. Targets come from the image, so there is no recursion on them.
        let mut parts: Vec<&str> = path.rsplit('/').collect();
        let mut links = 0;
        while let Some(part) = parts.pop() {
            self.steps.set(self.steps.get() + 1);
            if self.is_exhausted() {
                return None;
            }
            match part {
                "" | "." => continue,
                ".." => {
                    place.truncate(place.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let parent = place.len();
            if parent > 0 {
                place.push('/');
            }
            place.push_str(part);
            if self.exact.contains(&self.hasher.hash_one(place.as_str()))
                && let Some(link) = self.links.get(&place)
            {
                links += 1;
                if links > MAX_LINKS || place.len() + parts.len() > 2 * path::MAX_PATH {
                    return None;
                }
                place.truncate(if link.target.starts_with('/') { 0 } else { parent });
                parts.extend(link.target.rsplit('/'));
            }
        }
        Some(place)
    }

    /// Whether so much was looked up that paths are no longer resolved.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps.get() > MAX_STEPS
    }

    /// All kept files by path.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, File<'f>)> {
        self.files.iter().map(|(path, file)| (path.as_str(), *file))
    }

    /// All links: path and target.
    pub(super) fn links(&self) -> impl Iterator<Item = (&str, &'f str)> {
        self.links.iter().map(|(path, link)| (path.as_str(), link.target))
    }

    /// Whether a package database changed since the last call.
    pub(super) fn take_database_changed(&mut self) -> bool {
        std::mem::take(&mut self.database_changed)
    }

    /// A directory that entries are put into: links in its path are followed, and a file in the way is gone.
    fn directory(&mut self, path: &str) -> Option<String> {
        if self.last_directory.0 == path {
            return Some(self.last_directory.1.clone());
        }
        let place = self.resolve(path)?;
        for (end, _) in place.match_indices('/').chain([(place.len(), "")]) {
            if self.exact.contains(&self.hasher.hash_one(&place[..end]))
                && self.files.contains_key(&place[..end])
            {
                self.remove_exactly(&place[..end]);
            }
        }
        self.last_directory = (path.to_owned(), place.clone());
        Some(place)
    }

    fn forget_directory(&mut self) {
        self.last_directory = (String::new(), String::new());
    }

    fn put(&mut self, place: String, file: File<'f>) {
        self.database_changed |= is_database(&place);
        // The directory that was resolved last may go through this file.
        self.forget_directory();
        self.take(&place);
        self.files.insert(place, file);
    }

    fn link(&mut self, place: String, link: Link<'f>) {
        self.forget_directory();
        self.take(&place);
        self.links.insert(place, link);
    }

    /// Notes that something is at `place` from now on.
    fn take(&mut self, place: &str) {
        self.exact.insert(self.hasher.hash_one(place));
        let ends = place.match_indices('/').map(|(end, _)| end).chain([place.len()]);
        for end in ends.collect::<Vec<_>>().into_iter().rev() {
            // What is above a place that is known is known.
            if !self.taken.insert(self.hasher.hash_one(&place[..end])) {
                break;
            }
        }
    }

    /// Whether something may be at `place` or below it.
    fn is_taken(&self, place: &str) -> bool {
        place.is_empty() || self.taken.contains(&self.hasher.hash_one(place))
    }

    /// Gives the content at `target` a second name; false when it is not a kept file.
    fn hard_link(&mut self, place: &str, target: &str, layer: u32) -> bool {
        let (directory, base) = path::split(target);
        let Some(target) = self.resolve(directory).map(|directory| path::join(&directory, base)) else {
            return false;
        };
        if target == place {
            return true;
        }
        let file = self.files.get(&target).copied();
        let link = self.links.get(&target).copied();
        self.remove(place);
        if let Some(link) = link {
            self.link(place.to_owned(), Link { layer, ..link });
            return true;
        }
        let Some(file) = file else { return false };
        let names_system = file.kept.room.is_empty() && os_release::claims(place);
        let fits = names_system || packages::describing(place, file.kept).is_some();
        // Kept under any name: the next link may lead from there to a telling one.
        self.put(place.to_owned(), File { layer, ..file });
        fits
    }

    /// Removes a file or link, and leaves what is below a directory.
    fn remove_exactly(&mut self, place: &str) {
        if !self.is_taken(place) {
            return;
        }
        if self.links.remove(place).is_some() {
            self.forget_directory();
        }
        if self.files.remove(place).is_some() {
            self.database_changed |= is_database(place);
        }
    }

    /// Removes whatever is at `place`, with everything below it.
    fn remove(&mut self, place: &str) {
        if !self.is_taken(place) {
            return;
        }
        self.remove_exactly(place);
        self.remove_below(place, u32::MAX);
    }

    /// Removes what layers under `layer` have at `place` (when `itself`) and below it.
    fn hide(&mut self, place: &str, itself: bool, layer: u32) {
        if !self.hidden.insert((place.to_owned(), itself)) {
            return;
        }
        if itself {
            let is_older = self.files.get(place).is_some_and(|file| file.layer < layer)
                || self.links.get(place).is_some_and(|link| link.layer < layer);
            if is_older {
                self.remove_exactly(place);
            }
        }
        self.remove_below(place, layer);
    }

    fn remove_below(&mut self, place: &str, older_than: u32) {
        let files = below(&self.files, place, |file| file.layer < older_than);
        for path in files {
            self.remove_exactly(&path);
        }
        let links = below(&self.links, place, |link| link.layer < older_than);
        for path in links {
            self.remove_exactly(&path);
        }
    }
}

/// Whether the path is that of a package database or of the file lists beside it.
fn is_database(path: &str) -> bool {
    packages::claiming(path).is_some_and(|room| !room.homes.is_empty())
}

/// The paths below `place`, of those that are to go.
fn below<T>(map: &BTreeMap<String, T>, place: &str, goes: impl Fn(&T) -> bool) -> Vec<String> {
    if place.is_empty() {
        return map.iter().filter(|(_, value)| goes(value)).map(|(path, _)| path.clone()).collect();
    }
    // All paths that begin with `place/` stand together, after `place/` and before `place0`.
    let first = format!("{place}/");
    map.range::<str, _>((Bound::Excluded(first.as_str()), Bound::Unbounded))
        .take_while(|(path, _)| path.starts_with(&first))
        .filter(|(_, value)| goes(value))
        .map(|(path, _)| path.clone())
        .collect()
}
