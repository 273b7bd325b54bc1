# spool.sh - what agent.sh and supervisor.sh both need: one record file per process, and killing by identity.
# POSIX sh; runs in dash, bash, busybox ash and mksh. No `local`, so names carry a prefix; results come in capitals.
#
#   $ROOT/jobs/KEY    the record of process KEY (JOB.ATTEMPT.RANK): made once by exclusive create (`set -C` is
#                     O_EXCL in every shell we know), and so the start lock; afterwards only appended to, one short
#                     line and so one write(2) each. A line without its last word `end` is as if it were not there.
#         own EPOCH BOOT DUE GRACE end     agent: accepted; due at DUE seconds of uptime
#         sup PID START end                agent: the supervisor that will run it
#         try MARK end                     a native worker (src/agent/worker.rs), before it starts the process and writes its
#                                          pid line: from here on nobody can say any more that it never was
#         pid PID START end                the process itself, before it executes the job
#         exit CODE WHY [WORDS] end        supervisor; with the last words of a process that leaves some
#         fence - end                      whoever gave up on it; counts only when no pid line stands before it
#         fence self end                   supervisor: given up before it executed the job; counts always
#         refused WORDS end, lost WORDS end
#   $ROOT/done/KEY    the same file once the controller has the proof; the key can never start again
#   $ROOT/kill/KEY    `WHY GRACE PID START end`: being killed, by which process; `done WHY - - end`: verified dead
#   $ROOT/ask/KEY/    requests of a launcher (launch.sh)
#   $ROOT/run/        fifos, the agent's identity, launch texts: of no worth after a reboot
#   $ROOT/run/secret.KEY  values of secret variables, from the start order until the process's own shell has read them

umask 077

if [ -n "${KSH_VERSION:-}" ]; then
    say() { print -r -- "$1"; } # mksh has no printf of its own
else
    say() { printf '%s\n' "$1"; }
fi

# now: NOW = whole seconds since boot, a clock that no one can set; NOW_EXACT = the same with hundredths.
now() {
    read -r NOW_EXACT NOW_REST </proc/uptime
    NOW=${NOW_EXACT%%.*}
}

# stat_of PID: S_PID S_STATE S_PPID S_PGRP S_SID S_START; fails when there is no such process.
stat_of() {
    S_START='' S_LINE=''
    {
        while read -r S_PART; do S_LINE="$S_LINE $S_PART"; done <"/proc/$1/stat"
    } 2>/dev/null
    case $S_LINE in *') '*) ;; *) return 1 ;; esac
    S_LINE=${S_LINE# }
    S_PID=${S_LINE%% *}
    # The name in brackets may hold anything, so fields count from the last bracket.
    S_LINE=${S_LINE##*') '}
    # shellcheck disable=SC2086
    set -- $S_LINE
    [ $# -ge 20 ] || return 1
    S_STATE=$1 S_PPID=$2 S_PGRP=$3 S_SID=$4
    shift 10
    S_START=${10}
}

# is_pid WORD: a number that may be killed: more than 1, no sign, no leading zero.
is_pid() {
    case $1 in
    '' | *[!0-9]* | 0* | 1) return 1 ;;
    esac
    [ "${#1}" -le 9 ]
}

# alive PID START: that very process is there and no zombie.
alive() {
    is_pid "$1" || return 1
    stat_of "$1" || return 1
    [ "$S_START" = "$2" ] || return 1
    case $S_STATE in Z | X) return 1 ;; esac
}

# is_there PID: as alive, whoever it is. The dead have limits as long as their parent takes no note of them.
is_there() {
    is_pid "$1" && stat_of "$1" || return 1
    case $S_STATE in Z | X) return 1 ;; esac
}

# safekill SIGNAL PID START: signals the group that this process leads, else the process alone; nothing at all when it
# is not that very process any more.
safekill() {
    is_pid "$2" || return 1
    [ "$2" != $$ ] || return 1
    stat_of "$2" || return 1
    [ "$S_START" = "$3" ] || return 1
    if [ "$S_PGRP" = "$2" ]; then
        # The only spelling that kills a group in all shells; busybox answers 1 and noise although it did.
        kill -s "$1" -- "-$2" 2>/dev/null
    else
        kill -s "$1" "$2" 2>/dev/null
    fi
    return 0
}

