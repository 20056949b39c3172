//! Layout directories: what is on disk, what survives, what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};
use tidewaiter_oci::content::{Content, fetch_all};
use tidewaiter_oci::layout::{Layout, open_readable};
use tidewaiter_oci::{
    Delete as _, Descriptor, Digest, Error, Fetch as _, Manifest, Predecessors as _, Push as _, Resolve as _,
    TagContent as _, media_type,
};

async fn new_layout() -> (Layout, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("temporary directory");
    (Layout::create(directory.path().join("store")).await.expect("create a layout"), directory)
}

async fn push_blob(layout: &Layout, content: &'static str) -> Descriptor {
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, content.as_bytes());
    let content = Content::Bytes(Bytes::from_static(content.as_bytes()));
    layout.push(&descriptor, content).await.expect("push a blob");
    descriptor
}

async fn push_manifest(layout: &Layout, json: Value) -> Descriptor {
    let manifest = Manifest::parse(Bytes::from(json.to_string()), None).expect("a manifest");
    layout.push(&manifest.descriptor, Content::Bytes(manifest.bytes)).await.expect("push a manifest");
    manifest.descriptor
}

async fn push_image(layout: &Layout, layer: &'static str, subject: Option<&Descriptor>) -> Descriptor {
    let config = push_blob(layout, "{}").await;
    let layer = push_blob(layout, layer).await;
    let json = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [layer],
        "subject": subject, "annotations": {"org.opencontainers.image.ref.name": "not a tag", "k": "v"},
    });
    push_manifest(layout, json).await
}

fn index(layout: &Layout) -> Value {
    let bytes = fs::read(layout.path().join("index.json")).expect("read index.json");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn blobs(layout: &Layout) -> usize {
    fs::read_dir(layout.path().join("blobs/sha256")).expect("read blobs").count()
}

#[tokio::test]
async fn files_are_those_of_the_specification() {
    let (layout, _directory) = new_layout().await;
    let image = push_image(&layout, "layer", None).await;
    layout.tag(&image, "v1").await.expect("tag");
    let marker = fs::read_to_string(layout.path().join("oci-layout")).expect("read oci-layout");
    assert_eq!(marker, r#"{"imageLayoutVersion":"1.0.0"}"#);
    let expected = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": media_type::OCI_MANIFEST, "digest": image.digest, "size": image.size,
        "annotations": {"k": "v", "org.opencontainers.image.ref.name": "v1"},
    }]});
    assert_eq!(index(&layout), expected);
    let blob = layout.path().join("blobs/sha256").join(image.digest.hex());
    let mode = fs::metadata(blob).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o444);
    assert_eq!(fs::read_dir(layout.path().join("ingest")).expect("read ingest").count(), 0);
}

#[tokio::test]
async fn what_was_pushed_is_there_after_opening_again() {
    let (layout, _directory) = new_layout().await;
    let image = push_image(&layout, "layer", None).await;
    let signature = push_image(&layout, "signature", Some(&image)).await;
    layout.tag(&image, "v1").await.expect("tag");
    let again = Layout::open(layout.path()).await.expect("open");
    assert_eq!(again.resolve("v1").await.expect("resolve").digest, image.digest);
    let referrers = again.referrers(&image, None).await.expect("referrers");
    assert_eq!(referrers.iter().map(|r| &r.digest).collect::<Vec<_>>(), [&signature.digest]);
    assert_eq!(again.default_image().await.expect("one image").digest, image.digest);
    let readable = open_readable(layout.path()).await.expect("open");
    assert_eq!(readable.resolve("v1").await.expect("resolve").digest, image.digest);
}

#[tokio::test]
async fn several_images_must_be_told_apart() {
    let (layout, _directory) = new_layout().await;
    assert!(layout.default_image().await.expect_err("empty").is_not_found());
    let one = push_image(&layout, "one", None).await;
    let two = push_image(&layout, "two", None).await;
    assert!(matches!(layout.default_image().await, Err(Error::AmbiguousImage { .. })));
    layout.tag(&two, "two").await.expect("tag");
    assert_eq!(layout.default_image().await.expect("the tagged one").digest, two.digest);
    layout.tag(&one, "one").await.expect("tag");
    let error = layout.default_image().await.expect_err("two tagged").to_string();
    assert!(error.ends_with("holds several images; choose one of them: one, two"), "{error}");
}

#[tokio::test]
async fn deleting_takes_along_what_nothing_needs() {
    let (layout, _directory) = new_layout().await;
    let kept = push_image(&layout, "shared", None).await;
    let child = push_image(&layout, "child", None).await;
    let tagged_child = push_image(&layout, "tagged child", None).await;
    layout.tag(&tagged_child, "child").await.expect("tag");
    let index = push_manifest(
        &layout,
        json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [child, tagged_child, kept],
        }),
    )
    .await;
    layout.tag(&kept, "kept").await.expect("tag");
    let signature = push_image(&layout, "signature", Some(&index)).await;
    let on_signature = push_image(&layout, "signature of a signature", Some(&signature)).await;
    let before = blobs(&layout);
    layout.delete(&index).await.expect("delete");
    for gone in [&index, &child, &signature, &on_signature] {
        assert!(!layout.exists(gone).await.expect("exists"));
    }
    for there in [&kept, &tagged_child] {
        assert!(layout.exists(there).await.expect("exists"));
    }
    // Four manifests and the layers of three of them; the configuration is shared with those that stay.
    assert_eq!(blobs(&layout), before - 7);
}

