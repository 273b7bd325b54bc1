# setup.sh - makes a node fit for an attempt, or for its cluster, and undoes that. It is the beginning of the command of a
# set-up or clean-up process, behind mounts.sh; the steps follow it. Before it stand these, as words in single quotes:
#
#   SETUP_ROOT   the node's spool                 SETUP_DIR    a folder of this process in it
#   SETUP_LOG    takes a line for each step       SETUP_KEY    this process
#
# What a step says goes to the process's own output in the spool; when it fails, also into the words that the process
# leaves to be told: CODE DETAIL MESSAGE.

line() { printf '%s %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$SETUP_KEY" "$1" >>"$SETUP_LOG"; }

# leave CODE DETAIL MESSAGE: the last words.
leave() {
    mkdir -p "$OSTLER_RANK_DIR" && printf '%s %s %s\n' "$1" "$2" "$3" >"$OSTLER_RANK_DIR/said"
}

# What of a step's output goes into a message, in bytes.
WORDS_BYTES_MAX=500
STEP=0

# step CODE DETAIL HEADLINE WHAT COMMAND...: does one step; the process ends with its words when it fails.
step() {
    ST_CODE=$1 ST_DETAIL=$2 ST_HEAD=$3 ST_WHAT=$4 STEP=$((STEP + 1))
    shift 4
    # Without the process's cookie: a fuse file system or a container has to outlive this process.
    (unset OSTLER_RANK && "$@") >"$SETUP_DIR/step-$STEP" 2>&1 </dev/null
    ST_RC=$?
    cat "$SETUP_DIR/step-$STEP"
    if [ $ST_RC = 0 ]; then
        line "done: $ST_WHAT"
        return 0
    fi
    ST_WORDS=$(head -c $WORDS_BYTES_MAX "$SETUP_DIR/step-$STEP" | tr '\n\t\r' '   ')
    ST_WORDS=${ST_WORDS:-exit code $ST_RC}
    line "failed: $ST_WHAT: $ST_WORDS"
    leave "$ST_CODE" "$ST_DETAIL" "$ST_HEAD: $ST_WORDS"
    exit 1
}

# sweep DIR: undoes what somebody left there who was killed before he could.
sweep() {
    [ -d "$1" ] || return 0
    SW_BEFORE=$(find "$1" -xdev -type l 2>/dev/null)
    mounts_below "$1"
    [ -n "$MOUNTS$SW_BEFORE" ] || return 0
    undo_below "$1" || return 1
    line "done: undid what was left mounted below $1"
}

# forget: the folders of former processes of jobs.
forget() {
    for FO_DIR in "$SETUP_ROOT"/setup/*; do
        case ${FO_DIR##*/} in 0.* | "$SETUP_KEY" | "${SETUP_KEY%.*}".* | '*') continue ;; esac
        rm -rf -- "$FO_DIR"
    done
}

# begin PATH: makes the mount point.
begin() {
    case $1 in "$SETUP_ROOT"/mounts/?*) ;; *) echo "$1 is not below the mount roots" >&2 && return 1 ;; esac
    mkdir -p -- "$1"
}

# is_there PATH: something is mounted there, or a link stands for it.
is_there() {
    if [ -h "$1" ]; then return 0; fi
    mounts_below "$1"
    [ -n "$MOUNTS" ] || { echo "the command ended well, but nothing is mounted at $1" >&2 && return 1; }
}

# What a mount may take, in seconds: that of NFS tries again for two minutes by itself (nfs(5), retry).
MOUNT_SECONDS=150

# A command of a user may do more than mount.
COMMAND_SECONDS=600

# apart SECONDS: the words that stand before a command that mounts: in a session of its own, because what it leaves running
# (ssh under sshfs) has to outlive this process, and so in bounded time, because nobody else ends it.
apart() {
    if command -v timeout >/dev/null 2>&1; then echo "setsid timeout -s KILL $1"; else echo setsid; fi
}

# mount_as_root WORDS...
mount_as_root() {
    # shellcheck disable=SC2046
    as_root $(apart $MOUNT_SECONDS) mount "$@"
}

# writable PATH OPTIONS: says so when what is mounted cannot be written to and was not meant to be so. No failure: an
# export of data may well be there to be read.
writable() {
    case ",$2," in *,ro,*) return 0 ;; esac
    WR_PROBE=$1/.ostler-$SETUP_KEY-$$
    if mkdir -- "$WR_PROBE" 2>/dev/null; then
        rmdir -- "$WR_PROBE"
    else
        line "note: $(id -un) cannot write to $1"
    fi
}

# reaches HOST PORT: a connection can be made. Without bash nobody knows, and it is taken to be so.
reaches() {
    command -v bash >/dev/null 2>&1 || return 0
    # shellcheck disable=SC2016
    bounded 5 bash -c ': <"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null
}

