#!/usr/bin/env bash
# Many small files over a long line: 200 files of 10 KB at 50 ms round trip.
# Goals: push under 1.2 s, pull under 0.5 s.
. "$(dirname "$0")/lib.sh"
need hyperfine
begin "200 files of 10 KB at 50 ms round trip"

files=$work/small
# New content for every push: what a server has already is not moved.
fill="rm -rf $files && mkdir -p $files && head -c 2048000 /dev/urandom | split -b 10240 -a 3 -d - $files/file"

for kind in ours debian; do
    rm -rf "$work/$kind"
    "serve_$kind" "$work/$kind"
    behind=$host
    proxy "$behind" --round-trip 50
    long=$host
    say "Against $([ $kind = ours ] && echo 'the embedded registry' || echo "Debian's docker-registry"):"
    say
    heading
    timed "push, 50 ms" "cd $files && $tidewaiter artifact push --plain-http $long/small:v1 file*" "$fill"
    timed "pull, 50 ms" "$tidewaiter artifact pull --plain-http $long/small:v1 -o $work/pulled" "rm -rf $work/pulled"
    timed "push, loopback" "cd $files && $tidewaiter artifact push --plain-http $behind/small:v1 file*" "$fill"
    timed "pull, loopback" "$tidewaiter artifact pull --plain-http $behind/small:v1 -o $work/pulled" "rm -rf $work/pulled"
    diff -r "$files" "$work/pulled" || die "what was pulled is not what was pushed"
    proxy "$behind" --round-trip 50 --handshake 50
    timed "push, 50 ms, connections cost 50 ms too" \
        "cd $files && $tidewaiter artifact push --plain-http $host/small:v1 file*" "$fill"
    timed "pull, 50 ms, connections cost 50 ms too" \
        "$tidewaiter artifact pull --plain-http $host/small:v1 -o $work/pulled" "rm -rf $work/pulled"
    say
    say "| requests | |"
    say "|---|---|"
    bash -c "$fill"
    counted "push" "cd $files && $tidewaiter artifact push --plain-http \$host/small:v1 file*"
    rm -rf "$work/pulled"
    counted "pull" "$tidewaiter artifact pull --plain-http \$host/small:v1 -o $work/pulled"
    say
done