#[tokio::test]
async fn deleting_a_referrer_leaves_its_subject() {
    let (layout, _directory) = new_layout().await;
    let image = push_image(&layout, "layer", None).await;
    let signature = push_image(&layout, "signature", Some(&image)).await;
    layout.delete(&signature).await.expect("delete");
    assert!(layout.exists(&image).await.expect("exists"));
    assert!(layout.referrers(&image, None).await.expect("referrers").is_empty());
}

#[tokio::test]
async fn parallel_handles_lose_nothing() {
    let (layout, _directory) = new_layout().await;
    let layer = push_blob(&layout, "{}").await;
    let mut pushes = tokio::task::JoinSet::new();
    for number in 0..40 {
        // Every task opens the layout itself, as another process would.
        let (path, layer) = (layout.path().to_owned(), layer.clone());
        pushes.spawn(async move {
            let layout = Layout::create(path).await.expect("open");
            let json = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": layer,
                "layers": [layer], "annotations": {"number": number.to_string()}});
            let manifest = Manifest::parse(Bytes::from(json.to_string()), None).expect("a manifest");
            layout.push_tagged(&manifest, &format!("t{number:02}")).await.expect("push");
        });
    }
    pushes.join_all().await;
    let expected: Vec<String> = (0..40).map(|number| format!("t{number:02}")).collect();
    assert_eq!(layout.tags(None).await.expect("tags"), expected);
}

#[tokio::test]
async fn a_batch_writes_the_index_once() {
    let (layout, _directory) = new_layout().await;
    let batch = layout.batch();
    let image = push_image(&layout, "layer", None).await;
    assert!(layout.exists(&image).await.expect("known here"));
    assert_eq!(index(&layout)["manifests"], json!([]));
    drop(batch);
    layout.flush().await.expect("flush");
    assert_eq!(index(&layout)["manifests"][0]["digest"], json!(image.digest));
}

#[tokio::test]
async fn leftovers_are_no_content() {
    let (layout, _directory) = new_layout().await;
    let image = push_image(&layout, "layer", None).await;
    let path = |digest: &Digest| layout.path().join("blobs/sha256").join(digest.hex());
    let layer = Descriptor::of(media_type::OCTET_STREAM, b"layer");
    fs::remove_file(path(&layer.digest)).expect("remove");
    fs::write(path(&layer.digest), "la").expect("cut off");
    assert!(!layout.exists(&layer).await.expect("exists"));
    let error = fetch_all(&layout, &layer, 10).await.expect_err("cut off");
    assert!(matches!(error, Error::SizeMismatch { .. }), "{error}");
    push_blob(&layout, "layer").await;
    assert_eq!(fetch_all(&layout, &layer, 10).await.expect("repaired"), "layer");

    // A manifest whose listing was lost is pushed again, and found again.
    fs::write(layout.path().join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).expect("write");
    assert!(!layout.exists(&image).await.expect("exists"));
    assert_eq!(push_image(&layout, "layer", None).await, image);
    assert!(layout.exists(&image).await.expect("exists"));

    // Temporary files of processes that are gone are cleared away, those of other programs are not.
    let ingest = layout.path().join("ingest");
    fs::write(ingest.join("tidewaiter-gone"), "x").expect("write");
    fs::write(ingest.join("other"), "x").expect("write");
    Layout::create(layout.path()).await.expect("open");
    let left: Vec<_> = fs::read_dir(ingest).expect("read").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(left, ["other"]);
}

#[tokio::test]
async fn tampered_content_is_noticed() {
    let (layout, _directory) = new_layout().await;
    let blob = push_blob(&layout, "hello").await;
    let path = layout.path().join("blobs/sha256").join(blob.digest.hex());
    fs::remove_file(&path).expect("remove");
    fs::write(path, "hallo").expect("write");
    let error = fetch_all(&layout, &blob, 10).await.expect_err("tampered");
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_layout_is_explained() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let check = async |prepare: &dyn Fn(&Path), reason: &str| {
        prepare(directory.path());
        let error = Layout::open(directory.path()).await.err().expect("no layout");
        assert!(matches!(error, Error::InvalidStore { .. }) && error.to_string().contains(reason), "{error}");
    };
    check(&|_| {}, "it has no file oci-layout").await;
    check(&|path| fs::write(path.join("oci-layout"), "{").expect("write"), "its file oci-layout is broken")
        .await;
    let newer = r#"{"imageLayoutVersion":"9"}"#;
    check(&|path| fs::write(path.join("oci-layout"), newer).expect("write"), "version \"9\"").await;
    let marker = r#"{"imageLayoutVersion":"1.0.0"}"#;
    check(&|path| fs::write(path.join("oci-layout"), marker).expect("write"), "it has no file index.json")
        .await;
    check(&|path| fs::write(path.join("index.json"), "[").expect("write"), "its index.json is broken").await;
    let error = Layout::open(directory.path().join("missing")).await.err().expect("missing").to_string();
    assert!(error.contains("no such file or directory"), "{error}");
}
