//! What people say of findings: VEX documents (OpenVEX, CSAF, CycloneDX) and files of what is to be ignored.
//!
//! A statement that a vulnerability does not affect a product takes the finding out of the count, with the reason; it
//! never makes it unseen. Later statements replace earlier ones of the same vulnerability and product. What a statement
//! says of products that are not there is told back ([`Applied::unused`]): a document that silently does nothing is the
//! fault that people report most.

mod csaf;
mod cyclonedx;
mod ignore;
mod openvex;

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;
use tidewaiter_inventory::{Component, Inventory, Purl};

pub use self::ignore::ReadIgnoreError;
use crate::matching::{Matches, Suppressed};

/// Somebody's word on a vulnerability in some products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The document it is in, for people.
    pub document: String,
    /// Who says it.
    pub author: String,
    /// The vulnerability, by all the names it is given.
    pub vulnerability: Vec<String>,
    /// What it is about; nothing at all is every product.
    pub products: Vec<Product>,
    /// What it says.
    pub status: VexStatus,
    /// Why, in the words of the format: `vulnerable_code_not_in_execute_path`.
    pub justification: Option<String>,
    /// Why, in a sentence.
    pub text: Option<String>,
    /// When it was said.
    pub at: Option<Timestamp>,
}

/// What a statement is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Product {
    /// The image: a package URL, a digest, a name; a package URL of a package is one of its parts. Empty for every image.
    pub id: String,
    /// Packages in it, as package URLs; none at all is the whole.
    pub parts: Vec<String>,
}

/// What a statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VexStatus {
    /// The product does not have it.
    NotAffected,
    /// The product has it.
    Affected,
    /// The product had it.
    Fixed,
    /// Nobody knows yet.
    UnderInvestigation,
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadVexError {
    /// It is in no form that we know.
    #[error("it is no VEX document that can be read: OpenVEX, CSAF and CycloneDX (JSON) can be")]
    Unknown,
    /// It begins like one and then is damaged.
    #[error("the VEX document is damaged: {0}")]
    Damaged(String),
}

/// Reads a document of any form, which its content tells.
///
/// # Errors
/// When it is none, or cannot be parsed.
pub fn read(name: &str, bytes: &[u8]) -> Result<Vec<Statement>, ReadVexError> {
    let root: Value =
        serde_json::from_slice(bytes).map_err(|error| ReadVexError::Damaged(error.to_string()))?;
    // An attestation carries the document as its predicate.
    let root = match root.get("predicate") {
        Some(predicate) if root.get("_type").is_some() => predicate.clone(),
        _ => root,
    };
    if openvex::recognises(&root) {
        openvex::read(name, root).map_err(|error| ReadVexError::Damaged(error.to_string()))
    } else if cyclonedx::recognises(&root) {
        cyclonedx::read(name, root).map_err(|error| ReadVexError::Damaged(error.to_string()))
    } else if csaf::recognises(&root) {
        csaf::read(name, root).map_err(|error| ReadVexError::Damaged(error.to_string()))
    } else {
        Err(ReadVexError::Unknown)
    }
}

/// Reads a file of what is to be ignored, as statements; what has expired by `now` is told apart.
///
/// # Errors
/// When it cannot be parsed, or says no reason.
pub fn read_ignore(
    name: &str,
    text: &str,
    now: Timestamp,
) -> Result<(Vec<Statement>, Vec<String>), ReadIgnoreError> {
    ignore::read(name, text, now)
}

/// The image that statements are held against.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// The name it was asked for by.
    pub name: String,
    /// Digest of its manifest or index.
    pub digest: Option<String>,
}

/// What became of the statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Statements that are about nothing in the image, each as a sentence.
    pub unused: Vec<String>,
    /// Statements whose authors are not believed, each as a sentence.
    pub unbelieved: Vec<String>,
}

/// Takes the findings that statements deny out of the count. `authors` says who is believed; nobody named is everybody.
pub fn apply(
    matches: &mut Matches,
    inventory: &Inventory,
    subject: &Subject,
    statements: &[Statement],
    authors: &[Regex],
) -> Applied {
    let mut applied = Applied::default();
    let mut ordered: Vec<(&Statement, bool)> = Vec::new();
    for statement in statements {
        if authors.is_empty() || authors.iter().any(|author| author.is_match(&statement.author)) {
            ordered.push((statement, false));
        } else {
            applied.unbelieved.push(format!(
                "{}: what {:?} says of {} does not count; --vex-author names who is believed",
                statement.document,
                statement.author,
                statement.name()
            ));
        }
    }
    // The last word counts.
    ordered.sort_by_key(|(statement, _)| statement.at);
    let components = |purl: &str| inventory.components.iter().find(|component| component.purl == purl);
    let mut kept = Vec::with_capacity(matches.findings.len());
    for finding in std::mem::take(&mut matches.findings) {
        let Some(component) = components(&finding.component) else {
            kept.push(finding);
            continue;
        };
        let names = || std::iter::once(&finding.id).chain(&finding.aliases);
        let mut last: Option<&Statement> = None;
        for (statement, is_used) in &mut ordered {
            let is_named = statement
                .vulnerability
                .iter()
                .any(|name| names().any(|known| known.eq_ignore_ascii_case(name)));
            if is_named && statement.is_about(subject, component) {
                *is_used = true;
                last = Some(statement);
            }
        }
        match last.filter(|statement| statement.status == VexStatus::NotAffected) {
            Some(statement) => matches.suppressed.push(Suppressed { reason: statement.reason(), finding }),
            None => kept.push(finding),
        }
    }
    matches.findings = kept;
    for (statement, is_used) in &ordered {
        // A vulnerability that somebody else suppressed already, or that is no finding, is spoken of in vain too.
        let is_suppressed = matches.suppressed.iter().any(|one| {
            statement
                .vulnerability
                .iter()
                .any(|name| *name == one.finding.id || one.finding.aliases.contains(name))
        });
        if !is_used && !is_suppressed {
            applied.unused.push(format!(
                "{}: the statement on {} is about nothing that was found{}",
                statement.document,
                statement.name(),
                statement
                    .products
                    .first()
                    .map(|product| format!(" ({})", product.describe()))
                    .unwrap_or_default()
            ));
        }
    }
    applied
}

