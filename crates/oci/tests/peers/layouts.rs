//! Layouts and archives that skopeo and umoci write are read right, and ours are read by them.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tidewaiter_oci::archive::Archive;
use tidewaiter_oci::content::{ReadTarget, fetch_all, fetch_manifest};
use tidewaiter_oci::copy::{Copier, CopyOptions};
use tidewaiter_oci::layout::Layout;
use tidewaiter_oci::pack::{
    CONTENT_DIGEST, Compression, DirectoryOptions, ManifestOptions, Packed, Stage, Times, pack_directory,
    pack_manifest,
};
use tidewaiter_oci::{Descriptor, Digest, Fetch as _, Manifest, TagContent as _, View, media_type};

/// Runs a program that must be installed and must succeed; gives what it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {out}{err}");
    out.into_owned()
}

fn skopeo(arguments: &[&str]) -> String {
    run("skopeo", &[&["--insecure-policy"], arguments].concat())
}

/// What an image has that was made for a test: its manifest, and its layers before compression.
struct Image {
    manifest: Manifest,
    layers: Vec<Descriptor>,
    content_digests: Vec<Digest>,
}

/// Packs directories as the layers of an image and pushes it into a layout.
async fn make_image(layout: &Layout, work: &Path, tag: &str, files: &[&[(&str, Vec<u8>)]]) -> Image {
    let stage = Stage::new();
    let options = DirectoryOptions {
        compression: Compression::Gzip { level: 6 },
        times: Times::Fixed(1_600_000_000),
        threads: NonZeroUsize::MIN,
        temporary_directory: work.to_owned(),
    };
    let (mut layers, mut content_digests) = (Vec::new(), Vec::<Digest>::new());
    for (number, files) in files.iter().enumerate() {
        let root = work.join(format!("{tag}-{number}"));
        for (name, content) in *files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("create");
            fs::write(path, content).expect("write");
        }
        let packed = pack_directory(&root, ".", None, &options).await.expect("pack");
        let digest = packed.descriptor.annotation(CONTENT_DIGEST).expect("the content's digest");
        content_digests.push(digest.parse().expect("a digest"));
        layers.push(packed.descriptor.plain());
        stage.add(packed);
    }
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Env": ["A=b"]},
        "rootfs": {"type": "layers", "diff_ids": content_digests},
        "history": content_digests.iter().map(|_| json!({"created_by": "a test"})).collect::<Vec<_>>(),
    });
    let config = Packed::from_bytes(media_type::OCI_CONFIG, config.to_string());
    let options = ManifestOptions {
        config: Some(config.descriptor.clone()),
        layers: layers.clone(),
        ..ManifestOptions::default()
    };
    stage.add(config);
    let (manifest, _) = pack_manifest(options).expect("pack");
    stage.add_manifest(manifest.clone(), tag);
    let copier = Copier::new(Arc::new(stage), Arc::new(layout.clone()), CopyOptions::default(), Arc::new(()));
    copier.copy(tag, &[tag.to_owned()]).await.expect("push");
    Image { manifest, layers, content_digests }
}

/// Text that is not all zeros, so that positions in compressed archives differ from those of content.
fn text(length: usize) -> Vec<u8> {
    let mut state = 3_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"etaoin shrdlu\n  "[(state >> 28) as usize]
    };
    (0..length).map(|_| next()).collect()
}

struct Fixture {
    directory: tempfile::TempDir,
    layout: Layout,
    image: Image,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let layout = Layout::create(directory.path().join("layout")).await.expect("create");
        let first: &[(&str, Vec<u8>)] =
            &[("etc/os-release", b"ID=test\n".to_vec()), ("large", text(3_000_000))];
        let second: &[(&str, Vec<u8>)] = &[("usr/share/doc", text(1_500_000))];
        let image = make_image(&layout, directory.path(), "v1", &[first, second]).await;
        Self { directory, layout, image }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// How skopeo calls our layout.
    fn ours(&self) -> String {
        format!("oci:{}:v1", self.path("layout"))
    }
}

/// All content of an image can be read and is right.
async fn read_whole(store: &dyn ReadTarget, reference: &str) -> Manifest {
    let manifest = store.fetch_reference(reference).await.expect(reference);
    for descriptor in manifest.successors() {
        let content = fetch_all(store, descriptor, u64::MAX).await.expect("read a layer");
        assert_eq!(Digest::sha256(&content), descriptor.digest);
    }
    manifest
}

