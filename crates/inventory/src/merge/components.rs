//! From the files that are left in the end to components with evidence, owners and relations.

use std::collections::{BTreeMap, HashMap};

use super::overlay::Overlay;
use super::relations;
use super::roots;
use crate::fragment::{Content, Fragment, Package};
use crate::model::{Component, ComponentKind, Distro, Evidence, NestedRoot};
use crate::packages::{self, ROOMS, Room, copyright};
use crate::path;

/// A kept file and the room it belongs to.
pub(super) struct Find<'o, 'f> {
    pub(super) path: &'o str,
    layer: u32,
    room: &'static Room,
    content: &'f Content,
    /// The root whose database it is; empty for the image's own root, and for files that are no database.
    root: &'o str,
}

/// Everything the rooms kept that is visible.
pub(super) struct Finds<'o, 'f>(Vec<Find<'o, 'f>>);

impl<'o, 'f> Finds<'o, 'f> {
    pub(super) fn of(overlay: &'o Overlay<'f>) -> Self {
        let homes: Vec<(&str, String)> = ROOMS
            .iter()
            .flat_map(|room| room.homes.iter().filter_map(|home| Some((room.name, overlay.resolve(home)?))))
            .collect();
        let is_home = |room: &Room, path: &str| {
            homes.iter().any(|(name, home)| *name == room.name && path::is_below(path, home))
        };
        let finds = overlay.files().filter_map(|(path, file)| {
            let room = packages::describing(path, file.kept)?;
            let is_own = room.homes.is_empty() || is_home(room, path);
            let root = if is_own { "" } else { roots::of_database(path, room) };
            Some(Find { path, layer: file.layer, room, content: &file.kept.content, root })
        });
        Self(finds.collect())
    }

    /// The other roots inside the image that have packages, in any order, some several times.
    pub(super) fn roots(&self) -> impl Iterator<Item = &'o str> {
        self.0
            .iter()
            .filter(|find| !find.root.is_empty() && !find.content.packages().is_empty())
            .map(|find| find.root)
    }

    /// Every package with the file it is in and its position there.
    pub(super) fn packages(&self) -> impl Iterator<Item = (&Find<'o, 'f>, usize, &'f Package)> {
        self.0.iter().flat_map(|find| {
            find.content
                .packages()
                .iter()
                .enumerate()
                .map(move |(position, package)| (find, position, package))
        })
    }

    /// The packages that are in a database, and not in a file of their own.
    fn in_databases(&self) -> impl Iterator<Item = (&Find<'o, 'f>, &'f Package)> {
        self.packages()
            .filter(|(find, ..)| !find.room.homes.is_empty())
            .map(|(find, _, package)| (find, package))
    }
}

/// A package of a database, whichever file it is in. Architecture counts: dpkg installs a package for several.
type Key<'f> = (String, ComponentKind, &'f str, Option<&'f str>, &'f str);

fn key<'f>(find: &Find<'_, 'f>, package: &'f Package) -> Key<'f> {
    let architecture = package.architecture.as_deref();
    (find.root.to_owned(), package.kind, &package.name, architecture, &package.version)
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
        let keys = finds.in_databases().map(|(find, package)| key(find, package));
        self.0 = keys.map(|key| (key.clone(), kept(&key))).collect();
    }
}

/// The roots of an image and the systems they hold.
pub(super) struct Systems<'a> {
    pub(super) own: Option<&'a Distro>,
    pub(super) nested: &'a [NestedRoot],
}

impl<'a> Systems<'a> {
    /// The root that a path lies in: the innermost, `None` for the image's own.
    fn root_of(&self, path: &str) -> Option<&'a NestedRoot> {
        let around = self.nested.iter().filter(|root| path::is_below(path, &root.path));
        around.max_by_key(|root| root.path.len())
    }
}

