//! `index.json` of an OCI image layout: which manifests there are and what they are called.
//!
//! Fields that we do not know are kept as they are, at both levels.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::links::{Links, Node};
use crate::reference::Reference;

/// Annotation that names a manifest in a layout (OCI image specification, "Annotations").
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation with the whole image name that containerd and Docker write beside it.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The content of the file `oci-layout`.
pub(crate) const LAYOUT_FILE: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The largest `index.json` we read, in bytes: room for some hundred thousand manifests.
pub(crate) const MAX_INDEX_SIZE: u64 = 64 * 1024 * 1024;

/// Checks the content of the file `oci-layout`.
pub(crate) fn check_layout_file(store: &Path, bytes: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct LayoutFile {
        image_layout_version: String,
    }
    let LayoutFile { image_layout_version } = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid_store(store, format!("its file oci-layout is broken: {error}")))?;
    if image_layout_version != "1.0.0" {
        let reason = format!("its layout version \"{image_layout_version}\" is not supported, only 1.0.0 is");
        return Err(Error::invalid_store(store, reason));
    }
    Ok(())
}

/// An image that a layout or an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedImage {
    /// What it is called; may be empty.
    pub names: Vec<String>,
    /// Its manifest or index.
    pub descriptor: Descriptor,
}

/// One member of `manifests`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    pub(crate) descriptor: Descriptor,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Entry {
    fn tag(&self) -> Option<&str> {
        self.descriptor.annotation(REF_NAME)
    }

    /// The whole image name where there is one, else the tag.
    fn name(&self) -> Option<&str> {
        self.descriptor.annotation(CONTAINERD_NAME).or_else(|| self.tag())
    }

    /// Its descriptor without the name.
    pub(crate) fn unnamed(&self) -> Descriptor {
        without_name(&self.descriptor)
    }
}

fn without_name(descriptor: &Descriptor) -> Descriptor {
    let mut descriptor = descriptor.clone();
    if let Some(annotations) = &mut descriptor.annotations {
        annotations.remove(REF_NAME);
        if annotations.is_empty() {
            descriptor.annotations = None;
        }
    }
    descriptor
}

/// A change of the file. Applying one twice is the same as applying it once.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Lists a manifest.
    List(Descriptor),
    /// Gives it a tag, which it takes from any other.
    Tag(Descriptor, String),
    /// Takes a tag away; its manifest stays listed.
    Untag(String),
    /// Takes a manifest with all its tags out.
    Remove(Digest),
}

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IndexFile {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    manifests: Vec<Entry>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    Ok(Option::<Vec<Entry>>::deserialize(deserializer)?.unwrap_or_default())
}

impl Default for IndexFile {
    fn default() -> Self {
        Self { schema_version: 2, media_type: None, manifests: Vec::new(), rest: Map::new() }
    }
}

