//! Runs Debian's `docker-registry` on a loopback port for one test.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tidewaiter_oci::remote::{Client, Repository, RetrySettings, Settings};
use tidewaiter_oci::{Reference, Result};

/// A registry that runs until it is dropped.
pub(crate) struct Peer {
    process: Child,
    pub(crate) address: SocketAddr,
    directory: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.process.kill().expect("the registry is ours to end");
        self.process.wait().expect("the registry ends");
    }
}

impl Peer {
    /// Starts one that lets everybody in.
    pub(crate) fn start() -> Self {
        Self::launch(|_| String::new())
    }

    /// Starts one that lets in `user` with `password`.
    pub(crate) fn start_with_password(user: &str, password: &str) -> Self {
        Self::launch(|directory| {
            let file = directory.join("htpasswd");
            let output = Command::new("htpasswd")
                .args(["-Bbn", user, password])
                .output()
                .expect("Debian's apache2-utils are installed");
            assert!(output.status.success(), "htpasswd: {output:?}");
            std::fs::write(&file, output.stdout).expect("a temporary directory can be written");
            format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display())
        })
    }

    fn launch(auth: impl FnOnce(&Path) -> String) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        // The port is free again when the registry asks for it, unless somebody is very quick.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = address.expect("a loopback port is free");
        let config = format!(
            "version: 0.1\nlog:\n  accesslog:\n    disabled: true\n  level: error\nstorage:\n  filesystem:\n    \
             rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n{}",
            directory.path().join("data").display(),
            auth(directory.path()),
        );
        let file: PathBuf = directory.path().join("config.yml");
        std::fs::File::create(&file)
            .and_then(|mut file| file.write_all(config.as_bytes()))
            .expect("a temporary directory can be written");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Debian's docker-registry is installed");
        let mut peer = Self { process, address, directory };
        peer.wait_until_ready();
        peer
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(self.address).is_err() {
            assert!(self.process.try_wait().expect("it can be asked").is_none(), "docker-registry ended");
            assert!(
                Instant::now() < deadline,
                "docker-registry did not start in {}",
                self.directory.path().display()
            );
            std::thread::yield_now();
        }
    }

    /// A repository in it.
    pub(crate) fn repository(&self, name: &str, settings: Settings) -> Repository {
        let reference = Reference::parse(&format!("{}/{name}", self.address)).expect("a valid reference");
        client(settings).and_then(|client| client.repository(&reference)).expect("settings are valid")
    }
}

/// A client that does not wait long between tries.
pub(crate) fn client(settings: Settings) -> Result<Client> {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetrySettings { base: Duration::from_millis(1), ..RetrySettings::default() };
    Client::new(Settings { retry, ..settings })
}
