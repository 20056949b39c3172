//! Images in a container engine on this machine: Docker's, or Podman's, over the API they share (Docker Engine API,
//! "Images"; no version in the path, which every engine takes as its newest).
//!
//! An engine hands out an image as `docker save` does. That stream cannot be gone back in, so it is put into a
//! temporary file, which is gone as soon as it is read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;

use crate::archive::Archive;
use crate::error::{Error, Result};

/// How long an engine that is there may take to say so.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is not an image.
const MAX_ANSWER: usize = 64 << 20;

/// An engine that can be asked.
#[derive(Debug, Clone)]
pub struct Engine {
    http: reqwest::Client,
    /// What URLs begin with; the host means nothing for a socket.
    base: String,
    /// Where it is, for people.
    address: String,
}

/// An image as the list of an engine has it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    created: i64,
    repo_tags: Option<Vec<String>>,
}

/// An image of an engine, spooled.
pub struct SavedImage {
    /// What the engine handed out.
    pub archive: Archive,
    /// Deletes the file when nothing reads the image any more.
    _file: tempfile::TempPath,
}

impl Engine {
    /// The engine at an address as `DOCKER_HOST` has it: `unix:///run/docker.sock` or `tcp://host:port` (without TLS).
    pub fn at(address: &str) -> Result<Self> {
        match address.split_once("://") {
            Some(("unix", path)) => Self::on_socket(Path::new(path)),
            Some(("tcp" | "http", host)) => {
                let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy().build();
                let base = format!("http://{}", host.trim_end_matches('/'));
                Ok(Self {
                    http: http.map_err(|error| failed(address, &error))?,
                    base,
                    address: address.to_owned(),
                })
            }
            _ => Err(failed(address, &"only unix:// and tcp:// addresses can be reached")),
        }
    }

    /// The engine behind a socket.
    pub fn on_socket(path: &Path) -> Result<Self> {
        let address = format!("unix://{}", path.display());
        let http = reqwest::Client::builder().unix_socket(PathBuf::from(path)).build();
        let http = http.map_err(|error| failed(&address, &error))?;
        Ok(Self { http, base: "http://engine".to_owned(), address })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The image that was made last, by its name if it has one, else by its ID. None when it has no images.
    pub async fn newest(&self) -> Result<Option<String>> {
        let Some(answer) = self.get("/images/json").await? else { return Ok(None) };
        let bytes = self.small(answer).await?;
        let mut listed: Vec<Listed> = serde_json::from_slice(&bytes)
            .map_err(|error| self.failed(&format!("its list of images is damaged: {error}")))?;
        listed.sort_by_key(|image| image.created);
        let name = |image: Listed| {
            let tags = image.repo_tags.unwrap_or_default().into_iter();
            tags.filter(|tag| !tag.starts_with("<none>")).min().unwrap_or(image.id)
        };
        Ok(listed.pop().map(name))
    }

    /// An image by name or ID. None when the engine has no such image. The file goes into `directory`.
    pub async fn save(&self, name: &str, directory: &Path) -> Result<Option<SavedImage>> {
        // Asked first: some engines begin an answer to `get` before they know.
        if self.get(&format!("/images/{name}/json")).await?.is_none() {
            return Ok(None);
        }
        let Some(answer) = self.get(&format!("/images/{name}/get")).await? else { return Ok(None) };
        let file = tempfile::Builder::new().prefix("tidewaiter-").suffix(".tar").tempfile_in(directory);
        let (file, path) = file.map_err(Error::file("create", directory))?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let mut stream = answer.bytes_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| self.failed(&error))?;
            file.write_all(&piece).await.map_err(Error::file("write", &path))?;
        }
        file.flush().await.map_err(Error::file("write", &path))?;
        Ok(Some(SavedImage { archive: Archive::open(path.to_path_buf()).await?, _file: path }))
    }

    /// An answer; none when there is no such thing.
    async fn get(&self, path: &str) -> Result<Option<Response>> {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await;
        let answer = answer.map_err(|error| self.failed(&error))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer)),
            status => {
                let text = String::from_utf8_lossy(&self.small(answer).await?).trim().to_owned();
                Err(self.failed(&format!("{status}: {text}")))
            }
        }
    }

    async fn small(&self, answer: Response) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut stream = answer.bytes_stream();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece.map_err(|error| self.failed(&error))?);
            if bytes.len() > MAX_ANSWER {
                return Err(self.failed(&"its answer is too long"));
            }
        }
        Ok(bytes)
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> Error {
        failed(&self.address, reason)
    }
}

fn failed(address: &str, reason: &dyn std::fmt::Display) -> Error {
    Error::Engine { address: address.to_owned(), reason: reason.to_string() }
}
