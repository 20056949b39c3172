//! Credentials files as Docker, Podman and people write them, and helper programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tidewaiter_oci::ErrorKind;
use tidewaiter_oci::credentials::{
    Credential, CredentialSource as _, RepositoryCredentials, Store, StoreSettings,
};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

fn file(directory: &Path, name: &str, content: &Value) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, content.to_string()).expect("it can be written");
    path
}

fn store(files: &[&Path]) -> Store {
    Store::new(StoreSettings::new(files.iter().map(|path| path.to_path_buf()).collect()))
}

#[tokio::test]
async fn credentials_are_found_under_every_spelling() {
    let directory = directory();
    let path = file(
        directory.path(),
        "config.json",
        &json!({ "auths": {
            "plain.example": { "auth": "dTpwOnc=" },
            "unpadded.example": { "auth": "dTpwOnc" },
            "https://scheme.example/v1/": { "auth": "dTpw" },
            "http://port.example:5000": { "username": "u", "password": "p" },
            "https://quay.example/organisation": { "auth": "dTpw" },
            "token.example": { "auth": "dTpw", "identitytoken": "refresh" },
            "access.example": { "registrytoken": "access" },
            "https://index.docker.io/v1/": { "auth": "dTpw" },
            "empty.example": {},
        } }),
    );
    let store = store(&[&path]);
    let check = async |registry: &str, expected: Credential| {
        assert_eq!(store.get(registry, None).await.expect("readable"), expected, "{registry}");
    };
    let password = || Credential::password("u", "p");
    check("plain.example", Credential::password("u", "p:w")).await;
    check("unpadded.example", Credential::password("u", "p:w")).await;
    for registry in
        ["scheme.example", "port.example:5000", "quay.example", "docker.io", "registry-1.docker.io"]
    {
        check(registry, password()).await;
    }
    check("token.example", Credential { identity_token: "refresh".to_owned(), ..password() }).await;
    check("access.example", Credential { registry_token: "access".to_owned(), ..Credential::default() })
        .await;
    for registry in ["empty.example", "port.example", "example", "v1"] {
        check(registry, Credential::default()).await;
    }
    assert!(store.is_used().expect("readable"));
}

/// containers-auth.json(5): the longest path that leads to the repository wins.
#[tokio::test]
async fn a_part_of_a_registry_has_its_own_credential() {
    let directory = directory();
    let auth = |user: &str| json!({ "username": user, "password": "p" });
    let path = file(
        directory.path(),
        "auth.json",
        &json!({ "auths": {
            "r.example/team-a": auth("alice"),
            "r.example/team-b": auth("bob"),
            "r.example/team-b/secret": auth("eve"),
            "other.example": auth("olga"),
            "other.example/team": auth("oscar"),
            "docker.io/mine": auth("mia"),
        } }),
    );
    for (registry, repository, expected) in [
        ("r.example", Some("team-a/app"), "alice"),
        ("r.example", Some("team-b/app"), "bob"),
        ("r.example", Some("team-b"), "bob"),
        ("r.example", Some("team-b/secret/app"), "eve"),
        ("r.example", Some("team-bb/app"), ""),
        ("r.example", None, ""),
        ("other.example", Some("team/app"), "oscar"),
        ("other.example", Some("else"), "olga"),
        ("other.example", None, "olga"),
        ("docker.io", Some("mine/app"), "mia"),
    ] {
        let found = store(&[&path]).get(registry, repository).await.expect("readable");
        assert_eq!(found.username, expected, "{registry} {repository:?}");
    }
    let for_app = RepositoryCredentials::new(store(&[&path]), "r.example", "team-a/app");
    assert_eq!(for_app.credential("r.example").await.expect("readable").username, "alice");
    assert_eq!(for_app.credential("other.example").await.expect("readable").username, "olga");
    assert!(store(&[&path]).erase("other.example").await.expect("erased"));
    let left = std::fs::read_to_string(&path).expect("readable");
    assert!(left.contains("other.example/team") && !left.contains("olga"), "{left}");
}