/// The components, sorted, those that are equal merged into one.
pub(super) fn components(
    overlay: &Overlay<'_>,
    finds: &Finds<'_, '_>,
    since: &Since<'_>,
    systems: &Systems<'_>,
    fragments: &[&Fragment],
) -> Vec<Component> {
    let owners = Owners::of(overlay, finds, systems);
    let mut components: Vec<Component> = Vec::new();
    let mut known: BTreeMap<(ComponentKind, &str, &str, Option<&str>, String), usize> = BTreeMap::new();
    let mut indices = Vec::new();
    for (find, _, package) in finds.packages() {
        let layer = since.0.get(&key(find, package)).copied().unwrap_or(find.layer);
        let diff_id =
            fragments.get(layer as usize).map(|fragment| fragment.diff_id.clone()).unwrap_or_default();
        let root = systems.root_of(find.path);
        let root_path = root.map(|root| root.path.as_str());
        let distro = root.map_or(systems.own, |root| root.distro.as_ref());
        let found = package.component(distro);
        let key =
            (package.kind, package.name.as_str(), package.version.as_str(), root_path, found.purl.clone());
        let index = *known.entry(key).or_insert(components.len());
        if let Some(component) = components.get_mut(index) {
            component.complete(found);
        } else {
            components.push(Component { root: root_path.map(str::to_owned), ..found });
        }
        indices.push(index);
        components[index].evidence.push(Evidence {
            path: find.path.to_owned(),
            member: package.member.clone(),
            kind: package.proof,
            confidence: package.confidence,
            layer,
            diff_id,
        });
    }
    relations::relate(finds, &indices, &mut components);
    license(overlay, finds, &mut components);
    for component in &mut components {
        component.evidence.sort();
        component.evidence.dedup();
        component.owner = owners.of_all(&component.evidence).filter(|owner| *owner != component.purl);
    }
    components.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
    components
}

/// Gives the packages of dpkg the licences that their `copyright` file names; the directory it is in may be a link.
fn license(overlay: &Overlay<'_>, finds: &Finds<'_, '_>, components: &mut [Component]) {
    let named = finds.0.iter().filter_map(|find| match find.content {
        Content::Licenses(licenses) => Some((find.path, licenses)),
        _ => None,
    });
    let named: HashMap<&str, &Vec<String>> = named.collect();
    if named.is_empty() {
        return;
    }
    for component in components.iter_mut().filter(|component| component.kind == ComponentKind::Deb) {
        let root = component.root.as_deref().unwrap_or_default();
        let file = format!("{}/{}/{}", copyright::DIRECTORY, component.name, copyright::NAME);
        let place = overlay.resolve(&path::join(root, &file));
        if let Some(licenses) = place.and_then(|place| named.get(place.as_str()).copied())
            && component.licenses.is_empty()
        {
            component.licenses.clone_from(licenses);
        }
    }
}

impl Component {
    /// Fills in what this one does not know and another finding of the same package does.
    fn complete(&mut self, other: Self) {
        fn or<T>(slot: &mut Option<T>, other: Option<T>) {
            if slot.is_none() {
                *slot = other;
            }
        }
        or(&mut self.source, other.source);
        or(&mut self.architecture, other.architecture);
        or(&mut self.vendor, other.vendor);
        or(&mut self.maintainer, other.maintainer);
        or(&mut self.modularity, other.modularity);
        if self.licenses.is_empty() {
            self.licenses = other.licenses;
        }
        for cpe in other.cpes {
            if !self.cpes.contains(&cpe) {
                self.cpes.push(cpe);
            }
        }
    }
}

/// The package URL of the operating system package that owns a path, for the paths where that matters.
struct Owners(HashMap<String, String>);

impl Owners {
    fn of(overlay: &Overlay<'_>, finds: &Finds<'_, '_>, systems: &Systems<'_>) -> Self {
        let mut owners = Self(HashMap::new());
        let mut by_label: HashMap<(&str, String), String> = HashMap::new();
        for (find, package) in finds.in_databases() {
            let root = systems.root_of(find.path);
            let purl = crate::purl::of(package, root.map_or(systems.own, |root| root.distro.as_ref()));
            owners.claim(overlay, find.root, &package.owns, &purl);
            // Lists are named `name`, `name:architecture` where several may be installed, and like the file
            // of the package in distroless images.
            let architecture = package.architecture.as_deref().unwrap_or_default();
            by_label.insert((find.root, format!("{}:{architecture}", package.name)), purl.clone());
            by_label.entry((find.root, package.name.clone())).or_insert_with(|| purl.clone());
            if find.content.packages().len() == 1 {
                by_label.entry((find.root, path::split(find.path).1.to_owned())).or_insert(purl);
            }
        }
        for find in &finds.0 {
            if let Content::Owned { package, paths } = find.content
                && let Some(purl) = by_label.get(&(find.root, package.clone()))
            {
                owners.claim(overlay, find.root, paths, purl);
            }
        }
        owners
    }

    /// Packages list paths as they were packed, from their own root; a link such as `lib -> usr/lib` puts them
    /// elsewhere.
    fn claim(&mut self, overlay: &Overlay<'_>, root: &str, paths: &[String], purl: &str) {
        for place in paths.iter().filter_map(|path| overlay.resolve(&path::join(root, path))) {
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
