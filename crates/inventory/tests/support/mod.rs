//! Layers as data: what the tests write down, and how it becomes bytes.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::io::Write as _;

use tidewaiter_inventory::{Fragment, Inventory, LayerSource, Limits, ManifestFacts, layer, merge};

/// One member of a layer.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Dir(String),
    File(String, Vec<u8>),
    Symlink(String, String),
    HardLink(String, String),
}

pub(crate) fn dir(path: &str) -> Item {
    Item::Dir(path.to_owned())
}

pub(crate) fn file(path: &str, content: impl AsRef<[u8]>) -> Item {
    Item::File(path.to_owned(), content.as_ref().to_vec())
}

pub(crate) fn symlink(path: &str, target: &str) -> Item {
    Item::Symlink(path.to_owned(), target.to_owned())
}

pub(crate) fn hard_link(path: &str, target: &str) -> Item {
    Item::HardLink(path.to_owned(), target.to_owned())
}

/// A tar of these members, names as given (long ones in the GNU way).
pub(crate) fn tar(items: &[Item]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for item in items {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        let done = match item {
            Item::Dir(path) => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                builder.append_data(&mut header, path, std::io::empty())
            }
            Item::File(path, content) => {
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, path, content.as_slice())
            }
            Item::Symlink(path, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, path, target)
            }
            Item::HardLink(path, target) => {
                header.set_entry_type(tar::EntryType::Link);
                header.set_size(0);
                builder.append_link(&mut header, path, target)
            }
        };
        done.expect("a member that fits a tar");
    }
    builder.into_inner().expect("a tar in memory")
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(crate) fn source() -> LayerSource {
    LayerSource { digest: "sha256:stored".to_owned(), size: 0, media_type: String::new() }
}

/// Reads a layer that is expected to be sound.
pub(crate) fn read(bytes: &[u8]) -> Fragment {
    layer::read(bytes, &source(), &Limits::default()).expect("a sound layer")
}

/// The inventory of an image of these layers, bottom first, through an encoded fragment each.
pub(crate) fn image(layers: &[Vec<Item>]) -> Inventory {
    let stored: Vec<_> = layers.iter().map(|items| read(&tar(items)).encode()).collect();
    let fragments: Vec<_> = stored.iter().map(|bytes| Fragment::decode(bytes).expect("our own")).collect();
    let sources = layers.iter().map(|_| source()).collect();
    merge(
        &fragments.iter().collect::<Vec<_>>(),
        b"",
        &ManifestFacts { layers: sources, ..ManifestFacts::default() },
    )
}

/// Components as `purl @ path#layer, path#layer [owner]`.
pub(crate) fn listed(inventory: &Inventory) -> Vec<String> {
    let component = |component: &tidewaiter_inventory::Component| {
        let places = component.evidence.iter().map(|place| format!("{}#{}", place.path, place.layer));
        let owner = component.owner.as_ref().map(|owner| format!(" [{owner}]")).unwrap_or_default();
        format!("{} @ {}{owner}", component.purl, places.collect::<Vec<_>>().join(", "))
    };
    inventory.components.iter().map(component).collect()
}

/// Problems as `path (position): reason`.
pub(crate) fn problems(inventory: &Inventory) -> Vec<String> {
    let problem = |problem: &tidewaiter_inventory::Problem| {
        let path = problem.path.as_deref().unwrap_or("-");
        let position = problem.position.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        format!("{path}{position}: {}", problem.reason)
    };
    inventory.problems.iter().map(problem).collect()
}
