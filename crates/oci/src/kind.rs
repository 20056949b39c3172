//! What a manifest is: an image that programs run, or one of the many things that use the same form.
//!
//! Says it from the manifest alone, because that is all that a push event, a listing or a `HEAD` leads to. Follows the
//! image specification ("Guidelines for Artifact Usage"), BuildKit's attestation storage, and what cosign, Helm, SOCI
//! and the makers of models and WebAssembly modules write.

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::manifest::{ImageManifest, Manifest, View};
use crate::media_type;

/// What a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A container image of one platform.
    Image,
    /// Several images, or whatever else it lists.
    Index,
    /// Something else, of this type.
    Artifact(ArtifactKind),
}

/// What an artifact is for, as far as its type tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactKind {
    /// Its type: the artifact type, or the media type that stands for one.
    pub artifact_type: String,
    /// What people call it.
    pub role: Role,
}

/// What people call an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A signature.
    Signature,
    /// How an image was built.
    Provenance,
    /// What an image holds.
    Sbom,
    /// Which vulnerabilities do not matter, and why.
    Vex,
    /// Another signed statement.
    Attestation,
    /// A Helm chart.
    Chart,
    /// A WebAssembly module.
    Wasm,
    /// An index that lets an image be loaded while it starts.
    SociIndex,
    /// A model for machine learning.
    Model,
    /// Anything else.
    Other,
}

impl Role {
    /// The word for it in listings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Provenance => "provenance",
            Self::Sbom => "SBOM",
            Self::Vex => "VEX",
            Self::Attestation => "attestation",
            Self::Chart => "Helm chart",
            Self::Wasm => "WebAssembly module",
            Self::SociIndex => "SOCI index",
            Self::Model => "model",
            Self::Other => "artifact",
        }
    }
}

/// Annotation of a member of an index that speaks of another member (BuildKit, "Attestation Storage").
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// Where attestations say what their layers state: BuildKit's annotation and cosign's.
const PREDICATES: [&str; 2] = ["in-toto.io/predicate-type", "predicateType"];

/// Says what a manifest is.
#[must_use]
pub fn classify(manifest: &Manifest) -> Kind {
    match &manifest.view {
        View::Index(index) => index.artifact_type.as_deref().map_or(Kind::Index, artifact),
        View::Artifact(manifest) => artifact(&manifest.artifact_type),
        View::Image(image) => match classify_image(image) {
            None => Kind::Image,
            Some(kind) => Kind::Artifact(kind),
        },
    }
}

/// What a member of an index speaks of, when it is no image of its own.
#[must_use]
pub fn spoken_of(member: &Descriptor) -> Option<Digest> {
    member.annotation(REFERENCE_DIGEST)?.parse().ok()
}

/// Whether a member of an index may be an image: BuildKit lists attestations among them, for a platform called
/// `unknown`.
#[must_use]
pub fn is_image_member(member: &Descriptor) -> bool {
    member.is_manifest()
        && member.annotation(REFERENCE_TYPE).is_none()
        && member.platform.as_ref().is_none_or(|platform| platform.os != "unknown")
}

