//! Real server processes: started, waited for, killed.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take to accept connections.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a server may take to end when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How often it is looked whether a server is there, or gone.
const POLL: Duration = Duration::from_millis(10);

/// An address on loopback that nobody listens on. The kernel hands ports out at random, so that two tests
/// which ask at the same time do not get the same one.
///
/// # Panics
/// When the machine has no port to give.
#[must_use]
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
    listener.local_addr().expect("a listener has an address")
}

/// A server of ours or of others. It is killed when dropped.
pub struct ServerProcess {
    name: String,
    child: Child,
    address: SocketAddr,
    output: TempDir,
}

impl ServerProcess {
    /// Starts `command` and waits until `address` accepts connections. What it prints is kept for
    /// [`output`](Self::output).
    ///
    /// # Panics
    /// When it cannot be started, ends, or is not there within 30 seconds; the message holds what it printed.
    #[must_use]
    pub fn start(name: &str, mut command: Command, address: SocketAddr) -> Self {
        let output = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str| File::create(output.path().join(name)).expect("a file for the output");
        let child = command
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started as {command:?}: {error}"));
        let mut server = Self { name: name.to_owned(), child, address, output };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) {
        let limit = Instant::now() + START_LIMIT;
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                panic!("{} ended with {status} before it was ready:\n{}", self.name, self.output());
            }
            assert!(
                Instant::now() < limit,
                "{} does not listen on {} after {START_LIMIT:?}:\n{}",
                self.name,
                self.address,
                self.output()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a registry's name: `127.0.0.1:40001`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far, standard output first.
    #[must_use]
    pub fn output(&self) -> String {
        let read = |name: &str| fs::read(self.output.path().join(name)).unwrap_or_default();
        let (out, err) = (read("stdout"), read("stderr"));
        format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err))
    }

    /// The most memory it has held so far (`VmHWM`), in bytes.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {path}: {error}"));
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib =
            line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse::<u64>().ok());
        kib.unwrap_or_else(|| panic!("{path} names no peak; has {} ended?", self.name)) * 1024
    }

    /// `kill -9`: it ends where it stands. Returns when it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Panics
    /// When it has not ended after 20 seconds; it is killed then.
    pub fn stop(&mut self) -> ExitStatus {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        // When it has ended by itself there is nothing to tell it.
        let _ = kill_process(id, Signal::TERM);
        let limit = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                return status;
            }
            if Instant::now() > limit {
                self.kill();
                panic!("{} did not end within {STOP_LIMIT:?} of SIGTERM:\n{}", self.name, self.output());
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Debian's `docker-registry`: the reference implementation, version 2.8, which has no referrers API.
#[derive(Debug, Clone, Default)]
pub struct DockerRegistry {
    htpasswd: Option<String>,
}

impl DockerRegistry {
    /// With deletes, without users.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets in only the users of these lines (`name:bcrypt hash`).
    #[must_use]
    pub fn htpasswd(mut self, lines: &str) -> Self {
        self.htpasswd = Some(lines.to_owned());
        self
    }

    /// Starts it on a free port with its content and configuration below `data`.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    #[must_use]
    pub fn start(&self, data: &Path) -> ServerProcess {
        self.start_at(data, free_address())
    }

    /// Starts it on a given address.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    #[must_use]
    pub fn start_at(&self, data: &Path, address: SocketAddr) -> ServerProcess {
        let mut config = format!(
            "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
             storage:\n  filesystem: {{rootdirectory: {}}}\n  cache: {{blobdescriptor: inmemory}}\n  \
             delete: {{enabled: true}}\nhttp: {{addr: \"{address}\"}}\n",
            data.join("content").display()
        );
        if let Some(lines) = &self.htpasswd {
            let users = data.join("htpasswd");
            fs::write(&users, lines).unwrap_or_else(|error| panic!("writing {}: {error}", users.display()));
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", users.display());
        }
        let path = data.join("config.yml");
        fs::write(&path, config).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&path);
        ServerProcess::start("docker-registry (Debian's package of that name)", command, address)
    }
}