#[tokio::test]
async fn skopeo_reads_our_layouts() {
    let fixture = Fixture::new().await;
    let raw = skopeo(&["inspect", "--raw", &fixture.ours()]);
    assert_eq!(raw.as_bytes(), &fixture.image.manifest.bytes[..]);
    let inspected: Value = serde_json::from_str(&skopeo(&["inspect", &fixture.ours()])).expect("JSON");
    assert_eq!(inspected["Digest"], json!(fixture.image.manifest.digest()));
    let layers: Vec<_> = fixture.image.layers.iter().map(|layer| &layer.digest).collect();
    assert_eq!(inspected["Layers"], json!(layers));
    // Copying makes it unpack every layer and compare the digests with the configuration.
    skopeo(&["copy", "--dest-decompress", &fixture.ours(), &format!("dir:{}", fixture.path("dir"))]);
}

#[tokio::test]
async fn umoci_reads_our_layouts() {
    let fixture = Fixture::new().await;
    let image = format!("{}:v1", fixture.path("layout"));
    assert_eq!(run("umoci", &["list", "--layout", &fixture.path("layout")]).trim(), "v1");
    let stat: Value =
        serde_json::from_str(&run("umoci", &["stat", "--image", &image, "--json"])).expect("JSON");
    assert_eq!(stat["history"].as_array().map(Vec::len), Some(2));
    run("umoci", &["unpack", "--rootless", "--image", &image, &fixture.path("bundle")]);
    let release = fs::read_to_string(fixture.path("bundle/rootfs/etc/os-release")).expect("read");
    assert_eq!(release, "ID=test\n");
    assert_eq!(fs::read(fixture.path("bundle/rootfs/usr/share/doc")).expect("read"), text(1_500_000));
    // What umoci adds and clears away leaves our image whole.
    run("umoci", &["tag", "--image", &image, "v2"]);
    run("umoci", &["gc", "--layout", &fixture.path("layout")]);
    assert_eq!(fixture.layout.tags(None).await.expect("tags"), ["v1", "v2"]);
    read_whole(&fixture.layout, "v2").await;
}

#[tokio::test]
async fn layouts_of_others_are_read() {
    let fixture = Fixture::new().await;
    let theirs = fixture.path("theirs");
    skopeo(&["copy", &fixture.ours(), &format!("oci:{theirs}:name")]);
    let layout = Layout::open(&theirs).await.expect("open");
    assert_eq!(*read_whole(&layout, "name").await.digest(), *fixture.image.manifest.digest());
    assert_eq!(layout.default_image().await.expect("one").digest, *fixture.image.manifest.digest());
    // It goes on writing into it while we have it open.
    skopeo(&["copy", &fixture.ours(), &format!("oci:{theirs}:another")]);
    assert_eq!(layout.tags(None).await.expect("tags"), ["another", "name"]);

    let made = fixture.path("made");
    run("umoci", &["init", "--layout", &made]);
    run("umoci", &["new", "--image", &format!("{made}:empty")]);
    let layout = Layout::open(&made).await.expect("open");
    let manifest = read_whole(&layout, "empty").await;
    assert!(matches!(manifest.view, View::Image(image) if image.layers.is_empty()));
    // And it reads what we add to a layout of its making.
    layout.tag(&manifest.descriptor, "again").await.expect("tag");
    let list = run("umoci", &["list", "--layout", &made]);
    assert_eq!(list.lines().collect::<BTreeSet<_>>(), ["again", "empty"].into());
}

#[tokio::test]
async fn archives_of_others_are_read_plain_and_compressed() {
    let fixture = Fixture::new().await;
    let oci = fixture.path("oci.tar");
    skopeo(&["copy", &fixture.ours(), &format!("oci-archive:{oci}:name")]);
    let docker = fixture.path("docker.tar");
    skopeo(&["copy", &fixture.ours(), &format!("docker-archive:{docker}:example.org/team/app:v1")]);
    for archive in [&oci, &docker] {
        run("gzip", &["-k", "-9", archive]);
    }
    for suffix in ["", ".gz"] {
        let archive = Archive::open(format!("{oci}{suffix}")).await.expect("open");
        assert_eq!(archive.references()[0].names, ["name"]);
        assert_eq!(read_whole(&archive, "name").await.bytes, fixture.image.manifest.bytes);

        let archive = Archive::open(format!("{docker}{suffix}")).await.expect("open");
        assert_eq!(archive.references()[0].names, ["example.org/team/app:v1"]);
        let manifest = read_whole(&archive, "example.org/team/app:v1").await;
        // Layers lie there uncompressed: their digests are those of the content.
        let layers: Vec<_> = manifest.successors()[1..].iter().map(|layer| layer.digest.clone()).collect();
        assert_eq!(layers, fixture.image.content_digests);
        let image = archive.default_image().expect("one image");
        assert_eq!(fetch_manifest(&archive, &image).await.expect("fetch").bytes, manifest.bytes);
    }
}

