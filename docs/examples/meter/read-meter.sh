#!/bin/sh
# usage: read-meter.sh PICTURE READINGS.csv DIGITS
# Appends the time and the reading of a meter to a CSV file. A reading that is not certain, or lower
# than the one before, is not written: it is said on stderr, and the exit code is 1.
# In a crontab: */15 * * * * read-meter.sh /var/lib/camera/meter.jpg /var/lib/meter.csv 5
set -eu

[ $# -eq 3 ] || {
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
}
picture=$1 readings=$2 digits=$3

# A digit below 0.8 is a question mark, and a reading with one has other than digits in it.
reading=$(mnist-edge read "$picture" --length "$digits" --min-confidence 0.8 --format jsonl |
    sed -n 's/.*"text": "\([0-9]*\)".*/\1/p')
[ -n "$reading" ] || {
    printf 'read-meter.sh: %s: no certain number of %s digits\n' "$picture" "$digits" >&2
    exit 1
}

[ -e "$readings" ] || echo 'time,reading' >"$readings"
before=$(tail -n 1 "$readings" | cut -d , -f 2)
case $before in
    *[!0-9]* | '') ;; # the header: this is the first one
    *)
        # Leading zeros would make them octal.
        if [ "$(printf '%s' "$reading" | sed 's/^0*//;s/^$/0/')" -lt \
            "$(printf '%s' "$before" | sed 's/^0*//;s/^$/0/')" ]; then
            printf 'read-meter.sh: %s: %s is lower than %s before\n' \
                "$picture" "$reading" "$before" >&2
            exit 1
        fi
        ;;
esac
printf '%s,%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$reading" >>"$readings"
