//! The same image from wherever it may lie, as `skopeo` puts it there: the same inventory from everywhere, and the
//! same in every format.

mod harness;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{fail, run, succeed, tidewaiter};
use serde_json::Value;
use tidewaiter_testkit::debian::{debian_root, oci_layout_of};
use tidewaiter_testkit::{ServerProcess, free_address};

fn skopeo(args: &[&str]) {
    let output = Command::new("skopeo").arg("--insecure-policy").args(args).output().expect("skopeo starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The packages with all that is said of them, and the problems: what does not depend on where the image lies.
fn inventory(home: &Path, image: &str) -> Value {
    let document = succeed(home, &["sbom", image, "--format", "cyclonedx"]);
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let about = document["metadata"]["component"]["properties"].as_array().expect("properties");
    let kept = about.iter().filter(|property| property["name"] != "tidewaiter:facts");
    serde_json::json!([document["components"], document["dependencies"], kept.collect::<Vec<_>>()])
}

/// What an engine answers: `docker save` of one image, and nothing else.
fn engine(socket: &Path, saved: PathBuf) {
    let listener = UnixListener::bind(socket).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(&stream.expect("a connection"), &saved);
        }
    });
}

fn answer(mut stream: &UnixStream, saved: &Path) {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().expect("a request").expect("text");
    for line in lines {
        if line.expect("a header").is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).expect("a path");
    let (status, body) = match path {
        "/images/team/app:1/json" => ("200 OK", b"{}".to_vec()),
        "/images/team/app:1/get" => ("200 OK", std::fs::read(saved).expect("the archive")),
        "/images/json" => (
            "200 OK",
            br#"[{"Id": "sha256:1", "Created": 1, "RepoTags": ["old:1"]},
                {"Id": "sha256:2", "Created": 2, "RepoTags": ["team/app:1"]}]"#
                .to_vec(),
        ),
        _ => ("404 Not Found", br#"{"message": "No such image"}"#.to_vec()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // Whoever asked may have gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

#[test]
fn the_same_image_from_everywhere() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let layout = oci_layout_of(&debian_root(cache), cache, "bookworm");
    let place = tempfile::tempdir().expect("temporary directory");
    let home = place.path();
    let path = |name: &str| home.join(name).display().to_string();
    let address = free_address();
    let mut command = tidewaiter(home);
    command.args(["registry", "serve", "--data", &path("registry"), "--listen", &address.to_string()]);
    let _server = ServerProcess::start("tidewaiter registry serve", command, address);

    let source = format!("oci:{}:bookworm", layout.display());
    skopeo(&["copy", &source, &format!("oci-archive:{}:app:1", path("oci.tar"))]);
    skopeo(&["copy", &source, &format!("docker-archive:{}:team/app:1", path("docker.tar"))]);
    skopeo(&["copy", "--dest-tls-verify=false", &source, &format!("docker://{address}/team/app:1")]);
    let packed = Command::new("gzip").args(["-1", "-k", &path("docker.tar")]).status().expect("gzip starts");
    assert!(packed.success());
    engine(&home.join("docker.sock"), home.join("docker.tar"));
    let expected = inventory(home, &format!("oci-dir://{}:bookworm", layout.display()));
    assert!(expected[0].as_array().is_some_and(|components| components.len() > 80), "{expected}");

    for image in [
        format!("archive://{}", path("oci.tar")),
        format!("archive://{}", path("docker.tar")),
        format!("archive://{}", path("docker.tar.gz")),
        format!("registry://{address}/team/app:1"),
        format!("{address}/team/app:1"),
    ] {
        assert_eq!(inventory(home, &image), expected, "{image}");
    }

    let local = |args: &[&str]| {
        let host = format!("unix://{}", path("docker.sock"));
        let output = tidewaiter(home).env("DOCKER_HOST", host).args(args).output().expect("it starts");
        (String::from_utf8(output.stdout).expect("UTF-8"), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let listed = succeed(home, &["sbom", &format!("archive://{}", path("docker.tar")), "--format", "list"]);
    for image in ["local://team/app:1", "image://team/app:1", "team/app:1"] {
        assert_eq!(local(&["sbom", image, "--format", "list"]).0, listed, "{image}");
    }
    let (newest, notes) = local(&["sbom", "--format", "list"]);
    assert_eq!(newest, listed, "{notes}");
    assert!(notes.contains("The newest image here is team/app:1"), "{notes}");
    let (_, missing) = local(&["sbom", "local://team/other"]);
    assert!(missing.contains("team/other") && missing.contains("not found"), "{missing}");

    every_format(home, &layout, &expected);
    a_base_is_known_by_its_layers(home, &layout, &format!("{address}/team/app"));
}

/// An image with one layer more than one of a repository that was taken in.
fn a_base_is_known_by_its_layers(home: &Path, layout: &Path, repository: &str) {
    let derived = home.join("derived");
    let copied = Command::new("cp").args(["-r".as_ref(), layout.as_os_str(), derived.as_os_str()]).status();
    assert!(copied.expect("cp starts").success());
    let image = format!("{}:bookworm", derived.display());
    let inserted =
        Command::new("umoci").args(["insert", "--image", &image, "/etc/hostname", "/opt/name"]).output();
    let inserted = inserted.expect("umoci starts");
    assert!(inserted.status.success(), "{}", String::from_utf8_lossy(&inserted.stderr));

    let bases = || {
        let document = succeed(home, &["sbom", &format!("oci-dir://{image}")]);
        let document: Value = serde_json::from_str(&document).expect("JSON");
        document["source"]["base_images"].clone()
    };
    assert_eq!(bases(), serde_json::json!([]), "nothing is known yet");
    let indexed = succeed(home, &["base-images", "index", repository]);
    assert_eq!(indexed, format!("{repository}: 1 tags\n"));
    let found = bases();
    assert_eq!(found[0]["images"][0]["tags"][0]["name"], "1", "{found}");
    assert_eq!(found[0]["diff_ids"].as_array().map(Vec::len), Some(1), "{found}");
    assert!(succeed(home, &["base-images", "list"]).contains(&format!("{repository}:1  sha256:")));
    // The image itself is none of its own.
    let own = succeed(home, &["sbom", &format!("{repository}:1")]);
    let own: Value = serde_json::from_str(&own).expect("JSON");
    assert_eq!(own["source"]["base_images"], serde_json::json!([]));
    let refused = fail(home, &["base-images", "index", &format!("{repository}/none")]);
    assert!(refused.contains("none"), "{refused}");
}

/// Each format is read back as the inventory it was written from, from a file and from standard input.
fn every_format(home: &Path, layout: &Path, expected: &Value) {
    let path = |name: &str| home.join(name).display().to_string();
    let image = format!("oci-dir://{}:bookworm", layout.display());
    let (spdx, json, all) = (path("a.spdx.json"), path("a.json"), path("{platform}.cdx.json"));
    let formats = [format!("spdx={spdx}"), format!("json={json}"), format!("cyclonedx={all}")].join(",");
    succeed(home, &["sbom", &image, "--format", &formats, "--platform", "all"]);
    for document in [spdx, json, path("linux-amd64.cdx.json")] {
        assert_eq!(inventory(home, &format!("sbom://{document}")), *expected, "{document}");
        let mut command = tidewaiter(home);
        command.args(["sbom", "sbom://", "--format", "list"]);
        command.stdin(std::fs::File::open(&document).expect("the document"));
        let listed = command.output().expect("it starts");
        assert!(String::from_utf8_lossy(&listed.stdout).contains("zlib1g "), "{document}");
    }
    let refused = fail(home, &["sbom", &image, "--format", "json,spdx"]);
    assert!(refused.contains("only one can go to standard output"), "{refused}");
    let none = fail(home, &["sbom", "sbom:///etc/passwd"]);
    assert!(none.contains("it is no SBOM"), "{none}");
}

#[test]
fn the_cache_is_told_of_and_emptied() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let layout = oci_layout_of(&debian_root(cache), cache, "bookworm");
    let place = tempfile::tempdir().expect("temporary directory");
    let home = place.path();
    let image = format!("oci-dir://{}:bookworm", layout.display());
    let layers =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("Layers    ")).map(str::to_owned);
    succeed(home, &["sbom", &image, "--format", "list", "--no-cache"]);
    assert_eq!(layers(&succeed(home, &["cache", "df"])).as_deref(), Some("0"));
    succeed(home, &["sbom", &image, "--format", "list"]);
    assert_eq!(layers(&succeed(home, &["cache", "df"])).as_deref(), Some("1"));
    let asked = fail(home, &["cache", "prune"]);
    assert!(asked.contains("--force"), "{asked}");
    succeed(home, &["cache", "prune", "--force"]);
    assert_eq!(layers(&succeed(home, &["cache", "df"])).as_deref(), Some("0"));
    let limited = tidewaiter(home)
        .env("TIDEWAITER_CACHE_LIMIT", "0")
        .args(["sbom", &image, "--format", "list"])
        .output()
        .expect("it starts");
    assert!(limited.status.success());
    assert_eq!(layers(&succeed(home, &["cache", "df"])).as_deref(), Some("0"), "nothing may stay");
    assert!(run(home, &["cache", "prune"]).status.success(), "nothing to ask about");
}
