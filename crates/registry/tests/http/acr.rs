//! ACR's API beside `/v2/`, in the shapes its clients read.

use crate::server::{Server, code, header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn get(server: &Server, path: &str) -> Value {
    let response = server.get(path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.json().await.expect("JSON")
}

fn unlocked() -> Value {
    json!({"deleteEnabled": true, "writeEnabled": true, "readEnabled": true, "listEnabled": true})
}

#[tokio::test]
async fn repositories_manifests_and_tags_are_described() {
    let server = Server::start().await;
    let first = server.push_image("team/app", "v1", b"one").await;
    server.push_image("team/app", "also-v1", b"one").await;
    let second = server.push_image("team/app", "v2", b"two").await;
    let repository = get(&server, "/acr/v1/team/app").await;
    let created = repository["createdTime"].as_str().expect("a time");
    assert!(created.len() == "2024-05-01T12:34:56.1234567Z".len() && created.ends_with('Z'), "{created}");
    assert_eq!(
        repository,
        json!({"registry": server.address, "imageName": "team/app", "createdTime": created,
        "lastUpdateTime": repository["lastUpdateTime"], "manifestCount": 2, "tagCount": 3,
        "changeableAttributes": unlocked()})
    );

    let manifests = get(&server, "/acr/v1/team/app/_manifests").await;
    assert_eq!(
        (&manifests["registry"], &manifests["imageName"]),
        (&json!(server.address), &json!("team/app"))
    );
    let list = manifests["manifests"].as_array().expect("a list");
    assert_eq!(list.len(), 2);
    let found = list.iter().find(|found| found["digest"] == first.as_str()).expect("the first");
    let expected = json!({"digest": first, "imageSize": found["imageSize"], "createdTime": found["createdTime"],
        "lastUpdateTime": found["lastUpdateTime"], "architecture": "amd64", "os": "linux",
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "configMediaType": "application/vnd.oci.image.config.v1+json",
        "tags": ["also-v1", "v1"], "changeableAttributes": unlocked()});
    assert_eq!(*found, expected);
    let one = get(&server, &format!("/acr/v1/team/app/_manifests/{first}")).await;
    assert_eq!(one, json!({"registry": server.address, "imageName": "team/app", "manifest": expected}));
    let printed = server.registry.manifests(&"team/app".parse().expect("a name")).await.expect("reads");
    assert_eq!(
        json!(printed.expect("it is there")),
        manifests["manifests"],
        "what `registry manifests` prints"
    );

    let tags = get(&server, "/acr/v1/team/app/_tags").await;
    let names: Vec<_> = tags["tags"].as_array().expect("a list").iter().map(|tag| &tag["name"]).collect();
    assert_eq!(names, ["also-v1", "v1", "v2"]);
    let one = get(&server, "/acr/v1/team/app/_tags/v2").await;
    let tag = &one["tag"];
    assert_eq!(
        *tag,
        json!({"name": "v2", "digest": second, "createdTime": tag["createdTime"],
        "lastUpdateTime": tag["lastUpdateTime"], "signed": false, "changeableAttributes": unlocked()})
    );
    let of_first = get(&server, &format!("/acr/v1/team/app/_tags?digest={first}")).await;
    assert_eq!(of_first["tags"].as_array().expect("a list").len(), 2);
    assert_eq!(get(&server, "/acr/v1/_catalog").await, json!({"repositories": ["team/app"]}));
}

/// Follows `Link` to the end; one field of all entries.
async fn walk(server: &Server, path: &str, list: &str, field: &str) -> Vec<String> {
    let mut next = Some(path.to_owned());
    let mut seen = Vec::new();
    while let Some(path) = next {
        let response = server.get(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let link = header(&response, "link");
        next =
            link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).map(str::to_owned);
        let value: Value = response.json().await.expect("JSON");
        let entries = value[list].as_array().expect("a list");
        seen.extend(entries.iter().map(|entry| entry[field].as_str().expect("text").to_owned()));
    }
    seen
}

#[tokio::test]
async fn lists_come_in_pages_and_in_order() {
    let server = Server::start().await;
    let mut pushed = Vec::new();
    for number in 0..7 {
        let tag = format!("t{}", (number * 3) % 7);
        let digest = server.push_image("app", &tag, tag.as_bytes()).await;
        pushed.push((tag, digest.to_string()));
    }
    let column =
        |pick: fn(&(String, String)) -> &String| pushed.iter().map(pick).cloned().collect::<Vec<_>>();
    for (kind, field, in_time) in
        [("manifests", "digest", column(|pair| &pair.1)), ("tags", "name", column(|pair| &pair.0))]
    {
        let mut sorted = in_time.clone();
        sorted.sort_unstable();
        let mut newest = in_time.clone();
        newest.reverse();
        for n in [1, 3, 7, 100] {
            let path = |order: &str| format!("/acr/v1/app/_{kind}?n={n}{order}");
            assert_eq!(walk(&server, &path(""), kind, field).await, sorted);
            assert_eq!(walk(&server, &path("&orderby=timeasc"), kind, field).await, in_time);
            assert_eq!(walk(&server, &path("&orderby=timedesc"), kind, field).await, newest);
        }
        // Clients that make their own links know only the name of the last entry.
        let path = format!("/acr/v1/app/_{kind}?orderby=timedesc&last={}", newest[4]);
        assert_eq!(walk(&server, &path, kind, field).await, newest[5..]);
    }
    assert_eq!(server.get("/acr/v1/app/_tags?orderby=size").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn entries_are_deleted_until_the_repository_ceases() {
    let server = Server::start().await;
    let first = server.push_image("app", "v1", b"one").await;
    let second = server.push_image("app", "v2", b"two").await;
    let attached = server.attach("app", &second, "application/vnd.example", "note").await;
    assert_eq!(server.delete("/acr/v1/app/_tags/v1").await.status(), StatusCode::ACCEPTED);
    let again = server.delete("/acr/v1/app/_tags/v1").await;
    assert_eq!((again.status(), code(again).await.as_str()), (StatusCode::NOT_FOUND, "TAG_UNKNOWN"));
    assert_eq!(
        server.delete(&format!("/acr/v1/app/_manifests/{first}")).await.status(),
        StatusCode::ACCEPTED
    );
    assert_eq!(get(&server, "/acr/v1/app").await["manifestCount"], 2);
    assert_eq!(
        server.delete(&format!("/acr/v1/app/_manifests/{second}")).await.status(),
        StatusCode::ACCEPTED
    );
    assert_eq!(server.head(&format!("/v2/app/manifests/{attached}")).await.status(), StatusCode::NOT_FOUND);
    let gone = server.get("/acr/v1/app/_manifests").await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    let answer: Value = gone.json().await.expect("JSON");
    assert_eq!(answer["errors"][0]["code"], "NAME_UNKNOWN");
    assert_eq!(answer["errors"][0]["message"], "repository \"app\" is not found");
    assert_eq!(server.registry.manifests(&"app".parse().expect("a name")).await.expect("reads"), None);

    let digest = server.push_image("app", "v3", b"three").await;
    let deleted = server.delete("/acr/v1/app").await;
    assert_eq!(deleted.status(), StatusCode::ACCEPTED);
    let deleted: Value = deleted.json().await.expect("JSON");
    assert_eq!(deleted, json!({"manifestsDeleted": [digest], "tagsDeleted": ["v3"]}));
    assert_eq!(server.delete("/acr/v1/app").await.status(), StatusCode::NOT_FOUND);
    let patch = server.request(Method::PATCH, "/acr/v1/app").send().await.expect("sent");
    assert_eq!(patch.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_cannot_be_answered_is_told_in_the_registrys_own_form() {
    let server = Server::start().await;
    server.push_image("app", "v1", b"layer").await;
    let long = "v".repeat(20_000);
    for (method, path, status, expected) in [
        (Method::GET, "/acr/v1/", 404, "UNSUPPORTED"),
        (Method::GET, "/acr/v1/_deleted/app/_manifests", 404, "UNSUPPORTED"),
        (Method::GET, "/somewhere", 404, "UNSUPPORTED"),
        (Method::GET, "/oauth2/exchange", 405, "UNSUPPORTED"),
        (Method::PATCH, "/acr/v1/app", 405, "UNSUPPORTED"),
        (Method::GET, "/acr/v1/app/_tags?digest=x", 400, "DIGEST_INVALID"),
        (Method::GET, &format!("/v2/app/manifests/{long}"), 404, "MANIFEST_UNKNOWN"),
        (Method::GET, &format!("/v2/{long}/tags/list"), 400, "NAME_INVALID"),
    ] {
        let answer = server.request(method, path).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        let text = answer.text().await.expect("text");
        assert!(text.len() < 1000 && text.contains(&format!("\"code\":\"{expected}\"")), "{text}");
    }
    let listed: Value = server.get("/acr/v1/app/_tags?digest=").await.json().await.expect("JSON");
    assert_eq!(listed["tags"].as_array().expect("a list").len(), 1);
    let text = server.get(&format!("/v2/{long}/tags/list")).await.text().await.expect("text");
    assert!(text.contains("at most 255 characters"), "{text}");
}
