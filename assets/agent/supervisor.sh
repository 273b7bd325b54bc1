# supervisor.sh - runs processes and outlives agent, link and controller. Installed behind spool.sh as one file.
#
#   sh FILE worker ROOT BOOT SETSID UMASK SLOT SHELL   reads one key a line from its standard input (a pipe whose other end
#                                                 only the agent holds) and runs it; ends at the end of input. The agent has
#                                                 taken the key's lock, unless more stands in the line: see `ahead`
#   sh FILE watch ROOT BOOT SETSID SHELL          ends processes that are over their time limit
#   sh FILE partner ROOT BOOT SETSID SHELL PID START   starts another watch when that one was killed
#   sh FILE killer ROOT BOOT KEY WHY GRACE         ends a process, for a native agent
#   sh FILE wipe ROOT BOOT DIR                     empties a folder in which something is mounted, for a native worker
#
# A worker is the leader of a session of its own, and every process it runs leads a session of its own again, so a
# group kill never meets a supervisor, and the exit code of a killed process is still seen and written down.

# ---- worker -------------------------------------------------------------------------------------------------------

# stamp: STAMP = the time of day in UTC at NOW, reckoned from the uptime so that no program has to be run.
stamp() {
    [ "$NOW" != "$STAMPED" ] || return 0
    STAMPED=$NOW
    ST_T=$((CLOCK_ZERO + NOW))
    ST_D=$((ST_T / 86400 + 719468)) ST_S=$((ST_T % 86400))
    ST_E=$((ST_D / 146097))
    ST_O=$((ST_D - ST_E * 146097))
    ST_Y=$(((ST_O - ST_O / 1460 + ST_O / 36524 - ST_O / 146096) / 365))
    ST_N=$((ST_O - (365 * ST_Y + ST_Y / 4 - ST_Y / 100)))
    ST_M=$(((5 * ST_N + 2) / 153))
    ST_DAY=$((ST_N - (153 * ST_M + 2) / 5 + 1))
    ST_M=$((ST_M < 10 ? ST_M + 3 : ST_M - 9))
    ST_Y=$((ST_Y + ST_E * 400 + (ST_M <= 2 ? 1 : 0)))
    two ST_M $ST_M
    two ST_DAY $ST_DAY
    two ST_H $((ST_S / 3600))
    two ST_I $((ST_S / 60 % 60))
    two ST_S $((ST_S % 60))
    STAMP=$ST_Y-$ST_M-${ST_DAY}T$ST_H:$ST_I:${ST_S}Z
}

STAMPED=''

two() { if [ "$2" -lt 10 ]; then eval "$1=0$2"; else eval "$1=$2"; fi; }

# note WORDS: a line of the process's execution log. After `now`.
note() {
    [ -n "$l_log" ] || return 0
    stamp
    put_line "$l_log" "$STAMP $KEY $1"
}

# carry: what the set-up had to say of itself before there was a place for the execution log.
carry() {
    [ -n "$l_log" ] && [ -s "$ROOT/setup/${KEY%.*}.log" ] || return 0
    cat "$ROOT/setup/${KEY%.*}.log" >>"$l_log" && rm -f "$ROOT/setup/${KEY%.*}.log"
}

