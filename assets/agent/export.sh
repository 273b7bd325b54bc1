# export.sh - what a file server gives to its nodes: set up on its host, and undone. POSIX sh, behind mounts.sh. Before it
# stand these, as words in single quotes:
#
#   EX_PATH     the directory            EX_CLIENTS  who may mount it: addresses and networks, separated by spaces
#   EX_DEVICES  disks that are joined and mounted there, separated by spaces; none: the directory is what it is
#
# Everything that is written has a name made of the path, so doing it again changes nothing and undoing it finds it. The last
# line of output is `export HOW`, HOW one of kernel, ganesha, folder, found (somebody else exports it, and it is left
# alone), gone; before it `space TOTAL USED FREE` in KiB.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
EX_ID=$(printf %s "$EX_PATH" | cksum)
EX_ID=${EX_ID%% *}
EX_KERNEL=/etc/exports.d/ostler-$EX_ID.exports
EX_OWN=/etc/ostler/exports
EX_GANESHA=$EX_OWN/$EX_ID.conf
EX_PID=/run/ostler-ganesha.pid

# give_up WORDS: why it cannot be done.
give_up() {
    echo "$1" >&2
    exit 1
}

# write_as_root FILE: standard input, whole or not at all.
write_as_root() {
    # shellcheck disable=SC2016
    as_root sh -c 'umask 022 && mkdir -p "${1%/*}" && cat >"$1.new" && mv "$1.new" "$1"' sh "$1"
}

has() { command -v "$1" >/dev/null 2>&1; }

# The directory; ours where we may make it, else root's.
make_folder() {
    [ ! -d "$EX_PATH" ] || return 0
    mkdir -p -- "$EX_PATH" 2>/dev/null && return 0
    as_root mkdir -p -- "$EX_PATH" && as_root chown "$(id -u):$(id -g)" "$EX_PATH" ||
        give_up "the directory $EX_PATH cannot be made"
}

# Says how much room there is.
say_space() {
    bounded 10 df -kP -- "$EX_PATH" 2>/dev/null | while read -r SS_FROM SS_TOTAL SS_USED SS_FREE SS_REST; do
        case $SS_TOTAL in '' | *[!0-9]*) ;; *) echo "space $SS_TOTAL $SS_USED $SS_FREE" ;; esac
    done
}

