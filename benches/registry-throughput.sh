#!/usr/bin/env bash
# Requests per second of the embedded registry beside Debian's docker-registry: manifest GET, tag list, 10 KB
# blob GET, 16 connections. Goals: three times as many, under 64 MiB resident.
. "$(dirname "$0")/lib.sh"
need wrk curl
begin "Requests per second, one wrk thread, 16 connections"
seconds=${BENCH_SECONDS:-8}

head -c 10240 /dev/urandom >"$work/ten"
digest=sha256:$(sha256sum "$work/ten" | cut -d' ' -f1)
say "Requests per second (microseconds of the server's processor time for each):"
say
say "| server | manifest GET | manifest GET by digest | tag list | 10 KB blob GET | errors | memory MiB |"
say "|---|---|---|---|---|---|---|"
for kind in ours debian; do
    rm -rf "$work/$kind"
    "serve_$kind" "$work/$kind"
    (cd "$work" && "$tidewaiter" artifact push --plain-http --no-tty "$host/bench:v1" ten >/dev/null)
    for number in $(seq 20); do
        "$tidewaiter" artifact tag --plain-http "$host/bench:v1" "tag$number" >/dev/null
    done
    manifest=$("$tidewaiter" artifact resolve --plain-http "$host/bench:v1")
    row="| $([ $kind = ours ] && echo embedded || echo docker-registry) |"
    errors=0
    for path in manifests/v1 "manifests/$manifest" tags/list "blobs/$digest"; do
        before=$(cpu_of "$server")
        wrk -t1 -c16 -d"${seconds}s" -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
            "http://$host/v2/bench/$path" >"$work/wrk"
        row+=" $(awk -v before="$before" -v after="$(cpu_of "$server")" '
            / requests in / {requests = $1}
            /^Requests\/sec/ {rate = $2}
            END {printf "%.0f (%.0f)", rate, (after - before) * 1e6 / requests}' "$work/wrk") |"
        errors=$((errors + $(awk '/Non-2xx/ {print $NF}' "$work/wrk" | grep . || echo 0)))
    done
    say "$row $errors | $(peak_of "$server") |"
    kill "$server"
done
