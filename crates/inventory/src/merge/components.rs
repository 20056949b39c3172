//! From the files that are left in the end to components with evidence and owners.

use std::collections::{BTreeMap, HashMap};

use super::overlay::Overlay;
use crate::fragment::{Content, Fragment, Package};
use crate::model::{Component, ComponentKind, Distro, Evidence};
use crate::packages::{self, ROOMS, Room};
use crate::path;

/// A kept file and the room it belongs to.
struct Find<'o, 'f> {
    path: &'o str,
    layer: u32,
    room: &'static Room,
    content: &'f Content,
}

/// Everything the rooms kept that is visible.
pub(super) struct Finds<'o, 'f> {
    /// What belongs to the image itself.
    own: Vec<Find<'o, 'f>>,
    /// Package databases of other roots inside the image.
    nested: Vec<&'o str>,
}

impl<'o, 'f> Finds<'o, 'f> {
    pub(super) fn of(overlay: &'o Overlay<'f>) -> Self {
        let homes: Vec<(ComponentKind, String)> = ROOMS
            .iter()
            .flat_map(|room| room.homes.iter().filter_map(|home| Some((room.kind, overlay.resolve(home)?))))
            .collect();
        let (mut own, mut nested) = (Vec::new(), Vec::new());
        for (path, file) in overlay.files() {
            let Some(room) = packages::describing(path, file.content) else { continue };
            let is_own = room.homes.is_empty()
                || homes.iter().any(|(kind, home)| *kind == room.kind && path::is_below(path, home));
            if is_own {
                own.push(Find { path, layer: file.layer, room, content: file.content });
            } else if matches!(file.content, Content::Packages(_)) {
                nested.push(path);
            }
        }
        Self { own, nested }
    }

    pub(super) fn nested(&self) -> &[&'o str] {
        &self.nested
    }

    /// Every package with the file it is in.
    fn packages(&self) -> impl Iterator<Item = (&Find<'o, 'f>, &'f Package)> {
        self.own.iter().flat_map(|find| find.content.packages().iter().map(move |package| (find, package)))
    }

    /// The packages that are in a database, and not in a file of their own.
    fn in_databases(&self) -> impl Iterator<Item = (&Find<'o, 'f>, &'f Package)> {
        self.packages().filter(|(find, _)| !find.room.homes.is_empty())
    }
}

/// A package of a database, whichever file it is in. Architecture counts: dpkg installs a package for several.
type Key<'f> = (ComponentKind, &'f str, Option<&'f str>, &'f str);

fn key(package: &Package) -> Key<'_> {
    (package.kind, &package.name, package.architecture.as_deref(), &package.version)
}

/// From which layer on each package of a database has been there without a gap. A database is written anew with
/// every change, so the layer of the file says nothing.
#[derive(Default)]
pub(super) struct Since<'f>(HashMap<Key<'f>, u32>);

impl<'f> Since<'f> {
    /// Takes in what the databases hold after `layer`.
    pub(super) fn update(&mut self, layer: u32, finds: &Finds<'_, 'f>) {
        let before = std::mem::take(&mut self.0);
        let kept = |key: &Key<'f>| before.get(key).copied().unwrap_or(layer);
        self.0 = finds.in_databases().map(|(_, package)| key(package)).map(|key| (key, kept(&key))).collect();
    }
}

/// The components, sorted, those that are equal merged into one.
pub(super) fn components(
    overlay: &Overlay<'_>,
    finds: &Finds<'_, '_>,
    since: &Since<'_>,
    distro: Option<&Distro>,
    fragments: &[&Fragment],
) -> Vec<Component> {
    let owners = Owners::of(overlay, finds, distro);
    let mut merged: BTreeMap<(ComponentKind, &str, &str, String), Component> = BTreeMap::new();
    for (find, package) in finds.packages() {
        let layer = since.0.get(&key(package)).copied().unwrap_or(find.layer);
        let diff_id =
            fragments.get(layer as usize).map(|fragment| fragment.diff_id.clone()).unwrap_or_default();
        let purl = (find.room.purl)(package, distro);
        let component = merged
            .entry((package.kind, &package.name, &package.version, purl))
            .or_insert_with_key(|(.., purl)| package.component(purl.clone()));
        component.evidence.push(Evidence { path: find.path.to_owned(), layer, diff_id });
    }
    let mut components: Vec<_> = merged.into_values().collect();
    for component in &mut components {
        component.evidence.sort();
        component.evidence.dedup();
        component.owner = owners.of_all(&component.evidence);
    }
    components.sort_by(|one, other| sort_key(one).cmp(&sort_key(other)));
    components
}

fn sort_key(component: &Component) -> (ComponentKind, &str, &str, &str, &str) {
    let first = component.evidence.first().map_or("", |evidence| evidence.path.as_str());
    (component.kind, &component.name, &component.version, first, &component.purl)
}

/// The package URL of the operating system package that owns a path, for the paths where that matters.
struct Owners(HashMap<String, String>);

impl Owners {
    fn of(overlay: &Overlay<'_>, finds: &Finds<'_, '_>, distro: Option<&Distro>) -> Self {
        let mut owners = Self(HashMap::new());
        let mut by_label: HashMap<String, String> = HashMap::new();
        for (find, package) in finds.in_databases() {
            let purl = (find.room.purl)(package, distro);
            owners.claim(overlay, &package.owns, &purl);
            // Lists are named `name`, `name:architecture` where several may be installed, and like the file
            // of the package in distroless images.
            let architecture = package.architecture.as_deref().unwrap_or_default();
            by_label.insert(format!("{}:{architecture}", package.name), purl.clone());
            by_label.entry(package.name.clone()).or_insert_with(|| purl.clone());
            if find.content.packages().len() == 1 {
                by_label.entry(path::split(find.path).1.to_owned()).or_insert(purl);
            }
        }
        for find in &finds.own {
            if let Content::Owned { package, paths } = find.content
                && let Some(purl) = by_label.get(package)
            {
                owners.claim(overlay, paths, purl);
            }
        }
        owners
    }

    /// Packages list paths as they were packed; a link such as `lib -> usr/lib` puts them elsewhere.
    fn claim(&mut self, overlay: &Overlay<'_>, paths: &[String], purl: &str) {
        for place in paths.iter().filter_map(|path| overlay.resolve(path)) {
            self.0.entry(place).or_insert_with(|| purl.to_owned());
        }
    }

    /// The owner of all this evidence. One copy that nobody owns was put there by somebody else, and then the
    /// operating system does not answer for the component.
    fn of_all(&self, evidence: &[Evidence]) -> Option<String> {
        let mut each = evidence.iter().map(|evidence| self.0.get(&evidence.path));
        let first = each.next()??;
        each.all(|owner| owner.is_some()).then(|| first.clone())
    }
}
