//! Lists in pages, and referrers by the API and by tags.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tidewaiter_oci::content::{Content, Delete as _, Predecessors as _, Push as _, Tag as _};
use tidewaiter_oci::copy::{Copier, CopyOptions, ReferrerFilter};
use tidewaiter_oci::memory::Memory;
use tidewaiter_oci::remote::{ReferrersMode, Settings};
use tidewaiter_oci::{Descriptor, Digest, Error, Manifest, media_type};

use crate::server::{Reply, Seen, Server, client, impatient};

#[tokio::test]
async fn pages_are_followed_to_the_end() {
    let server = Server::start(|seen| match seen.target.as_str() {
        "/v2/a/tags/list?n=1000&last=x" => Reply::json(200, &json!({ "tags": ["y", "z"] }))
            .header("link", r#"</v2/a/tags/list?n=1000&last=z>; rel="next""#),
        "/v2/a/tags/list?n=1000&last=z" => Reply::json(200, &json!({ "name": "a", "tags": ["zz"] })),
        "/v2/_catalog?n=1000" => Reply::json(200, &json!({ "repositories": ["a", "b"] })),
        _ => Reply::json(200, &json!({ "tags": null })),
    })
    .await;
    let repository = server.repository(impatient());
    assert_eq!(repository.tags(Some("x")).await.expect("a list"), ["y", "z", "zz"]);
    assert!(repository.tags(None).await.expect("a list").is_empty());
    let registry = client(impatient()).registry(&server.address.to_string()).expect("valid");
    assert_eq!(registry.catalog(None).all().await.expect("a list"), ["a", "b"]);
}

#[tokio::test]
async fn pages_that_lead_astray_are_not_followed() {
    let thief = Server::start(|_| Reply::json(200, &json!({ "tags": ["stolen"] }))).await;
    let elsewhere = thief.address;
    let server = Server::start(move |_| {
        Reply::json(200, &json!({ "tags": ["x"] })).header("link", format!("<http://{elsewhere}/>; rel=next"))
    })
    .await;
    let error = server.repository(impatient()).tags(None).await.expect_err("refused");
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert!(thief.seen().is_empty());

    let circle = Server::start(|_| {
        Reply::json(200, &json!({ "tags": ["x"] })).header("link", "</v2/a/tags/list?n=1>; rel=next")
    })
    .await;
    let error = circle.repository(impatient()).tags(None).await.expect_err("a circle");
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert_eq!(circle.seen().len(), 2);
}

fn referrer(name: &str) -> Descriptor {
    let mut descriptor = Descriptor::of(media_type::OCI_MANIFEST, name.as_bytes());
    descriptor.artifact_type = Some(format!("example/{name}"));
    descriptor
}

fn index(manifests: &[Descriptor]) -> Reply {
    Reply::json(
        200,
        &json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests }),
    )
}

/// As [`index`], with the type that makes it an answer of the API.
fn api(manifests: &[Descriptor]) -> Reply {
    let body = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests });
    Reply::new(200).header("content-type", media_type::OCI_INDEX).body(body.to_string())
}

