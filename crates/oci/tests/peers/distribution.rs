//! Pushing, reading, listing, deleting and referring, against distribution 2.8.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tidewaiter_oci::content::{self, Content, Delete, Fetch, Predecessors, Push, Resolve, Tag};
use tidewaiter_oci::credentials::{Credential, OneCredential};
use tidewaiter_oci::remote::{ReferrersMode, Repository, Settings, TransferSettings};
use tidewaiter_oci::{Descriptor, ErrorKind, Manifest, media_type};

use crate::{Peer, client};

/// Pushes an artifact of one blob, and returns its manifest.
async fn push_artifact(repository: &Repository, text: &str, subject: Option<&Descriptor>) -> Manifest {
    let layer = Descriptor::of("text/plain", text.as_bytes());
    let config = Descriptor::of(media_type::OCI_EMPTY, b"{}");
    repository.push(&layer, Content::Bytes(Bytes::from(text.to_owned()))).await.expect("pushed");
    repository.push(&config, Content::Bytes(Bytes::from_static(b"{}"))).await.expect("pushed");
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "artifactType": format!("example/{text}"),
        "config": config,
        "layers": [layer],
        "annotations": BTreeMap::from([("k", text)]),
    });
    if let Some(subject) = subject {
        manifest["subject"] = json!(subject);
    }
    let manifest = Manifest::parse(Bytes::from(manifest.to_string()), None).expect("a valid manifest");
    repository.push(&manifest.descriptor, Content::Bytes(manifest.bytes.clone())).await.expect("pushed");
    manifest
}

#[tokio::test]
async fn what_is_pushed_is_read_listed_and_deleted() {
    let peer = Peer::start();
    let repository = peer.repository("a/b", Settings::default());
    let manifest = push_artifact(&repository, "hello", None).await;
    for tag in ["v2", "v1", "latest"] {
        repository.push_tagged(&manifest, tag).await.expect("tagged");
    }
    repository.tag(&manifest.descriptor, "again").await.expect("tagged");

    assert_eq!(repository.resolve("v1").await.expect("there"), manifest.descriptor);
    assert_eq!(repository.fetch_reference("v2").await.expect("there").bytes, manifest.bytes);
    let layer = manifest.successors()[1];
    assert_eq!(content::fetch_all(&repository, layer, 100).await.expect("there"), "hello");
    assert!(repository.exists(layer).await.expect("an answer"));
    // This registry sorts nothing and gives everything at once.
    let sorted = |mut tags: Vec<String>| {
        tags.sort();
        tags
    };
    assert_eq!(sorted(repository.tags(None).await.expect("a list")), ["again", "latest", "v1", "v2"]);
    assert_eq!(sorted(repository.tags(Some("latest")).await.expect("a list")), ["v1", "v2"]);
    let registry = client(Settings::default()).registry(&peer.address().to_string()).expect("valid");
    registry.ping().await.expect("it answers");
    assert_eq!(registry.catalog(None).all().await.expect("a list"), ["a/b"]);

    repository.delete(&manifest.descriptor).await.expect("deleted");
    repository.delete(layer).await.expect("deleted");
    assert!(!repository.exists(layer).await.expect("an answer"));
    assert!(repository.resolve("v1").await.expect_err("gone").is_not_found());
    assert!(repository.delete(&manifest.descriptor).await.expect_err("gone").is_not_found());
}

#[tokio::test]
async fn a_tag_is_removed_without_its_manifest_where_tags_cannot_be_deleted() {
    let peer = Peer::start();
    let repository = peer.repository("a", Settings::default());
    let manifest = push_artifact(&repository, "x", None).await;
    repository.push_tagged(&manifest, "one").await.expect("tagged");
    repository.push_tagged(&manifest, "two").await.expect("tagged");
    repository.untag("one").await.expect("removed");
    assert_eq!(repository.tags(None).await.expect("a list"), ["two"]);
    assert!(repository.exists(&manifest.descriptor).await.expect("an answer"));
    assert!(repository.untag("one").await.expect_err("gone").is_not_found());
    assert_eq!(repository.tags(None).await.expect("a list"), ["two"]);
}

