
# The job's container. Before this: image, server, user, shm, and paths, one a line, that mean the same inside and outside.
nl='
'
# find_engine: sets `ostler_engine`. A folder with an OCI bundle is Slurm's own to run; what Pyxis or apptainer need is not said.
find_engine() {
    if [ -f "$image/config.json" ]; then ostler_engine=oci; return; fi
    case $image in
    *.sif) ;;
    *) if srun --help 2>/dev/null | grep -q -e --container-image; then ostler_engine=pyxis; return; fi ;;
    esac
    for ostler_engine in apptainer singularity podman; do
        if command -v "$ostler_engine" >/dev/null 2>&1; then return; fi
    done
    amiss "no container on $SLURMD_NODENAME: srun has no --container-image (Pyxis), and there is no apptainer, singularity or podman"
}
# amiss WORDS: where people look for what a job says.
amiss() {
    echo "ostler: $1" >&2
    mkdir -p "${said_in%/*}" && echo "ostler: $1" >> "$said_in"
    return 1
}
# get_image: once for all nodes, before the processes.
get_image() {
    find_engine || return
    export ostler_engine
    [ ! -r "$d/secrets" ] || . "$d/secrets"
    case $ostler_engine in
    apptainer | singularity)
        from=$image
        case $image in
        /* | *.sif) return ;;
        *://*) ;;
        *) from=docker://$image ;;
        esac
        if [ -n "$user" ]; then
            export APPTAINER_DOCKER_USERNAME="$user" APPTAINER_DOCKER_PASSWORD="$OSTLER_REGISTRY_PASSWORD"
            export SINGULARITY_DOCKER_USERNAME="$user" SINGULARITY_DOCKER_PASSWORD="$OSTLER_REGISTRY_PASSWORD"
        fi
        pulled=$("$ostler_engine" pull --force "$d/image.sif" "$from" 2>&1 </dev/null) ||
            amiss "cannot pull $image: $(printf '%s\n' "$pulled" | tail -n 1)" ;;
    podman)
        [ -z "$user" ] || pulled=$(printf %s "$OSTLER_REGISTRY_PASSWORD" | (umask 077
            podman login --authfile "$d/auth" --username "$user" --password-stdin ${server:+"$server"}) 2>&1) ||
            amiss "cannot sign in to ${server:-the registry} as $user: $(printf '%s\n' "$pulled" | tail -n 1)" ;;
    pyxis)
        [ -z "$user" ] || amiss "Pyxis takes no password from a job: put it into ~/.config/enroot/.credentials on the cluster" ;;
    esac
}
# in_step: says whether the processes come into the container by a step of Slurm's.
in_step() { case ${ostler_engine-} in oci | pyxis) ;; *) return 1 ;; esac; }
# contained WORD...: runs a command in the container, in place of this shell. In a step this shell is inside already.
contained() {
    unset OSTLER_REGISTRY_PASSWORD
    [ "$ostler_engine" != inside ] || exec "$@"
    IFS=$nl
    set -f
    case $ostler_engine in
    apptainer | singularity)
        from=$image
        [ ! -e "$d/image.sif" ] || from=$d/image.sif
        set -- "$from" "$@"
        for path in $paths; do [ ! -e "$path" ] || set -- --bind "$path" "$@"; done
        [ ! -e /dev/nvidiactl ] || set -- --nv "$@"
        exec "$ostler_engine" exec --pwd "$PWD" "$@" ;;
    podman)
        set -- "$image" "$@"
        for path in $paths; do [ ! -e "$path" ] || set -- --volume "$path:$path" "$@"; done
        # By name: what the image has of its own, as its PATH, stays.
        for name in $names $(env | sed -n -e 's/^\(SLURM[A-Z0-9_]*\)=.*/\1/p' -e 's/^\([A-Z]*_VISIBLE_DEVICES\)=.*/\1/p' -e 's/^\(PMI[A-Z0-9_]*\)=.*/\1/p'); do
            set -- --env "$name" "$@"
        done
        [ ! -e /dev/nvidiactl ] || set -- --device nvidia.com/gpu=all "$@"
        [ ! -e "$d/auth" ] || set -- --authfile "$d/auth" "$@"
        [ -z "$shm" ] || set -- --shm-size "$shm" "$@"
        exec podman run --rm --network host --security-opt label=disable --entrypoint '' --workdir "$PWD" "$@" ;;
    esac
    echo "ostler: no container: $ostler_engine" >&2
    exit 1
}
# stepped WORD...: srun with the options of the container.
stepped() {
    in_step || { srun "$@"; return; }
    if [ "$ostler_engine" = oci ]; then
        ostler_engine=inside srun --container="$image" "$@"
        return
    fi
    # Of a registry that is named enroot wants a # behind its name.
    case $image in
    /* | *://* | *'#'*) from=$image ;;
    *.*/* | *:*/*) from=${image%%/*}#${image#*/} ;;
    *) from=$image ;;
    esac
    mounts=
    for path in $(printf '%s' "$paths" | tr ' ' '\037'); do
        path=$(printf '%s' "$path" | tr '\037' ' ')
        [ ! -e "$path" ] || mounts=$mounts${mounts:+,}$path:$path
    done
    ostler_engine=inside srun --container-image="$from" --container-name="ostler-$SLURM_JOB_ID" --container-mounts="$mounts" "$@"
}
