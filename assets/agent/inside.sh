# inside.sh - runs the command line of a process in the container of its attempt. Before it stand these, as words in
# single quotes:
#
#   IN_FILE     says which runtime the set-up found     IN_NAME     the container
#   IN_DIR      the working directory                   IN_NAMES    variables that the process has, by name
#   IN_COMMAND  the command line
#
# Values go by our own environment: as words of a command line everybody could read them.

IN_KIND='' IN_PROGRAM=''
{
    read -r IN_KIND
    read -r IN_PROGRAM
} <"$IN_FILE"
if [ -z "$IN_PROGRAM" ]; then
    echo "the container of this attempt is not there: $IN_FILE is missing" >&2
    exit 126
fi
mkdir -p -- "$OSTLER_RANK_DIR" || exit 126
IN_PID_FILE=$OSTLER_RANK_DIR/inside
# bash where the image has it, as on the host.
IN_TEXT='cd "$1" || exit 126; echo $$ >"$3"; if [ -x /bin/bash ]; then exec /bin/bash -c "$2"; fi; exec /bin/sh -c "$2"'
if [ "$IN_KIND" = apptainer ]; then
    # No service is between: its processes are ours, and are stopped as ours.
    exec "$IN_PROGRAM" exec "instance://$IN_NAME" /bin/sh -c "$IN_TEXT" inside "$IN_DIR" "$IN_COMMAND" "$IN_PID_FILE"
fi

# A process that a service started is no child of ours, and may belong to a user that we cannot signal. Where we can, it
# is found by its cookie; elsewhere it is told from inside. What is left in the end goes with the container.
stop_inside() {
    trap '' TERM
    [ "$(id -u)" != 0 ] && [ "$IN_KIND" = docker ] || return 0
    { read -r IN_PID <"$IN_PID_FILE"; } 2>/dev/null || return 0
    "$IN_PROGRAM" exec "$IN_NAME" /bin/sh -c 'kill -s TERM -- "-$1" 2>/dev/null || kill -s TERM "$1"' stop "$IN_PID"
    while "$IN_PROGRAM" exec "$IN_NAME" /bin/sh -c 'kill -s 0 "$1" 2>/dev/null' look "$IN_PID"; do sleep 1; done
}
trap stop_inside TERM
set --
for IN_ONE in $IN_NAMES; do set -- "$@" --env "$IN_ONE"; done
"$IN_PROGRAM" exec "$@" "$IN_NAME" /bin/sh -c "$IN_TEXT" inside "$IN_DIR" "$IN_COMMAND" "$IN_PID_FILE" &
IN_CLIENT=$!
wait "$IN_CLIENT"
IN_CODE=$?
# A signal ends the wait and not the client.
while kill -s 0 "$IN_CLIENT" 2>/dev/null; do
    wait "$IN_CLIENT"
    IN_CODE=$?
done
exit "$IN_CODE"
