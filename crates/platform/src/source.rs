//! Images as people name them: `image://`, `local://`, `registry://`, `oci-dir://`, `archive://`, `fs://`, `sbom://`,
//! or a bare reference.

mod read;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use tidewaiter_oci::Reference;

pub use self::read::{Platforms, ReadImage, Reading};
use crate::error::{Error, Result};

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the container engine of this machine, or else in a registry.
    Image {
        /// As the engine is asked for it.
        name: String,
        /// As a registry is.
        reference: Reference,
    },
    /// In the container engine of this machine, by name or ID.
    Engine(String),
    /// In a registry.
    Registry(Reference),
    /// In an OCI layout directory; the tag or digest may be left out when it holds one image.
    Layout {
        /// The directory.
        path: PathBuf,
        /// Which of its images.
        reference: Option<String>,
    },
    /// In a tar file as `docker save` or `skopeo copy … oci-archive:` write it.
    Archive {
        /// The file.
        path: PathBuf,
        /// Which of its images.
        reference: Option<String>,
    },
    /// A file system root in a directory, or a single file.
    Root(PathBuf),
    /// Not the image, but what an SBOM says of it; without a path, one from standard input.
    Document(Option<PathBuf>),
}

/// The schemes, for who names none of them.
const SCHEMES: &str = "image://, local://, registry://, oci-dir://, archive://, fs:// or sbom://";

impl FromStr for Source {
    type Err = Error;

    /// A bare reference is Docker's: `alpine` is `docker.io/library/alpine:latest`.
    fn from_str(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("image", text));
        let fail = |reason: String| Error::ParseSource { text: text.to_owned(), reason };
        if rest.is_empty() && scheme != "sbom" {
            return Err(fail("it is empty after its scheme".to_owned()));
        }
        if matches!(scheme, "image" | "registry") && rest.starts_with(['.', '/', '~']) {
            return Err(fail(as_path(rest)));
        }
        match scheme {
            "image" => Reference::parse_familiar(rest)
                .map(|reference| Self::Image { name: rest.to_owned(), reference })
                .map_err(|error| fail(error.to_string())),
            // It becomes a part of a URL.
            "local" if rest.contains(|c: char| !c.is_ascii_graphic() || "?#%".contains(c)) => {
                Err(fail("no image of an engine is named like that".to_owned()))
            }
            "local" => Ok(Self::Engine(rest.to_owned())),
            "registry" => {
                Reference::parse_familiar(rest).map(Self::Registry).map_err(|error| fail(error.to_string()))
            }
            "oci-dir" => {
                let (path, reference) = split_path(rest);
                Ok(Self::Layout { path, reference })
            }
            "archive" => {
                let (path, reference) = split_path(rest);
                Ok(Self::Archive { path, reference })
            }
            "fs" => Ok(Self::Root(PathBuf::from(rest))),
            "sbom" => Ok(Self::Document((!rest.is_empty()).then(|| PathBuf::from(rest)))),
            _ => Err(fail(format!("\"{scheme}://\" is unknown; use {SCHEMES}"))),
        }
    }
}

/// What to say of a path that no scheme says the meaning of. No reference begins like one.
fn as_path(text: &str) -> String {
    let path = Path::new(text);
    if path.join("oci-layout").exists() {
        format!("it is an OCI layout: write oci-dir://{text}")
    } else if path.is_dir() {
        format!("it is a directory: write fs://{text} for the file system in it")
    } else if path.exists() {
        format!(
            "it is a file: write archive://{text} if it is an image archive, sbom://{text} if it is an SBOM"
        )
    } else {
        "there is no such file or directory, and images in registries have other names".to_owned()
    }
}

/// Splits `path[:tag]` or `path[@digest]`; what exists as a whole is a path.
fn split_path(text: &str) -> (PathBuf, Option<String>) {
    if Path::new(text).exists() {
        return (PathBuf::from(text), None);
    }
    let split =
        text.rsplit_once('@').filter(|(_, digest)| digest.contains(':')).or_else(|| text.rsplit_once(':'));
    match split {
        Some((path, reference)) if !reference.contains('/') && !path.is_empty() => {
            (PathBuf::from(path), Some(reference.to_owned()))
        }
        _ => (PathBuf::from(text), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_an_image() {
        let check = |text: &str, expected: Source| assert_eq!(text.parse::<Source>().expect(text), expected);
        let layout = |path: &str, reference: Option<&str>| Source::Layout {
            path: path.into(),
            reference: reference.map(str::to_owned),
        };
        check("oci-dir://some/dir", layout("some/dir", None));
        check("oci-dir:///a/b:v1", layout("/a/b", Some("v1")));
        check("fs:///mnt/root", Source::Root("/mnt/root".into()));
        let digest = format!("sha256:{}", "a".repeat(64));
        check(&format!("oci-dir://d@{digest}"), layout("d", Some(&digest)));
        let alpine = Reference::parse("docker.io/library/alpine:latest").expect("valid");
        let either = Source::Image { name: "alpine".to_owned(), reference: alpine.clone() };
        check("alpine", either.clone());
        check("image://alpine", either);
        check("local://alpine", Source::Engine("alpine".to_owned()));
        check("registry://alpine", Source::Registry(alpine));
        check("sbom://a/b.json", Source::Document(Some("a/b.json".into())));
        check("sbom://", Source::Document(None));
    }

    #[test]
    fn a_path_without_a_scheme_is_told_its_scheme() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).display().to_string();
        let check = |text: &str, expected: &str| {
            let error = text.parse::<Source>().expect_err(text).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&path("none"), "there is no such file or directory");
        check(&path(""), &format!("write fs://{}", path("")));
        std::fs::write(path("image.tar"), "").expect("written");
        check(&path("image.tar"), &format!("write archive://{}", path("image.tar")));
        std::fs::write(path("oci-layout"), "").expect("written");
        check(&path(""), &format!("write oci-dir://{}", path("")));
        check("./nothing", "there is no such file or directory");
    }

    #[test]
    fn what_names_no_image_is_refused() {
        for text in ["", "fs://", "ftp://x", "registry://UPPER", "a b", "local://a?b"] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }
}
