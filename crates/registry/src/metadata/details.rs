//! Lists with all that is known of their entries, in the shapes that ACR's API and `az acr` print.

use std::collections::HashMap;

use serde::{Serialize, Serializer};
use tidewaiter_db::{Row, args};
use tidewaiter_oci::RepositoryName;

use super::{Metadata, size};
use crate::error::Result;
use crate::sql;

/// A time as ACR writes it: RFC 3339 with seven digits after the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AcrTime(i64);

impl Serialize for AcrTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = jiff::Timestamp::from_microsecond(self.0).unwrap_or_default();
        serializer.serialize_str(&format!("{time:.7}"))
    }
}

/// What may be done with an entry. Here nothing is ever locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeableAttributes {
    delete_enabled: bool,
    list_enabled: bool,
    read_enabled: bool,
    write_enabled: bool,
}

const UNLOCKED: ChangeableAttributes = ChangeableAttributes {
    delete_enabled: true,
    write_enabled: true,
    read_enabled: true,
    list_enabled: true,
};

/// A repository.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RepositoryDetails {
    pub(crate) image_name: String,
    created_time: AcrTime,
    last_update_time: AcrTime,
    manifest_count: i64,
    tag_count: i64,
    changeable_attributes: ChangeableAttributes,
}

/// A manifest, as `az acr manifest list-metadata` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestDetails {
    /// What the image runs on, by its configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// What may be done with it.
    pub changeable_attributes: ChangeableAttributes,
    /// Media type of an image's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_media_type: Option<String>,
    created_time: AcrTime,
    /// Its digest.
    pub digest: String,
    /// Bytes of the manifest and of what it points at.
    pub image_size: u64,
    last_update_time: AcrTime,
    /// Its media type.
    pub media_type: String,
    /// What the image runs on, by its configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Its tags by name.
    pub tags: Vec<String>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagDetails {
    /// What may be done with it.
    pub(crate) changeable_attributes: ChangeableAttributes,
    created_time: AcrTime,
    /// The manifest it names.
    pub(crate) digest: String,
    last_update_time: AcrTime,
    /// Its name.
    pub(crate) name: String,
    /// Always false: signatures are referrers here.
    pub(crate) signed: bool,
}

impl ManifestDetails {
    /// When a client last pushed it, in microseconds since 1970.
    #[must_use]
    pub fn updated_at(&self) -> i64 {
        self.last_update_time.0
    }
}

impl TagDetails {
    /// When it was last set, in microseconds since 1970.
    pub(crate) fn updated_at(&self) -> i64 {
        self.last_update_time.0
    }
}

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By name or digest.
    Name,
    /// By time of the last update, oldest first.
    OldestFirst,
    /// By time of the last update, newest first.
    NewestFirst,
}

/// A page of a list.
#[derive(Debug)]
pub(crate) struct ListQuery<'a> {
    pub(crate) order: Order,
    /// The name or digest of the last entry of the page before, or nothing.
    pub(crate) last: &'a str,
    /// When that entry was updated, where the client has kept it.
    pub(crate) last_updated: Option<i64>,
    pub(crate) limit: u32,
}

impl ListQuery<'_> {
    /// Where a list by time begins: after this time, or at its beginning.
    fn time(&self, of_last: Option<i64>) -> i64 {
        match (self.last, self.last_updated.or(of_last), self.order) {
            ("", _, Order::NewestFirst) => i64::MAX,
            ("", ..) => i64::MIN,
            (_, Some(time), _) => time,
            // The entry has gone, and with it the place in the list: there is nothing more to show.
            (_, None, Order::NewestFirst) => i64::MIN,
            (_, None, _) => i64::MAX,
        }
    }
}

impl Metadata {
    /// A repository that holds manifests.
    pub(crate) async fn repository(&self, name: &RepositoryName) -> Result<Option<RepositoryDetails>> {
        let Some(row) = self.db.fetch_optional(sql::REPOSITORY_FACTS, args![name.as_str()]).await? else {
            return Ok(None);
        };
        let details = RepositoryDetails {
            image_name: name.as_str().to_owned(),
            created_time: AcrTime(row.i64(0)?),
            last_update_time: AcrTime(row.i64(1)?),
            manifest_count: row.i64(2)?,
            tag_count: row.i64(3)?,
            changeable_attributes: UNLOCKED,
        };
        Ok(Some(details).filter(|details| details.manifest_count > 0))
    }