# words_of COMMAND...: WORDS = what it complains about, on one line. Only after it has failed once.
words_of() {
    WORDS=$("$@" 2>&1)
    case $WORDS in *"$LF"*) WORDS=${WORDS##*"$LF"} ;; esac
    WORDS=${WORDS##*: line *: }
}

LF='
'

# try WHAT COMMAND...: runs it; when it fails, the process is refused with its words.
try() {
    T_WHAT=$1
    shift
    "$@" && return 0
    words_of "$@"
    REFUSED="$T_WHAT: ${WORDS:-failed}"
    return 1
}

# The launch text calls these four.
# wipe DIR...: empties directories of ours. Never outside the spool, and never through a symbolic link.
wipe() {
    for WI_DIR in "$@"; do
        within "$WI_DIR" || { REFUSED="will not empty $WI_DIR: not below the spool $ROOT" && return 1; }
        [ -e "$WI_DIR" ] || continue
        # What was made for it ahead (`folders`), nobody has used since.
        case $R_MADE in *"$LF$WI_DIR$LF"*) continue ;; esac
        if empty "$WI_DIR"; then continue; fi
        # What a job mounted there and left is other people's data: it is unmounted, never emptied.
        mounts_below "$WI_DIR"
        if [ -n "$MOUNTS" ]; then
            undo_below "$WI_DIR" >/dev/null 2>&1
            mounts_below "$WI_DIR"
            [ -z "$MOUNTS" ] || { REFUSED="will not empty $WI_DIR: ${MOUNTS%%"$LF"*} is mounted there" && return 1; }
            mkdir -p -- "$WI_DIR"
        fi
        # What is in it, and not itself, which saves the program that makes it again. What is too much for one command line goes with it.
        rm -rf -- "$WI_DIR"/* "$WI_DIR"/.[!.]* "$WI_DIR"/..?*
        if empty "$WI_DIR"; then continue; fi
        try "cannot empty $WI_DIR" rm -rf -- "$WI_DIR" || return 1
        try "cannot make $WI_DIR" mkdir -p -- "$WI_DIR" || return 1
    done
}

within() {
    case $1 in
    */../* | */.. | */./* | *//*) return 1 ;;
    "$ROOT"/jobs/* | "$ROOT"/done/* | "$ROOT"/kill/* | "$ROOT"/run/* | "$ROOT"/bin/* | "$ROOT"/ask/* | "$ROOT"/setup/* | "$ROOT"/mounts/* | "$ROOT"/code | "$ROOT"/code/*) return 1 ;;
    "$ROOT"/?*) ;;
    *) return 1 ;;
    esac
    WN_PATH=$ROOT WN_LEFT=${1#"$ROOT"/}
    while [ -n "$WN_LEFT" ]; do
        WN_PATH=$WN_PATH/${WN_LEFT%%/*}
        [ ! -h "$WN_PATH" ] || return 1
        case $WN_LEFT in */*) WN_LEFT=${WN_LEFT#*/} ;; *) WN_LEFT='' ;; esac
    done
}

empty() {
    for EM_FILE in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        if [ -e "$EM_FILE" ] || [ -h "$EM_FILE" ]; then return 1; fi
    done
}

# make_dirs DIR...: those that are missing, with one program for all. While `folders` looks at launch texts, it only takes note of
# what is missing and ours, and so surely a folder of this disk: elsewhere the job's set-up may have yet to mount something.
make_dirs() {
    if [ -n "$FOLDERS_ONLY" ]; then
        for MD_DIR in "$@"; do
            case $MD_DIR in
            *"$LF"* | "$ROOT"/mounts/jobs/*/*/*/*) continue ;;
            "$ROOT"/temp/* | "$ROOT"/logs/* | "$ROOT"/mounts/jobs/*) ;;
            *) continue ;;
            esac
            case $FOLDERS_ONLY$FOR_MADE in
            missing*) [ -d "$MD_DIR" ] || FOLDERS="$FOLDERS$MD_DIR$LF" ;;
            *"$LF$MD_DIR$LF"*)
                FOLDERS="$FOLDERS$MD_DIR$LF"
                # The folders of a job's logs are its own up to its name: `JOB/ID/stdouterr`.
                case $MD_DIR in "$ROOT"/logs/*) FOLDERS="$FOLDERS${MD_DIR%/*}$LF${MD_DIR%/*/*}$LF" ;; esac
                ;;
            esac
        done
        return
    fi
    MD_LEFT=$#
    while [ "$MD_LEFT" -gt 0 ]; do
        [ -d "$1" ] || set -- "$@" "$1"
        shift
        MD_LEFT=$((MD_LEFT - 1))
    done
    [ $# -eq 0 ] || try "cannot make a directory" mkdir -p -- "$@"
}

# put_file PATH EXECUTABLE CONTENT
put_file() {
    try "cannot write $1" put_text "$1" "$3" || return 1
    [ "$2" = 0 ] || try "cannot make $1 executable" chmod u+x -- "$1"
}

