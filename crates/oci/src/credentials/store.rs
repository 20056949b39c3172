//! Credentials in several places, in the order in which ORAS and Docker look: a registry's own helper, the
//! general helper, the file itself; then the same in the next file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::credentials::file::{ConfigFile, key_of};
use crate::credentials::helper::Helper;
use crate::credentials::{Credential, CredentialSource};
use crate::error::{Error, Result};

/// Where credentials are kept.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Credentials files, in the order in which they are read. The first is the one that is written; the
    /// others are only read. They need not exist.
    pub files: Vec<PathBuf>,
    /// How long a helper program may take.
    pub helper_timeout: Duration,
    /// Search path for helper programs, where it is not the process's own.
    pub helper_path: Option<OsString>,
}

impl StoreSettings {
    /// These files, and helpers that may take a minute: they may ask the user something.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self { files, helper_timeout: Duration::from_secs(60), helper_path: None }
    }
}

/// Reads and writes credentials. Files are read anew each time: other programs write them too.
#[derive(Debug, Clone)]
pub struct Store {
    settings: StoreSettings,
}

impl Store {
    /// A store over these files.
    #[must_use]
    pub fn new(settings: StoreSettings) -> Self {
        Self { settings }
    }

    /// The file that is written, for messages.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.settings.files.first().map(PathBuf::as_path)
    }

    /// The credential of a registry as references name it, or of a repository of it where files are that detailed;
    /// an empty one when there is none.
    pub async fn get(&self, registry: &str, repository: Option<&str>) -> Result<Credential> {
        let key = key_of(registry);
        for path in &self.settings.files {
            let file = ConfigFile::read(path)?;
            let found = match file.helper(key) {
                Some(helper) => self.helper(helper).get(key).await?,
                None => file.credential(key, repository)?,
            };
            if let Some(credential) = found.filter(|credential| !credential.is_empty()) {
                return Ok(credential);
            }
        }
        Ok(Credential::default())
    }

    /// Keeps a credential, with the helper that the first file names, else in that file.
    pub async fn store(&self, registry: &str, credential: &Credential) -> Result<()> {
        let key = key_of(registry);
        let mut file = self.first()?;
        match file.helper(key) {
            Some(helper) => self.helper(helper).store(key, credential).await,
            None => file.store(key, credential),
        }
    }

    /// Forgets a registry's credential, in the first file and its helper. `false` when none was in the file.
    pub async fn erase(&self, registry: &str) -> Result<bool> {
        let key = key_of(registry);
        let mut file = self.first()?;
        if let Some(helper) = file.helper(key) {
            self.helper(helper).erase(key).await?;
            // An entry in the file itself is older than the helper.
            file.erase(key)?;
            return Ok(true);
        }
        file.erase(key)
    }

    /// Some file names a credential or a helper.
    pub fn is_used(&self) -> Result<bool> {
        for path in &self.settings.files {
            if ConfigFile::read(path)?.is_used() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn first(&self) -> Result<ConfigFile> {
        let path = self.path().ok_or_else(|| Error::Config {
            what: "credentials".to_owned(),
            reason: "there is no file to keep them in; name one".to_owned(),
        })?;
        ConfigFile::read(path)
    }

    fn helper(&self, suffix: &str) -> Helper {
        Helper::new(suffix, self.settings.helper_timeout, self.settings.helper_path.clone())
    }
}

#[async_trait]
impl CredentialSource for Store {
    async fn credential(&self, host: &str) -> Result<Credential> {
        self.get(host, None).await
    }
}

/// A store that is asked on behalf of one repository.
#[derive(Debug, Clone)]
pub struct RepositoryCredentials {
    store: Store,
    registry: String,
    repository: String,
}

impl RepositoryCredentials {
    /// For a repository of a registry as references name it.
    #[must_use]
    pub fn new(store: Store, registry: &str, repository: &str) -> Self {
        Self { store, registry: key_of(registry).to_owned(), repository: repository.to_owned() }
    }
}

#[async_trait]
impl CredentialSource for RepositoryCredentials {
    async fn credential(&self, host: &str) -> Result<Credential> {
        let repository = (key_of(host) == self.registry).then_some(self.repository.as_str());
        self.store.get(host, repository).await
    }
}
