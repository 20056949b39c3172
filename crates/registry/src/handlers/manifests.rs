//! Manifests: get, put and delete, by tag and by digest.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tidewaiter_oci::manifest::{InvalidManifest, MAX_MANIFEST_SIZE};
use tidewaiter_oci::{Algorithm, Manifest, RepositoryName, TagName, View, media_type};

use super::{Answer, Call, check_deletes, is_known};
use crate::metadata::{PushOutcome, PushRequest};
use crate::response::{ApiError, DOCKER_CONTENT_DIGEST, empty, set, with_body};
use crate::route::{self, Target};

/// Names the subject of a pushed manifest, and so tells that referrers are kept here.
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// Names a tag that was set by a query parameter.
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Most tags that one push can set by query parameters.
const MOST_TAGS: usize = 100;
/// The conformance program looks for a header for each tag, and some clients take no answer with more than a hundred:
/// above this many, several tags share one, with commas between them.
const MOST_TAG_HEADERS: usize = 50;
/// Configurations up to this many bytes are looked into for the platform.
const CONFIG_LIMIT: u64 = 1024 * 1024;

/// `GET` and `HEAD …/manifests/<reference>`
pub(super) async fn get(call: &Call, name: &RepositoryName, target: &Target) -> Answer {
    let unknown = || ApiError::manifest_unknown(name, target.as_str());
    let reference = match target {
        Target::Digest(digest) => Ok(digest),
        Target::Tag(tag) => Err(tag),
        Target::Impossible(text) if text.contains(':') => return Err(route::impossible(text)),
        Target::Impossible(_) => return Err(unknown()),
    };
    let record = call.shared.metadata.manifest(name, reference).await?.ok_or_else(unknown)?;
    let mut response = if is_known(call, &record.digest) {
        empty(StatusCode::NOT_MODIFIED)
    } else if call.method == axum::http::Method::HEAD {
        with_body(StatusCode::OK, &record.media_type, Body::empty())
    } else {
        let bytes = call.shared.manifest_bytes(&record.digest).await?.ok_or_else(unknown)?;
        with_body(StatusCode::OK, &record.media_type, bytes)
    };
    if response.status() == StatusCode::OK {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(record.size));
    }
    set(&mut response, DOCKER_CONTENT_DIGEST, record.digest.as_str());
    set(&mut response, header::ETAG, format!("\"{}\"", record.digest));
    Ok(response)
}

/// `PUT …/manifests/<reference>?tag=`
pub(super) async fn put(call: &Call, body: &mut Body, name: &RepositoryName, target: Target) -> Answer {
    let tags = requested_tags(call, &target)?;
    let bytes = read_manifest(body).await?;
    let manifest = parse(call, &target, bytes)?;
    let origin = call.origin();
    let request = PushRequest {
        repository: name,
        manifest: &manifest,
        tags: &tags,
        runs_on: platform(call, name, &manifest).await?,
        sparse: call.shared.options.sparse,
        origin: Some(&origin),
        now: call.shared.now(),
    };
    match call.shared.metadata.push(&request).await? {
        PushOutcome::Stored => {}
        PushOutcome::Missing(digests) => {
            let message = "the manifest names content that is not in this repository; push that first";
            let detail = json!(digests.iter().map(|digest| json!({ "digest": digest })).collect::<Vec<_>>());
            return Err(ApiError::new(StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN", message).detail(detail));
        }
    }
    call.shared.metrics.stored_bytes.inc_by(manifest.descriptor.size);
    call.shared.cache.insert(manifest.digest(), manifest.bytes.clone());
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, header::LOCATION, format!("/v2/{name}/manifests/{}", manifest.digest()));
    set(&mut response, DOCKER_CONTENT_DIGEST, manifest.digest().as_str());
    if let (true, Some(subject)) = (call.shared.options.referrers, manifest.subject()) {
        set(&mut response, OCI_SUBJECT, subject.digest.as_str());
    }
    if matches!(target, Target::Digest(_)) {
        for tags in tags.chunks(tags.len().div_ceil(MOST_TAG_HEADERS).max(1)) {
            let tags: Vec<_> = tags.iter().map(TagName::as_str).collect();
            if let Ok(value) = HeaderValue::from_str(&tags.join(", ")) {
                response.headers_mut().append(OCI_TAG, value);
            }
        }
    }
    Ok(response)
}

/// `DELETE …/manifests/<reference>`: a tag goes alone, a digest with all its tags.
pub(super) async fn delete(call: &Call, name: &RepositoryName, target: Target) -> Answer {
    check_deletes(call)?;
    let (shared, origin) = (&call.shared, call.origin());
    let (origin, now) = (Some(&origin), shared.now());
    let found = match &target {
        Target::Tag(tag) => shared.with_kept_room(|| shared.metadata.untag(name, tag, origin, now)).await?,
        Target::Digest(digest) => {
            let cascade = shared.options.cascades();
            shared.with_kept_room(|| shared.metadata.delete(name, digest, cascade, origin, now)).await? > 0
        }
        Target::Impossible(text) => return Err(route::impossible(text)),
    };
    if found {
        Ok(empty(StatusCode::ACCEPTED))
    } else {
        Err(ApiError::manifest_unknown(name, target.as_str()))
    }
}

/// The tag in the path, or those in the query of a push by digest.
fn requested_tags(call: &Call, target: &Target) -> Result<Vec<TagName>, ApiError> {
    match target {
        Target::Tag(tag) => return Ok(vec![tag.clone()]),
        Target::Impossible(text) => return Err(route::impossible(text)),
        Target::Digest(_) => {}
    }
    let mut tags = Vec::new();
    for text in call.query_all("tag") {
        let tag = route::tag(text)?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        if tags.len() > MOST_TAGS {
            let message = format!("one push can set {MOST_TAGS} tags");
            return Err(ApiError::new(StatusCode::URI_TOO_LONG, "TOOMANYREQUESTS", message));
        }
    }
    Ok(tags)
}

/// The bytes, if they are not too many.
async fn read_manifest(body: &mut Body) -> Result<Bytes, ApiError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let cut_off = |_| {
            ApiError::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", "the manifest was cut off on its way")
        };
        let Ok(data) = frame.map_err(cut_off)?.into_data() else { continue };
        if (bytes.len() + data.len()) as u64 > MAX_MANIFEST_SIZE {
            let message = format!("manifests over {MAX_MANIFEST_SIZE} bytes are not taken");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", message));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Bytes::from(bytes))
}

/// The manifest, when it is one, of the type it was sent as and with the digest it was sent to.
fn parse(call: &Call, target: &Target, bytes: Bytes) -> Result<Manifest, ApiError> {
    let invalid = |message: String| ApiError::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message);
    let content_type =
        call.header(header::CONTENT_TYPE).map(|value| value.split(';').next().unwrap_or(value).trim());
    if let Some(content_type) = content_type
        && !media_type::is_manifest(content_type)
        && !["application/json", media_type::OCTET_STREAM, ""].contains(&content_type)
    {
        return Err(invalid(
            InvalidManifest::UnsupportedType { media_type: content_type.to_owned() }.to_string(),
        ));
    }
    let algorithm = match target {
        Target::Digest(digest) => digest.algorithm(),
        Target::Tag(_) | Target::Impossible(_) => Algorithm::Sha256,
    };
    let manifest = Manifest::parse_with(algorithm, bytes, content_type).map_err(|error| match &error {
        InvalidManifest::Json { source, .. } => invalid(format!("{error}: {source}")),
        _ => invalid(error.to_string()),
    })?;
    match target {
        Target::Digest(digest) if digest != manifest.digest() => {
            return Err(ApiError::digest_mismatch(digest, manifest.digest()));
        }
        _ => {}
    }
    check_shape(&manifest).map_err(|message| invalid(message.to_owned()))?;
    let version = match &manifest.view {
        View::Image(image) => Some(image.schema_version),
        View::Index(index) => Some(index.schema_version),
        View::Artifact(_) => None,
    };
    if let Some(version) = version.filter(|version| *version != 2) {
        return Err(invalid(format!("schemaVersion is {version}; manifests of this type have 2")));
    }
    let mut types = manifest.successors().into_iter().map(|next| next.media_type.as_str());
    if types.any(|text| text.contains('\0'))
        || manifest.artifact_type().is_some_and(|text| text.contains('\0'))
    {
        return Err(invalid("a type in the manifest has a zero character in it".to_owned()));
    }
    Ok(manifest)
}

