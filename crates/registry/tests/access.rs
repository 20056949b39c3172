//! Who may do what, over HTTP: anonymous clients, htpasswd users, tokens with scope maps, bearer tokens.

mod server;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use server::{Server, code, header, options};
use tidewaiter_oci::{Algorithm, Digest};
use tidewaiter_registry::{Anonymous, NewToken, Options, Password, TokenError};

/// A registry with the htpasswd user `ada` (password `lovelace`).
async fn start(anonymous: Anonymous) -> (Server, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("htpasswd");
    let hash = bcrypt::hash("lovelace", 4).expect("hashes");
    std::fs::write(&path, format!("# users\nada:{hash}\n")).expect("writes");
    let options = Options { anonymous, htpasswd: Some(path), ..options() };
    (Server::start_with(options).await, directory)
}

impl Server {
    async fn token(&self, name: &str, scope_map: &str) -> [String; 2] {
        let new = NewToken { name: name.to_owned(), scope_map: scope_map.to_owned(), expires_at: None };
        self.registry.tokens().create(&new).await.expect("a token").passwords
    }

    async fn send_as(&self, user: &str, password: &str, method: Method, path: &str) -> Response {
        self.request(method, path).basic_auth(user, Some(password)).send().await.expect("sent")
    }

    async fn send_bearer(&self, token: &str, method: Method, path: &str) -> Response {
        self.request(method, path).bearer_auth(token).send().await.expect("sent")
    }

    /// An access token by the Docker protocol.
    async fn access_token(&self, user: &str, password: &str, scope: &str) -> String {
        let path = format!("/oauth2/token?service=test&scope={scope}");
        let response = self.send_as(user, password, Method::GET, &path).await;
        assert_eq!(response.status(), StatusCode::OK);
        let value: Value = response.json().await.expect("JSON");
        assert_eq!(value["token"], value["access_token"]);
        assert!(value["expires_in"].as_u64().expect("seconds") >= 60);
        value["access_token"].as_str().expect("a token").to_owned()
    }

    /// Pushes a one-blob image as somebody who may.
    async fn push_as(&self, user: &str, password: &str, repository: &str) -> Digest {
        let digest = Digest::sha256(b"{}");
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let post = self.request(Method::POST, &path).basic_auth(user, Some(password)).body("{}");
        assert_eq!(post.send().await.expect("sent").status(), StatusCode::CREATED);
        let config = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest, "size": 2});
        let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": []})
        .to_string();
        let put = self.request(Method::PUT, &format!("/v2/{repository}/manifests/v1"));
        let put = put.basic_auth(user, Some(password)).header("Content-Type", "application/json");
        assert_eq!(put.body(manifest.clone()).send().await.expect("sent").status(), StatusCode::CREATED);
        Digest::sha256(manifest.as_bytes())
    }
}

