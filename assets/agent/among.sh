# among.sh - ssh among the nodes of one attempt without a password. Stands behind setup.sh in the command of a set-up or
# clean-up process; its functions are steps.
#
#   $SETUP_ROOT/ssh/JOB.ATTEMPT/   id (the attempt's own key), config, hosts (keys of hosts that were met), enter (what the
#                                  other nodes come to), bin/ (ssh, scp and sftp that use all this)
#
# The key is let in by one line of the login's authorized_keys, which the clean-up takes out again; it forwards nothing.
# Whatever is started through it has AM_WORD in its environment, so that the clean-up finds and ends it.

AM_NODE=${SETUP_ROOT##*/}

# Without a line feed, and never by a program, whose arguments everybody could read.
if [ -n "${KSH_VERSION:-}" ]; then
    am_put() { print -rn -- "$1"; }
else
    am_put() { printf '%s' "$1"; }
fi

# am_keys MARK [LINE]: takes all lines with this mark out of authorized_keys, and puts one in. A home may be that of
# several nodes: one at a time, and whoever was killed meanwhile is waited for 10 s.
am_keys() (
    umask 077
    mkdir -p "$HOME/.ssh" || return 1
    AK_LEFT=50
    until mkdir "$HOME/.ssh/ostler.lock" 2>/dev/null; do
        AK_LEFT=$((AK_LEFT - 1))
        [ $AK_LEFT -gt 0 ] || break
        sleep 0.2 2>/dev/null || sleep 1
    done
    AK_FILE=$HOME/.ssh/authorized_keys
    [ ! -h "$AK_FILE" ] || AK_FILE=$(readlink -f "$AK_FILE")
    AK_RC=0
    if [ -e "$AK_FILE" ]; then
        # The copy has the mode of the file; awk ends each line, the last one too.
        cp -p "$AK_FILE" "$AK_FILE.ostler" && MARK=$1 awk 'index($0, ENVIRON["MARK"]) == 0' "$AK_FILE" >"$AK_FILE.ostler" || AK_RC=1
    else
        : >"$AK_FILE.ostler" || AK_RC=1
    fi
    if [ $AK_RC = 0 ] && [ -n "${2-}" ]; then am_put "$2" >>"$AK_FILE.ostler" && echo >>"$AK_FILE.ostler" || AK_RC=1; fi
    if [ $AK_RC = 0 ]; then
        # What holds nothing but was not there before is not left behind.
        if [ ! -s "$AK_FILE.ostler" ] && [ ! -s "$AK_FILE" ]; then rm -f "$AK_FILE.ostler"; else mv -f "$AK_FILE.ostler" "$AK_FILE" || AK_RC=1; fi
    fi
    rmdir "$HOME/.ssh/ostler.lock" 2>/dev/null
    return $AK_RC
)

# among_open KEY ALONE PUBLIC [NAME ADDRESS USER]...: ALONE is not empty when no other job is on the node. The private key
# is in OSTLER_AMONG_KEY.
among_open() {
    AO_KEY=$1 AO_ALONE=$2 AO_PUBLIC=$3 AO_DIR=$SETUP_ROOT/ssh/$1
    shift 3
    AO_SSH=$(command -v ssh) || { echo "there is no ssh on this node (package openssh-client)" >&2 && return 127; }
    # What an attempt left whose clean-up never came.
    [ -z "$AO_ALONE" ] || rm -rf -- "$SETUP_ROOT/ssh"
    (umask 077 && mkdir -p "$AO_DIR/bin" && am_put "$OSTLER_AMONG_KEY" >"$AO_DIR/id") || return 1
    {
        while [ $# -ge 3 ]; do
            printf 'Host %s %s\n  HostName %s\n  User %s\n' "$1" "$2" "$2" "$3"
            shift 3
        done
        printf 'Host *\n  IdentityFile "%s/id"\n  UserKnownHostsFile "%s/hosts"\n' "$AO_DIR" "$AO_DIR"
        printf '  %s\n' 'IdentitiesOnly yes' 'IdentityAgent none' 'StrictHostKeyChecking accept-new' 'BatchMode yes' 'LogLevel ERROR'
    } >"$AO_DIR/config" || return 1
    for AO_TOOL in ssh scp sftp; do
        AO_REAL=$(command -v $AO_TOOL) || continue
        printf '#!/bin/sh\nexec "%s" -F "%s/config" "$@"\n' "$AO_REAL" "$AO_DIR" >"$AO_DIR/bin/$AO_TOOL"
        chmod 700 "$AO_DIR/bin/$AO_TOOL" || return 1
    done
    # shellcheck disable=SC2016
    {
        printf '#!/bin/sh\nOSTLER_AMONG="%s:%s:"\n' "$AM_NODE" "$AO_KEY"
        echo 'export OSTLER_AMONG'
        echo 'case ${SSH_ORIGINAL_COMMAND-} in'
        echo '"") exec "${SHELL:-/bin/sh}" -l ;;'
        echo 'internal-sftp*) for at in /usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/libexec; do'
        echo '  [ ! -x $at/sftp-server ] || exec $at/sftp-server; done; exit 127 ;;'
        echo '*) exec "${SHELL:-/bin/sh}" -c "$SSH_ORIGINAL_COMMAND" ;;'
        echo esac
    } >"$AO_DIR/enter" && chmod 700 "$AO_DIR/enter" || return 1
    AO_MARK=" ostler-$AM_NODE-"
    [ -n "$AO_ALONE" ] || AO_MARK="$AO_MARK$AO_KEY."
    am_keys "$AO_MARK" "restrict,pty,command=\"'$AO_DIR/enter'\" $AO_PUBLIC ostler-$AM_NODE-$AO_KEY."
}

# How long what was started through the key has between TERM and KILL, in fifths of a second.
AM_GRACE=25

# among_close KEY: undoes among_open, however far it came, and ends what was started on this node. Needs spool.sh.
among_close() {
    AC_RC=0
    am_keys " ostler-$AM_NODE-$1." || AC_RC=1
    AC_LEFT=$AM_GRACE AC_SIGNAL=TERM
    while :; do
        AC_PIDS=''
        for AC_FILE in $(grep -lsFz -e "OSTLER_AMONG=$AM_NODE:$1:" /proc/[0-9]*/environ 2>/dev/null); do
            AC_FILE=${AC_FILE#/proc/}
            AC_FILE=${AC_FILE%/environ}
            if is_pid "$AC_FILE" && stat_of "$AC_FILE" && [ "$S_STATE" != Z ]; then AC_PIDS="$AC_PIDS $AC_FILE $S_START"; fi
        done
        [ -n "$AC_PIDS" ] || break
        if [ "$AC_LEFT" -le 0 ]; then
            [ "$AC_SIGNAL" = TERM ] || { echo "what was started by ssh does not end: $AC_PIDS" >&2 && AC_RC=1 && break; }
            AC_SIGNAL=KILL AC_LEFT=$AM_GRACE
        fi
        # One TERM, so that whoever hears it can end in peace. KILL until nothing is left: the end of a child can wake a
        # parent that has not had its own yet, and that starts another.
        # shellcheck disable=SC2086
        [ "$AC_SIGNAL" = TERM ] && [ "$AC_LEFT" != "$AM_GRACE" ] || am_signal "$AC_SIGNAL" $AC_PIDS
        AC_LEFT=$((AC_LEFT - 1))
        sleep 0.2 2>/dev/null || sleep 1
    done
    rm -rf -- "$SETUP_ROOT/ssh/$1" || AC_RC=1
    return $AC_RC
}

# am_signal SIGNAL [PID START]...
am_signal() {
    AS_SIGNAL=$1
    shift
    while [ $# -ge 2 ]; do
        safekill "$AS_SIGNAL" "$1" "$2"
        shift 2
    done
}
