//! CISA's catalogue of known exploited vulnerabilities (JSON schema 1.0).

use serde::Deserialize;

/// The catalogue.
#[derive(Debug, Deserialize)]
pub(crate) struct Catalogue {
    /// When it was published.
    #[serde(rename = "dateReleased")]
    pub(crate) released: Option<jiff::Timestamp>,
    pub(crate) vulnerabilities: Vec<Entry>,
}

/// One vulnerability that is known to be exploited.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    #[serde(rename = "cveID")]
    pub(crate) cve: String,
    /// `YYYY-MM-DD`.
    #[serde(rename = "dateAdded", default)]
    pub(crate) added: String,
    /// By when federal agencies must have acted, `YYYY-MM-DD`.
    #[serde(rename = "dueDate", default)]
    pub(crate) due: String,
    /// `Known` or `Unknown`.
    #[serde(rename = "knownRansomwareCampaignUse", default)]
    pub(crate) ransomware: String,
}

impl Catalogue {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}
