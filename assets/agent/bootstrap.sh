# bootstrap.sh - the first text a node's shell reads. It looks whether the node can be used, and puts the other scripts
# into the spool, once for each version. Every line it says begins with a word drawn for this session (NONCE), because a
# login shell may print anything before.

NL='
'

fault() { # CODE STEP WORDS...
    F_CODE=$1 F_STEP=$2
    shift 2
    F_TEXT=$*
    case $F_TEXT in *"$NL"*) F_TEXT=${F_TEXT##*"$NL"} ;; esac
    echo "$NONCE fault $F_CODE $F_STEP $F_TEXT"
    exit 1
}

# begin NONCE ROOT CLUSTER NODE VERSION .   ROOT is empty where the node has a home directory to put the spool in
begin() {
    NONCE=$1 VERSION=$5
    echo
    echo "$NONCE hello 1"
    [ "$6" = . ] || fault protocol start-agent "a cut order"
    UMASK=$(umask)
    umask 077
    unset CDPATH ENV BASH_ENV OSTLER_RANK OSTLER_RANK_DIR SIGNALS_BACK
    { ulimit -S -w unlimited || ulimit -S -x unlimited; } 2>/dev/null # the mark of a job that we are in (spool.sh)
    tools
    if [ -n "$2" ]; then ROOT=$2; else
        BASE=${XDG_STATE_HOME:-}
        case $BASE in /*) ;; *) BASE=${HOME:-}/.local/state ;; esac
        case $BASE in /.local/state) fault spool prepare 'HOME is not set, so there is no place for the spool' ;; esac
        ROOT=$BASE/ostler-node/$3/$4
        if [ -h "$BASE/ostler-node" ] || [ -h "$BASE/ostler-node/$3" ]; then
            fault spool prepare "$BASE/ostler-node is or holds a symbolic link"
        fi
    fi
    spool
    if [ -f "$ROOT/bin/agent-$VERSION.sh" ] && [ -f "$ROOT/bin/supervisor-$VERSION.sh" ] && [ -x "$ROOT/bin/ostler-launch" ]; then
        checked
        echo "$NONCE have"
    else
        echo "$NONCE need"
    fi
}

tools() {
    T_MISSING=''
    for T_NAME in mkdir mv rm rmdir grep sleep mkfifo cat uname id date chmod; do
        command -v "$T_NAME" >/dev/null 2>&1 || T_MISSING="$T_MISSING $T_NAME"
    done
    [ -z "$T_MISSING" ] || fault missing-tools prepare "not found in PATH ($PATH):$T_MISSING"
    [ -r /proc/self/stat ] && [ -r /proc/uptime ] || fault no-proc prepare '/proc is not there, which this version needs'
    SETSID=$(command -v setsid)
}

# written FILE COMMAND...: what the command says is in the file, else WHY = why not. Only then in a shell of its own, whose complaints can
# be had: a fork costs a quarter of a program.
written() {
    W_FILE=$1
    shift
    { "$@" >"$W_FILE"; } 2>/dev/null && return
    WHY=$( (exec 2>&1 && "$@" >"$W_FILE")) && return
    WHY=${WHY:-cannot write $ROOT/$W_FILE}
    return 1
}

spool() {
    case $ROOT in *"$NL"* | *:*) fault spool prepare "the spool's path has a line feed or a colon" ;; esac
    if [ -d "$ROOT" ]; then S_NEW=''; else
        # With what `put` and `share` (agent.sh) need: a program for each would cost more than all the rest.
        S_NEW=1
        set -- "$ROOT/bin" "$ROOT/jobs" "$ROOT/done" "$ROOT/kill" "$ROOT/ask" "$ROOT/run" "${ROOT%/*}/shared"
        S_ERR=$(mkdir -p -- "$@" 2>&1) || fault spool prepare "$S_ERR"
    fi
    [ ! -h "$ROOT" ] || fault spool prepare "$ROOT is a symbolic link"
    cd "$ROOT" || fault spool prepare "cannot enter $ROOT"
    [ -O . ] || fault spool prepare "$ROOT belongs to somebody else"
    [ -n "$S_NEW" ] || S_ERR=$(chmod 700 . 2>&1) || fault spool prepare "$S_ERR"
    set --
    for S_DIR in bin jobs done kill ask run; do
        [ ! -h "$S_DIR" ] || fault spool prepare "$ROOT/$S_DIR is a symbolic link"
        [ -d "$S_DIR" ] || set -- "$@" "$S_DIR"
    done
    [ $# = 0 ] || S_ERR=$(mkdir "$@" 2>&1) || fault spool prepare "$S_ERR"
    # 64 KiB to let go of when there is no room for an exit record.
    [ -s reserve ] || written reserve printf '%65536s' '' || fault spool prepare "no room for 64 KiB in $ROOT: $WHY"
    written run/probe echo "$PROBE" || fault spool prepare "$WHY"
}

# put NAME CONTENT .   keeps a file until all are here
put() {
    [ "$3" = . ] || fault protocol start-agent "a cut order"
    case $1 in *.sh) P_PROGRAM='' ;; *) P_PROGRAM=1 ;; esac
    # Into a new spool at once: nobody has it yet, and that all of it is here is what the mode of the last program says.
    if [ -n "$S_NEW" ]; then
        set -C
        written "bin/$1" printf '%s' "$2" || S_NEW=''
        set +C
    fi
    if [ -n "$S_NEW" ]; then
        P_PROGRAMS="${P_PROGRAMS-}${P_PROGRAM:+ bin/$1}"
        return
    fi
    P_DIR=bin/.new.$$
    [ -d "$P_DIR" ] || P_ERR=$(mkdir "$P_DIR" 2>&1) || fault spool prepare "$P_ERR"
    written "$P_DIR/$1" printf '%s' "$2" || fault spool prepare "$WHY"
    P_FILES="${P_FILES-} $P_DIR/$1"
    P_PROGRAMS="${P_PROGRAMS-}${P_PROGRAM:+ $P_DIR/$1}"
}

# Brings them to their place, each whole or not at all.
placed() {
    # shellcheck disable=SC2086
    P_ERR=$(chmod 700 run/probe $P_PROGRAMS 2>&1) || fault spool prepare "$P_ERR"
    [ -n "${P_FILES-}" ] || return 0
    # shellcheck disable=SC2086
    P_ERR=$(mv -f $P_FILES bin 2>&1) || fault spool prepare "$P_ERR"
    rmdir "$P_DIR" 2>/dev/null
}

# A program that the kernel takes as any other, and then misses what is to run it: a shell ends with 127, and with 126 where it may not
# be executed.
PROBE='#!/ostler/none'

# Whether programs can be executed here: by the probe, since one that runs costs three times as much; where that does not tell (mksh
# ends with 126 both times), by one that runs.
checked() {
    C_ERR=$("$ROOT/run/probe" 2>&1)
    [ $? != 127 ] || return 0
    C_ERR=$("$ROOT/bin/ostler-launch" --check 2>&1) || fault noexec prepare "programs cannot be executed in $ROOT: $C_ERR"
}

# native PATH SYSTEM MACHINE .   looks whether the program there can lead this node
native() {
    [ "$4" = . ] || fault protocol start-agent "a cut order"
    NATIVE=$1
    N_HERE="$(uname -s) $(uname -m)"
    if [ "$N_HERE" != "$2 $3" ]; then
        echo "$NONCE unable the program is for $2 $3, and this node is $N_HERE"
    elif [ ! -x "$NATIVE" ]; then
        echo "$NONCE missing $ROOT/$NATIVE"
    else
        N_SAID=$("$NATIVE" agent check 2>&1)
        case $N_SAID in
        'ostler-agent 1') echo "$NONCE able" ;;
        *"$NL"*) echo "$NONCE unable the program does not run here: ${N_SAID##*"$NL"}" ;;
        *) echo "$NONCE unable the program does not run here: $N_SAID" ;;
        esac
    fi
}

# lead EPOCH SHELL AGENT-FILE SUPERVISOR-FILE .   the program takes this channel over
lead() {
    [ "$5" = . ] || fault protocol start-agent "a cut order"
    exec "$NATIVE" agent lead "$ROOT" "$1" "$2" "$3" "$4" "$SETSID" "$UMASK"
}

# all_put .
all_put() {
    [ "$1" = . ] || fault protocol start-agent "a cut order"
    placed
    checked
    echo "$NONCE have"
}
