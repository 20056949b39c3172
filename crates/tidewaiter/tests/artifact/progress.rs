//! Progress on a terminal. The terminal is the one of `script`, from Debian's essential packages.

use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::half_registry::{HalfRegistry, PATIENCE};
use crate::oras::{Oras, embedded_registry};

/// Starts the program on a terminal of so many columns, whose output is the child's standard output.
fn on_terminal(oras: &Oras, columns: usize, line: &str) -> Child {
    let mut command = oras.command("script");
    command.args(["-qefc", &format!("stty cols {columns} rows 24; exec oras {line}"), "/dev/null"]);
    command.env("TERM", "xterm").env("SHELL", "/bin/sh").stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("script, of the package bsdutils, starts")
}

/// What was drawn, row by row, without colours and moves. Rows are filled up to the edge, where the terminal begins
/// a new one.
fn rows(drawn: &[u8], columns: usize) -> Vec<String> {
    let drawn = String::from_utf8_lossy(drawn);
    let lines = drawn.split(['\r', '\n']).map(|line| anstream::adapter::strip_str(line).to_string());
    let rows = lines.flat_map(|line| {
        let cells: Vec<char> = line.chars().collect();
        cells.chunks(columns).map(|row| row.iter().collect::<String>()).collect::<Vec<_>>()
    });
    rows.map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect()
}

#[test]
fn a_row_says_what_moves() {
    for (columns, expected) in [
        (80, "[  ...] Downloading a-report-"),
        (120, "Downloading a-report-with-a-name-that-is-rather-long.json"),
    ] {
        let oras = Oras::new();
        let registry = HalfRegistry::start(false, 1);
        let mut child = on_terminal(&oras, columns, &format!("pull --plain-http {}/a:1", registry.host));
        let mut output = child.stdout.take().expect("a pipe");
        let (mut drawn, mut buffer) = (Vec::new(), [0; 4096]);
        let end = Instant::now() + PATIENCE;
        while !rows(&drawn, columns)
            .iter()
            .any(|row| row.contains("a-report-") && row.contains(" 2.00/4 MB "))
            && Instant::now() < end
        {
            let count = output.read(&mut buffer).expect("it draws");
            assert!(count > 0, "{:#?}", rows(&drawn, columns));
            drawn.extend(&buffer[..count]);
        }
        kill_process(Pid::from_child(&child), Signal::TERM).expect("script is there");
        child.wait().expect("script ends");
        let rows = rows(&drawn, columns);
        let moving: Vec<_> = rows.iter().filter(|row| row.contains(" 2.00/4 MB ")).collect();
        assert!(moving.last().is_some_and(|row| row.contains(expected)), "{rows:#?}");
        let begins_well =
            |row: &String| row.starts_with(['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', ' ', '✓', '✗']);
        assert!(rows.iter().all(begins_well), "{rows:#?}");
        // The manifest has been read, or nobody would know of the file.
        assert!(rows.iter().any(|row| row.starts_with("✓ Pulled      application/vn")), "{rows:#?}");
    }
}

#[test]
fn sizes_are_in_one_unit() {
    let oras = Oras::new();
    let registry = embedded_registry(&oras.bin().join("data"));
    std::fs::write(oras.work().join("large.bin"), vec![7; 3_000_000]).expect("a file");
    let line = format!("push --plain-http {}/a:1 large.bin", registry.host());
    let output = on_terminal(&oras, 80, &line).wait_with_output().expect("script ends");
    let rows = rows(&output.stdout, 80);
    let done = rows
        .iter()
        .find(|row| row.starts_with("✓ Uploaded  large.bin "))
        .unwrap_or_else(|| panic!("{rows:#?}"));
    assert!(done.contains(" 2.86/2.86 MB 100.00% "), "{rows:#?}");
    assert!(rows.iter().all(|row| !row.contains('░') && !row.contains("MiB")), "{rows:#?}");
}