#[tokio::test]
async fn an_image_made_up_from_an_archive_is_one_that_others_accept() {
    let fixture = Fixture::new().await;
    let docker = fixture.path("docker.tar");
    skopeo(&["copy", &fixture.ours(), &format!("docker-archive:{docker}:app:v1")]);
    let archive = Archive::open(&docker).await.expect("open");
    let layout = Layout::create(fixture.path("imported")).await.expect("create");
    let copier =
        Copier::new(Arc::new(archive), Arc::new(layout.clone()), CopyOptions::default(), Arc::new(()));
    let copied = copier.copy("app:v1", &["imported".to_owned()]).await.expect("copy");
    assert!(layout.exists(&copied).await.expect("exists"));
    let theirs = format!("oci:{}:imported", fixture.path("imported"));
    let inspected: Value = serde_json::from_str(&skopeo(&["inspect", &theirs])).expect("JSON");
    assert_eq!(inspected["Digest"], json!(copied.digest));
    run("umoci", &["unpack", "--rootless", "--image", &theirs["oci:".len()..], &fixture.path("bundle")]);
    let large = fs::read(fixture.path("bundle/rootfs/large")).expect("read");
    assert_eq!(large, text(3_000_000));
}

#[tokio::test]
async fn packed_directories_are_sound_archives_to_others() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let root = directory.path().join("data");
    fs::create_dir_all(root.join("größe/deep")).expect("create");
    fs::write(root.join("größe/deep").join("n".repeat(200)), text(2_500_000)).expect("write");
    fs::write(root.join("empty"), "").expect("write");
    std::os::unix::fs::symlink("größe/deep", root.join("link")).expect("link");
    let pack = async |compression, file: &str| {
        let options = DirectoryOptions {
            compression,
            times: Times::Fixed(1_600_000_000),
            threads: NonZeroUsize::new(3).expect("not zero"),
            temporary_directory: directory.path().to_owned(),
        };
        let packed = pack_directory(&root, "data", None, &options).await.expect("pack");
        let stage = Stage::new();
        stage.add(packed.clone());
        let bytes = fetch_all(&stage, &packed.descriptor, u64::MAX).await.expect("read");
        fs::write(path(file), &bytes).expect("write");
        packed.descriptor
    };
    let gzip = pack(Compression::Gzip { level: 6 }, "data.tar.gz").await;
    pack(Compression::Zstd { level: 3 }, "data.tar.zst").await;
    run("gzip", &["-t", &path("data.tar.gz")]);
    run("zstd", &["-q", "-t", &path("data.tar.zst")]);
    run("zstd", &["-q", "-d", &path("data.tar.zst")]);
    let sum = run("sha256sum", &[&path("data.tar")]);
    let content_digest = gzip.annotation(CONTENT_DIGEST).expect("the content's digest");
    assert_eq!(format!("sha256:{}", sum.split(' ').next().unwrap_or_default()), content_digest);

    let list = "import sys, tarfile, hashlib
for entry in (archive := tarfile.open(sys.argv[1])):
    content = hashlib.sha256(archive.extractfile(entry).read()).hexdigest()[:12] if entry.isfile() else entry.linkname
    print(entry.type.decode(), entry.name, entry.uid, repr(entry.uname), int(entry.mtime), content)
";
    let listed = run("python3", &["-c", list, &path("data.tar.gz")]);
    let long = format!("data/größe/deep/{}", "n".repeat(200));
    let large = Digest::sha256(&text(2_500_000));
    let expected = [
        "5 data 0 '' 1600000000 ".to_owned(),
        format!("0 data/empty 0 '' 1600000000 {}", Digest::sha256(b"").short()),
        "5 data/größe 0 '' 1600000000 ".to_owned(),
        "5 data/größe/deep 0 '' 1600000000 ".to_owned(),
        format!("0 {long} 0 '' 1600000000 {}", large.short()),
        "2 data/link 0 '' 1600000000 größe/deep".to_owned(),
    ];
    // Entries come in the order of their names' bytes.
    let names = ["data", "data/empty", "data/größe", "data/größe/deep", &long, "data/link"];
    assert_eq!(
        listed.lines().map(|line| line.split(' ').nth(1).unwrap_or_default()).collect::<Vec<_>>(),
        names
    );
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
}
