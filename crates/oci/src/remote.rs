//! Registries over HTTP, after the OCI distribution specification 1.1.
//!
//! Start at [`Client`]: it holds the settings, the connections and the tokens. [`Client::registry`] gives what a
//! registry can be asked as a whole, [`Client::repository`] a [`Repository`], which implements the traits of
//! [`content`](crate::content). Nothing is believed unchecked: content is compared with its digest and size,
//! addresses that a registry names are held against its own (module `trust`), and every answer is read within a
//! bound.

mod auth;
mod blobs;
mod call;
mod client;
mod detail;
mod download;
mod endpoint;
mod exchange;
mod manifests;
mod observer;
mod positioned;
mod proxy;
mod referrers;
mod registry;
mod repository;
mod retry;
mod settings;
mod source;
mod stall;
mod tags;
mod transport;
mod trust;
mod upload;
mod warning;

pub use client::Client;
pub use observer::{Excerpt, MAX_EXCERPT, Observer, RequestEvent, ResponseEvent, Silent, Wait};
pub(crate) use referrers::fallback_tag;
pub use registry::Registry;
pub use repository::Repository;
pub use settings::{
    ClientCertificate, InvalidResolveRule, PlainHttp, ProxySettings, ReferrersMode, ResolveRule,
    RetrySettings, Settings, TransferSettings,
};
pub use tags::Pages;