#[tokio::test]
async fn clients_without_credentials_are_told_where_to_get_a_token() {
    let (server, _directory) = start(Anonymous::Nothing).await;
    let address = &server.address;
    let ping = server.get("/v2/").await;
    assert_eq!(ping.status(), StatusCode::UNAUTHORIZED);
    let challenge = header(&ping, "www-authenticate");
    assert_eq!(challenge, format!("Bearer realm=\"http://{address}/oauth2/token\",service=\"{address}\""));
    assert_eq!(code(ping).await, "UNAUTHORIZED");
    for (method, path, scope) in [
        (Method::GET, "/v2/a/manifests/v1", "repository:a:pull"),
        (Method::GET, "/v2/a/tags/list", "repository:a:pull"),
        (Method::POST, "/v2/a/blobs/uploads/", "repository:a:pull,push"),
        (Method::PUT, "/v2/a/manifests/v1", "repository:a:pull,push"),
        (Method::DELETE, "/v2/a/manifests/v1", "repository:a:delete"),
        (Method::GET, "/v2/_catalog", "registry:catalog:*"),
        (Method::GET, "/acr/v1/a/_tags", "repository:a:metadata_read"),
    ] {
        let refused = server.request(method, path).send().await.expect("sent");
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        let challenge = header(&refused, "www-authenticate");
        assert!(challenge.ends_with(&format!(",scope=\"{scope}\"")), "{challenge}");
    }
    assert_eq!(server.get("/oauth2/token?service=x").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn users_of_the_file_may_do_everything() {
    let (server, directory) = start(Anonymous::Nothing).await;
    let digest = server.push_as("ada", "lovelace", "team/app").await;
    let path = format!("/v2/team/app/manifests/{digest}");
    assert_eq!(server.send_as("ada", "lovelace", Method::GET, "/v2/").await.status(), StatusCode::OK);
    assert_eq!(server.send_as("ada", "lovelace", Method::GET, &path).await.status(), StatusCode::OK);
    for (user, password) in [("ada", "wrong"), ("eve", "lovelace"), ("ada", ""), ("", "")] {
        let refused = server.send_as(user, password, Method::GET, &path).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{user}:{password}");
    }
    let garbled = server.request(Method::GET, &path).header("Authorization", "Basic ?").send().await;
    assert_eq!(garbled.expect("sent").status(), StatusCode::UNAUTHORIZED);
    let events = server.registry.events_after(0, 10).await.expect("events");
    assert_eq!(events[0].origin.as_ref().expect("an origin").user.as_deref(), Some("ada"));

    // The file is read again when it changes.
    let hash = bcrypt::hash("hopper", 4).expect("hashes");
    let file = directory.path().join("htpasswd");
    std::fs::write(&file, format!("grace:{hash}\n")).expect("writes");
    let later = std::fs::File::options().write(true).open(&file).expect("opens");
    later.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(5)).expect("sets");
    assert_eq!(server.send_as("grace", "hopper", Method::GET, &path).await.status(), StatusCode::OK);
    assert_eq!(
        server.send_as("ada", "lovelace", Method::GET, &path).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        server.send_as("ada", "lovelace", Method::DELETE, &path).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(server.send_as("grace", "hopper", Method::DELETE, &path).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn anonymous_clients_may_pull_where_that_is_allowed() {
    let (server, _directory) = start(Anonymous::Pull).await;
    server.push_as("ada", "lovelace", "app").await;
    assert_eq!(
        server.get("/v2/").await.status(),
        StatusCode::UNAUTHORIZED,
        "so that clients find the token service"
    );
    assert_eq!(server.get("/v2/app/manifests/v1").await.status(), StatusCode::OK);
    assert_eq!(server.get("/v2/app/tags/list").await.status(), StatusCode::OK);
    assert_eq!(server.get("/v2/_catalog").await.status(), StatusCode::OK);
    assert_eq!(server.delete("/v2/app/manifests/v1").await.status(), StatusCode::UNAUTHORIZED);
    let value: Value =
        server.get("/oauth2/token?scope=repository:app:pull,push").await.json().await.expect("JSON");
    let token = value["access_token"].as_str().expect("a token");
    assert_eq!(server.send_bearer(token, Method::GET, "/v2/app/manifests/v1").await.status(), StatusCode::OK);
    let push = server.send_bearer(token, Method::POST, "/v2/app/blobs/uploads/").await;
    assert_eq!(push.status(), StatusCode::UNAUTHORIZED);
    assert!(value.get("refresh_token").is_none());
}

#[tokio::test]
async fn system_scope_maps_allow_what_they_say() {
    let (server, _directory) = start(Anonymous::Nothing).await;
    server.push_as("ada", "lovelace", "app").await;
    // pull, push, delete, list of manifests
    for (scope_map, allowed) in [
        ("_repositories_admin", [true, true, true, true]),
        ("_repositories_pull", [true, false, false, false]),
        ("_repositories_pull_metadata_read", [true, false, false, true]),
        ("_repositories_push", [true, true, false, false]),
        ("_repositories_push_metadata_write", [true, true, false, true]),
    ] {
        let name = scope_map.trim_start_matches('_');
        let [first, second] = server.token(name, scope_map).await;
        let missing = Digest::sha256(b"missing");
        let requests = [
            (Method::GET, "/v2/app/manifests/v1".to_owned(), StatusCode::OK),
            (Method::POST, "/v2/app/blobs/uploads/".to_owned(), StatusCode::ACCEPTED),
            (Method::DELETE, format!("/v2/app/manifests/{missing}"), StatusCode::NOT_FOUND),
            (Method::GET, "/acr/v1/app/_manifests".to_owned(), StatusCode::OK),
        ];
        let scopes = "repository:app:pull,push,delete,metadata_read";
        let bearer = server.access_token(name, &first, scopes).await;
        for ((method, path, status), allowed) in requests.into_iter().zip(allowed) {
            let basic = server.send_as(name, &second, method.clone(), &path).await;
            let expected = if allowed { status } else { StatusCode::FORBIDDEN };
            assert_eq!(basic.status(), expected, "{scope_map} {method} {path}");
            let bearer = server.send_bearer(&bearer, method.clone(), &path).await;
            let expected = if allowed { status } else { StatusCode::UNAUTHORIZED };
            assert_eq!(bearer.status(), expected, "{scope_map} {method} {path}");
        }
    }
}

#[tokio::test]
async fn a_token_sees_only_its_repositories() {
    let (server, _directory) = start(Anonymous::Nothing).await;
    for repository in ["red/app", "blue/app"] {
        server.push_as("ada", "lovelace", repository).await;
    }
    let actions: Vec<_> = ["content/read", "content/write", "metadata/read"]
        .map(|action| format!("repositories/red/*/{action}"))
        .into();
    server.registry.tokens().create_scope_map("red", "the red team", &actions).await.expect("a map");
    let [password, _] = server.token("red-ci", "red").await;
    let send = async |method: Method, path: &str| server.send_as("red-ci", &password, method, path).await;

    assert_eq!(send(Method::GET, "/v2/red/app/manifests/v1").await.status(), StatusCode::OK);
    // What is there and what is not there look the same.
    for path in ["/v2/blue/app/manifests/v1", "/v2/blue/none/manifests/v1"] {
        let refused = send(Method::GET, path).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert_eq!(code(refused).await, "DENIED");
    }
    let catalog: Value = send(Method::GET, "/v2/_catalog").await.json().await.expect("JSON");
    assert_eq!(catalog, json!({"repositories": ["red/app"]}));
    let token = server.access_token("red-ci", &password, "registry:catalog:*").await;
    let catalog = server.send_bearer(&token, Method::GET, "/acr/v1/_catalog").await;
    let catalog: Value = catalog.json().await.expect("JSON");
    assert_eq!(catalog, json!({"repositories": ["red/app"]}));
    let token = server.access_token("red-ci", &password, "repository:red/app:pull").await;
    let refused = server.send_bearer(&token, Method::GET, "/v2/_catalog").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);

    // Mounting tells nothing about blobs of others, named or not.
    let secret = b"blue only";
    let digest = Digest::sha256(secret);
    let path = format!("/v2/blue/app/blobs/uploads/?digest={digest}");
    let post = server.request(Method::POST, &path).basic_auth("ada", Some("lovelace")).body(&secret[..]);
    assert_eq!(post.send().await.expect("sent").status(), StatusCode::CREATED);
    for from in ["&from=blue/app", "&from=blue/none", ""] {
        let path = format!("/v2/red/app/blobs/uploads/?mount={digest}{from}");
        assert_eq!(send(Method::POST, &path).await.status(), StatusCode::ACCEPTED, "{from}");
    }
    let shared = Digest::sha256(b"{}");
    let path = format!("/v2/red/other/blobs/uploads/?mount={shared}&from=red/app");
    assert_eq!(send(Method::POST, &path).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn refresh_tokens_are_traded_for_access_tokens() {
    let (server, _directory) = start(Anonymous::Nothing).await;
    server.push_as("ada", "lovelace", "app").await;
    let [password, _] = server.token("ci-token", "_repositories_pull").await;
    let form = async |path: &str, values: &[(&str, &str)]| {
        server.request(Method::POST, path).form(values).send().await.expect("sent")
    };
    let grant =
        [("grant_type", "password"), ("username", "ci-token"), ("password", &password), ("service", "s")];
    let exchanged = form("/oauth2/exchange", &grant).await;
    let value: Value = exchanged.json().await.expect("JSON");
    let refresh = value["refresh_token"].as_str().expect("a token").to_owned();
    let scope = ("scope", "repository:app:pull,push");
    let grant = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("service", "s"), scope];
    let value: Value = form("/oauth2/token", &grant).await.json().await.expect("JSON");
    let access = value["access_token"].as_str().expect("a token");
    assert_eq!(
        server.send_bearer(access, Method::GET, "/v2/app/manifests/v1").await.status(),
        StatusCode::OK
    );
    let push = server.send_bearer(access, Method::POST, "/v2/app/blobs/uploads/").await;
    assert_eq!(push.status(), StatusCode::UNAUTHORIZED, "not more than the token has");
    // As ACR's clients send it: a refresh token as the password of nobody.
    let nobody = "00000000-0000-0000-0000-000000000000";
    let access = server.access_token(nobody, &refresh, "repository:app:pull").await;
    assert_eq!(
        server.send_bearer(&access, Method::GET, "/v2/app/manifests/v1").await.status(),
        StatusCode::OK
    );
    let offline = "/oauth2/token?offline_token=true&service=s";
    let value: Value =
        server.send_as("ada", "lovelace", Method::GET, offline).await.json().await.expect("JSON");
    assert!(value["refresh_token"].is_string());

    assert_eq!(server.send_bearer(&refresh, Method::GET, "/v2/").await.status(), StatusCode::UNAUTHORIZED);
    let wrong = [("grant_type", "refresh_token"), ("refresh_token", access.as_str())];
    assert_eq!(form("/oauth2/token", &wrong).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(form("/oauth2/token", &[("grant_type", "magic")]).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(form("/oauth2/exchange", &[("service", "s")]).await.status(), StatusCode::BAD_REQUEST);
    server.registry.tokens().set_enabled("ci-token", false).await.expect("disables");
    assert_eq!(form("/oauth2/token", &grant).await.status(), StatusCode::UNAUTHORIZED);
    let basic = server.send_as("ci-token", &password, Method::GET, "/v2/").await;
    assert_eq!(basic.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tokens_are_managed() {
    let server = Server::start_with(Options { anonymous: Anonymous::Nothing, ..options() }).await;
    let tokens = server.registry.tokens();
    let new = |name: &str, scope_map: &str, expires_at| NewToken {
        name: name.to_owned(),
        scope_map: scope_map.to_owned(),
        expires_at,
    };
    let created = tokens.create(&new("ci", "_repositories_pull", Some(1))).await.expect("created");
    assert_ne!(created.passwords[0], created.passwords[1]);
    let ping = async |password: &str| server.send_as("ci", password, Method::GET, "/v2/").await.status();
    assert_eq!(ping(&created.passwords[0]).await, StatusCode::UNAUTHORIZED, "its time is over");
    let fresh = tokens.renew("ci", Password::One, None).await.expect("renewed");
    assert_eq!(ping(&fresh).await, StatusCode::OK);
    assert_eq!(ping(&created.passwords[0]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        tokens.list().await.expect("lists"),
        [{
            let mut token = created.token.clone();
            token.passwords = [None, Some(1)];
            token
        }]
    );
    let error = tokens.create(&new("ci", "_repositories_pull", None)).await.expect_err("twice");
    assert!(matches!(error, TokenError::Exists(_)), "{error}");
    let error = tokens.create(&new("x", "none", None)).await.expect_err("no such map");
    assert!(matches!(error, TokenError::Unknown(_)), "{error}");
    let error = tokens.create(&new("a b", "_repositories_pull", None)).await.expect_err("not a name");
    assert!(matches!(error, TokenError::Name(_)), "{error}");

    let wrong = ["repositories/app/fly".to_owned()];
    let error = tokens.create_scope_map("map", "", &wrong).await.expect_err("no action");
    assert!(matches!(error, TokenError::Action(_)), "{error}");
    let actions = ["repositories/app/content/read".to_owned()];
    let map = tokens.create_scope_map("map", "one app", &actions).await.expect("created");
    let maps = tokens.scope_maps().await.expect("lists");
    assert_eq!((maps.len(), maps.last()), (6, Some(&map)));
    assert_eq!(maps[0].name, "_repositories_admin");
    assert_eq!(maps[0].actions.len(), 5);
    tokens.create(&new("app", "map", None)).await.expect("created");
    let error = tokens.delete_scope_map("map").await.expect_err("in use");
    assert!(matches!(error, TokenError::InUse { .. }), "{error}");
    tokens.delete("app").await.expect("deleted");
    tokens.delete_scope_map("map").await.expect("deleted");
    let error = tokens.delete_scope_map("_repositories_pull").await.expect_err("built in");
    assert!(matches!(error, TokenError::BuiltIn(_)), "{error}");
    let error = tokens.delete("app").await.expect_err("gone");
    assert!(matches!(error, TokenError::Unknown(_)), "{error}");
}

#[tokio::test]
async fn an_open_registry_ignores_credentials() {
    let server = Server::start().await;
    server.push_blob("a", Algorithm::Sha256, b"x").await;
    assert_eq!(server.send_as("any", "thing", Method::GET, "/v2/").await.status(), StatusCode::OK);
    assert_eq!(server.send_bearer("nonsense", Method::GET, "/v2/").await.status(), StatusCode::OK);
}
