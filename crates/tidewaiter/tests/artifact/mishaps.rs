//! What is said when something is not as it should be: where it is, and what to do. And that nothing is made of it.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::half_registry::HalfRegistry;
use crate::oras::Oras;

const DIGEST: &str = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

#[test]
fn damaged_layouts_are_named() {
    let oras = Oras::new();
    oras.write("f", "x");
    oras.ok("push --oci-layout cl:1 f");
    let hex = DIGEST.trim_start_matches("sha256:");
    std::fs::remove_file(oras.work().join("cl/blobs/sha256").join(hex)).expect("the blob is there");
    let run = oras.run("pull --oci-layout -o out cl:1");
    let expected = format!("Error: cl is damaged or incomplete: {DIGEST}: not found\n");
    assert!(run.stderr.ends_with(&expected), "{}", run.stderr);
}

#[test]
fn archives_are_not_written() {
    let oras = Oras::new();
    oras.write("f", "x");
    oras.write("x.tar", "");
    let only_read =
        "Error: x.tar does not support writing: archives can only be read; unpack it, or name a directory";
    oras.fails("blob push --oci-layout x.tar f", only_read);
    oras.fails("push --oci-layout x.tar:1 f", only_read);
    let other = "Error: x.tar does not support this: archives can only be read by commands that pull or copy; \
                 unpack it, or name a directory";
    oras.fails("tag --oci-layout x.tar:1 2", other);
    oras.fails("manifest delete -f --oci-layout x.tar:1", other);
}

#[test]
fn credentials_need_a_place() {
    let oras = Oras::new();
    let mut command = oras.command(oras.bin().join("oras"));
    let output = command.env_remove("HOME").args(["login", "-u", "a", "-p", "b", "r.example"]).output();
    let stderr = String::from_utf8(output.expect("it runs").stderr).expect("text");
    let expected = "Error: there is no file to keep credentials in, because HOME is not set\n\
                    Name a file with --registry-config, or a directory with the variable DOCKER_CONFIG\n";
    assert!(stderr.ends_with(expected), "{stderr}");
}

#[test]
fn full_disks_are_named_once() {
    let oras = Oras::new();
    oras.write("large", &"x".repeat(1 << 20));
    let mut command = oras.command("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 128; exec oras push --oci-layout l:1 large"]);
    let stderr = String::from_utf8(command.output().expect("sh starts").stderr).expect("text");
    assert_eq!(stderr.matches("l/ingest/").count(), 1, "{stderr}");
    assert!(stderr.contains("Error: failed to write "), "{stderr}");
}

#[test]
fn files_that_are_missing_have_one_message() {
    let oras = Oras::new();
    oras.write("f", "x");
    // Go's words, and where the file was looked for.
    let expected =
        format!("Error: failed to find {}: no such file or directory", oras.work().join("nofile").display());
    oras.fails("push --oci-layout l:1 nofile", &expected);
    oras.fails("push --oci-layout l:1 --config nofile f", &expected);
    oras.fails("blob push --oci-layout l nofile", &expected);
}

#[test]
fn nothing_is_made_of_what_fails() {
    let oras = Oras::new();
    oras.write("f", "x");
    oras.ok("push --oci-layout l:1 f");
    for line in [
        "cp --from-oci-layout l:none --to-oci-layout d:1",
        "push --oci-layout d:1 nofile",
        "push --oci-layout d:1 --export-manifest nodir/x f",
        "manifest index create --oci-layout d:1 none",
    ] {
        let run = oras.run(line);
        assert_eq!(run.code, 1, "{line}");
        assert!(!oras.work().join("d").exists(), "{line}\n{}", run.stderr);
    }
    oras.fails(
        "push --oci-layout l:2 --export-manifest nodir/x f",
        "Error: failed to write nodir/x: nodir is not a directory",
    );
}

#[test]
fn names_that_lead_out_are_explained() {
    let oras = Oras::new();
    oras.fails(
        "push --oci-layout l:1 --stdin-name ../../evil -",
        "Error: --stdin-name leads out of the directory that it is pulled into. If it's intentional, use \
         --disable-path-validation flag to skip this check: ../../evil",
    );
    oras.ok("push --oci-layout l:1 --stdin-name ../../evil --disable-path-validation -");
    oras.ok("push --oci-layout l:2 ..");
    let run = oras.run("pull -T -o x --oci-layout l:2");
    let expected = "Error: failed to write x/..: that is no name of a file or directory\n";
    assert!(run.stderr.ends_with(expected), "{}", run.stderr);
}

#[test]
fn an_index_of_nothing_has_no_platform() {
    let oras = Oras::new();
    oras.ok("manifest index create --oci-layout l:1");
    let run = oras.run("resolve --platform linux/amd64 --oci-layout l:1");
    assert!(run.stderr.ends_with("; it has: none with a platform\n"), "{}", run.stderr);
}

#[test]
fn a_pipe_without_a_writer_is_told_of() {
    let oras = Oras::new();
    let pipe = oras.work().join("f");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    let mut command = oras.command(oras.bin().join("oras"));
    let mut child =
        command.args(["push", "--oci-layout", "l:1", "f"]).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said =
        BufReader::new(child.stderr.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    assert!(said.any(|line| line == "Waiting for somebody to write to f"));
    std::fs::write(&pipe, "hi").expect("it is read");
    let rest: Vec<_> = said.collect();
    assert!(child.wait().expect("it ends").success(), "{rest:?}");
    assert_eq!(oras.ok("pull --oci-layout -o - l:1"), "hi");
}

#[test]
fn a_referrer_of_itself_is_followed_once() {
    let oras = Oras::new();
    let registry = HalfRegistry::start(false, 1);
    let run = oras.run(&format!("discover --plain-http {}/a:1", registry.host));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.stdout.matches("sha256:").count(), 2, "{}", run.stdout);
    let warnings: Vec<_> = run.stderr.lines().collect();
    assert!(
        matches!(warnings[..], [one] if one.contains("is listed as a referrer of itself")),
        "{}",
        run.stderr
    );
}
