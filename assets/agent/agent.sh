# agent.sh - the node's control agent: one for each node, on one channel. Installed behind spool.sh as one file.
#
# It is not run but read: the controller's frames are commands in the shell's own language, which this shell takes from
# its standard input in whole blocks (dash and busybox; a `read` loop would cost a system call a byte), with every word
# in single quotes. Each ends with the word `.`, so one that was cut off by a lost link does nothing. What the agent
# says are lines on standard output:
#
#   f NAME VALUE      a fact                       S KEY              started
#   i KEY STATUS      one entry of the inventory   X KEY CODE WHY     ended
#   u                 up: all of it was said       F KEY              fenced: never started, never will
#   k SEQ             order SEQ is done            R KEY WORDS        refused, and its lock is held
#   p SEQ             answers ping SEQ             L KEY WORDS        lost
#   ! CODE WORDS      this session is over         B KEY              of another boot
#   H KEY WORDS       killed, and held by the kernel
#   D KEY N HOST      a launcher asks; then its command in pieces `d KEY N TEXT`, then `e KEY N`
#
# It keeps nothing in memory that matters: killed at any point, the next one reads the spool and goes on.

fatal() {
    say "! $1 $2"
    exit 1
}

# aside COMMAND...: beside us, without our pipes to the workers: they end when we do, and only if nobody else holds them.
aside() {
    (
        exec </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&-
        "$@"
    ) &
}

# in_turn COUNT SEQ LAST WANTED: the order is whole, the next in turn, and this is still the node's agent.
in_turn() {
    if [ "$1" -lt "$4" ] || [ "$3" != . ]; then fatal protocol "a cut order"; fi
    SEQ_NEXT=$((SEQ_NEXT + 1))
    [ "$2" = "$SEQ_NEXT" ] || fatal protocol "order $2 where $SEQ_NEXT was due"
    # The next agent removes the former ones' fifos before it looks around.
    [ -p "run/wake.$$" ] || fatal superseded "another agent has taken this node"
}

# ---- coming up ----------------------------------------------------------------------------------------------------

# hello EPOCH BOOT-SHELL SUPERVISOR-FILE .   ROOT is set by the bootstrap.
hello() {
    if [ $# -ne 4 ] || [ "$4" != . ]; then fatal protocol "a cut hello"; fi
    EPOCH=$1 AGENT_SH=$2 SUPERVISOR=$ROOT/bin/$3 SEQ_NEXT=0
    trap : HUP INT TERM PIPE
    trap kill_without EXIT
    cd "$ROOT" || fatal spool "cannot enter $ROOT"
    read -r BOOT </proc/sys/kernel/random/boot_id 2>/dev/null || read_boot
    take_epoch
    end_former_agent
    open_wake
    say "$$
$MY_START $NOTIFIER $NOTIFIER_START $EPOCH end" >run/agent || fatal spool "no room in $ROOT"
    rearm_kills
    facts
    inventory
    drop_secrets
    [ -z "$IN_ANY" ] || arm_watch 0
    say u
}

# The time at which the machine came up, where the kernel gives no id.
read_boot() {
    while read -r RB_NAME RB_VALUE; do
        [ "$RB_NAME" != btime ] || BOOT="btime-$RB_VALUE"
    done </proc/stat
    [ -n "$BOOT" ] || fatal no-proc "neither /proc/sys/kernel/random/boot_id nor /proc/stat can be read"
}

# A lower epoch than one seen is a controller of the past: a restored backup, or a second one.
take_epoch() {
    TE_SEEN=0
    if [ -e epoch ]; then read -r TE_SEEN TE_REST <epoch; fi
    case $TE_SEEN in '' | *[!0-9]*) TE_SEEN=0 ;; esac
    [ "$EPOCH" -ge "$TE_SEEN" ] || fatal epoch "this node has seen epoch $TE_SEEN, and this controller is at $EPOCH"
    [ "$EPOCH" = "$TE_SEEN" ] && return
    # The first one replaces none, and a line as short as this is written whole.
    if [ ! -e epoch ] && made epoch "$EPOCH end"; then return; fi
    say "$EPOCH end" >epoch.new && mv -f epoch.new epoch || fatal spool "cannot write $ROOT/epoch"
}

