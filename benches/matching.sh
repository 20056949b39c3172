#!/usr/bin/env bash
# How long judging takes: one SBOM in a cold process, and many packages in one.
#
#   BENCH_ADVISORIES=DIR benches/matching.sh     DIR holds OSV's bulk exports, KEV and EPSS
. "$(dirname "$0")/lib.sh"
need hyperfine
[ -d "${BENCH_ADVISORIES:-}" ] || die "set BENCH_ADVISORIES to a directory with OSV's bulk exports"
begin "Judging"
"$tidewaiter" db build --from "$BENCH_ADVISORIES" --output "$work/all.twdb" >/dev/null 2>&1
python3 benches/packages.py "$BENCH_ADVISORIES" 100000 >"$work/packages.tsv"
# The SBOM of a Debian image: the first 400 packages of this machine, as they are installed.
mkdir -p "$work/root/etc" "$work/root/var/lib/dpkg"
cp /etc/os-release "$work/root/etc/"
awk -v RS= -v ORS='\n\n' '/Status: install ok installed/ && count++ < 400' /var/lib/dpkg/status >"$work/root/var/lib/dpkg/status"
"$tidewaiter" sbom "fs://$work/root" --format cyclonedx -o "$work/sbom.json" 2>/dev/null
one="$tidewaiter cves sbom://$work/sbom.json --db $work/all.twdb --format json=$work/report.json"
# Long lists of packages are the time of the list, so the database is asked in its own process.
rematch=$(CARGO_TERM_QUIET=true cargo bench --quiet -p tidewaiter-advisory --bench rematch -- "$work/all.twdb" "$work/packages.tsv" | tail -1)
heading
timed "\`cves\` of an SBOM of 400 packages, cold process" "$one"
say
say "It finds $(jq '.findings | length' "$work/report.json") things and needs $(peak "$one") MiB at its peak."
say "Re-matching in one process: $rematch."
