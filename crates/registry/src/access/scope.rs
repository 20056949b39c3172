//! What can be allowed: actions on repositories in ACR's terms, and scopes as token requests spell them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tidewaiter_oci::RepositoryName;

/// Something that can be done with repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Pull: manifests, blobs, referrers.
    ContentRead,
    /// Push.
    ContentWrite,
    /// Delete manifests, tags and blobs.
    ContentDelete,
    /// List tags and manifests.
    MetadataRead,
    /// Change attributes.
    MetadataWrite,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::ContentRead, Self::ContentWrite, Self::ContentDelete, Self::MetadataRead, Self::MetadataWrite];

    /// As scope maps spell it, for example `content/read`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContentRead => "content/read",
            Self::ContentWrite => "content/write",
            Self::ContentDelete => "content/delete",
            Self::MetadataRead => "metadata/read",
            Self::MetadataWrite => "metadata/write",
        }
    }

    /// As token scopes spell it.
    pub(crate) fn scope_name(self) -> &'static str {
        match self {
            Self::ContentRead => "pull",
            Self::ContentWrite => "push",
            Self::ContentDelete => "delete",
            Self::MetadataRead => "metadata_read",
            Self::MetadataWrite => "metadata_write",
        }
    }
}

/// An action on a repository, or on all: `repositories/<name or *>/<action>`. A name may end in `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryAction {
    /// A name, a beginning of names followed by `*`, or `*`.
    pub repository: String,
    /// What may be done there.
    pub action: Action,
}

/// The text is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" is not an action: write repositories/<name or *>/<action>, where the action is content/read, content/write, content/delete, metadata/read or metadata/write"
)]
pub struct InvalidAction {
    /// What was given.
    pub text: String,
}

impl FromStr for RepositoryAction {
    type Err = InvalidAction;

    fn from_str(text: &str) -> Result<Self, InvalidAction> {
        let invalid = || InvalidAction { text: text.to_owned() };
        let rest = text.strip_prefix("repositories/").ok_or_else(invalid)?;
        let matching = |action: &Action| {
            let repository = rest.strip_suffix(action.as_str())?.strip_suffix('/')?;
            let fixed = repository.strip_suffix('*').unwrap_or(repository);
            let sample = if fixed.len() < repository.len() { format!("{fixed}x") } else { fixed.to_owned() };
            sample.parse::<RepositoryName>().ok()?;
            Some(Self { repository: repository.to_owned(), action: *action })
        };
        Action::ALL.iter().find_map(matching).ok_or_else(invalid)
    }
}

impl fmt::Display for RepositoryAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repositories/{}/{}", self.repository, self.action.as_str())
    }
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grants {
    /// Everything.
    All,
    /// These.
    These(Vec<RepositoryAction>),
}

impl Grants {
    pub(crate) fn none() -> Self {
        Self::These(Vec::new())
    }

    /// Actions on all repositories.
    pub(crate) fn everywhere(actions: &[Action]) -> Self {
        let action = |action: &Action| RepositoryAction { repository: "*".to_owned(), action: *action };
        Self::These(actions.iter().map(action).collect())
    }

    pub(crate) fn allow(&self, repository: &str, action: Action) -> bool {
        let Self::These(grants) = self else { return true };
        grants.iter().any(|grant| {
            grant.action == action
                && match grant.repository.strip_suffix('*') {
                    Some(beginning) => repository.starts_with(beginning),
                    None => grant.repository == repository,
                }
        })
    }
}

/// A scope of a token request: `repository:<name>:<actions>` or `registry:catalog:*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Scope {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) actions: Vec<String>,
}

impl Scope {
    /// What a token needs for an action.
    pub(crate) fn repository(name: &str, action: Action) -> Self {
        let actions = match action {
            // Clients that push also ask what is there.
            Action::ContentWrite => vec!["pull".to_owned(), "push".to_owned()],
            action => vec![action.scope_name().to_owned()],
        };
        Self { kind: "repository".to_owned(), name: name.to_owned(), actions }
    }

    /// What a token needs for the list of repositories.
    pub(crate) fn catalog() -> Self {
        Self { kind: "registry".to_owned(), name: "catalog".to_owned(), actions: vec!["*".to_owned()] }
    }

    /// Reads a scope; `None` when it is none. The name may have a port and so colons in it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let kind = kind.split('(').next().unwrap_or(kind);
        let actions = actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned).collect();
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }

    /// What of this the grants allow; `None` when it is nothing.
    pub(crate) fn granted(&self, grants: &Grants) -> Option<Self> {
        match (self.kind.as_str(), self.name.as_str()) {
            // The list itself shows each caller only what it may read.
            ("registry", "catalog") => Some(self.clone()),
            ("repository", name) => {
                let wanted = |action: &Action| {
                    self.actions.iter().any(|wanted| wanted == "*" || wanted == action.scope_name())
                };
                let allowed =
                    Action::ALL.iter().filter(|action| wanted(action) && grants.allow(name, **action));
                let actions: Vec<_> = allowed.map(|action| action.scope_name().to_owned()).collect();
                (!actions.is_empty()).then(|| Self { actions, ..self.clone() })
            }
            _ => None,
        }
    }

    /// What a token with this scope allows.
    pub(crate) fn allowed(&self) -> Vec<RepositoryAction> {
        if self.kind != "repository" {
            return Vec::new();
        }
        let named = |action: &&Action| self.actions.iter().any(|name| name == action.scope_name());
        let allow = |action: &Action| RepositoryAction { repository: self.name.clone(), action: *action };
        Action::ALL.iter().filter(named).map(allow).collect()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.name, self.actions.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(text: &str) -> RepositoryAction {
        text.parse().expect(text)
    }

    #[test]
    fn actions_read_as_they_are_written() {
        for text in [
            "repositories/*/content/read",
            "repositories/a/b/metadata/write",
            "repositories/team/*/content/delete",
            "repositories/content/read/content/write",
        ] {
            assert_eq!(action(text).to_string(), text);
        }
        for text in [
            "",
            "repositories/a/content",
            "repositories/A/content/read",
            "a/content/read",
            "repositories//content/read",
            "repositories/*/*/content/read",
        ] {
            assert!(text.parse::<RepositoryAction>().is_err(), "{text}");
        }
    }

    #[test]
    fn grants_are_what_they_name_and_no_more() {
        let grants = Grants::These(vec![
            action("repositories/a/content/read"),
            action("repositories/t/*/content/write"),
        ]);
        assert!(grants.allow("a", Action::ContentRead));
        assert!(!grants.allow("a", Action::ContentWrite));
        assert!(!grants.allow("a/b", Action::ContentRead));
        assert!(grants.allow("t/x/y", Action::ContentWrite));
        assert!(!grants.allow("t", Action::ContentWrite));
        assert!(!Grants::none().allow("a", Action::ContentRead));
    }

    #[test]
    fn scopes_are_cut_to_what_is_granted() {
        let grants = Grants::everywhere(&[Action::ContentRead, Action::MetadataRead]);
        let check = |text: &str, expected: Option<&str>| {
            let granted = Scope::parse(text).and_then(|scope| scope.granted(&grants));
            assert_eq!(granted.map(|scope| scope.to_string()).as_deref(), expected, "{text}");
        };
        check("repository:a/b:pull,push", Some("repository:a/b:pull"));
        check("repository:a:*", Some("repository:a:pull,metadata_read"));
        check("repository:a:push", None);
        check("repository(plugin):a:pull", Some("repository:a:pull"));
        check("registry:catalog:*", Some("registry:catalog:*"));
        check("nonsense", None);
    }
}
