//! The registry over HTTP, on a loopback port: one binary, because linking it takes longer than running it.

mod access;
mod acr;
mod collect;
mod conformance;
mod faults;
mod manifests;
mod object_stores;
mod operations;
mod patience;
mod server;
mod uploads;
mod webhooks;
