//! The remote half against peers we did not write: Debian's `docker-registry` (distribution 2.8, which has no
//! referrers API and keeps tags from being deleted).

mod distribution;
mod registry;
