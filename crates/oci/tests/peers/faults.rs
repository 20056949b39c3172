//! A line that cuts connections, answers errors in between and ends bodies in the middle.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tidewaiter_oci::content::{
    BlobReader, Content, Fetch as _, FileTarget, Push as _, Reopen, Resolve as _, fetch_all,
};
use tidewaiter_oci::copy::{Copier, CopyOptions};
use tidewaiter_oci::remote::{Repository, RetrySettings, Settings, TransferSettings};
use tidewaiter_oci::{Descriptor, Manifest, Result, media_type};
use tidewaiter_testkit::{Fault, FaultProxy, PathClass, Plan, Rule, When};

use crate::{Peer, repository};

/// Bytes in which every kilobyte is another.
fn content(seed: u64, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    for (n, block) in (seed << 40..).zip(bytes.chunks_mut(1024)) {
        let used = block.len().min(8);
        block[..used].copy_from_slice(&n.to_le_bytes()[..used]);
    }
    Bytes::from(bytes)
}

/// Pushes an image whose layers are from a few bytes to some megabytes large.
async fn push_image(repository: &Repository, layers: u64) -> Manifest {
    let config = Bytes::from_static(b"{}");
    let mut all = vec![(media_type::OCI_CONFIG, config)];
    for layer in 0..layers {
        let length = 1000 << (layer % 12);
        all.push((media_type::OCI_LAYER, content(layer, length)));
    }
    let mut descriptors = Vec::new();
    for (media_type, bytes) in all {
        let descriptor = Descriptor::of(media_type, &bytes);
        repository.push(&descriptor, Content::Bytes(bytes)).await.expect("pushed");
        descriptors.push(descriptor);
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": descriptors[0],
        "layers": descriptors[1..],
    });
    let manifest = Manifest::parse(Bytes::from(manifest.to_string()), None).expect("valid");
    repository.push(&manifest.descriptor, Content::Bytes(manifest.bytes.clone())).await.expect("pushed");
    manifest
}

/// Everything that may go wrong, scattered.
fn bad_day(seed: u64) -> Plan {
    let faults = [
        Fault::Answer { status: 429, retry_after: Some(0) },
        Fault::Answer { status: 500, retry_after: None },
        Fault::HalfBody,
        Fault::CutResponse { after: 700 },
        Fault::CutResponse { after: 100_000 },
        Fault::CutRequest { after: 200 },
        Fault::CutRequest { after: 150_000 },
    ];
    let rules = faults
        .into_iter()
        .zip(seed..)
        .map(|(fault, seed)| Rule::new(When::Seeded { seed, one_in: 16 }, fault));
    rules.fold(Plan::new(), Plan::rule)
}

fn patient() -> Settings {
    let retry = RetrySettings { retries: 12, longest: Duration::from_millis(20), ..RetrySettings::default() };
    Settings { retry, ..Settings::default() }
}

#[tokio::test]
async fn an_image_of_twenty_layers_is_copied_on_a_bad_day() {
    let (source, destination) = (Peer::start(), Peer::start());
    let image = push_image(&source.repository("image", Settings::default()), 20).await;
    for seed in [1, 100, 10_000] {
        let lines = [&source, &destination].map(|peer| FaultProxy::start(peer.address(), bad_day(seed)));
        let [from, to] = lines.each_ref().map(FaultProxy::address);
        let name = format!("copy{seed}");
        let copier = Copier::new(
            Arc::new(repository(from, "image", patient())),
            Arc::new(repository(to, &name, patient())),
            CopyOptions::default(),
            Arc::new(()),
        );
        let copied = copier.copy(image.digest().as_str(), &["v1".to_owned()]).await;
        copied.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));

        let straight = destination.repository(&name, Settings::default());
        let manifest = straight.fetch_reference("v1").await.expect("it is there");
        assert_eq!(manifest.bytes, image.bytes);
        for blob in manifest.successors() {
            fetch_all(&straight, blob, 1 << 30).await.expect("what is there is right");
        }
    }
}

/// Content that can be opened again.
struct Again(Bytes);

#[async_trait::async_trait]
impl Reopen for Again {
    async fn open(&self, offset: u64) -> Result<BlobReader> {
        let offset = usize::try_from(offset).expect("it is in memory");
        Ok(Box::pin(std::io::Cursor::new(self.0.slice(offset..))))
    }
}

#[tokio::test]
async fn a_large_blob_arrives_over_a_line_that_breaks() {
    let peer = Peer::start();
    let cut = Rule::new(When::Every(1), Fault::CutRequest { after: 3 << 20 });
    let plan = Plan::new().rule(cut.method("PUT").class(PathClass::Upload).at_most(1));
    let cut = Rule::new(When::Every(2), Fault::CutRequest { after: 1 << 20 });
    let plan = plan.rule(cut.method("PATCH").class(PathClass::Upload).at_most(3));
    let line = FaultProxy::start(peer.address(), plan);
    let bytes = content(7, 80 << 20);
    let blob = Descriptor::of(media_type::OCTET_STREAM, &bytes);
    let over_the_line = repository(line.address(), "a", patient());
    over_the_line.push(&blob, Content::Reopen(Box::new(Again(bytes.clone())))).await.expect("arrived");
    assert!(over_the_line.exists(&blob).await.expect("an answer"));
    assert!(line.count("PATCH", PathClass::Upload) >= 3, "what arrived is kept: {:?}", line.counts());
}

#[tokio::test]
async fn a_large_blob_is_read_over_a_line_that_breaks() {
    let peer = Peer::start();
    let bytes = content(7, 20 << 20);
    let blob = Descriptor::of(media_type::OCTET_STREAM, &bytes);
    peer.repository("a", Settings::default())
        .push(&blob, Content::Bytes(bytes.clone()))
        .await
        .expect("pushed");
    let cut = Rule::new(When::Every(3), Fault::CutResponse { after: 300_000 });
    let half = Rule::new(When::Every(4), Fault::HalfBody);
    let plan = Plan::new().rule(cut.class(PathClass::Blob)).rule(half.class(PathClass::Blob));
    let line = FaultProxy::start(peer.address(), plan);
    let transfer = TransferSettings { parallel_from: 1 << 20, part: 1 << 20, ..TransferSettings::default() };
    let over_the_line = repository(line.address(), "a", Settings { transfer, ..patient() });
    assert_eq!(fetch_all(&over_the_line, &blob, 1 << 30).await.expect("whole"), bytes);

    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("blob");
    let file = File::options().create_new(true).read(true).write(true).open(&path).expect("a new file");
    let target =
        FileTarget { file: Arc::new(file), path: path.clone(), existing: 0, progress: Arc::new(|_| {}) };
    over_the_line.fetch_to_file(&blob, &target).await.expect("whole");
    assert_eq!(std::fs::read(&path).expect("it is there"), bytes);
    assert!(line.count("GET", PathClass::Blob) > 20, "{:?}", line.counts());
}