    /// A page of a repository's manifests.
    pub(crate) async fn manifests(
        &self,
        name: &RepositoryName,
        query: &ListQuery<'_>,
    ) -> Result<Vec<ManifestDetails>> {
        let mut arguments = args![name.as_str(), query.last, query.limit];
        let statement = match query.order {
            Order::Name => sql::MANIFESTS_BY_DIGEST,
            Order::OldestFirst => sql::MANIFESTS_OLDEST_FIRST,
            Order::NewestFirst => sql::MANIFESTS_NEWEST_FIRST,
        };
        if query.order != Order::Name {
            let last = self.manifest_details(name, query.last).await?;
            arguments.push(query.time(last.map(|last| last.updated_at())).into());
        }
        let rows = self.db.fetch_all(statement, arguments).await?;
        self.with_tags(name, &rows).await
    }

    /// One manifest of a repository.
    pub(crate) async fn manifest_details(
        &self,
        name: &RepositoryName,
        digest: &str,
    ) -> Result<Option<ManifestDetails>> {
        let row = self.db.fetch_optional(sql::MANIFEST_DETAILS, args![name.as_str(), digest]).await?;
        Ok(self.with_tags(name, row.as_slice()).await?.pop())
    }

    async fn with_tags(&self, name: &RepositoryName, rows: &[Row]) -> Result<Vec<ManifestDetails>> {
        let mut manifests = rows.iter().map(read_manifest).collect::<Result<Vec<_>, _>>()?;
        let digests: Vec<_> = manifests.iter().map(|manifest| manifest.digest.as_str()).collect();
        let digests = serde_json::json!(digests).to_string();
        let mut tags: HashMap<String, Vec<String>> = HashMap::new();
        for row in self.db.fetch_all(sql::TAGS_OF_MANIFESTS, args![name.as_str(), digests]).await? {
            tags.entry(row.text(0)?).or_default().push(row.text(1)?);
        }
        for manifest in &mut manifests {
            manifest.tags = tags.remove(&manifest.digest).unwrap_or_default();
        }
        Ok(manifests)
    }

    /// A page of a repository's tags, perhaps only those of one manifest.
    pub(crate) async fn tag_list(
        &self,
        name: &RepositoryName,
        digest: &str,
        query: &ListQuery<'_>,
    ) -> Result<Vec<TagDetails>> {
        let mut arguments = args![name.as_str(), query.last, query.limit, digest];
        let statement = match query.order {
            Order::Name => sql::TAGS_BY_NAME,
            Order::OldestFirst => sql::TAGS_OLDEST_FIRST,
            Order::NewestFirst => sql::TAGS_NEWEST_FIRST,
        };
        if query.order != Order::Name {
            let last = self.tag_details(name, query.last).await?;
            arguments.push(query.time(last.map(|last| last.updated_at())).into());
        }
        let rows = self.db.fetch_all(statement, arguments).await?;
        Ok(rows.iter().map(read_tag).collect::<Result<_, _>>()?)
    }

    /// One tag of a repository.
    pub(crate) async fn tag_details(&self, name: &RepositoryName, tag: &str) -> Result<Option<TagDetails>> {
        let row = self.db.fetch_optional(sql::TAG_DETAILS, args![name.as_str(), tag]).await?;
        Ok(row.as_ref().map(read_tag).transpose()?)
    }
}

fn read_manifest(row: &Row) -> Result<ManifestDetails, tidewaiter_db::Error> {
    Ok(ManifestDetails {
        digest: row.text(0)?,
        media_type: row.text(1)?,
        config_media_type: row.optional_text(3)?,
        image_size: size(row.i64(4)?),
        architecture: row.optional_text(5)?,
        os: row.optional_text(6)?,
        created_time: AcrTime(row.i64(7)?),
        last_update_time: AcrTime(row.i64(8)?),
        tags: Vec::new(),
        changeable_attributes: UNLOCKED,
    })
}

fn read_tag(row: &Row) -> Result<TagDetails, tidewaiter_db::Error> {
    Ok(TagDetails {
        name: row.text(0)?,
        digest: row.text(1)?,
        created_time: AcrTime(row.i64(2)?),
        last_update_time: AcrTime(row.i64(3)?),
        signed: false,
        changeable_attributes: UNLOCKED,
    })
}
