//! ACR's own API beside `/v2/`: what repositories, manifests and tags are there, and deleting them. Attributes
//! cannot be changed: nothing is locked here.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};
use tidewaiter_oci::{Digest, RepositoryName, TagName};

use super::{Answer, Call, catalog, check_deletes, check_writable};
use crate::access::{Need, Right};
use crate::metadata::{ListQuery, Order};
use crate::registry::Shared;
use crate::response::{ApiError, ApiResponse, empty, json_response, query_value, set_next, set_user};
use crate::route;

/// Entries of a page when the client does not say how many it wants, as `az acr` asks for.
const PAGE: u32 = 100;
/// Most entries of a page.
const LARGEST_PAGE: u32 = 1000;

/// What a path under `/acr/v1/` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Resource {
    Catalog,
    Repository(RepositoryName),
    Manifests(RepositoryName),
    Manifest(RepositoryName, Digest),
    Tags(RepositoryName),
    Tag(RepositoryName, TagName),
}

impl Resource {
    fn parse(path: &str) -> Result<Self, ApiError> {
        let path = route::percent_decode(path);
        let path = path.trim_end_matches('/');
        if path.split('/').next() == Some("_deleted") {
            let message = "what is deleted here is gone for good";
            return Err(ApiError::unsupported(StatusCode::NOT_FOUND, message));
        }
        if path == "_catalog" {
            return Ok(Self::Catalog);
        }
        if let Some(name) = path.strip_suffix("/_manifests") {
            return Ok(Self::Manifests(route::repository(name)?));
        }
        if let Some(name) = path.strip_suffix("/_tags") {
            return Ok(Self::Tags(route::repository(name)?));
        }
        if let Some((rest, last)) = path.rsplit_once('/') {
            if let Some(name) = rest.strip_suffix("/_manifests") {
                return Ok(Self::Manifest(route::repository(name)?, route::digest(last)?));
            }
            if let Some(name) = rest.strip_suffix("/_tags") {
                return Ok(Self::Tag(route::repository(name)?, route::tag(last)?));
            }
        }
        Ok(Self::Repository(route::repository(path)?))
    }

    /// What somebody must be allowed to be answered.
    fn need(&self, method: &Method) -> Need {
        let right = match *method {
            Method::GET | Method::HEAD => Right::MetadataRead,
            Method::DELETE => Right::ContentDelete,
            _ => Right::MetadataWrite,
        };
        match self {
            Self::Catalog => Need::Listing,
            Self::Repository(name)
            | Self::Manifests(name)
            | Self::Manifest(name, _)
            | Self::Tags(name)
            | Self::Tag(name, _) => Need::Repository(name.clone(), right),
        }
    }
}

/// Everything under `/acr/v1/`
pub(super) async fn dispatch(State(shared): State<Arc<Shared>>, request: Request) -> ApiResponse {
    let (parts, _) = request.into_parts();
    let resource = Resource::parse(parts.uri.path().strip_prefix("/acr/v1/").unwrap_or_default());
    let mut user = None;
    let answer = async {
        let resource = resource?;
        let need = resource.need(&parts.method);
        let call = Call::admit(shared, parts, |_| need).await?;
        user = call.caller.name().map(str::to_owned);
        match call.method {
            Method::GET | Method::HEAD => read(&call, &resource).await,
            Method::DELETE => delete(&call, &resource).await,
            _ => Err(wrong_method(&call.method)),
        }
    }
    .await;
    let mut response = answer.unwrap_or_else(ApiError::into_response);
    set_user(&mut response, user);
    response
}

fn wrong_method(method: &Method) -> ApiError {
    let message = match *method {
        Method::PATCH => "attributes cannot be changed here: nothing is locked".to_owned(),
        _ => format!("{method} has no meaning here"),
    };
    ApiError::unsupported(StatusCode::METHOD_NOT_ALLOWED, message).header(header::ALLOW, "GET, HEAD, DELETE")
}

async fn read(call: &Call, resource: &Resource) -> Answer {
    let metadata = &call.shared.metadata;
    let name = match resource {
        Resource::Catalog => return catalog::page(call, "/acr/v1/_catalog").await,
        Resource::Repository(name)
        | Resource::Manifests(name)
        | Resource::Manifest(name, _)
        | Resource::Tags(name)
        | Resource::Tag(name, _) => name,
    };
    let unknown = || ApiError::name_unknown(name.as_str());
    let repository = metadata.repository(name).await?.ok_or_else(unknown)?;
    match resource {
        Resource::Manifests(_) => manifests(call, name).await,
        Resource::Tags(_) => tags(call, name).await,
        Resource::Manifest(_, digest) => {
            let manifest = metadata.manifest_details(name, digest.as_str()).await?;
            let manifest = manifest.ok_or_else(|| ApiError::manifest_unknown(name, digest.as_str()))?;
            Ok(answer(call, name, "manifest", &manifest))
        }
        Resource::Tag(_, tag) => {
            let details = metadata.tag_details(name, tag.as_str()).await?;
            let details = details.ok_or_else(|| tag_unknown(name, tag))?;
            Ok(answer(call, name, "tag", &details))
        }
        Resource::Catalog | Resource::Repository(_) => {
            let mut value = json!(repository);
            value["registry"] = json!(registry_name(call));
            Ok(json_response(StatusCode::OK, &value))
        }
    }
}

