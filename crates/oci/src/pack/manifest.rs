//! Manifests with the bytes that ORAS gives them (oras-go's `PackManifest`).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{CREATED, Packed};
use crate::descriptor::{Annotations, Descriptor};
use crate::error::{Error, Result};
use crate::json::to_go_json;
use crate::manifest::{ImageManifest, Manifest};
use crate::media_type;
use crate::platform::Platform;

/// Artifact type that ORAS gives what has none.
pub const UNKNOWN_ARTIFACT: &str = "application/vnd.unknown.artifact.v1";
/// Media type that ORAS gives a configuration that has none.
pub const UNKNOWN_CONFIG: &str = "application/vnd.unknown.config.v1+json";

/// Which version of the OCI image specification a manifest follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImageSpec {
    /// 1.0: the artifact's type is the type of its configuration; no subject.
    V1_0,
    /// 1.1.
    #[default]
    V1_1,
}

/// What goes into a manifest.
#[derive(Debug, Clone, Default)]
pub struct ManifestOptions {
    /// Which rules hold.
    pub spec: ImageSpec,
    /// Type of the artifact. 1.1 needs it unless there is a configuration with a type of its own.
    pub artifact_type: Option<String>,
    /// The configuration; the empty object when there is none.
    pub config: Option<Descriptor>,
    /// Annotations of the empty configuration.
    pub config_annotations: Annotations,
    /// The layers, in order.
    pub layers: Vec<Descriptor>,
    /// What the artifact refers to.
    pub subject: Option<Descriptor>,
    /// Annotations of the manifest.
    pub annotations: Annotations,
    /// The time for [`CREATED`], unless the annotations have one. Without it, the same input gives the same
    /// manifest at any time.
    pub created: Option<Timestamp>,
}

/// The empty JSON object as the specification wants it described, with its content.
#[must_use]
pub fn empty_json() -> Packed {
    let mut packed = Packed::from_bytes(media_type::OCI_EMPTY, &b"{}"[..]);
    packed.descriptor.data = Some("e30=".to_owned());
    packed
}

/// The configuration that says only which platform an artifact is for.
pub fn platform_config(platform: &Platform) -> Result<Packed> {
    let bytes = to_go_json(platform).map_err(cannot_write)?;
    Ok(Packed::from_bytes(media_type::OCI_CONFIG, bytes))
}

fn cannot_write(source: serde_json::Error) -> Error {
    Error::PackManifest { reason: source.to_string() }
}

/// Makes a manifest, and the empty object if it needs that. [`Error::MissingArtifactType`],
/// [`Error::PackManifest`] and [`Error::InvalidMediaType`] tell which rule the options break.
pub fn pack_manifest(options: ManifestOptions) -> Result<(Manifest, Vec<Packed>)> {
    let (image, made) = match options.spec {
        ImageSpec::V1_0 => image_1_0(options)?,
        ImageSpec::V1_1 => image_1_1(options)?,
    };
    let bytes = to_go_json(&image).map_err(cannot_write)?;
    let mut manifest = Manifest::parse(bytes.into(), Some(media_type::OCI_MANIFEST))
        .map_err(|source| Error::PackManifest { reason: source.to_string() })?;
    manifest.descriptor.artifact_type = manifest.artifact_type().map(str::to_owned);
    manifest.descriptor.annotations = manifest.annotations().cloned();
    Ok((manifest, made))
}

fn image_1_1(options: ManifestOptions) -> Result<(ImageManifest, Vec<Packed>)> {
    let typed_config =
        options.config.as_ref().is_some_and(|config| config.media_type != media_type::OCI_EMPTY);
    let artifact_type = options.artifact_type.filter(|given| !given.is_empty());
    match &artifact_type {
        Some(artifact_type) => check_media_type(artifact_type)?,
        None if !typed_config => return Err(Error::MissingArtifactType),
        None => {}
    }
    let mut made = Vec::new();
    let mut use_empty = || {
        if made.is_empty() {
            made.push(empty_json());
        }
        empty_json().descriptor
    };
    let config = match options.config {
        Some(config) => {
            check_media_type(&config.media_type)?;
            config
        }
        None => Descriptor { annotations: some(options.config_annotations), ..use_empty() },
    };
    let layers = if options.layers.is_empty() { vec![use_empty()] } else { options.layers };
    let image = ImageManifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type,
        config,
        layers,
        subject: options.subject,
        annotations: some(with_created(options.annotations, options.created)?),
    };
    Ok((image, made))
}

fn image_1_0(options: ManifestOptions) -> Result<(ImageManifest, Vec<Packed>)> {
    if options.subject.is_some() {
        let reason = "OCI image-spec v1.0 has no subject; use v1.1".to_owned();
        return Err(Error::PackManifest { reason });
    }
    let mut made = Vec::new();
    let config = match options.config {
        Some(config) => {
            check_media_type(&config.media_type)?;
            config
        }
        None => {
            let artifact_type = options.artifact_type.filter(|given| !given.is_empty());
            let media_type = artifact_type.unwrap_or_else(|| UNKNOWN_CONFIG.to_owned());
            check_media_type(&media_type)?;
            let mut config = Packed::from_bytes(media_type, &b"{}"[..]);
            config.descriptor.annotations = some(options.config_annotations);
            made.push(config.clone());
            config.descriptor
        }
    };
    let image = ImageManifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers: options.layers,
        subject: None,
        annotations: some(with_created(options.annotations, options.created)?),
    };
    Ok((image, made))
}

/// Go leaves empty maps out.
fn some(annotations: Annotations) -> Option<Annotations> {
    Some(annotations).filter(|annotations| !annotations.is_empty())
}

fn with_created(mut annotations: Annotations, created: Option<Timestamp>) -> Result<Annotations> {
    match (annotations.get(CREATED), created) {
        (Some(given), _) if given.parse::<Timestamp>().is_err() => {
            let reason = format!("the annotation {CREATED} is \"{given}\", which is no RFC 3339 time");
            return Err(Error::PackManifest { reason });
        }
        (None, Some(created)) => {
            let text = created.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            annotations.insert(CREATED.to_owned(), text);
        }
        _ => {}
    }
    Ok(annotations)
}

/// Refuses what is no media type: RFC 6838, section 4.2, as oras-go reads it: its expression has a range from `&` to `^`.
pub fn check_media_type(text: &str) -> Result<()> {
    let is_first = |c: u8| c.is_ascii_alphanumeric();
    let is_rest = |c: u8| is_first(c) || b"!#$_.+".contains(&c) || (b'&'..=b'^').contains(&c);
    let is_name = |name: &[u8]| match name {
        [first, rest @ ..] => is_first(*first) && rest.len() <= 126 && rest.iter().all(|&c| is_rest(c)),
        [] => false,
    };
    let slashes = text.bytes().enumerate().filter(|&(_, c)| c == b'/');
    let bytes = text.as_bytes();
    if slashes.into_iter().any(|(at, _)| is_name(&bytes[..at]) && is_name(&bytes[at + 1..])) {
        Ok(())
    } else {
        Err(Error::InvalidMediaType { media_type: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_checked() {
        for valid in ["a/b", "application/vnd.oci.image.layer.v1.tar+gzip", "example/sbom;v=1"] {
            assert!(check_media_type(valid).is_ok(), "{valid}");
        }
        let long = format!("a/{}", "b".repeat(128));
        for invalid in ["", "a", "/", "a/", "/b", ".a/b", "a/b c", "ä/b", &long] {
            assert!(check_media_type(invalid).is_err(), "{invalid}");
        }
    }
}
