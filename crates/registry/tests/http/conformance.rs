//! What the public conformance program for distribution-spec exercises, version 1.1 and its development version,
//! over HTTP, for both digest algorithms.

use crate::server::{Server, artifact, code, header, options};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tidewaiter_oci::{Algorithm, Digest, media_type};
use tidewaiter_registry::Options;

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];
const REPOSITORY: &str = "conformance/repo1";
const OTHER: &str = "conformance/repo2";

/// Content that differs by its name.
fn content(name: &str, size: usize) -> Vec<u8> {
    name.bytes()
        .cycle()
        .zip(0_u32..)
        .map(|(byte, position)| byte ^ (position >> 3) as u8)
        .take(size)
        .collect()
}

/// The blob is there: HEAD and GET tell the same, in the algorithm that was asked for.
async fn check_blob(server: &Server, path: &str, digest: &Digest, content: &[u8]) {
    let head = server.head(path).await;
    assert_eq!(head.status(), StatusCode::OK, "HEAD {path}");
    assert_eq!(header(&head, "content-length"), content.len().to_string());
    assert_eq!(header(&head, "docker-content-digest"), digest.as_str());
    let get = server.get(path).await;
    assert_eq!(get.status(), StatusCode::OK, "GET {path}");
    assert_eq!(header(&get, "content-length"), content.len().to_string());
    assert_eq!(header(&get, "docker-content-digest"), digest.as_str());
    assert!(get.bytes().await.expect("a body") == content, "{path}");
}

/// The answer to a finished upload leads to the blob.
async fn check_created(server: &Server, response: reqwest::Response, digest: &Digest, content: &[u8]) {
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(header(&response, "docker-content-digest"), digest.as_str());
    check_blob(server, &header(&response, "location"), digest, content).await;
    check_blob(server, &format!("/v2/{REPOSITORY}/blobs/{digest}"), digest, content).await;
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    assert_eq!(server.delete(&path).await.status(), StatusCode::ACCEPTED);
    assert_eq!(server.head(&path).await.status(), StatusCode::NOT_FOUND, "at once");
}

#[tokio::test]
async fn ping_and_an_empty_repository() {
    let server = Server::start().await;
    for path in ["/v2/", "/v2"] {
        let ping = server.get(path).await;
        assert_eq!(ping.status(), StatusCode::OK);
        assert_eq!(header(&ping, "docker-distribution-api-version"), "registry/2.0");
    }
    let tags = server.get(&format!("/v2/{REPOSITORY}/tags/list")).await;
    assert_eq!(tags.status(), StatusCode::NOT_FOUND);
    assert_eq!(code(tags).await, "NAME_UNKNOWN");
    for algorithm in ALGORITHMS {
        let digest = Digest::of(algorithm, b"nothing");
        let referrers = server.get(&format!("/v2/{REPOSITORY}/referrers/{digest}")).await;
        assert_eq!(referrers.status(), StatusCode::OK);
        assert_eq!(header(&referrers, "content-type"), media_type::OCI_INDEX);
        let index: Value = referrers.json().await.expect("an index");
        let expected = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": []});
        assert_eq!(index, expected);
        let missing = server.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
        assert_eq!(code(missing).await, "BLOB_UNKNOWN");
    }
    let extensions: Value = server.get("/v2/_oci/ext/discover").await.json().await.expect("JSON");
    assert_eq!(extensions, json!({"extensions": []}));
}

#[tokio::test]
async fn blobs_in_one_request() {
    let server = Server::start().await;
    for algorithm in ALGORITHMS {
        for size in [0, 2, 512, 3_000_000] {
            let content = content("one request", size);
            let digest = Digest::of(algorithm, &content);
            let path = format!("/v2/{REPOSITORY}/blobs/uploads/?digest={digest}");
            let post = server.request(Method::POST, &path).body(content.clone()).send().await.expect("sent");
            check_created(&server, post, &digest, &content).await;

            for query in ["", "?digest-algorithm=sha256", "?digest-algorithm=sha512"] {
                let location = server.begin(REPOSITORY, query).await;
                let put = server.request(Method::PUT, &format!("{location}?digest={digest}"));
                let put = put.body(content.clone()).send().await.expect("sent");
                check_created(&server, put, &digest, &content).await;
            }
        }
    }
    let path = format!("/v2/{REPOSITORY}/blobs/uploads/?digest-algorithm=md5");
    let unknown = server.request(Method::POST, &path).send().await.expect("sent");
    assert_eq!(unknown.status(), StatusCode::BAD_REQUEST);
    assert_eq!(code(unknown).await, "DIGEST_INVALID");
}

