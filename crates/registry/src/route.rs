//! Reads `/v2/` paths. Repository names contain slashes, so a path is read from its end.

use tidewaiter_oci::{Digest, RepositoryName, TagName};

use crate::response::{ApiError, shortened};

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/_oci/ext/discover`
    Extensions,
    /// `…/tags/list`
    Tags(RepositoryName),
    /// `…/manifests/<tag or digest>`
    Manifest(RepositoryName, Target),
    /// `…/blobs/<digest>`
    Blob(RepositoryName, Digest),
    /// `…/blobs/uploads/`
    Uploads(RepositoryName),
    /// `…/blobs/uploads/<session>`
    Upload(RepositoryName, String),
    /// `…/referrers/<digest>`
    Referrers(RepositoryName, Digest),
}

/// What names a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Tag(TagName),
    Digest(Digest),
    /// What can be neither, as it was asked for: nothing has such a name.
    Impossible(String),
}

impl Target {
    /// As it was asked for.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag.as_str(),
            Self::Digest(digest) => digest.as_str(),
            Self::Impossible(text) => text,
        }
    }
}

impl Route {
    /// Reads the part of a path after `/v2/`, as it was sent. `None` is a path that has no meaning.
    pub(crate) fn parse(path: &str) -> Result<Option<Self>, ApiError> {
        let decoded = percent_decode(path);
        let path = decoded.as_str();
        match path {
            "" => return Ok(Some(Self::Ping)),
            "_catalog" => return Ok(Some(Self::Catalog)),
            "_oci/ext/discover" => return Ok(Some(Self::Extensions)),
            _ => {}
        }
        if let Some(name) = path.strip_suffix("/tags/list") {
            return Ok(Some(Self::Tags(repository(name)?)));
        }
        if let Some(name) = path.strip_suffix("/blobs/uploads/").or(path.strip_suffix("/blobs/uploads")) {
            return Ok(Some(Self::Uploads(repository(name)?)));
        }
        let Some((rest, last)) = path.rsplit_once('/') else { return Ok(None) };
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            return Ok(Some(Self::Upload(repository(name)?, last.to_owned())));
        }
        let Some((name, kind)) = rest.rsplit_once('/') else { return Ok(None) };
        let route = match kind {
            "manifests" => Self::Manifest(repository(name)?, target(last)),
            "blobs" => Self::Blob(repository(name)?, digest(last)?),
            "referrers" => Self::Referrers(repository(name)?, digest(last)?),
            _ => return Ok(None),
        };
        Ok(Some(route))
    }
}

/// A repository's name from a path or a query.
pub(crate) fn repository(text: &str) -> Result<RepositoryName, ApiError> {
    text.parse().map_err(|_| ApiError::name_invalid(text))
}

/// A digest from a path or a query.
pub(crate) fn digest(text: &str) -> Result<Digest, ApiError> {
    text.parse().map_err(|_| invalid_digest(text))
}

fn invalid_digest(text: &str) -> ApiError {
    ApiError::digest_invalid(format!("\"{}\" is not a digest of a known algorithm", shortened(text)))
}

/// A tag from a path or a query.
pub(crate) fn tag(text: &str) -> Result<TagName, ApiError> {
    text.parse().map_err(|_| ApiError::tag_invalid(text))
}

fn target(text: &str) -> Target {
    text.parse()
        .map(Target::Digest)
        .or_else(|_| text.parse().map(Target::Tag))
        .unwrap_or_else(|_| Target::Impossible(text.to_owned()))
}

/// What is wrong with a target that is impossible, for somebody who wants to put something there.
pub(crate) fn impossible(text: &str) -> ApiError {
    if text.contains(':') { invalid_digest(text) } else { ApiError::tag_invalid(text) }
}

/// Decodes `%3A` and the like; what is not a valid escape stays as it is, and is refused later.
pub(crate) fn percent_decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        match tail {
            [high, low, after @ ..] if *first == b'%' => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                    rest = after;
                    continue;
                }
                _ => bytes.push(*first),
            },
            _ => bytes.push(*first),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Option<Route> {
        Route::parse(path).expect(path)
    }

    #[test]
    fn paths_are_read_from_their_end() {
        let name = |name: &str| name.parse::<RepositoryName>().expect("a name");
        let digest = Digest::sha256(b"");
        assert_eq!(parse(""), Some(Route::Ping));
        assert_eq!(parse("_catalog"), Some(Route::Catalog));
        assert_eq!(parse("a/b/tags/list"), Some(Route::Tags(name("a/b"))));
        assert_eq!(parse("manifests/tags/list"), Some(Route::Tags(name("manifests"))));
        assert_eq!(parse("a/tags/manifests/list"), {
            Some(Route::Manifest(name("a/tags"), Target::Tag("list".parse().expect("a tag"))))
        });
        let encoded = digest.as_str().replace(':', "%3a");
        for digest_text in [digest.as_str(), &encoded] {
            assert_eq!(
                parse(&format!("a/blobs/{digest_text}")),
                Some(Route::Blob(name("a"), digest.clone()))
            );
        }
        assert_eq!(parse("a/blobs/uploads/"), Some(Route::Uploads(name("a"))));
        assert_eq!(parse("a/blobs/uploads"), Some(Route::Uploads(name("a"))));
        assert_eq!(parse("a/blobs/uploads/1f"), Some(Route::Upload(name("a"), "1f".to_owned())));
        assert_eq!(parse(&format!("a/referrers/{digest}")), Some(Route::Referrers(name("a"), digest)));
        for nothing in ["a", "a/b", "a/b/c", "_catalog/x/y"] {
            assert_eq!(parse(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn manifests_may_be_asked_for_under_any_name() {
        for text in ["sha256:baddigeststring", ".b", "\0"] {
            let route = parse(&format!("a/manifests/{text}"));
            assert_eq!(
                route,
                Some(Route::Manifest("a".parse().expect("a name"), Target::Impossible(text.to_owned())))
            );
        }
        assert_eq!(impossible("sha256:baddigeststring").code(), "DIGEST_INVALID");
        assert_eq!(impossible(".b").code(), "MANIFEST_INVALID");
    }

    #[test]
    fn what_is_no_name_tag_or_digest_is_refused_with_its_code() {
        let code = |path: &str| Route::parse(path).expect_err(path).code();
        assert_eq!(code("A/tags/list"), "NAME_INVALID");
        assert_eq!(code("../tags/list"), "NAME_INVALID");
        assert_eq!(code("/tags/list"), "NAME_INVALID");
        assert_eq!(code("a/blobs/sha256:bad"), "DIGEST_INVALID");
        assert_eq!(code("a%2/tags/list"), "NAME_INVALID");
    }
}
