//! Archives in the forms that `docker save` and layout tools write, made here entry by entry.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tidewaiter_oci::archive::Archive;
use tidewaiter_oci::content::fetch_all;
use tidewaiter_oci::layout::open_readable;
use tidewaiter_oci::{Descriptor, Digest, Error, Fetch as _, Resolve as _, media_type};

/// Content that does not compress to nothing, so that compressed archives have some length.
fn layer(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789abcdef"[(state >> 28) as usize]
    };
    (0..length).map(|_| next()).collect()
}

enum Packed<'a> {
    Bytes(&'a str, Vec<u8>),
    Symlink(&'a str, &'a str),
}
use Packed::{Bytes, Symlink};

fn write_tar(path: &Path, files: &[Packed<'_>]) {
    let mut builder = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        match file {
            Bytes(name, content) => {
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, name, &content[..]).expect("append");
            }
            Symlink(name, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, target).expect("append");
            }
        }
    }
    let bytes = builder.into_inner().expect("finish");
    let mut file = File::create(path).expect("create");
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(&bytes).expect("write");
        encoder.finish().expect("finish");
    } else {
        file.write_all(&bytes).expect("write");
    }
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::sha256(layer)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    config.to_string().into_bytes()
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Two images that share a layer, the way Docker wrote them before version 25: one of the layers is a link.
fn old_docker_save(path: &Path) -> [Vec<u8>; 2] {
    let layers = [layer(1, 2_500_000), layer(2, 1_500_000)];
    let listing = json!([
        {"Config": "aa.json", "RepoTags": ["alpine:3.10", "registry.example/a:v1"],
         "Layers": ["one/layer.tar", "two/layer.tar"]},
        {"Config": "bb.json", "RepoTags": null, "Layers": ["three/layer.tar"]},
    ]);
    let files = [
        Bytes("two/VERSION", b"1.0".to_vec()),
        Bytes("two/layer.tar", layers[1].clone()),
        Bytes("one/layer.tar", layers[0].clone()),
        Symlink("three/layer.tar", "../one/layer.tar"),
        Bytes("aa.json", config(&[&layers[0], &layers[1]])),
        Bytes("bb.json", config(&[&layers[0]])),
        Bytes("manifest.json", text(&listing)),
    ];
    write_tar(path, &files);
    layers
}

fn directory() -> (tempfile::TempDir, impl Fn(&str) -> PathBuf) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().to_owned();
    (directory, move |name: &str| path.join(name))
}

#[tokio::test]
async fn old_docker_archives_are_read_plain_and_compressed() {
    let (_directory, path) = directory();
    let mut seen = Vec::new();
    for name in ["save.tar", "save.tar.gz"] {
        let layers = old_docker_save(&path(name));
        let archive = Archive::open(path(name)).await.expect("open");
        let [first, second] = archive.references() else { panic!("two images") };
        assert_eq!(first.names, ["alpine:3.10", "registry.example/a:v1"]);
        assert!(second.names.is_empty());
        // The image with a name is meant.
        assert_eq!(archive.default_image().expect("default"), first.descriptor);
        for reference in ["alpine:3.10", "docker.io/library/alpine:3.10", "registry.example/a:v1"] {
            assert_eq!(archive.resolve(reference).await.expect(reference), first.descriptor);
        }
        assert!(archive.resolve("alpine").await.expect_err("another tag").is_not_found());

        let manifest = archive.fetch_reference(first.descriptor.digest.as_str()).await.expect("fetch");
        let [config, one, two] = manifest.successors()[..] else { panic!("two layers") };
        assert_eq!(config.media_type, media_type::OCI_CONFIG);
        assert_eq!((one.media_type.as_str(), one.size), (media_type::OCI_LAYER, layers[0].len() as u64));
        for (descriptor, content) in [(two, &layers[1]), (one, &layers[0])] {
            assert!(archive.exists(descriptor).await.expect("exists"));
            assert!(fetch_all(&archive, descriptor, u64::MAX).await.expect("fetch") == content[..]);
        }
        let other = archive.fetch_reference(second.descriptor.digest.as_str()).await.expect("fetch");
        assert_eq!(other.successors()[1], one);
        seen.push((first.clone(), manifest.bytes));
    }
    // The manifest depends on the images only, not on how they are packed.
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn compressed_layers_are_recognised() {
    let (_directory, path) = directory();
    let plain = layer(3, 100_000);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&plain).expect("write");
    let gzip = encoder.finish().expect("finish");
    let zstd = zstd::encode_all(&plain[..], 0).expect("encode");
    let listing = json!([{"Config": "c", "RepoTags": ["a:b"], "Layers": ["g.tar.gz", "z", "p"]}]);
    let files = [
        Bytes("./manifest.json", text(&listing)),
        Bytes("./c", b"{}".to_vec()),
        Bytes("./g.tar.gz", gzip.clone()),
        Bytes("./z", zstd.clone()),
        Bytes("./p", plain.clone()),
    ];
    write_tar(&path("a.tar"), &files);
    let archive = Archive::open(path("a.tar")).await.expect("open");
    let manifest = archive.fetch_reference("a:b").await.expect("fetch");
    let expected = [
        Descriptor::of(media_type::OCI_LAYER_GZIP, &gzip),
        Descriptor::of(media_type::OCI_LAYER_ZSTD, &zstd),
        Descriptor::of(media_type::OCI_LAYER, &plain),
    ];
    assert_eq!(manifest.successors()[1..], expected.iter().collect::<Vec<_>>());
}