# mark_of PID START: MARK = a number that no other process of this boot has, and that can be a limit.
#
# A process can clear its environment, and its children with it; its limits go with it wherever it goes. The one on file locks has
# meant nothing since Linux 2.4.25 (getrlimit(2)), everybody may lower it for himself, and /proc/PID/limits can be read by all: so
# a process puts its mark there before it becomes the job. What sets a node up is left out: it starts what is to outlive it.
mark_of() {
    MARK=''
    is_pid "$1" || return 1
    MO_PID=0000000$1
    while [ "${#MO_PID}" -gt 7 ]; do MO_PID=${MO_PID#?}; done
    [ "${#2}" -le 11 ] || return 1 # 18 digits go into 63 bits
    MARK=$2$MO_PID
}

# known_mark: MARK = the mark of the process whose record was folded last.
known_mark() {
    MARK=${F_MARK#-}
    [ -n "$MARK" ] || mark_of "$F_PID" "$F_PIDS"
}

# put_mark NUMBER: dash calls that limit -w, others -x. mksh reckons with 32 bits, and so has no marks.
put_mark() {
    [ -n "${KSH_VERSION:-}" ] || { ulimit -S -w "$1" || ulimit -S -x "$1"; } 2>/dev/null
}

# With -z, because busybox's grep sees nothing behind the first NUL of a line otherwise.
# cookie_pids KEY: PIDS = the processes that carry the cookie of KEY in their environment, wherever they went; when there are none,
# those that carry its mark. So what has cleared its environment is ended after the rest, and costs one more look. After a fold of
# the record.
cookie_pids() {
    PIDS=''
    for C_FILE in $(grep -lsFz -e "OSTLER_RANK=$1:$ROOT:" /proc/[0-9]*/environ 2>/dev/null); do
        C_FILE=${C_FILE#/proc/}
        C_FILE=${C_FILE%/environ}
        if is_pid "$C_FILE" && [ "$C_FILE" != $$ ]; then PIDS="$PIDS $C_FILE"; fi
    done
    [ -z "$PIDS" ] || return 0
    known_mark || return 1
    for C_FILE in $(grep -lsFz -e "Max file locks            $MARK " /proc/[0-9]*/limits 2>/dev/null); do
        C_FILE=${C_FILE#/proc/}
        C_FILE=${C_FILE%/limits}
        # A native worker has its process's mark for the moment of the start.
        if [ "$C_FILE" != $$ ] && [ "$C_FILE" != "$F_SUP" ] && is_there "$C_FILE"; then PIDS="$PIDS $C_FILE"; fi
    done
    [ -n "$PIDS" ]
}

# put_line FILE TEXT: appends one line.
put_line() { say "$2" >>"$1"; }

# made FILE TEXT: makes a file of one line; fails when there is one.
made() {
    set -C
    { say "$2" >"$1"; } 2>/dev/null
    MA_RC=$?
    set +C
    return $MA_RC
}

# fold FILE: reads a record into F_EPOCH F_BOOT F_DUE F_GRACE F_SUP F_SUPS F_MARK F_PID F_PIDS, and F_END (how it ended).
fold() {
    F_EPOCH='' F_BOOT='' F_DUE='' F_GRACE='' F_SUP='' F_SUPS='' F_MARK='' F_PID='' F_PIDS='' F_END=''
    {
        while read -r F_W F_1 F_2 F_3 F_4 F_5; do
            case "$F_W $F_1 $F_2 $F_3 $F_4 $F_5" in
            own\ *\ end*) F_EPOCH=$F_1 F_BOOT=$F_2 F_DUE=$F_3 F_GRACE=$F_4 ;;
            sup\ *\ end*) F_SUP=$F_1 F_SUPS=$F_2 ;;
            try\ *\ end*) F_MARK=$F_1 ;;
            pid\ *\ end*) F_PID=$F_1 F_PIDS=$F_2 ;;
            fence\ self\ end*) [ -n "$F_END" ] || F_END=fenced ;;
            fence\ *\ end*) [ -n "$F_END$F_PID$F_MARK" ] || F_END=fenced ;;
            exit\ *\ end* | refused\ *\ end* | lost\ *\ end*)
                if [ -z "$F_END" ]; then
                    F_END="$F_W $F_1 $F_2 $F_3 $F_4 $F_5"
                    F_END=${F_END% end*}
                fi
                ;;
            esac
        done <"$1"
    } 2>/dev/null
}

