//! Platforms of images: parsing `os[/arch][/variant][:os_version]` and choosing from an index.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::object::only_objects;

/// What an image runs on, as descriptors and configurations spell it (GOOS and GOARCH names).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Platform {
    /// For example `amd64`.
    pub architecture: String,
    /// For example `linux`.
    pub os: String,
    /// For example `10.0.14393.1066` (Windows).
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// For example `win32k`.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// For example `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

only_objects!(Platform);

impl Platform {
    /// A platform of an operating system and an architecture.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Self {
        Self { os: os.to_owned(), architecture: architecture.to_owned(), ..Self::default() }
    }

    /// The platform this program was built for, under Linux's name: what runs in containers here.
    #[must_use]
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "x86" => ("386", None),
            "arm" => ("arm", Some("v7".to_owned())),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Self { variant, ..Self::new("linux", architecture) }
    }

    /// `candidate` satisfies what this platform asks for: every part that is asked for is equal, and
    /// `arm64` with and without `v8` are the same thing.
    #[must_use]
    pub fn accepts(&self, candidate: &Self) -> bool {
        let variant_of = |platform: &Self| match (platform.architecture.as_str(), platform.variant.as_deref())
        {
            ("arm64", None) => Some("v8".to_owned()),
            (_, variant) => variant.map(str::to_owned),
        };
        self.os == candidate.os
            && self.architecture == candidate.architecture
            && (self.variant.is_none() || variant_of(self) == variant_of(candidate))
            && (self.os_version.is_none() || self.os_version == candidate.os_version)
            && self.os_features.iter().all(|feature| candidate.os_features.contains(feature))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if let Some(variant) = &self.variant {
            write!(f, "/{variant}")?;
        }
        if let Some(version) = &self.os_version {
            write!(f, ":{version}")?;
        }
        Ok(())
    }
}

/// The text is not `os[/arch][/variant][:os_version]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse platform \"{text}\": expected format os[/arch[/variant]]")]
pub struct InvalidPlatform {
    /// What was given.
    pub text: String,
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    /// A missing architecture means this machine's.
    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        let invalid = || InvalidPlatform { text: text.to_owned() };
        let (names, version) = match text.split_once(':') {
            Some((names, version)) => (names, Some(version.to_owned())),
            None => (text, None),
        };
        let mut parts = names.split('/');
        let os = parts.next().filter(|os| !os.is_empty()).ok_or_else(invalid)?;
        let architecture = match parts.next() {
            Some("") => return Err(invalid()),
            Some(architecture) => architecture.to_owned(),
            None => Self::host().architecture,
        };
        let variant = match parts.next() {
            Some("") => return Err(invalid()),
            variant => variant.map(str::to_owned),
        };
        if parts.next().is_some() {
            return Err(invalid());
        }
        Ok(Self { os: os.to_owned(), architecture, variant, os_version: version, os_features: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        for text in ["linux/amd64", "linux/arm/v7", "windows/amd64:10.0.14393"] {
            assert_eq!(text.parse::<Platform>().expect("valid").to_string(), text);
        }
        for text in ["", "/amd64", "linux//v7", "a/b/c/d"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn accepts_what_satisfies_the_request() {
        let check = |wanted: &str, offered: &str, expected: bool| {
            let wanted: Platform = wanted.parse().expect("valid");
            assert_eq!(wanted.accepts(&offered.parse().expect("valid")), expected, "{wanted} {offered}");
        };
        check("linux/amd64", "linux/amd64", true);
        check("linux/arm", "linux/arm/v7", true);
        check("linux/arm/v6", "linux/arm/v7", false);
        check("linux/arm64/v8", "linux/arm64", true);
        check("windows/amd64:10", "windows/amd64:11", false);
    }
}