/// A chunk, or with a digest the last one.
async fn send_chunk(
    server: &Server,
    location: &str,
    digest: Option<&Digest>,
    range: (usize, usize),
    content: &[u8],
) -> reqwest::Response {
    let (method, path) = match digest {
        Some(digest) => (Method::PUT, format!("{location}?digest={digest}")),
        None => (Method::PATCH, location.to_owned()),
    };
    let (start, end) = range;
    server
        .request(method, &path)
        .header("Content-Range", format!("{start}-{}", end - 1))
        .header("Content-Type", "application/octet-stream")
        .body(content[start..end].to_vec())
        .send()
        .await
        .expect("sent")
}

#[tokio::test]
async fn blobs_in_chunks() {
    let server = Server::start().await;
    for (algorithm, put_last, disordered) in ALGORITHMS
        .into_iter()
        .flat_map(|a| [(a, false, false), (a, true, false), (a, false, true), (a, true, true)])
    {
        let content = content("chunks", 3 * 1000 - 5);
        let digest = Digest::of(algorithm, &content);
        let mut location = server.begin(REPOSITORY, "").await;
        let chunks = [(0, 1000), (1000, 2000), (2000, content.len())];
        for (position, chunk) in chunks.into_iter().enumerate() {
            if disordered {
                // Skips ahead, or goes back to the beginning.
                let wrong = chunks.get(position + 1).copied().unwrap_or((0, 1000));
                let refused = send_chunk(&server, &location, None, wrong, &content).await;
                assert_eq!(refused.status(), StatusCode::RANGE_NOT_SATISFIABLE);
                assert_eq!(header(&refused, "location"), location);
                let status = server.get(&location).await;
                assert_eq!(status.status(), StatusCode::NO_CONTENT);
                let range = header(&status, "range");
                let expected = format!("0-{}", chunk.0.saturating_sub(1));
                assert_eq!(range, expected, "the session stays usable");
            }
            let last = position == 2 && put_last;
            let sent = send_chunk(&server, &location, last.then_some(&digest), chunk, &content).await;
            if last {
                check_created(&server, sent, &digest, &content).await;
            } else {
                assert_eq!(sent.status(), StatusCode::ACCEPTED);
                assert_eq!(header(&sent, "range"), format!("0-{}", chunk.1 - 1));
                location = header(&sent, "location");
            }
        }
        if !put_last {
            let put = server.request(Method::PUT, &format!("{location}?digest={digest}"));
            let put = put.send().await.expect("sent");
            check_created(&server, put, &digest, &content).await;
        }
        assert_eq!(server.get(&location).await.status(), StatusCode::NOT_FOUND, "the session has ended");
    }
}

#[tokio::test]
async fn blobs_as_a_stream() {
    let server = Server::start().await;
    for algorithm in ALGORITHMS {
        let content = content("stream", 2_000_000);
        let digest = Digest::of(algorithm, &content);
        let location = server.begin(REPOSITORY, "").await;
        let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
            content.chunks(77_777).map(|piece| Ok(piece.to_vec())).collect();
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let patch = server.request(Method::PATCH, &location).body(body).send().await.expect("sent");
        assert_eq!(patch.status(), StatusCode::ACCEPTED);
        assert_eq!(header(&patch, "range"), format!("0-{}", content.len() - 1));
        let path = format!("{}?digest={digest}", header(&patch, "location"));
        let put = server.request(Method::PUT, &path).send().await.expect("sent");
        check_created(&server, put, &digest, &content).await;
    }
}

