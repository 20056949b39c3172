#!/usr/bin/env bash
# Copies within one registry, with referrers. Goals: no blob bytes move, no HEAD where a mount answers.
. "$(dirname "$0")/lib.sh"
need hyperfine skopeo
begin "Recursive copy to the same registry"

layers=20
mkdir -p "$work/layers"
for number in $(seq $layers); do
    blob "$work/layers/layer$number" 1
done

for kind in ours debian; do
    rm -rf "$work/$kind"
    "serve_$kind" "$work/$kind"
    behind=$host
    (cd "$work/layers" && "$tidewaiter" artifact push --plain-http --no-tty "$host/source:v1" layer* >/dev/null)
    for number in 1 2 3 4 5 6; do
        (cd "$work/layers" && "$tidewaiter" artifact attach --plain-http --no-tty \
            --artifact-type "example/report$number" "$host/source:v1" layer1 >/dev/null)
    done
    say "Against $([ $kind = ours ] && echo 'the embedded registry' || echo "Debian's docker-registry"), $layers layers of 1 MiB and six referrers:"
    say
    say "| requests | |"
    say "|---|---|"
    counted "cp -r to a new repository" \
        "$tidewaiter artifact cp -r --from-plain-http --to-plain-http --no-tty \$host/source:v1 \$host/target:v1"
    counted "cp -r again, everything present" \
        "$tidewaiter artifact cp -r --from-plain-http --to-plain-http --no-tty \$host/source:v1 \$host/target:v1"
    counted "discover" "$tidewaiter artifact discover --plain-http \$host/source:v1"
    say
    proxy "$behind" --round-trip 50
    heading
    copy="$tidewaiter artifact cp -r --from-plain-http --to-plain-http --no-tty $host/source:v1"
    timed "cp -r to a new repository, 50 ms" "$copy $host/\$(cat $work/repository):v1" "echo r\$RANDOM >$work/repository"
    timed "cp -r again, 50 ms" "$copy $host/target:v1"
    timed "discover, 50 ms" "$tidewaiter artifact discover --plain-http $host/source:v1"
    say
done
