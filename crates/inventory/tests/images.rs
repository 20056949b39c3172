//! From layers to an inventory: what a stack of layers holds in the end.

mod support;

use support::{Item, dir, file, hard_link, image, listed, problems, symlink};

const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";

fn stanza(name: &str, version: &str) -> String {
    format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
}

fn debian_base(status: &str) -> Vec<Item> {
    vec![
        dir("etc/"),
        symlink("etc/os-release", "../usr/lib/os-release"),
        file("usr/lib/os-release", DEBIAN),
        file("var/lib/dpkg/status", status),
    ]
}

#[track_caller]
fn check(layers: &[Vec<Item>], components: &[&str], expected_problems: &[&str]) {
    let inventory = image(layers);
    assert_eq!(listed(&inventory), components);
    assert_eq!(problems(&inventory), expected_problems);
}

#[test]
fn packages_belong_to_the_layer_that_brought_them() {
    let base = stanza("libc6", "2.36-9") + &stanza("tar", "1.34");
    let upgraded = stanza("libc6", "2.36-10") + &stanza("tar", "1.34") + &stanza("curl", "7.88.1-10+deb12u5");
    check(
        &[debian_base(&base), vec![file("var/lib/dpkg/status", &upgraded)]],
        &[
            "pkg:deb/debian/curl@7.88.1-10%2Bdeb12u5?arch=amd64&distro=debian-12 @ var/lib/dpkg/status#1",
            "pkg:deb/debian/libc6@2.36-10?arch=amd64&distro=debian-12 @ var/lib/dpkg/status#1",
            "pkg:deb/debian/tar@1.34?arch=amd64&distro=debian-12 @ var/lib/dpkg/status#0",
        ],
        &[],
    );
}

#[test]
fn a_package_that_came_back_counts_from_then() {
    let with = stanza("tar", "1.34");
    check(
        &[
            debian_base(&with),
            vec![file("var/lib/dpkg/status", "")],
            vec![file("var/lib/dpkg/status", &with)],
        ],
        &["pkg:deb/debian/tar@1.34?arch=amd64&distro=debian-12 @ var/lib/dpkg/status#2"],
        &[],
    );
}