# Two agents of one node never act at the same time: the former goes before this one looks around.
end_former_agent() {
    E_PID='' E_START='' E_NPID='' E_NSTART=''
    if [ -e run/agent ]; then
        {
            read -r E_PID
            read -r E_START E_NPID E_NSTART E_REST
        } <run/agent
    fi
    for E_TRY in 1 2 3 4 5 6 7 8 9 10; do
        E_LEFT=0
        if alive "$E_PID" "$E_START"; then kill -s KILL "$E_PID" && E_LEFT=1; fi
        if alive "$E_NPID" "$E_NSTART"; then kill -s KILL "$E_NPID" && E_LEFT=1; fi
        [ $E_LEFT = 1 ] || break
        [ "$E_TRY" -lt 3 ] || pause 1
    done
    [ "$E_LEFT" = 0 ] || fatal spool "a former agent (pid $E_PID) does not end"
    set -- run/wake.* run/pipe.* run/launch.one.*
    [ "$*" = 'run/wake.* run/pipe.* run/launch.one.*' ] || rm -f "$@"
}

# One fifo takes what supervisors and launchers have to say; the notifier passes it on. It ends when we do, because
# then nobody holds the fifo open for writing (descriptor 3).
open_wake() {
    # mksh (R59) keeps the copy that it makes of what `exec` closes, when that copy has number 10. The notifier would get a
    # copy that is open for writing, and never see the end of its own fifo: so 10 is given to one that harms nobody.
    exec 9</dev/null
    exec 9<&-
    mkfifo "run/wake.$$" || fatal spool "cannot make a fifo in $ROOT/run"
    exec 9<>"run/wake.$$"
    exec 3>"run/wake.$$" 8<"run/wake.$$"
    exec 9>&-
    notifier &
    NOTIFIER=$!
    exec 8<&-
    stat_of "$NOTIFIER" || S_START=0
    NOTIFIER_START=$S_START
    stat_of $$
    MY_START=$S_START
}

notifier() {
    # By exec: a redirection of a function keeps copies of what it closes, and this one must not hold its own fifo open.
    exec <&8 2>/dev/null 3>&- 8<&-
    trap - PIPE TERM
    while read -r N_LINE; do
        case $N_LINE in
        'A '*) # a launcher asks
            N_KEY=${N_LINE#A }
            tell_ask "${N_KEY% *}" "${N_KEY##* }"
            ;;
        [SXFRLBH]' '*) say "$N_LINE" ;;
        esac
    done
}

# tell_ask KEY N: a request file holds the host, then the command, which may have any characters.
tell_ask() {
    {
        read -r TA_HOST
        TA_TEXT='' TA_LF=''
        while IFS= read -r TA_PART || [ -n "$TA_PART" ]; do
            TA_TEXT="$TA_TEXT$TA_LF$TA_PART"
            TA_LF='
'
        done
    } <"ask/$1/ask.$2" || return
    case $TA_TEXT in *"$TA_END") ;; *) return ;; esac # not yet whole; its launcher asks again
    TA_TEXT=${TA_TEXT%"$TA_END"}
    say "D $1 $2 $TA_HOST"
    # One line a piece, each below what a pipe takes as one. A line feed is a piece `n`, text is a piece `t...`.
    while [ -n "$TA_TEXT" ]; do
        TA_LINE=${TA_TEXT%%"$TA_LF_CHAR"*}
        while [ -n "$TA_LINE" ]; do
            cut_piece
            say "d $1 $2 t$PIECE"
        done
        case $TA_TEXT in
        *"$TA_LF_CHAR"*)
            say "d $1 $2 n"
            TA_TEXT=${TA_TEXT#*"$TA_LF_CHAR"}
            ;;
        *) TA_TEXT='' ;;
        esac
    done
    say "e $1 $2"
}
TA_LF_CHAR='
'
TA_END="${TA_LF_CHAR}end"

