# What ostler asks of Slurm on a login node: read by `sh -s` over the link, followed by calls of these functions, and gone with it.
# Every call ends in the word `.`, so that one that was cut does nothing. Answers are lines of fields parted by US (octal 037), the
# first of which says what the line is. Nothing of it is installed; below ROOT/slurm/ there is one folder for each submission:
#   by      who submits it: host, process and its start time
#   script  what is submitted
#   id      the number that Slurm gave it; `refused` with Slurm's words, or `fenced`, in its stead
#   owner   the number of the copy that runs; a copy that is not the owner ends at once
#   exit    the exit code, put there by rename; behind it `told` when Slurm had told the job to end
#   array   for a member of an array: the array's folder, and its index there; `id` and `refused` are the array's then
# An array has a folder of its own, which begins with a letter: `by`, `script`, `id` and `refused` as above, and
#   spec    more words of sbatch, one a line
#   m/N     a link to the folder of the member N; gone with it
#   N.log   a link to where Slurm's own words about the member N go
us=$(printf '\037')
nl='
'
lc=${LC_ALL-}
LC_ALL=C
SLURM_TIME_FORMAT=%s
# The indexes of an array are written in full.
SLURM_BITSTR_LEN=0
export LC_ALL SLURM_TIME_FORMAT SLURM_BITSTR_LEN
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

# Says who submits what is in a folder: this shell.
mine() {
    [ -n "${by_line-}" ] || by_line="$(uname -n) $$ $(begun $$)"
    printf '%s\n' "$by_line" > "$1/by.$$" && mv -f "$1/by.$$" "$1/by"
}

# find DIR COMMENT: sets `found` to the number of the job or array with this comment, empty when there is none; fails when that cannot
# be said.
find_job() {
    found=
    [ ! -s "$1/owner" ] || { read -r found < "$1/owner"; return 0; }
    listed=$(squeue -h -a -t all -u "$(id -un)" -o "%F %k" 2>&1) || { why=$listed; return 1; }
    found=$(printf '%s\n' "$listed" | awk -v c="$2" '{ n = $1; sub(/^[^ ]* /, ""); if ($0 == c) { print n; exit } }')
}

# What is set above is for us, and not for jobs.
own_words() {
    unset SLURM_TIME_FORMAT SLURM_BITSTR_LEN LC_ALL
    [ -z "$lc" ] || { LC_ALL=$lc; export LC_ALL; }
}

keep() { printf '%s\n' "$2" > "$1.new" && mv -f "$1.new" "$1"; }

# say OUTCOME [WORDS]: what became of the submission `key`.
say() { printf 'S%s%s%s%s%s%s\n' "$us" "$key" "$us" "$1" "$us" "$(oneline "$2")"; }

# push DIR COMMENT WORD... : calls sbatch with the script in a folder, and keeps what came of it there. Sets `came` to `id`, `refused` or
# `later`, and `said` to the number or to Slurm's words.
push() {
    p=$1 as=$2
    shift 2
    if said=$(cd "$HOME" && own_words && sbatch --parsable --comment="$as" "$@" </dev/null 2>&1); then
        number=$(printf '%s\n' "$said" | sed -n 's/^\([0-9][0-9]*\)\(;.*\)*$/\1/p' | tail -n 1)
        if [ -n "$number" ]; then keep "$p/id" "$number"; came=id said=$number; return; fi
    fi
    case $said in
    *'nable to contact'* | *'imed out'* | *'onnection refused'* | *'emporarily unable'* | *'ommunication connection'* | *'ero Bytes'* | \
    *'not responding'* | *'emporarily unavailable'* | *'o route to host'* | *'unge'* | *'ubmit job limit'* | *'SubmitJob'* | *'lurmctld'*)
        came=later ;;
    *) came=refused ;;
    esac
}

# fill DIR SCRIPT SECRETS DIRS: what a submission is made of.
fill() {
    printf '%s' "$2" > "$1/script" && { [ -z "$3" ] || printf '%s' "$3" > "$1/secrets"; } || return
    (umask 022; eval "set -- $4"; for dir; do mkdir -p "$dir" 2>/dev/null; done)
    :
}

