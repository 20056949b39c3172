//! Where a registry keeps what it knows and what it holds: the flags, and opening both.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tidewaiter_db::{Db, DbLocation};
use tidewaiter_registry::{BlobStore, Options, Registry};

use super::up;
use crate::environment::{self, TIDEWAITER_DATABASE};

/// Name of the database in a data directory.
const DATABASE: &str = "tidewaiter.db";
/// Name of the blob store in a data directory.
const BLOBS: &str = "registry";

/// The database of a registry.
#[derive(clap::Args)]
#[command(next_help_heading = "Storage")]
pub(crate) struct DatabaseArgs {
    /// Database of names, tags, manifests and tokens: `sqlite:FILE` or `postgres://USER@HOST/DATABASE`. One with a
    /// password belongs into $TIDEWAITER_DATABASE, where others do not see it [default: a file in the data directory]
    #[arg(long, value_name = "URL")]
    database: Option<DbLocation>,
}

/// Everything that a registry is kept in.
#[derive(clap::Args)]
#[command(next_help_heading = "Storage")]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Store of blobs: `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, `gs://BUCKET/PREFIX` or a directory.
    /// Credentials, regions and endpoints come from the variables of those services: AWS_…, AZURE_…, GOOGLE_…
    /// [default: in the data directory]
    #[arg(long, value_name = "URL")]
    blobs: Option<String>,
}

/// The database of a registry that is there, and may be running.
#[derive(clap::Args)]
pub(crate) struct DataArgs {
    /// The data directory of the registry or the platform [default: that of `tidewaiter up`]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// The stores of a registry that is there, and may be running.
#[derive(clap::Args)]
pub(crate) struct WholeDataArgs {
    /// The data directory of the registry or the platform [default: that of `tidewaiter up`]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    stores: StoreArgs,
}

impl DatabaseArgs {
    /// The database for this data directory.
    fn location(&self, directory: &Path) -> Result<DbLocation> {
        if let Some(location) = &self.database {
            return Ok(location.clone());
        }
        match environment::variable(TIDEWAITER_DATABASE) {
            Some(text) => text.parse().with_context(|| format!("${TIDEWAITER_DATABASE} cannot be used")),
            None => Ok(DbLocation::Sqlite(directory.join(DATABASE))),
        }
    }

    /// Opens a database that is there already.
    async fn open_existing(&self, directory: &Path) -> Result<Db> {
        let location = self.location(directory)?;
        if let DbLocation::Sqlite(path) = &location
            && !path.exists()
        {
            bail!(
                "there is no registry and no platform at {}; name their directory with --data",
                path.display()
            );
        }
        Ok(Db::open(&location, &tidewaiter_db::Options::default()).await?)
    }
}

impl StoreArgs {
    async fn open_blobs(&self, directory: &Path) -> Result<BlobStore> {
        let directory = directory.join(BLOBS);
        Ok(match &self.blobs {
            Some(url) => BlobStore::open(url, environment::object_store_settings(), &directory).await?,
            None => BlobStore::local(&directory).await?,
        })
    }

    /// Opens the registry of a data directory, and the database that everything in it shares.
    pub(crate) async fn open(&self, directory: &Path, options: Options) -> Result<(Db, Registry)> {
        let location = self.database.location(directory)?;
        let db = Db::open(&location, &tidewaiter_db::Options::default()).await?;
        let blobs = self.open_blobs(directory).await?;
        let registry = Registry::open(db.clone(), blobs, options).await?;
        Ok((db, registry))
    }
}

fn directory(data: &Option<PathBuf>) -> PathBuf {
    data.clone().unwrap_or_else(|| up::default_data(false))
}

impl DataArgs {
    /// The data directory.
    pub(crate) fn directory(&self) -> PathBuf {
        directory(&self.data)
    }

    /// Opens the database, which must be there.
    pub(crate) async fn open_database(&self) -> Result<Db> {
        self.database.open_existing(&self.directory()).await
    }
}

impl WholeDataArgs {
    /// Opens the registry, which must be there.
    pub(crate) async fn open_registry(&self, options: Options) -> Result<Registry> {
        let directory = directory(&self.data);
        let db = self.stores.database.open_existing(&directory).await?;
        let blobs = self.stores.open_blobs(&directory).await?;
        Ok(Registry::open(db, blobs, options).await?)
    }
}
