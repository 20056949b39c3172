//! Commands that do not come to their end: by a signal, or because something beside them failed. Nothing of what
//! they began stays behind.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::half_registry::{HalfRegistry, PATIENCE};
use crate::oras::{Oras, Run};

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found
}

/// What was begun and not ended: hidden files and directories of ours, and those of layouts.
fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let is_ours = |path: &PathBuf| path.to_string_lossy().contains("tidewaiter-");
    let mut found = files(directory);
    found.extend(fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()));
    found.retain(is_ours);
    found
}

/// The program, which hears signals also when the tests were started with them ignored: shells do that to what they
/// run in the background, and the program goes by it.
fn program(oras: &Oras) -> Command {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let program = oras.bin().join("oras");
    let asked_for = [Signal::HUP, Signal::INT, Signal::TERM];
    if asked_for.iter().all(|signal| ignored >> (signal.as_raw() - 1) & 1 == 0) {
        return oras.command(program);
    }
    let mut command = oras.command("env");
    command.arg("--default-signal=HUP,INT,TERM").arg(program);
    command
}

fn start(oras: &Oras, line: &str) -> Child {
    let mut command = program(oras);
    command.args(line.split_whitespace()).env("TMPDIR", oras.work().join("tmp"));
    fs::create_dir_all(oras.work().join("tmp")).expect("a directory");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// Waits until something is being written.
fn wait_for_leftovers(oras: &Oras, line: &str) {
    let end = Instant::now() + PATIENCE;
    let begun = |path: PathBuf| fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0);
    while !leftovers(&oras.work()).into_iter().any(begun) {
        assert!(Instant::now() < end, "{line}: nothing was begun");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn end(mut child: Child, line: &str) -> Run {
    let limit = Instant::now() + PATIENCE;
    while child.try_wait().expect("the state of a child").is_none() {
        if Instant::now() > limit {
            let _ = child.kill();
            panic!("{line}: it did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Run::of(child.wait_with_output().expect("the program ends"))
}

fn check_signal(directory: bool, line: &str, signal: Signal, message: &str, code: i32) {
    let oras = Oras::new();
    let registry = HalfRegistry::start(directory, 1);
    let line =
        line.replace("R/", &format!("{}/", registry.host)).replace("DIGEST", registry.stalled.as_str());
    let child = start(&oras, &line);
    wait_for_leftovers(&oras, &line);
    let process = Pid::from_child(&child);
    kill_process(process, signal).expect("the process is there");
    let run = end(child, &line);
    assert_eq!((run.code, leftovers(&oras.work())), (code, Vec::new()), "{line}\n{}", run.stderr);
    assert!(run.stderr.ends_with(message), "{line}\n{}", run.stderr);
}

#[test]
fn interrupted_downloads_leave_nothing() {
    for line in ["pull --plain-http -o cc R/a:1", "blob fetch --plain-http -o out R/a@DIGEST"] {
        check_signal(false, line, Signal::INT, "Error: interrupted\n", 130);
    }
    check_signal(true, "pull --plain-http -o cc R/a:1", Signal::TERM, "Error: terminated\n", 143);
}

#[test]
fn interrupted_copies_and_backups_leave_nothing() {
    let copy = "cp --from-plain-http --to-oci-layout R/a:1 layout:1";
    check_signal(false, copy, Signal::TERM, "Error: terminated\n", 143);
    let backup = "backup --plain-http -o x.tar R/a:1";
    check_signal(false, backup, Signal::HUP, "Error: the terminal went away\n", 129);
}

#[test]
fn interrupted_input_leaves_nothing() {
    let oras = Oras::new();
    fs::create_dir(oras.work().join("tmp")).expect("a directory");
    let mut command = program(&oras);
    command.args(["push", "--oci-layout", "layout:1", "-"]).env("TMPDIR", oras.work().join("tmp"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&[7; 1 << 16]).expect("it reads");
    let begun =
        || files(&oras.work().join("tmp")).iter().any(|file| fs::metadata(file).is_ok_and(|f| f.len() > 0));
    let limit = Instant::now() + PATIENCE;
    while !begun() {
        assert!(Instant::now() < limit, "nothing was begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("the process is there");
    let run = end(child, "push -");
    assert_eq!((run.code, files(&oras.work().join("tmp"))), (130, Vec::new()), "{}", run.stderr);
    drop(input);
}

#[test]
fn what_failed_beside_others_leaves_nothing() {
    for (directory, line) in [
        (false, "pull --plain-http -o cc R/a:1"),
        (true, "pull --plain-http -o cc R/a:1"),
        (false, "cp --from-plain-http --to-oci-layout R/a:1 layout:1"),
        (false, "backup --plain-http -o backup R/a:1"),
    ] {
        let oras = Oras::new();
        let registry = HalfRegistry::start(directory, 2);
        let line = line.replace("R/", &format!("{}/", registry.host));
        let run = end(start(&oras, &line), &line);
        assert_eq!((run.code, leftovers(&oras.work())), (1, Vec::new()), "{line}\n{}", run.stderr);
    }
}