# of_array DIR: sets `a` and `at` to the array and the index of a member, and `n` to its number once the array has one.
of_array() {
    a= at= n=
    [ -s "$1/array" ] || return
    read -r a at < "$1/array"
    a=${1%/*}/$a
    [ ! -s "$a/id" ] || { read -r n < "$a/id"; n=${n}_$at; }
}

# submit ROOT KEY COMMENT SCRIPT SECRETS DIRS . [WORD] : one job, however often it is asked for; WORD is given to the script.
submit() {
    [ "$7" = . ] || return
    d=$1/slurm/$2
    key=$2
    umask 077
    mkdir -p "$1/slurm" 2>/dev/null
    if ! mkdir "$d" 2>/dev/null; then
        [ -d "$d" ] || { say later "cannot make $d"; return; }
        [ ! -s "$d/id" ] || { read -r n < "$d/id"; say id "$n"; return; }
        [ ! -s "$d/refused" ] || { say refused "$(cat "$d/refused")"; return; }
        [ ! -e "$d/fenced" ] || { say fenced; return; }
        if of_array "$d"; then array_again "${3%-*}"; return; fi
        # An earlier try that was cut: it may be on its way still, or have come through.
        if at_work "$d"; then say later "an earlier try is not over"; return; fi
        find_job "$d" "$3" || { say later "$why"; return; }
        if [ -n "$found" ]; then keep "$d/id" "$found"; say id "$found"; return; fi
    fi
    mine "$d" && fill "$d" "$4" "$5" "$6" || { say later "cannot write in $d"; return; }
    push "$d" "$3" "$d/script" ${8+"$8"}
    [ "$came" != refused ] || keep "$d/refused" "$(oneline "$said")"
    say "$came" "$said"
}

# array_again COMMENT: the array `a` of the member `key`, which was tried before: it has come through, or is tried again whole.
array_again() {
    [ -z "$n" ] || { say id "$n"; return; }
    [ ! -s "$a/refused" ] || { say refused "$(cat "$a/refused")"; return; }
    if at_work "$a"; then say later "an earlier try is not over"; return; fi
    find_job "$a" "$1-${a##*/}" || { say later "$why"; return; }
    if [ -n "$found" ]; then keep "$a/id" "$found"; say id "${found}_$at"; return; fi
    send_array "$1"
    case $came in
    id) say id "${said}_$at" ;;
    *) say "$came" "$said" ;;
    esac
}

# send_array COMMENT: submits the array `a`. One that Slurm finds too large is taken apart; its members are submitted anew.
send_array() {
    mine "$a" || { came=later said="cannot write in $a"; return; }
    log=$(printf '%s' "$a" | sed 's/%/%%/g')/%a.log
    old=$IFS
    IFS=$nl
    set -f
    # shellcheck disable=SC2046
    set -- "$1" $(cat "$a/spec")
    set +f
    IFS=$old
    as=$1-${a##*/}
    shift
    push "$a" "$as" --output="$log" "$@" "$a/script" "$a"
    case $came$said in
    refused*'rray specification'* | *'SubmitJob'* | *'ubmit job limit'* | *'ob submit limit'*)
        came=later said="an array of this size is not taken: $said"
        for link in "$a"/m/*; do [ -e "$link/fenced" ] || [ ! -d "$link/" ] || rm -rf "$(cd -P "$link" && pwd)"; done
        rm -rf "$a" ;;
    refused*) keep "$a/refused" "$(oneline "$said")" ;;
    esac
}

# array ROOT OF COMMENT . : begins an array, of which `member` adds the members and `send` makes a submission.
array() {
    [ "$4" = . ] || return
    umask 077
    mkdir -p "$1/slurm" 2>/dev/null
    b=$1/slurm/$2.$(date +%s).$$ b_as=$3 members= b_n=0
    mkdir "$b" 2>/dev/null && mkdir "$b/m" && mine "$b" || b=
}

# member ROOT KEY COMMENT SCRIPT SECRETS DIRS LOG . : one that was tried before is asked for by itself.
member() {
    [ "$8" = . ] || return
    d=$1/slurm/$2
    if [ -z "$b" ] || ! mkdir "$d" 2>/dev/null; then submit "$1" "$2" "$3" "$4" "$5" "$6" .; return; fi
    key=$2
    mine "$d" && fill "$d" "$4" "$5" "$6" && ln -s "$7" "$b/$b_n.log" && ln -s "../../$2" "$b/m/$b_n" &&
        printf '%s %s\n' "${b##*/}" "$b_n" > "$d/array" || { say later "cannot write in $d"; return; }
    members="$members $2"
    b_n=$((b_n + 1))
}

# send SCRIPT THROTTLE WORDS . : submits the array that was begun. THROTTLE: `%N` or nothing; WORDS: more of sbatch, one a line.
send() {
    [ "$4" = . ] || return
    [ -n "$b" ] || return
    if [ "$b_n" = 0 ]; then rm -rf "$b"; return; fi
    a=$b
    if printf '%s' "$1" > "$a/script" && printf -- '--array=0-%s%s\n%s' "$((b_n - 1))" "$2" "$3" > "$a/spec"; then
        send_array "$b_as"
    else
        came=later said="cannot write in $a"
    fi
    at=0
    for key in $members; do
        case $came in
        id) say id "${said}_$at" ;;
        *) say "$came" "$said" ;;
        esac
        at=$((at + 1))
    done
}