/// Newer `docker save` archives: a layout with `manifest.json` beside it.
fn new_docker_save(path: &Path, leave_out_manifest: bool) -> Descriptor {
    let layer = layer(4, 10_000);
    let config = config(&[&layer]);
    let manifest = text(&json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": Descriptor::of(media_type::OCI_CONFIG, &config),
        "layers": [Descriptor::of(media_type::OCI_LAYER, &layer)],
        "annotations": {"only": "in the real manifest"},
    }));
    let descriptor = Descriptor::of(media_type::OCI_MANIFEST, &manifest);
    let mut listed = serde_json::to_value(&descriptor).expect("JSON");
    listed["annotations"] = json!({
        "io.containerd.image.name": "docker.io/library/alpine:3.10", "org.opencontainers.image.ref.name": "3.10",
    });
    let blob = |content: &[u8]| format!("blobs/sha256/{}", Digest::sha256(content).hex());
    let (config_name, layer_name, manifest_name) = (blob(&config), blob(&layer), blob(&manifest));
    let listing = json!([{"Config": config_name, "RepoTags": ["alpine:3.10"], "Layers": [layer_name]}]);
    let mut files = vec![
        Bytes(&config_name, config),
        Bytes(&layer_name, layer),
        Bytes("index.json", text(&json!({"schemaVersion": 2, "manifests": [listed]}))),
        Bytes("manifest.json", text(&listing)),
        Bytes("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec()),
    ];
    if !leave_out_manifest {
        files.push(Bytes(&manifest_name, manifest));
    }
    write_tar(path, &files);
    descriptor
}

#[tokio::test]
async fn new_docker_archives_give_their_real_manifests() {
    let (_directory, path) = directory();
    let descriptor = new_docker_save(&path("new.tar"), false);
    let archive = Archive::open(path("new.tar")).await.expect("open");
    assert_eq!(archive.references()[0].names, ["docker.io/library/alpine:3.10"]);
    for reference in ["alpine:3.10", "3.10", "docker.io/library/alpine:3.10"] {
        let manifest = archive.fetch_reference(reference).await.expect(reference);
        assert_eq!(*manifest.digest(), descriptor.digest);
    }
    // Where the layout is not complete, the older listing serves.
    let descriptor = new_docker_save(&path("incomplete.tar"), true);
    let archive = Archive::open(path("incomplete.tar")).await.expect("open");
    let manifest = archive.fetch_reference("alpine:3.10").await.expect("fetch");
    assert_ne!(*manifest.digest(), descriptor.digest);
    assert_eq!(manifest.successors()[1].media_type, media_type::OCI_LAYER);
}

