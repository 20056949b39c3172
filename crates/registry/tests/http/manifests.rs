//! Manifests that must mean one thing to all clients.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tidewaiter_oci::{Algorithm, media_type};

use crate::server::{Server, code};

#[tokio::test]
async fn manifests_that_can_be_read_in_two_ways_are_refused() {
    let server = Server::start().await;
    let image = server.image("app", Algorithm::Sha256, b"layer").await;
    let image: Value = serde_json::from_slice(&image).expect("JSON");
    let listed = server.push_image("app", "listed", b"layer").await;
    let entry = json!({"mediaType": media_type::OCI_MANIFEST, "digest": listed, "size": 1});
    let with = |changes: Value| {
        let mut value = image.clone();
        for (name, field) in changes.as_object().expect("an object") {
            value[name] = field.clone();
        }
        value
    };
    let config = &image["config"];
    let list = json!([config["mediaType"], config["digest"], config["size"]]);
    let put = async |kind: &str, manifest: String| {
        let request = server.request(Method::PUT, "/v2/app/manifests/v1").header("Content-Type", kind);
        request.body(manifest).send().await.expect("sent")
    };
    let stored = put(media_type::OCI_MANIFEST, with(json!({ "manifests": null })).to_string()).await;
    assert_eq!(stored.status(), StatusCode::CREATED, "null is nothing");
    let index = json!({"schemaVersion": 2, "manifests": []}).to_string();
    let twice = index.replace("[]", r#"[],"layers":[],"layers":[]"#);
    for (kind, manifest) in [
        (media_type::OCI_MANIFEST, with(json!({ "config": list })).to_string()),
        (media_type::OCI_MANIFEST, with(json!({ "layers": [list] })).to_string()),
        (media_type::OCI_INDEX, json!({"schemaVersion": 2, "manifests": [list]}).to_string()),
        (media_type::OCI_MANIFEST, with(json!({ "manifests": [entry] })).to_string()),
        (media_type::OCI_MANIFEST, with(json!({"manifests": [], "mediaType": null})).to_string()),
        (media_type::OCI_INDEX, with(json!({"manifests": [entry], "mediaType": null})).to_string()),
        ("application/json", with(json!({"manifests": [entry], "mediaType": null})).to_string()),
        (media_type::OCI_INDEX, json!({"schemaVersion": 2, "manifests": [], "layers": []}).to_string()),
        (media_type::OCI_INDEX, twice),
        (
            media_type::OCI_MANIFEST,
            with(json!({"config": {"mediaType": "", "digest": config["digest"], "size": config["size"]}}))
                .to_string(),
        ),
    ] {
        let refused = put(kind, manifest.clone()).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{manifest}");
        assert_eq!(code(refused).await, "MANIFEST_INVALID", "{manifest}");
    }
}
