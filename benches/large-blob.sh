#!/usr/bin/env bash
# One large blob over loopback. Goals: pull within 1.3 times curl, push within 1.5 times a raw upload, either
# side under 64 MiB of memory, whatever the size.
#
# 10 GiB need 40 GiB of disk and are run once: their question is memory.
#   SIZES=10240 SERVERS=ours BENCH_RECORD=large-blob-10-gib benches/large-blob.sh
. "$(dirname "$0")/lib.sh"
need hyperfine curl
begin "A large blob over loopback"

summary=
for size in ${SIZES:-1024}; do
    file=$work/blob-$size
    blob "$file" "$size"
    digest=sha256:$(sha256sum "$file" | cut -d' ' -f1)
    if [ "$size" -gt 1024 ]; then runs=1 warmup=0; fi
    say "## $size MiB, runs of each: $runs"
    say
    heading
    timed "floor: hash it" "openssl dgst -sha256 $file"
    hashing=$median
    for kind in ${SERVERS:-ours debian}; do
        name=$([ $kind = ours ] && echo embedded || echo docker-registry)
        rm -rf "$work/$kind"
        "serve_$kind" "$work/$kind"
        # A repository of its own for each upload, and the last one's content gone.
        fresh="rm -rf $work/$kind/* && echo r\$RANDOM >$work/repository"
        [ $kind = ours ] && fresh="echo r\$RANDOM >$work/repository"
        timed "$name: raw upload" "benches/raw-upload.sh $host/\$(cat $work/repository) $file $digest" "$fresh"
        raw=$median
        timed "$name: push" "$tidewaiter artifact blob push --plain-http --no-tty $host/\$(cat $work/repository) $file" "$fresh"
        pushed=$median
        server_peak=$(peak_of "$server")
        repository=$(cat "$work/repository")
        timed "$name: curl" "curl -sSf -o $work/fetched http://$host/v2/$repository/blobs/$digest"
        curled=$median
        timed "$name: curl and hash" \
            "curl -sSf http://$host/v2/$repository/blobs/$digest | tee $work/fetched | openssl dgst -sha256"
        checked=$median
        pull="$tidewaiter artifact blob fetch --plain-http --no-tty -o $work/fetched $host/$repository@$digest"
        timed "$name: pull" "$pull" "rm -f $work/fetched"
        pulled=$median
        cmp "$file" "$work/fetched" || die "what was pulled is not what was pushed"
        push_peak=$(peak "$tidewaiter artifact blob push --plain-http --no-tty $host/peak $file")
        rm -f "$work/fetched"
        pull_peak=$(peak "$pull")
        kill "$server"
        rm -rf "${work:?}/$kind"
        summary+="| $name | $(ratio "$pushed" "$raw") | $(ratio "$pulled" "$curled") | $(ratio "$pulled" "$checked") | $push_peak | $pull_peak | $server_peak |"$'\n'
    done
    say
    say "Hashing alone takes $(ratio "$hashing" 1) s here."
    say
    say "| server | push / raw | pull / curl | pull / curl and hash | push MiB | pull MiB | server MiB |"
    say "|---|---|---|---|---|---|---|"
    say "$summary"
    summary=
    if [ "$size" -gt 1024 ]; then rm -f "$file" "$work/fetched"; fi
done
