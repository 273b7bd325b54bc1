# pilot.sh - holds a node for ostler. What runs here are shells that ostler asks for: each line of the fifo names three others, for
# what it reads, says and complains. `d` is the pilot's folder, which the login node sees too.
[ -d "$d" ] || { echo "ostler: this node is not wanted any more" >&2; exit 0; }
if ! (set -C; echo "$SLURM_JOB_ID" > "$d/owner") 2>/dev/null; then
    read -r owner < "$d/owner"
    [ "$owner" = "$SLURM_JOB_ID" ] || { echo "ostler: job $owner holds this node already" >&2; exit 0; }
fi
umask 077
door=$(mktemp -d "${TMPDIR:-/tmp}/ostler-XXXXXX") && mkfifo "$door/ask" && exec 3<> "$door/ask" || exit 1
trap 'rm -rf "$door"' EXIT
# What Slurm gave, which may be less than the machine has. The rest of what it says of this job is not meant for those inside.
OSTLER_CPUS_MAX=${SLURM_CPUS_ON_NODE:-}
OSTLER_MEMORY_MAX_MIB=${SLURM_MEM_PER_NODE:-}
OSTLER_PILOT=$SLURM_JOB_ID
OSTLER_PILOT_DOOR=$door
export OSTLER_CPUS_MAX OSTLER_MEMORY_MAX_MIB OSTLER_PILOT OSTLER_PILOT_DOOR
node=${SLURMD_NODENAME:-$(uname -n)}
unset $(env | sed -n 's/^\(SLURM[A-Z0-9_]*\)=.*/\1/p')

# How long Slurm waits between TERM and KILL, and whether all that runs here hears of them: where it follows only parents and children,
# what has left its session does not.
config=$(scontrol show config 2>/dev/null)
grace=$(printf '%s\n' "$config" | sed -n 's/^KillWait *= *\([0-9]*\).*/\1/p')
case $config in *proctrack/linuxproc* | *proctrack/pgid*) tells=1 ;; *) tells= ;; esac

# What runs here has the number of this job in its environment: sets `others`.
others() {
    others=
    for other in $(grep -lz "^OSTLER_PILOT=$OSTLER_PILOT\$" /proc/[0-9]*/environ 2>/dev/null | sed 's,[^0-9],,g'); do
        # The programs that found it are gone by now.
        [ "$other" = "${watch-}" ] || [ ! -d "/proc/$other" ] || others="$others $other"
    done
}

# Slurm ends the job, and tells all of it: how the jobs inside end now is not their doing, and supervisors are told so (`over`). Whoever
# still has something to save has the time that Slurm gives.
told() {
    trap '' TERM INT HUP
    : > "$door/over"
    others
    [ -z "$tells" ] || kill -TERM $others 2>/dev/null
    left=$((${grace:-30} - 2))
    while [ -n "$others" ] && [ "$left" -gt 0 ]; do
        sleep 1
        left=$((left - 1))
        others
    done
    kill -KILL $others 2>/dev/null
    exit 0
}
trap told TERM INT HUP

# Nobody may come back.
look_out() {
    still=0
    while sleep 300 & watch=$!; wait "$watch"; do
        others
        if [ -n "$others" ]; then still=0; else still=$((still + 1)); fi
        [ "$still" -lt 6 ] || { echo "ostler: nothing has run here for half an hour, and nobody asks; the node goes" >&2; kill -TERM $$; exit; }
    done
}
(trap - TERM INT HUP EXIT; look_out 3<&-) &

printf '%s %s\n' "$node" "$door" > "$d/at.new" && mv -f "$d/at.new" "$d/at" || exit 1
while read -r id <&3; do
    case $id in '' | *[!0-9a-zA-Z.]*) continue ;; esac
    [ -p "$door/$id.in" ] || continue
    (trap - TERM INT HUP EXIT; exec 3<&- /bin/sh "$door/$id.run" < "$door/$id.in" > "$door/$id.out" 2> "$door/$id.err") &
done
