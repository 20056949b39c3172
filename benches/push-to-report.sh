#!/usr/bin/env bash
# From a push to the report: a Debian root is pushed with skopeo to `tidewaiter up`; the clock runs from the
# end of the push until the API has judged findings. Goal: under five seconds on two cores.
#
# Needs root for debootstrap the first time. BENCH_ADVISORIES=DIR (OSV's bulk exports) matches with Debian's
# whole record; without it, with the few advisories of the demo.
. "$(dirname "$0")/lib.sh"
need skopeo curl umoci
begin "From a push to a report"
debian_layout

now() { date +%s.%N; }

data=$work/platform
rm -rf "$data"
mkdir -p "$data"
if [ -d "${BENCH_ADVISORIES:-}" ]; then
    "$tidewaiter" db build --data "$data" --from "$BENCH_ADVISORIES/Debian.zip" >/dev/null 2>&1
else
    "$tidewaiter" db build --data "$data" --from crates/demo/fixtures/advisories >/dev/null 2>&1
fi
web=127.0.0.1:$(free_port) host=127.0.0.1:$(free_port)
begun=$(now)
"$tidewaiter" up --data "$data" --listen "$web" --registry-listen "$host" >"$work/up.log" 2>&1 &
server=$!
servers+=("$server")
await "http://$web/"
say "- ready $(awk -v a="$begun" -v b="$(now)" 'BEGIN {printf "%.2f", b - a}') s after its start, $(peak_of "$server") MiB"

# state NAME: `judged findings` of an image, empty while it is not there.
state() {
    curl -sSf -H "Authorization: Bearer $(cat "$data/owner-token")" "http://$web/api/v1/images" |
        jq -r --arg name "$1" '.images[] | select(any(.names[]; contains($name))) | "\(.judged) \(.state) \([.findings[]] | add)"'
}

# report NAME LAYOUT: pushes, waits for the verdict.
report() {
    local begun pushed seen
    begun=$(now)
    skopeo copy -q --dest-tls-verify=false "oci:$2" "docker://$host/$1"
    pushed=$(now)
    until seen=$(state "$1") && [[ $seen == true* ]]; do
        [[ $seen == *failed* ]] && die "$1: $seen"
        awk -v a="$pushed" -v b="$(now)" 'BEGIN {exit b - a > 60}' || die "no report for $1 after a minute: $seen"
    done
    say "| $1 | $(awk -v a="$begun" -v b="$pushed" -v c="$(now)" 'BEGIN {printf "%.2f | %.2f", b - a, c - b}') | ${seen##* } | $(peak_of "$server") |"
}

# An application of one small layer on the same root: only its layer is new.
if [ ! -d "$work/app.oci" ]; then
    rm -rf "$work/app-unfinished.oci"
    cp -r "$work/debian.oci" "$work/app-unfinished.oci"
    umoci insert --image "$work/app-unfinished.oci:v1" crates/demo/fixtures/node-app /srv
    mv "$work/app-unfinished.oci" "$work/app.oci"
fi

say
say "| image | push, s | push to report, s | findings | memory MiB |"
say "|---|---|---|---|---|"
report bench/debian:first "$work/debian.oci:v1"
report bench/app:second "$work/app.oci:v1"
report bench/renamed:third "$work/debian.oci:v1"
