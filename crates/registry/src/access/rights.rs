//! What may be done to which repositories, in the words of Azure Container Registry's scope maps:
//! `repositories/<name or prefix*>/content/read` and so on.

use std::fmt;
use std::ops::{BitAnd, BitOr};
use std::str::FromStr;

use tidewaiter_oci::RepositoryName;

/// One thing that may be done to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Pull: read manifests, blobs and referrers.
    ContentRead,
    /// Push: upload blobs, write manifests and tags.
    ContentWrite,
    /// Delete manifests, tags and blobs.
    ContentDelete,
    /// List tags and manifests with their attributes.
    MetadataRead,
    /// Change attributes.
    MetadataWrite,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::ContentRead, Self::ContentWrite, Self::ContentDelete, Self::MetadataRead, Self::MetadataWrite];

    /// The end of a scope map's action, for example `content/read`.
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
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Right {
    type Err = InvalidAction;

    fn from_str(text: &str) -> Result<Self, InvalidAction> {
        let found = Self::ALL.into_iter().find(|right| right.as_str() == text);
        found.ok_or_else(|| InvalidAction::UnknownRight { text: text.to_owned() })
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u8);

impl Rights {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(0b1_1111);
    /// What someone who only looks needs.
    pub const READ: Self = Self::of(&[Right::ContentRead, Right::MetadataRead]);

    /// The set of these.
    #[must_use]
    pub const fn of(rights: &[Right]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < rights.len() {
            bits |= 1 << rights[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// This one is in the set.
    #[must_use]
    pub fn has(self, right: Right) -> bool {
        !(self & right.into()).is_empty()
    }

    /// There is nothing in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |&right| self.has(right))
    }
}

impl From<Right> for Rights {
    fn from(right: Right) -> Self {
        Self::of(&[right])
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Rights {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl FromIterator<Self> for Rights {
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        sets.into_iter().fold(Self::NONE, |all, set| all | set)
    }
}

/// Why a text is not an action of a scope map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAction {
    /// It is not of the form at all.
    #[error("\"{text}\" is not an action: it has to read like repositories/NAME/content/read")]
    Form {
        /// What was given.
        text: String,
    },
    /// The verb is none.
    #[error(
        "\"{text}\" is not something that can be allowed: use content/read, content/write, content/delete, metadata/read or metadata/write"
    )]
    UnknownRight {
        /// What was given.
        text: String,
    },
    /// The name is neither a repository's nor the beginning of one with `*` at the end.
    #[error("\"{text}\" names no repositories: use a repository's name, or its beginning followed by *")]
    Repositories {
        /// What was given.
        text: String,
    },
}

/// Which repositories: one by its name, or all whose name begins alike (`team/*`, or `*` for every one).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repositories(Box<str>);

impl Repositories {
    /// Every repository.
    #[must_use]
    pub fn every() -> Self {
        Self("*".into())
    }

    /// This repository is among them.
    #[must_use]
    pub fn contain(&self, repository: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => repository.starts_with(prefix),
            None => repository == &*self.0,
        }
    }
}

impl fmt::Display for Repositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Repositories {
    type Err = InvalidAction;

    fn from_str(text: &str) -> Result<Self, InvalidAction> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b);
        let valid = match text.strip_suffix('*') {
            Some(prefix) => prefix.len() <= 255 && prefix.bytes().all(allowed),
            None => text.parse::<RepositoryName>().is_ok(),
        };
        if valid { Ok(Self(text.into())) } else { Err(InvalidAction::Repositories { text: text.to_owned() }) }
    }
}

/// Who may do what where: all the actions of a scope map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules(Vec<(Repositories, Rights)>);

impl Rules {
    /// The same rights on every repository.
    #[must_use]
    pub fn everywhere(rights: Rights) -> Self {
        Self(vec![(Repositories::every(), rights)])
    }

    /// Reads the actions of a scope map.
    pub fn parse<T: AsRef<str>>(actions: &[T]) -> Result<Self, InvalidAction> {
        let mut rules = Self::default();
        for action in actions {
            let action = action.as_ref();
            let form = || InvalidAction::Form { text: action.to_owned() };
            let rest = action.strip_prefix("repositories/").ok_or_else(form)?;
            let (rest, verb) = rest.rsplit_once('/').ok_or_else(form)?;
            let (name, area) = rest.rsplit_once('/').ok_or_else(form)?;
            rules.add(name.parse()?, format!("{area}/{verb}").parse::<Right>()?.into());
        }
        Ok(rules)
    }

    /// Adds rights on some repositories.
    pub fn add(&mut self, repositories: Repositories, rights: Rights) {
        match self.0.iter_mut().find(|(known, _)| *known == repositories) {
            Some((_, known)) => *known = *known | rights,
            None => self.0.push((repositories, rights)),
        }
    }

    /// What may be done to a repository.
    #[must_use]
    pub fn on(&self, repository: &str) -> Rights {
        self.0.iter().filter(|(names, _)| names.contain(repository)).map(|&(_, rights)| rights).collect()
    }

    /// What may be done to at least one repository.
    #[must_use]
    pub fn anywhere(&self) -> Rights {
        self.0.iter().map(|&(_, rights)| rights).collect()
    }

    /// The rules as actions of a scope map, in the order they were added.
    #[must_use]
    pub fn to_actions(&self) -> Vec<String> {
        let actions = self.0.iter().flat_map(|(names, rights)| {
            rights.iter().map(move |right| format!("repositories/{names}/{right}"))
        });
        actions.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_as_azure_writes_them() {
        let actions = [
            "repositories/samples/hello-world/content/read",
            "repositories/samples/hello-world/content/write",
            "repositories/team/*/metadata/read",
        ];
        let rules = Rules::parse(&actions).expect("valid");
        assert_eq!(rules.to_actions(), actions);
        let push = Rights::of(&[Right::ContentRead, Right::ContentWrite]);
        assert_eq!(rules.on("samples/hello-world"), push);
        assert_eq!(rules.on("samples/hello"), Rights::NONE);
        assert_eq!(rules.on("team/a/b"), Right::MetadataRead.into());
        assert_eq!(rules.on("team"), Rights::NONE);
        assert_eq!(rules.anywhere(), push | Right::MetadataRead.into());
    }

    #[test]
    fn a_repository_may_be_called_like_an_area() {
        let rules = Rules::parse(&["repositories/content/read/content/delete"]).expect("valid");
        assert_eq!(rules.on("content/read"), Right::ContentDelete.into());
    }

    #[test]
    fn what_is_not_an_action_is_refused_with_its_reason() {
        for (text, part) in [
            ("", "has to read like"),
            ("gateway/a/config/read", "has to read like"),
            ("repositories/content/read", "has to read like"),
            ("repositories/a/content/readwrite", "content/readwrite"),
            ("repositories/A/content/read", "\"A\""),
            ("repositories/a*b/content/read", "a*b"),
            ("repositories/*/b/content/read", "*/b"),
        ] {
            let error = Rules::parse(&[text]).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn rules_survive_being_written(parts in proptest::collection::vec(("[a-z]{1,4}(/[a-z]{1,4})?", proptest::bool::ANY, 1_u8..32), 0..6)) {
            let mut rules = Rules::default();
            for (name, prefix, bits) in &parts {
                let name = if *prefix { format!("{name}/*") } else { name.clone() };
                rules.add(name.parse().expect("valid"), Rights(*bits));
            }
            proptest::prop_assert_eq!(Rules::parse(&rules.to_actions()).expect("valid"), rules);
        }
    }
}
