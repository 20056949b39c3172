//! What we write gives the same inventory again, and what others write is understood.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::fragment::Package;
use crate::model::*;

fn component() -> impl Strategy<Value = Component> {
    let kind = proptest::sample::select(vec![
        ComponentKind::Deb,
        ComponentKind::Apk,
        ComponentKind::Rpm,
        ComponentKind::Npm,
        ComponentKind::Pypi,
        ComponentKind::Golang,
        ComponentKind::Cargo,
        ComponentKind::Maven,
        ComponentKind::Nuget,
        ComponentKind::Gem,
        ComponentKind::Composer,
        ComponentKind::Generic,
        ComponentKind::Other,
    ]);
    let word = || "[a-zA-Z0-9@:/._+%!é -]{0,8}[a-z]";
    let texts =
        (word(), "[0-9:.~+-]{0,6}", option::of(word()), option::of((word().prop_map(no_space), word())));
    let lists = (
        vec(proptest::sample::select(vec!["MIT", "MIT OR ISC", "GPL", "NONE", "NOASSERTION"]), 0..3),
        vec(word(), 0..3),
    );
    let edges = vec((any::<bool>(), word()), 0..3);
    let places = vec((word(), option::of(word()), 0..2_u32, any::<bool>()), 1..3);
    (kind, texts, lists, edges, places, any::<bool>()).prop_map(
        |(kind, texts, lists, edges, places, rare)| {
            let (name, version, vendor, source) = texts;
            let package = Package::new(kind, name, version, EvidenceKind::Database);
            let mut one = package.component(None);
            one.vendor = vendor.clone();
            one.maintainer = vendor.filter(|_| rare);
            one.source = source.map(|(name, version)| SourcePackage { name, version });
            one.licenses = lists.0.into_iter().map(str::to_owned).collect();
            one.cpes = lists.1;
            one.root = rare.then(|| "srv/root".to_owned());
            one.owner = rare.then(|| "pkg:deb/debian/a@1".to_owned());
            one.architecture = rare.then(|| "amd64".to_owned());
            one.modularity = rare.then(|| "a:1:2:3".to_owned());
            one.relations = edges
                .into_iter()
                .map(|(needs, name)| Relation {
                    kind: if needs { RelationKind::DependsOn } else { RelationKind::Contains },
                    purl: format!("pkg:generic/{name}"),
                })
                .collect();
            one.evidence = places
                .into_iter()
                .map(|(path, member, layer, guessed)| Evidence {
                    path,
                    member,
                    kind: if guessed { EvidenceKind::Pattern } else { EvidenceKind::Metadata },
                    confidence: if guessed { Confidence::Low } else { Confidence::High },
                    layer,
                    diff_id: format!("sha256:{layer}"),
                })
                .collect();
            one.evidence.sort();
            one.evidence.dedup();
            one
        },
    )
}

fn no_space(text: String) -> String {
    text.replace(' ', "_")
}

/// Components whose relations lead to each other.
fn inventory() -> impl Strategy<Value = Inventory> {
    vec(component(), 0..6).prop_map(|mut components| {
        components.sort_by(|one, other| one.purl.cmp(&other.purl));
        components.dedup_by(|one, other| one.purl == other.purl);
        let purls: Vec<_> = components.iter().map(|component| component.purl.clone()).collect();
        for component in &mut components {
            for (index, relation) in component.relations.iter_mut().enumerate() {
                relation.purl.clone_from(&purls[index % purls.len()]);
            }
            component.relations.sort();
            component.relations.dedup();
        }
        components.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
        let layers = (0..2).map(|ordinal| LayerFacts {
            ordinal,
            diff_id: format!("sha256:{ordinal}"),
            size: 7,
            created_by: Some("RUN x".to_owned()),
            ..LayerFacts::default()
        });
        let distro = Distro { id: "rhel".to_owned(), version_id: Some("9".to_owned()), ..Distro::default() };
        Inventory {
            image: ImageFacts { os: "linux".to_owned(), layers: layers.collect(), ..ImageFacts::default() },
            distro: Some(distro.clone()),
            base_images: vec![BaseImage { name: "debian:12".to_owned(), layers: 1, ..BaseImage::default() }],
            roots: vec![NestedRoot { path: "srv/root".to_owned(), distro: Some(distro) }],
            components,
            problems: vec![Problem {
                layer: None,
                path: Some("a: b".to_owned()),
                position: None,
                reason: "odd".to_owned(),
            }],
        }
    })
}

