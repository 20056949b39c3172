//! Against peers we did not write: skopeo, umoci, and Debian's `docker-registry` (distribution 2.8, which has no
//! referrers API and keeps tags from being deleted), directly and over a line on a bad day.

mod distribution;
mod faults;
mod layouts;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tidewaiter_oci::Reference;
use tidewaiter_oci::remote::{Client, Repository, RetrySettings, Settings};
use tidewaiter_testkit::{DockerRegistry, ServerProcess};

/// A `docker-registry` and its content, until it is dropped.
struct Peer {
    server: ServerProcess,
    _data: tempfile::TempDir,
}

impl Peer {
    /// Starts one that lets everybody in.
    fn start() -> Self {
        Self::launch(&DockerRegistry::new())
    }

    /// Starts one that lets in `user` with `password`.
    fn start_with_password(user: &str, password: &str) -> Self {
        let output = Command::new("htpasswd").args(["-Bbn", user, password]).output();
        let output = output.expect("htpasswd (Debian's package apache2-utils)");
        assert!(output.status.success(), "htpasswd: {output:?}");
        let lines = String::from_utf8(output.stdout).expect("htpasswd prints text");
        Self::launch(&DockerRegistry::new().htpasswd(&lines))
    }

    fn launch(registry: &DockerRegistry) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory can be made");
        Self { server: registry.start(data.path()), _data: data }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn repository(&self, name: &str, settings: Settings) -> Repository {
        repository(self.address(), name, settings)
    }
}

/// A repository at an address.
fn repository(address: SocketAddr, name: &str, settings: Settings) -> Repository {
    let reference = Reference::parse(&format!("{address}/{name}")).expect("a valid reference");
    client(settings).repository(&reference).expect("settings are valid")
}

/// A client that does not wait long between tries.
fn client(settings: Settings) -> Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetrySettings { base: Duration::from_millis(1), ..settings.retry };
    Client::new(Settings { retry, ..settings }).expect("settings are valid")
}
