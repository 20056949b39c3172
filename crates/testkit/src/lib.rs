//! What tests and benchmarks need around our programs.
//!
//! - [`proxy`]: a proxy on loopback that delays, counts, answers errors and cuts connections by plan.
//! - [`server`]: real server processes, started, waited for and ended.
//! - [`debian`]: a real Debian root, made once, and as an OCI layout.
//!
//! Only ever a dev-dependency. What is missing on the machine ends the test with a sentence that names it: a
//! test must not pass because its peer was not there.

pub mod debian;
pub mod proxy;
pub mod server;

pub use proxy::{Fault, FaultProxy, PathClass, Plan, Rule, When};
pub use server::{DockerRegistry, ServerProcess, free_address};
