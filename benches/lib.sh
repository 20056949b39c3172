# What the benchmark scripts share: servers, inputs, measuring, the record. Sourced, not run.
#
# A script calls `begin`, starts what it needs, measures with `timed`, `peak` and `say`, and ends. All it says
# is also written to `benches/runs/<script>.md`, which is committed with the numbers in README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tidewaiter=${TIDEWAITER:-$PWD/target/release/tidewaiter}
fault_proxy=$PWD/target/release/fault-proxy
work=${BENCH_WORK:-$PWD/target/bench}
runs=${BENCH_RUNS:-5}
warmup=1
shell=bash
here=$PWD
servers=()

die() {
    echo "$*" >&2
    exit 1
}

# need PROGRAM…: every program that the script runs besides ours.
need() {
    local program
    for program in "$@" /usr/bin/time jq; do
        command -v "$program" >/dev/null ||
            die "$program is missing: apt-get install hyperfine curl wrk jq time skopeo umoci docker-registry debootstrap procps"
    done
    [ -x "$tidewaiter" ] || die "$tidewaiter is missing: cargo build --release -p tidewaiter"
}

# begin TITLE: starts the record with the machine it is made on.
begin() {
    mkdir -p "$work" "$here/benches/runs"
    record=$here/benches/runs/${BENCH_RECORD:-$(basename "$0" .sh)}.md
    : >"$record"
    say "# $1"
    say
    say "- $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD), $("$tidewaiter" --version 2>/dev/null | head -1 || echo 'no version')"
    say "- $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(free -g | awk '/^Mem/ {print $2}') GiB, $(grep -c '\bsha_ni\b' /proc/cpuinfo || true) of them with SHA instructions"
    say "- $(. /etc/os-release && echo "$PRETTY_NAME"), Linux $(uname -r), load before: $(cut -d' ' -f1-3 /proc/loadavg)"
    say "- $(basename "$0"), $runs runs of each, median (fastest to slowest)"
    say
    trap finish EXIT
}

finish() {
    local id
    for id in "${servers[@]}"; do
        kill "$id" 2>/dev/null || true
    done
    wait 2>/dev/null || true
}

say() {
    printf '%s\n' "$*" | tee -a "$record"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# await URL: waits until something answers there.
await() {
    curl -s -o /dev/null --retry 300 --retry-delay 0 --retry-connrefused --retry-max-time 30 "$1" ||
        die "nothing answers at $1 after 30 s"
}

# Each sets `host` (address and port) and `server` (process id).
serve_ours() {
    local port
    port=$(free_port) host=127.0.0.1:$port
    mkdir -p "$1"
    "$tidewaiter" registry serve --data "$1" --listen "$host" >"$work/ours.log" 2>&1 &
    server=$!
    servers+=("$server")
    await "http://$host/v2/"
}

serve_debian() {
    local port
    port=$(free_port) host=127.0.0.1:$port
    mkdir -p "$1"
    cat >"$1.yml" <<END
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $1}
  cache: {blobdescriptor: inmemory}
  delete: {enabled: true}
http: {addr: "$host"}
END
    docker-registry serve "$1.yml" >"$work/debian.log" 2>&1 &
    server=$!
    servers+=("$server")
    await "http://$host/v2/"
}

# proxy UPSTREAM ARGUMENT…: the fault proxy before a server; its counts are in $work/counts when it has ended.
proxy() {
    local port upstream=$1
    shift
    [ -x "$fault_proxy" ] || die "$fault_proxy is missing: cargo build --release -p tidewaiter-testkit"
    port=$(free_port) host=127.0.0.1:$port
    "$fault_proxy" --listen "$host" --upstream "$upstream" --counts "$work/counts" "$@" >/dev/null &
    server=$!
    servers+=("$server")
    await "http://$host/v2/"
}

# counted LABEL COMMAND: runs a command once behind a fresh proxy (set `behind` to the server) and says what
# requests it made. The command finds the proxy as $host.
counted() {
    local label=$1 command=$2
    proxy "$behind"
    host=$host bash -c "$command" >/dev/null 2>"$work/errors" || die "$command: $(cat "$work/errors")"
    kill "$server"
    wait "$server" || true
    say "| $label | $(awk '!/^connections/ && $2 != "ping" {printf "%s%s %s %s", s, $3, $1, $2; s=", "}' "$work/counts") |"
}

# Time on the clock says what a user waits; time on the processors says more on a machine that has other work.
heading() {
    say "| case | seconds | CPU seconds | command |"
    say "|---|---|---|---|"
}

