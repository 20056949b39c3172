//! Manifests: resolving, reading, pushing, deleting; and tags, which are names of manifests.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde_json::json;

use crate::content;
use crate::descriptor::Descriptor;
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{MAX_MANIFEST_SIZE, Manifest};
use crate::media_type;
use crate::reference::TagName;
use crate::remote::call::{Answer, Call, Payload};
use crate::remote::repository::{DELETE, PULL, PUSH, Repository};

/// Names the digest of what an answer is about.
const CONTENT_DIGEST: &str = "docker-content-digest";

impl Repository {
    /// The descriptor of the manifest that a tag or a digest names.
    pub(super) async fn resolve_manifest(&self, reference: &str) -> Result<Descriptor> {
        check_reference(reference)?;
        let call = self.manifest_call(Method::HEAD, reference, None);
        let answer = match self.ask(call, reference, &[StatusCode::OK]).await {
            Ok(answer) => answer,
            // Some registries and proxies have no HEAD.
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                return Ok(self.manifest_bytes(reference, None).await?.0);
            }
            Err(error) => return Err(error),
        };
        let digest = stated_digest(&answer, reference)?;
        let media_type = content_type(&answer);
        match (digest, answer.content_length(), media_type) {
            (Some(digest), Some(size), Some(media_type)) => Ok(Descriptor::new(media_type, digest, size)),
            _ => Ok(self.manifest_bytes(reference, None).await?.0),
        }
    }

    /// A manifest's bytes, checked against the digest that the registry states and the one asked for, and their
    /// descriptor with the media type that the registry states. `accept` are the media types asked for, by
    /// default all that we read.
    pub async fn manifest_bytes(
        &self,
        reference: &str,
        accept: Option<&[String]>,
    ) -> Result<(Descriptor, Bytes)> {
        check_reference(reference)?;
        let call = self.manifest_call(Method::GET, reference, accept).whole(MAX_MANIFEST_SIZE);
        let answer = self.ask(call, reference, &[StatusCode::OK]).await?;
        let stated = stated_digest(&answer, reference)?;
        let media_type = content_type(&answer);
        let bytes = answer.read_all(MAX_MANIFEST_SIZE).await?;
        let algorithm = stated.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let actual = Digest::of(algorithm, &bytes);
        match stated {
            Some(expected) if expected != actual => Err(Error::DigestMismatch { expected, actual }),
            _ => {
                let media_type = media_type.unwrap_or_else(|| media_type::OCTET_STREAM.to_owned());
                Ok((Descriptor::new(media_type, actual, bytes.len() as u64), bytes))
            }
        }
    }

    /// The bytes of a manifest, checked against its descriptor.
    pub(super) async fn manifest_content(&self, descriptor: &Descriptor) -> Result<Bytes> {
        let digest = descriptor.digest.as_str();
        let accept = std::slice::from_ref(&descriptor.media_type);
        let call = self.manifest_call(Method::GET, digest, Some(accept)).whole(MAX_MANIFEST_SIZE);
        let answer = self.ask(call, digest, &[StatusCode::OK]).await?;
        let bytes = answer.read_all(MAX_MANIFEST_SIZE).await?;
        content::check(descriptor, &bytes)?;
        Ok(bytes)
    }

    fn manifest_call(&self, method: Method, reference: &str, accept: Option<&[String]>) -> Call {
        let accept = accept.map_or_else(|| media_type::MANIFESTS.join(", "), |accept| accept.join(", "));
        self.call(method, &format!("manifests/{reference}"), PULL).header(ACCEPT, accept)
    }

    /// Pushes a manifest and, where the registry does not do it, records it with its subject.
    pub(super) async fn push_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: Bytes,
        reference: &str,
    ) -> Result<()> {
        let answer = self.put_manifest(descriptor, bytes.clone(), reference).await?;
        let recorded = answer.header("oci-subject").is_some();
        answer.discard().await;
        let parsed = Manifest::parse_with(descriptor.digest.algorithm(), bytes, Some(&descriptor.media_type));
        // What the registry took and we cannot read has no subject that we could record.
        let Ok(manifest) = parsed else { return Ok(()) };
        self.record_referrer(&manifest, recorded).await
    }

    /// Pushes a manifest under a tag or its digest.
    pub(super) async fn put_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: Bytes,
        reference: &str,
    ) -> Result<Answer> {
        check_reference(reference)?;
        content::check(descriptor, &bytes)?;
        let call = self
            .call(Method::PUT, &format!("manifests/{reference}"), PUSH)
            .header(CONTENT_TYPE, descriptor.media_type.as_str())
            .body(Payload::Bytes(bytes));
        let answer = self.send(call).await?.expect(&[StatusCode::CREATED, StatusCode::OK]).await?;
        if let Some(stated) = answer.header(CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok())
            && stated.algorithm() == descriptor.digest.algorithm()
            && stated != descriptor.digest
        {
            return Err(Error::DigestMismatch { expected: descriptor.digest.clone(), actual: stated });
        }
        Ok(answer)
    }

    /// Deletes a manifest and, where the registry does not do it, strikes it from its subject's list.
    pub(super) async fn delete_manifest(&self, descriptor: &Descriptor) -> Result<()> {
        let subject = self.recorded_subject(descriptor).await?;
        self.delete_by(descriptor.digest.as_str()).await?;
        match subject {
            Some(subject) => self.strike_referrer(&subject, &descriptor.digest).await,
            None => Ok(()),
        }
    }

    /// Deletes the manifest of a digest, or a tag.
    pub(super) async fn delete_by(&self, reference: &str) -> Result<()> {
        self.delete_path(&format!("manifests/{reference}"), reference).await
    }

    /// Deletes something of this repository.
    pub(super) async fn delete_path(&self, path: &str, what: &str) -> Result<()> {
        let call = self.call(Method::DELETE, path, DELETE);
        let deleted = [StatusCode::ACCEPTED, StatusCode::OK, StatusCode::NO_CONTENT];
        self.ask(call, what, &deleted).await?.discard().await;
        Ok(())
    }

    /// Removes a tag and nothing else.
    ///
    /// The specification's request for that is refused by many registries. Azure's has its own. Everywhere else
    /// the tag is moved to a manifest made for the purpose, and that is deleted, which takes the tag with it. A
    /// registry that deletes no manifests is found out before the tag is touched.
    pub(super) async fn remove_tag(&self, tag: &str) -> Result<()> {
        check_reference(tag)?;
        let refused = match self.delete_by(tag).await {
            Err(error @ Error::Response { status: 400 | 405 | 501, .. }) => error,
            result => return result,
        };
        tracing::debug!(tag, %refused, "the registry does not delete by tag");
        // Absent tags must not come into being on the way, and what is there may have to be put back.
        let (tagged, content) = self.manifest_bytes(tag, None).await?;
        if self.remove_tag_from_azure(tag).await? {
            return Ok(());
        }
        let config = Descriptor::of(media_type::OCI_EMPTY, b"{}");
        self.push_blob(&config, content::Content::Bytes(Bytes::from_static(b"{}"))).await?;
        let (probe, bytes) = placeholder();
        self.put_manifest(&probe, bytes, probe.digest.as_str()).await?.discard().await;
        self.delete_by(probe.digest.as_str()).await?;
        let (moved, bytes) = placeholder();
        self.put_manifest(&moved, bytes, tag).await?.discard().await;
        let Err(error) = self.delete_by(moved.digest.as_str()).await else { return Ok(()) };
        match self.put_manifest(&tagged, content, tag).await {
            Ok(answer) => answer.discard().await,
            Err(again) => {
                tracing::debug!(tag, error = %again, "the tag cannot be put back");
                let source = Box::new(error);
                return Err(Error::TagLost { tag: tag.to_owned(), digest: tagged.digest, source });
            }
        }
        Err(error)
    }

    /// Removes a tag as Azure Container Registry wants it. `false` when this is none.
    async fn remove_tag_from_azure(&self, tag: &str) -> Result<bool> {
        let host = self.endpoint.base().host_str().unwrap_or_default();
        if ![".azurecr.io", ".azurecr.cn", ".azurecr.us"].iter().any(|suffix| host.ends_with(suffix)) {
            return Ok(false);
        }
        let mut call = self.call(Method::DELETE, "", DELETE);
        call.url.set_path(&format!("/acr/v1/{}/_tags/{tag}", self.name()));
        self.ask(call, tag, &[StatusCode::ACCEPTED, StatusCode::OK]).await?;
        Ok(true)
    }
}