#[tokio::test]
async fn passwords_are_sent_when_asked_for() {
    let peer = Peer::start_with_password("u", "p:w");
    let with = |password: &str| {
        let credential = OneCredential::new(&peer.address().to_string(), Credential::password("u", password));
        Settings { credentials: Arc::new(credential), ..Settings::default() }
    };
    let manifest = push_artifact(&peer.repository("a", with("p:w")), "x", None).await;
    let refused = peer.repository("a", with("wrong")).resolve(manifest.digest().as_str()).await;
    assert_eq!(refused.expect_err("refused").kind(), ErrorKind::Access);
    let nobody = peer.repository("a", Settings::default()).exists(&manifest.descriptor).await;
    assert_eq!(
        nobody.expect_err("refused").to_string(),
        format!("{}: basic credential not found", peer.address())
    );
}

/// Each client is one of its own, as if it were a process of its own: they take no turns.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_attach_at_once_by_tag_are_all_listed() {
    let peer = Peer::start();
    let subject = push_artifact(&peer.repository("a", Settings::default()), "image", None).await.descriptor;
    let attaching = (0..12).map(|number| {
        let (repository, subject) = (peer.repository("a", Settings::default()), subject.clone());
        tokio::spawn(async move { push_artifact(&repository, &number.to_string(), Some(&subject)).await })
    });
    let mut attached = Vec::new();
    for client in attaching.collect::<Vec<_>>() {
        attached.push(client.await.expect("attached").descriptor.digest);
    }
    let found = peer.repository("a", Settings::default()).referrers(&subject, None).await.expect("a list");
    let mut found: Vec<_> = found.into_iter().map(|found| found.digest).collect();
    attached.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    found.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    assert_eq!(found, attached);
}

#[tokio::test]
async fn referrers_are_kept_by_tag_where_there_is_no_api() {
    let peer = Peer::start();
    let repository = peer.repository("a", Settings::default());
    let image = push_artifact(&repository, "image", None).await;
    let subject = &image.descriptor;
    assert!(repository.referrers(subject, None).await.expect("none").is_empty());

    let (signature, sbom) = tokio::join!(
        push_artifact(&repository, "signature", Some(subject)),
        push_artifact(&repository, "sbom", Some(subject)),
    );
    let mut found = repository.referrers(subject, None).await.expect("a list");
    found.sort_by(|a, b| a.artifact_type.cmp(&b.artifact_type));
    assert_eq!(found.iter().map(|d| &d.digest).collect::<Vec<_>>(), [sbom.digest(), signature.digest()]);
    assert_eq!(found[0].annotation("k"), Some("sbom"));
    let filtered = repository.referrers(subject, Some("example/signature")).await.expect("a list");
    assert_eq!(filtered.len(), 1);
    let tag = subject.digest.as_str().replace(':', "-");
    assert_eq!(repository.tags(None).await.expect("a list"), std::slice::from_ref(&tag));

    let api = peer.repository("a", Settings { referrers: ReferrersMode::Api, ..Settings::default() });
    assert_eq!(api.referrers(subject, None).await.expect_err("no API").kind(), ErrorKind::Unsupported);

    repository.delete(&signature.descriptor).await.expect("deleted");
    assert_eq!(repository.referrers(subject, None).await.expect("a list").len(), 1);
    repository.delete(&sbom.descriptor).await.expect("deleted");
    assert!(repository.referrers(subject, None).await.expect("none").is_empty());
    assert!(repository.resolve(&tag).await.expect_err("the index is gone").is_not_found());
}

#[tokio::test]
async fn blobs_are_mounted_and_sent_in_chunks() {
    let peer = Peer::start();
    let transfer = TransferSettings {
        max_body: Some(1000),
        chunk: 700,
        single_request: 0,
        ..TransferSettings::default()
    };
    let repository = peer.repository("from", Settings { transfer, ..Settings::default() });
    let bytes: Vec<u8> = (0..5_000_u32).flat_map(u32::to_le_bytes).collect();
    let blob = Descriptor::of(media_type::OCTET_STREAM, &bytes);
    let stream = Box::pin(std::io::Cursor::new(bytes.clone()));
    repository.push(&blob, Content::Stream(stream)).await.expect("pushed in chunks");
    assert_eq!(content::fetch_all(&repository, &blob, 1 << 20).await.expect("there"), bytes);

    let other = peer.repository("to", Settings::default());
    assert!(other.mount(&blob, "from").await.expect("an answer"));
    assert!(other.exists(&blob).await.expect("an answer"));
    let missing = Descriptor::of(media_type::OCTET_STREAM, b"missing");
    assert!(!other.mount(&missing, "from").await.expect("an answer"));
    other
        .push(&missing, Content::Bytes(Bytes::from_static(b"missing")))
        .await
        .expect("pushed into its session");
    assert!(other.exists(&missing).await.expect("an answer"));
}
