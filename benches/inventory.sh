#!/usr/bin/env bash
# How fast an image of 1.5 GB is read, the first time and again, and how much memory that takes; beside the floor of
# inflating and hashing its layers with the same libraries, and beside syft when SYFT names that program.
#
# Needs root for debootstrap the first time. IMAGE=oci-dir://… takes another image.
. "$(dirname "$0")/lib.sh"
need hyperfine
begin "Reading an image of 1.5 GB"
mixed_layout
layout=$work/mixed.oci
image=${IMAGE:-oci-dir://$layout:v1}
measure=$PWD/target/release/examples/measure
[ -x "$measure" ] || die "$measure is missing: cargo build --release -p tidewaiter-inventory --example measure"
manifest=$layout/blobs/sha256/$(jq -r '.manifests[0].digest | sub("sha256:"; "")' "$layout/index.json")
layers=$(jq -r '.layers[].digest | sub("sha256:"; "")' "$manifest" | sed "s|^|$layout/blobs/sha256/|")
packed=0 unpacked=0
for layer in $layers; do
    packed=$((packed + $(stat -c %s "$layer")))
    unpacked=$((unpacked + $(gzip -dc "$layer" | wc -c)))
done
say "$(wc -w <<<"$layers") layers, $packed bytes packed, $unpacked unpacked."
say
export XDG_CACHE_HOME=$work/cache
heading
timed "sbom, nothing known" "$tidewaiter sbom $image --no-cache --format cyclonedx"
first=$median
printf '%s\n' $layers >"$work/layers"
timed "floor: inflate and hash, layers one after the other" "xargs $measure floor <$work/layers"
floor=$median
timed "sbom, every layer known" "$tidewaiter sbom $image --format cyclonedx" "$tidewaiter sbom $image --format list >/dev/null"
if [ -n "${SYFT:-}" ]; then
    timed "syft" "$SYFT scan -q oci-dir:$layout -o cyclonedx-json"
    say
    say "syft takes $(ratio "$median" "$first") times as long, and $(peak "$SYFT scan -q oci-dir:$layout -o cyclonedx-json") MiB."
fi
say
say "$(ratio "$first" "$floor") times the floor. Peak memory $(peak "$tidewaiter sbom $image --no-cache --format cyclonedx") MiB."
say
say "Packages by type: $("$tidewaiter" sbom "$image" --format list | awk 'NR > 1 {count[$NF]++} END {for (kind in count) printf "%s %d, ", kind, count[kind]}' | sed 's/, $//')."
