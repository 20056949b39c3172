//! Reading a directory instead of layers.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use support::{listed, problems};
use tempfile::TempDir;
use tidewaiter_inventory::{Inventory, Limits, ManifestFacts, merge, rootfs};

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
    fs::write(path, content).expect("writable");
}

fn inventory(root: &Path) -> Inventory {
    let fragment = rootfs::read(root, &Limits::default()).expect("a directory");
    merge(&[&fragment], b"", &ManifestFacts::default())
}

#[test]
fn a_root_file_system_is_one_layer() {
    let directory = TempDir::new().expect("a directory");
    let root = directory.path();
    write(root, "usr/lib/os-release", "ID=alpine\nVERSION_ID=3.19.1\n");
    write(root, "usr/lib/apk/db/installed", "P:musl\nV:1.2.4-r2\n");
    write(root, "app/node_modules/a/package.json", r#"{"name": "a", "version": "1.0.0"}"#);
    fs::create_dir(root.join("etc")).expect("writable");
    symlink("../usr/lib/os-release", root.join("etc/os-release")).expect("a link");
    symlink("usr/lib", root.join("lib")).expect("a link");

    let found = inventory(root);
    assert_eq!(
        listed(&found),
        [
            "pkg:apk/alpine/musl@1.2.4-r2?distro=alpine-3.19.1 @ usr/lib/apk/db/installed#0",
            "pkg:npm/a@1.0.0 @ app/node_modules/a/package.json#0",
        ]
    );
    assert_eq!(problems(&found), [""; 0]);
    let sizes: Vec<_> = found.image.layers.iter().map(|layer| (layer.diff_id.as_str(), layer.size)).collect();
    assert_eq!(sizes, [("", 79)]);
}

#[test]
fn links_are_not_followed_out_of_the_directory() {
    let directory = TempDir::new().expect("a directory");
    let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
    write(&outside, "package.json", r#"{"name": "secret", "version": "1.0.0"}"#);
    fs::create_dir(&root).expect("writable");
    symlink(&outside, root.join("absolute")).expect("a link");
    symlink("../outside", root.join("relative")).expect("a link");
    symlink("../outside/package.json", root.join("package.json")).expect("a link");
    symlink(".", root.join("circle")).expect("a link");
    let found = inventory(&root);
    assert_eq!(listed(&found), [""; 0]);
    assert_eq!(
        problems(&found),
        [
            "package.json: a link to \"../outside/package.json\", which was not read; what it describes is missing"
        ]
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    let directory = TempDir::new().expect("a directory");
    let root = directory.path();
    write(root, "a/package.json", r#"{"name": "a", "version": "1.0.0"}"#);
    write(root, "b/package.json", r#"{"name": "b", "version": "1.0.0"}"#);
    fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o000)).expect("ours");
    let is_root = fs::read_dir(root.join("a")).is_ok();
    let found = inventory(root);
    fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o700)).expect("ours");
    if is_root {
        assert_eq!(listed(&found).len(), 2);
    } else {
        let reason = "the directory cannot be listed (Permission denied (os error 13)); it is left out";
        assert_eq!(problems(&found), [format!("a: {reason}")]);
        assert_eq!(listed(&found).len(), 1);
    }
    let error = rootfs::read(&root.join("nowhere"), &Limits::default()).expect_err("not there");
    assert!(
        error.to_string().ends_with("nowhere cannot be read: No such file or directory (os error 2)"),
        "{error}"
    );
}

#[test]
fn lock_files_count_where_somebody_points_and_not_in_images() {
    let directory = TempDir::new().expect("a directory");
    let root = directory.path();
    let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\ndependencies = [\"b\"]\n\
                [[package]]\nname = \"b\"\nversion = \"2.0.0\"\nsource = \"registry+x\"\n";
    write(root, "src/Cargo.lock", lock);
    let found = inventory(root);
    assert_eq!(
        listed(&found),
        ["pkg:cargo/a@1.0.0 @ src/Cargo.lock#0", "pkg:cargo/b@2.0.0 @ src/Cargo.lock#0"]
    );
    assert_eq!(found.components[0].relations[0].purl, "pkg:cargo/b@2.0.0");
    assert_eq!(listed(&support::image(&[vec![support::file("src/Cargo.lock", lock)]])), [""; 0]);
}

#[test]
fn a_single_file_is_read_by_its_name() {
    let directory = TempDir::new().expect("a directory");
    write(directory.path(), "go.mod", "module x\nrequire example.com/a v1.0.0\n");
    let found = inventory(&directory.path().join("go.mod"));
    assert_eq!(listed(&found), ["pkg:golang/example.com/a@v1.0.0 @ go.mod#0"]);
    let missing = rootfs::read(&directory.path().join("none"), &Limits::default());
    assert!(missing.expect_err("nothing there").to_string().contains("none cannot be read"));
}
