//! Scopes of bearer tokens, `type:name:action,action`: what a client asks for, and what a token carries.
//!
//! The grammar is the one of Docker's token authentication, with the actions that Azure Container Registry
//! adds: `metadata_read` and `metadata_write`, and `registry:catalog:*` for listing repositories. Its
//! `deleted_read` and `deleted_restore` are never granted, because deleted content is not kept.

use serde::{Deserialize, Serialize};

use super::rights::{Repositories, Right, Rights, Rules};

/// Entries of one token; more are not granted, so that a token always fits into a header.
const MAX_ENTRIES: usize = 64;

const REPOSITORY: &str = "repository";
const REGISTRY: &str = "registry";
const CATALOG: &str = "catalog";
const EVERYTHING: &str = "*";

/// An action of a scope and the right that somebody must have to be granted it.
const ACTIONS: [(&str, Right); 5] = [
    ("pull", Right::ContentRead),
    ("push", Right::ContentWrite),
    ("delete", Right::ContentDelete),
    ("metadata_read", Right::MetadataRead),
    ("metadata_write", Right::MetadataWrite),
];

/// One entry of a token's `access` claim, spelled as Azure Container Registry spells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    /// `repository` or `registry`.
    #[serde(rename = "Type")]
    kind: String,
    /// Which one.
    name: String,
    /// What for.
    actions: Vec<String>,
}

/// What a token is good for at most; what its owner may do now is asked beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Scopes(Vec<Entry>);

impl Scopes {
    /// What somebody with these rules is granted of the scopes asked for. Each text may hold several, separated
    /// by spaces; what is not a scope, or not to be had, is left out, as the protocol wants it.
    pub(crate) fn grant<T: AsRef<str>>(asked: &[T], rules: &Rules) -> Self {
        let texts = asked.iter().flat_map(|text| text.as_ref().split_ascii_whitespace());
        Self(texts.filter_map(|text| grant(text, rules)).take(MAX_ENTRIES).collect())
    }

    /// What the token is good for in a repository. `pull` includes the list of tags, as everywhere but at Azure.
    pub(crate) fn on(&self, repository: &str) -> Rights {
        let entries = self.0.iter().filter(|entry| {
            entry.kind == REPOSITORY
                && entry.name.parse::<Repositories>().is_ok_and(|names| names.contain(repository))
        });
        let actions = entries.flat_map(|entry| &entry.actions);
        actions
            .filter_map(|action| match action.as_str() {
                "pull" => Some(Rights::READ),
                action => ACTIONS.iter().find(|(name, _)| *name == action).map(|&(_, right)| right.into()),
            })
            .collect()
    }

    /// The token is good for listing repositories.
    pub(crate) fn catalog(&self) -> bool {
        self.0.iter().any(|entry| {
            entry.kind == REGISTRY
                && entry.name == CATALOG
                && entry.actions.iter().any(|action| action == EVERYTHING)
        })
    }
}

fn grant(text: &str, rules: &Rules) -> Option<Entry> {
    let (kind, rest) = text.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let asked = |action: &str| actions.split(',').any(|asked| asked == action || asked == EVERYTHING);
    let actions: Vec<String> = match kind {
        REPOSITORY => {
            let names: Repositories = name.parse().ok()?;
            // For a pattern, whatever is allowed somewhere; each use is checked against the rules again.
            let rights = if name.ends_with('*') { rules.anywhere() } else { rules.on(name) };
            debug_assert_eq!(names.to_string(), name);
            let granted = ACTIONS.iter().filter(|(action, right)| asked(action) && rights.has(*right));
            granted.map(|(action, _)| (*action).to_owned()).collect()
        }
        REGISTRY if name == CATALOG && asked(EVERYTHING) && !rules.anywhere().is_empty() => {
            vec![EVERYTHING.to_owned()]
        }
        _ => return None,
    };
    (!actions.is_empty()).then(|| Entry { kind: kind.to_owned(), name: name.to_owned(), actions })
}

/// The scope a client has to ask for to be allowed this, as a challenge names it.
pub(crate) fn scope_for(repository: &str, right: Right) -> String {
    let action = match right {
        // Whoever pushes looks first whether it is there, so this is what clients are used to.
        Right::ContentWrite => "pull,push",
        Right::ContentRead => "pull",
        Right::ContentDelete => "delete",
        Right::MetadataRead => "metadata_read",
        Right::MetadataWrite => "metadata_write",
    };
    format!("{REPOSITORY}:{repository}:{action}")
}

/// The scope for listing repositories.
pub(crate) const CATALOG_SCOPE: &str = "registry:catalog:*";

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let actions =
            ["content/read", "content/write", "metadata/read"].map(|verb| format!("repositories/a/{verb}"));
        let mut rules = Rules::parse(&actions).expect("valid");
        rules.add("b".parse().expect("valid"), Right::MetadataRead.into());
        rules
    }

    fn granted(asked: &[&str]) -> String {
        serde_json::to_string(&Scopes::grant(asked, &rules())).expect("JSON")
    }

    #[test]
    fn only_what_the_rules_allow_is_granted() {
        assert_eq!(
            granted(&["repository:a:pull,push,delete"]),
            r#"[{"Type":"repository","Name":"a","Actions":["pull","push"]}]"#
        );
        assert_eq!(
            granted(&["repository:a:* repository:b:metadata_read", "registry:catalog:*"]),
            concat!(
                r#"[{"Type":"repository","Name":"a","Actions":["pull","push","metadata_read"]},"#,
                r#"{"Type":"repository","Name":"b","Actions":["metadata_read"]},"#,
                r#"{"Type":"registry","Name":"catalog","Actions":["*"]}]"#
            )
        );
        for nothing in
            ["repository:b:pull", "repository:c:*", "a", "repository:A:pull", "registry:x:*", "repository:a"]
        {
            assert_eq!(granted(&[nothing]), "[]", "{nothing}");
        }
    }

    #[test]
    fn a_granted_pattern_covers_what_begins_alike() {
        let scopes = Scopes::grant(&["repository:*:metadata_read"], &rules());
        assert_eq!(scopes.on("anything"), Right::MetadataRead.into());
        assert!(!scopes.catalog());
    }

    #[test]
    fn pulling_includes_the_list_of_tags() {
        let scopes = Scopes::grant(&["repository:a:pull"], &rules());
        assert_eq!(scopes.on("a"), Rights::READ);
        assert_eq!(scopes.on("b"), Rights::NONE);
    }

    #[test]
    fn more_than_fits_is_not_granted() {
        let asked = "repository:a:pull ".repeat(1000);
        assert_eq!(Scopes::grant(&[asked], &rules()).0.len(), MAX_ENTRIES);
    }

    #[test]
    fn challenges_ask_for_what_clients_know() {
        assert_eq!(scope_for("a", Right::ContentWrite), "repository:a:pull,push");
        assert_eq!(scope_for("a/b", Right::ContentDelete), "repository:a/b:delete");
        assert_eq!(scope_for("a", Right::MetadataRead), "repository:a:metadata_read");
    }
}
