//! Alpine's own database of security fixes (secdb), which Wolfi and Chainguard publish in the same form: for each package
//! the versions that fix something, one file a repository.
//!
//! A version of `0` says that the package never was affected. What is not fixed is not listed.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::record::{Affected, Record, Status};

/// A repository of a release.
#[derive(Deserialize)]
struct Repository {
    #[serde(rename = "distroversion")]
    release: Option<String>,
    #[serde(rename = "urlprefix")]
    url: Option<String>,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    #[serde(rename = "pkg")]
    fixes: Fixes,
}

#[derive(Deserialize)]
struct Fixes {
    name: String,
    /// Vulnerabilities by the version that fixes them; `null` for none, and other things by mistake.
    #[serde(rename = "secfixes")]
    by_version: BTreeMap<String, Box<RawValue>>,
}

/// Reads a repository as one record for each vulnerability, and what of it could not be read.
pub(super) fn parse(json: &[u8]) -> Result<Vec<Result<Record, String>>, serde_json::Error> {
    let repository: Repository = serde_json::from_slice(json)?;
    let url = repository.url.unwrap_or_default();
    let (ecosystem, prefix) = match repository.release {
        Some(release) => (format!("Alpine:{release}"), "ALPINE"),
        None if url.contains("chainguard") || url.contains("cgr.dev") => {
            ("Chainguard".to_owned(), "CHAINGUARD")
        }
        None => ("Wolfi".to_owned(), "WOLFI"),
    };
    let mut records = BTreeMap::new();
    let mut unreadable = Vec::new();
    for package in repository.packages {
        for (version, ids) in package.fixes.by_version {
            let Ok(ids) = serde_json::from_str::<Option<Vec<String>>>(ids.get()) else {
                unreadable.push(Err(format!("the fixes of {} {version} are no list", package.fixes.name)));
                continue;
            };
            for id in ids.iter().flatten().flat_map(|ids| ids.split_whitespace()).filter(|id| is_id(id)) {
                let Some(affected) = Affected::new(ecosystem.as_str(), package.fixes.name.as_str()) else {
                    continue;
                };
                let affected = match version.as_str() {
                    "0" => Affected { status: Status::NotAffected, ..affected },
                    version => affected.until(Some(version.to_owned())),
                };
                let record = records.entry(id.to_owned()).or_insert_with(|| Record {
                    id: format!("{prefix}-{id}"),
                    upstream: vec![id.to_owned()],
                    ..Record::default()
                });
                record.affected.push(affected);
            }
        }
    }
    Ok(records.into_values().map(Ok).chain(unreadable).collect())
}

/// Remarks stand between the ids: `CVE-2017-2616 (+ regression fix)`.
fn is_id(word: &str) -> bool {
    let (prefix, number) = word.split_once('-').unwrap_or_default();
    prefix.len() > 1
        && prefix.bytes().all(|byte| byte.is_ascii_uppercase())
        && number.starts_with(|first: char| first.is_ascii_alphanumeric())
}
