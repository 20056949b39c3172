//! Laying the fragments of an image over each other, and what the whole then holds.

mod components;
mod overlay;
mod relations;
mod roots;

use crate::fragment::Fragment;
use crate::image;
use crate::layer::LayerSource;
use crate::model::{Inventory, Problem};
use crate::packages;
use crate::problems::Problems;
use components::{Finds, Since, Systems};
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
    Inventory { image, distro, roots, components, problems: all }
}

/// Notes what is visible but was not read: links to unread files, links in such numbers that they were not
/// followed.
fn note_unread(overlay: &Overlay<'_>, problems: &mut Problems) {
    for (path, target) in overlay.links() {
        if packages::claiming(path).is_some() && overlay.get(path).is_none() {
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
