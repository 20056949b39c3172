//! Copying between stores: what moves, in which order, with which requests, and whose fault a failure is.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use bytes::Bytes;
use serde_json::json;
use tidewaiter_oci::content::{BlobReader, Content, ReadTarget, fetch_manifest};
use tidewaiter_oci::copy::{
    Concurrency, Copier, CopyError, CopyOptions, Event, Origin, ReferrerFilter, Reporter, Selection,
};
use tidewaiter_oci::graph::{DeleteScope, delete_planned, plan_delete, referrer_tree};
use tidewaiter_oci::layout::Layout;
use tidewaiter_oci::memory::Memory;
use tidewaiter_oci::{
    Delete, Descriptor, Digest, Error, Fetch, Manifest, Predecessors, Push, Resolve, Result, TagContent,
    media_type,
};

const MIB: u64 = 1024 * 1024;

/// A store in memory that notes what is asked of it, in order.
struct Spy {
    inner: Memory,
    calls: Mutex<Vec<String>>,
    names: Mutex<HashMap<Digest, String>>,
    /// What it answers to mounts.
    mounts: bool,
    /// Fetches of this name break off in the middle.
    breaks: Option<&'static str>,
    /// Lists these as referrers of everything, and does not have them.
    gone: Vec<Descriptor>,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Spy {
    fn new() -> Self {
        Self {
            inner: Memory::with_limit(64 * MIB),
            calls: Mutex::default(),
            names: Mutex::default(),
            mounts: false,
            breaks: None,
            gone: Vec::new(),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
        }
    }

    fn name(&self, digest: &Digest) -> Option<String> {
        self.names.lock().expect("sound").get(digest).cloned()
    }

    fn note(&self, operation: &str, digest: &Digest) {
        let name = self.name(digest).unwrap_or_else(|| digest.short().to_owned());
        self.calls.lock().expect("sound").push(format!("{operation} {name}"));
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().expect("sound"))
    }

    fn count(calls: &[String], operation: &str) -> usize {
        calls.iter().filter(|call| call.split(' ').next() == Some(operation)).count()
    }
}

#[async_trait]
impl Fetch for Spy {
    async fn fetch(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        self.note("fetch", &descriptor.digest);
        let name = self.name(&descriptor.digest);
        if name.is_some() && name.as_deref() == self.breaks {
            use tokio::io::AsyncReadExt as _;
            let broken = tokio_util::io::StreamReader::new(futures_util::stream::iter([Err::<Bytes, _>(
                std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset"),
            )]));
            return Ok(Box::pin(self.inner.fetch(descriptor).await?.take(100).chain(broken)));
        }
        self.inner.fetch(descriptor).await
    }

    async fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        self.note("exists", &descriptor.digest);
        self.inner.exists(descriptor).await
    }
}

#[async_trait]
impl Resolve for Spy {
    async fn resolve(&self, reference: &str) -> Result<Descriptor> {
        self.inner.resolve(reference).await
    }

    async fn fetch_reference(&self, reference: &str) -> Result<Manifest> {
        let manifest = self.inner.fetch_reference(reference).await?;
        self.note("fetch", manifest.digest());
        Ok(manifest)
    }
}

#[async_trait]
impl Push for Spy {
    async fn push(&self, descriptor: &Descriptor, content: Content) -> Result<()> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        // Lets the others in.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let pushed = self.inner.push(descriptor, content).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        if pushed.is_ok() {
            self.note("push", &descriptor.digest);
        }
        pushed
    }

    async fn mount(&self, descriptor: &Descriptor, from: &str) -> Result<bool> {
        self.note("mount", &descriptor.digest);
        assert_eq!(from, "team/source");
        Ok(self.mounts)
    }
}

#[async_trait]
impl TagContent for Spy {
    async fn push_tagged(&self, manifest: &Manifest, tag: &str) -> Result<()> {
        self.note(&format!("tag:{tag}"), manifest.digest());
        self.inner.push_tagged(manifest, tag).await
    }

    async fn tag(&self, descriptor: &Descriptor, tag: &str) -> Result<()> {
        self.inner.tag(descriptor, tag).await
    }

