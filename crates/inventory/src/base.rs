//! Which image an image stands on, from the surest proof there is: what the build says (provenance, or the annotations
//! `org.opencontainers.image.base.*`), the layers of a known image that are its lowest ones (chain IDs of the OCI image
//! specification, "config.md"), or what the history gives away, which is a guess.

use std::collections::HashMap;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::model::{BaseImage, BaseProof, ImageFacts, Inventory};
use crate::provenance::Provenance;

/// Annotations and labels that name the base.
const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// An image that others may stand on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownImage {
    /// With its tag: `registry.test/debian:12`.
    pub name: String,
    /// Digest of its manifest.
    pub digest: String,
    /// Creation time as its configuration spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// How many layers it has.
    pub layers: u32,
    /// What names exactly these layers in this order.
    pub chain_id: String,
}

/// Known images, by their layers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    images: Vec<KnownImage>,
}

impl Catalogue {
    /// Puts the images of a name, one for each platform, in place of what it stood for before.
    pub fn put(&mut self, name: &str, images: Vec<KnownImage>) {
        self.images.retain(|known| known.name != name);
        self.images.extend(images);
    }

    /// The images, in the order in which they were put in.
    pub fn images(&self) -> impl Iterator<Item = &KnownImage> {
        self.images.iter()
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The images whose layers are the lowest of these, the highest first. An image is not its own base.
    fn below(&self, diff_ids: &[&str]) -> Vec<&KnownImage> {
        let mut by_chain: HashMap<&str, Vec<&KnownImage>> = HashMap::new();
        for image in &self.images {
            by_chain.entry(&image.chain_id).or_default().push(image);
        }
        let chains = chain_ids(diff_ids);
        let own = chains.len().saturating_sub(1);
        let mut found = Vec::new();
        for chain in chains.iter().take(own).rev() {
            let mut same = by_chain.remove(chain.as_str()).unwrap_or_default();
            // The shortest name is that of the most general tag.
            same.sort_by_key(|image| (image.name.len(), &image.name));
            found.extend(same);
        }
        found
    }
}

/// The chain ID of each layer and all below it, bottom first.
#[must_use]
pub fn chain_ids(diff_ids: &[&str]) -> Vec<String> {
    let mut chains: Vec<String> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let chain = match chains.last() {
            None => (*diff_id).to_owned(),
            Some(below) => {
                let mut context = Context::new(&SHA256);
                context.update(format!("{below} {diff_id}").as_bytes());
                let hex: String =
                    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                format!("sha256:{hex}")
            }
        };
        chains.push(chain);
    }
    chains
}

/// The base images, the one that the image itself stands on first.
pub(crate) fn detect(
    inventory: &Inventory,
    stated: impl Fn(&str) -> Option<String>,
    provenance: Option<&Provenance>,
    catalogue: &Catalogue,
) -> Vec<BaseImage> {
    let facts = &inventory.image;
    let diff_ids: Vec<&str> = facts.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let known = known(catalogue, &diff_ids);
    let named = provenance
        .and_then(Provenance::base)
        .map(|base| (base.name, base.digest, BaseProof::Provenance))
        .or_else(|| Some((stated(BASE_NAME)?, stated(BASE_DIGEST), BaseProof::Stated)));
    let Some((name, digest, proof)) = named else {
        return if known.is_empty() { guess(inventory).into_iter().collect() } else { known };
    };
    // The one that is named may be known, and then it is known how many of the layers are its own.
    let is_same = |base: &&BaseImage| {
        digest.as_ref().is_some_and(|digest| base.digest.as_ref() == Some(digest))
            || base.name == name
            || base.alternatives.contains(&name)
    };
    let layers = match known.iter().find(is_same) {
        Some(same) => same.layers,
        None => boundary(facts).unwrap_or(0),
    };
    let lower = known.into_iter().filter(|base| base.layers < layers);
    std::iter::once(BaseImage { name, digest, layers, proof, alternatives: Vec::new() })
        .chain(lower)
        .collect()
}

/// Known images below these layers; those of the same layers are alternatives of one.
fn known(catalogue: &Catalogue, diff_ids: &[&str]) -> Vec<BaseImage> {
    let mut bases: Vec<BaseImage> = Vec::new();
    for image in catalogue.below(diff_ids) {
        match bases.last_mut().filter(|base| base.layers == image.layers) {
            Some(base) => base.alternatives.push(image.name.clone()),
            None => bases.push(BaseImage {
                name: image.name.clone(),
                digest: Some(image.digest.clone()),
                layers: image.layers,
                proof: BaseProof::Layers,
                alternatives: Vec::new(),
            }),
        }
    }
    bases
}

