//! Laying the fragments of an image over each other, and what the whole then holds.

mod overlay;

use std::collections::{BTreeMap, HashMap};

use crate::fragment::{Content, Fragment, Package};
use crate::image;
use crate::layer::LayerSource;
use crate::model::{Component, ComponentKind, Distro, Evidence, Inventory, Problem};
use crate::os_release;
use crate::packages::{self, Room};
use crate::path;
use crate::problems::Problems;
use overlay::Overlay;

/// What the manifest of an image says beside the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestFacts {
    /// The layers, bottom first.
    pub layers: Vec<LayerSource>,
}

/// Problems of the merge itself that are kept.
const MAX_PROBLEMS: usize = 1_000;

/// Makes the inventory of an image from the fragments of its layers, bottom first.
///
/// `config_json` is the image configuration as stored, empty when there is none (a directory); `manifest` tells
/// the layers as stored, in the order of `fragments`. Never fails: what is wrong with the configuration or
/// between the layers joins the problems of the fragments.
#[must_use]
pub fn merge(fragments: &[&Fragment], config_json: &[u8], manifest: &ManifestFacts) -> Inventory {
    let mut problems = Problems::new(MAX_PROBLEMS);
    let image = image::facts(config_json, &manifest.layers, fragments, &mut problems);
    let mut overlay = Overlay::default();
    let mut since = Since::default();
    for (layer, fragment) in (0..).zip(fragments) {
        overlay.lay(fragment, layer, |path, target| {
            let reason = format!(
                "a hard link to {target:?}, whose content was not kept; what it describes is missing"
            );
            problems.file(path, reason);
        });
        if overlay.take_database_changed() {
            since.update(layer, &database_packages(&overlay));
        }
    }
    let distro = os_release::identify(|path| match overlay.get(path)?.1.content {
        Content::Text(text) => Some(text.as_str()),
        _ => None,
    });
    if overlay.is_exhausted() {
        problems.general("the layers link directories so often that paths were not followed to the end; packages may be missing");
    }
    note_unread(&overlay, &mut problems);
    let merge = Merge { overlay: &overlay, since: &since, fragments, distro: distro.as_ref() };
    let components = merge.components();
    let mut all: Vec<Problem> =
        fragments.iter().flat_map(|fragment| fragment.problems.iter().cloned()).collect();
    all.extend(problems.finish(None));
    all.sort();
    all.dedup();
    Inventory { image, distro, components, problems: all }
}

/// A package of a database, whichever file it is in. Architecture counts: dpkg installs a package for several.
type Key<'f> = (ComponentKind, &'f str, Option<&'f str>, &'f str);

fn key(package: &Package) -> Key<'_> {
    (package.kind, &package.name, package.architecture.as_deref(), &package.version)
}

/// From which layer on each package of a database has been there without a gap.
#[derive(Default)]
struct Since<'f>(HashMap<Key<'f>, u32>);

impl<'f> Since<'f> {
    fn update(&mut self, layer: u32, packages: &[&'f Package]) {
        let before = std::mem::take(&mut self.0);
        let kept = |key: &Key<'f>| before.get(key).copied().unwrap_or(layer);
        self.0 = packages.iter().map(|package| key(package)).map(|key| (key, kept(&key))).collect();
    }
}

/// The packages of the image's own databases as they are now.
fn database_packages<'f>(overlay: &Overlay<'f>) -> Vec<&'f Package> {
    let homes = Homes::of(overlay);
    let mut found = Vec::new();
    for (path, file) in overlay.files() {
        if let (Content::Packages(packages), Some(room)) = (file.content, packages::claiming(path))
            && homes.has(room, path)
            && !room.homes.is_empty()
        {
            found.extend(packages);
        }
    }
    found
}

/// Where the directories of package databases really are.
struct Homes(Vec<(ComponentKind, String)>);

impl Homes {
    fn of(overlay: &Overlay<'_>) -> Self {
        let homes = packages::ROOMS.iter().flat_map(|room| room.homes.iter().map(|home| (room.kind, *home)));
        Self(homes.filter_map(|(kind, home)| Some((kind, overlay.resolve(home)?))).collect())
    }

    /// Whether the file belongs to the image itself, and not to another root inside it.
    fn has(&self, room: &Room, path: &str) -> bool {
        room.homes.is_empty()
            || self.0.iter().any(|(kind, home)| *kind == room.kind && path::is_below(path, home))
    }
}