proptest! {
    #[test]
    fn every_format_gives_the_inventory_back(inventory in inventory()) {
        let subject = Subject { name: "registry.test/a:1".to_owned(), digest: Some("sha256:12".to_owned()), ..Subject::default() };
        for write in [cyclonedx::write, spdx::write, scout::write] {
            let document = read(&write(&inventory, &subject)).expect("our own document");
            prop_assert_eq!(&document.inventory, &inventory);
            prop_assert_eq!(&document.subject.name, &subject.name);
            prop_assert_eq!(&document.subject.digest, &subject.digest);
        }
    }

    #[test]
    fn nothing_panics(bytes in vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let xml = [br#"<bom xmlns="http://cyclonedx.org/schema/bom/1.6">"#, bytes.as_slice()].concat();
        let _ = read(&xml);
    }
}

/// What the documents of others say: a line a component.
fn lines(document: &Document) -> Vec<String> {
    let each = document.inventory.components.iter().map(|component| {
        let source = component.source.iter().map(|source| format!("{} {}", source.name, source.version));
        let places = component.evidence.iter().map(|place| format!("{}@{}", place.path, place.layer));
        let parts = [component.purl.clone()].into_iter().chain(source).chain(places);
        parts.collect::<Vec<_>>().join(" | ")
    });
    each.collect()
}

#[test]
fn trivy_says_source_packages_in_properties() {
    let document = br#"{"bomFormat": "CycloneDX", "specVersion": "1.6",
        "metadata": {"component": {"type": "container", "name": "a:1", "purl": "pkg:oci/a@sha256%3A12", "properties": [
            {"name": "aquasecurity:trivy:DiffID", "value": "sha256:aa"}, {"name": "aquasecurity:trivy:DiffID", "value": "sha256:bb"}]}},
        "components": [
            {"bom-ref": "os", "type": "operating-system", "name": "debian", "version": "12.5"},
            {"bom-ref": "x", "type": "application", "name": "package-lock.json"},
            {"bom-ref": "p", "type": "library", "name": "libc6", "version": "2.36-9+deb12u4",
             "purl": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12.5", "properties": [
                {"name": "aquasecurity:trivy:SrcName", "value": "glibc"}, {"name": "aquasecurity:trivy:SrcVersion", "value": "2.36"},
                {"name": "aquasecurity:trivy:SrcRelease", "value": "9+deb12u4"},
                {"name": "aquasecurity:trivy:LayerDiffID", "value": "sha256:bb"},
                {"name": "aquasecurity:trivy:FilePath", "value": "var/lib/dpkg/status"}]}]}"#;
    let document = read(document).expect("readable");
    assert_eq!(
        lines(&document),
        [
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12.5 | glibc 2.36-9+deb12u4 | var/lib/dpkg/status@1"
        ]
    );
    let distro = document.inventory.distro.expect("a system");
    assert_eq!((distro.id.as_str(), distro.version_id.as_deref()), ("debian", Some("12.5")));
    assert_eq!(document.subject.digest.as_deref(), Some("sha256:12"));
}

#[test]
fn spdx_of_syft_has_it_in_package_urls_and_sentences() {
    let document = br#"{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",
        "predicate": {"spdxVersion": "SPDX-2.3", "name": "sbom", "packages": [
            {"SPDXID": "SPDXRef-1", "name": "zlib", "versionInfo": "1.3-r0", "supplier": "Person: Ann",
             "licenseDeclared": "Zlib", "sourceInfo": "acquired package info from APK DB: /lib/apk/db/installed",
             "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": "pkg:apk/alpine/zlib@1.3-r0?arch=x86_64&upstream=zlib-src&distro=alpine-3.19.1"}]}],
            "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-1"}]}}"#;
    let document = read(document).expect("readable");
    assert_eq!(
        lines(&document),
        [
            "pkg:apk/alpine/zlib@1.3-r0?arch=x86_64&upstream=zlib-src&distro=alpine-3.19.1 | zlib-src 1.3-r0 | lib/apk/db/installed@0"
        ]
    );
    let distro = document.inventory.distro.expect("a system");
    assert_eq!((distro.id.as_str(), distro.version_id.as_deref()), ("alpine", Some("3.19.1")));
    assert_eq!(document.inventory.components[0].maintainer.as_deref(), Some("Ann"));
}

