//! Scope maps: named lists of actions, given to tokens. Five come with the registry and cannot be changed.

use tidewaiter_db::{Db, Row, Tx, args};

use super::name::check_name;
use super::rights::{Right, Rights, Rules};
use super::sql;
use crate::error::{Error, Result};
use crate::options::Clock;

/// The system scope maps of Azure Container Registry: name, description, rights on all repositories.
const SYSTEM: [(&str, &str, Rights); 5] = [
    ("_repositories_admin", "Can perform all read, write and delete operations on the registry", Rights::ALL),
    ("_repositories_pull", "Can pull any repository of the registry", Rights::of(&[Right::ContentRead])),
    (
        "_repositories_pull_metadata_read",
        "Can perform all read operations on the registry",
        Rights::of(&[Right::ContentRead, Right::MetadataRead]),
    ),
    (
        "_repositories_push",
        "Can push to any repository of the registry",
        Rights::of(&[Right::ContentRead, Right::ContentWrite]),
    ),
    (
        "_repositories_push_metadata_write",
        "Can perform all read and write operations on the registry",
        Rights::of(&[Right::ContentRead, Right::ContentWrite, Right::MetadataRead, Right::MetadataWrite]),
    ),
];

/// What some tokens are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeMap {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// What it allows.
    pub rules: Rules,
    /// When it was made, in microseconds since 1970; absent for those that come with the registry.
    pub created_at: Option<i64>,
}

impl ScopeMap {
    /// It comes with the registry.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.created_at.is_none()
    }

    fn system((name, description, rights): (&str, &str, Rights)) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            rules: Rules::everywhere(rights),
            created_at: None,
        }
    }

    fn read(row: &Row) -> Result<Self> {
        let name = row.text(0)?;
        let damaged = |reason: String| Error::Damaged { what: "scope map", name: name.clone(), reason };
        let actions: Vec<String> =
            serde_json::from_str(row.str(2)?).map_err(|source| damaged(source.to_string()))?;
        let rules = Rules::parse(&actions).map_err(|source| damaged(source.to_string()))?;
        Ok(Self { name, description: row.text(1)?, rules, created_at: Some(row.i64(3)?) })
    }
}

/// The actions as the database keeps them.
fn actions_json(rules: &Rules) -> String {
    serde_json::Value::from(rules.to_actions()).to_string()
}

/// The scope maps of a registry.
#[derive(Debug, Clone)]
pub struct ScopeMaps {
    db: Db,
    clock: Clock,
}

impl ScopeMaps {
    /// Those kept in a database.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// All of them by name, those of the system first.
    pub async fn list(&self) -> Result<Vec<ScopeMap>> {
        let rows = self.db.fetch_all(sql::SCOPE_MAPS, args![]).await?;
        SYSTEM
            .into_iter()
            .map(|map| Ok(ScopeMap::system(map)))
            .chain(rows.iter().map(ScopeMap::read))
            .collect()
    }

    /// One by its name.
    pub async fn get(&self, name: &str) -> Result<ScopeMap> {
        if let Some(&map) = SYSTEM.iter().find(|map| map.0 == name) {
            return Ok(ScopeMap::system(map));
        }
        let row = self.db.fetch_optional(sql::SCOPE_MAP, args![name]).await?;
        row.as_ref().map_or_else(|| Err(unknown(name)), ScopeMap::read)
    }

    /// Makes one.
    pub async fn create(&self, name: &str, description: &str, rules: &Rules) -> Result<()> {
        check_name(name)?;
        let arguments = args![name, description, actions_json(rules), self.clock.now()];
        match self.db.execute(sql::INSERT_SCOPE_MAP, arguments).await? {
            0 => Err(Error::Exists { what: "scope map", name: name.to_owned() }),
            _ => Ok(()),
        }
    }

    /// Changes what one allows. The tokens that have it are held to that within seconds.
    pub async fn update(&self, name: &str, description: &str, rules: &Rules) -> Result<()> {
        refuse_system(name)?;
        let arguments = args![name, description, actions_json(rules)];
        match self.db.execute(sql::UPDATE_SCOPE_MAP, arguments).await? {
            0 => Err(unknown(name)),
            _ => Ok(()),
        }
    }

    /// Deletes one that no token has.
    pub async fn delete(&self, name: &str) -> Result<()> {
        refuse_system(name)?;
        let mut tx = self.db.begin().await?;
        tx.lock(AREA).await?;
        let rows = tx.fetch_all(sql::TOKENS_OF_SCOPE_MAP, args![name]).await?;
        let tokens = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        if !tokens.is_empty() {
            return Err(Error::ScopeMapInUse { name: name.to_owned(), tokens: tokens.join(", ") });
        }
        if tx.execute(sql::DELETE_SCOPE_MAP, args![name]).await? == 0 {
            return Err(unknown(name));
        }
        Ok(tx.commit().await?)
    }
}

/// Held by whoever gives a scope map to a token or takes one away, so that no token is left without one.
const AREA: &str = "registry-scope-maps";

/// Makes sure that a scope map exists, and stays until the transaction has given it to a token.
pub(super) async fn require(tx: &mut Tx, name: &str) -> Result<()> {
    tx.lock(AREA).await?;
    if SYSTEM.iter().any(|map| map.0 == name) {
        return Ok(());
    }
    tx.fetch_optional(sql::SCOPE_MAP, args![name]).await?.map(|_| ()).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Error {
    Error::Unknown { what: "scope map", name: name.to_owned() }
}

fn refuse_system(name: &str) -> Result<()> {
    if SYSTEM.iter().any(|map| map.0 == name) {
        return Err(Error::SystemScopeMap { name: name.to_owned() });
    }
    Ok(())
}
