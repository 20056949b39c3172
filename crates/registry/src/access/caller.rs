//! Who sent a request, and what they may do.

use std::sync::Arc;

use super::rights::{Right, Rights, Rules};
use super::scope::Scopes;

/// Who sent a request, as far as they proved it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Name of the user or token; `None` for nobody in particular.
    name: Option<String>,
    /// They showed something, be it only a token that anybody gets.
    introduced: bool,
    /// What they may do.
    rules: Arc<Rules>,
    /// What the bearer token they showed is good for; without one, for all that they may do.
    scopes: Option<Scopes>,
}

impl Caller {
    /// Somebody with a name.
    pub(super) fn named(name: &str, rules: Arc<Rules>, scopes: Option<Scopes>) -> Self {
        Self { name: Some(name.to_owned()), introduced: true, rules, scopes }
    }

    /// Somebody who showed nothing.
    pub(super) fn stranger(rules: Arc<Rules>) -> Self {
        Self { name: None, introduced: false, rules, scopes: None }
    }

    /// Somebody with a token that anybody gets.
    pub(super) fn anonymous(rules: Arc<Rules>, scopes: Scopes) -> Self {
        Self { name: None, introduced: true, rules, scopes: Some(scopes) }
    }

    /// Name of the user or token.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// They showed something to say who they are.
    pub(super) fn is_introduced(&self) -> bool {
        self.introduced
    }

    /// This may be done in a repository.
    pub(crate) fn may(&self, repository: &str, right: Right) -> bool {
        let within = self.scopes.as_ref().is_none_or(|scopes| scopes.on(repository).has(right));
        within && self.could(repository, right)
    }

    /// With another token they could.
    pub(super) fn could(&self, repository: &str, right: Right) -> bool {
        self.rules.on(repository).has(right)
    }

    /// They may list repositories.
    pub(super) fn may_list(&self) -> bool {
        self.scopes.as_ref().is_none_or(Scopes::catalog) && self.could_list()
    }

    /// With another token they could.
    pub(super) fn could_list(&self) -> bool {
        !self.rules.anywhere().is_empty()
    }

    /// A list of repositories that they asked for shows this one.
    pub(crate) fn sees(&self, repository: &str) -> bool {
        !(self.rules.on(repository) & Rights::READ).is_empty()
    }
}