put_text() { printf '%s' "$2" >"$1"; }

# former DIR N: the logs of attempt N go to DIR/attempt-N, once.
former() {
    if [ -d "$1/attempt-$2" ] || [ ! -d "$1" ]; then return 0; fi
    try "cannot keep the former logs" mkdir -- "$1/attempt-$2" || return 1
    for FO_FILE in "$1"/*; do
        case ${FO_FILE##*/} in attempt-* | '*') continue ;; esac
        try "cannot keep the former logs" mv -- "$FO_FILE" "$1/attempt-$2/" || return 1
    done
}

open_out() { command exec 6>>"$l_out"; }
open_err() { command exec 7>>"$l_err"; }

prepare() {
    REFUSED=''
    [ -z "$l_former" ] || former "$l_former" "$l_former_n" || return 1
    l_wipe || return 1
    l_dirs || return 1
    l_files || return 1
    try "cannot open $l_out" open_out || return 1
    try "cannot open $l_err" open_err || return 1
    [ -z "$l_secret" ] || [ -r "$ROOT/run/secret.$KEY" ] || { REFUSED="its secrets are not there" && return 1; }
    [ -x "$l_shell" ] || { REFUSED="no shell $l_shell" && return 1; }
    try "cannot enter $l_workdir" cd -- "$l_workdir" || return 1
}

# become: in the child, whose streams are the worker's until it is the job. It writes down who it is before it is anybody, and looks whether it was given up meanwhile.
become() {
    trap : PIPE # an agent that dies while we tell it must not take us with it; exec gives the job the default back
    if [ -n "$l_secret" ]; then
        # Here and not in the worker, which lives on. Their file is gone before there is a process that anybody knows.
        . "$ROOT/run/secret.$KEY" 2>/dev/null || exit 143
        rm -f "$ROOT/run/secret.$KEY" || exit 143
    fi
    who_am_i
    put_line "$ROOT/jobs/$KEY" "pid $S_PID $S_START end" || exit 143
    say "$KEY $S_PID" 1<>"$ROOT/run/pid.$SLOT" || exit 143
    # Whoever gave it up, or wants it dead, made a mark before looking for that line.
    if [ -e "$ROOT/kill/$KEY" ]; then
        say - 1<>"$ROOT/run/pid.$SLOT"
        exit 143
    fi
    wake "S $KEY"
    case $KEY in *.[sc]*) ;; *) mark_of "$S_PID" "$S_START" && put_mark "$MARK" ;; esac
    if [ "$LOCALE_WAS" = none ]; then unset LC_ALL; else export LC_ALL="$LOCALE_WAS"; fi
    set -- "$l_shell" -c "$l_command"
    # What a job makes is for whom its user says; all before was ours.
    umask "$UMASK"
    l_env "$@"
}