# cut_piece: PIECE = the first 512 characters of TA_LINE, TA_LINE = the rest.
cut_piece() {
    if [ "${#TA_LINE}" -le 512 ]; then
        PIECE=$TA_LINE TA_LINE=''
        return
    fi
    TA_REST=$TA_LINE
    CP_N=0
    while [ $CP_N -lt 32 ]; do
        TA_REST=${TA_REST#????????????????}
        CP_N=$((CP_N + 1))
    done
    PIECE=${TA_LINE%"$TA_REST"}
    TA_LINE=$TA_REST
}

facts() {
    say "f boot $BOOT"
    say "f root $ROOT"
    # Kernels before 6.1 have no `arch`.
    { read -r FA_HOST </proc/sys/kernel/hostname && read -r FA_MACHINE </proc/sys/kernel/arch; } 2>/dev/null || {
        FA_NAMES=$(uname -nm)
        FA_HOST=${FA_NAMES% *} FA_MACHINE=${FA_NAMES##* }
    }
    say "f hostname $FA_HOST"
    FA_ADDRESS=${SSH_CONNECTION:-}
    FA_ADDRESS=${FA_ADDRESS#* * }
    say "f address ${FA_ADDRESS%% *}"
    FA_SHELL=$(command -v bash)
    case $FA_SHELL in /*) ;; *) FA_SHELL=/bin/sh ;; esac
    say "f shell $FA_SHELL"
    # One command between the brackets has no shell of its own; and `id` takes twice as long to be linked.
    FA_USER=$(whoami 2>/dev/null) || FA_USER=$(id -un 2>/dev/null) || FA_USER=$(id -u)
    say "f user $FA_USER"
    FA_CPUS=$(nproc 2>/dev/null) || FA_CPUS=$(grep -c ^processor /proc/cpuinfo)
    # Who holds the machine for us may have been given a part of it.
    if [ "${OSTLER_CPUS_MAX:-0}" -gt 0 ] && [ "$FA_CPUS" -gt "$OSTLER_CPUS_MAX" ]; then FA_CPUS=$OSTLER_CPUS_MAX; fi
    say "f cpus $FA_CPUS"
    FA_MOST=$((${OSTLER_MEMORY_MAX_MIB:-0} * 1024))
    while read -r FA_NAME FA_KIB FA_REST; do
        case $FA_NAME in MemTotal:) ;; *) continue ;; esac
        if [ "$FA_MOST" -gt 0 ] && [ "$FA_KIB" -gt "$FA_MOST" ]; then FA_KIB=$FA_MOST; fi
        say "f memory_kib $FA_KIB"
        break
    done </proc/meminfo
    FA_OS=$(. /etc/os-release 2>/dev/null && say "${PRETTY_NAME:-}")
    say "f os ${FA_OS:-$(uname -sr)} ($FA_MACHINE)"
    FA_DISK=$(df -kP / 2>/dev/null)
    # shellcheck disable=SC2086
    say_disk ${FA_DISK#*"$NL"}
    say_gpus
    share
    [ -z "$SHARE" ] || say "f share $SHARE"
    [ -n "$SETSID" ] || say "f missing setsid"
}

# share: SHARE = the word in a file beside the spools of this cluster's nodes. Whoever comes first draws and writes it, so
# nodes that say the same word have that folder in common.
share() {
    SHARE=''
    SH_DIR=${ROOT%/*}/shared
    { [ -d "$SH_DIR" ] || mkdir -p "$SH_DIR"; } && read -r SH_WORD </proc/sys/kernel/random/uuid || return 0
    made "$SH_DIR/proof" "$SH_WORD"
    { read -r SHARE <"$SH_DIR/proof"; } 2>/dev/null
    return 0
}

# say_disk FILESYSTEM KIB …: as df says it.
say_disk() {
    case ${2-} in '' | *[!0-9]*) ;; *) say "f disk_kib $2" ;; esac
}

# How many GPUs there are, and what they are called: by the tool of one maker or the other.
say_gpus() {
    if command -v nvidia-smi >/dev/null 2>&1; then
        ask_driver nvidia-smi -L
        sed -n '/^GPU /{s/^GPU [0-9]*: //; s/ (UUID: .*//; p;}' run/gpus >run/gpu-names
        say "f gpus $(grep -c '^GPU ' run/gpus)"
    elif command -v rocm-smi >/dev/null 2>&1; then
        ask_driver rocm-smi --showproductname --json
        grep -o '"Card [Ss]eries": "[^"]*"' run/gpus | sed 's/^[^:]*: "//; s/"$//' >run/gpu-names
        say "f gpus $(grep -o '"card[0-9]*":' run/gpus | grep -c .)"
    else
        say 'f gpus 0'
        return
    fi
    while IFS= read -r SG_NAME; do say "f gpu $SG_NAME"; done <run/gpu-names
}

# ask_driver TOOL ARGUMENT…: what it says in run/gpus. A driver in trouble can hang its tool for good, so it gets ten seconds.
ask_driver() {
    rm -f run/gpus run/gpu-names
    : >run/gpu-names
    "$@" >run/gpus 2>/dev/null 3>&- 4>&- </dev/null &
    AD_PID=$!
    AD_TRIES=0
    while stat_of "$AD_PID" && [ "$S_STATE" != Z ] && [ $AD_TRIES -lt 100 ]; do
        AD_TRIES=$((AD_TRIES + 1))
        pause 1
    done
    kill -s KILL "$AD_PID" 2>/dev/null
}

# Says what is in the spool; IN_ANY when there is something.
inventory() {
    IN_ANY=''
    for IN_FILE in jobs/*; do
        IN_KEY=${IN_FILE#jobs/}
        [ -f "$IN_FILE" ] || continue
        IN_ANY=1
        status "$IN_KEY"
        say "i $IN_KEY $STATUS"
    done
    for IN_FILE in ask/*/ask.*; do
        [ -f "$IN_FILE" ] || continue
        IN_KEY=${IN_FILE#ask/}
        IN_N=${IN_KEY##*/ask.}
        IN_KEY=${IN_KEY%%/*}
        if [ -e "jobs/$IN_KEY" ] && [ ! -e "ask/$IN_KEY/answer.$IN_N" ]; then wake "A $IN_KEY $IN_N" 2>/dev/null; fi
    done
}

# drop_secrets: those that no supervisor is going to read any more.
drop_secrets() {
    for DS_FILE in run/secret.*; do
        [ -e "$DS_FILE" ] || continue
        DS_KEY=${DS_FILE#run/secret.}
        if [ -e "jobs/$DS_KEY" ]; then
            status "$DS_KEY"
            if [ "$STATUS" = alive ] && [ -z "$F_PID" ]; then continue; fi
        fi
        rm -f "$DS_FILE"
    done
}

# ---- workers ------------------------------------------------------------------------------------------------------
# Four of them stay for the next process, at descriptors 4 to 7 (a shell has but ten); more are made for one each.

# spawn SLOT: a worker reading from a new pipe; SP_PID SP_START. Our end is descriptor 9 until the caller moves it.
spawn() {
    [ ! -e "run/pipe.$$" ] || rm -f "run/pipe.$$"
    mkfifo "run/pipe.$$" || return 1
    exec 9<>"run/pipe.$$"
    exec 8<"run/pipe.$$"
    if [ -z "${SIGNALS_BACK+known}" ]; then
        # What is needed for the first time by the first process, to end it.
        [ "$(printf 'a\000b' | grep -czFe b 2>/dev/null)" = 1 ] || fatal missing-tools 'grep does not know -z'
        SIGNALS_BACK=''
        if env --default-signal=INT >/dev/null 2>&1; then SIGNALS_BACK='env --default-signal=INT,QUIT'; fi
    fi
    # shellcheck disable=SC2086
    $SETSID $SIGNALS_BACK $AGENT_SH "$SUPERVISOR" worker "$ROOT" "$BOOT" "$SETSID" "$UMASK" "$1" "$AGENT_SH" \
        <&8 >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8<&- 9>&- &
    SP_PID=$!
    exec 8<&-
    stat_of "$SP_PID"
    SP_START=$S_START
}

# spare_worker FD: makes sure that slot FD has a live worker; SP_PID SP_START.
spare_worker() {
    eval "SP_PID=\${SLOT_PID_$1:-} SP_START=\${SLOT_START_$1:-}"
    if alive "$SP_PID" "$SP_START"; then return 0; fi
    drop_line "$1"
    spawn "$1" || return 1
    # Opened anew for writing only: a worker must see the end of input when we are gone, and a write must fail when
    # the worker is.
    eval "exec $1>run/pipe.$$"
    exec 9>&-
    eval "SLOT_PID_$1=\$SP_PID SLOT_START_$1=\$SP_START SLOT_KEY_$1=''"
}

# drop_line FD: what a worker that was killed was still to run never starts.
drop_line() {
    eval "DL_LINE=\${SLOT_LINE_$1:-} SLOT_LINE_$1=''"
    for DL_KEY in $DL_LINE; do
        if [ ! -e "jobs/$DL_KEY" ] && [ ! -e "done/$DL_KEY" ]; then give_up "$DL_KEY"; fi
    done
}

# free_of FD: FREE = the key that the worker of this slot is through with. It is overwritten in its place, so whoever reads meanwhile
# may see a part of it: then the two words differ.
free_of() {
    FREE='' FREE_TOO=''
    { read -r FREE FREE_TOO <"run/free.$1"; } 2>/dev/null
    [ "$FREE" = "$FREE_TOO" ] || FREE=''
}

# put_launch FILE TEXT: a launch text over the former one. Not by emptying that first: ext4 would bring the new one to the disk
# at once, for that is how careless programs replace their files, and it cost more than all else. What is left of the former one stands
# behind the end.
put_launch() {
    say "$2
return 0" 1<>"$1"
}

# pick_slot: SLOT = a slot whose worker says that it is through with the last key; `one.N` when all are busy.
pick_slot() {
    for PS_FD in 4 5 6 7; do
        eval "PS_KEY=\${SLOT_KEY_$PS_FD:-} SP_PID=\${SLOT_PID_$PS_FD:-} SP_START=\${SLOT_START_$PS_FD:-}"
        SLOT=$PS_FD
        if [ -z "$SP_PID" ] || ! kill -s 0 "$SP_PID" 2>/dev/null; then
            spare_worker "$PS_FD"
            return
        fi
        [ -n "$PS_KEY" ] || return 0
        free_of "$PS_FD"
        if [ "$FREE" = "$PS_KEY" ]; then
            eval "SLOT_LINE_$PS_FD=''"
            return 0
        fi
    done
    ONE=$((${ONE:-0} + 1))
    SLOT=one.$$.$ONE
    spawn "$SLOT"
}

# ---- orders -------------------------------------------------------------------------------------------------------

# answer KEY: what there is to say of it.
answer() {
    if [ -e "done/$1" ]; then
        fold "done/$1"
        STATUS=${F_END:-lost its record is gone}
    elif [ -e "jobs/$1" ]; then
        status "$1"
    else
        STATUS="refused $NO_LOCK $ROOT/jobs"
    fi
    notice "$1"
    [ -z "$NOTICE" ] || say "$NOTICE"
}

# start SEQ KEY BOOT LIMIT GRACE LAUNCH SECRETS AFTER .   seconds; LAUNCH and SECRETS are the texts of order.rs. The second
# is empty for most; else it is in a file only until the process's own shell has read it. AFTER is a process that has to be over
# first, or empty.
start() {
    in_turn $# "$1" "$9" 9
    if [ -n "$8" ] && [ "$3" = "$BOOT" ] && [ ! -e "jobs/$2" ] && [ ! -e "done/$2" ] && follow "$@"; then return; fi
    now
    ST_DUE=$((NOW + $4 + 1)) # the second that has begun is not counted: late by less than one, never early
    if [ -e "jobs/$2" ] || [ -e "done/$2" ]; then
        again "$2"
    elif [ "$3" != "$BOOT" ]; then
        lock "$2" "refused it was meant for boot $3 of this node, which is at $BOOT now end"
        again "$2"
    elif ! pick_slot; then
        lock "$2" "refused no supervisor could be started end"
        again "$2"
    elif ! put_launch "run/launch.$SLOT" "$6"; then
        lock "$2" "refused no room for its launch text end"
        again "$2"
    elif [ -n "$7" ] && ! say "$7" >"run/secret.$2"; then
        rm -f "run/secret.$2"
        lock "$2" "refused no room for its secrets end"
        again "$2"
    elif ! lock "$2" "own $EPOCH $BOOT $ST_DUE $5 end
sup $SP_PID $SP_START end"; then
        [ -z "$7" ] || rm -f "run/secret.$2"
        again "$2"
    else
        case $SLOT in
        one.*)
            say "$2" >&9
            exec 9>&-
            ;;
        *)
            # A worker that was killed a moment ago: what it will never start is fenced, and its slot gets another.
            eval "SLOT_KEY_$SLOT=\$2 SLOT_LINE_$SLOT=\" \$2 \"; { say \"\$2\" >&$SLOT; } 2>/dev/null" || again "$2"
            ;;
        esac
        glance "$ST_DUE"
    fi
}

# follow SEQ KEY BOOT LIMIT GRACE LAUNCH SECRETS AFTER .   puts a start into the line of the worker that has AFTER, which takes the
# lock when its turn has come; fails when AFTER is over. What no worker of ours has cannot be waited for, nor can secrets wait.
follow() {
    for FL_FD in 4 5 6 7; do
        eval "FL_LINE=\${SLOT_LINE_$FL_FD:-}"
        case $FL_LINE in *" $8 "*) ;; *) continue ;; esac
        [ -z "$7" ] || break
        free_of "$FL_FD"
        case $FL_LINE in *" $FREE "*) FL_LINE=" ${FL_LINE#*" $FREE "}" ;; esac
        eval "FL_N=\$(((\${SLOT_N_$FL_FD:-0} + 1) % LINE_FILES))"
        put_launch "run/launch.$FL_FD.$FL_N" "$6" && say "$FL_N $$ $FL_N end" 1<>"run/line.$FL_FD" || break
        eval "SLOT_N_$FL_FD=\$FL_N SLOT_KEY_$FL_FD=\$2 SLOT_LINE_$FL_FD=\"\$FL_LINE\$2 \"
            { say \"\$2 \$FL_N \$EPOCH \$4 \$5\" >&$FL_FD; } 2>/dev/null" || drop_line "$FL_FD"
        return 0
    done
    [ -e "jobs/$8" ] || return 1
    status "$8"
    [ "$STATUS" = alive ] || return 1
    give_up "$2"
}

# give_up KEY: it never starts, unless it has.
give_up() {
    if [ ! -e "done/$1" ] && lock "$1" "fence - end"; then say "F $1"; else again "$1"; fi
}

# recall SEQ KEY .
recall() {
    in_turn $# "$1" "$3" 3
    give_up "$2"
}

# again KEY: the first answer once more.
again() {
    answer "$1"
    if [ "$STATUS" = alive ] && [ -n "$F_PID" ]; then say "S $1"; fi
}

# refuse SEQ KEY WORDS .   a launch that the controller cannot put in words takes its lock all the same
refuse() {
    in_turn $# "$1" "$4" 4
    lock "$2" "refused $3 end"
    again "$2"
}

# stop SEQ KEY WHY GRACE .
stop() {
    in_turn $# "$1" "$5" 5
    if [ ! -e "done/$2" ] && lock "$2" "fence - end"; then
        say "F $2"
        return
    fi
    answer "$2"
    if [ "$STATUS" = alive ]; then
        if being_killed "$2" && alive "$K_PID" "$K_START"; then return; fi
        begin_kill "$2" "$3" "$4"
    fi
}

# ack SEQ KEY... .   the controller has the proofs: what is left of them goes, and the keys are used up
ack() {
    AC_SEQ=$1
    eval "AC_LAST=\${$#}"
    in_turn $# "$1" "$AC_LAST" 2
    shift
    # What an ended process left alive anywhere goes now, before its record does: one look for all of them.
    AC_KEYS='' AC_CLEAN='' AC_MARKS=''
    while [ $# -gt 1 ]; do
        if [ -f "jobs/$1" ]; then
            status "$1"
            if [ "$STATUS" != alive ]; then
                AC_KEYS="$AC_KEYS jobs/$1"
                ! known_mark || AC_MARKS="$AC_MARKS $MARK"
                [ ! -e "kill/$1" ] || AC_CLEAN="$AC_CLEAN kill/$1"
                [ ! -e "ask/$1" ] || AC_CLEAN="$AC_CLEAN ask/$1"
            fi
        fi
        shift
    done
    if [ -n "$AC_KEYS" ]; then
        sweep
        # shellcheck disable=SC2086
        mv $AC_KEYS done/ && { [ -z "$AC_CLEAN" ] || rm -rf $AC_CLEAN; }
    fi
    say "k $AC_SEQ"
}

# sweep: KILL for all that carries the cookie of one of AC_KEYS or one of AC_MARKS, until a look finds nothing: the end of a child can wake a parent
# that has not had its own yet, and that starts another. What the kernel holds (a dead file server) is left after some looks.
sweep() {
    set --
    for SW_KEY in $AC_KEYS; do set -- "$@" -e "OSTLER_RANK=${SW_KEY#jobs/}:$ROOT:"; done
    for SW_MARK in $AC_MARKS; do set -- "$@" -e "Max file locks            $SW_MARK "; done
    SW_LOOKS=20
    while [ $SW_LOOKS -gt 0 ]; do
        SW_LOOKS=$((SW_LOOKS - 1))
        SW_HIT=
        for SW_FILE in $(grep -lsFz "$@" /proc/[0-9]*/environ /proc/[0-9]*/limits 2>/dev/null); do
            SW_FILE=${SW_FILE#/proc/}
            SW_FILE=${SW_FILE%/*}
            if [ "$SW_FILE" != $$ ] && is_there "$SW_FILE" && kill -s KILL "$SW_FILE" 2>/dev/null; then SW_HIT=1; fi
        done
        [ -n "$SW_HIT" ] || break
    done
}

# tell SEQ KEY N LINE .   an answer to a launcher: `started` or `ended CODE`
tell() {
    in_turn $# "$1" "$5" 5
    if [ -d "ask/$2" ]; then
        put_line "ask/$2/answer.$3" "$4 end"
        [ ! -p "ask/$2/wait.$3" ] || say "$4" 1<>"ask/$2/wait.$3"
    fi
    say "k $1"
}

# in_line KEY: a worker of ours is to run it.
in_line() {
    case "${SLOT_LINE_4:-}${SLOT_LINE_5:-}${SLOT_LINE_6:-}${SLOT_LINE_7:-}" in *" $1 "*) return 0 ;; esac
    return 1
}

# ping SEQ .   and a slow look at everything, should a notice have got lost
ping() {
    in_turn $# "$1" "$2" 2
    say "p $1"
    # The next job shall find a worker. Not when we come up: then many nodes do, and whoever waits for them all waits longer.
    [ -n "${SLOT_PID_4:-}" ] || spare_worker 4
    PI_LIVE=0
    for PI_FD in 4 5 6 7; do
        eval "PI_PID=\${SLOT_PID_$PI_FD:-} PI_START=\${SLOT_START_$PI_FD:-}"
        alive "$PI_PID" "$PI_START" || drop_line "$PI_FD"
    done
    for PI_FILE in jobs/*; do
        PI_KEY=${PI_FILE#jobs/}
        [ -f "$PI_FILE" ] || continue
        if [ ! -s "$PI_FILE" ] && in_line "$PI_KEY"; then continue; fi # its worker is just writing it
        status "$PI_KEY"
        notice "$PI_KEY"
        if [ -n "$NOTICE" ]; then say "$NOTICE"; else PI_LIVE=1; fi
    done
    drop_secrets
    rearm_kills
    [ $PI_LIVE = 0 ] || arm_watch 2147483647
}

# bye SEQ .   the node is given back: what waits for work goes
bye() {
    in_turn $# "$1" "$2" 2
    rm -f "run/agent" "run/wake.$$" # first: the watch looks at it
    # A shell may take a signal and go to sleep all the same, when it comes just before it waits: so more than once.
    for BY_TRY in 1 2 3 4 5; do
        arm_watch 0
        pause 1
        alive "$AW_PID" "$AW_START" || break
    done
    exit 0
}
