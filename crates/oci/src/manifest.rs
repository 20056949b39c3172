//! Manifests: the bytes as received, and a typed view read beside them.
//!
//! What is pushed is byte for byte what was read; nothing here writes a manifest back from its view. Follows
//! the OCI image specification 1.1 and Docker's image manifest version 2, schema 2.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::descriptor::{Annotations, Descriptor};
use crate::digest::{Algorithm, Digest};
use crate::media_type;
use crate::object::only_objects;

/// The largest manifest we read or take, in bytes: what the distribution specification asks registries to accept.
pub const MAX_MANIFEST_SIZE: u64 = 4 * 1024 * 1024;

/// A manifest as received, with its typed view.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Exactly the bytes that were read.
    pub bytes: Bytes,
    /// Digest, size and media type of those bytes (and the artifact type and annotations, where the view has them).
    pub descriptor: Descriptor,
    /// What the bytes say.
    pub view: View,
}

/// What a manifest says.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly every manifest is the large variant")]
pub enum View {
    /// An image manifest, OCI or Docker.
    Image(ImageManifest),
    /// An image index or a Docker manifest list.
    Index(Index),
    /// The artifact manifest of the OCI 1.1 release candidates.
    Artifact(ArtifactManifest),
}

/// An image manifest. The field order is the one ORAS writes, which decides digests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// Media type of the manifest itself; OCI manifests may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Type of the artifact, when this is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, bottom first.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub layers: Vec<Descriptor>,
    /// What this manifest refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
}

/// An image index. The field order is the one ORAS writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Media type of the index itself; OCI indexes may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Type of the artifact, when this is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests it lists.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub manifests: Vec<Descriptor>,
    /// What this index refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations of the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
}

/// The artifact manifest of the OCI 1.1 release candidates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ArtifactManifest {
    /// Media type of the manifest itself.
    pub media_type: String,
    /// Type of the artifact.
    #[serde(default)]
    pub artifact_type: String,
    /// The content.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub blobs: Vec<Descriptor>,
    /// What this manifest refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
}

only_objects!(ImageManifest, Index, ArtifactManifest);

/// Go writes an absent list as `null`; both mean an empty one.
fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Descriptor>, D::Error> {
    Ok(Option::<Vec<Descriptor>>::deserialize(deserializer)?.unwrap_or_default())
}

/// Why bytes are not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    /// More than [`MAX_MANIFEST_SIZE`] bytes.
    #[error("the manifest has {size} bytes; manifests over {MAX_MANIFEST_SIZE} bytes are not read")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// Not the JSON of its media type.
    #[error("the manifest is not valid JSON of type {media_type}")]
    Json {
        /// The media type it was read as.
        media_type: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A type we do not read.
    #[error("manifests of type {media_type} are not supported")]
    UnsupportedType {
        /// The media type.
        media_type: String,
    },
    /// The bytes name another type than the one they came with.
    #[error("the manifest says it is {stated} but was sent as {given}")]
    TypeMismatch {
        /// The type inside.
        stated: String,
        /// The type it came with.
        given: String,
    },
}

