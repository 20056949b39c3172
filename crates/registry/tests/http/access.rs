//! Access control over HTTP: challenges, passwords, the token service, what each right opens, what stays hidden.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::server::{Server, code, header, options};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tidewaiter_oci::{Algorithm, Digest};
use tidewaiter_registry::access::{Rules, ScopeMaps, Slot, Tokens};
use tidewaiter_registry::{Anonymous, Challenge, Clock, Options};

const REFRESH_TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// A registry with access control, the user `owner` with the password `secret`, and its tokens.
struct Guarded {
    server: Server,
    tokens: Tokens,
    maps: ScopeMaps,
    /// Microseconds that the registry's clock is ahead.
    ahead: Arc<AtomicI64>,
    _users: tempfile::TempDir,
}

const OWNER: (&str, &str) = ("owner", "secret");

impl Guarded {
    async fn start(anonymous: Anonymous) -> Self {
        Self::start_with(Options { anonymous, ..options() }).await
    }

    async fn start_with(options: Options) -> Self {
        let users = tempfile::tempdir().expect("a directory");
        let path = users.path().join("htpasswd");
        // Written by `htpasswd -nbB owner secret`.
        std::fs::write(&path, "owner:$2y$05$iHni6WEpoqRQgHdb9QsvM.aSExBzdXca0ZqVdDP7yF8T3NwcE/Mcq\n")
            .expect("writes");
        let ahead = Arc::new(AtomicI64::new(0));
        let (real, shift) = (crate::server::clock(), Arc::clone(&ahead));
        let clock = Clock::new(move || real.now() + shift.load(Ordering::Relaxed));
        let options = Options { htpasswd: Some(path), clock, ..options };
        let server = Server::start_with(options).await;
        let (tokens, maps) = (server.registry.tokens(), server.registry.scope_maps());
        Self { server, tokens, maps, ahead, _users: users }
    }

    /// Makes a token with these actions; its password.
    async fn token(&self, name: &str, actions: &[&str]) -> String {
        self.maps.create(name, "", &Rules::parse(actions).expect("actions")).await.expect("a scope map");
        self.tokens.create(name, name).await.expect("a token");
        let password = self.tokens.generate_password(name, Slot::Password1, None).await.expect("a password");
        password.as_str().to_owned()
    }

    async fn send(&self, method: Method, path: &str, who: Option<(&str, &str)>) -> Response {
        let request = self.server.request(method, path);
        let request = match who {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        };
        request.send().await.expect("an answer")
    }

    async fn get(&self, path: &str, who: Option<(&str, &str)>) -> Response {
        self.send(Method::GET, path, who).await
    }

    async fn bearer(&self, method: Method, path: &str, token: &str) -> Response {
        self.server.request(method, path).bearer_auth(token).send().await.expect("an answer")
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.server.request(Method::POST, path).form(form).send().await.expect("an answer")
    }

    /// An access token by name and password.
    async fn access_token(&self, who: Option<(&str, &str)>, scope: &str) -> String {
        let service = &self.server.address;
        let response = self.get(&format!("/oauth2/token?service={service}&scope={scope}"), who).await;
        assert_eq!(response.status(), StatusCode::OK);
        field(response, "access_token").await
    }

    /// Puts an image into a repository, as the owner.
    async fn image(&self, repository: &str) -> (Digest, Digest) {
        let blob = self.push_blob(repository, b"{}").await;
        let manifest = json!({"schemaVersion": 2, "mediaType": tidewaiter_oci::media_type::OCI_MANIFEST,
            "config": {"mediaType": tidewaiter_oci::media_type::OCI_EMPTY, "digest": blob, "size": 2}, "layers": []});
        let manifest = manifest.to_string();
        let digest = Digest::sha256(manifest.as_bytes());
        let response = self
            .server
            .request(Method::PUT, &format!("/v2/{repository}/manifests/v1"))
            .basic_auth(OWNER.0, Some(OWNER.1))
            .body(manifest)
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), StatusCode::CREATED);
        (digest, blob)
    }

    async fn push_blob(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = Digest::of(Algorithm::Sha256, content);
        let response = self
            .server
            .request(Method::POST, &format!("/v2/{repository}/blobs/uploads/?digest={digest}"))
            .basic_auth(OWNER.0, Some(OWNER.1))
            .body(content.to_vec())
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), StatusCode::CREATED);
        digest
    }
}