# being_killed KEY: it has a kill request that is not done; K_WHY K_GRACE K_PID K_START.
being_killed() {
    [ -e "$ROOT/kill/$1" ] || return 1
    K_WHY='' K_GRACE='' K_PID='' K_START=''
    { read -r K_WHY K_GRACE K_PID K_START K_REST <"$ROOT/kill/$1"; } 2>/dev/null
    [ "$K_WHY" != 'done' ]
}

# status KEY: STATUS = alive | exit CODE WHY | fenced | refused WORDS | lost WORDS | reboot. Settles what can be
# settled: whoever died before its process was there is fenced; whoever died without a word is lost.
status() {
    fold "$ROOT/jobs/$1"
    if [ -n "$F_END" ]; then
        STATUS=$F_END
        # It has ended, but until its killer has seen the last of it, it counts as alive.
        case $F_END in
        exit*) if being_killed "$1" && [ "$F_BOOT" = "$BOOT" ]; then STATUS=alive; fi ;;
        esac
        return
    fi
    STATUS=alive
    # Made by the agent a moment ago and not yet written. Only the watch can see that: it runs beside the agent.
    if [ -n "${WATCHING:-}" ] && [ -z "$F_BOOT" ]; then return; fi
    if [ -n "$F_BOOT" ] && [ "$F_BOOT" != "$BOOT" ]; then
        STATUS=reboot
        return
    fi
    if [ -n "$F_PID" ] && alive "$F_PID" "$F_PIDS"; then return; fi
    if [ -n "$F_SUP" ] && alive "$F_SUP" "$F_SUPS"; then return; fi
    if [ -z "$F_PID$F_MARK" ]; then
        rm -f "$ROOT/run/secret.$1" # nobody is left to read it
        # No process yet and nobody to start one. Should a child of the dead supervisor be on its way: we make the mark
        # and then look for its pid line, it writes its line and then looks for the mark, so one of us sees the other.
        put_line "$ROOT/kill/$1" "done fence - - end"
        fold "$ROOT/jobs/$1"
        if [ -z "$F_END$F_PID$F_MARK" ]; then
            put_line "$ROOT/jobs/$1" "fence - end"
            fold "$ROOT/jobs/$1"
        fi
        if [ -n "$F_END" ]; then STATUS=$F_END; fi
        return
    fi
    fold "$ROOT/jobs/$1" # the exit line may have come while we looked
    if [ -n "$F_END" ]; then
        STATUS=$F_END
        return
    fi
    if cookie_pids "$1"; then return; fi
    put_line "$ROOT/jobs/$1" "lost its supervisor was killed, so its exit code is not known end"
    fold "$ROOT/jobs/$1"
    STATUS=${F_END:-alive}
}

# notice KEY: NOTICE = the frame that tells STATUS, empty while alive.
notice() {
    case $STATUS in
    alive) NOTICE='' ;;
    exit*) NOTICE="X $1 ${STATUS#exit }" ;;
    fenced) NOTICE="F $1" ;;
    refused*) NOTICE="R $1 ${STATUS#refused }" ;;
    lost*) NOTICE="L $1 ${STATUS#lost }" ;;
    reboot) NOTICE="B $1" ;;
    esac
}

# wake FRAME: hands a frame to the agent that is there now, if any; never waits for one. Its complaints are for nobody: supervisors
# have no standard error.
wake() {
    W_PID=''
    read -r W_PID <"$ROOT/run/agent"
    if ! is_pid "$W_PID" || [ ! -p "$ROOT/run/wake.$W_PID" ]; then return 0; fi
    # Opened for reading too, for a moment, so that the open for writing does not wait; closed again before the write,
    # so that a reader that dies ends the write instead of leaving us with a full fifo. By `exec`, because a
    # redirection of anything else keeps a copy of what it replaces; by `command`, so that a failure is no end.
    command exec 8<>"$ROOT/run/wake.$W_PID" || return 0
    command exec 9>"$ROOT/run/wake.$W_PID" || return 0
    exec 8<&-
    say "$1" >&9
    exec 9>&-
}

# pause TENTHS: sleeps so many tenths of a second; a whole one where sleep knows no fractions.
pause() { sleep "$(($1 / 10)).$(($1 % 10))" 2>/dev/null || sleep 1; }

