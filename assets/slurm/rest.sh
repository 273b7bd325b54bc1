# With Slurm's REST service: read after slurm.sh. What slurm.sh asks its programs goes to who is at the other end of the link, who asks
# the service, and answers. A question is a line that begins with Q; the answer is a line with an exit code and a number of lines, and
# these. So all that makes a submission happen once is what it is with the programs.
exec 3>&1 4<&0

# rest NAME WORD... : asks; prints what is answered.
rest() {
    { printf Q; printf '\037%s' "$@"; printf '\n'; } >&3
    answered
}
answered() {
    read -r rest_code rest_lines <&4 || exit 1
    while [ "$rest_lines" -gt 0 ]; do
        IFS= read -r rest_line <&4 || exit 1
        printf '%s\n' "$rest_line"
        rest_lines=$((rest_lines - 1))
    done
    return "$rest_code"
}

# The script goes with it, and the variables that sbatch would pass on: a line each, line feeds in them as RS.
sbatch() {
    for word; do case $word in --*) ;; *) break ;; esac; done
    { printf Q; printf '\037%s' sbatch "$@"; printf '\n'; wc -c < "$word"; cat "$word"; env -0 | tr '\n\0' '\036\n'; printf '.\n'; } >&3
    answered
}
squeue() { rest squeue "$@"; }
scancel() { rest scancel "$@"; }
queue() { rest queue "$1"; }
version() { rest version; }
ended() { rest ended "$@"; }

# What the service cannot do is left to the programs here, if there are any.
act() {
    said=$(rest act "$@"); did=$?
    case $did in
    0) printf 'X%s%s%s%s%s\n' "$us" "$1" "$us" done "$us" ;;
    3) program_act "$@" ;;
    *) printf 'X%s%s%s%s%s%s\n' "$us" "$1" "$us" refused "$us" "$(oneline "$said")" ;;
    esac
}
