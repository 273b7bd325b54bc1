#!/bin/sh
# ostler - what a job's script calls as `ostler metric loss=0.21 step=100`: one line is added to the job's file of metrics, which
# the core looks at. Any other command is that of an ostler further along the PATH.
if [ "${1-}" != metric ]; then
    HERE=${0%/*}
    IFS=:
    for DIR in $PATH; do
        if [ "$DIR" != "$HERE" ] && [ -x "$DIR/ostler" ]; then
            unset IFS
            exec "$DIR/ostler" "$@"
        fi
    done
    echo "ostler: on a node there is only: ostler metric NAME=VALUE..." >&2
    exit 2
fi
shift
[ "$#" -gt 0 ] || { echo 'ostler metric: give NAME=VALUE, as loss=0.21 step=100' >&2 && exit 2; }
for PAIR in "$@"; do
    case $PAIR in ?*=?*) ;; *) echo "ostler metric: $PAIR is not NAME=VALUE" >&2 && exit 2 ;; esac
done
[ -n "${OSTLER_METRICS-}" ] || { echo 'ostler metric: this is no job whose metrics are kept' >&2 && exit 2; }
printf '%s\n' "$*" >> "$OSTLER_METRICS"
