//! What BuildKit and cosign push: an index of two platforms with an attestation manifest for each, and the tags of
//! cosign's older form (BuildKit "Attestation Storage"; cosign "Signature Specification").

use bytes::Bytes;
use serde_json::{Value, json};
use tidewaiter_demo::Blob;
use tidewaiter_oci::content::{Content, Push as _, Tag as _};
use tidewaiter_oci::{Descriptor, Digest, Manifest, Reference, media_type};

use super::Up;

/// Manifests that are to be pushed with what they need, in order.
#[derive(Default)]
pub(crate) struct Pushes {
    pub(crate) blobs: Vec<Blob>,
    pub(crate) manifests: Vec<(Manifest, Option<String>)>,
}

impl Pushes {
    /// Adds a blob of that type.
    pub(crate) fn blob(&mut self, media_type: &str, bytes: impl Into<Bytes>) -> Descriptor {
        let bytes = bytes.into();
        let descriptor = Descriptor::of(media_type, &bytes);
        self.blobs.push(Blob { descriptor: descriptor.clone(), bytes });
        descriptor
    }

    /// Adds a manifest, and returns its descriptor as JSON for an index.
    pub(crate) fn manifest(&mut self, json: &Value, tag: Option<&str>) -> Value {
        let manifest = Manifest::parse(Bytes::from(json.to_string()), None).expect("a manifest");
        let descriptor = json!({
            "mediaType": json["mediaType"], "digest": manifest.digest(), "size": manifest.bytes.len(),
        });
        self.manifests.push((manifest, tag.map(str::to_owned)));
        descriptor
    }

    /// Adds an artifact that has the form of an image.
    pub(crate) fn artifact(&mut self, config: &str, layer: Value, tag: Option<&str>) -> Value {
        let config = self.blob(config, "{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [layer],
        });
        self.manifest(&manifest, tag)
    }

    /// An image of one platform over this layer.
    pub(crate) fn image(&mut self, layer: &Blob, diff_id: &str, architecture: &str) -> Value {
        let config = json!({
            "os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        });
        let config = self.blob(media_type::OCI_CONFIG, config.to_string());
        self.blobs.push(layer.clone());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
            "config": config, "layers": [layer.descriptor],
        });
        let mut descriptor = self.manifest(&manifest, None);
        descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
        descriptor
    }

    /// The attestation manifest that BuildKit writes for an image: provenance and SBOM.
    pub(crate) fn attestation(&mut self, image: &Value) -> Value {
        let statements = ["https://slsa.dev/provenance/v0.2", "https://spdx.dev/Document"].map(|predicate| {
            let statement = json!({
                "_type": "https://in-toto.io/Statement/v0.1", "predicateType": predicate,
                "subject": [{"name": "pkg:docker/app", "digest": {"sha256": image["digest"]}}],
                "predicate": {
                    "materials": [{"uri": "pkg:docker/base.test/os@1", "digest": {"sha256": "ba5e"}}],
                    "metadata": {"https://mobyproject.org/buildkit@v1#metadata": {"vcs": {"source": "https://git.test/app.git", "revision": "c0de"}}},
                },
            });
            let mut layer = json!(self.blob("application/vnd.in-toto+json", statement.to_string()));
            layer["annotations"] = json!({"in-toto.io/predicate-type": predicate});
            layer
        });
        let diff_ids = statements.iter().map(|layer| layer["digest"].clone()).collect::<Vec<_>>();
        let config = json!({
            "architecture": "unknown", "os": "unknown", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = self.blob(media_type::OCI_CONFIG, config.to_string());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": statements,
        });
        let mut descriptor = self.manifest(&manifest, None);
        descriptor["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        descriptor["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image["digest"],
        });
        descriptor
    }

    /// An index of these manifests.
    pub(crate) fn index(&mut self, members: &[Value], tag: &str) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": members});
        self.manifest(&index, Some(tag))
    }

    /// What `cosign sign` or `cosign attest` put beside an image: a tag made of its digest.
    pub(crate) fn cosign(&mut self, subject: &Value, end: &str, media_type: &str) -> Value {
        let digest: Digest =
            subject["digest"].as_str().and_then(|digest| digest.parse().ok()).expect("a digest");
        let layer = json!(self.blob(media_type, format!("{{\"of\":\"{digest}\"}}")));
        let tag = format!("sha256-{}.{end}", digest.hex());
        self.artifact(media_type::OCI_CONFIG, layer, Some(&tag))
    }

    /// Pushes everything into a repository.
    pub(crate) async fn push(&self, up: &Up, repository: &str) {
        let reference = Reference::parse(&format!("{}/{repository}", up.registry)).expect("a reference");
        let repository = super::client().repository(&reference).expect("a repository");
        for blob in &self.blobs {
            repository.push(&blob.descriptor, Content::Bytes(blob.bytes.clone())).await.expect("taken");
        }
        for (manifest, tag) in &self.manifests {
            match tag {
                Some(tag) => repository.push_tagged(manifest, tag).await.expect("taken"),
                None => {
                    let content = Content::Bytes(manifest.bytes.clone());
                    repository.push(&manifest.descriptor, content).await.expect("taken");
                }
            }
        }
    }
}