#[tokio::test]
async fn referrers_of_the_api_come_in_pages_and_are_filtered_here_too() {
    let server = Server::start(|seen| match seen.target.split_once('?') {
        Some((path, "artifactType=example%2Fb")) => {
            api(&[referrer("a"), referrer("b")]).header("link", format!(r#"<{path}?page=2>; rel="next""#))
        }
        Some((_, "page=2")) => api(&[referrer("b2"), referrer("b")]),
        _ => Reply::new(500),
    })
    .await;
    let repository = server.repository(impatient());
    let subject = referrer("subject");
    let found = repository.referrers(&subject, Some("example/b")).await.expect("a list");
    assert_eq!(found, [referrer("b"), referrer("b")]);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn answers_that_are_none_of_the_api_lead_to_the_tag() {
    let subject = referrer("subject");
    let tag = format!("/v2/a/manifests/{}", subject.digest.as_str().replace(':', "-"));
    for no_api in [Reply::new(404), Reply::new(405), index(&[]), Reply::new(200).body("<html>")] {
        let (tag, no_api) = (tag.clone(), no_api.clone());
        let server = Server::start(
            move |seen| {
                if seen.target == tag { api(&[referrer("a")]) } else { no_api.clone() }
            },
        )
        .await;
        let repository = server.repository(impatient());
        for _ in 0..2 {
            assert_eq!(repository.referrers(&subject, None).await.expect("a list"), [referrer("a")]);
        }
        assert_eq!(server.seen().len(), 3, "the API is looked for once");
        let by_tag = server.repository(Settings { referrers: ReferrersMode::Tag, ..impatient() });
        assert_eq!(by_tag.referrers(&subject, None).await.expect("a list"), [referrer("a")]);
        assert_eq!(server.seen().len(), 4);
    }
}

#[tokio::test]
async fn a_repository_that_is_not_there_has_no_referrers_and_says_nothing_of_the_api() {
    let errors = json!({ "errors": [{ "code": "NAME_UNKNOWN", "message": "" }] });
    let server = Server::start(move |_| Reply::json(404, &errors)).await;
    let repository = server.repository(impatient());
    for _ in 0..2 {
        assert!(repository.referrers(&referrer("x"), None).await.expect("none").is_empty());
    }
    assert!(server.lines().iter().all(|line| line.contains("/referrers/")));
}

/// Manifests by tag and digest, without the API.
#[derive(Default)]
struct Store {
    manifests: HashMap<String, Bytes>,
    /// Writes of fallback indexes that are taken and lost at once, as when another client writes after us.
    lose: usize,
    /// Another client's write of a fallback index, which lands after the next time that it is read.
    meanwhile: Option<Bytes>,
    /// Refuses indexes with manifests that are not there.
    checks: bool,
    deletes: bool,
}

impl Store {
    fn answer(&mut self, seen: &Seen) -> Reply {
        let Some(reference) = seen.target.strip_prefix("/v2/a/manifests/") else { return Reply::new(404) };
        match seen.method {
            Method::PUT if reference.starts_with("sha256-") && self.lose > 0 => {
                self.lose -= 1;
                Reply::new(201)
            }
            Method::PUT if self.checks && self.lacks(&seen.body) => {
                Reply::json(400, &json!({ "errors": [{ "code": "MANIFEST_BLOB_UNKNOWN" }] }))
            }
            Method::PUT => {
                let digest = Digest::sha256(&seen.body).to_string();
                self.manifests.insert(reference.to_owned(), seen.body.clone());
                self.manifests.insert(digest, seen.body.clone());
                Reply::new(201)
            }
            Method::DELETE if !self.deletes => Reply::new(405),
            Method::DELETE => {
                let Some(bytes) = self.manifests.get(reference).cloned() else { return Reply::new(404) };
                self.manifests.retain(|_, other| *other != bytes);
                Reply::new(202)
            }
            _ => {
                let found = self.manifests.get(reference).cloned();
                if let Some(bytes) = self.meanwhile.take_if(|_| reference.starts_with("sha256-")) {
                    self.manifests.insert(Digest::sha256(&bytes).to_string(), bytes.clone());
                    self.manifests.insert(reference.to_owned(), bytes);
                }
                found.map_or(Reply::new(404), |bytes| Reply::new(200).body(bytes))
            }
        }
    }

    /// It is an index, and lists what is not there.
    fn lacks(&self, body: &[u8]) -> bool {
        let body: Value = serde_json::from_slice(body).expect("JSON");
        let listed = body["manifests"].as_array().into_iter().flatten();
        listed.filter_map(|child| child["digest"].as_str()).any(|digest| !self.manifests.contains_key(digest))
    }
}

fn artifact(name: &str, subject: &Descriptor) -> Manifest {
    let config = Descriptor::of("application/x", b"{}");
    let value: Value = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "artifactType": format!("example/{name}"),
        "config": config,
        "layers": [],
        "subject": subject,
        "annotations": { "name": name },
    });
    Manifest::parse(Bytes::from(value.to_string()), None).expect("valid")
}

async fn store(store: Store) -> (Server, Arc<Mutex<Store>>) {
    let store = Arc::new(Mutex::new(store));
    let shared = Arc::clone(&store);
    (Server::start(move |seen| shared.lock().expect("unbroken").answer(seen)).await, store)
}

/// GitLab answers so (oras-go, issue 1396): it reads a tag of the scheme as the digest it is made of.
#[tokio::test]
async fn an_index_under_its_own_tag_is_no_list_of_referrers() {
    let members = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_INDEX,
        "manifests": [referrer("linux").plain()],
    });
    let bytes = Bytes::from(members.to_string());
    let subject = Descriptor::of(media_type::OCI_INDEX, &bytes);
    let tag = subject.digest.as_str().replace(':', "-");
    let manifests = [subject.digest.to_string(), tag.clone()].map(|name| (name, bytes.clone()));
    let (server, kept) =
        store(Store { manifests: manifests.into(), deletes: true, ..Store::default() }).await;
    let repository = server.repository(impatient());
    assert!(repository.referrers(&subject, None).await.expect("a list").is_empty());
    let attached = artifact("a", &subject);
    repository.push(&attached.descriptor, Content::Bytes(attached.bytes.clone())).await.expect("pushed");
    let written: Value =
        serde_json::from_slice(&kept.lock().expect("unbroken").manifests[&tag]).expect("JSON");
    assert_eq!(written["manifests"].as_array().map(Vec::len), Some(1), "{written}");
    assert_eq!(written["manifests"][0]["digest"], attached.descriptor.digest.as_str());
}