async fn field(response: Response, name: &str) -> String {
    let value: Value = response.json().await.expect("JSON");
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

#[tokio::test]
async fn an_open_registry_asks_nobody() {
    let server = Server::start().await;
    server.push_image("a", "v1", b"x").await;
    let response = server.request(Method::GET, "/v2/").basic_auth("any", Some("thing")).send().await;
    assert_eq!(response.expect("an answer").status(), StatusCode::OK);
    let form = [
        ("grant_type", "password"),
        ("username", "any"),
        ("password", "thing"),
        ("scope", "repository:a:pull"),
    ];
    let response = server.request(Method::POST, "/oauth2/token").form(&form).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn strangers_are_told_where_to_get_a_token_for_what() {
    let guarded = Guarded::start(Anonymous::Nothing).await;
    let host = guarded.server.address.clone();
    let digest = Digest::sha256(b"");
    for (method, path, scope) in [
        (Method::GET, "/v2/".to_owned(), ""),
        (Method::GET, "/v2/_catalog".to_owned(), r#",scope="registry:catalog:*""#),
        (Method::GET, "/v2/a/b/manifests/v1".to_owned(), r#",scope="repository:a/b:pull""#),
        (Method::HEAD, format!("/v2/a/blobs/{digest}"), r#",scope="repository:a:pull""#),
        (Method::GET, format!("/v2/a/referrers/{digest}"), r#",scope="repository:a:pull""#),
        (Method::GET, "/v2/a/tags/list".to_owned(), r#",scope="repository:a:metadata_read""#),
        (Method::PUT, "/v2/a/manifests/v1".to_owned(), r#",scope="repository:a:pull,push""#),
        (Method::POST, "/v2/a/blobs/uploads/".to_owned(), r#",scope="repository:a:pull,push""#),
        (Method::PATCH, "/v2/a/blobs/uploads/x".to_owned(), r#",scope="repository:a:pull,push""#),
        (Method::DELETE, "/v2/a/blobs/uploads/x".to_owned(), r#",scope="repository:a:pull,push""#),
        (Method::DELETE, "/v2/a/manifests/v1".to_owned(), r#",scope="repository:a:delete""#),
        (Method::DELETE, format!("/v2/a/blobs/{digest}"), r#",scope="repository:a:delete""#),
    ] {
        let response = guarded.send(method.clone(), &path, None).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
        let expected = format!(r#"Bearer realm="http://{host}/oauth2/token",service="{host}"{scope}"#);
        assert_eq!(header(&response, "www-authenticate"), expected, "{method} {path}");
        assert_eq!(header(&response, "docker-distribution-api-version"), "registry/2.0");
        if method != Method::HEAD {
            assert_eq!(code(response).await, "UNAUTHORIZED");
        }
    }
    let response = guarded.get("/oauth2/token?scope=repository:a:pull", None).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(header(&response, "www-authenticate").starts_with("Basic "));
}

#[tokio::test]
async fn a_public_address_and_basic_challenges_can_be_chosen() {
    let external_url = Some("https://registry.example".parse().expect("a URL"));
    let external = Options { anonymous: Anonymous::Nothing, external_url, ..options() };
    let guarded = Guarded::start_with(external.clone()).await;
    let expected = r#"Bearer realm="https://registry.example/oauth2/token",service="registry.example""#;
    assert_eq!(header(&guarded.get("/v2/", None).await, "www-authenticate"), expected);
    let guarded = Guarded::start_with(Options { challenge: Challenge::Basic, ..external }).await;
    let response = guarded.get("/v2/", None).await;
    assert_eq!(header(&response, "www-authenticate"), r#"Basic realm="registry.example""#);
    assert_eq!(guarded.get("/v2/", Some(OWNER)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn each_right_opens_what_it_names() {
    let guarded = Guarded::start(Anonymous::Nothing).await;
    let (manifest, blob) = guarded.image("team/app").await;
    let reads = [
        ("content/read", Method::GET, "/v2/team/app/manifests/v1".to_owned()),
        ("content/read", Method::HEAD, format!("/v2/team/app/blobs/{blob}")),
        ("content/read", Method::GET, format!("/v2/team/app/referrers/{manifest}")),
        ("metadata/read", Method::GET, "/v2/team/app/tags/list".to_owned()),
        ("content/write", Method::POST, "/v2/team/app/blobs/uploads/".to_owned()),
        ("content/write", Method::PUT, "/v2/team/app/manifests/v2".to_owned()),
        ("content/delete", Method::DELETE, "/v2/team/app/manifests/none".to_owned()),
    ];
    for (number, right) in
        ["content/read", "content/write", "content/delete", "metadata/read"].iter().enumerate()
    {
        let name = format!("token{number}");
        let password = guarded.token(&name, &[&format!("repositories/team/*/{right}")]).await;
        for (needed, method, path) in &reads {
            let response = guarded.send(method.clone(), path, Some((&name, &password))).await;
            let denied = response.status() == StatusCode::FORBIDDEN;
            assert_eq!(denied, needed != right, "{right}: {method} {path}: {}", response.status());
            if denied && method != Method::HEAD {
                assert_eq!(code(response).await, "DENIED");
            }
        }
        let elsewhere = guarded.get("/v2/other/manifests/v1", Some((&name, &password))).await;
        assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn what_may_not_be_read_looks_as_if_it_were_not_there() {
    let guarded = Guarded::start(Anonymous::Nothing).await;
    let (manifest, blob) = guarded.image("secret").await;
    guarded.image("mine/app").await;
    let secret = guarded.push_blob("secret", b"only here").await;
    let actions = ["repositories/mine/*/content/read", "repositories/mine/*/content/write"];
    let password = guarded.token("me", &actions).await;
    let me = Some(("me", password.as_str()));
    for who in [None, me] {
        for path in [format!("manifests/{manifest}"), format!("blobs/{blob}"), "tags/list".to_owned()] {
            let there = guarded.get(&format!("/v2/secret/{path}"), who).await;
            let not_there = guarded.get(&format!("/v2/absent/{path}"), who).await;
            assert_eq!(there.status(), not_there.status());
            let text =
                async |response: Response| response.text().await.expect("a body").replace("secret", "absent");
            assert_eq!(text(there).await, text(not_there).await);
        }
    }
    let catalog: Value = guarded.get("/v2/_catalog?n=10", me).await.json().await.expect("JSON");
    assert_eq!(catalog, json!({"repositories": ["mine/app"]}));
    let catalog: Value = guarded.get("/v2/_catalog", Some(OWNER)).await.json().await.expect("JSON");
    assert_eq!(catalog, json!({"repositories": ["mine/app", "secret"]}));
    // Neither by name nor by guessing does a blob come out of a repository that is not open.
    for query in [format!("mount={secret}&from=secret"), format!("mount={secret}")] {
        let path = format!("/v2/mine/app/blobs/uploads/?{query}");
        let response = guarded.send(Method::POST, &path, me).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{query}");
        let response = guarded.send(Method::POST, &path, Some(OWNER)).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{query}");
        let path = format!("/v2/mine/app/blobs/{secret}");
        assert_eq!(guarded.send(Method::DELETE, &path, Some(OWNER)).await.status(), StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn the_catalog_is_filtered_before_it_is_cut_into_pages() {
    let guarded = Guarded::start(Anonymous::Nothing).await;
    for name in ["a", "mine/1", "mine/2", "n", "o/mine", "p"] {
        guarded.image(name).await;
    }
    let password =
        guarded.token("me", &["repositories/mine/*/metadata/read", "repositories/p/content/read"]).await;
    let me = Some(("me", password.as_str()));
    let mut path = "/v2/_catalog?n=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let response = guarded.get(&path, me).await;
        let link = header(&response, "link");
        let page: Value = response.json().await.expect("JSON");
        pages.push(page["repositories"].clone());
        match link.strip_prefix('<').and_then(|link| link.split_once('>')) {
            Some((next, _)) => path = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(pages, [json!(["mine/1", "mine/2"]), json!(["p"])]);
}

#[tokio::test]
async fn anonymous_pull_reads_everything_and_changes_nothing() {
    let guarded = Guarded::start(Anonymous::Pull).await;
    guarded.image("a").await;
    for path in ["/v2/a/manifests/v1", "/v2/a/tags/list", "/v2/_catalog"] {
        assert_eq!(guarded.get(path, None).await.status(), StatusCode::OK, "{path}");
    }
    // Clients that are not challenged here never log in.
    assert_eq!(guarded.get("/v2/", None).await.status(), StatusCode::UNAUTHORIZED);
    for (method, path) in [(Method::POST, "/v2/a/blobs/uploads/"), (Method::DELETE, "/v2/a/manifests/v1")] {
        assert_eq!(guarded.send(method, path, None).await.status(), StatusCode::UNAUTHORIZED);
    }
    // Some clients send empty credentials when they have none.
    assert_eq!(guarded.get("/v2/a/manifests/v1", Some(("", ""))).await.status(), StatusCode::OK);
    let wrong = guarded.get("/v2/a/manifests/v1", Some(("owner", "wrong"))).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let token = guarded.access_token(None, "repository:a:pull,push").await;
    assert_eq!(guarded.bearer(Method::GET, "/v2/", &token).await.status(), StatusCode::OK);
    assert_eq!(guarded.bearer(Method::GET, "/v2/a/manifests/v1", &token).await.status(), StatusCode::OK);
    let push = guarded.bearer(Method::POST, "/v2/a/blobs/uploads/", &token).await;
    assert_eq!(push.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn bearer_tokens_are_good_for_their_scopes() {
    let guarded = Guarded::start(Anonymous::Nothing).await;
    guarded.image("a").await;
    guarded.image("b").await;
    let password = guarded
        .token(
            "ci",
            &[
                "repositories/a/content/read",
                "repositories/a/content/write",
                "repositories/a/metadata/read",
                "repositories/c/content/read",
            ],
        )
        .await;
    let ci = Some(("ci", password.as_str()));
    let token = guarded.access_token(ci, "repository:a:pull&scope=repository:b:pull").await;
    assert_eq!(guarded.bearer(Method::GET, "/v2/a/manifests/v1", &token).await.status(), StatusCode::OK);
    assert_eq!(guarded.bearer(Method::GET, "/v2/a/tags/list", &token).await.status(), StatusCode::OK);
    // Another token would do: the client is told which.
    let push = guarded.bearer(Method::POST, "/v2/a/blobs/uploads/", &token).await;
    assert_eq!(push.status(), StatusCode::UNAUTHORIZED);
    let challenge = header(&push, "www-authenticate");
    assert!(
        challenge.ends_with(r#"scope="repository:a:pull,push",error="insufficient_scope""#),
        "{challenge}"
    );
    // To mount, the token has to be good for the source, too, if its owner may read that.
    guarded.image("c").await;
    let blob = Digest::sha256(b"{}");
    let mount = |from: &str| format!("/v2/a/blobs/uploads/?mount={blob}&from={from}");
    let push = guarded.access_token(ci, "repository:a:pull,push").await;
    let refused = guarded.bearer(Method::POST, &mount("c"), &push).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let challenge = header(&refused, "www-authenticate");
    let both = r#"scope="repository:a:pull,push repository:c:pull",error="insufficient_scope""#;
    assert!(challenge.ends_with(both), "{challenge}");
    let stranger = guarded.send(Method::POST, &mount("c"), None).await;
    let challenge = header(&stranger, "www-authenticate");
    assert!(challenge.ends_with(r#"scope="repository:a:pull,push repository:c:pull""#), "{challenge}");
    let uploads = guarded.bearer(Method::POST, &mount("b"), &push).await;
    assert_eq!(uploads.status(), StatusCode::ACCEPTED, "what it may not read at all, it may upload");
    let both = guarded.access_token(ci, "repository:a:pull,push&scope=repository:c:pull").await;
    assert_eq!(guarded.bearer(Method::POST, &mount("c"), &both).await.status(), StatusCode::CREATED);
    // No token would do.
    let other = guarded.bearer(Method::GET, "/v2/b/manifests/v1", &token).await;
    assert_eq!(other.status(), StatusCode::FORBIDDEN);
    let catalog = guarded.bearer(Method::GET, "/v2/_catalog", &token).await;
    assert_eq!(catalog.status(), StatusCode::UNAUTHORIZED);
    let token = guarded.access_token(ci, "registry:catalog:*").await;
    let catalog: Value =
        guarded.bearer(Method::GET, "/v2/_catalog", &token).await.json().await.expect("JSON");
    assert_eq!(catalog, json!({"repositories": ["a", "c"]}));
    let broken = format!("{}x", &token[..token.len() - 1]);
    let response = guarded.bearer(Method::GET, "/v2/", &broken).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(header(&response, "www-authenticate").ends_with(r#"error="invalid_token""#));
    let hours = 2 * 3600 * 1_000_000;
    guarded.ahead.store(hours, Ordering::Relaxed);
    assert_eq!(
        guarded.bearer(Method::GET, "/v2/", &token).await.status(),
        StatusCode::UNAUTHORIZED,
        "too old"
    );
}

#[tokio::test]
async fn refresh_tokens_stand_for_a_password() {
    let guarded = Guarded::start(Anonymous::Nothing).await;
    guarded.image("a").await;
    let password = guarded.token("ci", &["repositories/*/content/read"]).await;
    let service = guarded.server.address.to_uppercase();
    let form =
        [("grant_type", "password"), ("service", &service), ("username", "ci"), ("password", &password)];
    let response = guarded.post("/oauth2/exchange", &form).await;
    assert_eq!(
        (response.status(), header(&response, "cache-control")),
        (StatusCode::OK, "no-store".to_owned())
    );
    let answer: Value = response.json().await.expect("JSON");
    assert_eq!(answer.as_object().expect("an object").keys().collect::<Vec<_>>(), ["refresh_token"]);
    let refresh = answer["refresh_token"].as_str().expect("text");
    // As a password, for the token service and for the registry itself.
    let stand_in = Some((REFRESH_TOKEN_USER, refresh));
    assert_eq!(guarded.get("/v2/a/manifests/v1", stand_in).await.status(), StatusCode::OK);
    let token = guarded.access_token(stand_in, "repository:a:pull").await;
    assert_eq!(guarded.bearer(Method::GET, "/v2/a/manifests/v1", &token).await.status(), StatusCode::OK);
    // As clients with an identity token send it.
    let form = [
        ("grant_type", "refresh_token"),
        ("service", &service),
        ("scope", "repository:a:pull"),
        ("refresh_token", refresh),
    ];
    let token = field(guarded.post("/oauth2/token", &form).await, "access_token").await;
    assert_eq!(guarded.bearer(Method::GET, "/v2/a/manifests/v1", &token).await.status(), StatusCode::OK);
    let form = [
        ("grant_type", "password"),
        ("username", "ci"),
        ("password", &password),
        ("scope", "repository:a:pull"),
    ];
    let answer: Value = guarded.post("/oauth2/token", &form).await.json().await.expect("JSON");
    assert!(answer["access_token"].is_string() && answer["expires_in"] == json!(75 * 60), "{answer}");
    // Neither sort passes for the other, and nothing else is taken.
    assert_eq!(guarded.bearer(Method::GET, "/v2/", refresh).await.status(), StatusCode::UNAUTHORIZED);
    for (form, status) in [
        (vec![("grant_type", "refresh_token"), ("refresh_token", token.as_str())], StatusCode::UNAUTHORIZED),
        (
            vec![("grant_type", "password"), ("username", "ci"), ("password", "wrong")],
            StatusCode::UNAUTHORIZED,
        ),
        (vec![("grant_type", "client_credentials")], StatusCode::BAD_REQUEST),
        (vec![("grant_type", "refresh_token")], StatusCode::BAD_REQUEST),
        (
            vec![("grant_type", "refresh_token"), ("refresh_token", refresh), ("service", "elsewhere")],
            StatusCode::BAD_REQUEST,
        ),
        (vec![], StatusCode::BAD_REQUEST),
    ] {
        for path in ["/oauth2/token", "/oauth2/exchange"] {
            assert_eq!(guarded.post(path, &form).await.status(), status, "{path} {form:?}");
        }
    }
    // Exchanging does not prolong: three hours after the password was shown it is over.
    guarded.ahead.store(2 * 3600 * 1_000_000, Ordering::Relaxed);
    let form =
        [("grant_type", "access_token_refresh_token"), ("access_token", "x"), ("refresh_token", refresh)];
    let second = field(guarded.post("/oauth2/exchange", &form).await, "refresh_token").await;
    assert_eq!(guarded.get("/v2/", Some((REFRESH_TOKEN_USER, &second))).await.status(), StatusCode::OK);
    guarded.ahead.store(3 * 3600 * 1_000_000 + 1_000_000, Ordering::Relaxed);
    let late = guarded.get("/v2/", Some((REFRESH_TOKEN_USER, &second))).await;
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn disabled_and_expired_tokens_are_told_so_and_guessing_is_stopped() {
    let guarded = Guarded::start(Anonymous::Nothing).await;
    guarded.tokens.create("ci", "_repositories_pull").await.expect("creates");
    let expired = guarded.tokens.generate_password("ci", Slot::Password1, Some(1)).await.expect("generates");
    let good = guarded.tokens.generate_password("ci", Slot::Password2, None).await.expect("generates");
    let message = async |password: &str| {
        let response = guarded.get("/v2/", Some(("ci", password))).await;
        let value: Value = response.json().await.expect("JSON");
        value["errors"][0]["message"].as_str().unwrap_or("").to_owned()
    };
    assert_eq!(message(expired.as_str()).await, "this password of the token \"ci\" has expired");
    assert_eq!(message("wrong").await, "unknown user name or wrong password");
    // A new password works beside it, and a token that is disabled says so to whoever has its password.
    assert_eq!(message(good.as_str()).await, "");
    guarded.tokens.create("off", "_repositories_pull").await.expect("creates");
    let off = guarded.tokens.generate_password("off", Slot::Password1, None).await.expect("generates");
    guarded.tokens.disable("off").await.expect("disables");
    let response = guarded.get("/v2/", Some(("off", off.as_str()))).await;
    assert!(response.text().await.expect("text").contains("the token \\\"off\\\" is disabled"));
    let mut last = StatusCode::OK;
    for number in 0..12 {
        let response = guarded.get("/v2/", Some(("nobody", &number.to_string()))).await;
        last = response.status();
        if last == StatusCode::TOO_MANY_REQUESTS {
            assert!(header(&response, "retry-after").parse::<u32>().expect("seconds") >= 1);
            assert_eq!(code(response).await, "TOOMANYREQUESTS");
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn events_say_who_did_it() {
    let guarded = Guarded::start(Anonymous::Nothing).await;
    guarded.image("a").await;
    let events = guarded.server.registry.events_after(0, 10).await.expect("events");
    let users: Vec<_> = events.iter().filter_map(|event| event.origin.as_ref()?.user.as_deref()).collect();
    assert_eq!(users, ["owner"]);
}

#[tokio::test]
async fn a_password_file_that_is_wrong_stops_the_start() {
    let temp = tidewaiter_db::testing::TempDb::new().await;
    let path = temp.directory.path().join("users");
    std::fs::write(&path, "# users\nowner:{SHA}x\n").expect("writes");
    let blobs = tidewaiter_registry::BlobStore::local(temp.directory.path()).await.expect("a store");
    let options = Options { htpasswd: Some(path), ..options() };
    let error =
        tidewaiter_registry::Registry::open(temp.db.clone(), blobs, options).await.expect_err("wrong");
    assert!(
        error.to_string().contains("users line 2: the password of \"owner\" is not hashed with bcrypt"),
        "{error}"
    );
}

#[tokio::test]
async fn system_scope_maps_allow_what_azure_says() {
    let guarded = Guarded::start(Anonymous::Nothing).await;
    guarded.image("app").await;
    let missing = Digest::sha256(b"missing");
    // Pull, push, delete, lists with attributes.
    for (map, allowed) in [
        ("_repositories_admin", [true, true, true, true]),
        ("_repositories_pull", [true, false, false, false]),
        ("_repositories_pull_metadata_read", [true, false, false, true]),
        ("_repositories_push", [true, true, false, false]),
        ("_repositories_push_metadata_write", [true, true, false, true]),
    ] {
        let name = map.trim_start_matches('_');
        guarded.tokens.create(name, map).await.expect("a token");
        let password =
            guarded.tokens.generate_password(name, Slot::Password1, None).await.expect("a password");
        let who = Some((name, password.as_str()));
        let bearer = guarded.access_token(who, "repository:app:*").await;
        let requests = [
            (Method::GET, "/v2/app/manifests/v1".to_owned(), StatusCode::OK),
            (Method::POST, "/v2/app/blobs/uploads/".to_owned(), StatusCode::ACCEPTED),
            (Method::DELETE, format!("/v2/app/manifests/{missing}"), StatusCode::NOT_FOUND),
            (Method::GET, "/acr/v1/app/_manifests".to_owned(), StatusCode::OK),
        ];
        for ((method, path, status), allowed) in requests.into_iter().zip(allowed) {
            let expected = if allowed { status } else { StatusCode::FORBIDDEN };
            let basic = guarded.send(method.clone(), &path, who).await;
            assert_eq!(basic.status(), expected, "{map} {method} {path}");
            let bearer = guarded.bearer(method.clone(), &path, &bearer).await;
            assert_eq!(bearer.status(), expected, "{map} {method} {path}");
        }
    }
}

#[tokio::test]
async fn what_is_no_credential_is_refused() {
    let guarded = Guarded::start(Anonymous::Pull).await;
    for value in ["Basic ?", "Basic", "Bearer", "Bearer a.b.c", "Digest x", "Basic YQ==", ""] {
        let request = guarded.server.request(Method::GET, "/v2/").header("Authorization", value);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{value}");
    }
    let twice =
        guarded.server.request(Method::GET, "/v2/").basic_auth(OWNER.0, Some(OWNER.1)).bearer_auth("x");
    assert_eq!(twice.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    let (name, password) = ("x".repeat(20_000), "y".repeat(20_000));
    let long = guarded.get("/v2/", Some((&name, &password))).await;
    assert!([StatusCode::UNAUTHORIZED, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE].contains(&long.status()));
}

#[tokio::test]
async fn tokens_and_scope_maps_are_managed() {
    let server = Server::start_with(Options { anonymous: Anonymous::Nothing, ..options() }).await;
    let (tokens, maps) = (server.registry.tokens(), server.registry.scope_maps());
    let rules = Rules::parse(&["repositories/app/content/read"]).expect("actions");
    maps.create("map", "one app", &rules).await.expect("creates");
    tokens.create("ci", "map").await.expect("creates");
    tokens.generate_password("ci", Slot::Password2, Some(i64::MAX)).await.expect("generates");
    let token = tokens.get("ci").await.expect("there");
    assert_eq!((token.scope_map.as_str(), token.enabled, token.passwords.len()), ("map", true, 1));
    assert_eq!((token.passwords[0].slot, token.passwords[0].expires_at), (Slot::Password2, Some(i64::MAX)));
    assert!(!token.passwords[0].is_expired(token.created_at));
    tokens.remove_password("ci", Slot::Password2).await.expect("removes");
    assert!(tokens.get("ci").await.expect("there").passwords.is_empty());
    let all = maps.list().await.expect("lists");
    let names: Vec<_> = all.iter().map(|map| (map.name.as_str(), map.is_system())).collect();
    assert_eq!(
        names,
        [
            ("_repositories_admin", true),
            ("_repositories_pull", true),
            ("_repositories_pull_metadata_read", true),
            ("_repositories_push", true),
            ("_repositories_push_metadata_write", true),
            ("map", false),
        ]
    );
    assert_eq!(maps.get("map").await.expect("there"), all[5]);

    let error =
        async |result: Result<(), tidewaiter_registry::Error>| result.expect_err("refused").to_string();
    assert_eq!(error(tokens.create("ci", "map").await).await, "there is a token named \"ci\" already");
    assert_eq!(error(tokens.create("x", "none").await).await, "there is no scope map named \"none\"");
    assert!(error(tokens.create("a b", "map").await).await.starts_with("\"a b\" cannot be a name"));
    assert_eq!(error(tokens.disable("x").await).await, "there is no token named \"x\"");
    assert_eq!(error(tokens.set_scope_map("ci", "none").await).await, "there is no scope map named \"none\"");
    let used = "the scope map \"map\" cannot be deleted: these tokens have it: ci";
    assert_eq!(error(maps.delete("map").await).await, used);
    let system = "_repositories_pull";
    assert!(error(maps.delete(system).await).await.contains("comes with the registry"));
    assert!(error(maps.update(system, "", &rules).await).await.contains("comes with the registry"));
    tokens.set_scope_map("ci", system).await.expect("sets");
    maps.delete("map").await.expect("deletes");
    tokens.delete("ci").await.expect("deletes");
    assert!(tokens.list().await.expect("lists").is_empty());
    assert_eq!(error(tokens.delete("ci").await).await, "there is no token named \"ci\"");
}