#[tokio::test]
async fn blobs_are_mounted() {
    let server = Server::start().await;
    for algorithm in ALGORITHMS {
        for from in [format!("&from={OTHER}"), String::new()] {
            let content = content(&format!("mount {from}"), 512);
            let digest = server.push_blob(OTHER, algorithm, &content).await;
            let path = format!("/v2/{REPOSITORY}/blobs/uploads/?mount={digest}{from}");
            let mounted = server.request(Method::POST, &path).send().await.expect("sent");
            check_created(&server, mounted, &digest, &content).await;
            let other = format!("/v2/{OTHER}/blobs/{digest}");
            check_blob(&server, &other, &digest, &content).await;
            assert_eq!(server.delete(&other).await.status(), StatusCode::ACCEPTED);
            let again = server.request(Method::POST, &path).send().await.expect("sent");
            assert_eq!(again.status(), StatusCode::ACCEPTED, "nobody shows it any more");
        }
        let content = content("missing", 512);
        let digest = Digest::of(algorithm, &content);
        let path = format!("/v2/{REPOSITORY}/blobs/uploads/?mount={digest}&from={OTHER}");
        let missing = server.request(Method::POST, &path).send().await.expect("sent");
        assert_eq!(missing.status(), StatusCode::ACCEPTED);
        let path = format!("{}?digest={digest}", header(&missing, "location"));
        let put = server.request(Method::PUT, &path).body(content.clone()).send().await.expect("sent");
        check_created(&server, put, &digest, &content).await;
    }
}

#[tokio::test]
async fn uploads_are_cancelled() {
    let server = Server::start().await;
    let location = server.begin(REPOSITORY, "").await;
    assert_eq!(server.get(&location).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(server.delete(&location).await.status(), StatusCode::NO_CONTENT);
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let gone = server.request(method, &location).send().await.expect("sent");
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
        assert_eq!(code(gone).await, "BLOB_UPLOAD_UNKNOWN");
    }
    let location = server.begin(REPOSITORY, "").await;
    let elsewhere = location.replace(REPOSITORY, OTHER);
    assert_eq!(
        server.get(&elsewhere).await.status(),
        StatusCode::NOT_FOUND,
        "sessions belong to repositories"
    );
}

#[tokio::test]
async fn blobs_in_ranges() {
    let server = Server::start().await;
    // One that is kept in memory, and one that is read from the disk.
    for (algorithm, size) in
        ALGORITHMS.into_iter().flat_map(|algorithm| [(algorithm, 2048), (algorithm, 700_000)])
    {
        let content = content("range", size);
        let digest = server.push_blob(REPOSITORY, algorithm, &content).await;
        let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
        let cases = [
            ("500-1499".to_owned(), Some((500, 1500))),
            ("500-".to_owned(), Some((500, size))),
            ("-500".to_owned(), Some((size - 500, size))),
            (format!("{}-{}", size - 48, size * 2), Some((size - 48, size))),
            ("500-0".to_owned(), None),
            (format!("{}-{}", size * 2, size * 3), None),
        ];
        for (range, expected) in cases {
            let get = server.request(Method::GET, &path).header("Range", format!("bytes={range}"));
            let response = get.send().await.expect("sent");
            let Some((start, end)) = expected else {
                assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
                continue;
            };
            assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
            assert_eq!(header(&response, "content-length"), (end - start).to_string());
            assert_eq!(header(&response, "content-range"), format!("bytes {start}-{}/{size}", end - 1));
            assert!(response.bytes().await.expect("a body") == content[start..end], "{range}");
        }
        // A part is sent only to who has another part of the same.
        for (condition, status) in [
            (format!("\"{digest}\""), StatusCode::PARTIAL_CONTENT),
            (format!("W/\"{digest}\""), StatusCode::OK),
            ("\"other\"".to_owned(), StatusCode::OK),
            ("Wed, 21 Oct 2015 07:28:00 GMT".to_owned(), StatusCode::OK),
        ] {
            let get = server.request(Method::GET, &path).header("Range", "bytes=500-");
            let response = get.header("If-Range", &condition).send().await.expect("sent");
            assert_eq!(response.status(), status, "{condition}");
            let start = if status == StatusCode::OK { 0 } else { 500 };
            assert!(response.bytes().await.expect("a body") == content[start..], "{condition}");
        }
    }
}

