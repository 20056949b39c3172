//! The real program under the name `oras`, in a made-up home.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tidewaiter_testkit::{ServerProcess, free_address};

/// A directory with the program in it, a home, and nothing of the machine's settings.
pub(crate) struct Oras {
    directory: TempDir,
}

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Oras {
    /// Links the program.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let program = directory.path().join("oras");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tidewaiter"), program).expect("a link");
        let program = directory.path().join("tidewaiter");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tidewaiter"), program).expect("a link");
        std::fs::create_dir(directory.path().join("home")).expect("a home");
        std::fs::create_dir(directory.path().join("work")).expect("a working directory");
        Self { directory }
    }

    /// Where the program is.
    pub(crate) fn bin(&self) -> &Path {
        self.directory.path()
    }

    /// The working directory.
    pub(crate) fn work(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// Writes a file into the working directory.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(path, content).expect("a file");
    }

    /// A command in the working directory, with nothing of the machine's environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.bin().display()))
            .env("HOME", self.directory.path().join("home"))
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program with words separated by blanks.
    pub(crate) fn run(&self, line: &str) -> Run {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.run_words(&words, "")
    }

    /// Runs the program with an input.
    pub(crate) fn run_words(&self, words: &[&str], input: &str) -> Run {
        let mut command = self.command(self.bin().join("oras"));
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // A program that reads no input may be gone already.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        Run::of(child.wait_with_output().expect("the program ends"))
    }

    /// Runs a command line that must succeed, and gives its standard output.
    pub(crate) fn ok(&self, line: &str) -> String {
        let run = self.run(line);
        assert_eq!(run.code, 0, "{line}\n{}{}", run.stdout, run.stderr);
        run.stdout
    }

    /// Runs a command line that must fail with exactly this on standard error, and nothing on standard output.
    pub(crate) fn fails(&self, line: &str, expected: &str) {
        let run = self.run(line);
        assert_eq!((run.stderr.as_str(), run.code), (format!("{expected}\n").as_str(), 1), "{line}");
        assert_eq!(run.stdout, "", "{line}");
    }
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

/// A registry that gives everybody the same answer, as long as the tests run; its host and port.
pub(crate) fn answering(status: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nETag: \"x\"\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            // Whoever asks may be gone already.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    host
}

/// Our registry over a data directory.
pub(crate) fn embedded_registry(data: &Path) -> ServerProcess {
    let address = free_address();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewaiter"));
    command.env_clear().env("HOME", data).args(["registry", "serve", "--data"]).arg(data);
    command.args(["--listen", &address.to_string()]);
    ServerProcess::start("tidewaiter registry serve", command, address)
}