impl IndexFile {
    /// A file that lists manifests.
    pub(crate) fn of<'a>(manifests: impl Iterator<Item = &'a Descriptor>) -> Self {
        let mut index = Self::default();
        manifests.for_each(|manifest| index.list(manifest));
        index
    }

    /// Reads the file of the layout at `store`.
    pub(crate) fn parse(store: &Path, bytes: &[u8]) -> Result<Self> {
        let index: Self = serde_json::from_slice(bytes)
            .map_err(|error| Error::invalid_store(store, format!("its index.json is broken: {error}")))?;
        if index.schema_version != 2 {
            let reason = format!("its index.json has schema version {} instead of 2", index.schema_version);
            return Err(Error::invalid_store(store, reason));
        }
        Ok(index)
    }

    /// The file's bytes.
    pub(crate) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// All entries; a manifest with several tags has several.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.manifests
    }

    /// The entry of a manifest.
    pub(crate) fn find(&self, digest: &Digest) -> Option<&Entry> {
        self.manifests.iter().find(|entry| entry.descriptor.digest == *digest)
    }

    /// The entry with a tag; or with a whole image name, however Docker's users shorten it.
    pub(crate) fn find_name(&self, name: &str) -> Option<&Entry> {
        let by_tag = self.manifests.iter().rev().find(|entry| entry.tag() == Some(name));
        by_tag.or_else(|| {
            let wanted = Reference::parse_familiar(name).ok()?;
            let is_wanted = |entry: &&Entry| {
                let full = entry.descriptor.annotation(CONTAINERD_NAME);
                full.and_then(|full| Reference::parse_familiar(full).ok()).as_ref() == Some(&wanted)
            };
            self.manifests.iter().rev().find(is_wanted)
        })
    }

    /// All tags, sorted.
    pub(crate) fn tags(&self) -> BTreeSet<&str> {
        self.manifests.iter().filter_map(Entry::tag).collect()
    }

    /// A manifest has a tag.
    pub(crate) fn is_tagged(&self, digest: &Digest) -> bool {
        self.manifests.iter().any(|entry| entry.descriptor.digest == *digest && entry.tag().is_some())
    }

    /// Makes a change.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::List(descriptor) => self.list(descriptor),
            Change::Tag(descriptor, tag) => self.set_tag(descriptor, tag),
            Change::Untag(tag) => self.remove_tag(tag),
            Change::Remove(digest) => self.manifests.retain(|entry| entry.descriptor.digest != *digest),
        }
    }

    fn list(&mut self, descriptor: &Descriptor) {
        if self.find(&descriptor.digest).is_none() {
            self.manifests.push(Entry { descriptor: without_name(descriptor), rest: Map::new() });
        }
    }

    fn set_tag(&mut self, descriptor: &Descriptor, tag: &str) {
        let is_already =
            |entry: &Entry| entry.descriptor.digest == descriptor.digest && entry.tag() == Some(tag);
        if self.manifests.iter().any(is_already) {
            return;
        }
        self.remove_tag(tag);
        self.list(descriptor);
        let of_digest = |entry: &&mut Entry| entry.descriptor.digest == descriptor.digest;
        let untagged = self.manifests.iter_mut().filter(of_digest).find(|entry| entry.tag().is_none());
        if let Some(entry) = untagged {
            entry.descriptor.annotations.get_or_insert_default().insert(REF_NAME.to_owned(), tag.to_owned());
        } else if let Some(mut entry) = self.find(&descriptor.digest).cloned() {
            entry.descriptor.annotations.get_or_insert_default().insert(REF_NAME.to_owned(), tag.to_owned());
            self.manifests.push(entry);
        }
    }

    /// An entry that loses its tag stays only when its manifest has no other entry.
    fn remove_tag(&mut self, tag: &str) {
        if !self.manifests.iter().any(|entry| entry.tag() == Some(tag)) {
            return;
        }
        let mut entries = HashMap::<Digest, usize>::new();
        for entry in &self.manifests {
            *entries.entry(entry.descriptor.digest.clone()).or_default() += 1;
        }
        self.manifests.retain_mut(|entry| {
            if entry.tag() != Some(tag) {
                return true;
            }
            entry.descriptor = entry.unnamed();
            match entries.get_mut(&entry.descriptor.digest) {
                Some(count) if *count > 1 => {
                    *count -= 1;
                    false
                }
                _ => true,
            }
        });
    }

    /// The images among the manifests: what is tagged, and what is neither part of another nor refers to one.
    pub(crate) fn images(&self, links: &Links) -> Vec<ListedImage> {
        let mut images: Vec<ListedImage> = Vec::new();
        let mut places = HashMap::new();
        for entry in &self.manifests {
            let digest = &entry.descriptor.digest;
            let name = entry.name().map(str::to_owned);
            if let Some(&place) = places.get(digest) {
                let image: &mut ListedImage = &mut images[place];
                image.names.extend(name);
                continue;
            }
            let hangs_on_another =
                links.is_pointed_at(digest) || links.get(digest).is_some_and(Node::has_subject);
            if name.is_some() || !hangs_on_another {
                places.insert(digest, images.len());
                images.push(ListedImage { names: name.into_iter().collect(), descriptor: entry.unnamed() });
            }
        }
        images
    }
}

/// The image that is meant when none is named: the only one, or the only one with a name.
pub(crate) fn sole_image(store: &Path, images: &[ListedImage]) -> Result<Descriptor> {
    let named: Vec<_> = images.iter().filter(|image| !image.names.is_empty()).collect();
    match (images, named.as_slice()) {
        ([image], _) => Ok(image.descriptor.clone()),
        (_, [image]) => Ok(image.descriptor.clone()),
        ([], _) => Err(Error::not_found(format!("an image in {}", store.display()))),
        _ => {
            let name = |image: &ListedImage| match image.names.as_slice() {
                [] => image.descriptor.digest.to_string(),
                names => names.join(", "),
            };
            let names = images.iter().map(name).collect::<Vec<_>>().join(", ");
            Err(Error::AmbiguousImage { path: store.to_owned(), names })
        }
    }
}

