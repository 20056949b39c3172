//! What every store of content must do, run against each of them.

use std::sync::Arc;

use bytes::Bytes;
use tidewaiter_oci::content::{Content, ReadTarget, Target, fetch_all, fetch_manifest};
use tidewaiter_oci::layout::Layout;
use tidewaiter_oci::memory::Memory;
use tidewaiter_oci::{Descriptor, Error, Manifest, media_type};

/// A target, and the directory it lives in while the test runs.
type Made = (Arc<dyn Target>, Option<tempfile::TempDir>);

async fn targets() -> Vec<Made> {
    let directory = tempfile::tempdir().expect("temporary directory");
    let layout = Layout::create(directory.path().join("layout")).await.expect("create a layout");
    vec![(Arc::new(Memory::new()), None), (Arc::new(layout), Some(directory))]
}

fn blob(content: &'static str) -> (Descriptor, Content) {
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, content.as_bytes());
    (descriptor, Content::Bytes(Bytes::from_static(content.as_bytes())))
}

fn manifest(layer: &Descriptor, subject: Option<&Descriptor>, artifact_type: &str) -> Manifest {
    let json = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": Descriptor::of(media_type::OCI_EMPTY, b"{}"),
        "layers": [layer],
        "subject": subject,
        "annotations": {"made": "for a test"},
    });
    Manifest::parse(Bytes::from(json.to_string()), None).expect("a manifest")
}

async fn push(target: &dyn Target, manifest: &Manifest) {
    let content = Content::Bytes(manifest.bytes.clone());
    target.push(&manifest.descriptor, content).await.expect("push a manifest");
}

#[tokio::test]
async fn blobs_come_back_as_they_were_pushed() {
    for (target, _directory) in targets().await {
        let (descriptor, content) = blob("hello");
        assert!(!target.exists(&descriptor).await.expect("exists"));
        assert!(target.fetch(&descriptor).await.err().expect("missing").is_not_found());
        target.push(&descriptor, content).await.expect("push");
        target.push(&descriptor, blob("hello").1).await.expect("push again");
        assert!(target.exists(&descriptor).await.expect("exists"));
        assert_eq!(fetch_all(&*target, &descriptor, 100).await.expect("fetch"), "hello");
    }
}

#[tokio::test]
async fn large_streams_are_stored() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let layout = Layout::create(directory.path()).await.expect("create a layout");
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i >> 3) as u8).collect();
    let memory = Memory::with_limit(content.len() as u64);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, &content);
    for target in [&layout as &dyn Target, &memory] {
        let stream = Content::Stream(Box::pin(std::io::Cursor::new(content.clone())));
        target.push(&descriptor, stream).await.expect("push");
        let fetched = fetch_all(target, &descriptor, u64::MAX).await.expect("fetch");
        assert!(fetched == content);
    }
}

#[tokio::test]
async fn wrong_content_is_refused_and_leaves_nothing() {
    for (target, directory) in targets().await {
        let (descriptor, _) = blob("hello");
        for wrong in ["hallo", "hell", "hello!"] {
            let pushed = target.push(&descriptor, blob(wrong).1).await;
            let error = pushed.expect_err("wrong content");
            assert!(matches!(error, Error::DigestMismatch { .. } | Error::SizeMismatch { .. }), "{error}");
            assert!(!target.exists(&descriptor).await.expect("exists"));
        }
        if let Some(directory) = directory {
            let ingest = directory.path().join("layout/ingest");
            assert_eq!(std::fs::read_dir(ingest).expect("read ingest").count(), 0);
        }
    }
}