# why_not HELPER PACKAGE SOURCE PORT: after a mount from HOST:/PATH or //HOST/SHARE that failed, what may be the reason.
why_not() {
    PATH=$PATH:/sbin:/usr/sbin command -v "$1" >/dev/null 2>&1 || echo "; there is no $1 on this node (package $2)" >&2
    case $3 in
    //*) WN_HOST=${3#//} WN_HOST=${WN_HOST%%/*} ;;
    *) WN_HOST=${3%%:/*} WN_HOST=${WN_HOST#\[} WN_HOST=${WN_HOST%\]} ;;
    esac
    reaches "$WN_HOST" "$4" ||
        echo "; this node does not reach $WN_HOST on port $4: is it up, in the same network, and does no firewall stand between?" >&2
    return 1
}

# mount_nfs SOURCE OPTIONS PATH
mount_nfs() {
    begin "$3" || return 1
    mount_as_root -t nfs ${2:+-o "$2"} -- "$1" "$3" || why_not mount.nfs nfs-common "$1" 2049 || return 1
    is_there "$3" && writable "$3" "$2"
}

# mount_smb SOURCE OPTIONS USER VARIABLE PATH: the password of VARIABLE goes by a file of our own that is removed at once.
mount_smb() {
    begin "$5" || return 1
    eval "MS_PASSWORD=\${$4-}"
    (umask 077 && printf 'username=%s\npassword=%s\n' "$3" "$MS_PASSWORD" >"$SETUP_DIR/credentials") || return 1
    mount_as_root -t cifs -o "credentials=$SETUP_DIR/credentials,uid=$(id -u),gid=$(id -g)${2:+,$2}" -- "$1" "$5"
    MS_RC=$?
    rm -f -- "$SETUP_DIR/credentials"
    [ $MS_RC = 0 ] || why_not mount.cifs cifs-utils "$1" 445 || return 1
    is_there "$5" && writable "$5" "$2"
}

# mount_sshfs SOURCE OPTIONS PATH
mount_sshfs() {
    begin "$3" || return 1
    command -v sshfs >/dev/null 2>&1 || { echo "there is no sshfs on this node" >&2 && return 127; }
    # Nobody is there to be asked, and a server that is gone is given up in a minute instead of never.
    # What another node wrote is seen after a second, as with NFS.
    # shellcheck disable=SC2046
    $(apart $MOUNT_SECONDS) sshfs -o BatchMode=yes,ServerAliveInterval=15,ServerAliveCountMax=4,reconnect,dcache_timeout=1${2:+,$2} -- "$1" "$3" || return 1
    is_there "$3" && writable "$3" "$2"
}

# mount_folder BASE BELOW PATH: a folder of the node (it may be shared by other means); BASE has to be there, what is
# below it is made. Bound where we may be root, else a link.
mount_folder() {
    [ -d "$1" ] || { echo "there is no folder $1 on this node" >&2 && return 1; }
    mkdir -p -- "$1/$2" || return 1
    begin "$3" || return 1
    if can_root && as_root mount -o bind -- "$1/$2" "$3"; then return 0; fi
    rmdir -- "$3" && ln -s -- "$1/$2" "$3"
}

# mount_by COMMAND PATH [VARIABLE]: the command of a user, with the path behind it; as root where we may. The value of
# VARIABLE is in its OSTLER_STORAGE_KEY: through a file, because sudo lets no variable pass.
mount_by() {
    begin "$2" || return 1
    MC_TEXT="$1 \"\$1\""
    if [ -n "${3-}" ]; then
        eval "MC_KEY=\${$3-}"
        (umask 077 && printf '%s' "$MC_KEY" >"$SETUP_DIR/key") || return 1
        MC_TEXT="OSTLER_STORAGE_KEY=\$(cat \"\$2\") && export OSTLER_STORAGE_KEY; $MC_TEXT"
    fi
    if can_root; then
        # shellcheck disable=SC2046
        as_root $(apart $COMMAND_SECONDS) /bin/sh -c "$MC_TEXT" mount "$2" "$SETUP_DIR/key"
    else
        # shellcheck disable=SC2046
        $(apart $COMMAND_SECONDS) /bin/sh -c "$MC_TEXT" mount "$2" "$SETUP_DIR/key"
    fi
    MC_RC=$?
    rm -f -- "$SETUP_DIR/key"
    [ $MC_RC = 0 ] || return $MC_RC
    is_there "$2"
}

UNDO_FAILED=''
# undo COMMAND...: undoes one thing; the others are undone all the same when it fails.
undo() {
    STEP=$((STEP + 1))
    (unset OSTLER_RANK && "$@") >"$SETUP_DIR/step-$STEP" 2>&1 </dev/null
    UN_RC=$?
    cat "$SETUP_DIR/step-$STEP"
    [ $UN_RC != 0 ] || return 0
    UN_WORDS=$(head -c $WORDS_BYTES_MAX "$SETUP_DIR/step-$STEP" | tr '\n\t\r' '   ')
    UNDO_FAILED="$UNDO_FAILED${UNDO_FAILED:+; }${UN_WORDS:-exit code $UN_RC}"
}

# over: the end of a clean-up.
over() {
    if [ -z "$UNDO_FAILED" ]; then
        line "done: cleaned up"
        exit 0
    fi
    line "failed: clean up: $UNDO_FAILED"
    leave CleanupFailed step=cleanup "$UNDO_FAILED"
    exit 1
}

# last_line FILE: the job's log lies on what is unmounted now.
last_line() {
    if [ -w "$1" ]; then
        printf '%s %s cleans up\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$SETUP_KEY" >>"$1"
    fi
    rm -f -- "$SETUP_LOG"
}

# run_task DIR NODE COMMAND: the set-up task of a cluster, by bash as root. Its variables go by a file, because sudo lets
# none pass.
run_task() {
    command -v bash >/dev/null 2>&1 || { echo "there is no bash on this node" >&2 && return 127; }
    can_root || { as_root true && return 1; }
    mkdir -p -- "$1" || return 1
    (umask 077 && export -p >"$SETUP_DIR/variables") || return 1
    # shellcheck disable=SC2016
    as_root bash -c '. "$1" && rm -f -- "$1" && unset OSTLER_RANK OSTLER_RANK_DIR && cd / && eval "$2"' \
        setup "$SETUP_DIR/variables" "$3" >>"$1/stdout-$2.txt" 2>>"$1/stderr-$2.txt"
    RT_RC=$?
    rm -f -- "$SETUP_DIR/variables"
    [ $RT_RC != 0 ] || return 0
    echo "exit code $RT_RC; its logs are in $1: $(tail -n 3 "$1/stderr-$2.txt")"
    return $RT_RC
}