/// The image that a tag of cosign's older form speaks of: `sha256-<hex>.sig`, `.att`, `.sbom`; and the one whose
/// referrers a fallback tag `sha256-<hex>` lists.
#[must_use]
pub fn spoken_of_by_tag(tag: &str) -> Option<Digest> {
    let (algorithm, rest) = tag.split_once('-')?;
    let hex = rest.split('.').next()?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// What each layer of an attestation states, as predicate types.
pub fn predicates(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let layers = match &manifest.view {
        View::Image(image) => image.layers.as_slice(),
        View::Index(_) | View::Artifact(_) => &[],
    };
    layers.iter().filter_map(|layer| PREDICATES.iter().find_map(|name| layer.annotation(name)))
}

/// What a statement of that predicate type is.
#[must_use]
pub fn role_of_predicate(predicate: &str) -> Role {
    match predicate {
        _ if predicate.starts_with("https://slsa.dev/provenance/") => Role::Provenance,
        _ if predicate.starts_with("https://spdx.dev/")
            || predicate.starts_with("https://cyclonedx.org/") =>
        {
            Role::Sbom
        }
        _ if predicate.starts_with("https://openvex.dev/") => Role::Vex,
        _ => Role::Attestation,
    }
}

/// The kind of artifact that has the form of an image, `None` for an image itself.
fn classify_image(image: &ImageManifest) -> Option<ArtifactKind> {
    if let Some(artifact_type) = &image.artifact_type {
        return Some(ArtifactKind { role: role(artifact_type), artifact_type: artifact_type.clone() });
    }
    let config = image.config.media_type.as_str();
    if !matches!(config, media_type::OCI_CONFIG | media_type::DOCKER_CONFIG) {
        let by_config = role(config);
        // An empty configuration says nothing; the content does.
        let from_layers = image.layers.first().map(|layer| layer.media_type.as_str());
        let named = match (by_config, from_layers) {
            (Role::Other, Some(layer)) if role(layer) != Role::Other || config == media_type::OCI_EMPTY => {
                layer
            }
            _ => config,
        };
        return Some(ArtifactKind { role: role(named), artifact_type: named.to_owned() });
    }
    // Tools that push something of their own often leave the image's type on the configuration.
    let first = image.layers.first()?;
    if image.layers.iter().any(|layer| media_type::is_layer(&layer.media_type)) {
        return None;
    }
    Some(ArtifactKind { role: role(&first.media_type), artifact_type: first.media_type.clone() })
}

fn artifact(artifact_type: &str) -> Kind {
    Kind::Artifact(ArtifactKind { role: role(artifact_type), artifact_type: artifact_type.to_owned() })
}

/// What people call an artifact of that type.
fn role(artifact_type: &str) -> Role {
    let kind = artifact_type.split([';', '+']).next().unwrap_or_default();
    match kind {
        "application/vnd.dev.cosign.simplesigning.v1"
        | "application/vnd.dev.cosign.artifact.sig.v1"
        | "application/vnd.cncf.notary.signature" => Role::Signature,
        "application/vnd.in-toto"
        | "application/vnd.dsse.envelope.v1"
        | "application/vnd.docker.attestation.manifest.v1"
        | "application/vnd.dev.sigstore.bundle.v0.3" => Role::Attestation,
        "application/vnd.cncf.helm.config.v1" | "application/vnd.cncf.helm.chart.content.v1.tar" => {
            Role::Chart
        }
        "application/vnd.amazon.soci.index.v1" | "application/vnd.amazon.soci.index.v2" => Role::SociIndex,
        "application/openvex" | "application/vnd.openvex" => Role::Vex,
        "application/spdx" | "text/spdx" | "application/vnd.cyclonedx" | "application/vnd.syft" => Role::Sbom,
        _ if kind.contains("wasm") => Role::Wasm,
        _ if kind.contains(".ml.") || kind.contains("ollama") || kind.contains(".model") => Role::Model,
        _ if kind.contains("sbom") || kind.contains("spdx") || kind.contains("cyclonedx") => Role::Sbom,
        _ => Role::Other,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    const IN_TOTO: &str = "application/vnd.in-toto+json";
    const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
    const COSIGN_SIGNATURE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

    /// Compares `role type` for a manifest with this configuration and these layers.
    #[track_caller]
    fn check(artifact_type: Option<&str>, config: &str, layers: &[&str], expect: &str) {
        let descriptor =
            |media_type: &str| json!({"mediaType": media_type, "size": 2, "digest": Digest::sha256(b"{}")});
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": descriptor(config),
            "layers": layers.iter().map(|layer| descriptor(layer)).collect::<Vec<_>>(),
        });
        if let Some(artifact_type) = artifact_type {
            manifest["artifactType"] = json!(artifact_type);
        }
        let manifest = Manifest::parse(Bytes::from(manifest.to_string()), None).expect("a manifest");
        let said = match classify(&manifest) {
            Kind::Artifact(kind) => format!("{} {}", kind.role.as_str(), kind.artifact_type),
            Kind::Image => "image".to_owned(),
            Kind::Index => "index".to_owned(),
        };
        assert_eq!(said, expect);
    }

    #[test]
    fn images_are_told_from_what_has_their_form() {
        let image = media_type::OCI_CONFIG;
        check(None, image, &[media_type::OCI_LAYER_GZIP], "image");
        check(None, image, &[], "image");
        check(
            None,
            media_type::DOCKER_CONFIG,
            &[media_type::DOCKER_LAYER_GZIP, "application/x-odd"],
            "image",
        );
        check(None, image, &[IN_TOTO, IN_TOTO], &format!("attestation {IN_TOTO}"));
        check(None, image, &[COSIGN_SIGNATURE], &format!("signature {COSIGN_SIGNATURE}"));
        check(None, image, &[DSSE], &format!("attestation {DSSE}"));
        check(None, image, &["text/spdx+json"], "SBOM text/spdx+json");
        let attestation = "application/vnd.docker.attestation.manifest.v1+json";
        check(Some(attestation), media_type::OCI_EMPTY, &[IN_TOTO], &format!("attestation {attestation}"));
        let helm = "application/vnd.cncf.helm.config.v1+json";
        let chart = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
        check(None, helm, &[chart], &format!("Helm chart {helm}"));
        let wasm = "application/vnd.wasm.config.v0+json";
        check(None, wasm, &["application/wasm"], &format!("WebAssembly module {wasm}"));
        let soci = "application/vnd.amazon.soci.index.v1+json";
        check(None, soci, &["application/octet-stream"], &format!("SOCI index {soci}"));
        check(
            None,
            media_type::DOCKER_CONFIG,
            &["application/vnd.ollama.image.model"],
            "model application/vnd.ollama.image.model",
        );
        check(
            Some("application/x-report"),
            media_type::OCI_EMPTY,
            &["text/plain"],
            "artifact application/x-report",
        );
        check(None, media_type::OCI_EMPTY, &["text/plain"], "artifact text/plain");
    }

    #[test]
    fn tags_of_cosign_name_their_image() {
        let digest = Digest::sha256(b"image");
        for end in ["", ".sig", ".att", ".sbom"] {
            assert_eq!(spoken_of_by_tag(&format!("sha256-{}{end}", digest.hex())), Some(digest.clone()));
        }
        for other in ["sha256-1f.sig", "v1-2", "latest"] {
            assert_eq!(spoken_of_by_tag(other), None);
        }
    }

    #[test]
    fn predicates_have_names() {
        for (predicate, role) in [
            ("https://slsa.dev/provenance/v0.2", Role::Provenance),
            ("https://spdx.dev/Document", Role::Sbom),
            ("https://cyclonedx.org/bom/v1.6", Role::Sbom),
            ("https://openvex.dev/ns/v0.2.0", Role::Vex),
            ("https://example.com/review", Role::Attestation),
        ] {
            assert_eq!(role_of_predicate(predicate), role);
        }
    }
}
