#!/usr/bin/env bash
# How long the advisory database takes to build, and what that needs.
#
#   BENCH_ADVISORIES=DIR benches/database.sh     DIR holds OSV's bulk exports, KEV and EPSS
. "$(dirname "$0")/lib.sh"
need hyperfine
[ -d "${BENCH_ADVISORIES:-}" ] || die "set BENCH_ADVISORIES to a directory with OSV's bulk exports"
runs=${BENCH_RUNS:-3}
begin "Building the advisory database"
say "From $(find "$BENCH_ADVISORIES" -type f -printf '%s\n' | awk '{sum += $1} END {printf "%d files, %.0f MB", NR, sum / 1e6}')."
say
[ -f "$BENCH_ADVISORIES/Debian.zip" ] || die "there is no Debian.zip in $BENCH_ADVISORIES"
debian="$tidewaiter db build --from $BENCH_ADVISORIES/Debian.zip --output $work/debian.twdb"
everything="$tidewaiter db build --from $BENCH_ADVISORIES --output $work/all.twdb"
heading
timed "Debian only" "$debian"
timed "everything" "$everything"
timed "open it (\`db info\`)" "$tidewaiter db info $work/all.twdb"
say
say "Peak memory: $(peak "$debian") MiB for Debian, $(peak "$everything") MiB for everything. Size: $(stat -c %s "$work/all.twdb") bytes. $("$tidewaiter" db info "$work/all.twdb" | grep Records)."
