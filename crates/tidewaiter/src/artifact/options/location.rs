//! Where an artifact is: what people type for it, and which kind of place that is.

use std::path::{Path, PathBuf};

use tidewaiter_oci::{Digest, Reference};

use crate::artifact::failure::{Failure, Outcome};

/// A place that artifacts are read from or written to.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    /// As typed, up to the first comma of several tags.
    pub(crate) raw: String,
    /// The repository with its registry, or the path of the layout.
    pub(crate) path: String,
    /// The tag or digest; empty when there is none.
    pub(crate) reference: String,
    pub(crate) kind: Kind,
}

/// Which kind of place.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Registry(Reference),
    Layout(PathBuf),
}

impl Location {
    /// A repository of a registry.
    pub(crate) fn registry(raw: &str) -> Outcome<Self> {
        let reference = Reference::parse(raw).map_err(|source| {
            Failure::from(tidewaiter_oci::Error::reference(raw, source)).advice(
                "Please make sure the provided reference is in the form of <registry>/<repo>[:tag|@digest]",
            )
        })?;
        Ok(Self {
            raw: raw.to_owned(),
            path: reference.repository_path(),
            reference: reference.manifest_reference().unwrap_or_default().to_owned(),
            kind: Kind::Registry(reference),
        })
    }

    /// `path[:tag|@digest]` of a layout.
    pub(crate) fn layout(raw: &str) -> Outcome<Self> {
        let (path, reference) = match raw.rsplit_once('@') {
            Some((path, digest)) => (path, digest),
            None => split_path(raw, "")?,
        };
        Ok(Self::in_layout(raw, Path::new(path), reference))
    }

    /// A tag or digest, in full what was typed, of the layout at `path`.
    pub(crate) fn in_layout(raw: &str, path: &Path, reference: &str) -> Self {
        Self {
            raw: raw.to_owned(),
            path: path.display().to_string(),
            reference: reference.to_owned(),
            kind: Kind::Layout(path.to_owned()),
        }
    }

    pub(crate) fn is_layout(&self) -> bool {
        matches!(self.kind, Kind::Layout(_))
    }

    /// The repository that a reference in a layout names without a tag: layouts may hold several, each manifest
    /// tagged with its whole name.
    pub(crate) fn repository_in_layout(&self) -> Option<String> {
        let named = Reference::parse(&self.reference).ok().filter(|_| self.is_layout())?;
        named.manifest_reference().is_none().then(|| named.repository_path())
    }

    /// How messages name the kind of place.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Registry(_) => "registry",
            Kind::Layout(_) => "oci-layout",
        }
    }

    /// `[registry] localhost:5000/a:v1`
    pub(crate) fn annotated(&self) -> String {
        format!("[{}] {}", self.kind_name(), self.raw)
    }

    /// The same place and a digest: `localhost:5000/a@sha256:…`
    pub(crate) fn at(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.path)
    }

    /// The digest, when the reference is one.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.reference.parse().ok()
    }
}

/// `file[:rest]`, split at the last colon; a colon at the end protects one in the name.
pub(crate) fn split_path<'t>(text: &'t str, default: &'t str) -> Outcome<(&'t str, &'t str)> {
    let (path, rest) = match text.rsplit_once(':') {
        // A drive letter is part of the path.
        Some((drive, rest)) if cfg!(windows) && drive.len() == 1 && rest.starts_with(['\\', '/']) => {
            (text, default)
        }
        Some((path, rest)) => (path, rest),
        None => (text, default),
    };
    if path.is_empty() {
        return Err(Failure::new(format!("found empty file path in {}", tidewaiter_cobra::quote(text))));
    }
    Ok((path, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let check = |location: Outcome<Location>, path: &str, reference: &str, shown: &str| {
            let location = location.expect(shown);
            assert_eq!((location.path.as_str(), location.reference.as_str()), (path, reference));
            assert_eq!(location.annotated(), shown);
        };
        check(Location::registry("r.example/a:v1"), "r.example/a", "v1", "[registry] r.example/a:v1");
        check(Location::registry("r.example/a"), "r.example/a", "", "[registry] r.example/a");
        check(Location::layout("dir:v1"), "dir", "v1", "[oci-layout] dir:v1");
        check(Location::layout("./a/b"), "./a/b", "", "[oci-layout] ./a/b");
        check(Location::layout("a@sha256:x"), "a", "sha256:x", "[oci-layout] a@sha256:x");
        assert!(Location::layout(":v1").is_err());
        let in_layout = |name| Location::in_layout(name, Path::new("dir"), name).repository_in_layout();
        assert_eq!(in_layout("r.example/a").as_deref(), Some("r.example/a"));
        assert_eq!((in_layout("r.example/a:v1"), in_layout("v1")), (None, None));
        assert!(Location::registry("alpine").is_err());
    }

    #[test]
    fn a_colon_at_the_end_protects_the_others() {
        for (text, expected) in [
            ("hi.txt", ("hi.txt", "default")),
            ("hi.txt:a/b", ("hi.txt", "a/b")),
            ("hi:txt:", ("hi:txt", "")),
        ] {
            assert_eq!(split_path(text, "default").expect(text), expected);
        }
    }
}
