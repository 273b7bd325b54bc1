#!/bin/sh
# ostler-launch - stands in for ssh where a launcher (mpirun and its kind) wants a daemon on another node:
#   ostler-launch [ssh options] HOST COMMAND...
# It asks the core through the spool of the process it runs in, waits for the answer, and ends with the daemon's code.
# The core starts the daemon under a supervisor on that node, so kill, time limit and take-over hold there too.

fail() {
    printf 'ostler-launch: %s\n' "$1" >&2
    exit 255
}

if [ "${1-}" = --check ]; then exit 0; fi # proves that programs can be executed here

# The options of ssh that take a value; all others stand alone.
while :; do
    case ${1-} in
    --) shift && break ;;
    -[BbcDEeFIiJLlmOoPpQRSWw]) shift 2 || fail 'an option without its value' ;;
    -*) shift ;;
    *) break ;;
    esac
done
[ $# -ge 2 ] || fail 'usage: ostler-launch [options] HOST COMMAND...'
[ -n "${OSTLER_RANK_DIR-}" ] && [ -n "${OSTLER_RANK-}" ] || fail 'works only inside a job of ostler'
HOST=$1
shift
case $HOST in '' | *[!A-Za-z0-9._:@%-]*) fail "not a host name: $HOST" ;; esac
HOST=${HOST##*@}
COMMAND=$* # parted by spaces, as ssh does
[ "${#COMMAND}" -le 60000 ] || fail 'the command is longer than 60000 characters'

umask 077
ROOT=${OSTLER_RANK#*:}
ROOT=${ROOT%:}
KEY=${OSTLER_RANK%%:*}
mkdir -p "$OSTLER_RANK_DIR" || fail "cannot make $OSTLER_RANK_DIR"
cd "$OSTLER_RANK_DIR" || fail "cannot enter $OSTLER_RANK_DIR"

# The first number that nobody has: an exclusive create decides.
N=0
set -C
until { true >"ask.$N"; } 2>/dev/null; do
    N=$((N + 1))
    [ "$N" -lt 100000 ] || fail "cannot write in $OSTLER_RANK_DIR"
done
set +C
mkfifo "wait.$N" || fail "cannot make a fifo in $OSTLER_RANK_DIR"
exec 3<>"wait.$N" # before the request can be seen, so that no answer is missed
printf '%s\n%s\nend\n' "$HOST" "$COMMAND" >"ask.$N" || fail 'no room for the request'

# Wakes the agent; when there is none now, the next one finds the request.
AGENT=''
{ read -r AGENT REST <"$ROOT/run/agent"; } 2>/dev/null
case $AGENT in
'' | *[!0-9]*) ;;
*) if [ -p "$ROOT/run/wake.$AGENT" ]; then printf 'A %s %s\n' "$KEY" "$N" 1<>"$ROOT/run/wake.$AGENT"; fi ;;
esac

while :; do
    if [ -e "answer.$N" ]; then
        while read -r WORD CODE LAST; do
            if [ "$WORD" = ended ] && [ "$LAST" = end ]; then
                case $CODE in '' | *[!0-9]*) CODE=255 ;; esac
                [ "$CODE" -le 255 ] || CODE=255
                exit "$CODE"
            fi
        done <"answer.$N"
    fi
    read -r ANSWER <&3
done
