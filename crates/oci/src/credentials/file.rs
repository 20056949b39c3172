//! Docker's `config.json` and Podman's `auth.json`: reading, and writing back without losing what others put
//! in.
//!
//! Follows what Docker, ORAS and Podman do: `auths` by registry, with `auth` (base64 of `user:password`),
//! `identitytoken`, `registrytoken`, and the older `username` and `password`; `credHelpers`; `credsStore`.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Serialize as _;
use serde_json::{Map, Value};

use crate::credentials::Credential;
use crate::error::{Error, Result};

/// The key that Docker files Docker Hub's credentials under.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The largest credentials file read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// A credentials file, read.
#[derive(Debug, Clone)]
pub(super) struct ConfigFile {
    path: PathBuf,
    /// Everything in it, known or not.
    members: Map<String, Value>,
}

impl ConfigFile {
    /// Reads a file; one that does not exist is an empty one.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let failed = |source| Error::File { operation: "read", path: path.to_owned(), source };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), members: Map::new() });
            }
            Err(error) => return Err(failed(error)),
        };
        let mut text = String::new();
        file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_FILE {
            return Err(invalid(path, "it is larger than 4 MiB; is it a credentials file?"));
        }
        if text.trim().is_empty() {
            return Ok(Self { path: path.to_owned(), members: Map::new() });
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(members)) => Ok(Self { path: path.to_owned(), members }),
            Ok(_) => Err(invalid(path, "it holds no JSON object")),
            Err(error) => Err(invalid(path, &error.to_string())),
        }
    }

    /// The helper program for a registry: its own, else the general one. Only the suffix of its name.
    pub(super) fn helper(&self, key: &str) -> Option<&str> {
        let helpers = self.members.get("credHelpers").and_then(Value::as_object);
        let own = helpers.and_then(|helpers| find(helpers, key));
        let general = self.members.get("credsStore");
        [own, general].into_iter().flatten().filter_map(Value::as_str).find(|name| !name.is_empty())
    }

    /// Credentials are kept in some way here.
    pub(super) fn is_used(&self) -> bool {
        ["auths", "credHelpers"].iter().any(|name| {
            self.members.get(*name).and_then(Value::as_object).is_some_and(|members| !members.is_empty())
        }) || self.members.get("credsStore").and_then(Value::as_str).is_some_and(|name| !name.is_empty())
    }

    /// The credential for a repository of the registry under this key, or for the whole registry: the one under the
    /// longest path that leads to the repository (containers-auth.json(5)), else under exactly this key, else under
    /// one that names the same registry in another way.
    pub(super) fn credential(&self, key: &str, repository: Option<&str>) -> Result<Option<Credential>> {
        let Some(auths) = self.members.get("auths").and_then(Value::as_object) else { return Ok(None) };
        let host = if key == DOCKER_HUB_KEY { "docker.io" } else { key };
        let mut path = repository.unwrap_or_default();
        while !path.is_empty() {
            let scoped = format!("{host}/{path}");
            if let Some(entry) = auths.get(&scoped) {
                return self.parse(&scoped, entry).map(Some);
            }
            path = path.rsplit_once('/').map_or("", |(above, _)| above);
        }
        find(auths, key).map(|entry| self.parse(key, entry)).transpose()
    }

    fn parse(&self, key: &str, entry: &Value) -> Result<Credential> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut credential = Credential {
            username: text("username"),
            password: text("password"),
            identity_token: text("identitytoken"),
            registry_token: text("registrytoken"),
        };
        let auth = text("auth");
        if !auth.is_empty() {
            let broken = |reason: &str| {
                invalid(&self.path, &format!("the auth of \"{key}\" {reason}; log in again to replace it"))
            };
            let decoded = STANDARD
                .decode(&auth)
                .or_else(|_| STANDARD_NO_PAD.decode(&auth))
                .map_err(|_| broken("is not base64"))?;
            let decoded = String::from_utf8(decoded).map_err(|_| broken("is not text"))?;
            let (username, password) =
                decoded.split_once(':').ok_or_else(|| broken("has no colon between user and password"))?;
            username.clone_into(&mut credential.username);
            // Docker once wrote the password with zero bytes at its end.
            password.trim_end_matches('\0').clone_into(&mut credential.password);
        }
        Ok(credential)
    }

    /// Puts a credential under a key and saves the file.
    pub(super) fn store(&mut self, key: &str, credential: &Credential) -> Result<()> {
        if credential.username.contains(':') {
            return Err(Error::Config {
                what: "user name".to_owned(),
                reason: "it has a colon, which credentials files cannot hold".to_owned(),
            });
        }
        let mut entry = Map::new();
        let mut put = |name: &str, value: &str| {
            if !value.is_empty() {
                entry.insert(name.to_owned(), Value::from(value));
            }
        };
        if !credential.username.is_empty() || !credential.password.is_empty() {
            put("auth", &STANDARD.encode(format!("{}:{}", credential.username, credential.password)));
        }
        put("identitytoken", &credential.identity_token);
        put("registrytoken", &credential.registry_token);
        let auths = self.members.entry("auths").or_insert_with(|| Value::Object(Map::new()));
        let Some(auths) = auths.as_object_mut() else {
            return Err(invalid(&self.path, "its \"auths\" is not an object"));
        };
        auths.insert(key.to_owned(), Value::Object(entry));
        self.save()
    }

    /// Removes what is under a key, or under one that names the same host. `false` when there was nothing.
    pub(super) fn erase(&mut self, key: &str) -> Result<bool> {
        let Some(auths) = self.members.get_mut("auths").and_then(Value::as_object_mut) else {
            return Ok(false);
        };
        let before = auths.len();
        auths.retain(|own, _| !means(own, key));
        if auths.len() == before {
            return Ok(false);
        }
        self.save()?;
        Ok(true)
    }

    /// Writes beside the file and renames, so that nobody ever reads half of it.
    fn save(&self) -> Result<()> {
        // A link (dotfiles kept elsewhere) stays a link.
        let target = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let failed = |source| Error::File { operation: "write", path: target.clone(), source };
        let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(directory) = directory {
            create_private_directory(directory).map_err(failed)?;
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let beside = target.with_file_name(format!(".{name}.{:016x}", rand::random::<u64>()));
        let written = write_private(&beside, &self.text()).and_then(|()| std::fs::rename(&beside, &target));
        written.map_err(|error| {
            // The first failure is the one to report.
            let _ = std::fs::remove_file(&beside);
            failed(error)
        })
    }

    /// As Docker writes it: indented by tabs.
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        self.members.serialize(&mut serializer).expect("a JSON value serialises into memory");
        text
    }
}

/// The member under exactly this key, else the first under one that means the same registry.
fn find<'a>(members: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    members.get(key).or_else(|| members.iter().find(|(own, _)| means(own, key)).map(|(_, value)| value))
}

/// A key as people and programs write it (`https://registry.example/v1/`) means the registry filed under `key`. One
/// with a path and without a scheme is for a part of the registry.
fn means(own: &str, key: &str) -> bool {
    let url = own.strip_prefix("https://").or_else(|| own.strip_prefix("http://"));
    let (host, path) = url.unwrap_or(own).split_once('/').unwrap_or((url.unwrap_or(own), ""));
    let whole = url.is_some() || matches!(path, "" | "v1" | "v1/" | "v2" | "v2/");
    own == key || (whole && key_of(host) == key)
}

/// The key that a registry is filed under.
pub(super) fn key_of(registry: &str) -> &str {
    match registry {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB_KEY,
        other => other,
    }
}

fn invalid(path: &Path, reason: &str) -> Error {
    Error::Config { what: format!("credentials file {}", path.display()), reason: reason.to_owned() }
}

#[cfg(unix)]
fn create_private_directory(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn create_private_directory(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)
}

/// A new file that only its owner may read.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