/// The few fields that tell what kind of manifest bytes are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    media_type: Option<String>,
    config: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads bytes that came with a media type (parameters after `;` are ignored), or with none: then what
    /// they say or look like decides. The digest is SHA-256.
    pub fn parse(bytes: Bytes, media_type: Option<&str>) -> Result<Self, InvalidManifest> {
        Self::parse_with(Algorithm::Sha256, bytes, media_type)
    }

    /// As [`Manifest::parse`], with the digest under another algorithm.
    pub fn parse_with(
        algorithm: Algorithm,
        bytes: Bytes,
        media_type: Option<&str>,
    ) -> Result<Self, InvalidManifest> {
        let size = bytes.len() as u64;
        if size > MAX_MANIFEST_SIZE {
            return Err(InvalidManifest::TooLarge { size });
        }
        let given = media_type.map(|given| given.split(';').next().unwrap_or(given).trim());
        let json = |media_type: &str| {
            let media_type = media_type.to_owned();
            move |source| InvalidManifest::Json { media_type, source }
        };
        // JSON is UTF-8, also where no field is read.
        if let Err(error) = std::str::from_utf8(&bytes) {
            return Err(json(given.unwrap_or("unknown"))(serde::de::Error::custom(error)));
        }
        let probe: Probe = serde_json::from_slice(&bytes).map_err(json(given.unwrap_or("unknown")))?;
        let media_type = match (given.filter(|given| media_type::is_manifest(given)), probe.media_type) {
            (Some(given), Some(stated)) if stated != given => {
                return Err(InvalidManifest::TypeMismatch { stated, given: given.to_owned() });
            }
            (Some(given), _) => given.to_owned(),
            (None, Some(stated)) => stated,
            (None, None) if probe.manifests.is_some() => media_type::OCI_INDEX.to_owned(),
            (None, None) if probe.config.is_some() => media_type::OCI_MANIFEST.to_owned(),
            (None, None) => {
                return Err(InvalidManifest::UnsupportedType {
                    media_type: given.unwrap_or("unknown").to_owned(),
                });
            }
        };
        let view = match media_type.as_str() {
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => {
                View::Image(serde_json::from_slice(&bytes).map_err(json(&media_type))?)
            }
            media_type::OCI_INDEX | media_type::DOCKER_MANIFEST_LIST => {
                View::Index(serde_json::from_slice(&bytes).map_err(json(&media_type))?)
            }
            media_type::OCI_ARTIFACT_MANIFEST => {
                View::Artifact(serde_json::from_slice(&bytes).map_err(json(&media_type))?)
            }
            _ => return Err(InvalidManifest::UnsupportedType { media_type }),
        };
        let descriptor = Descriptor::new(media_type, Digest::of(algorithm, &bytes), size);
        Ok(Self { bytes, descriptor, view })
    }

    /// The manifest's digest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.descriptor.digest
    }

    /// What this manifest refers to.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        match &self.view {
            View::Image(image) => image.subject.as_ref(),
            View::Index(index) => index.subject.as_ref(),
            View::Artifact(artifact) => artifact.subject.as_ref(),
        }
    }

    /// The manifest's annotations.
    #[must_use]
    pub fn annotations(&self) -> Option<&Annotations> {
        match &self.view {
            View::Image(image) => image.annotations.as_ref(),
            View::Index(index) => index.annotations.as_ref(),
            View::Artifact(artifact) => artifact.annotations.as_ref(),
        }
    }

    /// The artifact type a referrers list shows: the manifest's own, else the configuration's media type.
    #[must_use]
    pub fn artifact_type(&self) -> Option<&str> {
        let config = match &self.view {
            View::Image(image) => Some(image.config.media_type.as_str()),
            View::Index(_) | View::Artifact(_) => None,
        };
        self.own_artifact_type().or(config.filter(|config| !config.is_empty()))
    }

    /// The artifact type that the manifest itself states.
    #[must_use]
    pub fn own_artifact_type(&self) -> Option<&str> {
        let own = match &self.view {
            View::Image(image) => image.artifact_type.as_deref(),
            View::Index(index) => index.artifact_type.as_deref(),
            View::Artifact(artifact) => Some(artifact.artifact_type.as_str()),
        };
        own.filter(|own| !own.is_empty())
    }

    /// Everything the manifest points at, in its own order: configuration and layers, or manifests, or
    /// blobs; the subject is not among them.
    #[must_use]
    pub fn successors(&self) -> Vec<&Descriptor> {
        match &self.view {
            View::Image(image) => std::iter::once(&image.config).chain(&image.layers).collect(),
            View::Index(index) => index.manifests.iter().collect(),
            View::Artifact(artifact) => artifact.blobs.iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_INDEX: &str =
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":null}"#;

    #[test]
    fn bytes_are_kept_and_null_lists_are_empty() {
        let manifest = Manifest::parse(Bytes::from_static(EMPTY_INDEX.as_bytes()), None).expect("valid");
        assert_eq!(manifest.bytes, EMPTY_INDEX.as_bytes());
        assert_eq!(manifest.digest(), &Digest::sha256(EMPTY_INDEX.as_bytes()));
        assert!(manifest.successors().is_empty());
    }

    #[test]
    fn a_type_that_differs_from_the_header_is_refused() {
        let bytes = Bytes::from_static(EMPTY_INDEX.as_bytes());
        let error = Manifest::parse(bytes, Some(media_type::OCI_MANIFEST)).expect_err("mismatch");
        assert!(matches!(error, InvalidManifest::TypeMismatch { .. }), "{error}");
    }

    #[test]
    fn lists_are_not_taken_for_objects() {
        let digest = Digest::sha256(b"");
        let object = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":0}}"#);
        let list = format!(r#"["a/b","{digest}",0]"#);
        let platform =
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":0,"platform":["x86","linux"]}}"#);
        let image = |config: &str, layer: &str| {
            (
                media_type::OCI_MANIFEST,
                format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#),
            )
        };
        let index = |entry: &str| {
            (media_type::OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{entry}],"subject":null}}"#))
        };
        let parse = |(media_type, text): (&str, String)| Manifest::parse(text.into(), Some(media_type));
        assert!(parse(image(&object, &object)).is_ok() && parse(index(&object)).is_ok());
        let whole = |media_type| (media_type, format!(r#"[2,null,null,{object},[{object}],null,null]"#));
        for wrong in [
            image(&list, &object),
            image(&object, &list),
            index(&list),
            index(&platform),
            whole(media_type::OCI_MANIFEST),
            (media_type::OCI_INDEX, "[2,null,null,null,null,null]".to_owned()),
            (media_type::OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[],"subject":{list}}}"#)),
        ] {
            let error = parse(wrong.clone()).expect_err("a list is no object");
            assert!(matches!(error, InvalidManifest::Json { .. }), "{}: {error}", wrong.1);
        }
    }

    #[test]
    fn what_is_not_a_manifest_is_refused() {
        for text in ["", "{", "[]", "{}", r#"{"schemaVersion":1}"#] {
            assert!(Manifest::parse(Bytes::from_static(text.as_bytes()), None).is_err(), "{text}");
        }
        let latin = [EMPTY_INDEX.trim_end_matches('}').as_bytes(), b",\"x\":\"\xff\"}"].concat();
        let error = Manifest::parse(Bytes::from(latin), None).expect_err("not UTF-8");
        assert!(matches!(error, InvalidManifest::Json { .. }), "{error}");
    }
}
