# What ostler asks of Slurm on a login node: read by `sh -s` over the link, followed by calls of these functions, and gone with it.
# Every call ends in the word `.`, so that one that was cut does nothing. Answers are lines of fields parted by US (octal 037), the
# first of which says what the line is. Nothing of it is installed; below ROOT/slurm/ there is one folder for each submission:
#   by      who submits it: host, process and its start time
#   script  what is submitted
#   id      the number that Slurm gave it; `refused` with Slurm's words, or `fenced`, in its stead
#   owner   the number of the copy that runs; a copy that is not the owner ends at once
#   exit    the exit code, put there by rename; behind it `told` when Slurm had told the job to end
us=$(printf '\037')
nl='
'
LC_ALL=C
SLURM_TIME_FORMAT=%s
export LC_ALL SLURM_TIME_FORMAT
unset SQUEUE_FORMAT SQUEUE_FORMAT2 SQUEUE_SORT SQUEUE_STATES SQUEUE_PARTITION SQUEUE_USERS SQUEUE_ACCOUNT SQUEUE_QOS SINFO_FORMAT SINFO_PARTITION SINFO_SORT SLURM_CLUSTERS SBATCH_COMMENT SBATCH_OUTPUT SBATCH_ARRAY_INX SBATCH_WAIT SBATCH_JOB_NAME

# What a program said, as one line.
oneline() { printf '%s' "$1" | tr '\n\t\r\037' '    ' | cut -c 1-2000; }

# The start time of a process, so that its number alone is not believed.
begun() { s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1; s=${s##*) }; set -- $s; printf '%s' "${20}"; }

# Says whether who wrote `by` is at it still.
at_work() {
    read -r by_host by_pid by_start 2>/dev/null < "$1/by" || return 1
    [ "$by_host" = "$(uname -n)" ] && [ "$(begun "$by_pid")" = "$by_start" ] && [ -n "$by_start" ]
}

# find DIR COMMENT: sets `found` to the number of the job with this comment, empty when there is none; fails when that cannot be said.
find_job() {
    found=
    [ ! -s "$1/owner" ] || { read -r found < "$1/owner"; return 0; }
    listed=$(squeue -h -a -t all -u "$(id -un)" -o "%A %k" 2>&1) || { why=$listed; return 1; }
    found=$(printf '%s\n' "$listed" | awk -v c="$2" '{ n = $1; sub(/^[^ ]* /, ""); if ($0 == c) { print n; exit } }')
}

keep() { printf '%s\n' "$2" > "$1.new" && mv -f "$1.new" "$1"; }

# submit ROOT KEY COMMENT SCRIPT SECRETS DIRS . : one job, however often it is asked for.
submit() {
    [ "$7" = . ] || return
    d=$1/slurm/$2
    say() { printf 'S%s%s%s%s%s%s\n' "$us" "$key" "$us" "$1" "$us" "$(oneline "$2")"; }
    key=$2
    umask 077
    mkdir -p "$1/slurm" 2>/dev/null
    if ! mkdir "$d" 2>/dev/null; then
        [ -d "$d" ] || { say later "cannot make $d"; return; }
        [ ! -s "$d/id" ] || { read -r n < "$d/id"; say id "$n"; return; }
        [ ! -s "$d/refused" ] || { say refused "$(cat "$d/refused")"; return; }
        [ ! -e "$d/fenced" ] || { say fenced; return; }
        # An earlier try that was cut: it may be on its way still, or have come through.
        if at_work "$d"; then say later "an earlier try is not over"; return; fi
        find_job "$d" "$3" || { say later "$why"; return; }
        if [ -n "$found" ]; then keep "$d/id" "$found"; say id "$found"; return; fi
    fi
    printf '%s %s %s\n' "$(uname -n)" "$$" "$(begun $$)" > "$d/by.$$" && mv -f "$d/by.$$" "$d/by" || { say later "cannot write in $d"; return; }
    printf '%s' "$4" > "$d/script" || { say later "cannot write in $d"; return; }
    [ -z "$5" ] || printf '%s' "$5" > "$d/secrets" || { say later "cannot write in $d"; return; }
    (umask 022; eval "set -- $6"; for dir; do mkdir -p "$dir" 2>/dev/null; done)
    if said=$(cd "$HOME" && sbatch --parsable --comment="$3" "$d/script" </dev/null 2>&1); then
        n=$(printf '%s\n' "$said" | sed -n 's/^\([0-9][0-9]*\)\(;.*\)*$/\1/p' | tail -n 1)
        if [ -n "$n" ]; then keep "$d/id" "$n"; say id "$n"; return; fi
    fi
    case $said in
    *'nable to contact'* | *'imed out'* | *'onnection refused'* | *'emporarily unable'* | *'ommunication connection'* | *'ero Bytes'* | \
    *'not responding'* | *'emporarily unavailable'* | *'o route to host'* | *'unge'* | *'ubmit job limit'* | *'SubmitJob'* | *'lurmctld'*)
        say later "$said" ;;
    *) keep "$d/refused" "$(oneline "$said")"; say refused "$said" ;;
    esac
}