/// How many of the lowest layers are a base's: images that are made to be built upon end with a default command, and
/// what follows one is somebody else's work.
fn boundary(facts: &ImageFacts) -> Option<u32> {
    let steps = facts.history.iter().filter(|entry| !entry.empty_layer).count();
    if steps != facts.layers.len() {
        return None;
    }
    let is_command = |text: &str| {
        let text = text.trim_start_matches("/bin/sh -c #(nop)").trim_start();
        text.starts_with("CMD ") || text.starts_with("ENTRYPOINT ")
    };
    let mut layers = 0;
    let mut boundary = None;
    for entry in &facts.history {
        if !entry.empty_layer {
            layers += 1;
        } else if is_command(&entry.created_by) {
            boundary = Some(layers).filter(|&layers| (layers as usize) < facts.layers.len()).or(boundary);
        }
    }
    boundary.filter(|&layers| layers > 0)
}

/// The distribution's own image, when a command in the middle of the history says where a base ends.
fn guess(inventory: &Inventory) -> Option<BaseImage> {
    let layers = boundary(&inventory.image)?;
    let name = inventory.distro.as_ref().map(|distro| {
        let version = distro.codename.as_ref().or(distro.version_id.as_ref());
        version.map_or_else(|| distro.id.clone(), |version| format!("{}:{version}", distro.id))
    });
    Some(BaseImage {
        name: name.unwrap_or_default(),
        digest: None,
        layers,
        proof: BaseProof::History,
        alternatives: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Distro, HistoryEntry, LayerFacts};

    fn inventory(layers: &[&str], history: &[(&str, bool)]) -> Inventory {
        let layers =
            layers.iter().map(|id| LayerFacts { diff_id: (*id).to_owned(), ..LayerFacts::default() });
        let history = history.iter().map(|(step, empty)| HistoryEntry {
            created_by: (*step).to_owned(),
            empty_layer: *empty,
            ..HistoryEntry::default()
        });
        Inventory {
            image: ImageFacts {
                layers: layers.collect(),
                history: history.collect(),
                ..ImageFacts::default()
            },
            distro: Some(Distro {
                id: "debian".to_owned(),
                codename: Some("bookworm".to_owned()),
                ..Distro::default()
            }),
            ..Inventory::default()
        }
    }

    fn known_image(name: &str, layers: &[&str]) -> KnownImage {
        KnownImage {
            name: name.to_owned(),
            digest: format!("sha256:{name}"),
            created: None,
            layers: u32::try_from(layers.len()).expect("few"),
            chain_id: chain_ids(layers).pop().expect("a layer"),
        }
    }

    fn found(bases: &[BaseImage]) -> Vec<String> {
        let each = bases.iter().map(|base| {
            format!("{:?} {} {} {}", base.proof, base.name, base.layers, base.alternatives.join(","))
        });
        each.map(|line| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn chain_ids_are_those_of_the_specification() {
        let ids = chain_ids(&["sha256:aa", "sha256:bb"]);
        assert_eq!(ids[0], "sha256:aa");
        // printf 'sha256:aa sha256:bb' | sha256sum
        assert_eq!(ids[1], "sha256:b68ad689d6d1ec110ea1c13617437ad6f3766d4b3b309f6a603a222e07a0164f");
    }

    #[test]
    fn known_layers_give_a_hierarchy() {
        let mut catalogue = Catalogue::default();
        for (name, layers) in [
            ("debian:12", &["a"][..]),
            ("python:3.11-bookworm", &["a", "b"]),
            ("python:3", &["a", "b"]),
            ("app:1", &["a", "b", "c"]),
            ("alpine:3", &["x"]),
        ] {
            catalogue.put(name, vec![known_image(name, layers)]);
        }
        let app = inventory(&["a", "b", "c"], &[]);
        let bases = detect(&app, |_| None, None, &catalogue);
        assert_eq!(found(&bases), ["Layers python:3 2 python:3.11-bookworm", "Layers debian:12 1"]);
        let stated = |key: &str| (key == BASE_NAME).then(|| "python:3.11-bookworm".to_owned());
        assert_eq!(
            found(&detect(&app, stated, None, &catalogue)),
            ["Stated python:3.11-bookworm 2", "Layers debian:12 1"]
        );
    }

    #[test]
    fn a_command_in_the_middle_of_the_history_ends_a_base() {
        let history = [
            ("ADD file:x in /", false),
            ("CMD [\"bash\"]", true),
            ("RUN make", false),
            ("CMD [\"app\"]", true),
        ];
        let bases = detect(&inventory(&["a", "b"], &history), |_| None, None, &Catalogue::default());
        assert_eq!(found(&bases), ["History debian:bookworm 1"]);
        let alone = detect(&inventory(&["a"], &history[..2]), |_| None, None, &Catalogue::default());
        assert_eq!(found(&alone), [""; 0]);
    }
}
