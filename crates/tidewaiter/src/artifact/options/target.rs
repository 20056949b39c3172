//! One target of a command: where it is and how it is reached.

use std::path::Path;
use std::sync::Arc;

use tidewaiter_cobra::{Flag, Matches, Values};
use tidewaiter_oci as oci;
use tidewaiter_oci::content::{ReadTarget, Target};
use tidewaiter_oci::layout::Layout;
use tidewaiter_oci::remote::Repository;

use crate::artifact::failure::{self, FROM_REGISTRY, Failure, Outcome};
use crate::artifact::options::location::{Kind, Location};
use crate::artifact::options::remote::{self, RemoteOptions, Side};
use crate::artifact::session::Session;

/// The flags of a target: those of its registry, and of its being a layout.
pub(crate) fn flags(side: Side) -> Vec<Flag> {
    let mut flags = remote::flags(side);
    let note = side.note();
    flags.push(Flag::bool(
        side.flag("oci-layout"),
        format!("the {note}name is the path of an OCI image layout, not of a repository"),
    ));
    flags.push(
        Flag::text(
            side.flag("oci-layout-path"),
            format!(
                "[Experimental] path of the OCI image layout that the {note}name is in; \
                 the whole name is then the tag or digest"
            ),
        )
        .values(Values::Directories),
    );
    flags
}

/// A target as the command line describes it.
#[derive(Debug, Clone)]
pub(crate) struct TargetOptions {
    pub(crate) location: Location,
    pub(crate) remote: RemoteOptions,
}

/// An open target for content.
#[derive(Clone)]
pub(crate) enum Opened {
    Registry(Repository),
    Layout(Layout),
}

impl Opened {
    pub(crate) fn target(&self) -> Arc<dyn Target> {
        match self {
            Self::Registry(repository) => Arc::new(repository.clone()),
            Self::Layout(layout) => Arc::new(layout.clone()),
        }
    }
}

impl TargetOptions {
    /// Reads the flags of a side and the argument that names the target.
    pub(crate) fn read(session: &Session, matches: &Matches, side: Side, argument: &str) -> Outcome<Self> {
        let (layout, layout_path) = (side.flag("oci-layout"), side.flag("oci-layout-path"));
        failure::exclusive(matches, &[&layout, &layout_path])?;
        let path = matches.text(&layout_path);
        let is_layout = matches.bool(&layout) || !path.is_empty();
        if is_layout && !matches.list(&side.flag("header")).is_empty() {
            return Err(Failure::new("custom header flags cannot be used on an OCI image layout target"));
        }
        let location = match (matches.bool(&layout), path) {
            (true, _) => Location::layout(argument)?,
            (false, "") => Location::registry(argument)?,
            (false, path) => Location::in_layout(argument, Path::new(path), argument),
        };
        Ok(Self { location, remote: RemoteOptions::read(session, matches, side)? })
    }

    /// The tag or digest, which the command needs.
    pub(crate) fn reference(&self, session: &Session) -> Outcome<&str> {
        if self.location.reference.is_empty() {
            return Err(session.missing_reference(&self.location.raw));
        }
        Ok(&self.location.reference)
    }

    /// The repository of a registry.
    pub(crate) fn repository(&self, session: &Session, reference: &oci::Reference) -> Outcome<Repository> {
        let client = self.remote.client(session, &reference.registry, Some(&reference.repository))?;
        client.repository(reference).map_err(|error| self.blame(session, error))
    }

    /// Opens the target for reading and writing. A layout is made where there is none.
    pub(crate) async fn open(&self, session: &Session) -> Outcome<Opened> {
        match &self.location.kind {
            Kind::Registry(reference) => {
                Ok(Opened::Registry(self.repository(session, reference)?.for_writing()))
            }
            Kind::Layout(path) => Ok(Opened::Layout(Layout::create(path).await?)),
        }
    }

    /// Opens the target for reading and changing what is there.
    pub(crate) async fn open_existing(&self, session: &Session) -> Outcome<Opened> {
        match &self.location.kind {
            Kind::Registry(reference) => self.repository(session, reference).map(Opened::Registry),
            Kind::Layout(path) => {
                self.check_path(path)?;
                Ok(Opened::Layout(Layout::open(path).await?))
            }
        }
    }

    /// Opens the target for reading: a layout may also be an archive.
    pub(crate) async fn open_readable(&self, session: &Session) -> Outcome<Arc<dyn ReadTarget>> {
        match &self.location.kind {
            Kind::Registry(reference) => Ok(Arc::new(self.repository(session, reference)?)),
            Kind::Layout(path) => {
                self.check_path(path)?;
                Ok(oci::layout::open_readable(path).await?)
            }
        }
    }

    /// It is a layout, and there is none.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(&self.location.kind, Kind::Layout(path) if matches!(path.try_exists(), Ok(false)))
    }

    fn check_path(&self, path: &Path) -> Outcome {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (raw, shown) = (&self.location.raw, path.display());
                Err(Failure::new(format!(
                    "invalid argument \"{raw}\": failed to find path \"{shown}\": {error}"
                )))
            }
            _ => Ok(()),
        }
    }

    /// A failure at this target: says so when a registry gave the reason, and what may help.
    pub(crate) fn blame(&self, session: &Session, error: oci::Error) -> Failure {
        let Kind::Registry(reference) = &self.location.kind else { return error.into() };
        if !is_answer(&error) {
            return self.remote.explain(error);
        }
        let failure = Failure::from(error).prefixed(FROM_REGISTRY);
        match self.namespace_hint(session, reference) {
            Some(hint)
                if failure.to_string().contains("401") || failure.to_string().contains("unauthorized") =>
            {
                failure.advice(hint)
            }
            _ => failure,
        }
    }

    /// Docker Hub's own images are under `library/`, which ORAS does not add.
    fn namespace_hint(&self, session: &Session, reference: &oci::Reference) -> Option<String> {
        let name = reference.repository.as_str();
        if reference.registry != "docker.io" || name.contains('/') {
            return None;
        }
        let full = self.location.raw.replacen("docker.io/", "docker.io/library/", 1);
        Some(format!("Docker's own images are under library/: `{} {full}`", session.path))
    }
}

/// The other side itself said no, as against: it could not be reached, or its answer made no sense.
pub(crate) fn is_answer(error: &oci::Error) -> bool {
    matches!(error, oci::Error::Response { .. } | oci::Error::NotFound { .. })
}