/// An image that also lists manifests, or an index that also has layers, is another thing for each client
/// (CVE-2021-41190); so is a configuration that does not say what it is.
fn check_shape(manifest: &Manifest) -> Result<(), &'static str> {
    #[derive(Deserialize)]
    struct Shape {
        config: Option<IgnoredAny>,
        layers: Option<IgnoredAny>,
        manifests: Option<IgnoredAny>,
    }
    // It has been read as JSON before; only a field that comes twice is an error here.
    let shape: Shape =
        serde_json::from_slice(&manifest.bytes).map_err(|_| "a field of the manifest is there twice")?;
    match &manifest.view {
        View::Image(_) if shape.manifests.is_some() => {
            Err("the manifest is an image and has `manifests` as an index does: it must be one of the two")
        }
        View::Index(_) if shape.config.is_some() || shape.layers.is_some() => Err(
            "the manifest is an index and has `config` or `layers` as an image does: it must be one of the two",
        ),
        View::Image(image) if image.config.media_type.is_empty() => {
            Err("the configuration in the manifest has no mediaType")
        }
        View::Image(_) | View::Index(_) | View::Artifact(_) => Ok(()),
    }
}

/// What an image runs on, by its configuration.
async fn platform(
    call: &Call,
    name: &RepositoryName,
    manifest: &Manifest,
) -> Result<Option<(String, String)>, ApiError> {
    #[derive(Deserialize)]
    struct Config {
        architecture: String,
        os: String,
    }
    let View::Image(image) = &manifest.view else { return Ok(None) };
    let config = &image.config;
    if ![media_type::OCI_CONFIG, media_type::DOCKER_CONFIG].contains(&config.media_type.as_str()) {
        return Ok(None);
    }
    let Some(blob) = call.shared.metadata.blob(name, &config.digest).await? else { return Ok(None) };
    if blob.size > CONFIG_LIMIT {
        return Ok(None);
    }
    // A configuration that is gone or broken does not stop the push: nothing here depends on it.
    let Ok(content) = call.shared.blobs.read(&blob.object, 0..blob.size).await else { return Ok(None) };
    let Ok(bytes) = content.collect().await else { return Ok(None) };
    let config = serde_json::from_slice::<Config>(&bytes).ok();
    Ok(config
        .map(|config| (config.architecture, config.os))
        .filter(|(architecture, os)| !architecture.contains('\0') && !os.contains('\0')))
}
