//! Help for tests of the crates that keep SQL: a throw-away PostgreSQL server, databases in temporary files,
//! and a check that statements are valid on an engine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::database::{Db, Options};
use crate::location::DbLocation;
use crate::statement::Statement;

/// A SQLite database in a directory that goes away with it.
pub struct TempDb {
    /// The database.
    pub db: Db,
    /// Where it is.
    pub location: DbLocation,
    /// Its directory.
    pub directory: tempfile::TempDir,
}

impl TempDb {
    /// Makes one.
    ///
    /// # Panics
    /// When the machine cannot.
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let location = DbLocation::Sqlite(directory.path().join("test.db"));
        let db = Db::open(&location, &Options::default()).await.expect("a fresh database opens");
        Self { db, location, directory }
    }
}

/// Prepares every statement and lists those that the engine refuses.
///
/// # Panics
/// When there are any.
pub async fn check_statements(db: &Db, statements: &[(&str, Statement)]) {
    assert!(!statements.is_empty(), "no statements were given");
    let mut wrong = Vec::new();
    for (name, statement) in statements {
        if let Err(error) = db.prepare(*statement).await {
            wrong.push(format!("{name}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{db:?} refuses:\n{}", wrong.join("\n"));
}

/// A PostgreSQL server of Debian's package, reachable by a socket in its own directory, gone when dropped.
pub struct PostgresServer {
    directory: tempfile::TempDir,
    process: Child,
    databases: AtomicU32,
}

impl PostgresServer {
    /// Starts one. As root it runs as the user `postgres`, because the server refuses to run as root.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start: a test that needs it must not pass without it.
    pub fn start() -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new().prefix("pg").tempdir().expect("a temporary directory");
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(directory.path()));
        }
        let data = directory.path().join("data");
        run(unprivileged(&programs.join("initdb"))
            .args([
                "--auth=trust",
                "--username=test",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "-D",
            ])
            .arg(&data));
        let socket = directory.path().display().to_string();
        let process = unprivileged(&programs.join("postgres"))
            .args(["-c", "fsync=off", "-c", "listen_addresses="])
            .args(["-c", &format!("unix_socket_directories={socket}"), "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the PostgreSQL server starts");
        let server = Self { directory, process, databases: AtomicU32::new(0) };
        let ready = (0..300).any(|_| {
            let up = server.psql("SELECT 1", "postgres");
            if !up {
                std::thread::sleep(Duration::from_millis(100));
            }
            up
        });
        assert!(ready, "the PostgreSQL server did not answer within 30 s");
        server
    }

    /// A fresh, empty database in it.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn database(&self) -> DbLocation {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        assert!(self.psql(&format!("CREATE DATABASE {name}"), "postgres"), "cannot create {name}");
        let socket = self.directory.path().display().to_string().replace('/', "%2F");
        DbLocation::Postgres(format!("postgres://test@{socket}/{name}?sslmode=disable"))
    }

    fn psql(&self, sql: &str, database: &str) -> bool {
        let status = Command::new("psql")
            .args(["-X", "-q", "-U", "test", "-d", database, "-c", sql, "-h"])
            .arg(self.directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.expect("psql is installed").success()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's "fast shutdown": it ends its children and removes its shared memory.
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// The newest PostgreSQL that Debian installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is not installed: these tests need Debian's package `postgresql`");
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .expect("a version under /usr/lib/postgresql");
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"))
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("`id` runs");
    output.stdout.starts_with(b"0")
}

fn unprivileged(program: &Path) -> Command {
    let mut command = if is_root() {
        // `setpriv` replaces itself, so that the process we stop is the server and not a wrapper.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