# signal_all SIGNAL KEY: the group, then by cookie whatever left it. Fails when nothing was there to be signalled.
signal_all() {
    SA_HIT=1
    fold "$ROOT/jobs/$2"
    if [ -n "$F_PID" ] && safekill "$1" "$F_PID" "$F_PIDS"; then
        case $S_STATE in Z | X) ;; *) SA_HIT=0 ;; esac
        SA_GROUP=$F_PID
    else
        SA_GROUP=-
    fi
    cookie_pids "$2"
    for SA_PID in $PIDS; do
        stat_of "$SA_PID" || continue
        case $S_STATE in Z | X) continue ;; esac
        SA_HIT=0
        # A second TERM means something else to many programs, so the group's members get only the first.
        if [ "$S_PGRP" = "$SA_GROUP" ] && [ "$1" != KILL ]; then continue; fi
        kill -s "$1" "$SA_PID" 2>/dev/null
    done
    return $SA_HIT
}

# kill_note KEY LINE: a new file under the name, so that nobody ever sees it empty; without room for that an empty mark,
# since that it is there matters most.
kill_note() {
    if say "$2" >"$ROOT/kill/.$1.$KR_SELF" && mv -f "$ROOT/kill/.$1.$KR_SELF" "$ROOT/kill/$1"; then return; fi
    true >>"$ROOT/kill/$1"
}

# kill_rank KEY WHY GRACE: ends a process and all that carries its cookie, verifies it, and tells. GRACE in seconds.
# Safe to run twice, and after whoever began it was killed.
kill_rank() {
    trap '' HUP
    stat_of self
    KR_SELF=$S_PID
    now
    KR_UNTIL=$((NOW + $3))
    kill_note "$1" "$2 $3 $KR_SELF $S_START end"
    KR_TERM=0 KR_PAUSE=0
    while :; do
        status_raw "$1"
        if [ "$KR_TERM" = 0 ] && [ -n "$F_PID" ]; then
            signal_all TERM "$1"
            KR_TERM=1
        fi
        case $STATUS in alive) ;; *) if ! cookie_pids "$1"; then break; fi ;; esac
        now
        [ "$NOW" -lt "$KR_UNTIL" ] || break
        if [ "$KR_PAUSE" -lt 5 ]; then KR_PAUSE=$((KR_PAUSE + 1)); fi
        pause "$KR_PAUSE"
    done
    KR_TRIES=0
    # Until nothing is left: a process in the kernel's hands (dead file server) dies when it comes back.
    while signal_all KILL "$1"; do
        KR_TRIES=$((KR_TRIES + 1))
        if [ "$KR_TRIES" -gt 20 ]; then pause 10; else pause 0; fi
        # After some seconds of that, and again every half a minute, for an agent that came meanwhile.
        if [ $((KR_TRIES % 30)) = 25 ]; then tell_stuck "$1"; fi
    done
    # Its supervisor writes the exit record now, if it has one.
    KR_TRIES=0
    while status_raw "$1" && [ "$STATUS" = alive ]; do
        # The whole spool was removed under us: there is nobody to wait for, and nowhere to say so.
        [ -e "$ROOT/jobs/$1" ] || return 0
        KR_TRIES=$((KR_TRIES + 1))
        if [ "$KR_TRIES" -gt 50 ]; then pause 2; else pause 0; fi
    done
    kill_note "$1" "done $2 - - end"
    status "$1"
    notice "$1"
    [ -z "$NOTICE" ] || wake "$NOTICE"
}

# tell_stuck KEY: tells what of it is still there, of those that signal_all found last.
tell_stuck() {
    TS_MORE=0 TS_WORDS=''
    fold "$ROOT/jobs/$1"
    for TS_PID in $F_PID $PIDS; do
        stat_of "$TS_PID" || continue
        case $S_STATE in Z | X) continue ;; esac
        if [ -n "$TS_WORDS" ]; then
            [ "$TS_PID" = "$F_PID" ] || TS_MORE=$((TS_MORE + 1))
            continue
        fi
        TS_NAME=''
        { read -r TS_NAME <"/proc/$TS_PID/comm"; } 2>/dev/null
        TS_WORDS="pid $TS_PID ($TS_NAME) was killed and is still there, in state $S_STATE"
        [ "$S_STATE" != D ] || TS_WORDS="$TS_WORDS: the kernel holds it until a disk or file server answers"
    done
    [ "$TS_MORE" = 0 ] || TS_WORDS="$TS_WORDS; and $TS_MORE more"
    [ -z "$TS_WORDS" ] || wake "H $1 $TS_WORDS"
}

