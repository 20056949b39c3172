//! The embedded registry: distribution-spec handlers over a blob store and a metadata store.
//!
//! [`Registry::open`] puts a database ([`tidewaiter_db::Db`]) and a [`BlobStore`] together;
//! [`Registry::router`] is its HTTP side, [`serve`] runs that on a listener. `handlers` has one module per
//! resource of the distribution specification, `metadata` and `sql` keep names, manifests and the outbox in
//! the database, `blobs` keeps content by digest, [`access`] decides who may do what.
//!
//! ```text
//! let registry = Registry::open(db, BlobStore::local(&data).await?, Options::new(clock)).await?;
//! serve(listener, registry.router(), &ServeOptions::default(), shutdown).await;
//!
//! let mut wake = registry.wake();                               // in the platform
//! for event in registry.events_after(cursor, 100).await? { … }  // push, delete, untag, in order
//! wake.wait(Duration::from_secs(5)).await;
//! registry.repository(&name).fetch_reference("v1").await?;      // an oci::ReadTarget, without HTTP
//! ```

pub mod access;
mod blobs;
mod cache;
mod collect;
mod error;
mod events;
mod handlers;
mod metadata;
mod metrics;
mod options;
mod registry;
mod repository;
mod response;
mod route;
mod server;
mod sql;
mod tls;
mod uploads;
mod watched;
mod webhooks;

pub use blobs::BlobStore;
pub use collect::{CollectOptions, Collected};
pub use error::{Error, ErrorKind, Result};
pub use events::{Action, Event, Origin};
pub use metadata::{ChangeableAttributes, ManifestDetails};
pub use options::{Anonymous, Challenge, Clock, Options};
pub use registry::Registry;
pub use repository::Repository;
pub use server::{ClientAddress, Names, ServeOptions, serve};
pub use tls::Tls;
pub use webhooks::{Webhook, WebhookFormat};

/// The statements of this crate by area, for the test that prepares them on both engines.
pub const STATEMENTS: &[&[(&str, tidewaiter_db::Statement)]] = &[sql::ALL, access::sql::ALL];