# stop ROOT KEY COMMENT . : ends a job, or makes sure that it never starts.
stop() {
    [ "$4" = . ] || return
    d=$1/slurm/$2 key=$2
    outcome() { printf 'T%s%s%s%s%s%s\n' "$us" "$key" "$us" "$1" "$us" "$(oneline "$2")"; }
    umask 077
    mkdir -p "$1/slurm" 2>/dev/null
    if mkdir "$d" 2>/dev/null; then keep "$d/fenced" fenced; outcome fenced; return; fi
    [ ! -s "$d/refused" ] || { outcome fenced; return; }
    as=$3
    if of_array "$d"; then
        as=${3%-*}-${a##*/}
        [ ! -s "$a/refused" ] || { outcome fenced; return; }
    else
        a=$d at=
        [ ! -s "$d/id" ] || read -r n < "$d/id"
    fi
    if [ -z "$n" ]; then
        ! at_work "$a" || { outcome later "it is being submitted"; return; }
        find_job "$a" "$as" || { outcome later "$why"; return; }
        # Who comes through after this is not the owner, and ends at once.
        [ -n "$found" ] || { keep "$d/fenced" fenced; keep "$d/owner" fenced; outcome fenced; return; }
        [ "$found" = fenced ] || keep "$a/id" "$found"
        n=$found${at:+_$at}
    fi
    case $n in fenced*) outcome fenced; return ;; esac
    # A controller that was killed gives the numbers of jobs that it forgot to others.
    # Who does not say whose it is has said nothing.
    whose=$(squeue -h -a -t all -j "$n" -o %k 2>/dev/null) || whose=
    whose=${whose%%"$nl"*}
    [ -z "$whose" ] || [ "$whose" = "$as" ] || { outcome asked "$n"; return; }
    if said=$(scancel "$n" 2>&1); then outcome asked "$n"; return; fi
    case $said in
    *'nvalid job id'* | *'already'*) outcome asked "$n" ;;
    *) outcome later "$said" ;;
    esac
}

# forget ROOT KEY... . : the proof is on disk elsewhere.
forget() {
    root=$1
    shift
    for key; do
        [ "$key" != . ] || break
        if of_array "$root/slurm/$key"; then
            rm -f "$a/m/$at"
            # With its last member an array goes.
            ! rmdir "$a/m" 2>/dev/null || rm -rf "$a"
        fi
        rm -rf "$root/slurm/$key"
        printf 'A%s%s\n' "$us" "$key"
    done
}

# records ROOT [KEY]... . : what there is of these, or of all.
records() {
    root=$1
    shift
    if [ "$1" = . ]; then
        set -- "$root"/slurm/[0-9]*
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
    if of_array "$d"; then i=$n; else [ ! -s "$d/id" ] || read -r i < "$d/id"; fi
    [ ! -s "$d/owner" ] || read -r o < "$d/owner"
    told=
    [ ! -s "$d/exit" ] || read -r x told < "$d/exit"
    [ -z "$told" ] || x=$x+
    [ ! -e "$d/fenced" ] || f=fenced
    [ ! -s "$d/refused" ] || f=refused$us$(cat "$d/refused")
    [ -z "$a" ] || [ ! -s "$a/refused" ] || f=refused$us$(cat "$a/refused")
    printf 'R%s%s%s%s%s%s%s%s%s%s%s%s\n' "$us" "$1" "$us" "${a##*/}" "$us" "$i" "$us" "$o" "$us" "$x" "$us" "$f"
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
act() { program_act "$@"; }
program_act() {
    name=$1
    shift
    n=$#
    while [ "$n" -gt 1 ]; do set -- "$@" "$1"; shift; n=$((n - 1)); done
    [ "$1" = . ] || return
    shift
    if said=$("$@" 2>&1 </dev/null); then did=done said=; else did=refused; fi
    printf 'X%s%s%s%s%s%s\n' "$us" "$name" "$us" "$did" "$us" "$(oneline "$said")"
}

# version . : which Slurm it is, and how many members an array may have.
version() {
    printf 'V%s%s\n' "$us" "$(oneline "$(sbatch --version 2>&1)")"
    printf 'M%s%s\n' "$us" "$(scontrol show config 2>/dev/null | sed -n 's/^MaxArraySize *= *\([0-9]*\)$/\1/p')"
}
over() { printf 'E%s\n' "$us"; }