# who_am_i: S_PID S_START of this very shell, which no `$$` says in a subshell. Its line in /proc is long, and shells take it byte by
# byte, which costs dash more than all else that it does here (165 microseconds). But its number is where /proc/self leads to, and it was
# started at the very hundredth of a second that it is now, if the worker saw the same one just before.
who_am_i() {
    now
    if [ "$NOW_EXACT $TRUSTED" = "$R_EXACT yes" ] && cd -P /proc/self; then
        S_PID=${PWD#/proc/} S_START=${NOW_EXACT%.*}${NOW_EXACT#*.}
        cd -- "$l_workdir" || exit 143
        ! is_pid "$S_PID" || return 0
    fi
    stat_of self
}

# trust_clock: TRUSTED = yes when the kernel dates processes by the clock that /proc/uptime shows, in hundredths of a second, no when
# it does not: some containers are shown another. Stays empty when the hundredth was over before that could be told.
TRUSTED=''
trust_clock() {
    now
    TC_EXACT=$NOW_EXACT
    TC_START=$(stat_of self && say "$S_START")
    now
    if [ "$TC_EXACT" != "$NOW_EXACT" ]; then return; fi
    TRUSTED=no
    [ "$TC_START" != "${NOW_EXACT%.*}${NOW_EXACT#*.}" ] || TRUSTED=yes
}

# go COMMAND...: the end of l_env, which the launch text makes.
go() {
    export OSTLER_RANK="$KEY:$ROOT:" OSTLER_RANK_DIR="$ROOT/ask/$KEY"
    unset SSH_CLIENT SSH_CONNECTION SSH_TTY SSH_ORIGINAL_COMMAND OLDPWD
    # The lines that read ~/.bashrc are nothing where there is none (START_UP is put before this file, as NOT_PROGRAMS is).
    if [ "$1" = "$l_shell" ] && [ -n "${HOME:-}" ] && [ ! -r "$HOME/.bashrc" ]; then
        set -- "$1" -c "${3#"$START_UP"}"
        direct "$3" "$@"
    fi
    # shellcheck disable=SC2086
    exec $SETSID "$@" >&6 2>&7 6>&- 7>&-
}

# direct LINE SHELL...: becomes the program of a command line that needs no shell: words of plain characters whose first is a
# program, as src/agent/direct.rs has it. That saves a third of what a short process costs.
direct() {
    case $1:${2##*/} in
    *[!A-Za-z0-9._/,:@%+=' '-]*:* | -* | %* | :*) return ;;
    *:sh | *:bash | *:dash) ;;
    *) return ;;
    esac
    # What a shell would read of these goes to it, and words are cut as everywhere.
    [ -z "${BASH_ENV:-}${ENV:-}" ] && [ "${IFS:-}" = "$IFS_WAS" ] || return
    # shellcheck disable=SC2086
    set -- $1
    case " $NOT_PROGRAMS " in *" $1 "*) return ;; esac
    case $1 in
    *=*) return ;;
    */*) if [ ! -f "$1" ] || [ ! -x "$1" ]; then return; fi ;;
    *) in_path "$1" || return ;;
    esac
    # shellcheck disable=SC2086
    exec $SETSID "$@" >&6 2>&7 6>&- 7>&-
}
IFS_WAS=$IFS

# in_path NAME: a program of this name is in a folder of PATH, all of which are absolute. (What the shell has itself and NOT_PROGRAMS
# does not name is a program too.)
in_path() {
    case :${PATH:-}: in *:[!/]* | *::*) return 1 ;; esac
    command -v "$1" >/dev/null
}

# finish LINE: the last line of the record. Without room, the reserve is given up, and then it waits for room.
finish() {
    [ ! -e "$ROOT/run/secret.$KEY" ] || rm -f "$ROOT/run/secret.$KEY"
    put_line "$ROOT/jobs/$KEY" "$1" && return 0
    FI_TRIES=0
    rm -f "$ROOT/reserve"
    until put_line "$ROOT/jobs/$KEY" "$LF$1"; do
        FI_TRIES=$((FI_TRIES + 1))
        [ "$FI_TRIES" -lt 86400 ] || return 1
        pause 10
    done
}

# no_process: most shells end when they cannot make a process, and that is all they do: this is their last word, for which they
# need none. What had no process by then never was the job.
no_process() {
    [ -n "$KEY" ] || return 0
    fold "$ROOT/jobs/$KEY"
    [ -z "$F_END$F_PID" ] || return 0
    NP_WHY="no more processes can be started on the node, or by its user there"
    put_line "$ROOT/jobs/$KEY" "refused $NP_WHY end"
    wake "R $KEY $NP_WHY"
}

# ahead KEY N EPOCH LIMIT GRACE: what was sent ahead has its turn now. Its launch text is in the slot's file N; its lock was not
# taken, so that it could be recalled until now.
ahead() {
    if [ "$FOLDERS_LEFT" = 0 ]; then folders "$2"; else FOLDERS_LEFT=$((FOLDERS_LEFT - 1)); fi
    now
    AH_FAILED='' AH_DUE=$((NOW + $4 + 1)) # as the agent reckons
    lock "$1" "own $3 $BOOT $AH_DUE $5 end
sup $$ $W_START end" || AH_FAILED=1
    if [ -n "$AH_FAILED" ]; then
        # Whoever has it tells of it; without room nobody has.
        [ -e "$ROOT/jobs/$1" ] || [ -e "$ROOT/done/$1" ] || wake "R $1 $NO_LOCK $ROOT/jobs"
        fold "$ROOT/jobs/$1"
        [ "$F_END" != fenced ] || forget "$2"
        return
    fi
    glance "$AH_DUE"
    run_rank "$1" "$ROOT/run/launch.$SLOT.$2"
}

# How many starts get their folders with one program.
FOLDERS_MAX=16

# folders N: makes the folders of what is next in the line, from its launch text N on, with one program for all. Whatever is wrong
# with one of them is found, and said, when its own turn comes.
folders() {
    read -r FOL_LAST FOL_AGENT FOL_TOO FOL_END <"$ROOT/run/line.$SLOT"
    # What is not our agent's is the line of another worker; the number stands there twice, because it may just be overwritten.
    [ "$FOL_LAST $FOL_AGENT $FOL_END" = "$FOL_TOO $PPID end" ] || return 0
    FOLDERS_LEFT=$(((FOL_LAST - $1 + LINE_FILES) % LINE_FILES))
    [ "$FOLDERS_LEFT" -lt "$FOLDERS_MAX" ] || FOLDERS_LEFT=$((FOLDERS_MAX - 1))
    FOL_N=$1 FOL_TO=$((($1 + FOLDERS_LEFT + 1) % LINE_FILES))
    FOLDERS='' FOLDERS_FOR=' ' FOLDERS_ONLY=missing FOR_MADE=''
    while [ "$FOL_N" != "$FOL_TO" ]; do
        look_at "$FOL_N"
        FOL_N=$(((FOL_N + 1) % LINE_FILES))
    done
    FOLDERS_ONLY=''
    umask "$UMASK"
    with_folders mkdir -p || FOLDERS_FOR=''
    umask 077
}
FOLDERS='' FOLDERS_FOR='' FOLDERS_LEFT=0 FOLDERS_ONLY=''

# look_at N: takes note of the folders of a launch text. Where former logs are to be kept, a folder of logs means that there are some.
look_at() {
    [ -e "$ROOT/run/launch.$SLOT.$1" ] || return 0
    . "$ROOT/run/launch.$SLOT.$1"
    [ -z "$l_former" ] || return 0
    FOLDERS_FOR="$FOLDERS_FOR$l_key "
    l_dirs
}

# with_folders COMMAND...: of those that were noted.
with_folders() {
    [ -n "$FOLDERS" ] || return 0
    set -f
    IFS=$LF
    # shellcheck disable=SC2086
    set -- "$@" -- $FOLDERS
    IFS=$IFS_WAS
    set +f
    "$@"
}

# forget N: what was made for one that never starts goes again, where it is empty.
forget() {
    FOR_MADE=$LF$FOLDERS
    FOLDERS='' FOLDERS_ONLY=made
    look_at "$1"
    FOLDERS_ONLY=''
    with_folders rmdir
    FOLDERS=${FOR_MADE#"$LF"}
}

# run_rank KEY LAUNCH
run_rank() {
    KEY=$1
    . "$2"
    if [ "$l_key" != "$KEY" ]; then
        l_log=''
        refuse "the launch text is that of another process"
        return
    fi
    case $FOLDERS_FOR in *" $KEY "*) R_MADE=$LF$FOLDERS ;; *) R_MADE='' ;; esac
    umask "$UMASK"
    if ! prepare; then
        umask 077
        cd "$ROOT" || exit 1
        refuse "$REFUSED"
        return
    fi
    carry
    now
    R_BEGAN=$NOW R_EXACT=$NOW_EXACT
    note "starts: $l_shell -c (command of ${#l_command} bytes) in $l_workdir"
    umask 077
    memory_kills
    R_MEMORY_KILLS=$MEMORY_KILLS
    # In the foreground: with `&` a shell without job control would make it ignore INT and QUIT.
    (become) </dev/null
    R_CODE=$?
    exec 6>&- 7>&-
    # What a signal ended is 128 and its number; yash says 384, others 256.
    if [ "$R_CODE" -ge 384 ]; then R_CODE=$((R_CODE - 256)); elif [ "$R_CODE" -ge 256 ]; then R_CODE=$((R_CODE - 128)); fi
    cd "$ROOT" || exit 1
    R_PID='' R_KEY=''
    read -r R_KEY R_PID <"$ROOT/run/pid.$SLOT"
    if [ "$R_KEY" != "$KEY" ]; then
        # Given up first, or no room for its first line: it never was the job, and there is no exit to write.
        finish "fence self end"
        now
        note "never started: given up first"
        wake "F $KEY"
        return
    fi
    R_WHY=-
    if [ -e "$ROOT/kill/$KEY" ]; then
        R_WHY=''
        { read -r R_WHY R_REST <"$ROOT/kill/$KEY"; } 2>/dev/null
        [ "$R_WHY" != 'done' ] || R_WHY=${R_REST%% *}
        : "${R_WHY:=terminate}"
        # Taken for dead while it was on its way: it was not, and this is its own end.
        [ "$R_WHY" != fence ] || R_WHY=-
    else
        # What it left behind in its group goes with it. The number was given free a moment ago, and is handed out again
        # only after all others; while one of the group lives, never.
        kill -s TERM -- "-$R_PID"
    fi
    if [ "$R_WHY" = - ] && pilot_over "$R_CODE"; then
        # Nobody says that it ended; with its node it is put back.
        now
        note "ended with code $R_CODE as the allocation did"
        while :; do sleep 60; done
    fi
    last_words
    finish "exit $R_CODE $R_WHY${SAID:+ $SAID} end"
    # A killer tells by itself, once it has seen the last of it.
    [ "$R_WHY" != - ] || wake "X $KEY $R_CODE -${SAID:+ $SAID}"
    now
    note "ended: code $R_CODE after $((NOW - R_BEGAN)) s, why $R_WHY"
}

# pilot_over CODE: says whether who holds the machine for us was told to end, and with it all that runs here. Whoever a signal ended
# may have heard it first.
pilot_over() {
    [ -n "${OSTLER_PILOT_DOOR:-}" ] || return 1
    PO_TRIES=0
    while [ -d "$OSTLER_PILOT_DOOR" ] && [ ! -e "$OSTLER_PILOT_DOOR/over" ]; do
        [ "$1" -gt 128 ] && [ "$PO_TRIES" -lt 2 ] || return 1
        sleep 1
        PO_TRIES=$((PO_TRIES + 1))
    done
    return 0
}

# memory_group: MEMORY_EVENTS = the file in which the kernel counts whom it kills for want of memory in the group that our
# processes are in; empty where there is none.
memory_group() {
    MEMORY_EVENTS=''
    {
        while IFS=: read -r MG_N MG_NAMES MG_PATH; do
            case $MG_N:,$MG_NAMES, in
            0:,,) MG_FILE=/sys/fs/cgroup${MG_PATH%/}/memory.events ;;
            *,memory,*) MG_FILE=/sys/fs/cgroup/memory${MG_PATH%/}/memory.oom_control ;;
            *) continue ;;
            esac
            [ ! -r "$MG_FILE" ] || MEMORY_EVENTS=$MG_FILE
        done </proc/self/cgroup
    } 2>/dev/null
}

# memory_kills: MEMORY_KILLS = how many it has killed so.
memory_kills() {
    MEMORY_KILLS=0
    [ -n "$MEMORY_EVENTS" ] || return 0
    while read -r MK_NAME MK_VALUE MK_REST; do
        [ "$MK_NAME" != oom_kill ] || MEMORY_KILLS=$MK_VALUE
    done <"$MEMORY_EVENTS"
    return 0
}

# last_words: SAID = what there is to say of a failure: what a set-up or a clean-up left to be told, on one line of at most this
# many bytes (a notice is one write to a fifo, and so shorter than PIPE_BUF); of others, that memory may be the cause.
SAID_BYTES_MAX=900
last_words() {
    SAID=''
    if [ "$R_CODE" = 0 ] || [ "$R_WHY" != - ]; then return 0; fi
    case $KEY in
    *.[sc]*) ;;
    *)
        [ "$R_CODE" = 137 ] || return 0
        memory_kills
        [ "$MEMORY_KILLS" -le "$R_MEMORY_KILLS" ] || SAID="out of memory: the kernel killed in its control group while it ran"
        return 0
        ;;
    esac
    SAID=$(head -c "$SAID_BYTES_MAX" "$ROOT/ask/$KEY/said" 2>/dev/null | tr '\n\t\r' '   ')
    set -f
    # shellcheck disable=SC2086
    set -- $SAID
    set +f
    SAID=$*
}

refuse() {
    now
    note "refused: $1"
    finish "refused $1 end"
    wake "R $KEY $1"
}

worker() {
    SETSID=$3 UMASK=$4 SLOT=$5 AGENT_SH=$6 SUPERVISOR=$0
    # A handler, not '': what we ignore, our children would have to ignore.
    trap : HUP INT QUIT TERM PIPE
    KEY=''
    trap no_process EXIT
    # Our own tools need no locale, and their complaints are read by us; the job gets its own back.
    LOCALE_WAS=${LC_ALL-none}
    export LC_ALL=C
    now
    CLOCK_ZERO=$(($(date +%s) - NOW))
    memory_group
    stat_of $$
    W_START=$S_START
    while read -r W_KEY W_N W_EPOCH W_LIMIT W_GRACE; do
        case $W_KEY in *[!0-9.mpdsc]* | '') continue ;; esac
        case $W_N in
        '') run_rank "$W_KEY" "$ROOT/run/launch.$SLOT" ;;
        *) ahead "$W_KEY" "$W_N" "$W_EPOCH" "$W_LIMIT" "$W_GRACE" ;;
        esac
        KEY=''
        say "$W_KEY $W_KEY" 1<>"$ROOT/run/free.$SLOT"
        # Not before the first, which waits for us to come up.
        [ -n "$TRUSTED" ] || trust_clock
    done
    case $SLOT in one.*) rm -f "$ROOT/run/launch.$SLOT" "$ROOT/run/pid.$SLOT" "$ROOT/run/free.$SLOT" ;; esac
}

# ---- watch --------------------------------------------------------------------------------------------------------

aside() { "$@" </dev/null >/dev/null 2>&1 & }

# over_due: NEXT = the earliest time by which a live process is due, 0 for none; kills those that are over it.
over_due() {
    NEXT=0
    for OD_FILE in "$ROOT/jobs"/*; do
        OD_KEY=${OD_FILE##*/}
        [ -f "$OD_FILE" ] || continue
        status "$OD_KEY"
        [ "$STATUS" = alive ] || continue
        case $F_DUE in '' | *[!0-9]*) continue ;; esac
        now
        if [ "$NOW" -ge "$F_DUE" ]; then
            being_killed "$OD_KEY" || begin_kill "$OD_KEY" limit "$F_GRACE"
            # Should its killer be killed, the next look finds that.
            OD_DUE=$((NOW + 5))
        else
            OD_DUE=$F_DUE
        fi
        if [ "$NEXT" = 0 ] || [ "$OD_DUE" -lt "$NEXT" ]; then NEXT=$OD_DUE; fi
    done
    rearm_kills
}