#[tokio::test]
async fn podmans_docker_hub_is_found() {
    let directory = directory();
    let path = file(directory.path(), "auth.json", &json!({ "auths": { "docker.io": { "auth": "dTpw" } } }));
    let found = store(&[&path]).get("registry-1.docker.io", None).await.expect("readable");
    assert_eq!(found, Credential::password("u", "p"));
}

#[tokio::test]
async fn the_first_file_is_written_and_the_others_are_read() {
    let directory = directory();
    let first = directory.path().join("new/config.json");
    let second =
        file(directory.path(), "auth.json", &json!({ "auths": { "b.example": { "auth": "dTpw" } } }));
    let store = store(&[&first, &second]);
    assert!(!first.exists());
    assert_eq!(store.get("b.example", None).await.expect("readable").username, "u");
    let before = std::fs::read(&second).expect("it is there");
    store.store("a.example", &Credential::password("x", "y")).await.expect("written");
    assert_eq!(store.get("a.example", None).await.expect("readable"), Credential::password("x", "y"));
    assert!(store.erase("a.example").await.expect("written"));
    assert!(!store.erase("a.example").await.expect("nothing to do"));
    assert!(!store.erase("b.example").await.expect("not in the first file"));
    assert_eq!(std::fs::read(&second).expect("it is there"), before);
}

#[tokio::test]
async fn a_saved_file_is_private_and_keeps_what_others_put_in() {
    let directory = directory();
    let path = file(
        directory.path(),
        "config.json",
        &json!({ "HttpHeaders": { "a": "b" }, "auths": { "old.example": { "email": "e" } } }),
    );
    let link = directory.path().join("link.json");
    std::os::unix::fs::symlink(&path, &link).expect("links can be made");
    let store = store(&[&link]);
    store.store("docker.io", &Credential::password("u", "p")).await.expect("written");
    let text = std::fs::read_to_string(&path).expect("it is there");
    let expected = r#"{
	"HttpHeaders": {
		"a": "b"
	},
	"auths": {
		"https://index.docker.io/v1/": {
			"auth": "dTpw"
		},
		"old.example": {
			"email": "e"
		}
	}
}"#;
    assert_eq!(text, expected);
    assert!(link.is_symlink());
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let names = std::fs::read_dir(directory.path()).expect("it is there").count();
    assert_eq!(names, 2, "nothing is left beside it");

    let token = Credential::identity_token("t");
    store.store("t.example", &token).await.expect("written");
    assert_eq!(store.get("t.example", None).await.expect("readable"), token);
    let colon = store.store("c.example", &Credential::password("a:b", "p")).await;
    assert_eq!(colon.expect_err("it could not be read back").kind(), ErrorKind::Config);
}

#[tokio::test]
async fn broken_files_are_errors_that_name_them() {
    let directory = directory();
    let path = directory.path().join("config.json");
    for (text, reason) in [
        ("{", "EOF"),
        ("[]", "no JSON object"),
        (r#"{"auths":{"a.example":{"auth":"!"}}}"#, "is not base64"),
        (r#"{"auths":{"a.example":{"auth":"dQ=="}}}"#, "no colon"),
    ] {
        std::fs::write(&path, text).expect("it can be written");
        let error = store(&[&path]).get("a.example", None).await.expect_err("broken");
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()) && text.contains(reason), "{text}");
    }
    std::fs::write(&path, "").expect("it can be written");
    assert!(store(&[&path]).get("a.example", None).await.expect("an empty file is no credential").is_empty());
}

/// A helper that keeps one credential in a file, as the protocol wants it.
const HELPER: &str = r#"#!/bin/sh
kept="$(dirname "$0")/kept"
case "$1" in
store) cat > "$kept" ;;
erase) cat > /dev/null; rm -f "$kept" ;;
get)
    cat > "$(dirname "$0")/asked"
    if [ -f "$kept" ]; then cat "$kept"; else echo "credentials not found in native keychain"; exit 1; fi ;;