/// A manifest to move a tag to, with the empty JSON object for its config.
fn placeholder() -> (Descriptor, Bytes) {
    let config = Descriptor { data: Some("e30=".to_owned()), ..Descriptor::of(media_type::OCI_EMPTY, b"{}") };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": config,
        "layers": [config],
        // Without it the manifest might be one that somebody else's tag points at.
        "annotations": { "org.opencontainers.image.description": format!("removal of a tag, {:032x}", rand::random::<u128>()) },
    });
    let bytes = Bytes::from(manifest.to_string());
    (Descriptor::of(media_type::OCI_MANIFEST, &bytes), bytes)
}

/// A tag or a digest, and nothing that would become another path.
fn check_reference(reference: &str) -> Result<()> {
    if reference.contains(':') {
        reference.parse::<Digest>()?;
        return Ok(());
    }
    reference.parse::<TagName>().map(drop).map_err(|source| Error::reference(reference, source))
}

/// The digest that an answer states, or that was asked for; the two must agree.
fn stated_digest(answer: &Answer, reference: &str) -> Result<Option<Digest>> {
    let asked = reference.parse::<Digest>().ok();
    let stated = answer.header(CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok());
    match (asked, stated) {
        (Some(asked), Some(stated)) if asked.algorithm() == stated.algorithm() && asked != stated => {
            Err(Error::DigestMismatch { expected: asked, actual: stated })
        }
        (asked, stated) => Ok(asked.or(stated)),
    }
}

/// The media type of an answer, without parameters.
fn content_type(answer: &Answer) -> Option<String> {
    let text = answer.header(CONTENT_TYPE.as_str())?;
    Some(text.split(';').next().unwrap_or(text).trim().to_owned()).filter(|text| !text.is_empty())
}
