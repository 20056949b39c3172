#!/usr/bin/env bash
# A directory of text, packed and compressed on the way. Goal: 272 MB pushed in under 3 s on two cores.
. "$(dirname "$0")/lib.sh"
need hyperfine
begin "A text directory of 272 MB"

# What a Debian machine has of sources, headers and documents, until it is enough.
if [ ! -d "$work/text" ]; then
    mkdir -p "$work/text.unfinished"
    find /usr -type f -size -4M \( -name '*.h' -o -name '*.py' -o -name '*.pm' -o -name '*.pl' -o -name '*.js' \
        -o -name '*.ts' -o -name '*.md' -o -name '*.html' -o -name '*.txt' -o -name '*.json' -o -name '*.c' \
        -o -name '*.xml' -o -name '*.css' -o -name '*.sh' -o -name '*.yml' -o -name '*.map' -o -name '*.mjs' \) \
        -printf '%s %p\n' 2>/dev/null | sort -k2 |
        awk '{sum += $1} sum <= 272000000 {print substr($0, index($0, " ") + 1)}' |
        tar -cf - -T - 2>/dev/null | tar -xf - -C "$work/text.unfinished"
    mv "$work/text.unfinished" "$work/text"
fi
say "$(find "$work/text" -type f | wc -l) files, $(du -sb --apparent-size "$work/text" | cut -f1) bytes with directories; gzip -6 makes $(tar -C "$work" -c text | gzip -6 | wc -c) of it."
say

rm -rf "$work/ours"
serve_ours "$work/ours"
heading
timed "push" "cd $work && $tidewaiter artifact push --plain-http --no-tty $host/text:\$RANDOM text"
push=$median
say "| | peak memory $(cd "$work" && peak "$tidewaiter artifact push --plain-http --no-tty $host/text:v1 text") MiB | | |"
# Each into a directory of its own: ext4 makes files slowly where many were removed a moment ago.
rm -rf "$work/pulled"
timed "pull" "$tidewaiter artifact pull --plain-http --no-tty $host/text:v1 -o $work/pulled/\$RANDOM"
pulled=$(find "$work/pulled" -mindepth 1 -maxdepth 1 | head -1)
timed "floor: gzip -dc and tar" "d=$work/pulled/\$RANDOM; mkdir -p \$d; gzip -dc $work/text.tar.gz | tar -C \$d -x" \
    "tar -C $work -c text | gzip -5 >$work/text.tar.gz"
diff -r "$work/text" "$pulled/text" || die "what was pulled is not what was pushed"
timed "floor: tar" "tar -C $work -cf - text | cat"
timed "tar and gzip -6 on one core" "tar -C $work -c text | gzip -6"
timed "tar and hash" "tar -C $work -c text | openssl dgst -sha256"
say
say "Push: $(ratio "$push" 1) s."