# make_volume: several disks become one (striped, as the service did), get a file system when they have none, and are
# mounted, now and at each boot. A disk with anything on it is refused: it may be somebody's.
make_volume() {
    # shellcheck disable=SC2086
    set -- $EX_DEVICES
    [ $# -gt 0 ] || return 0
    mounts_below "$EX_PATH"
    case "$MB_LF$MOUNTS" in *"$MB_LF$EX_PATH$MB_LF"*) return 0 ;; esac
    MV_DEVICE=$1
    if [ $# -gt 1 ]; then
        MV_DEVICE=/dev/md/ostler-$EX_ID
        if [ ! -e "$MV_DEVICE" ]; then
            has mdadm || give_up "joining disks needs mdadm on the host (package mdadm)"
            for MV_DISK; do
                [ -z "$(as_root wipefs --noheadings "$MV_DISK")" ] || give_up "$MV_DISK is not blank; ostler joins blank disks only"
            done
            as_root mdadm --create "$MV_DEVICE" --run --level=0 --raid-devices=$# "$@" || exit 1
        fi
    fi
    if [ -z "$(as_root blkid -p -s TYPE -o value "$MV_DEVICE")" ]; then
        as_root mkfs.ext4 -q "$MV_DEVICE" || exit 1
    fi
    grep -qF " $EX_PATH ext4 " /etc/fstab ||
        { cat /etc/fstab && echo "$MV_DEVICE $EX_PATH ext4 defaults,nofail 0 2"; } | write_as_root /etc/fstab || exit 1
    as_root mount -- "$MV_DEVICE" "$EX_PATH" || exit 1
}

# Somebody exports it already.
is_exported() {
    has showmount || return 1
    bounded 10 showmount --no-headers -e localhost 2>/dev/null | while read -r IE_LINE; do
        # What follows the path is one word: the clients.
        case $IE_LINE in "$EX_PATH" | "$EX_PATH "*) ;; *) continue ;; esac
        # shellcheck disable=SC2086
        set -- ${IE_LINE#"$EX_PATH"}
        [ $# -gt 1 ] || echo yes
    done | grep -q yes
}

# The kernel's server is here, or can be.
has_kernel() { has exportfs && { [ -d /proc/fs/nfsd ] || as_root modprobe nfsd 2>/dev/null; }; }

export_by_kernel() {
    {
        printf '"%s"' "$EX_PATH"
        for EK_CLIENT in $EX_CLIENTS; do printf ' %s(rw,sync,no_subtree_check,no_root_squash)' "$EK_CLIENT"; done
        echo
    } | write_as_root "$EX_KERNEL" || exit 1
    if has systemctl && systemctl cat nfs-server >/dev/null 2>&1; then
        as_root systemctl enable --now nfs-server || exit 1
    elif has service; then
        as_root service nfs-kernel-server start || exit 1
    fi
    as_root exportfs -ra || exit 1
    echo "export kernel"
}

# read_ganesha: the server of ours reads its exports, and is started when it does not run.
read_ganesha() {
    {
        echo 'NFS_CORE_PARAM { Protocols = 3, 4; mount_path_pseudo = true; }'
        # Short, because nobody has locks from before: this server gives them out for the time of jobs.
        echo 'NFSv4 { Grace_Period = 5; Lease_Lifetime = 10; RecoveryBackend = fs; }'
        cat "$EX_OWN"/*.conf
    } | write_as_root /etc/ostler/ganesha.conf || exit 1
    RG_PID=''
    { read -r RG_PID <"$EX_PID"; } 2>/dev/null
    RG_NAME=''
    { read -r RG_NAME <"/proc/$RG_PID/comm"; } 2>/dev/null
    case $RG_NAME in
    ganesha*) as_root kill -s HUP "$RG_PID" ;;
    *)
        as_root mkdir -p /var/lib/nfs/ganesha /run/ganesha
        # The port mapper is for clients of version 3.
        has rpcbind && { bounded 5 rpcinfo -p localhost >/dev/null 2>&1 || as_root rpcbind; }
        as_root ganesha.nfsd -f /etc/ostler/ganesha.conf -L /var/log/ostler-ganesha.log -p "$EX_PID" </dev/null >/dev/null 2>&1
        ;;
    esac
}

export_by_ganesha() {
    {
        echo "EXPORT { Export_Id = $((EX_ID % 65000 + 1)); Path = \"$EX_PATH\"; Pseudo = \"$EX_PATH\"; SecType = sys;"
        echo " Access_Type = NONE; Squash = Root; FSAL { Name = VFS; }"
        # It tells nobody of an export who may not mount it.
        echo " CLIENT { Clients = 127.0.0.1, ::1; Access_Type = RO; }"
        for EG_CLIENT in $EX_CLIENTS; do echo " CLIENT { Clients = $EG_CLIENT; Access_Type = RW; Squash = No_Root_Squash; }"; done
        echo "}"
    } | write_as_root "$EX_GANESHA" || exit 1
    read_ganesha
    EG_LEFT=50
    while ! is_exported; do
        [ $EG_LEFT -gt 0 ] || give_up "NFS-Ganesha does not give $EX_PATH; /var/log/ostler-ganesha.log says why"
        EG_LEFT=$((EG_LEFT - 1))
        sleep 0.2
    done
    echo "export ganesha"
}

# up_nfs: exports it, by the server that is there.
up_nfs() {
    if [ ! -e "$EX_KERNEL" ] && [ ! -e "$EX_GANESHA" ] && is_exported; then
        say_space
        echo "export found"
        return 0
    fi
    can_root || { as_root true || give_up "exporting needs root by sudo -n on this host; --export sshfs does not"; }
    make_folder
    make_volume
    say_space
    if has_kernel; then
        export_by_kernel
    elif has ganesha.nfsd; then
        export_by_ganesha
    else
        give_up "there is no NFS server on this host: install nfs-kernel-server (or nfs-ganesha and nfs-ganesha-vfs), or take --export sshfs"
    fi
}

# up_folder: for sshfs the directory is all there is.
up_folder() {
    make_folder
    make_volume
    [ -w "$EX_PATH" ] || give_up "$(id -un) cannot write to $EX_PATH on this host"
    say_space
    echo "export folder"
}

# down: undoes what is ours. Files and volumes stay.
down() {
    if [ -e "$EX_KERNEL" ]; then
        as_root rm -f -- "$EX_KERNEL" && as_root exportfs -ra || exit 1
    fi
    if [ -e "$EX_GANESHA" ]; then
        as_root rm -f -- "$EX_GANESHA" || exit 1
        DO_LEFT=''
        for DO_FILE in "$EX_OWN"/*.conf; do [ ! -e "$DO_FILE" ] || DO_LEFT=1; done
        if [ -n "$DO_LEFT" ]; then
            read_ganesha
        else
            DO_PID=''
            { read -r DO_PID <"$EX_PID"; } 2>/dev/null
            DO_NAME=''
            { read -r DO_NAME <"/proc/$DO_PID/comm"; } 2>/dev/null
            case $DO_NAME in ganesha*) as_root kill "$DO_PID" ;; esac
            as_root rm -f -- "$EX_PID" /etc/ostler/ganesha.conf
        fi
    fi
    echo "export gone"
}
