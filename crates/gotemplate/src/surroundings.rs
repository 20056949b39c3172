//! What a template may learn of the world outside of it.

use std::net::IpAddr;

use jiff::Zoned;

/// What functions such as `now`, `env` or `randAlphaNum` ask for. Whoever renders a template answers; what is
/// not answered makes the function fail.
pub trait Surroundings {
    /// The time, in the local time zone.
    fn now(&self) -> Option<Zoned> {
        None
    }

    /// An environment variable's value, empty when it is not set.
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    /// The addresses of a host, none when it has none.
    fn addresses(&self, _host: &str) -> Option<Vec<IpAddr>> {
        None
    }

    /// Bits that nobody can foresee.
    fn random(&self) -> Option<u64> {
        None
    }
}

/// No world at all: templates that only look at their data.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Surroundings for Nothing {}