#[tokio::test]
async fn layouts_in_tar_files_are_read_with_their_referrers() {
    let (_directory, path) = directory();
    let image = text(&json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": Descriptor::of(media_type::OCI_EMPTY, b"{}"), "layers": [],
    }));
    let subject = Descriptor::of(media_type::OCI_MANIFEST, &image);
    let signature = text(&json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "artifactType": "a/signature",
        "config": Descriptor::of(media_type::OCI_EMPTY, b"{}"), "layers": [], "subject": subject,
    }));
    let mut tagged = serde_json::to_value(&subject).expect("JSON");
    tagged["annotations"] = json!({"org.opencontainers.image.ref.name": "registry.example/any:name"});
    let untagged = Descriptor::of(media_type::OCI_MANIFEST, &signature);
    let index = json!({"schemaVersion": 2, "manifests": [tagged, untagged]});
    let name = |content: &[u8]| format!("blobs/sha256/{}", Digest::sha256(content).hex());
    let files = [
        Bytes("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        Bytes(&name(&image), image.clone()),
        Bytes(&name(&signature), signature.clone()),
        Bytes(&name(b"{}"), b"{}".to_vec()),
        Bytes("index.json", text(&index)),
    ];
    write_tar(&path("layout.tar"), &files);
    let archive = open_readable(path("layout.tar")).await.expect("open");
    assert_eq!(archive.resolve("registry.example/any:name").await.expect("resolve"), subject);
    let referrers = archive.referrers(&subject, Some("a/signature")).await.expect("referrers");
    assert_eq!(referrers.iter().map(Descriptor::plain).collect::<Vec<_>>(), [untagged]);
    let archive = Archive::open(path("layout.tar")).await.expect("open");
    assert_eq!(archive.default_image().expect("default"), subject);
}

#[tokio::test]
async fn a_layer_that_is_not_what_the_configuration_says_is_noticed() {
    let (_directory, path) = directory();
    let listing = json!([{"Config": "c", "Layers": ["l"]}]);
    let files = [
        Bytes("manifest.json", text(&listing)),
        Bytes("c", config(&[b"what it was"])),
        Bytes("l", b"what it is!".to_vec()),
    ];
    write_tar(&path("a.tar"), &files);
    let archive = Archive::open(path("a.tar")).await.expect("open");
    let image = archive.default_image().expect("default");
    let manifest = archive.fetch_reference(image.digest.as_str()).await.expect("fetch");
    let error = fetch_all(&archive, manifest.successors()[1], 100).await.expect_err("changed");
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_archive_is_explained() {
    let (_directory, path) = directory();
    let check = async |files: &[Packed<'_>], reason: &str| {
        write_tar(&path("a.tar"), files);
        let error = Archive::open(path("a.tar")).await.err().expect("no archive");
        assert!(matches!(error, Error::InvalidStore { .. }) && error.to_string().contains(reason), "{error}");
    };
    check(&[Bytes("x", Vec::new())], "neither an index.json (OCI) nor a manifest.json").await;
    check(&[Bytes("index.json", b"{}".to_vec())], "it has no file oci-layout").await;
    check(&[Bytes("manifest.json", b"{}".to_vec())], "its manifest.json is broken").await;
    let listing = text(&json!([{"Config": "c", "Layers": ["../../etc/passwd"]}]));
    let config = || Bytes("c", b"{}".to_vec());
    check(&[Bytes("manifest.json", listing), config()], "names ../../etc/passwd, which it does not have")
        .await;
    let listing = text(&json!([{"Config": "c", "Layers": ["l"]}]));
    check(&[Bytes("manifest.json", listing), config(), Symlink("l", "l")], "names l, which it").await;

    std::fs::write(path("text"), "hello ".repeat(200)).expect("write");
    let error = Archive::open(path("text")).await.err().expect("no archive").to_string();
    assert!(error.contains("it is no sound tar archive: a tar header has a wrong checksum"), "{error}");
    old_docker_save(&path("cut.tar"));
    let file = File::options().write(true).open(path("cut.tar")).expect("open");
    file.set_len(2_000_000).expect("cut");
    let error = Archive::open(path("cut.tar")).await.err().expect("cut off").to_string();
    assert!(error.contains("the tar archive is cut off"), "{error}");
}