    async fn tags(&self, last: Option<&str>) -> Result<Vec<String>> {
        self.inner.tags(last).await
    }

    async fn untag(&self, tag: &str) -> Result<()> {
        self.inner.untag(tag).await
    }
}

#[async_trait]
impl Predecessors for Spy {
    async fn referrers(&self, subject: &Descriptor, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        self.note("referrers", &subject.digest);
        let mut listed = self.inner.referrers(subject, artifact_type).await?;
        listed.extend(self.gone.iter().cloned());
        Ok(listed)
    }
}

#[async_trait]
impl Delete for Spy {
    async fn delete(&self, descriptor: &Descriptor) -> Result<()> {
        self.note("delete", &descriptor.digest);
        self.inner.delete(descriptor).await
    }
}

impl ReadTarget for Spy {
    fn display_name(&self) -> String {
        "spy".to_owned()
    }
}

/// Fills a spy with artifacts whose parts have names.
struct Make<'a>(&'a Spy);

impl Make<'_> {
    fn name(&self, descriptor: &Descriptor, name: &str) {
        self.0.names.lock().expect("sound").insert(descriptor.digest.clone(), name.to_owned());
    }

    async fn blob(&self, name: &str, content: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor::of(media_type::OCI_LAYER, &content);
        self.name(&descriptor, name);
        self.0.inner.push(&descriptor, Content::Bytes(content.into())).await.expect("push");
        descriptor
    }

    async fn manifest(&self, name: &str, json: serde_json::Value) -> Descriptor {
        let manifest = Manifest::parse(Bytes::from(json.to_string()), None).expect("a manifest");
        self.name(&manifest.descriptor, name);
        self.0.inner.push_tagged(&manifest, name).await.expect("push");
        manifest.descriptor
    }

    async fn image(&self, name: &str, layers: &[&Descriptor], subject: Option<&Descriptor>) -> Descriptor {
        let config = self.blob("config", b"{}".to_vec()).await;
        self.manifest(
            name,
            json!({
                "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "artifactType": format!("type/{name}"),
                "config": config, "layers": layers, "subject": subject, "annotations": {"name": name},
            }),
        )
        .await
    }

    async fn index(&self, name: &str, children: &[(&Descriptor, &str)]) -> Descriptor {
        let child = |(descriptor, platform): &(&Descriptor, &str)| {
            let (os, architecture) = platform.split_once('/').expect("a platform");
            let mut child = serde_json::to_value(descriptor).expect("JSON");
            child["platform"] = json!({"os": os, "architecture": architecture});
            child
        };
        let children: Vec<_> = children.iter().map(child).collect();
        let json = json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": children, "x-unknown": 1,
        });
        self.manifest(name, json).await
    }
}

