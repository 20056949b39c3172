//! The kit with the programs it is for: Debian's docker-registry, curl, debootstrap, umoci.

use std::fs;
use std::path::Path;
use std::process::Command;

use tidewaiter_testkit::debian::{debian_root, oci_layout_of};
use tidewaiter_testkit::{DockerRegistry, FaultProxy, PathClass, Plan};

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_real_registry_works_behind_the_proxy() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut server = DockerRegistry::new().start(directory.path());
    let proxy = FaultProxy::start(server.address(), Plan::new());
    let content = directory.path().join("blob");
    fs::write(&content, vec![b'x'; 5 << 20]).expect("a file");
    let digest = output(Command::new("sha256sum").arg(&content));
    let digest = digest.split(' ').next().expect("a digest");

    let base = format!("http://{}/v2/test/blobs", proxy.host());
    let head = output(Command::new("curl").args(["-sSfi", "-X", "POST", &format!("{base}/uploads/")]));
    let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).expect("a location").trim();
    assert!(location.contains(&proxy.host()), "{location}");
    // With a body from standard input curl sends chunks.
    output(
        Command::new("curl")
            .args(["-sSf", "-H", "Transfer-Encoding: chunked", "-X", "PUT", "-T", "-"])
            .arg(format!("{location}&digest=sha256:{digest}"))
            .stdin(fs::File::open(&content).expect("the file")),
    );
    let fetched = directory.path().join("fetched");
    output(Command::new("curl").args(["-sSf", &format!("{base}/sha256:{digest}"), "-o"]).arg(&fetched));
    assert_eq!(fs::read(&fetched).expect("fetched"), fs::read(&content).expect("pushed"));

    let counts = proxy.counts().into_iter().map(|((method, class), count)| (method, class, count));
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [
            ("GET".to_owned(), PathClass::Blob, 1),
            ("POST".to_owned(), PathClass::Upload, 1),
            ("PUT".to_owned(), PathClass::Upload, 1)
        ]
    );
    assert!(server.peak_memory() > 1 << 20);
    server.stop();
}

#[test]
fn the_debian_root_is_one_and_its_layout_too() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = debian_root(cache);
    let admin = root.join("var/lib/dpkg");
    let packages =
        output(Command::new("dpkg-query").arg(format!("--admindir={}", admin.display())).args(["-W"]));
    assert!(packages.lines().count() > 50, "{packages}");

    let layout = oci_layout_of(&root, cache, "bookworm");
    let inspected = output(
        Command::new("skopeo").args(["inspect", "--raw"]).arg(format!("oci:{}:bookworm", layout.display())),
    );
    assert_eq!(inspected.matches("image.layer.v1.tar+gzip").count(), 1, "{inspected}");
}
