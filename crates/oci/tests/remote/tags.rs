//! Tags are removed, and nothing else, on registries that do not delete by tag.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use serde_json::json;
use tidewaiter_oci::content::Tag as _;
use tidewaiter_oci::{Digest, Error, media_type};

use crate::server::{Reply, Seen, Server, impatient};

/// What a registry of the old kind holds: manifests by digest, tags.
#[derive(Default)]
struct Shelf {
    manifests: BTreeMap<String, Bytes>,
    tags: BTreeMap<String, String>,
    deletes: usize,
    puts: usize,
}

/// Answers of a registry that deletes by digest alone, as often as `deletes` allow and takes as many manifests as
/// `puts` allow.
fn answer(shelf: &mut Shelf, seen: &Seen, deletes: usize, puts: usize) -> Reply {
    let Some(reference) = seen.target.strip_prefix("/v2/a/manifests/") else {
        return match seen.method {
            Method::HEAD => Reply::new(200).header("content-length", "2"),
            _ => Reply::new(201),
        };
    };
    let digest = shelf.tags.get(reference).cloned().unwrap_or_else(|| reference.to_owned());
    match seen.method {
        Method::DELETE if !reference.contains(':') => Reply::new(405),
        Method::DELETE if shelf.deletes >= deletes => Reply::new(405),
        Method::DELETE => {
            shelf.deletes += 1;
            shelf.manifests.remove(&digest);
            shelf.tags.retain(|_, named| *named != digest);
            Reply::new(202)
        }
        Method::PUT if shelf.puts >= puts => Reply::new(403),
        Method::PUT => {
            shelf.puts += 1;
            let digest = Digest::sha256(&seen.body).to_string();
            shelf.manifests.insert(digest.clone(), seen.body.clone());
            if !reference.contains(':') {
                shelf.tags.insert(reference.to_owned(), digest);
            }
            Reply::new(201)
        }
        _ => match shelf.manifests.get(&digest) {
            Some(bytes) => Reply::new(200)
                .header("content-type", media_type::OCI_MANIFEST)
                .header("docker-content-digest", digest.as_str())
                .body(bytes.clone()),
            None => Reply::new(404),
        },
    }
}

/// Removes the tag `v1` there: what came of it, what the tag names then, and what it named before.
async fn remove(deletes: usize, puts: usize) -> (Result<(), Error>, Option<String>, Digest) {
    let empty = json!({"mediaType": media_type::OCI_EMPTY, "digest": Digest::sha256(b"{}"), "size": 2});
    let manifest =
        json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": empty, "layers": []});
    let bytes = Bytes::from(manifest.to_string());
    let digest = Digest::sha256(&bytes);
    let shelf = Arc::new(Mutex::new(Shelf::default()));
    {
        let mut shelf = shelf.lock().expect("unbroken");
        shelf.manifests.insert(digest.to_string(), bytes);
        shelf.tags.insert("v1".to_owned(), digest.to_string());
    }
    let behind = Arc::clone(&shelf);
    let server =
        Server::start(move |seen| answer(&mut behind.lock().expect("unbroken"), seen, deletes, puts)).await;
    let removed = server.repository(impatient()).untag("v1").await;
    let named = shelf.lock().expect("unbroken").tags.get("v1").cloned();
    (removed, named, digest)
}

#[tokio::test]
async fn a_tag_is_removed_where_only_digests_are_deleted() {
    let (removed, named, _) = remove(2, 2).await;
    removed.expect("removed");
    assert_eq!(named, None);
}

#[tokio::test]
async fn where_nothing_is_deleted_the_tag_is_not_touched() {
    let (removed, named, digest) = remove(0, 9).await;
    assert!(matches!(removed, Err(Error::Response { status: 405, .. })), "{removed:?}");
    assert_eq!(named, Some(digest.to_string()));
}

#[tokio::test]
async fn a_tag_that_cannot_be_removed_after_all_is_put_back() {
    let (removed, named, digest) = remove(1, 9).await;
    assert!(matches!(removed, Err(Error::Response { status: 405, .. })), "{removed:?}");
    assert_eq!(named, Some(digest.to_string()));
}

#[tokio::test]
async fn a_tag_that_cannot_be_put_back_is_told_of_with_its_digest() {
    let (removed, named, digest) = remove(1, 2).await;
    let error = removed.expect_err("lost");
    assert!(matches!(error, Error::TagLost { .. }), "{error}");
    assert!(error.to_string().contains(digest.as_str()), "{error}");
    assert_ne!(named, Some(digest.to_string()));
}
