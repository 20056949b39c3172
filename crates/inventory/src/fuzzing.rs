//! What programs that try arbitrary bytes need: `cargo fuzz` (`fuzz/`) and a short run among the tests
//! (`tests/arbitrary_bytes.rs`).

use crate::packages::{self, Origin, Reader};
use crate::problems::Problems;

/// A path for each parser of a single file.
pub const PATHS: [&str; 43] = [
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/libc6",
    "var/lib/dpkg/info/libc6.list",
    "lib/apk/db/installed",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/Packages",
    "var/lib/rpmmanifest/container-manifest-2",
    "etc/os-release",
    "app/node_modules/a/package.json",
    "usr/lib/python3/dist-packages/a-1.dist-info/METADATA",
    "usr/lib/ruby/gems/specifications/a-1.gemspec",
    "app/vendor/composer/installed.json",
    "app/app.deps.json",
    "app/a-1.0.jar",
    "usr/bin/program",
    "usr/bin/node",
    "usr/lib/jvm/java/release",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "requirements.txt",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "pylock.toml",
    "Pipfile.lock",
    "go.mod",
    "Cargo.lock",
    "pom.xml",
    "gradle.lockfile",
    "Gemfile.lock",
    "composer.lock",
    "packages.lock.json",
    "packages.config",
    "project.assets.json",
    "etc/debian_version",
    "etc/lsb-release",
    "etc/redhat-release",
    "usr/share/doc/a/copyright",
    "var/lib/chisel/manifest.wall",
    "var/lib/db/sbom/a.spdx.json",
];

/// Reads a file piece by piece, as those are that are too large to be held.
pub fn stream(path: &str, bytes: &[u8]) {
    let head = bytes.get(..packages::HEAD).unwrap_or(bytes);
    let Some(Reader::Room(room)) = packages::reader(Origin::Directory, path, head) else { return };
    let Some(open) = room.stream else { return };
    let mut sink = open(path, bytes.len() as u64);
    for piece in bytes.chunks(97) {
        sink.take(piece);
    }
    let _ = sink.finish(path, &mut Problems::new(usize::MAX));
}