/// Notes what is visible but was not read: databases of nested roots, and links to unread files.
fn note_unread(overlay: &Overlay<'_>, problems: &mut Problems) {
    let homes = Homes::of(overlay);
    for (path, file) in overlay.files() {
        if let (Content::Packages(_), Some(room)) = (file.content, packages::claiming(path))
            && !homes.has(room, path)
        {
            problems.file(
                path,
                "a package database of another root inside the image; its packages are not listed",
            );
        }
    }
    for (path, target) in overlay.links() {
        if packages::claiming(path).is_some() && overlay.get(path).is_none() {
            problems.file(
                path,
                format!("a link to {target:?}, which was not read; what it describes is missing"),
            );
        }
    }
}

/// All there is to know when components are made.
struct Merge<'a, 'f> {
    overlay: &'a Overlay<'f>,
    since: &'a Since<'f>,
    fragments: &'a [&'f Fragment],
    distro: Option<&'a Distro>,
}

impl<'f> Merge<'_, 'f> {
    fn components(&self) -> Vec<Component> {
        let homes = Homes::of(self.overlay);
        let owners = self.owners(&homes);
        let mut merged: BTreeMap<(ComponentKind, String, String, String), Component> = BTreeMap::new();
        for (path, file) in self.overlay.files() {
            let (Content::Packages(packages), Some(room)) = (file.content, packages::claiming(path)) else {
                continue;
            };
            if !homes.has(room, path) {
                continue;
            }
            for package in packages {
                let layer = self.since.0.get(&key(package)).copied().unwrap_or(file.layer);
                let evidence = self.evidence(path, layer);
                let purl = (room.purl)(package, self.distro);
                let place = (package.kind, package.name.clone(), package.version.clone(), purl.clone());
                let component = merged.entry(place).or_insert_with(|| package.component(purl));
                component.evidence.push(evidence);
            }
        }
        let mut components: Vec<_> = merged.into_values().collect();
        for component in &mut components {
            component.evidence.sort();
            component.evidence.dedup();
            component.owner = owner(component, &owners);
        }
        components.sort_by(|one, other| sort_key(one).cmp(&sort_key(other)));
        components
    }

    fn evidence(&self, path: &str, layer: u32) -> Evidence {
        let diff_id = self.fragments.get(layer as usize).map(|fragment| fragment.diff_id.clone());
        Evidence { path: path.to_owned(), layer, diff_id: diff_id.unwrap_or_default() }
    }

    /// The package URL of the operating system package that owns each path, as far as it matters.
    fn owners(&self, homes: &Homes) -> HashMap<String, String> {
        let mut owners = HashMap::new();
        let mut by_label: HashMap<String, String> = HashMap::new();
        let mut lists = Vec::new();
        for (place, file) in self.overlay.files() {
            let Some(room) =
                packages::claiming(place).filter(|room| !room.homes.is_empty() && homes.has(room, place))
            else {
                continue;
            };
            match file.content {
                Content::Packages(packages) => {
                    // Distroless images have a file per package, and the list beside it has the same name.
                    if let [package] = packages.as_slice() {
                        let (_, name) = path::split(place);
                        by_label.insert(name.to_owned(), (room.purl)(package, self.distro));
                    }
                    for package in packages {
                        let purl = (room.purl)(package, self.distro);
                        for path in &package.owns {
                            self.claim(path, &purl, &mut owners);
                        }
                        let architecture = package.architecture.as_deref().unwrap_or_default();
                        by_label.insert(format!("{}:{architecture}", package.name), purl.clone());
                        by_label.entry(package.name.clone()).or_insert(purl);
                    }
                }
                Content::Owned { package, paths } => lists.push((package, paths)),
                Content::Text(_) => {}
            }
        }
        for (label, paths) in lists {
            if let Some(purl) = by_label.get(label) {
                for path in paths {
                    self.claim(path, purl, &mut owners);
                }
            }
        }
        owners
    }

    /// Packages list paths as they were packed; a link such as `lib -> usr/lib` puts them elsewhere.
    fn claim(&self, path: &str, purl: &str, owners: &mut HashMap<String, String>) {
        if let Some(place) = self.overlay.resolve(path) {
            owners.entry(place).or_insert_with(|| purl.to_owned());
        }
    }
}

/// The owner of all its evidence. One copy that nobody owns was put there by somebody else, and then the
/// operating system does not answer for the component.
fn owner(component: &Component, owners: &HashMap<String, String>) -> Option<String> {
    let mut each = component.evidence.iter().map(|evidence| owners.get(&evidence.path));
    let first = each.next()??;
    each.all(|owner| owner.is_some()).then(|| first.clone())
}

fn sort_key(component: &Component) -> (ComponentKind, &str, &str, &str, &str) {
    let first = component.evidence.first().map_or("", |evidence| evidence.path.as_str());
    (component.kind, &component.name, &component.version, first, &component.purl)
}