impl Product {
    fn describe(&self) -> &str {
        match self.parts.first() {
            Some(part) if self.id.is_empty() => part,
            _ => &self.id,
        }
    }
}

impl Statement {
    fn name(&self) -> &str {
        self.vulnerability.first().map(String::as_str).unwrap_or_default()
    }

    fn reason(&self) -> String {
        let why = match (&self.justification, &self.text) {
            (Some(justification), Some(text)) => format!("{} ({text})", justification.replace('_', " ")),
            (Some(justification), None) => justification.replace('_', " "),
            (None, Some(text)) => text.clone(),
            (None, None) => "no reason is given".to_owned(),
        };
        match self.author.as_str() {
            "" => format!("{} says that it does not count: {why}", self.document),
            author => format!("{author} says that it is not affected: {why} [{}]", self.document),
        }
    }

    fn is_about(&self, subject: &Subject, component: &Component) -> bool {
        self.products.is_empty()
            || self.products.iter().any(|product| {
                // A package by itself is what people mean by it in an image that has it.
                if is_package(&product.id) {
                    return names_package(&product.id, component);
                }
                let is_image = product.id.is_empty() || names_image(&product.id, subject);
                is_image
                    && (product.parts.is_empty()
                        || product.parts.iter().any(|part| names_package(part, component)))
            })
    }
}

/// Whether a package URL is of a package rather than of an image.
fn is_package(id: &str) -> bool {
    Purl::parse(id).is_some_and(|purl| !["docker", "oci"].contains(&purl.kind.as_str()))
}

/// Whether an identifier means the image.
fn names_image(id: &str, subject: &Subject) -> bool {
    let name = subject.name.split_once("://").map_or(subject.name.as_str(), |(_, rest)| rest);
    if id == name || subject.digest.as_deref() == Some(id) {
        return true;
    }
    let Some(purl) = Purl::parse(id) else {
        // `repository`, without a tag.
        return name.split(['@']).next().is_some_and(|rest| {
            rest == id || rest.rsplit_once(':').is_some_and(|(repository, _)| repository == id)
        });
    };
    let version = purl.version.as_str();
    if version.starts_with("sha256:") && subject.digest.as_deref() == Some(version) {
        return true;
    }
    let repository = match purl.qualifier("repository_url") {
        Some(url) => url.to_owned(),
        None if purl.namespace.is_empty() => purl.name.clone(),
        None => format!("{}/{}", purl.namespace, purl.name),
    };
    let (of_name, tag) = split_tag(name);
    let is_repository = of_name == repository
        || of_name.strip_suffix(repository.as_str()).is_some_and(|rest| rest.ends_with('/'));
    is_repository && (version.is_empty() || version == tag)
}

/// Repository and tag of a reference; `latest` where none is said.
fn split_tag(name: &str) -> (&str, &str) {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    }
}

/// Whether a package URL means a component: what it leaves out may be anything.
fn names_package(wanted: &str, component: &Component) -> bool {
    let (Some(wanted), Some(purl)) = (Purl::parse(wanted), Purl::parse(&component.purl)) else {
        return wanted == component.name;
    };
    let of_source = component.source.as_ref().filter(|_| component.kind.is_os_package());
    let itself = (wanted.name.eq_ignore_ascii_case(&purl.name))
        && (wanted.version.is_empty()
            || wanted.version == purl.version
            || wanted.version == component.version);
    let source = of_source.is_some_and(|source| {
        wanted.name == source.name && (wanted.version.is_empty() || wanted.version == source.version)
    });
    let agrees = |key: &str| match (wanted.qualifier(key), purl.qualifier(key)) {
        (Some(wanted), Some(known)) => wanted == known,
        _ => true,
    };
    wanted.kind == purl.kind
        && (wanted.namespace.is_empty() || wanted.namespace == purl.namespace)
        && (itself || source)
        && ["arch", "distro"].into_iter().all(agrees)
}