#[tokio::test]
async fn a_fallback_index_survives_other_clients() {
    let (server, _store) = store(Store { lose: 2, deletes: true, ..Store::default() }).await;
    let repository = server.repository(impatient());
    let subject = referrer("subject").plain();
    let manifest = artifact("a", &subject);
    repository.push(&manifest.descriptor, Content::Bytes(manifest.bytes.clone())).await.expect("pushed");
    let found = repository.referrers(&subject, None).await.expect("a list");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].artifact_type.as_deref(), Some("example/a"));
    assert_eq!(found[0].annotation("name"), Some("a"));
    let writes = server.lines().iter().filter(|line| line.starts_with("PUT /v2/a/manifests/sha256-")).count();
    assert_eq!(writes, 3);
}

#[tokio::test]
async fn what_is_there_without_being_listed_is_listed_by_the_next_copy() {
    let (server, store) = store(Store::default()).await;
    let subject = artifact("subject", &referrer("none").plain());
    let manifest = artifact("a", &subject.descriptor.plain());
    let source = Memory::default();
    for manifest in [&subject, &manifest] {
        let config = Descriptor::of("application/x", b"{}");
        source.push(&config, Content::Bytes("{}".into())).await.expect("pushed");
        source.push(&manifest.descriptor, Content::Bytes(manifest.bytes.clone())).await.expect("pushed");
        // As a push leaves it that ended before it was recorded.
        let stored = (manifest.digest().to_string(), manifest.bytes.clone());
        store.lock().expect("unbroken").manifests.extend([stored]);
    }
    let repository = server.repository(impatient());
    assert!(repository.referrers(&subject.descriptor, None).await.expect("a list").is_empty());
    for root in [manifest.digest(), subject.digest()] {
        let options = CopyOptions { referrers: Some(ReferrerFilter::default()), ..CopyOptions::default() };
        let destination = Arc::new(repository.clone());
        let copier = Copier::new(Arc::new(source.clone()), destination, options, Arc::new(()));
        copier.copy(root.as_str(), &[]).await.expect("copied");
        let found = repository.referrers(&subject.descriptor, None).await.expect("a list");
        assert_eq!(found.iter().map(|found| &found.digest).collect::<Vec<_>>(), [manifest.digest()]);
        let tag = subject.digest().as_str().replace(':', "-");
        store.lock().expect("unbroken").manifests.remove(&tag);
    }
}

#[tokio::test]
async fn many_attachments_at_once_are_all_listed() {
    let (server, _store) = store(Store { deletes: true, ..Store::default() }).await;
    let repository = server.repository(impatient());
    let subject = referrer("subject").plain();
    let pushes = (0..16).map(|n| {
        let (repository, manifest) = (repository.clone(), artifact(&n.to_string(), &subject));
        async move { repository.push(&manifest.descriptor, Content::Bytes(manifest.bytes.clone())).await }
    });
    futures_util::future::try_join_all(pushes).await.expect("pushed");
    assert_eq!(repository.referrers(&subject, None).await.expect("a list").len(), 16);
}