#[tokio::test]
async fn blobs_with_a_wrong_digest() {
    let server = Server::start().await;
    for algorithm in ALGORITHMS {
        let digest = Digest::of(algorithm, b"something else");
        let body = content("wrong", 1500);
        let refused = async |response: reqwest::Response| {
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            assert_eq!(code(response).await, "DIGEST_INVALID");
            assert_eq!(
                server.head(&format!("/v2/{REPOSITORY}/blobs/{digest}")).await.status(),
                StatusCode::NOT_FOUND
            );
        };
        let path = format!("/v2/{REPOSITORY}/blobs/uploads/?digest={digest}");
        refused(server.request(Method::POST, &path).body(body.clone()).send().await.expect("sent")).await;
        let location = server.begin(REPOSITORY, "").await;
        let put = server.request(Method::PUT, &format!("{location}?digest={digest}"));
        refused(put.body(body.clone()).send().await.expect("sent")).await;
        let location = server.begin(REPOSITORY, "").await;
        send_chunk(&server, &location, None, (0, 1000), &body).await;
        refused(send_chunk(&server, &location, Some(&digest), (1000, 1500), &body).await).await;
        let location = server.begin(REPOSITORY, "").await;
        server.request(Method::PATCH, &location).body(body.clone()).send().await.expect("sent");
        let put = server.request(Method::PUT, &format!("{location}?digest={digest}"));
        refused(put.send().await.expect("sent")).await;
        let location = server.begin(REPOSITORY, "").await;
        let put = server.request(Method::PUT, &format!("{location}?digest=sha256:short"));
        refused(put.body(body).send().await.expect("sent")).await;
    }
}

/// A manifest to be pushed under a name: what it needs is there already.
struct Sample {
    name: &'static str,
    bytes: Vec<u8>,
    subject: Option<Digest>,
}

fn descriptor(media_type: &str, digest: &Digest, size: usize) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": size})
}