# alone: there is no other watch; one that is there is told to look again.
alone() {
    WA_PID='' WA_START=''
    { read -r WA_PID WA_START WA_REST <"$ROOT/run/watch"; } 2>/dev/null
    if [ "$WA_PID" != $$ ] && alive "$WA_PID" "$WA_START"; then
        kill -s USR1 "$WA_PID"
        return 1
    fi
}

# The watch and its partner look after one another, because nobody else is there when the agent is not: a watch that
# was killed is back after PARTNER_SECONDS, a partner after LOOK_SECONDS_MAX.
PARTNER_SECONDS=2

keep_partner() {
    if [ -z "$SHELL_WORDS" ] || alive "$PARTNER" "$PARTNER_START"; then return 0; fi
    # shellcheck disable=SC2086
    $SETSID $SHELL_WORDS "$SELF" partner "$ROOT" "$BOOT" "$SETSID" "$SHELL_WORDS" $$ "$W_START" </dev/null >/dev/null 2>&1 &
    PARTNER=$!
    stat_of "$PARTNER" || S_START=0
    PARTNER_START=$S_START
    say "$PARTNER $PARTNER_START end" >"$ROOT/run/partner"
}

# leave: in order, and then nobody is to come back.
leave() {
    safekill KILL "$PARTNER" "$PARTNER_START"
    exit 0
}