fn tag_unknown(name: &RepositoryName, tag: &TagName) -> ApiError {
    let message = format!("tag \"{tag}\" is not in repository \"{name}\"");
    ApiError::new(StatusCode::NOT_FOUND, "TAG_UNKNOWN", message)
        .detail(json!({ "name": name.as_str(), "tag": tag.as_str() }))
}

fn registry_name(call: &Call) -> &str {
    call.header(header::HOST).unwrap_or("localhost")
}

fn answer(call: &Call, name: &RepositoryName, key: &str, value: &impl Serialize) -> ApiResponse {
    let mut answer = json!({ "registry": registry_name(call), "imageName": name.as_str() });
    answer[key] = json!(value);
    json_response(StatusCode::OK, &answer)
}

/// The page that is asked for, one entry longer: that tells whether there are more.
fn list_query(call: &Call) -> Result<ListQuery<'_>, ApiError> {
    let order = match call.query("orderby") {
        None | Some("" | "none") => Order::Name,
        Some("timeasc") => Order::OldestFirst,
        Some("timedesc") => Order::NewestFirst,
        Some(other) => {
            let message = format!("orderby={other} is not supported; timeasc and timedesc are");
            return Err(ApiError::unsupported(StatusCode::BAD_REQUEST, message));
        }
    };
    let limit = call.page_size()?.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let last_updated = call.query("after").and_then(|text| text.parse().ok());
    Ok(ListQuery { order, last: call.query("last").unwrap_or(""), last_updated, limit: limit + 1 })
}

/// Cuts a list to the page that was asked for, and says where the next one is.
fn list<T: Serialize>(
    call: &Call,
    name: &RepositoryName,
    kind: &str,
    mut entries: Vec<T>,
    query: &ListQuery<'_>,
    cursor: impl Fn(&T) -> (&str, i64),
) -> ApiResponse {
    let limit = query.limit - 1;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let mut response = answer(call, name, kind, &entries);
    if let (true, Some(last)) = (more, entries.last()) {
        let (last, updated) = cursor(last);
        let mut path = format!("/acr/v1/{name}/_{kind}?last={}&n={limit}", query_value(last));
        if let Some(order) = call.query("orderby").filter(|_| query.order != Order::Name) {
            path.push_str(&format!("&orderby={order}&after={updated}"));
        }
        if let Some(digest) = call.query("digest") {
            path.push_str(&format!("&digest={}", query_value(digest)));
        }
        set_next(&mut response, &path);
    }
    response
}

async fn manifests(call: &Call, name: &RepositoryName) -> Answer {
    let query = list_query(call)?;
    let manifests = call.shared.metadata.manifests(name, &query).await?;
    Ok(list(call, name, "manifests", manifests, &query, |last| (&last.digest, last.updated_at())))
}

async fn tags(call: &Call, name: &RepositoryName) -> Answer {
    let query = list_query(call)?;
    let digest = call.query("digest").filter(|text| !text.is_empty()).map(route::digest).transpose()?;
    let digest = digest.as_ref().map_or("", Digest::as_str);
    let tags = call.shared.metadata.tag_list(name, digest, &query).await?;
    Ok(list(call, name, "tags", tags, &query, |last| (&last.name, last.updated_at())))
}

async fn delete(call: &Call, resource: &Resource) -> Answer {
    check_writable(call)?;
    check_deletes(call)?;
    let (shared, origin, now) = (&call.shared, call.origin(), call.shared.now());
    let (metadata, origin) = (&shared.metadata, Some(&origin));
    match resource {
        Resource::Repository(name) => {
            let deleted = shared.with_kept_room(|| metadata.delete_repository(name, origin, now)).await?;
            let (manifests, tags) = deleted.ok_or_else(|| ApiError::name_unknown(name.as_str()))?;
            let value: Value = json!({ "manifestsDeleted": manifests, "tagsDeleted": tags });
            Ok(json_response(StatusCode::ACCEPTED, &value))
        }
        Resource::Manifest(name, digest) => {
            let cascade = shared.options.cascades();
            match shared.with_kept_room(|| metadata.delete(name, digest, cascade, origin, now)).await? {
                0 => Err(ApiError::manifest_unknown(name, digest.as_str())),
                _ => Ok(empty(StatusCode::ACCEPTED)),
            }
        }
        Resource::Tag(name, tag) => {
            match shared.with_kept_room(|| metadata.untag(name, tag, origin, now)).await? {
                false => Err(tag_unknown(name, tag)),
                true => Ok(empty(StatusCode::ACCEPTED)),
            }
        }
        Resource::Catalog | Resource::Manifests(_) | Resource::Tags(_) => {
            let message = "lists cannot be deleted, only what is in them";
            Err(ApiError::unsupported(StatusCode::METHOD_NOT_ALLOWED, message)
                .header(header::ALLOW, "GET, HEAD"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let name: RepositoryName = "a/b".parse().expect("a name");
        let digest = Digest::sha256(b"");
        let check = |path: &str, expected: Resource| assert_eq!(Resource::parse(path).expect(path), expected);
        check("_catalog", Resource::Catalog);
        check("a/b", Resource::Repository(name.clone()));
        check("a/b/_manifests", Resource::Manifests(name.clone()));
        check(&format!("a/b/_manifests/{digest}"), Resource::Manifest(name.clone(), digest));
        check("a/b/_tags", Resource::Tags(name.clone()));
        check("a/b/_tags/v1", Resource::Tag(name, "v1".parse().expect("a tag")));
        for wrong in ["", "A", "_deleted/a/_manifests", "a/_manifests/v1"] {
            assert!(Resource::parse(wrong).is_err(), "{wrong}");
        }
    }
}
