//! What *resolve* and *analyse* jobs are about: a manifest of the embedded registry.

use serde::{Deserialize, Serialize};
use tidewaiter_db::jobs::Job;
use tidewaiter_oci::content::Resolve as _;
use tidewaiter_oci::{Manifest, RepositoryName};

use crate::Platform;
use crate::error::{Error, Result};

/// A manifest in a repository.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ManifestPayload {
    /// Repository of the embedded registry.
    pub(super) repository: String,
    /// Digest of the manifest.
    pub(super) digest: String,
}

impl ManifestPayload {
    /// Reads a job's payload.
    pub(super) fn of(job: &Job) -> Result<Self> {
        serde_json::from_str(&job.payload)
            .map_err(|source| Error::DecodeColumn { what: "the payload of a job", source })
    }

    /// The payload of a new job.
    pub(super) fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The repository's name.
    pub(super) fn name(&self) -> Result<RepositoryName> {
        let name = self.repository.parse();
        name.map_err(|source| Error::Content(tidewaiter_oci::Error::reference(&self.repository, source)))
    }

    /// The manifest; absent when it has been deleted since.
    pub(super) async fn fetch(&self, platform: &Platform) -> Result<Option<Manifest>> {
        match platform.registry.repository(&self.name()?).fetch_reference(&self.digest).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