# partner PID START: of the watch.
partner() {
    while alive "$1" "$2"; do sleep $PARTNER_SECONDS; done
    PA_PID=''
    { read -r PA_PID PA_REST <"$ROOT/run/watch"; } 2>/dev/null
    # Another number: it left in order, or there is another. None: it was killed while it wrote.
    [ -z "$PA_PID" ] || [ "$PA_PID" = "$1" ] || exit 0
    # shellcheck disable=SC2086
    exec $SHELL_WORDS "$SELF" watch "$ROOT" "$BOOT" "$SETSID" "$SHELL_WORDS"
}

watch() {
    WATCHING=1 PARTNER='' PARTNER_START=''
    trap 'AGAIN=1; [ -z "$SLEEPER" ] || kill -s KILL "$SLEEPER" 2>/dev/null' USR1
    trap ':' HUP INT QUIT TERM PIPE
    trap kill_without EXIT
    SLEEPER='' W_LINGERS=''
    stat_of $$
    W_START=$S_START
    while :; do
        AGAIN=0
        # Of two that came up at the same time the one stays that has written last.
        alone || leave
        # Never by emptying the file first: whoever read it then would start another watch.
        say "$$ $W_START 0 end" 1<>"$ROOT/run/watch" # 0: it looks around just now, so ask again
        over_due
        if [ "$NEXT" != 0 ]; then
            W_LINGERS=''
        elif [ -z "$W_LINGERS" ] && [ -e "$ROOT/run/agent" ]; then
            # Nothing to watch just now: where one short process follows another, the next comes before another watch were up.
            now
            W_LINGERS=1 NEXT=$((NOW + LOOK_SECONDS_MAX))
        else
            # Nothing to watch. Whoever starts something after this line finds us gone and starts another.
            say "0 0 0 end" 1<>"$ROOT/run/watch"
            over_due
            if [ "$NEXT" = 0 ] && [ "$AGAIN" = 0 ]; then leave; fi
            alone || leave
            continue
        fi
        now
        W_FOR=$((NEXT - NOW))
        [ "$W_FOR" -gt 0 ] || W_FOR=1
        [ "$W_FOR" -le "$LOOK_SECONDS_MAX" ] || W_FOR=$LOOK_SECONDS_MAX
        # The node was given back: what is just ending is all there is, and nobody tells us of it any more.
        [ -e "$ROOT/run/agent" ] || W_FOR=1
        say "$$ $W_START $NEXT end" 1<>"$ROOT/run/watch"
        keep_partner
        # Ended by KILL: between its fork and its exec it still has our handlers, and would forget any other signal.
        sleep "$W_FOR" &
        SLEEPER=$!
        if [ "$AGAIN" = 0 ]; then wait "$SLEEPER"; fi
        kill -s KILL "$SLEEPER" 2>/dev/null
        SLEEPER=''
    done
}

# ---- entry --------------------------------------------------------------------------------------------------------

ROOT=$2 BOOT=$3
cd "$ROOT" || exit 1
case $1 in
worker) shift && worker "$@" ;;
watch) SETSID=$4 SHELL_WORDS=${5-} SELF=$0 && watch ;;
partner) SETSID=$4 SHELL_WORDS=$5 SELF=$0 && partner "$6" "$7" ;;
killer)
    KILLING=$4 KILLING_WHY=$5
    trap kill_without EXIT
    kill_rank "$4" "$5" "$6"
    KILLING=''
    ;;
wipe) wipe "$4" || { say "$REFUSED" && exit 1; } ;;
esac