# timed LABEL COMMAND [PREPARE]: one line of the table; sets `median`. CPU is that of the command alone: a
# server's is not in it.
timed() {
    local label=$1 command=$2 prepare=${3:-true}
    hyperfine --shell "$shell" --warmup "$warmup" --runs "$runs" --style none --export-json "$work/timed.json" \
        --prepare "$prepare" "$command" >/dev/null 2>"$work/errors" || die "$command: $(cat "$work/errors")"
    median=$(jq -r '.results[0].median' "$work/timed.json")
    say "| $label | $(jq -r '.results[0] | [.median, .min, .max, .user + .system] | map(. * 1000 | round / 1000) |
        "\(.[0]) (\(.[1]) to \(.[2])) | \(.[3])"' "$work/timed.json") | \`$(shown "$command")\` |"
}

# A command without the places of this machine.
shown() {
    printf '%s' "$1" | sed "s|$tidewaiter|tidewaiter|g; s|${SYFT:-no syft}|syft|g; s|$work|\$work|g; s|$here/||g; s|${BENCH_ADVISORIES:-no advisories}|\$BENCH_ADVISORIES|g; s/127\.0\.0\.1:[0-9]*/HOST/g"
}

# peak COMMAND: the most memory a command holds, in MiB.
peak() {
    /usr/bin/time -f %M -o "$work/peak" bash -c "exec $1" >/dev/null 2>"$work/errors" || die "$1: $(cat "$work/errors")"
    awk '{printf "%.0f", $1 / 1024}' "$work/peak"
}

# peak_of PROCESS: the most memory a server has held so far, in MiB.
peak_of() {
    awk '/^VmHWM/ {printf "%.0f", $2 / 1024}' "/proc/$1/status"
}

# cpu_of PROCESS: the processor time a server has used so far, in seconds.
cpu_of() {
    awk -v tick="$(getconf CLK_TCK)" '{sub(/.*\) /, ""); print ($12 + $13) / tick}' "/proc/$1/stat"
}

ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'
}

# blob FILE MIB: random bytes, made once.
blob() {
    [ -f "$1" ] || head -c "$(($2 << 20))" /dev/urandom >"$1"
}

# debian_layout: an image of a Debian root in $work/debian.oci, tagged v1, made once; as root.
debian_layout() {
    [ -d "$work/debian.oci" ] && return
    need debootstrap umoci
    rm -rf "$work/debian" "$work/unfinished.oci"
    debootstrap --variant=minbase bookworm "$work/debian" >"$work/debootstrap.log"
    umoci init --layout "$work/unfinished.oci"
    umoci new --image "$work/unfinished.oci:v1"
    umoci insert --image "$work/unfinished.oci:v1" "$work/debian" /
    mv "$work/unfinished.oci" "$work/debian.oci"
}

# mixed_layout: an image as people have them, some 1.5 GB unpacked (Debian, Node with npm's packages, Python, a JVM with
# Maven, a large Go program), in $work/mixed.oci, tagged v1, made once; as root. Its base is one layer, the programs
# are another, and a small one is on top.
mixed_layout() {
    [ -d "$work/mixed.oci" ] && return
    need debootstrap umoci
    rm -rf "$work/mixed" "$work/unfinished.oci"
    debootstrap --variant=minbase --include=ca-certificates bookworm "$work/mixed" >"$work/debootstrap.log"
    umoci init --layout "$work/unfinished.oci"
    umoci new --image "$work/unfinished.oci:v1"
    umoci insert --image "$work/unfinished.oci:v1" "$work/mixed" /
    # Java's packages want it while they are set up.
    mount --bind /proc "$work/mixed/proc"
    chroot "$work/mixed" apt-get install -qq -y --no-install-recommends npm nodejs python3-pip python3-django \
        python3-numpy openjdk-17-jre-headless maven prometheus golang-1.19-go ruby redis-server >"$work/apt.log" 2>&1 || failed=1
    umount "$work/mixed/proc"
    [ -z "${failed:-}" ] || die "the packages cannot be installed: $(tail -1 "$work/apt.log")"
    rm -rf "$work/mixed/var/cache/apt/archives" "$work/mixed/var/lib/apt/lists"
    for directory in usr var opt etc; do
        umoci insert --image "$work/unfinished.oci:v1" "$work/mixed/$directory" "/$directory"
    done
    mkdir -p "$work/top/app"
    printf '{"name": "app", "version": "1.0.0"}' >"$work/top/app/package.json"
    umoci insert --image "$work/unfinished.oci:v1" "$work/top/app" /app
    umoci gc --layout "$work/unfinished.oci"
    mv "$work/unfinished.oci" "$work/mixed.oci"
}
