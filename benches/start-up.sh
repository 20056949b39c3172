#!/usr/bin/env bash
# How long the program takes to say its version. Goal: under 10 ms.
. "$(dirname "$0")/lib.sh"
need hyperfine
runs=100 shell=none
begin "Start-up"
heading
timed "artifact version" "$tidewaiter artifact version"
ln -sf "$tidewaiter" "$work/oras"
timed "under the name oras" "$work/oras version"
timed "floor: a process" "/bin/true"