#[test]
fn cyclonedx_in_xml() {
    let document = br#"<?xml version="1.0"?>
        <bom xmlns="http://cyclonedx.org/schema/bom/1.4" serialNumber="urn:uuid:1" version="1">
          <metadata><component type="container"><name>a&amp;b</name></component></metadata>
          <components>
            <component type="library" bom-ref="a"><group>org.x</group><name>core</name><version>1.0</version>
              <licenses><license><id>MIT</id></license></licenses><purl>pkg:maven/org.x/core@1.0</purl>
              <components><component type="library" bom-ref="b"><name>n</name><version>2</version><purl>pkg:npm/n@2</purl></component></components>
            </component>
          </components>
          <dependencies><dependency ref="a"><dependency ref="b"/></dependency></dependencies>
        </bom>"#;
    let document = read(document).expect("readable");
    assert_eq!(document.subject.name, "a&b");
    assert_eq!(lines(&document), ["pkg:npm/n@2", "pkg:maven/org.x/core@1.0"]);
    let core = &document.inventory.components[1];
    assert_eq!(core.licenses, ["MIT"]);
    assert_eq!(core.relations, [Relation { kind: RelationKind::DependsOn, purl: "pkg:npm/n@2".to_owned() }]);
}

#[test]
fn json_of_syft() {
    let document = br#"{"artifacts": [{"name": "bash", "version": "5.1.8-6.el9", "type": "rpm",
        "locations": [{"path": "/var/lib/rpm/rpmdb.sqlite", "layerID": "sha256:bb"}],
        "licenses": [{"value": "GPLv3+", "spdxExpression": ""}], "purl": "pkg:rpm/rhel/bash@5.1.8-6.el9?arch=x86_64&distro=rhel-9.2",
        "metadata": {"sourceRpm": "bash-5.1.8-6.el9.src.rpm", "vendor": "Red Hat, Inc."}}],
        "source": {"type": "image", "metadata": {"userInput": "ubi9", "layers": [{"digest": "sha256:aa"}, {"digest": "sha256:bb"}]}},
        "distro": {"id": "rhel", "versionID": "9.2"}, "schema": {"version": "16", "url": "https://raw.example/anchore/syft/main/schema"}}"#;
    let document = read(document).expect("readable");
    assert_eq!(
        lines(&document),
        [
            "pkg:rpm/rhel/bash@5.1.8-6.el9?arch=x86_64&distro=rhel-9.2 | bash 5.1.8-6.el9 | var/lib/rpm/rpmdb.sqlite@1"
        ]
    );
    assert_eq!(document.inventory.components[0].licenses, ["GPLv3+"]);
}

#[test]
fn json_of_scout() {
    let document = br#"{"source": {"type": "image", "image": {"name": "a", "digest": "sha256:1",
          "distro": {"os_name": "debian", "os_version": "12", "os_distro": "bookworm"},
          "config": {"rootfs": {"diff_ids": ["sha256:aa"]}}, "platform": {"os": "linux", "architecture": "amd64"}}},
        "artifacts": [
          {"type": "deb", "namespace": "debian", "name": "libc6", "version": "2.36-9", "parent": "pkg:deb/debian/glibc@2.36-9?os_name=debian",
           "purl": "pkg:deb/debian/libc6@2.36-9?os_distro=bookworm&os_name=debian&os_version=12",
           "locations": [{"path": "/var/lib/dpkg/status", "ordinal": 0, "diff_id": "sha256:aa"}]},
          {"type": "deb", "namespace": "debian", "name": "glibc", "version": "2.36-9", "purl": "pkg:deb/debian/glibc@2.36-9?os_name=debian"}]}"#;
    let document = read(document).expect("readable");
    assert_eq!(
        lines(&document),
        [
            "pkg:deb/debian/libc6@2.36-9?os_distro=bookworm&os_name=debian&os_version=12 | glibc 2.36-9 | var/lib/dpkg/status@0"
        ]
    );
}

#[test]
fn what_is_no_sbom_is_refused() {
    for text in ["", "hello", "{}", "[]", "<html/>", r#"{"_type": "x"}"#] {
        assert_eq!(read(text.as_bytes()), Err(ReadSbomError::Unknown), "{text}");
    }
    for text in ["{", r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><a>"#] {
        assert!(matches!(read(text.as_bytes()), Err(ReadSbomError::Damaged(_))), "{text}");
    }
}