# status_raw KEY: as status, but an exit counts although its killer is not done.
status_raw() {
    status "$1"
    case $F_END in exit*) STATUS=$F_END ;; esac
}

# begin_kill KEY WHY GRACE: kill_rank beside us. `aside` is how the caller starts something beside itself.
begin_kill() {
    KILLING=$1 KILLING_WHY=$2
    aside kill_rank "$@"
    KILLING=''
}

# kill_without: as this shell ends because it cannot make a process, which may be the doing of the very job that it was to end:
# that needs none, and no grace, or there would never be room for its killer. Whoever comes next goes on with the rest of it.
kill_without() {
    [ -n "${KILLING:-}" ] || return 0
    put_line "$ROOT/kill/$KILLING" "$KILLING_WHY 0 - - end"
    fold "$ROOT/jobs/$KILLING"
    safekill KILL "$F_PID" "$F_PIDS"
}

# rearm_kills: goes on with what killers left undone.
rearm_kills() {
    for RK_FILE in "$ROOT/kill"/*; do
        RK_KEY=${RK_FILE##*/}
        if being_killed "$RK_KEY" && ! alive "$K_PID" "$K_START" && [ -e "$ROOT/jobs/$RK_KEY" ]; then
            begin_kill "$RK_KEY" "${K_WHY:-terminate}" "${K_GRACE:-0}"
        fi
    done
}

# ---- a start: by the agent, or by a worker whose turn has come -----------------------------------------------------

# The launch texts of a line lie in this many files for each slot, `run/launch.SLOT.N`, one after another: more than a line has.
# `run/line.SLOT` has the number of the last one that is whole, and the agent that wrote it.
LINE_FILES=64

NO_LOCK="the lock could not be taken: no room or no right to write in"

# lock KEY LINE: takes the start lock, with the record's first lines. Fails when it is taken already, or when there is no
# room for them: what was made then is ours alone and goes again, or an empty lock would keep its start unanswered.
lock() {
    LO_MADE=''
    set -C
    { { LO_MADE=1 && say "$2"; } >"$ROOT/jobs/$1"; } 2>/dev/null
    LO_RC=$?
    set +C
    [ $LO_RC = 0 ] || [ -z "$LO_MADE" ] || rm -f "$ROOT/jobs/$1"
    # A key that was done with and moved away a moment ago must not be taken anew.
    if [ $LO_RC = 0 ] && [ -e "$ROOT/done/$1" ]; then
        rm -f "$ROOT/jobs/$1"
        return 1
    fi
    return $LO_RC
}

# arm_watch DUE: makes sure that somebody looks at time DUE (0: soon). `aside` is how the caller starts something beside itself.
arm_watch() {
    AW_PID='' AW_START='' AW_NEXT=''
    { read -r AW_PID AW_START AW_NEXT AW_REST <"$ROOT/run/watch"; } 2>/dev/null
    if ! alive "$AW_PID" "$AW_START"; then
        # shellcheck disable=SC2086
        aside $SETSID $AGENT_SH "$SUPERVISOR" watch "$ROOT" "$BOOT" "$SETSID" "$AGENT_SH"
    elif [ "$AW_NEXT" -gt "$1" ] || [ "$AW_NEXT" = 0 ]; then
        kill -s USR1 "$AW_PID"
    fi
}

# The longest that a watch sleeps; a wake-up that got lost costs so much at most.
LOOK_SECONDS_MAX=15

# glance DUE: as arm_watch, without looking whether the watch is the process that it was; a ping does that. A watch that is there
# finds by itself what is due after its next look; whoever told it of each would have it look all the time. After `now`.
glance() {
    AW_PID='' AW_NEXT=''
    { read -r AW_PID AW_START AW_NEXT AW_REST <"$ROOT/run/watch"; } 2>/dev/null
    if [ -n "$AW_NEXT" ] && [ "$AW_PID" -gt 1 ] && kill -s 0 "$AW_PID" 2>/dev/null; then
        if [ "$AW_NEXT" != 0 ] && [ "$AW_NEXT" -le "$1" ]; then return 0; fi
        [ "$1" -le $((NOW + 2 * LOOK_SECONDS_MAX)) ] || return 0
    fi
    arm_watch "$1"
}
