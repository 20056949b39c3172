//! Writing an inventory down for others: as a CycloneDX document, and as a plain list.
//!
//! The same inventory gives the same bytes. Names, times and serial numbers are handed in ([`Subject`]).

pub mod cyclonedx;
pub mod list;

/// What a document says about itself and about the image it describes, beyond what the inventory knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The image or directory as the reader of the document knows it, for example `registry.test/app:1.2`.
    pub name: String,
    /// Digest of the image manifest, `algorithm:hex`, when there is one.
    pub digest: Option<String>,
    /// When the document is written, RFC 3339. Left out when absent, which keeps documents comparable.
    pub timestamp: Option<String>,
    /// `urn:uuid:…` for this very document. Left out when absent.
    pub serial_number: Option<String>,
    /// Version of the program that writes.
    pub tool_version: String,
}