#[test]
fn whiteouts_hide_what_is_below() {
    let package = |name: &str| {
        file(
            &format!("app/node_modules/{name}/package.json"),
            format!(r#"{{"name":"{name}","version":"1.0.0"}}"#),
        )
    };
    check(
        &[
            vec![package("a"), package("b"), package("c")],
            vec![file("app/node_modules/.wh.a", ""), package("d")],
            vec![
                package("e"),
                file("app/node_modules/e/.wh..wh..opq", ""),
                file("app/node_modules/.wh.b", ""),
            ],
            vec![file("app/node_modules/c", "now a file")],
        ],
        &[
            "pkg:npm/d@1.0.0 @ app/node_modules/d/package.json#1",
            "pkg:npm/e@1.0.0 @ app/node_modules/e/package.json#2",
        ],
        &[],
    );
}

#[test]
fn databases_are_found_through_linked_directories() {
    check(
        &[
            vec![
                dir("usr/lib"),
                symlink("lib", "usr/lib"),
                file("etc/alpine-release", "3.19.1\n"),
                file("lib/apk/db/installed", "P:musl\nV:1.2.4-r2\nA:x86_64\no:musl\nL:MIT\n\n"),
            ],
            vec![
                file(
                    "usr/lib/apk/db/installed",
                    "P:musl\nV:1.2.4-r2\nA:x86_64\n\nP:py3-six\nV:1.16.0-r8\nA:x86_64\no:six\nF:lib/python3.11/site-packages/six.egg-info\nR:PKG-INFO\n\n",
                ),
                file(
                    "usr/lib/python3.11/site-packages/six.egg-info/PKG-INFO",
                    "Name: six\nVersion: 1.16.0\n\n",
                ),
            ],
        ],
        &[
            "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.19.1 @ usr/lib/apk/db/installed#0",
            "pkg:apk/alpine/py3-six@1.16.0-r8?arch=x86_64&distro=alpine-3.19.1 @ usr/lib/apk/db/installed#1",
            "pkg:pypi/six@1.16.0 @ usr/lib/python3.11/site-packages/six.egg-info/PKG-INFO#1 [pkg:apk/alpine/py3-six@1.16.0-r8?arch=x86_64&distro=alpine-3.19.1]",
        ],
        &[],
    );
}

#[test]
fn hard_links_carry_content_and_their_absence_is_told() {
    let six = "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n";
    check(
        &[
            vec![file("a/six-1.dist-info/METADATA", six)],
            vec![
                hard_link("b/six-1.dist-info/METADATA", "a/six-1.dist-info/METADATA"),
                file("store/0123", r#"{"name":"left-pad","version":"1.3.0"}"#),
                hard_link("node_modules/left-pad/package.json", "store/0123"),
            ],
        ],
        &["pkg:pypi/six@1.16.0 @ a/six-1.dist-info/METADATA#0, b/six-1.dist-info/METADATA#1"],
        &[
            "node_modules/left-pad/package.json: a hard link to \"store/0123\", whose content was not kept; what it describes is missing",
        ],
    );
}

#[test]
fn a_database_elsewhere_is_another_system() {
    let inside = |path: &str| format!("srv/chroot/{path}");
    let alpine = "P:musl\nV:1.2.4-r2\nA:x86_64\n\nP:py3-six\nV:1.16.0-r8\nF:usr/lib/python3/six.egg-info\nR:PKG-INFO\n\n";
    let mut layer = debian_base(&stanza("tar", "1.34"));
    layer.extend([
        file(&inside("etc/os-release"), "ID=alpine\nVERSION_ID=3.19.1\n"),
        file(&inside("usr/lib/apk/db/installed"), alpine),
        file(&inside("usr/lib/python3/six.egg-info/PKG-INFO"), "Name: six\nVersion: 1.16.0\n\n"),
        file("opt/tool/lib/dpkg/status", stanza("mystery", "1")),
    ]);
    let inventory = image(&[layer]);
    assert_eq!(
        listed(&inventory),
        [
            "pkg:deb/debian/mystery@1?arch=amd64 @ opt/tool/lib/dpkg/status#0",
            "pkg:deb/debian/tar@1.34?arch=amd64&distro=debian-12 @ var/lib/dpkg/status#0",
            "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.19.1 @ srv/chroot/usr/lib/apk/db/installed#0",
            "pkg:apk/alpine/py3-six@1.16.0-r8?distro=alpine-3.19.1 @ srv/chroot/usr/lib/apk/db/installed#0",
            "pkg:pypi/six@1.16.0 @ srv/chroot/usr/lib/python3/six.egg-info/PKG-INFO#0 [pkg:apk/alpine/py3-six@1.16.0-r8?distro=alpine-3.19.1]",
        ]
    );
    let roots = inventory
        .roots
        .iter()
        .map(|root| (root.path.as_str(), root.distro.as_ref().map(|distro| distro.id.as_str())));
    assert_eq!(roots.collect::<Vec<_>>(), [("opt/tool/lib/dpkg", None), ("srv/chroot", Some("alpine"))]);
    let six = inventory.components.last().expect("six");
    assert_eq!(six.root.as_deref(), Some("srv/chroot"));
    assert_eq!(inventory.distro_of(six).map(|distro| distro.id.as_str()), Some("alpine"));
    assert_eq!(problems(&inventory), [""; 0]);
}

#[test]
fn links_that_only_sound_like_programs_are_no_problem() {
    let found = image(&[vec![
        file("usr/share/man/man1/perl.1.gz", "x"),
        symlink("usr/share/man/man1/perl5.36.0.1.gz", "perl.1.gz"),
        symlink("usr/bin/node", "nodejs"),
        symlink("app/node_modules/a/package.json", "elsewhere.json"),
    ]]);
    assert_eq!(
        problems(&found),
        [
            "app/node_modules/a/package.json: a link to \"elsewhere.json\", which was not read; what it describes is missing"
        ]
    );
}