/// All kinds of manifests that the conformance program makes.
async fn samples(server: &Server, algorithm: Algorithm) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut add = |name, value: &Value, subject: Option<&Digest>| {
        let bytes = value.to_string().into_bytes();
        let made = (Digest::of(algorithm, &bytes), bytes.len());
        samples.push(Sample { name, bytes, subject: subject.cloned() });
        made
    };
    let parse = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).expect("JSON") };
    let empty = server.push_blob(REPOSITORY, algorithm, b"{}").await;
    let image = parse(&server.image(REPOSITORY, algorithm, &content("layer", 2000)).await);
    let (image_digest, image_size) = add("image", &image, None);
    let amd64 = descriptor(media_type::OCI_MANIFEST, &image_digest, image_size);
    let with = |base: &Value, changes: Value| {
        let mut value = base.clone();
        for (key, change) in changes.as_object().expect("an object") {
            value[key] = change.clone();
        }
        value
    };
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [with(&amd64,
        json!({"platform": {"os": "linux", "architecture": "amd64"}}))]});
    let (index_digest, index_size) = add("index", &index, None);
    let nested =
        with(&index, json!({"manifests": [descriptor(media_type::OCI_INDEX, &index_digest, index_size)]}));
    add("index of indexes", &nested, None);
    add("empty index", &with(&index, json!({"manifests": []})), None);
    let artifact: Value = parse(&artifact(&image_digest, &empty, "application/vnd.example.1", "hello"));
    add("artifact", &with(&artifact, json!({"subject": null})), None);
    add("artifact with subject", &artifact, Some(&image_digest));
    let missing = Digest::of(algorithm, b"missing content");
    let subject = descriptor(media_type::OCI_MANIFEST, &missing, 123);
    add("missing subject", &with(&artifact, json!({"subject": subject})), Some(&missing));
    let of_index = descriptor(media_type::OCI_INDEX, &index_digest, index_size);
    let changes = json!({"artifactType": "application/vnd.example.1", "subject": of_index});
    add("index with subject", &with(&index, changes), Some(&index_digest));
    let mut data = descriptor(media_type::OCI_EMPTY, &empty, 2);
    data["data"] = json!("e30=");
    add("data field", &with(&image, json!({"config": data})), None);
    let mut foreign = descriptor(
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        &Digest::of(algorithm, b"never pushed"),
        123_456,
    );
    foreign["urls"] = json!(["https://store.example/layer"]);
    let layers = json!([foreign, image["layers"][0]]);
    add("non-distributable layers", &with(&image, json!({"layers": layers})), None);
    add("custom fields", &with(&image, json!({"org.example.custom": {"a": [1, null]}})), None);
    add("no layers", &with(&image, json!({"layers": []})), None);
    let annotations: Value = (0..390)
        .map(|n| (format!("large-{n}"), json!("A".repeat(10_000))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    add("3.9 MB", &with(&image, json!({"annotations": annotations})), None);
    samples
}

async fn check_manifest(server: &Server, path: &str, digest: &Digest, bytes: &[u8]) {
    let value: Value = serde_json::from_slice(bytes).expect("JSON");
    for method in [Method::HEAD, Method::GET] {
        let response = server.request(method.clone(), path).send().await.expect("sent");
        assert_eq!(response.status(), StatusCode::OK, "{method} {path}");
        assert_eq!(header(&response, "content-type"), value["mediaType"].as_str().expect("a type"));
        assert_eq!(header(&response, "content-length"), bytes.len().to_string());
        assert_eq!(header(&response, "docker-content-digest"), digest.as_str());
        let body = response.bytes().await.expect("a body");
        assert!(body == if method == Method::GET { bytes } else { b"" }, "{method} {path}");
    }
}

#[tokio::test]
async fn manifests_of_every_kind_by_tag_and_by_digest() {
    let server = Server::start().await;
    for algorithm in ALGORITHMS {
        let samples = samples(&server, algorithm).await;
        for (position, sample) in samples.iter().enumerate() {
            let digest = Digest::of(algorithm, &sample.bytes);
            let tag = format!("{algorithm}-{position}");
            // By digest with tags in the query, which is the only way to tag under another algorithm.
            let reference = format!("{digest}?tag={tag}&tag={tag}-b");
            let put = server.put_manifest(REPOSITORY, &reference, &sample.bytes).await;
            assert_eq!(put.status(), StatusCode::CREATED, "{}", sample.name);
            let set: Vec<_> = put.headers().get_all("oci-tag").iter().collect();
            assert_eq!(set, [tag.as_str(), &format!("{tag}-b")]);
            assert_eq!(header(&put, "docker-content-digest"), digest.as_str());
            assert_eq!(header(&put, "oci-subject"), sample.subject.as_ref().map_or("", Digest::as_str));
            check_manifest(&server, &header(&put, "location"), &digest, &sample.bytes).await;
            for reference in [digest.as_str(), &tag, &format!("{tag}-b")] {
                let path = format!("/v2/{REPOSITORY}/manifests/{reference}");
                check_manifest(&server, &path, &digest, &sample.bytes).await;
            }
            if algorithm == Algorithm::Sha256 {
                let put = server.put_manifest(REPOSITORY, &format!("{tag}-c"), &sample.bytes).await;
                assert_eq!(put.status(), StatusCode::CREATED, "{}", sample.name);
                assert!(!put.headers().contains_key("oci-tag"));
                check_manifest(&server, &header(&put, "location"), &digest, &sample.bytes).await;
            }
            let list: Value =
                server.get(&format!("/v2/{REPOSITORY}/tags/list")).await.json().await.expect("JSON");
            assert!(list["tags"].as_array().expect("a list").contains(&json!(tag)), "{}", sample.name);
        }
        for (position, sample) in samples.iter().enumerate().rev() {
            let digest = Digest::of(algorithm, &sample.bytes);
            let tag = format!("/v2/{REPOSITORY}/manifests/{algorithm}-{position}");
            assert_eq!(server.delete(&tag).await.status(), StatusCode::ACCEPTED);
            assert_eq!(server.head(&tag).await.status(), StatusCode::NOT_FOUND, "at once");
            let path = format!("/v2/{REPOSITORY}/manifests/{digest}");
            assert_eq!(server.head(&path).await.status(), StatusCode::OK, "untagging leaves the manifest");
            assert_eq!(server.delete(&path).await.status(), StatusCode::ACCEPTED);
            for gone in [path, format!("{tag}-b")] {
                assert_eq!(server.head(&gone).await.status(), StatusCode::NOT_FOUND, "at once");
            }
        }
    }
    let list = server.get(&format!("/v2/{REPOSITORY}/tags/list")).await;
    assert_eq!(list.status(), StatusCode::OK, "the conformance program asks for an empty list");
    let list: Value = list.json().await.expect("JSON");
    assert_eq!(list, json!({"name": REPOSITORY, "tags": []}));
    let catalog: Value = server.get("/v2/_catalog").await.json().await.expect("JSON");
    assert_eq!(catalog["repositories"], json!([]), "the repository ceases with its last manifest");
    assert_eq!(code(server.get(&format!("/acr/v1/{REPOSITORY}")).await).await, "NAME_UNKNOWN");
    let impossible = format!("/v2/{REPOSITORY}/manifests/.INVALID_MANIFEST_NAME");
    assert_eq!(server.get(&impossible).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.head(&impossible).await.status(), StatusCode::NOT_FOUND);
}

/// Many clients take no answer with more than a hundred headers.
#[tokio::test]
async fn many_tags_share_headers() {
    let server = Server::start().await;
    let manifest = server.image(REPOSITORY, Algorithm::Sha256, b"layer").await;
    let digest = Digest::sha256(&manifest);
    for (count, headers) in [(50, 50), (51, 26), (100, 50)] {
        let tags: Vec<_> = (0..count).map(|position| format!("v{position}")).collect();
        let put =
            server.put_manifest(REPOSITORY, &format!("{digest}?tag={}", tags.join("&tag=")), &manifest).await;
        assert_eq!(put.status(), StatusCode::CREATED);
        let set: Vec<_> =
            put.headers().get_all("oci-tag").iter().map(|value| value.to_str().expect("text")).collect();
        assert_eq!(set.len(), headers);
        assert_eq!(set.join(", "), tags.join(", "));
    }
}

#[tokio::test]
async fn manifests_that_are_refused() {
    let server = Server::start().await;
    let manifest = server.image(REPOSITORY, Algorithm::Sha256, b"layer").await;
    let refused = async |reference: &str, bytes: &[u8], status: StatusCode, expected: &str| {
        let response = server.put_manifest(REPOSITORY, reference, bytes).await;
        assert_eq!(response.status(), status, "{reference}");
        assert_eq!(code(response).await, expected, "{reference}");
        let tags = server.get(&format!("/v2/{REPOSITORY}/tags/list")).await;
        assert_eq!(tags.status(), StatusCode::NOT_FOUND, "nothing is left of {reference}");
    };
    let digest = Digest::sha256(&manifest);
    let mut longer = manifest.clone();
    longer.extend_from_slice(b"  ");
    refused(digest.as_str(), &longer, StatusCode::BAD_REQUEST, "DIGEST_INVALID").await;
    refused("sha256:baddigeststring", &manifest, StatusCode::BAD_REQUEST, "DIGEST_INVALID").await;
    refused("tag", b"{", StatusCode::BAD_REQUEST, "MANIFEST_INVALID").await;
    refused("tag", b"{}", StatusCode::BAD_REQUEST, "MANIFEST_INVALID").await;
    refused("-tag", &manifest, StatusCode::BAD_REQUEST, "MANIFEST_INVALID").await;
    let sparse = String::from_utf8_lossy(&manifest)
        .replace(digest_of_layer(&manifest), Digest::sha256(b"no").as_str());
    refused("tag", sparse.as_bytes(), StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN").await;
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
        "manifests": [descriptor(media_type::OCI_MANIFEST, &Digest::sha256(b"no"), 2)]});
    refused("tag", index.to_string().as_bytes(), StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN").await;
    let huge = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [],
        "annotations": {"a": "x".repeat(4 * 1024 * 1024)}});
    refused("tag", huge.to_string().as_bytes(), StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID").await;

    let path = format!("/v2/{REPOSITORY}/manifests/tag");
    let put = server.request(Method::PUT, &path).header("Content-Type", media_type::OCI_INDEX);
    let response = put.body(manifest.clone()).send().await.expect("sent");
    assert_eq!(code(response).await, "MANIFEST_INVALID", "the type of the header is not the one inside");
    let bad = server.get(&format!("/v2/{REPOSITORY}/manifests/sha256:baddigeststring")).await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    let missing = server.get(&format!("/v2/{REPOSITORY}/manifests/{digest}")).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(code(missing).await, "MANIFEST_UNKNOWN");
    let name = server.put_manifest("Upper/Case", "tag", &manifest).await;
    assert_eq!(code(name).await, "NAME_INVALID");
}