#[tokio::test]
async fn tags_name_move_and_go() {
    for (target, _directory) in targets().await {
        let (layer, content) = blob("layer");
        target.push(&layer, content).await.expect("push");
        let (one, two) = (manifest(&layer, None, "a/one"), manifest(&layer, None, "a/two"));
        target.push_tagged(&one, "v1").await.expect("push tagged");
        target.push_tagged(&two, "registry.example/any:name").await.expect("push tagged");
        target.tag(&two.descriptor, "latest").await.expect("tag");
        assert_eq!(target.resolve("v1").await.expect("resolve").plain(), one.descriptor);
        let by_digest = target.resolve(two.digest().as_str()).await.expect("resolve");
        assert_eq!(by_digest, two.descriptor);
        assert_eq!(target.fetch_reference("latest").await.expect("fetch").bytes, two.bytes);
        assert_eq!(target.tags(None).await.expect("tags"), ["latest", "registry.example/any:name", "v1"]);
        assert_eq!(target.tags(Some("m")).await.expect("tags"), ["registry.example/any:name", "v1"]);

        target.tag(&two.descriptor, "v1").await.expect("move a tag");
        assert_eq!(target.resolve("v1").await.expect("resolve").digest, *two.digest());
        target.untag("v1").await.expect("untag");
        assert!(target.resolve("v1").await.expect_err("gone").is_not_found());
        assert!(target.untag("v1").await.expect_err("gone").is_not_found());
        assert!(target.exists(&one.descriptor).await.expect("exists"));
        let unknown = manifest(&layer, None, "a/unknown");
        assert!(target.tag(&unknown.descriptor, "x").await.expect_err("unknown").is_not_found());
    }
}

#[tokio::test]
async fn broken_manifests_are_refused() {
    for (target, _directory) in targets().await {
        let descriptor = Descriptor::of(media_type::OCI_MANIFEST, b"{}}");
        let error = target.push(&descriptor, Content::Bytes(Bytes::from_static(b"{}}"))).await;
        assert!(matches!(error.expect_err("broken"), Error::ReadManifest { .. }));
        assert!(!target.exists(&descriptor).await.expect("exists"));
    }
}

#[tokio::test]
async fn referrers_are_found_by_type() {
    for (target, _directory) in targets().await {
        let (layer, content) = blob("layer");
        target.push(&layer, content).await.expect("push");
        let subject = manifest(&layer, None, "a/subject");
        let sbom = manifest(&layer, Some(&subject.descriptor), "a/sbom");
        let signature = manifest(&layer, Some(&subject.descriptor), "a/signature");
        // Referrers may come before what they refer to.
        for manifest in [&sbom, &subject, &signature] {
            push(&*target, manifest).await;
        }
        let all = target.referrers(&subject.descriptor, None).await.expect("referrers");
        assert_eq!(all.len(), 2);
        let [found] = &target.referrers(&subject.descriptor, Some("a/sbom")).await.expect("referrers")[..]
        else {
            panic!("one SBOM");
        };
        assert_eq!(found.plain(), sbom.descriptor);
        assert_eq!(found.artifact_type.as_deref(), Some("a/sbom"));
        assert_eq!(found.annotation("made"), Some("for a test"));
        assert!(target.referrers(&sbom.descriptor, None).await.expect("referrers").is_empty());
        let fetched = fetch_manifest(&*target, found).await.expect("fetch");
        assert_eq!(fetched.subject(), Some(&subject.descriptor));
    }
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    for (target, _directory) in targets().await {
        let (layer, content) = blob("layer");
        target.push(&layer, content).await.expect("push");
        let deleted = manifest(&layer, None, "a/deleted");
        target.push_tagged(&deleted, "v1").await.expect("push tagged");
        target.delete(&deleted.descriptor).await.expect("delete");
        assert!(!target.exists(&deleted.descriptor).await.expect("exists"));
        assert!(target.resolve("v1").await.expect_err("gone").is_not_found());
        assert!(target.tags(None).await.expect("tags").is_empty());
        assert!(target.delete(&deleted.descriptor).await.expect_err("gone").is_not_found());
    }
}

#[tokio::test]
async fn stores_can_be_used_through_their_reading_half() {
    for (target, _directory) in targets().await {
        let (layer, content) = blob("layer");
        target.push(&layer, content).await.expect("push");
        let readable: &dyn ReadTarget = &*target;
        assert_eq!(fetch_all(readable, &layer, 5).await.expect("fetch"), "layer");
        let error = fetch_all(readable, &layer, 4).await.expect_err("over the limit");
        assert!(matches!(error, Error::SizeMismatch { .. }), "{error}");
    }
}
