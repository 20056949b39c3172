//! The demo's images and advisories, made from the fixtures of this repository.
//!
//! The images are small but real: an old Debian-like root, an Alpine-like one, a Node and a Python application
//! on top of the Debian one. Their layers are made deterministically, so that the demo's digests never change.
//! `fixtures/README.md` names the source and licence of the advisory records.

mod image;

pub use image::{Blob, DemoImage};

use rust_embed::Embed;

/// The fixture files, inside the binary.
#[derive(Embed)]
#[folder = "fixtures/"]
struct Fixtures;

/// The advisory records, as (file name, JSON Lines in OSV's schema).
#[must_use]
pub fn advisories() -> Vec<(String, Vec<u8>)> {
    files_below("advisories/")
}

/// The fixture files below a directory, by path relative to it, in order.
fn files_below(directory: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = Fixtures::iter()
        .filter_map(|path| {
            let relative = path.strip_prefix(directory)?.to_owned();
            Some((relative, Fixtures::get(&path)?.data.into_owned()))
        })
        .collect();
    files.sort();
    files
}

/// The demo's images, in the order in which they are pushed.
///
/// # Errors
/// Only when compressing in memory fails, which it does not.
pub fn images() -> std::io::Result<Vec<DemoImage>> {
    let debian = image::layer("debian-11/", "ADD debian-11-root.tar /")?;
    let alpine = image::layer("alpine-3.10/", "ADD alpine-3.10-root.tar /")?;
    let node = image::layer("node-app/", "COPY app /app")?;
    let python = image::layer("python-app/", "RUN pip install --no-deps -r requirements.txt")?;
    Ok(vec![
        image::image("demo/debian", "11.0", &[&debian], &["bash"]),
        image::image("demo/alpine", "3.10.0", &[&alpine], &["/bin/sh"]),
        image::image("demo/shop-frontend", "1.4.0", &[&debian, &node], &["node", "/app/server.js"]),
        image::image("demo/invoices", "2.0.1", &[&debian, &python], &["python3", "/srv/invoices/main.py"]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_blob_is_what_its_manifest_says() {
        for image in images().expect("made in memory") {
            for descriptor in image.manifest.successors() {
                let blob = image.blobs.iter().find(|blob| blob.descriptor.digest == descriptor.digest);
                let blob = blob.expect("every blob of the manifest is there");
                tidewaiter_oci::content::check(descriptor, &blob.bytes).expect("size and digest agree");
            }
        }
    }

    #[test]
    fn images_share_their_base_and_are_the_same_every_time() {
        let first = images().expect("made in memory");
        let again = images().expect("made in memory");
        for (one, other) in first.iter().zip(&again) {
            assert_eq!(one.manifest.digest(), other.manifest.digest());
        }
        let base = |image: &DemoImage| image.manifest.successors()[1].digest.clone();
        assert_eq!(base(&first[0]), base(&first[2]));
        assert_eq!(base(&first[0]), base(&first[3]));
    }

    #[test]
    fn there_are_advisories_for_every_ecosystem() {
        let names: Vec<_> = advisories().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["alpine.jsonl", "debian.jsonl", "npm.jsonl", "pypi.jsonl"]);
    }
}