# stop ROOT KEY COMMENT . : ends a job, or makes sure that it never starts.
stop() {
    [ "$4" = . ] || return
    d=$1/slurm/$2 key=$2
    say() { printf 'T%s%s%s%s%s%s\n' "$us" "$key" "$us" "$1" "$us" "$(oneline "$2")"; }
    umask 077
    mkdir -p "$1/slurm" 2>/dev/null
    if mkdir "$d" 2>/dev/null; then keep "$d/fenced" fenced; say fenced; return; fi
    [ ! -s "$d/refused" ] || { say fenced; return; }
    n=
    [ ! -s "$d/id" ] || read -r n < "$d/id"
    if [ -z "$n" ]; then
        ! at_work "$d" || { say later "it is being submitted"; return; }
        find_job "$d" "$3" || { say later "$why"; return; }
        n=$found
        # Who comes through after this is not the owner, and ends at once.
        [ -n "$n" ] || { keep "$d/fenced" fenced; keep "$d/owner" fenced; say fenced; return; }
        keep "$d/id" "$n"
    fi
    if [ "$n" = fenced ]; then say fenced; return; fi
    # A controller that was killed gives the numbers of jobs that it forgot to others.
    whose=$(squeue -h -a -t all -j "$n" -o %k 2>/dev/null)
    [ -z "$whose" ] || [ "$whose" = "$3" ] || { say asked "$n"; return; }
    if said=$(scancel "$n" 2>&1); then say asked "$n"; return; fi
    case $said in
    *'nvalid job id'* | *'already'*) say asked "$n" ;;
    *) say later "$said" ;;
    esac
}

# forget ROOT KEY... . : the proof is on disk elsewhere.
forget() {
    root=$1
    shift
    for key; do
        [ "$key" != . ] || break
        rm -rf "$root/slurm/$key"
        printf 'A%s%s\n' "$us" "$key"
    done
}

# records ROOT [KEY]... . : what there is of these, or of all.
records() {
    root=$1
    shift
    if [ "$1" = . ]; then
        set -- "$root"/slurm/*
        [ -d "$1" ] || set --
        for dir; do record "${dir##*/}"; done
        return
    fi
    for key; do
        [ "$key" != . ] || break
        record "$key"
    done
}
record() {
    d=$root/slurm/$1
    [ -d "$d" ] || return
    i= o= x= f=
    [ ! -s "$d/id" ] || read -r i < "$d/id"
    [ ! -s "$d/owner" ] || read -r o < "$d/owner"
    told=
    [ ! -s "$d/exit" ] || read -r x told < "$d/exit"
    [ -z "$told" ] || x=$x+
    [ ! -e "$d/fenced" ] || f=fenced
    [ ! -s "$d/refused" ] || f=refused$us$(cat "$d/refused")
    printf 'R%s%s%s%s%s%s%s%s%s%s\n' "$us" "$1" "$us" "$i" "$us" "$o" "$us" "$x" "$us" "$f"
}

# queue all|mine . : the queue, and with `all` also partitions and nodes. A line for each failure, so that nothing is taken for empty.
queue() {
    fields=
    for code in A i T r u P a q D C m b l M S V Q N k j; do fields="$fields$us%$code"; done
    if [ "$1" = all ]; then set -- -a; else set -- -a -u "$(id -un)"; fi
    if said=$(squeue -h "$@" -t all -o "J$fields" 2>&1); then printf '%s\n' "$said"; else printf 'F%ssqueue%s%s\n' "$us" "$us" "$(oneline "$said")"; fi
    [ $# = 1 ] || return 0
    if said=$(sinfo -h -a -N -o "N$us%N$us%P$us%T$us%C$us%m$us%G$us%f$us%E$us%u" 2>&1); then printf '%s\n' "$said"; else printf 'F%ssinfo%s%s\n' "$us" "$us" "$(oneline "$said")"; fi
    if said=$(sinfo -h -a -s -o "P$us%P$us%a$us%l$us%F$us%C$us%G" 2>&1); then printf '%s\n' "$said"; else printf 'F%ssinfo%s%s\n' "$us" "$us" "$(oneline "$said")"; fi
}

# ended NUMBER... . : how jobs ended that the queue does not show any more.
ended() {
    for n; do
        [ "$n" != . ] || break
        said=$(sacct -n -X -P -u "$(id -un)" -j "$n" -o JobIDRaw,State,ExitCode 2>/dev/null | head -n 1)
        case $said in
        '' | *disabled*) said=$(scontrol show job "$n" -o 2>/dev/null | grep ' Comment=ostler-' | sed -n 's/.*JobState=\([A-Z_]*\).*ExitCode=\([0-9]*:[0-9]*\).*/x|\1|\2/p' | head -n 1) ;;
        esac
        state=${said#*|} code=${said##*|} state=${state%%|*}
        printf 'D%s%s%s%s%s%s\n' "$us" "$n" "$us" "$(oneline "$state")" "$us" "$code"
    done
}

# act NAME PROGRAM WORD... . : what a person asks for a job or a node.
act() {
    name=$1
    shift
    n=$#
    while [ "$n" -gt 1 ]; do set -- "$@" "$1"; shift; n=$((n - 1)); done
    [ "$1" = . ] || return
    shift
    if said=$("$@" 2>&1 </dev/null); then did=done said=; else did=refused; fi
    printf 'X%s%s%s%s%s%s\n' "$us" "$name" "$us" "$did" "$us" "$(oneline "$said")"
}

version() { printf 'V%s%s\n' "$us" "$(oneline "$(sbatch --version 2>&1)")"; }
over() { printf 'E%s\n' "$us"; }
