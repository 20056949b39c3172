//! Random stacks of layers, and random damage.

#[path = "support/naive.rs"]
mod naive;
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::{Item, gzip, image, source, tar};
use tidewaiter_inventory::{Fragment, Limits, ManifestFacts, inspect, layer, merge};

/// A directory out of a small world, so that layers meet in it.
fn directory() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c"]);
    vec(part, 0..4).prop_map(|parts| parts.join("/"))
}

fn below(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn name() -> impl Strategy<Value = String> {
    (directory(), prop::sample::select(vec!["a", "b", "package.json", "package.json", "x"]))
        .prop_map(|(directory, name)| below(&directory, name))
}

fn target() -> impl Strategy<Value = String> {
    (prop::sample::select(vec!["", "/", "../", "../../", "./"]), name())
        .prop_map(|(start, name)| format!("{start}{name}"))
}

/// A package with a version of its own, so that every file can be told from every other.
fn package(version: u32) -> Vec<u8> {
    format!(r#"{{"name": "p", "version": "{version}.0.0"}}"#).into_bytes()
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        2 => name().prop_map(Item::Dir),
        6 => (name(), any::<u32>()).prop_map(|(name, version)| Item::File(name, package(version))),
        3 => (directory(), any::<u32>()).prop_map(|(at, version)| Item::File(below(&at, "package.json"), package(version))),
        3 => (name(), target()).prop_map(|(name, target)| Item::Symlink(name, target)),
        2 => (name(), name()).prop_map(|(name, target)| Item::HardLink(name, target)),
        2 => (directory(), prop::sample::select(vec!["a", "b", "c", "package.json"]))
            .prop_map(|(at, name)| Item::File(below(&at, &format!(".wh.{name}")), Vec::new())),
        1 => directory().prop_map(|at| Item::File(below(&at, ".wh..wh..opq"), Vec::new())),
    ]
}

fn stack() -> impl Strategy<Value = Vec<Vec<Item>>> {
    vec(vec(item(), 0..12), 0..5)
}

/// What is not kept has no content for us: a package in a file whose name says nothing.
fn forget_unnamed(stack: &[Vec<Item>]) -> Vec<Vec<Item>> {
    let forget = |item: &Item| match item {
        Item::File(name, _) if !name.ends_with("package.json") => Item::File(name.clone(), Vec::new()),
        other => other.clone(),
    };
    stack.iter().map(|items| items.iter().map(forget).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn merging_is_what_a_file_system_does(stack in stack()) {
        let mut tree = naive::Tree::new();
        for (layer, items) in (0..).zip(&forget_unnamed(&stack)) {
            tree.lay(items, layer);
        }
        let files = tree.files().into_iter().filter(|(path, content, _)| {
            path.rsplit('/').next() == Some("package.json") && !content.is_empty()
        });
        let mut expected: Vec<_> = files.map(|(path, content, layer)| (path, layer, content)).collect();
        expected.sort();

        let components = image(&stack).components;
        let found = components.iter().flat_map(|component| {
            let version = component.version.split('.').next().and_then(|version| version.parse().ok());
            let content = package(version.expect("a number"));
            component.evidence.iter().map(move |evidence| (evidence.path.clone(), evidence.layer, content.clone()))
        });
        let mut found: Vec<_> = found.collect();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn damaged_layers_do_no_harm(
        stack in vec(vec(item(), 1..6), 1..3),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
        compress in any::<bool>(),
    ) {
        let mut fragments = Vec::new();
        for items in &stack {
            let mut bytes = tar(items);
            if compress {
                bytes = gzip(&bytes);
            }
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            fragments.extend(layer::read(&bytes[..], &source(), &Limits::default()));
        }
        let config = fragments.first().map(Fragment::encode).unwrap_or_default();
        let _ = merge(&fragments.iter().collect::<Vec<_>>(), &config, &ManifestFacts::default());
    }

    #[test]
    fn any_bytes_can_be_a_package_file(
        path in prop::sample::select(vec![
            "var/lib/dpkg/status", "lib/apk/db/installed", "a/package.json", "a.dist-info/METADATA", "a.egg-info", "a-1.jar", "bin/a",
        ]),
        text in "([PVSA]:|Package: |Version: |Status: |Source: a \\(|Name: |\\{\"name\": ?\"|\"version\"|[,:}\"\n é\\\\]|[a-z1]{1,5}){0,30}",
        bytes in vec(any::<u8>(), 0..40),
    ) {
        let (components, problems) = inspect(path, &[text.as_bytes(), &bytes].concat(), None);
        for component in components {
            prop_assert!(!component.name.is_empty() && !component.version.is_empty());
            let purl: packageurl::PackageUrl<'_> = component.purl.parse().expect("a package URL");
            prop_assert_eq!(purl.version(), Some(component.version.as_str()));
            prop_assert_eq!(purl.ty(), component.kind.purl_type());
        }
        prop_assert!(problems.iter().all(|problem| problem.path.as_deref() == Some(path)));
    }
}
