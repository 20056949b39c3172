//! Against peers we did not write: skopeo, umoci, and Debian's `docker-registry` (distribution 2.8, which has no
//! referrers API and keeps tags from being deleted).

mod distribution;
mod layouts;
mod registry;
