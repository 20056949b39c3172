//! Names of things in registries: `host[:port]/repository[:tag][@digest]`.
//!
//! [`Reference::parse`] is strict, as ORAS is: no default registry, no implied `library/`.
//! [`Reference::parse_familiar`] adds what people who type `alpine:3.19` mean.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// What a reference or a part of one got wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// There is no `registry/` or no repository in it.
    #[error("invalid reference: missing registry or repository")]
    MissingRegistryOrRepository,
    /// The registry part is not a host name with an optional port.
    #[error("invalid reference: invalid registry \"{0}\"")]
    Registry(String),
    /// The repository part breaks the distribution specification's rule.
    #[error("invalid reference: invalid repository \"{0}\"")]
    Repository(String),
    /// The tag breaks the distribution specification's rule.
    #[error("invalid reference: invalid tag \"{0}\"")]
    Tag(String),
    /// The digest is none.
    #[error("invalid reference: invalid digest \"{0}\"")]
    Digest(String),
}

/// A repository's name, valid under the distribution specification:
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` components joined by `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Box<str>);

impl RepositoryName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Length that names are limited to, as other clients and registries do.
const MAX_NAME: usize = 255;

fn is_path_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends_well = |b: Option<&u8>| b.copied().is_some_and(alphanumeric);
    if !ends_well(bytes.first()) || !ends_well(bytes.last()) {
        return false;
    }
    bytes.split(|&b| alphanumeric(b)).all(|separator| match separator {
        [] | b"." | b"_" | b"__" => true,
        dashes => dashes.iter().all(|&b| b == b'-'),
    })
}

impl FromStr for RepositoryName {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.len() <= MAX_NAME && text.split('/').all(is_path_component) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidReference::Repository(text.to_owned()))
        }
    }
}

/// A tag, valid under the distribution specification: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagName(Box<str>);

impl TagName {
    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TagName {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let rest = |b: u8| word(b) || b == b'.' || b == b'-';
        let bytes = text.as_bytes();
        let valid =
            bytes.len() <= 128 && bytes.first().is_some_and(|&b| word(b)) && bytes.iter().all(|&b| rest(b));
        if valid { Ok(Self(text.into())) } else { Err(InvalidReference::Tag(text.to_owned())) }
    }
}

/// A parsed reference to a repository, or to a manifest in one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Host and optional port, as typed.
    pub registry: String,
    /// Repository in that registry.
    pub repository: RepositoryName,
    /// Tag, when one was given without a digest.
    pub tag: Option<TagName>,
    /// Digest, when one was given.
    pub digest: Option<Digest>,
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            return port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

impl Reference {
    /// Parses strictly. `name:tag@digest` means the digest: the tag is dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let (registry, path) = text.split_once('/').ok_or(InvalidReference::MissingRegistryOrRepository)?;
        if path.is_empty() {
            return Err(InvalidReference::MissingRegistryOrRepository);
        }
        if !is_registry(registry) {
            return Err(InvalidReference::Registry(registry.to_owned()));
        }
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => {
                let parsed = digest.parse().map_err(|_| InvalidReference::Digest(digest.to_owned()))?;
                (path, Some(parsed))
            }
            None => (path, None),
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, _)) if digest.is_some() => (repository, None),
            Some((repository, tag)) => (repository, Some(tag.parse()?)),
            None => (path, None),
        };
        Ok(Self { registry: registry.to_owned(), repository: repository.parse()?, tag, digest })
    }

    /// Parses as Docker's tools do: without a registry it is Docker Hub, where names of one part are under
    /// `library/`; without tag and digest it is `latest`.
    pub fn parse_familiar(text: &str) -> Result<Self, InvalidReference> {
        let first = text.split('/').next().unwrap_or(text);
        let names_registry = text.contains('/')
            && (first.contains(['.', ':']) || first == "localhost" || first.starts_with('['));
        let full = match (names_registry, text.contains('/')) {
            (true, _) => text.to_owned(),
            (false, true) => format!("docker.io/{text}"),
            (false, false) => format!("docker.io/library/{text}"),
        };
        let mut reference = Self::parse(&full)?;
        if reference.tag.is_none() && reference.digest.is_none() {
            reference.tag = Some("latest".parse()?);
        }
        Ok(reference)
    }

    /// The tag or the digest, as manifests are asked for; absent when the reference names a repository.
    #[must_use]
    pub fn manifest_reference(&self) -> Option<&str> {
        self.digest.as_ref().map(Digest::as_str).or(self.tag.as_ref().map(TagName::as_str))
    }

    /// The host to talk to: Docker Hub answers under another name than it is called by.
    #[must_use]
    pub fn host(&self) -> &str {
        if self.registry == "docker.io" { "registry-1.docker.io" } else { &self.registry }
    }

    /// The same repository and another digest.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// `registry/repository`, without tag and digest.
    #[must_use]
    pub fn repository_path(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is taken means the same when it is printed and read again.
        #[test]
        fn valid_references_round_trip(
            registry in "([a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?\\.){0,2}[a-z0-9]{1,6}(:[1-9][0-9]{0,3})?",
            repository in "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}){0,3}",
            tag in proptest::option::of("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}"),
            content in proptest::option::of(any::<u64>()),
        ) {
            let digest = content.map(|content| Digest::sha256(&content.to_le_bytes()));
            let mut text = format!("{registry}/{repository}");
            text.extend(tag.iter().map(|tag| format!(":{tag}")));
            text.extend(digest.iter().map(|digest| format!("@{digest}")));
            let reference = Reference::parse(&text).expect("valid");
            prop_assert_eq!(reference.repository.as_str(), repository);
            prop_assert_eq!(&reference.digest, &digest);
            prop_assert_eq!(Reference::parse(&reference.to_string()), Ok(reference));
        }

        /// Nothing makes the parsers panic, and what they take they take again.
        #[test]
        fn any_text_is_taken_or_refused(text in "[a-zA-Z0-9._:@/\\[\\]-]{0,40}|\\PC{0,40}") {
            for parsed in [Reference::parse(&text), Reference::parse_familiar(&text)].into_iter().flatten() {
                prop_assert_eq!(Reference::parse(&parsed.to_string()), Ok(parsed));
            }
        }
    }

    #[test]
    fn strict_references_print_as_they_were() {
        let digest = Digest::sha256(b"");
        for text in
            ["localhost:5000/a", "r.example/a/b-c:v1", "[::1]:5000/a:latest", &format!("r/a@{digest}")]
        {
            assert_eq!(Reference::parse(text).expect(text).to_string(), text);
        }
        let both = Reference::parse(&format!("r.example/a:v1@{digest}")).expect("valid");
        assert_eq!((both.tag, both.digest), (None, Some(digest)));
    }

    #[test]
    fn what_is_not_a_reference_is_refused() {
        for text in [
            "", "alpine", "r/", "/a", "r/A", "r/a:", "r/a:.b", "r/a@null", "r/a//b", "r/a.-b", "r:x/a",
            "r/a___b",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn familiar_references_mean_what_docker_means() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Reference::parse_familiar(text).expect(text).to_string(), expected);
        };
        check("alpine", "docker.io/library/alpine:latest");
        check("grafana/grafana:11", "docker.io/grafana/grafana:11");
        check("localhost/a", "localhost/a:latest");
        check("localhost:5000/a:v1", "localhost:5000/a:v1");
    }
}