esac
"#;

/// A store whose helper, called `test`, is this script.
fn with_helper(directory: &Path, script: &str, config: &Value, helper_timeout: Duration) -> Store {
    use std::os::unix::fs::PermissionsExt as _;
    let program = directory.join("docker-credential-test");
    let source = directory.join("script");
    std::fs::write(&source, script).expect("it can be written");
    std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    // Copied by somebody else: a program cannot be started while it is open for writing, and what this process
    // has open, other tests' children inherit for a moment.
    let copied = std::process::Command::new("cp").arg(&source).arg(&program).status().expect("cp is there");
    assert!(copied.success());
    let path = file(directory, "config.json", config);
    let search = format!("{}:/usr/bin:/bin", directory.display());
    Store::new(StoreSettings {
        helper_path: Some(search.into()),
        helper_timeout,
        ..StoreSettings::new(vec![path])
    })
}

#[tokio::test]
async fn helpers_keep_give_and_forget() {
    for config in [json!({ "credsStore": "test" }), json!({ "credHelpers": { "docker.io": "test" } })] {
        let directory = directory();
        let store = with_helper(directory.path(), HELPER, &config, Duration::from_secs(20));
        assert!(store.get("docker.io", None).await.expect("not found is no error").is_empty());
        for credential in [Credential::password("u", "p"), Credential::identity_token("t")] {
            store.store("docker.io", &credential).await.expect("kept");
            assert_eq!(store.get("docker.io", None).await.expect("given"), credential);
        }
        let asked = std::fs::read_to_string(directory.path().join("asked")).expect("it was asked");
        assert_eq!(asked, "https://index.docker.io/v1/");
        let kept = std::fs::read_to_string(directory.path().join("kept")).expect("it was kept");
        assert_eq!(kept, r#"{"ServerURL":"https://index.docker.io/v1/","Username":"<token>","Secret":"t"}"#);
        assert!(store.erase("docker.io").await.expect("forgotten"));
        assert!(store.get("docker.io", None).await.expect("not found is no error").is_empty());
        let config_after = std::fs::read_to_string(directory.path().join("config.json")).expect("there");
        assert_eq!(config_after, config.to_string(), "the file has no part in it");
    }
}

#[tokio::test]
async fn helpers_that_fail_are_named() {
    let config = json!({ "credsStore": "test" });
    let check = async |script: &str, timeout: Duration, reason: &str| {
        let directory = directory();
        let store = with_helper(directory.path(), script, &config, timeout);
        let error = store.get("a.example", None).await.expect_err("it fails");
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        let expected =
            "credential helper \"docker-credential-test\" failed to get credentials for a.example: ";
        assert!(text.starts_with(expected) && text.contains(reason), "{text}");
    };
    let enough = Duration::from_secs(20);
    check("#!/bin/sh\necho locked >&2; exit 1\n", enough, "locked").await;
    check("#!/bin/sh\nexit 3\n", enough, "exit status: 3").await;
    check("#!/bin/sh\necho nonsense\n", enough, "not JSON").await;
    check("#!/bin/sh\nexec cat /dev/zero\n", enough, "more than").await;
    check("#!/bin/sh\nexec sleep 1000\n", Duration::from_millis(50), "did not answer").await;
    check("#!/no/such/interpreter\n", enough, "not installed").await;
}

#[tokio::test]
async fn a_missing_helper_says_what_to_do() {
    let directory = directory();
    let path = file(directory.path(), "config.json", &json!({ "credsStore": "no-such-helper" }));
    let error = store(&[&path]).get("a.example", None).await.expect_err("not there");
    assert!(error.to_string().contains("install it, or remove it"), "{error}");
}
