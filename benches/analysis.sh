#!/usr/bin/env bash
# How fast an image is read: bytes of its layers, unpacked, a second.
#
# Needs root for debootstrap the first time. IMAGE=oci-dir://… takes another image.
. "$(dirname "$0")/lib.sh"
need hyperfine skopeo
begin "Reading an image"
debian_layout
layout=$work/debian.oci
packed=$(find "$layout/blobs" -type f -printf '%s\n' | awk '{sum += $1} END {print sum}')
layer=$(find "$layout/blobs" -type f -printf '%s %p\n' | sort -n | tail -1 | cut -d' ' -f2)
unpacked=$(gzip -dc "$layer" | wc -c)
say "A Debian root: $packed bytes packed, $unpacked unpacked, one layer."
say
heading
timed "sbom, gzip" "$tidewaiter sbom oci-dir://$layout --no-cache --format cyclonedx"
read=$median
timed "floor: gzip -dc" "gzip -dc $layer >/dev/null"
timed "floor: hash the unpacked layer" "gzip -dc $layer | openssl dgst -sha256"
if [ ! -d "$work/debian-zstd.oci" ]; then
    skopeo copy -q --dest-compress-format zstd "oci:$layout:v1" "oci:$work/debian-zstd.oci:v1"
fi
timed "sbom, zstd" "$tidewaiter sbom oci-dir://$work/debian-zstd.oci --no-cache --format cyclonedx"
say
say "Gzip: $(awk -v b="$unpacked" -v s="$read" 'BEGIN {printf "%.0f", b / s / 1e6}') MB/s of unpacked content; zstd: $(awk -v b="$unpacked" -v s="$median" 'BEGIN {printf "%.0f", b / s / 1e6}') MB/s. Peak memory $(peak "$tidewaiter sbom oci-dir://$layout --no-cache --format cyclonedx") MiB."
