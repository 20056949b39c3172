//! Inventories as documents: writing one down for others, and reading what we or others wrote.
//!
//! The same inventory gives the same bytes. Names, times and serial numbers are handed in ([`Subject`]). What we
//! wrote ourselves gives the same inventory again, in every format.

pub mod cyclonedx;
mod license;
pub mod list;
mod properties;
mod reading;
pub mod scout;
pub mod spdx;
mod syft;

use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::model::Inventory;

/// What a document says about itself and about the image it describes, beyond what the inventory knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The image or directory as the reader of the document knows it, for example `registry.test/app:1.2`.
    pub name: String,
    /// Digest of the image manifest, `algorithm:hex`, when there is one.
    pub digest: Option<String>,
    /// Tags it is known under.
    pub tags: Vec<String>,
    /// The manifest as stored; empty when there is none.
    pub manifest: Vec<u8>,
    /// The image configuration as stored; empty when there is none.
    pub config: Vec<u8>,
    /// When the document is written, RFC 3339. Left out when absent, which keeps documents comparable.
    pub timestamp: Option<String>,
    /// `urn:uuid:…` for this very document. Left out when absent.
    pub serial_number: Option<String>,
    /// Version of the program that writes.
    pub tool_version: String,
}

impl Subject {
    /// What tells this document from all others: its serial number, or a UUID (RFC 9562, version 8) of what it
    /// says of itself.
    fn identity(&self) -> String {
        if let Some(number) = &self.serial_number {
            return number.clone();
        }
        let mut said = ring::digest::Context::new(&ring::digest::SHA256);
        let parts =
            [Some(&self.name), self.digest.as_ref(), self.timestamp.as_ref(), Some(&self.tool_version)];
        for part in parts {
            said.update(part.map(String::as_bytes).unwrap_or_default());
            said.update(&[0]);
        }
        uuid(said.finish().as_ref())
    }
}

/// The first sixteen bytes as `urn:uuid:…`.
fn uuid(bytes: &[u8]) -> String {
    let mut number = bytes.iter().take(16).fold(0_u128, |number, &byte| (number << 8) | u128::from(byte));
    number &= !(0xf << 76) & !(0x3 << 62);
    number |= (8 << 76) | (2 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("urn:uuid:{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// The forms that an inventory is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The JSON of Docker Scout.
    Json,
    /// A line a package.
    List,
    /// SPDX 2.3 as JSON.
    Spdx,
    /// CycloneDX 1.6 as JSON.
    Cyclonedx,
}

/// The text names no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are the formats json, list, spdx and cyclonedx")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "json" => Ok(Self::Json),
            "list" => Ok(Self::List),
            "spdx" => Ok(Self::Spdx),
            "cyclonedx" => Ok(Self::Cyclonedx),
            _ => Err(UnknownFormat),
        }
    }
}

impl Format {
    /// Writes the document.
    #[must_use]
    pub fn write(self, inventory: &Inventory, subject: &Subject) -> Vec<u8> {
        match self {
            Self::Json => scout::write(inventory, subject),
            Self::List => list::write(inventory).into(),
            Self::Spdx => spdx::write(inventory, subject),
            Self::Cyclonedx => cyclonedx::write(inventory, subject),
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::List => "text/plain; charset=utf-8",
            Self::Spdx => "application/spdx+json",
            Self::Cyclonedx => "application/vnd.cyclonedx+json",
        }
    }
}

/// A document that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// What it says about itself and the image.
    pub subject: Subject,
    /// What it says is in the image.
    pub inventory: Inventory,
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadSbomError {
    /// It is in no form that we know.
    #[error(
        "it is no SBOM that can be read: SPDX 2.2 and 2.3 (JSON), CycloneDX (JSON, XML), the JSON of Scout and of syft, \
         and in-toto statements about one of them can be"
    )]
    Unknown,
    /// It begins like one and then is damaged.
    #[error("the SBOM is damaged: {0}")]
    Damaged(String),
}

/// Statements within envelopes within statements that are followed.
const MAX_WRAPS: usize = 4;

/// Reads a document of any form, which its content tells: SPDX, CycloneDX, Scout's and syft's JSON, and in-toto
/// statements and DSSE envelopes around them.
///
/// # Errors
/// When it is none, or cannot be parsed at all. Packages that cannot be understood are left out.
pub fn read(bytes: &[u8]) -> Result<Document, ReadSbomError> {
    if cyclonedx::recognises_xml(bytes) {
        return cyclonedx::from_xml(bytes).map_err(ReadSbomError::Damaged);
    }
    let mut root: Value =
        serde_json::from_slice(bytes).map_err(|error| match bytes.trim_ascii_start().first() {
            Some(b'{') => ReadSbomError::Damaged(error.to_string()),
            _ => ReadSbomError::Unknown,
        })?;
    for _ in 0..MAX_WRAPS {
        match unwrap(&mut root)? {
            Some(inner) => root = inner,
            None => break,
        }
    }
    if cyclonedx::recognises_json(&root) {
        Ok(cyclonedx::from_json(&root))
    } else if spdx::recognises(&root) {
        Ok(spdx::from_json(&root))
    } else if syft::recognises(&root) {
        Ok(syft::from_json(&root))
    } else if scout::recognises(&root) {
        Ok(scout::from_json(&root))
    } else {
        Err(ReadSbomError::Unknown)
    }
}

/// What an envelope or a statement is about; `None` when it is neither.
fn unwrap(root: &mut Value) -> Result<Option<Value>, ReadSbomError> {
    let payload = root.get("payload").and_then(Value::as_str).filter(|_| root.get("payloadType").is_some());
    if let Some(payload) = payload {
        let damaged = |error: &dyn std::fmt::Display| {
            ReadSbomError::Damaged(format!("the payload of its envelope cannot be read: {error}"))
        };
        let bytes = BASE64_STANDARD.decode(payload).map_err(|error| damaged(&error))?;
        return serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(&error));
    }
    if root.get("_type").is_none() {
        return Ok(None);
    }
    let predicate = root.get_mut("predicate").map(Value::take);
    // Older statements of cosign have the document as text in another object.
    Ok(predicate.map(|mut predicate| match predicate.get_mut("Data").map(Value::take) {
        Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or(Value::Null),
        Some(data) => data,
        None => predicate,
    }))
}

#[cfg(test)]
mod tests;
