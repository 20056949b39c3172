//! A registry on a disk that is full to the last byte: what is deleted makes room, before and after a restart, and what
//! does not fit takes none. The disk is one in memory, in a name space of its own: uses `unshare` and `mount` from
//! Debian's `util-linux`.

use std::process::Command;

use tidewaiter_testkit::free_address;

/// A disk with a registry on it that holds 8 MiB, and the words of the scripts below.
const PREPARE: &str = r#"
set -euo pipefail
mount -t tmpfs -o size=96m tmpfs "$DISK"
cd "$DISK"
trap 'code=$?; kill "$server" 2>/dev/null; [ $code -eq 0 ] || cat served >&2' EXIT
serve() {
    "$TIDEWAITER" registry serve --data data --listen "$ADDRESS" >served 2>&1 &
    server=$!
    for _ in $(seq 1000); do
        curl -sf "http://$ADDRESS/v2/" && return
        sleep 0.02
    done
    echo "the registry does not start: $(cat served)" >&2
    return 1
}
stop() {
    kill "$server"
    wait "$server" || true
}
fill() {
    cat /dev/zero >filler 2>/dev/null || true
    echo "$(df --output=avail . | tail -1 | tr -d ' ') left"
}
artifact() {
    "$TIDEWAITER" artifact "$@" --plain-http
}
# A blob of a megabyte, from a file beside the disk.
push() {
    artifact blob push --no-tty "$ADDRESS/app" "$BLOB" 2>&1
}
collect() {
    "$TIDEWAITER" registry gc --data data --grace 0s
}
serve >up
head -c 8M /dev/urandom >large
artifact push --no-tty "$ADDRESS/app:v1" large >pushed
rm large
"#;

/// Runs a script on such a disk; what it prints.
fn on_a_small_disk(script: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let (disk, blob) = (directory.path().join("disk"), directory.path().join("blob"));
    std::fs::create_dir(&disk).expect("creates");
    std::fs::write(&blob, vec![7; 1 << 20]).expect("writes");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "bash", "-c", &format!("{PREPARE}{script}")])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", directory.path())
        .env("TIDEWAITER", env!("CARGO_BIN_EXE_tidewaiter"))
        .env("DISK", &disk)
        .env("BLOB", &blob)
        .env("ADDRESS", free_address().to_string())
        .output()
        .expect("unshare is not installed: this test needs Debian's package `util-linux`");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    stdout.into_owned()
}

#[test]
fn a_running_registry_deletes_on_a_full_disk() {
    let printed = on_a_small_disk(
        r#"
fill
push && exit 1
artifact manifest delete --force "$ADDRESS/app:v1"
collect
push >pushed
echo "and takes more"
"#,
    );
    assert!(printed.starts_with("0 left\n"), "{printed}");
    assert!(printed.contains("the registry has no space left"), "{printed}");
    assert!(printed.contains("Deleted [registry]"), "{printed}");
    assert!(printed.contains("blobs            2 with 8388"), "{printed}");
    assert!(printed.ends_with("and takes more\n"), "{printed}");
}

#[test]
fn a_stopped_registry_collects_garbage_on_a_full_disk() {
    let printed = on_a_small_disk(
        r#"
artifact manifest delete --force "$ADDRESS/app:v1"
stop
fill
collect
serve
push >pushed
echo "and takes more"
"#,
    );
    assert!(printed.contains("0 left\n"), "{printed}");
    assert!(printed.contains("blobs            2 with 8388"), "{printed}");
    assert!(printed.ends_with("and takes more\n"), "{printed}");
}

#[test]
fn a_registry_starts_on_a_full_disk() {
    let printed = on_a_small_disk(
        r#"
stop
fill
serve
artifact manifest delete --force "$ADDRESS/app:v1"
collect
push >pushed
echo "and takes more"
"#,
    );
    assert!(printed.starts_with("0 left\n"), "{printed}");
    assert!(printed.contains("blobs            2 with 8388"), "{printed}");
    assert!(printed.ends_with("and takes more\n"), "{printed}");
}

#[test]
fn a_chunk_that_does_not_fit_takes_no_room() {
    let printed = on_a_small_disk(
        r#"
session=$(curl -s -o answer -w '%header{location}' -X POST "http://$ADDRESS/v2/app/blobs/uploads/")
head -c 200M /dev/zero | curl -s -o answer -w '%{http_code}\n' -X PATCH -T - "http://$ADDRESS$session" || true
curl -s -o answer -w '%{http_code} %header{range}\n' "http://$ADDRESS$session"
push >pushed
echo "and takes more"
"#,
    );
    assert_eq!(printed, "507\n204 0-0\nand takes more\n");
}
