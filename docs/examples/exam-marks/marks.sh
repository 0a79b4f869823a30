#!/bin/sh
# usage: marks.sh MOST SCAN... >marks.csv
# Writes scan and mark, for whole marks from 0 to MOST. The mark of a scan that is not certain is
# empty: look at these yourself. The exit code is 1 if there is one.
set -eu

[ $# -ge 2 ] || {
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
}
most=$1
shift
choices=$(mktemp)
trap 'rm -f "$choices"' EXIT
seq 0 "$most" >"$choices"

echo 'scan,mark'
mnist-edge read "$@" --choices "$choices" --min-confidence 0.3 --format jsonl |
    sed -n 's/^{"path": "\([^"]*\)", "text": \(null\|"\([^"]*\)"\),.*/\1,\3/p' |
    awk -F , 'BEGIN { OFS = "," } $2 !~ /^[0-9]+$/ { $2 = ""; unsure = 1 } { print } END { exit unsure }'
