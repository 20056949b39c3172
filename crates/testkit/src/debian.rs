//! A real Debian root, and what Debian's own programs say of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The release that the root is of: old enough to have had many advisories since its first day.
const SUITE: &str = "bookworm";

/// How long debootstrap may take: a minute on two cores beside a near mirror.
const BOOTSTRAP_LIMIT: Duration = Duration::from_secs(15 * 60);

/// A minimal Debian root, made by `debootstrap` the first time anybody asks and kept below `cache` (hand in
/// `env!("CARGO_TARGET_TMPDIR")`) for all others. Do not write to it.
///
/// # Panics
/// When `debootstrap` is missing, is not run as root, cannot reach a mirror, or takes over 15 minutes.
#[must_use]
pub fn debian_root(cache: &Path) -> PathBuf {
    let root = cache.join(format!("debian-{SUITE}-minbase"));
    once(&root, |unfinished| {
        let log = cache.join("debootstrap.log");
        let output = create(&log);
        let mut command = Command::new("debootstrap");
        command.args(["--variant=minbase", SUITE]).arg(unfinished);
        command.stdout(output.try_clone().expect("a second handle of a file")).stderr(output);
        bounded(&mut command, BOOTSTRAP_LIMIT, &log);
    });
    root
}

/// An OCI layout with one image, tagged `tag`, of one gzip layer that holds all files below `root`; made by
/// `umoci` the first time and kept below `cache`.
///
/// # Panics
/// When `umoci` is missing or fails.
#[must_use]
pub fn oci_layout_of(root: &Path, cache: &Path, tag: &str) -> PathBuf {
    let name = root.file_name().expect("a root has a name").to_string_lossy();
    let layout = cache.join(format!("{name}-{tag}.oci"));
    once(&layout, |unfinished| {
        let image = format!("{}:{tag}", unfinished.display());
        let log = cache.join("umoci.log");
        for arguments in [
            vec!["init", "--layout", unfinished.to_str().expect("a UTF-8 path")],
            vec!["new", "--image", &image],
            vec!["insert", "--image", &image, root.to_str().expect("a UTF-8 path"), "/"],
        ] {
            let output = create(&log);
            let mut command = Command::new("umoci");
            command.args(arguments).stdout(Stdio::null()).stderr(output);
            bounded(&mut command, BOOTSTRAP_LIMIT, &log);
        }
    });
    layout
}

/// Makes `path` unless it is there. Test processes that ask together wait for the one that makes it; what an
/// interrupted one has left behind is cleared away.
fn once(path: &Path, make: impl FnOnce(&Path)) {
    let cache = path.parent().expect("a path below a cache");
    fs::create_dir_all(cache).unwrap_or_else(|error| panic!("creating {}: {error}", cache.display()));
    let lock = create(&path.with_extension("lock"));
    lock.lock().unwrap_or_else(|error| panic!("waiting for {}: {error}", path.display()));
    if path.exists() {
        return;
    }
    let unfinished = path.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .unwrap_or_else(|error| panic!("clearing {}: {error}", unfinished.display()));
    }
    make(&unfinished);
    fs::rename(&unfinished, path).unwrap_or_else(|error| panic!("renaming to {}: {error}", path.display()));
}

fn create(path: &Path) -> File {
    File::create(path).unwrap_or_else(|error| panic!("creating {}: {error}", path.display()))
}

/// Runs a program that must end well and in time. `log` is where it was told to write.
fn bounded(command: &mut Command, limit: Duration, log: &Path) {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} cannot be run ({error}): install Debian's package {name}"));
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the state of a child") {
            break status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{name} did not end within {limit:?}:\n{}", last_lines(log));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{command:?} ended with {status}:\n{}", last_lines(log));
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
