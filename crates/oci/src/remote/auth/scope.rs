//! Token scopes, `type:name:action,action`, after Docker's token authentication specification.

use std::collections::{BTreeMap, BTreeSet};

/// What a token has to allow: actions by resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::remote) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// Actions on one repository.
    pub(in crate::remote) fn repository(name: &str, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|&action| action.to_owned()).collect();
        Self([(format!("repository:{name}"), actions)].into())
    }

    /// Listing the registry's repositories.
    pub(in crate::remote) fn catalog() -> Self {
        Self([("registry:catalog".to_owned(), ["*".to_owned()].into())].into())
    }

    /// Adds the scopes of a challenge, separated by spaces. What is not a scope is left out.
    pub(in crate::remote) fn add(&mut self, text: &str) {
        for scope in text.split_ascii_whitespace() {
            if let Some((resource, actions)) = scope.rsplit_once(':') {
                let entry = self.0.entry(resource.to_owned()).or_default();
                entry.extend(actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned));
            }
        }
    }

    /// Both together.
    pub(in crate::remote) fn union(mut self, other: Self) -> Self {
        for (resource, actions) in other.0 {
            self.0.entry(resource).or_default().extend(actions);
        }
        self
    }

    /// A token for these is good for `other` as well.
    pub(in crate::remote) fn cover(&self, other: &Self) -> bool {
        other.0.iter().all(|(resource, wanted)| {
            self.0.get(resource).is_some_and(|own| own.contains("*") || own.is_superset(wanted))
        })
    }

    /// One text per resource, as token servers want them.
    pub(in crate::remote) fn texts(&self) -> Vec<String> {
        let text = |(resource, actions): (&String, &BTreeSet<String>)| {
            let actions = if actions.contains("*") {
                "*".to_owned()
            } else {
                // Servers compare texts: `pull,push` is the order everybody writes.
                actions.iter().map(String::as_str).collect::<Vec<_>>().join(",")
            };
            format!("{resource}:{actions}")
        };
        self.0.iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_merge_by_resource() {
        let mut scopes = Scopes::repository("a", &["pull"]);
        scopes.add("repository:a:push,pull repository:b:pull nonsense");
        assert_eq!(scopes.texts(), ["repository:a:pull,push", "repository:b:pull"]);
        assert!(scopes.cover(&Scopes::repository("a", &["push"])));
        assert!(!scopes.cover(&Scopes::repository("c", &["pull"])));
        scopes.add("repository:a:*");
        assert!(scopes.cover(&Scopes::repository("a", &["delete"])));
        assert_eq!(Scopes::catalog().texts(), ["registry:catalog:*"]);
    }
}
