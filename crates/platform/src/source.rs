//! Images as people name them: `registry://`, `oci-dir://`, `archive://`, `fs://`, or a bare reference.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use tidewaiter_inventory::{ImageFacts, Inventory, Limits, ManifestFacts, merge, rootfs};
use tidewaiter_oci::archive::Archive;
use tidewaiter_oci::content::{ReadTarget, Resolve, fetch_manifest};
use tidewaiter_oci::layout::Layout;
use tidewaiter_oci::remote::Client;
use tidewaiter_oci::{Manifest, Platform, Reference, View};

use crate::analysis::{NoFragments, analyse};
use crate::error::{Error, Result};

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
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
    /// A file system root in a directory.
    Root(PathBuf),
}

impl FromStr for Source {
    type Err = Error;

    /// A bare reference is Docker's: `alpine` is `docker.io/library/alpine:latest`.
    fn from_str(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("registry", text));
        let fail = |reason: String| Error::ParseSource { text: text.to_owned(), reason };
        if rest.is_empty() {
            return Err(fail("it is empty after its scheme".to_owned()));
        }
        if scheme == "registry" && rest.starts_with(['.', '/', '~']) {
            return Err(fail(as_path(rest)));
        }
        match scheme {
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
            _ => Err(fail(format!(
                "\"{scheme}://\" is unknown; use registry://, oci-dir://, archive:// or fs://"
            ))),
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
        format!("it is a file: write archive://{text} if it is an image archive")
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

/// An image that was read.
#[derive(Debug)]
pub struct ReadImage {
    /// Digest of its manifest; a file system root has none.
    pub digest: Option<String>,
    /// What was found in it.
    pub inventory: Inventory,
}

impl Source {
    /// Reads the image of `platform`; without one, this machine's, or the only one there is.
    pub async fn read(&self, client: &Client, platform: Option<&Platform>) -> Result<ReadImage> {
        match self {
            Self::Registry(reference) => {
                let repository = client.repository(reference)?;
                read(&repository, reference.manifest_reference().unwrap_or("latest"), platform).await
            }
            Self::Layout { path, reference } => {
                let layout = Layout::open(path).await?;
                match reference {
                    Some(reference) => read(&layout, reference, platform).await,
                    None => read(&layout, layout.default_image().await?.digest.as_str(), platform).await,
                }
            }
            Self::Archive { path, reference } => {
                let archive = Archive::open(path).await?;
                match reference {
                    Some(reference) => read(&archive, reference, platform).await,
                    None => read(&archive, archive.default_image()?.digest.as_str(), platform).await,
                }
            }
            Self::Root(path) => {
                let path = path.clone();
                let read = move || {
                    let fragment = rootfs::read(&path, &Limits::default())?;
                    Ok(merge(&[&fragment], &[], &ManifestFacts::default()))
                };
                let inventory = tokio::task::spawn_blocking(read)
                    .await
                    .map_err(|source| Error::Task { what: "reading a file system root", source })?
                    .map_err(Error::ReadLayer)?;
                Ok(ReadImage { digest: None, inventory })
            }
        }
    }
}

async fn read(store: &impl ReadTarget, reference: &str, platform: Option<&Platform>) -> Result<ReadImage> {
    let manifest = store.fetch_reference(reference).await?;
    // What an index says of its images is more than some of their configurations do.
    let unchosen = platform.filter(|_| !matches!(manifest.view, View::Index(_)));
    let manifest = choose(store, reference, manifest, platform).await?;
    let inventory = analyse(store, &manifest, &NoFragments).await?;
    if let Some(wanted) = unchosen {
        check_platform(&inventory.image, reference, wanted)?;
    }
    Ok(ReadImage { digest: Some(manifest.digest().to_string()), inventory })
}

/// An image outside of an index is for one platform, which its configuration says; one that says nothing runs anywhere.
fn check_platform(image: &ImageFacts, reference: &str, wanted: &Platform) -> Result<()> {
    if image.os.is_empty() || image.architecture.is_empty() {
        return Ok(());
    }
    let variant = image.variant.iter().map(|variant| format!("/{variant}")).collect::<String>();
    let available = format!("{}/{}{variant}", image.os, image.architecture);
    if available.parse().is_ok_and(|has: Platform| wanted.accepts(&has)) {
        return Ok(());
    }
    Err(Error::Content(tidewaiter_oci::Error::NoPlatform {
        platform: wanted.to_string(),
        reference: reference.to_owned(),
        available,
    }))
}

/// Follows indexes to the image of a platform.
async fn choose(
    store: &(impl Resolve + ?Sized),
    reference: &str,
    mut manifest: Manifest,
    platform: Option<&Platform>,
) -> Result<Manifest> {
    // An index within an index within an index is nobody's image.
    for _ in 0..4 {
        let View::Index(index) = &manifest.view else {
            break;
        };
        let host = Platform::host();
        let wanted = platform.unwrap_or(&host);
        let images: Vec<_> = index
            .manifests
            .iter()
            .filter(|member| member.annotation("vnd.docker.reference.type").is_none())
            .collect();
        let matching =
            images.iter().find(|member| member.platform.as_ref().is_some_and(|has| wanted.accepts(has)));
        let chosen = match (matching, images.as_slice()) {
            (Some(chosen), _) => *chosen,
            (None, [only]) if platform.is_none() => *only,
            (None, _) => {
                let available =
                    images.iter().filter_map(|member| member.platform.as_ref()).map(ToString::to_string);
                return Err(Error::Content(tidewaiter_oci::Error::NoPlatform {
                    platform: wanted.to_string(),
                    reference: reference.to_owned(),
                    available: available.collect::<Vec<_>>().join(", "),
                }));
            }
        };
        manifest = fetch_manifest(store, chosen).await?;
    }
    Ok(manifest)
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
        check("alpine", Source::Registry(alpine.clone()));
        check("registry://alpine", Source::Registry(alpine));
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
        for text in ["", "fs://", "ftp://x", "registry://UPPER", "a b"] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }
}
