//! Credential helper programs: `docker-credential-<name> get|store|erase`, with JSON over stdin and stdout.

use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::credentials::Credential;
use crate::error::{Error, Result};

/// The most a helper may print, in bytes.
const MAX_OUTPUT: u64 = 256 * 1024;

/// The user name by which helpers mark an identity token.
const TOKEN_USER: &str = "<token>";

/// What helpers print when they know nothing; the only error that is none.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// A helper program.
#[derive(Debug, Clone)]
pub(super) struct Helper {
    /// Name or path of the program.
    program: String,
    timeout: Duration,
    /// Search path for the program; the process's own when absent.
    path: Option<std::ffi::OsString>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "ServerURL", default, skip_serializing_if = "String::is_empty")]
    server_url: String,
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

impl Helper {
    /// The helper with this suffix.
    pub(super) fn new(suffix: &str, timeout: Duration, path: Option<std::ffi::OsString>) -> Self {
        Self { program: format!("docker-credential-{suffix}"), timeout, path }
    }

    /// What it knows of a registry.
    pub(super) async fn get(&self, host: &str) -> Result<Option<Credential>> {
        let output = match self.run("get", host, host.as_bytes()).await {
            Ok(output) => output,
            Err(Error::CredentialHelper { reason, .. }) if reason.contains(NOT_FOUND) => return Ok(None),
            Err(error) => return Err(error),
        };
        let entry: Entry = serde_json::from_slice(&output)
            .map_err(|error| self.failed("get", host, format!("its answer is not JSON: {error}")))?;
        let Entry { username, secret, .. } = entry;
        Ok(Some(if username == TOKEN_USER {
            Credential::identity_token(secret)
        } else {
            Credential::password(username, secret)
        }))
    }

    /// Gives it a credential to keep.
    pub(super) async fn store(&self, host: &str, credential: &Credential) -> Result<()> {
        let (username, secret) = if credential.identity_token.is_empty() {
            (credential.username.clone(), credential.password.clone())
        } else {
            (TOKEN_USER.to_owned(), credential.identity_token.clone())
        };
        let entry = Entry { server_url: host.to_owned(), username, secret };
        let input = serde_json::to_vec(&entry).expect("strings serialise");
        self.run("store", host, &input).await.map(drop)
    }

    /// Has it forget a registry.
    pub(super) async fn erase(&self, host: &str) -> Result<()> {
        match self.run("erase", host, host.as_bytes()).await {
            Err(Error::CredentialHelper { reason, .. }) if reason.contains(NOT_FOUND) => Ok(()),
            result => result.map(drop),
        }
    }

    fn failed(&self, operation: &'static str, host: &str, reason: String) -> Error {
        Error::CredentialHelper { helper: self.program.clone(), operation, host: host.to_owned(), reason }
    }

    async fn run(&self, operation: &'static str, host: &str, input: &[u8]) -> Result<Vec<u8>> {
        match tokio::time::timeout(self.timeout, self.talk(operation, input)).await {
            Ok(result) => result.map_err(|reason| self.failed(operation, host, reason)),
            Err(_) => {
                let seconds = self.timeout.as_secs();
                Err(self.failed(operation, host, format!("it did not answer within {seconds} seconds")))
            }
        }
    }

    /// One run of the program; the error is what to tell the user.
    async fn talk(&self, operation: &str, input: &[u8]) -> Result<Vec<u8>, String> {
        let mut command = tokio::process::Command::new(&self.program);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        let mut child = command
            .arg(operation)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "the program is not installed or not in the search path; install it, or remove it from \
                     the credentials file"
                        .to_owned()
                }
                _ => format!("it cannot be started: {error}"),
            })?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A helper that does not read its input may still do its work.
                let _ = stdin.write_all(input).await;
            }
        };
        let ((), output, errors) = tokio::join!(feed, read_bounded(stdout), read_bounded(stderr));
        let (output, errors) = (output?, errors?);
        let status = child.wait().await.map_err(|error| error.to_string())?;
        if status.success() {
            return Ok(output);
        }
        // Helpers print their errors on either.
        let words = [output, errors].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let words = words.into_iter().find(|words| !words.is_empty());
        Err(words.unwrap_or_else(|| format!("it ended with {status}")))
    }
}

async fn read_bounded(stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(MAX_OUTPUT + 1).read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    }
    if bytes.len() as u64 > MAX_OUTPUT {
        return Err(format!("it printed more than {MAX_OUTPUT} bytes"));
    }
    Ok(bytes)
}