fn content(length: u64, seed: u8) -> Vec<u8> {
    (0..length).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

/// Copies, with the destination knowing the names of the source.
async fn copy(
    source: &Arc<Spy>,
    destination: &Arc<Spy>,
    reference: &str,
    tags: &[&str],
    options: CopyOptions,
) -> Result<Descriptor, CopyError> {
    destination.names.lock().expect("sound").extend(source.names.lock().expect("sound").clone());
    source.calls();
    destination.calls();
    let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
    Copier::new(source.clone(), destination.clone(), options, Arc::new(())).copy(reference, &tags).await
}

fn one_at_a_time() -> CopyOptions {
    CopyOptions { concurrency: Concurrency::new(NonZeroUsize::MIN), ..CopyOptions::default() }
}

fn position(calls: &[String], call: &str) -> usize {
    calls.iter().position(|made| made == call).unwrap_or_else(|| panic!("{call} in {calls:?}"))
}

#[tokio::test]
async fn everything_below_comes_first_and_tags_come_last() {
    for options in [CopyOptions::default(), one_at_a_time()] {
        let (source, destination) = (Arc::new(Spy::new()), Arc::new(Spy::new()));
        let make = Make(&source);
        let shared = make.blob("shared", content(10, 1)).await;
        let large = make.blob("large", content(2 * MIB, 2)).await;
        let one = make.image("one", &[&shared, &large], None).await;
        let two = make.image("two", &[&shared], None).await;
        let index = make.index("index", &[(&one, "linux/amd64"), (&two, "linux/arm64")]).await;
        let copied = copy(&source, &destination, "index", &["a", "b"], options).await.expect("copy");
        assert_eq!(copied, index);
        let calls = destination.calls();
        for (first, second) in [
            ("push shared", "push one"),
            ("push large", "push one"),
            ("push config", "push two"),
            ("push one", "tag:a index"),
            ("push two", "tag:a index"),
            ("tag:a index", "tag:b index"),
        ] {
            assert!(position(&calls, first) < position(&calls, second), "{first} < {second}: {calls:?}");
        }
        assert_eq!(Spy::count(&calls, "push"), 5, "each once: {calls:?}");
        // The root's manifest is fetched once, in the request that resolves it.
        assert_eq!(Spy::count(&source.calls(), "fetch"), 6);
        let bytes = fetch_manifest(&*destination, &index).await.expect("fetch").bytes;
        assert_eq!(bytes, fetch_manifest(&*source, &index).await.expect("fetch").bytes);
    }
}

#[tokio::test]
async fn the_number_given_bounds_what_runs_at_once() {
    for (number, most) in [(1, 1), (2, 22)] {
        let (source, destination) = (Arc::new(Spy::new()), Arc::new(Spy::new()));
        let make = Make(&source);
        let mut layers = Vec::new();
        for seed in 0..60 {
            let length = if seed % 2 == 0 { 10 } else { 100_000 };
            layers.push(make.blob(&format!("layer {seed}"), content(length, seed)).await);
        }
        make.image("image", &layers.iter().collect::<Vec<_>>(), None).await;
        let concurrency = Concurrency::new(NonZeroUsize::new(number).expect("not zero"));
        let options = CopyOptions { concurrency, ..CopyOptions::default() };
        copy(&source, &destination, "image", &[], options).await.expect("copy");
        let seen = destination.most_running.load(Ordering::SeqCst);
        assert!(seen <= most && seen >= number, "{seen} at once, {most} allowed");
    }
}

#[tokio::test]
async fn what_is_there_is_not_sent_again() {
    let (source, destination) = (Arc::new(Spy::new()), Arc::new(Spy::new()));
    let make = Make(&source);
    let layer = make.blob("layer", content(100_000, 1)).await;
    let image = make.image("image", &[&layer], None).await;
    copy(&source, &destination, "image", &["v1"], CopyOptions::default()).await.expect("copy");
    copy(&source, &destination, "image", &["v2"], CopyOptions::default()).await.expect("copy");
    assert_eq!(destination.calls(), ["exists image", "tag:v2 image"]);
    assert_eq!(source.calls(), ["fetch image"]);

    // Part of the graph got lost; only force looks below what is there.
    destination.inner.delete(&layer).await.expect("delete");
    let force = CopyOptions { force: true, ..CopyOptions::default() };
    copy(&source, &destination, "image", &[], force).await.expect("copy");
    let calls = destination.calls();
    assert!(
        calls.contains(&"push layer".to_owned()) && !calls.contains(&"push config".to_owned()),
        "{calls:?}"
    );
    assert!(destination.inner.exists(&layer).await.expect("exists"));
    assert!(destination.inner.exists(&image).await.expect("exists"));
}

#[tokio::test]
async fn nothing_is_asked_where_a_mount_answers() {
    let source = Arc::new(Spy::new());
    let make = Make(&source);
    let mut layers = Vec::new();
    for seed in 0..5 {
        layers.push(make.blob(&format!("layer {seed}"), content(100_000, seed)).await);
    }
    make.image("image", &layers.iter().collect::<Vec<_>>(), None).await;
    let options = || CopyOptions { mount_from: Some("team/source".to_owned()), ..one_at_a_time() };

    let destination = Arc::new(Spy { mounts: true, ..Spy::new() });
    copy(&source, &destination, "image", &["v1"], options()).await.expect("copy");
    let calls = destination.calls();
    assert_eq!((Spy::count(&calls, "mount"), Spy::count(&calls, "push")), (6, 0), "{calls:?}");
    assert_eq!(Spy::count(&calls, "exists"), 1, "only the root: {calls:?}");
    assert_eq!(source.calls(), ["fetch image"]);

    // A registry that does not mount is not asked for ever.
    let destination = Arc::new(Spy::new());
    copy(&source, &destination, "image", &["v1"], options()).await.expect("copy");
    let calls = destination.calls();
    assert_eq!((Spy::count(&calls, "mount"), Spy::count(&calls, "push")), (3, 6), "{calls:?}");
}

#[tokio::test]
async fn small_blobs_are_sent_unasked_once_the_destination_proves_empty() {
    let (source, destination) = (Arc::new(Spy::new()), Arc::new(Spy::new()));
    let make = Make(&source);
    let mut layers = Vec::new();
    for seed in 0..20 {
        layers.push(make.blob(&format!("layer {seed}"), content(1000, seed)).await);
    }
    make.image("image", &layers.iter().collect::<Vec<_>>(), None).await;
    copy(&source, &destination, "image", &[], one_at_a_time()).await.expect("copy");
    // The root and the first four blobs.
    assert_eq!(Spy::count(&destination.calls(), "exists"), 5);
}

async fn signed_image(make: &Make<'_>) -> [Descriptor; 4] {
    let layer = make.blob("layer", content(10, 1)).await;
    let image = make.image("image", &[&layer], None).await;
    let signature = make.image("signature", &[&layer], Some(&image)).await;
    let sbom = make.image("sbom", &[&layer], Some(&image)).await;
    let sbom_signature = make.image("sbom-signature", &[&layer], Some(&sbom)).await;
    [image, signature, sbom, sbom_signature]
}

fn with_referrers(filter: ReferrerFilter) -> CopyOptions {
    CopyOptions { referrers: Some(filter), ..CopyOptions::default() }
}

#[tokio::test]
async fn referrers_are_copied_at_all_levels_or_as_filtered() {
    let source = Arc::new(Spy::new());
    let [image, signature, sbom, sbom_signature] = signed_image(&Make(&source)).await;
    let types = |types: &[&str]| types.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
    let check = async |filter: ReferrerFilter, expected: &[&Descriptor]| {
        let destination = Arc::new(Spy::new());
        copy(&source, &destination, "image", &["v1"], with_referrers(filter)).await.expect("copy");
        for descriptor in [&image, &signature, &sbom, &sbom_signature] {
            let there = destination.inner.exists(descriptor).await.expect("exists");
            assert_eq!(there, *descriptor == image || expected.contains(&descriptor));
        }
        let calls = destination.calls();
        assert_eq!(calls.last().map(String::as_str), Some("tag:v1 image"), "{calls:?}");
    };
    check(ReferrerFilter::default(), &[&signature, &sbom, &sbom_signature]).await;
    check(ReferrerFilter { depth: Some(1), ..ReferrerFilter::default() }, &[&signature, &sbom]).await;
    let filter = |types| ReferrerFilter { artifact_types: types, ..ReferrerFilter::default() };
    check(filter(types(&["type/sbom"])), &[&sbom]).await;
    check(filter(types(&["type/sbom", "type/sbom-signature"])), &[&sbom, &sbom_signature]).await;
    let without = |types| ReferrerFilter { excluded_types: types, ..ReferrerFilter::default() };
    check(without(types(&["type/sbom"])), &[&signature]).await;
    check(without(types(&["type/sbom-signature"])), &[&signature, &sbom]).await;
}

#[tokio::test]
async fn referrers_of_the_images_in_an_index_are_copied_too() {
    let (source, destination) = (Arc::new(Spy::new()), Arc::new(Spy::new()));
    let make = Make(&source);
    let [image, signature, ..] = signed_image(&make).await;
    make.index("index", &[(&image, "linux/amd64")]).await;
    copy(&source, &destination, "index", &[], with_referrers(ReferrerFilter::default())).await.expect("copy");
    assert!(destination.inner.exists(&signature).await.expect("exists"));
}

/// Lists of referrers that clients keep may be behind what is there.
#[tokio::test]
async fn listed_referrers_that_are_gone_are_left_out() {
    let gone = vec![Descriptor::of(media_type::OCI_MANIFEST, b"gone")];
    let (source, destination) = (Arc::new(Spy { gone, ..Spy::new() }), Arc::new(Spy::new()));
    let [_, signature, ..] = signed_image(&Make(&source)).await;
    copy(&source, &destination, "image", &[], with_referrers(ReferrerFilter::default())).await.expect("copy");
    assert!(destination.inner.exists(&signature).await.expect("exists"));
}

#[tokio::test]
async fn a_subject_comes_along_unless_it_is_missing() {
    let (source, destination) = (Arc::new(Spy::new()), Arc::new(Spy::new()));
    let [image, signature, ..] = signed_image(&Make(&source)).await;
    copy(&source, &destination, "signature", &[], CopyOptions::default()).await.expect("copy");
    assert!(destination.inner.exists(&image).await.expect("exists"));

    source.inner.delete(&image).await.expect("delete");
    let destination = Arc::new(Spy::new());
    copy(&source, &destination, "signature", &[], CopyOptions::default()).await.expect("copy");
    assert!(destination.inner.exists(&signature).await.expect("exists"));
}

#[tokio::test]
async fn platforms_are_selected() {
    let source = Arc::new(Spy::new());
    let make = Make(&source);
    let layer = make.blob("layer", content(10, 1)).await;
    let amd64 = make.image("amd64", &[&layer], None).await;
    let arm64 = make.image("arm64", &[&layer], None).await;
    let s390x = make.image("s390x", &[&layer], None).await;
    let children = [(&amd64, "linux/amd64"), (&arm64, "linux/arm64"), (&s390x, "linux/s390x")];
    let index = make.index("index", &children).await;
    let copied = async |selection| {
        let destination = Arc::new(Spy::new());
        let options = CopyOptions { selection, ..CopyOptions::default() };
        let descriptor = copy(&source, &destination, "index", &["v1"], options).await?;
        let there = destination.inner.fetch_reference("v1").await.expect("tagged");
        assert_eq!(*there.digest(), descriptor.digest);
        let mut children = Vec::new();
        for child in [&amd64, &arm64, &s390x] {
            children.push(destination.inner.exists(child).await.expect("exists"));
        }
        Ok::<_, CopyError>((there, children))
    };
    let platforms =
        |names: &[&str]| names.iter().map(|name| name.parse().expect("valid")).collect::<Vec<_>>();

    let (image, children) =
        copied(Selection::Platform("linux/arm64".parse().expect("valid"))).await.expect("copy");
    assert_eq!((image.digest(), children), (&arm64.digest, vec![false, true, false]));

    let wanted = platforms(&["linux/amd64", "linux/s390x"]);
    let (sparse, children) = copied(Selection::Sparse(wanted.clone())).await.expect("copy");
    assert_eq!((sparse.digest(), children), (&index.digest, vec![true, false, true]));

    let (filtered, children) = copied(Selection::Filtered(wanted)).await.expect("copy");
    assert_eq!(children, [true, false, true]);
    assert_ne!(*filtered.digest(), index.digest);
    assert_eq!(filtered.successors().len(), 2);
    assert!(String::from_utf8_lossy(&filtered.bytes).contains(r#""x-unknown":1"#));
    let all = platforms(&["linux/amd64", "linux/arm64", "linux/s390x"]);
    let (same, _) = copied(Selection::Filtered(all)).await.expect("copy");
    assert_eq!(*same.digest(), index.digest);

    for selection in [
        Selection::Platform("windows/amd64".parse().expect("valid")),
        Selection::Filtered(platforms(&["linux/amd64", "windows/amd64"])),
    ] {
        let failed = copied(selection).await.expect_err("no such platform");
        assert_eq!(failed.origin, Origin::Source);
        let message = failed.to_string();
        assert!(message.contains("windows/amd64 in index; it has: linux/amd64, linux/arm64"), "{message}");
    }
}

#[tokio::test]
async fn embedded_data_is_used_when_it_is_right() {
    for (data, fetched) in [(b"embedded", 0), (b"tampered", 1)] {
        let (source, destination) = (Arc::new(Spy::new()), Arc::new(Spy::new()));
        let make = Make(&source);
        let mut layer = make.blob("layer", b"embedded".to_vec()).await;
        layer.data = Some(base64::engine::general_purpose::STANDARD.encode(data));
        make.image("image", &[&layer], None).await;
        copy(&source, &destination, "image", &[], CopyOptions::default()).await.expect("copy");
        let calls = source.calls();
        assert_eq!(calls.iter().filter(|call| *call == "fetch layer").count(), fetched, "{calls:?}");
        assert!(destination.inner.exists(&layer).await.expect("exists"));
    }
}

#[tokio::test]
async fn foreign_layers_may_be_missing_and_others_may_not() {
    let (source, destination) = (Arc::new(Spy::new()), Arc::new(Spy::new()));
    let make = Make(&source);
    let mut layer = make.blob("layer", content(10, 1)).await;
    source.inner.delete(&layer).await.expect("delete");
    make.image("image", &[&layer], None).await;
    let failed =
        copy(&source, &destination, "image", &[], CopyOptions::default()).await.expect_err("missing");
    assert!(failed.origin == Origin::Source && failed.error.is_not_found(), "{failed}");
    layer.media_type = media_type::DOCKER_FOREIGN_LAYER.to_owned();
    make.image("windows", &[&layer], None).await;
    copy(&source, &destination, "windows", &[], CopyOptions::default()).await.expect("copy");
}

#[tokio::test]
async fn the_side_that_failed_is_named() {
    let source = Arc::new(Spy { breaks: Some("layer"), ..Spy::new() });
    let make = Make(&source);
    let layer = make.blob("layer", content(MIB, 1)).await;
    make.image("image", &[&layer], None).await;
    let destination = Arc::new(Spy::new());
    let failed =
        copy(&source, &destination, "image", &["v1"], CopyOptions::default()).await.expect_err("broken");
    assert_eq!(failed.origin, Origin::Source);
    assert!(failed.to_string().contains("connection reset"), "{failed}");
    assert!(destination.inner.resolve("v1").await.expect_err("nothing half").is_not_found());

    let source = Arc::new(Spy::new());
    let make = Make(&source);
    let layer = make.blob("layer", content(MIB, 1)).await;
    make.image("image", &[&layer], None).await;
    let small = Arc::new(Spy { inner: Memory::with_limit(100_000), ..Spy::new() });
    let failed =
        copy(&source, &small, "image", &["v1"], CopyOptions::default()).await.expect_err("too large");
    assert_eq!(failed.origin, Origin::Destination);
    let failed = copy(&source, &small, "none", &[], CopyOptions::default()).await.expect_err("no such tag");
    assert!(failed.origin == Origin::Reference && failed.error.is_not_found(), "{failed}");
}

#[tokio::test]
async fn endless_nesting_is_refused() {
    let (source, destination) = (Arc::new(Spy::new()), Arc::new(Spy::new()));
    let make = Make(&source);
    let layer = make.blob("layer", content(10, 1)).await;
    let mut inner = make.image("innermost", &[&layer], None).await;
    for level in 0..100 {
        inner = make.index(&format!("level-{level}"), &[(&inner, "linux/amd64")]).await;
    }
    let failed = copy(&source, &destination, "level-99", &[], CopyOptions::default()).await;
    assert!(matches!(failed.expect_err("too deep").error, Error::TooDeep { .. }));
}

#[derive(Default)]
struct Notes(Mutex<Vec<(Digest, String)>>);

impl Reporter for Notes {
    fn report(&self, descriptor: &Descriptor, event: Event<'_>) {
        self.0.lock().expect("sound").push((descriptor.digest.clone(), format!("{event:?}")));
    }
}

#[tokio::test]
async fn the_reporter_hears_of_everything_and_a_copier_remembers() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let source = Arc::new(Spy::new());
    let make = Make(&source);
    let layer = make.blob("layer", content(600_000, 1)).await;
    let one = make.image("one", &[&layer], None).await;
    make.image("two", &[&layer], None).await;
    let layout = Arc::new(Layout::create(directory.path()).await.expect("create"));
    let notes = Arc::new(Notes::default());
    let copier = Copier::new(source, layout.clone(), CopyOptions::default(), notes.clone());
    copier.copy("one", &["v1".to_owned()]).await.expect("copy");
    let of = |digest: &Digest| {
        let notes = notes.0.lock().expect("sound");
        notes.iter().filter(|(d, _)| d == digest).map(|(_, event)| event.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        of(&layer.digest),
        ["Started", "Progress(262144)", "Progress(524288)", "Progress(600000)", "Copied"]
    );
    assert_eq!(of(&one.digest), ["Started", "Copied", "Tagged(\"v1\")"]);
    // The second artifact shares the layer: nothing happens to it, it is not even looked for.
    notes.0.lock().expect("sound").clear();
    copier.copy("two", &["v2".to_owned()]).await.expect("copy");
    assert!(of(&layer.digest).is_empty());
    let again = Layout::open(directory.path()).await.expect("open");
    assert_eq!(again.tags(None).await.expect("tags"), ["v1", "v2"]);
}

#[tokio::test]
async fn the_tree_of_referrers_is_found() {
    let source = Arc::new(Spy::new());
    let [image, signature, sbom, sbom_signature] = signed_image(&Make(&source)).await;
    let mut tree = referrer_tree(&*source, &image, None, None).await.expect("tree");
    tree.sort_by_key(|referrer| referrer.referrers.len());
    assert_eq!(tree.iter().map(|r| r.descriptor.plain()).collect::<Vec<_>>(), [signature, sbom]);
    assert_eq!(tree[1].referrers[0].descriptor.plain(), sbom_signature);
    let shallow = referrer_tree(&*source, &image, None, Some(1)).await.expect("tree");
    assert!(shallow.len() == 2 && shallow.iter().all(|referrer| referrer.referrers.is_empty()));
    let sboms = referrer_tree(&*source, &image, Some("type/sbom"), None).await.expect("tree");
    assert!(sboms.len() == 1 && sboms[0].referrers.is_empty());
}

#[tokio::test]
async fn a_graph_is_deleted_from_its_leaves_and_spares_what_tags_need() {
    let target = Arc::new(Spy::new());
    let make = Make(&target);
    let [image, signature, sbom, sbom_signature] = signed_image(&make).await;
    let layer = make.blob("layer", content(10, 1)).await;
    let needed = make.image("needed", &[&layer], None).await;
    let index = make.index("index", &[(&image, "linux/amd64"), (&needed, "linux/arm64")]).await;
    make.index("outer", &[(&index, "linux/amd64")]).await;
    make.index("beside", &[(&needed, "linux/arm64")]).await;
    for tag in ["image", "signature", "sbom", "sbom-signature"] {
        target.inner.untag(tag).await.expect("untag");
    }
    let plan = plan_delete(&*target, &index, DeleteScope::Referrers).await.expect("plan");
    assert_eq!(plan.manifests.iter().collect::<Vec<_>>(), [&index]);
    let plan = plan_delete(&*target, &index, DeleteScope::ReferrersAndManifests).await.expect("plan");
    let place = |descriptor: &Descriptor| {
        plan.manifests.iter().position(|planned| planned.digest == descriptor.digest).expect("planned")
    };
    assert_eq!(plan.manifests.len(), 5);
    assert!(place(&index) < place(&image) && place(&signature) < place(&image));
    assert!(place(&sbom_signature) < place(&sbom) && place(&sbom) < place(&image));
    assert_eq!(plan.kept.iter().map(|kept| &kept.digest).collect::<Vec<_>>(), [&needed.digest]);
    assert_eq!(plan.broken, ["outer"], "it lists the index that goes");
    let mut deleted = 0;
    delete_planned(&*target, &plan, |_| deleted += 1).await.expect("delete");
    assert_eq!(deleted, 5);
    assert!(!target.inner.exists(&image).await.expect("exists"));
    assert!(target.inner.exists(&needed).await.expect("exists"));
}
