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
# An SBOM of a Debian image: 250 packages of the system, 150 of languages.
python3 - "$work/packages.tsv" >"$work/sbom.json" <<'PYTHON'
import json, sys
from urllib.parse import quote
kinds = {"npm": "npm", "PyPI": "pypi", "RubyGems": "gem"}
system, languages = [], []
for line in open(sys.argv[1]):
    ecosystem, name, version = line.rstrip("\n").split("\t")
    if ecosystem == "Debian:12" and len(system) < 250:
        system.append(f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch=amd64&distro=debian-12")
    elif ecosystem in kinds and len(languages) < 150:
        languages.append(f"pkg:{kinds[ecosystem]}/{quote(name)}@{quote(version)}")
components = [{"type": "library", "name": purl.split("/")[-1].split("@")[0], "version": purl.split("@")[-1].split("?")[0], "purl": purl}
              for purl in system + languages]
components.append({"type": "operating-system", "name": "debian", "version": "12"})
print(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}))
PYTHON
one="$tidewaiter cves sbom://$work/sbom.json --db $work/all.twdb --format json=$work/report.json"
# Long lists of packages are the time of the list, so the database is asked in its own process.
rematch=$(CARGO_TERM_QUIET=true cargo bench --quiet -p tidewaiter-advisory --bench rematch -- "$work/all.twdb" "$work/packages.tsv" | tail -1)
heading
timed "\`cves\` of an SBOM of 400 packages, cold process" "$one"
say
say "It finds $(jq '.findings | length' "$work/report.json") things and needs $(peak "$one") MiB at its peak."
say "Re-matching in one process: $rematch."
