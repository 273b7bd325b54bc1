# What ostler asks of Slurm for nodes that it holds itself: read after slurm.sh. Each node is a job of Slurm, the pilot, with a folder
# below ~/.local/state/ostler-node/CLUSTER/pool/slurm as a submission has it, and in that
#   at      where the pilot runs, and the folder on that machine by which it is talked to

# pool CLUSTER . : sets `pool`, as a node's spool is found.
pool() {
    [ "$2" = . ] || return
    base=${XDG_STATE_HOME:-}
    case $base in /*) ;; *) base=$HOME/.local/state ;; esac
    pool=$base/ostler-node/$1/pool
    (umask 077; mkdir -p "$pool/slurm" 2>/dev/null)
}

# pilot KEY COMMENT DIRECTIVES SCRIPT . : asks for a node, once.
pilot() {
    [ "$5" = . ] || return
    log=$(printf '%s' "$pool/slurm/$1/log" | sed 's/%/%%/g')
    submit "$pool" "$1" "$2" "#!/bin/sh
#SBATCH --output=\"$log\"
$3
d=\$1
$4" '' "" . "$pool/slurm/$1"
}

# end_pilot KEY COMMENT . : gives a node back, or makes sure that it never comes.
end_pilot() {
    [ "$3" = . ] || return
    stop "$pool" "$1" "$2" .
    forget "$pool" "$1" .
}

# pilots COMMENT . : what there is of those whose comments begin so. When the queue cannot be read, nothing is said of it.
pilots() {
    [ "$2" = . ] || return
    for dir in "$pool"/slurm/[0-9]*; do
        [ -d "$dir" ] || continue
        n= place= x=
        [ ! -s "$dir/id" ] || read -r n < "$dir/id"
        [ ! -s "$dir/at" ] || read -r place < "$dir/at"
        [ ! -s "$dir/refused" ] || x=$(cat "$dir/refused")
        printf 'K%s%s%s%s%s%s%s%s\n' "$us" "${dir##*/}" "$us" "$n" "$us" "$place" "$us" "$(oneline "$x")"
    done
    if said=$(squeue -h -a -t all -u "$(id -un)" -o "H$us%k$us%A$us%T$us%r$us%S$us%e$us%N" 2>&1); then
        printf '%s\n' "$said" | grep -F "H$us$1"
        # What is over has no folder any more, so that its node can be asked for anew.
        for dir in "$pool"/slurm/[0-9]*; do
            n=
            [ ! -s "$dir/id" ] || read -r n < "$dir/id"
            case $said in
            *"$us$n$us"COMPLETED"$us"* | *"$us$n$us"FAILED"$us"* | *"$us$n$us"CANCELLED* | *"$us$n$us"TIMEOUT"$us"* | \
            *"$us$n$us"NODE_FAIL"$us"* | *"$us$n$us"BOOT_FAIL"$us"* | *"$us$n$us"PREEMPTED"$us"* | \
            *"$us$n$us"OUT_OF_MEMORY"$us"* | *"$us$n$us"DEADLINE"$us"*) ;;
            *"$us$n$us"*) continue ;;
            esac
            [ -z "$n" ] || rm -rf "$dir"
        done
    else
        printf 'F%ssqueue%s%s\n' "$us" "$us" "$(oneline "$said")"
    fi
}
