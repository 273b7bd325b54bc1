# mounts.sh - what is mounted where, and undoing it. POSIX sh, as spool.sh; stands before supervisor.sh, and before the
# texts that set a node up or clean it up.

MB_LF='
'

# mounts_below DIR: MOUNTS = the mount points at or below DIR, the newest first, one a line.
mounts_below() {
    MOUNTS=''
    while read -r MB_DEVICE MB_AT MB_REST; do
        case $MB_AT in *\\*) mount_text ;; esac
        case $MB_AT in
        "$1" | "$1"/*) MOUNTS=$MB_AT$MB_LF$MOUNTS ;;
        esac
    done </proc/self/mounts
}

# mount_text: MB_AT without the kernel's octal escapes. A line feed becomes a question mark: no path of ours has one.
mount_text() {
    MT_DONE=''
    while :; do
        case $MB_AT in *\\*) ;; *) break ;; esac
        MT_DONE=$MT_DONE${MB_AT%%\\*}
        MB_AT=${MB_AT#*\\}
        case $MB_AT in
        040*) MT_DONE="$MT_DONE " ;;
        011*) MT_DONE="$MT_DONE	" ;;
        012*) MT_DONE="$MT_DONE?" ;;
        043*) MT_DONE="$MT_DONE#" ;;
        134*) MT_DONE="$MT_DONE\\" ;;
        esac
        MB_AT=${MB_AT#???}
    done
    MB_AT=$MT_DONE$MB_AT
}

# as_root COMMAND...: as root, by sudo without a password where we are somebody else.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        command -v sudo >/dev/null 2>&1 || { echo "needs root, and there is no sudo on this node" >&2 && return 126; }
        sudo -n "$@"
    fi
}

# can_root: it works here.
can_root() { as_root true >/dev/null 2>&1; }

# bounded SECONDS COMMAND...: gives a command up after that time; one in the kernel's hands is left behind.
bounded() {
    BO_LEFT=$(($1 * 5))
    shift
    "$@" &
    BO_PID=$!
    while :; do
        BO_LINE=''
        { read -r BO_LINE <"/proc/$BO_PID/stat"; } 2>/dev/null
        case ${BO_LINE##*') '} in '' | Z* | X*) break ;; esac
        if [ "$BO_LEFT" -le 0 ]; then
            kill -s KILL "$BO_PID" 2>/dev/null
            echo "gave up: $*" >&2
            return 124
        fi
        BO_LEFT=$((BO_LEFT - 1))
        sleep 0.2 2>/dev/null || sleep 1
    done
    wait "$BO_PID"
}

# A busy file system is given this long, in seconds; then it is taken off the tree and goes when its last user does.
UNMOUNT_SECONDS=15

# unmount PATH: by whoever may; a mount of ours may be a user's own (fuse).
unmount() {
    if can_root; then
        bounded $UNMOUNT_SECONDS as_root umount "$1" && return 0
        bounded $UNMOUNT_SECONDS as_root umount -l "$1"
        return
    fi
    for UM_TOOL in fusermount3 fusermount; do
        command -v $UM_TOOL >/dev/null 2>&1 || continue
        bounded $UNMOUNT_SECONDS $UM_TOOL -u "$1" && return 0
        bounded $UNMOUNT_SECONDS $UM_TOOL -u -z "$1" && return 0
    done
    bounded $UNMOUNT_SECONDS umount "$1"
}

# undo_below DIR: unmounts all that is mounted at or below DIR, then takes away the links that stand for mounts and the
# empty folders. Never removes a file.
undo_below() {
    [ -d "$1" ] || return 0
    mounts_below "$1"
    while [ -n "$MOUNTS" ]; do
        UB_LEFT=${MOUNTS#*"$MB_LF"}
        unmount "${MOUNTS%%"$MB_LF"*}"
        MOUNTS=$UB_LEFT
    done
    mounts_below "$1"
    if [ -n "$MOUNTS" ]; then
        echo "still mounted: ${MOUNTS%%"$MB_LF"*}" >&2
        return 1
    fi
    find "$1" -xdev -depth \( -type l -exec rm -f -- {} \; -o -type d -exec rmdir -- {} \; \) 2>/dev/null
    return 0
}