/// Follows the entries to every manifest that can be read. `read` gives nothing for what is missing or
/// broken: layouts may leave content out, and one bad manifest must not hide the others.
pub(crate) fn link(index: &IndexFile, mut read: impl FnMut(&Descriptor) -> Option<Node>) -> Links {
    let mut links = Links::default();
    let mut visited = HashSet::new();
    let mut waiting: Vec<Descriptor> = index.manifests.iter().map(|entry| entry.descriptor.plain()).collect();
    while let Some(descriptor) = waiting.pop() {
        if !descriptor.is_manifest() || !visited.insert(descriptor.digest.clone()) {
            continue;
        }
        if let Some(node) = read(&descriptor) {
            waiting.extend_from_slice(node.targets());
            links.insert(node);
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::OCI_MANIFEST;

    fn descriptor(content: &str) -> Descriptor {
        Descriptor::of(OCI_MANIFEST, content.as_bytes())
    }

    fn shown(index: &IndexFile) -> Vec<(String, Option<&str>)> {
        let show = |entry: &'_ Entry| entry.descriptor.digest.short().to_owned();
        index.entries().iter().map(|entry| (show(entry), entry.tag())).collect()
    }

    #[test]
    fn tags_move_and_go_but_manifests_stay() {
        let (a, b) = (descriptor("a"), descriptor("b"));
        let (a_name, b_name) = (a.digest.short().to_owned(), b.digest.short().to_owned());
        let mut index = IndexFile::default();
        index.apply(&Change::List(a.clone()));
        index.apply(&Change::Tag(a.clone(), "v1".to_owned()));
        index.apply(&Change::Tag(a.clone(), "v2".to_owned()));
        index.apply(&Change::Tag(b.clone(), "v1".to_owned()));
        assert_eq!(shown(&index), [(a_name.clone(), Some("v2")), (b_name.clone(), Some("v1"))]);
        index.apply(&Change::Untag("v2".to_owned()));
        assert_eq!(shown(&index), [(a_name, None), (b_name.clone(), Some("v1"))]);
        index.apply(&Change::Remove(a.digest));
        assert_eq!(shown(&index), [(b_name, Some("v1"))]);
        assert_eq!(index.find_name("v1").map(|entry| entry.unnamed()), Some(b));
    }

    #[test]
    fn unknown_fields_survive() {
        let digest = Digest::sha256(b"");
        let text = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"a/b","digest":"{digest}","size":1,"new":[1]}}],"annotations":{{"k":"v"}}}}"#
        );
        let index = IndexFile::parse(Path::new("x"), text.as_bytes()).expect("parse");
        assert_eq!(String::from_utf8(index.to_bytes().expect("write")).expect("text"), text);
    }

    #[test]
    fn whole_image_names_are_found_as_docker_shortens_them() {
        let mut named = descriptor("a");
        let annotations = [(CONTAINERD_NAME, "docker.io/library/alpine:3.10"), (REF_NAME, "3.10")];
        named.annotations = Some(annotations.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
        let index = IndexFile {
            manifests: vec![Entry { descriptor: named, rest: Map::new() }],
            ..IndexFile::default()
        };
        for name in ["3.10", "alpine:3.10", "docker.io/library/alpine:3.10", "library/alpine:3.10"] {
            assert!(index.find_name(name).is_some(), "{name}");
        }
        assert!(index.find_name("alpine").is_none());
    }

    #[test]
    fn broken_files_are_explained() {
        for (text, reason) in [
            ("{", "is broken: EOF"),
            (r#"{"schemaVersion":1,"manifests":[]}"#, "schema version 1"),
            (
                r#"{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"x","size":1}]}"#,
                "invalid digest",
            ),
        ] {
            let error = IndexFile::parse(Path::new("dir"), text.as_bytes()).expect_err("broken").to_string();
            assert!(error.contains(reason), "{error}");
        }
        let error = check_layout_file(Path::new("dir"), br#"{"imageLayoutVersion":"2"}"#).expect_err("newer");
        assert!(error.to_string().contains("version \"2\""), "{error}");
    }
}