/// Programs that do not know of the list delete manifests and leave it as it is; registries then refuse it.
#[tokio::test]
async fn a_list_with_manifests_that_are_gone_is_healed_by_the_next_change() {
    let (server, store) = store(Store { deletes: true, checks: true, ..Store::default() }).await;
    let repository = server.repository(impatient());
    let subject = referrer("subject").plain();
    let [first, second, third] = ["1", "2", "3"].map(|name| artifact(name, &subject));
    for manifest in [&first, &second] {
        repository.push(&manifest.descriptor, Content::Bytes(manifest.bytes.clone())).await.expect("pushed");
    }
    store.lock().expect("unbroken").manifests.remove(first.digest().as_str());
    repository.push(&third.descriptor, Content::Bytes(third.bytes.clone())).await.expect("pushed");
    let listed = async || {
        let found = repository.referrers(&subject, None).await.expect("a list");
        found.into_iter().map(|found| found.digest).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [second.digest().clone(), third.digest().clone()]);
    store.lock().expect("unbroken").manifests.remove(second.digest().as_str());
    repository.delete(&third.descriptor).await.expect("deleted");
    assert!(listed().await.is_empty());
}

#[tokio::test]
async fn what_another_client_writes_while_a_list_is_dropped_stays() {
    let (server, store) = store(Store { deletes: true, ..Store::default() }).await;
    let repository = server.repository(impatient());
    let subject = referrer("subject").plain();
    let [ours, theirs] = ["ours", "theirs"].map(|name| artifact(name, &subject));
    repository.push(&ours.descriptor, Content::Bytes(ours.bytes.clone())).await.expect("pushed");
    let listed = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
        "manifests": [theirs.descriptor.plain()] });
    store.lock().expect("unbroken").meanwhile = Some(Bytes::from(listed.to_string()));
    repository.delete(&ours.descriptor).await.expect("deleted");
    let found = repository.referrers(&subject, None).await.expect("a list");
    assert_eq!(found.iter().map(|found| &found.digest).collect::<Vec<_>>(), [theirs.digest()]);
}

#[tokio::test]
async fn an_index_that_cannot_be_deleted_is_left_empty() {
    let (server, store) = store(Store { deletes: true, ..Store::default() }).await;
    let repository = server.repository(impatient());
    let subject = referrer("subject").plain();
    let manifest = artifact("a", &subject);
    repository.push_tagged(&manifest, "v1").await.expect("pushed");
    // Deleting manifests works; deleting the index afterwards does not.
    let tag = subject.digest.as_str().replace(':', "-");
    let index = store.lock().expect("unbroken").manifests[&tag].clone();
    repository.delete(&manifest.descriptor).await.expect("deleted");
    assert!(!store.lock().expect("unbroken").manifests.contains_key(&tag), "the empty index is gone");

    store
        .lock()
        .expect("unbroken")
        .manifests
        .extend([(tag.clone(), index), (manifest.digest().to_string(), manifest.bytes.clone())]);
    let refused = Arc::clone(&store);
    let digest = manifest.digest().to_string();
    let picky = Server::start(move |seen| {
        let mut store = refused.lock().expect("unbroken");
        store.deletes = seen.target.ends_with(&digest);
        store.answer(seen)
    })
    .await;
    picky.repository(impatient()).delete(&manifest.descriptor).await.expect("deleted");
    let left = store.lock().expect("unbroken").manifests[&tag].clone();
    assert!(String::from_utf8_lossy(&left).contains(r#""manifests":[]"#));
}

#[tokio::test]
async fn a_registry_that_records_subjects_is_left_to_it() {
    let server = Server::start(|seen| {
        let reply = Reply::new(if seen.method == Method::DELETE { 202 } else { 201 });
        reply.header("oci-subject", "sha256:x")
    })
    .await;
    let repository = server.repository(impatient());
    let manifest = artifact("a", &referrer("subject").plain());
    repository.push(&manifest.descriptor, Content::Bytes(manifest.bytes.clone())).await.expect("pushed");
    repository.delete(&manifest.descriptor).await.expect("deleted");
    let path = format!("/v2/a/manifests/{}", manifest.digest());
    assert_eq!(server.lines(), [format!("PUT {path}"), format!("DELETE {path}")]);
}
