//! Laying the fragments of an image over each other, and what the whole then holds.

mod components;
mod overlay;
mod relations;
mod roots;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{self, Catalogue};
use crate::fragment::Fragment;
use crate::image;
use crate::layer::LayerSource;
use crate::model::{ImageFacts, Inventory, Problem};
use crate::packages;
use crate::problems::Problems;
use crate::provenance::Provenance;
use components::{Finds, Since, Systems};
use overlay::Overlay;

/// What the manifest of an image says beside the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestFacts {
    /// The layers, bottom first.
    pub layers: Vec<LayerSource>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// What its build says of it, when there is an attestation.
    pub provenance: Option<Provenance>,
    /// Images that it may stand on.
    pub known_images: Arc<Catalogue>,
}

/// Annotations and labels that name the source code: repository and commit, today's names and those of before.
const SOURCE: [&str; 2] = ["org.opencontainers.image.source", "org.label-schema.vcs-url"];
const REVISION: [&str; 2] = ["org.opencontainers.image.revision", "org.label-schema.vcs-ref"];

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
    let mut image = image::facts(config_json, &manifest.layers, fragments, &mut problems);
    image.annotations.clone_from(&manifest.annotations);
    let stated = |image: &ImageFacts, key: &str| {
        let value = image.annotations.get(key).or_else(|| image.labels.get(key));
        value.filter(|value| !value.is_empty()).cloned()
    };
    let built = manifest.provenance.as_ref();
    let either = |proven: Option<String>, keys: [&str; 2]| {
        proven.or_else(|| keys.iter().find_map(|key| stated(&image, key)))
    };
    let repository = either(built.and_then(|built| built.repository.clone()), SOURCE);
    let revision = either(built.and_then(|built| built.revision.clone()), REVISION);
    (image.source_repository, image.source_revision) = (repository, revision);
    let mut overlay = Overlay::default();
    let mut since = Since::default();
    for (layer, fragment) in (0..).zip(fragments) {
        overlay.lay(fragment, layer, |path, reason| problems.file(path, reason));
        if overlay.take_database_changed() {
            since.update(layer, &Finds::of(&overlay));
        }
    }
    let distro = roots::identify(&overlay, "");
    let finds = Finds::of(&overlay);
    note_unread(&overlay, &mut problems);
    let roots = roots::describe(&overlay, finds.roots());
    let systems = Systems { own: distro.as_ref(), nested: &roots };
    let components = components::components(&overlay, &finds, &since, &systems, fragments);
    let mut all: Vec<Problem> =
        fragments.iter().flat_map(|fragment| fragment.problems.iter().cloned()).collect();
    all.extend(problems.finish(None));
    all.sort();
    all.dedup();
    let mut inventory =
        Inventory { image, distro, base_images: Vec::new(), roots, components, problems: all };
    let named = |key: &str| stated(&inventory.image, key);
    inventory.base_images = base::detect(&inventory, named, built, &manifest.known_images);
    inventory
}

/// Notes what is visible but was not read: links to unread files, links in such numbers that they were not
/// followed.
fn note_unread(overlay: &Overlay<'_>, problems: &mut Problems) {
    // Of files that are known by their bytes a name promises nothing: a link may lead to a manual page.
    let is_promise = |path: &str| packages::claiming(path).is_some_and(|room| room.recognises.is_none());
    for (path, target) in overlay.links() {
        if is_promise(path) && overlay.get(path).is_none() {
            problems.file(
                path,
                format!("a link to {target:?}, which was not read; what it describes is missing"),
            );
        }
    }
    if overlay.is_exhausted() {
        let reason = "the layers hold so many links that they were not all followed; packages may be missing";
        problems.general(reason);
    }
}