fn digest_of_layer(manifest: &[u8]) -> &str {
    let text = std::str::from_utf8(manifest).expect("UTF-8");
    let start = text.rfind("sha256:").expect("a digest");
    &text[start..start + 71]
}

#[tokio::test]
async fn referrers_with_filter_and_pages() {
    let server = Server::start().await;
    let subject = server.push_image(REPOSITORY, "image", b"layer").await;
    let mut attached = Vec::new();
    for number in 0..7 {
        let kind = format!("application/vnd.example.{}", number % 2);
        attached.push((kind.clone(), server.attach(REPOSITORY, &subject, &kind, &number.to_string()).await));
    }
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [],
        "subject": descriptor(media_type::OCI_MANIFEST, &subject, 123)});
    server.put_manifest(REPOSITORY, "index", index.to_string().as_bytes()).await;

    let path = format!("/v2/{REPOSITORY}/referrers/{subject}");
    let all: Value = server.get(&path).await.json().await.expect("an index");
    let manifests = all["manifests"].as_array().expect("a list");
    assert_eq!(manifests.len(), 8);
    for ((kind, digest), found) in attached.iter().zip(manifests) {
        assert_eq!(found["digest"], digest.as_str(), "oldest first");
        assert_eq!(found["artifactType"], *kind);
        assert_eq!(found["mediaType"], media_type::OCI_MANIFEST);
        assert!(found["annotations"]["org.example.note"].is_string());
        assert!(found["size"].as_u64().expect("a size") > 100);
    }
    assert!(manifests[7].get("artifactType").is_none(), "an index without a type has none");

    let filtered = server.get(&format!("{path}?artifactType=application/vnd.example.1")).await;
    assert_eq!(header(&filtered, "oci-filters-applied"), "artifactType");
    let filtered: Value = filtered.json().await.expect("an index");
    assert_eq!(filtered["manifests"].as_array().expect("a list").len(), 3);

    for (query, expected) in [("?n=3", 8), ("?n=1&artifactType=application/vnd.example.0", 4)] {
        let mut next = Some(format!("{path}{query}"));
        let mut seen = Vec::new();
        while let Some(page) = next {
            let response = server.get(&page).await;
            assert_eq!(response.status(), StatusCode::OK, "{page}");
            let link = header(&response, "link");
            next = link
                .strip_prefix('<')
                .and_then(|link| link.strip_suffix(">; rel=\"next\""))
                .map(str::to_owned);
            let index: Value = response.json().await.expect("an index");
            seen.extend(
                index["manifests"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|found| found["digest"].to_string()),
            );
        }
        assert_eq!(seen.len(), expected, "{query}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), expected, "{query}");
    }
    assert_eq!(
        server.get(&format!("/v2/{REPOSITORY}/referrers/sha256:x")).await.status(),
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn tags_and_catalog_in_pages() {
    let server = Server::start().await;
    let manifest = server.image(REPOSITORY, Algorithm::Sha256, b"layer").await;
    let mut tags: Vec<_> = ["B", "_x", "a", "a.b", "v1", "v10", "v2"].map(str::to_owned).into();
    for tag in &tags {
        server.put_manifest(REPOSITORY, tag, &manifest).await;
    }
    tags.sort_unstable();
    let list = async |query: &str| -> (Vec<String>, String) {
        let response = server.get(&format!("/v2/{REPOSITORY}/tags/list{query}")).await;
        let link = header(&response, "link");
        let value: Value = response.json().await.expect("JSON");
        assert_eq!(value["name"], REPOSITORY);
        (serde_json::from_value(value["tags"].clone()).expect("a list"), link)
    };
    assert_eq!(list("").await, (tags.clone(), String::new()));
    assert_eq!(list("?n=0").await, (Vec::new(), String::new()));
    assert_eq!(list("?last=a").await.0, tags[3..]);
    assert_eq!(list("?last=u").await.0, ["v1", "v10", "v2"], "it need not exist");
    assert_eq!(list("?n=100").await, (tags.clone(), String::new()));
    let (page, link) = list("?n=3").await;
    assert_eq!(page, tags[..3]);
    assert_eq!(link, format!("</v2/{REPOSITORY}/tags/list?last=a&n=3>; rel=\"next\""));
    assert_eq!(list("?n=4&last=a").await, (tags[3..].to_vec(), String::new()));
    let wrong = server.get(&format!("/v2/{REPOSITORY}/tags/list?n=x")).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);

    server.push_blob("only/blobs", Algorithm::Sha256, b"blob").await;
    server.push_image("b", "x", b"layer").await;
    server.push_image("a/b", "x", b"layer").await;
    let response = server.get("/v2/_catalog?n=2").await;
    assert_eq!(header(&response, "link"), "</v2/_catalog?last=b&n=2>; rel=\"next\"");
    let catalog: Value = response.json().await.expect("JSON");
    assert_eq!(catalog, json!({"repositories": ["a/b", "b"]}));
    let response = server.get("/v2/_catalog?last=b").await;
    assert_eq!(header(&response, "link"), "");
    let catalog: Value = response.json().await.expect("JSON");
    assert_eq!(catalog, json!({"repositories": [REPOSITORY]}));
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let server = Server::start().await;
    let wrong = server.request(Method::POST, "/v2/a/manifests/b").send().await.expect("sent");
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&wrong, "allow"), "GET, HEAD, PUT, DELETE");
    assert_eq!(code(wrong).await, "UNSUPPORTED");
    assert_eq!(server.get("/v2/a/b").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.get("/v2/a/manifests/b/").await.status(), StatusCode::NOT_FOUND);
    let known = server.push_image("a", "b", b"layer").await;
    let get =
        server.request(Method::GET, "/v2/a/manifests/b").header("If-None-Match", format!("\"{known}\""));
    assert_eq!(get.send().await.expect("sent").status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn names_may_begin_like_the_path_of_the_api() {
    let server = Server::start().await;
    let plain = server.push_image("ray/core", "latest", b"plain").await;
    let names = ["v2ray/core", "v2", "v2/v2", "v2/app", "v2/ray/core"];
    for name in names {
        let digest = server.push_image(name, "latest", name.as_bytes()).await;
        let got = server.get(&format!("/v2/{name}/manifests/latest")).await;
        assert_eq!(header(&got, "docker-content-digest"), digest.as_str(), "{name}");
    }
    let untouched = server.get("/v2/ray/core/manifests/latest").await;
    assert_eq!(header(&untouched, "docker-content-digest"), plain.as_str());
    let catalog: Value = server.get("/v2/_catalog").await.json().await.expect("JSON");
    let mut expected = names.map(str::to_owned).to_vec();
    expected.push("ray/core".to_owned());
    expected.sort_unstable();
    assert_eq!(catalog["repositories"], json!(expected));
    assert_eq!(server.get("/v2//ray/core/tags/list").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn manifests_that_are_not_what_the_specification_says_are_refused() {
    let server = Server::start().await;
    let manifest = server.image(REPOSITORY, Algorithm::Sha256, b"layer").await;
    let text = String::from_utf8(manifest).expect("JSON");
    let old = text.replace(r#""schemaVersion":2"#, r#""schemaVersion":1"#);
    let mut latin = text.trim_end_matches('}').as_bytes().to_vec();
    latin.extend_from_slice(b",\"x\":\"\xff\"}");
    for wrong in [old.as_bytes(), &latin] {
        let refused = server.put_manifest(REPOSITORY, "v1", wrong).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert_eq!(code(refused).await, "MANIFEST_INVALID");
    }
    assert_eq!(server.put_manifest(REPOSITORY, "v1", text.as_bytes()).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn partial_content_is_taken_where_that_is_wanted() {
    let server = Server::start_with(Options { sparse: true, ..options() }).await;
    let missing = artifact(&Digest::sha256(b"subject"), &Digest::sha256(b"missing"), "a/b", "note");
    assert_eq!(server.put_manifest(REPOSITORY, "v1", &missing).await.status(), StatusCode::CREATED);
    let usual = Server::start().await;
    assert_eq!(usual.put_manifest(REPOSITORY, "v1", &missing).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn referrers_with_many_words_come_in_pages() {
    let server = Server::start().await;
    let subject = server.push_image(REPOSITORY, "v1", b"layer").await;
    let words = "x".repeat(1_500_000);
    let mut expected = Vec::new();
    for number in 0..5 {
        expected
            .push(server.attach(REPOSITORY, &subject, "a/b", &format!("{number}{words}")).await.to_string());
    }
    let mut path = format!("/v2/{REPOSITORY}/referrers/{subject}");
    let (mut found, mut pages) = (Vec::new(), 0);
    while !path.is_empty() {
        let page = server.get(&path).await;
        let link = header(&page, "link");
        path = link.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
        let page: Value = page.json().await.expect("JSON");
        let digests = page["manifests"].as_array().expect("a list").iter();
        found.extend(digests.map(|entry| entry["digest"].as_str().expect("a digest").to_owned()));
        pages += 1;
    }
    assert_eq!((found, pages), (expected, 5 - 2), "two fit on a page");
}
