# container.sh - the container of an attempt on this node. Stands behind setup.sh in the command of a set-up or clean-up
# process; its functions are steps. What it makes carries two labels, the node and the attempt, so that whatever was left
# behind by somebody who was killed is found by them.

# put TEXT: without a line feed, and never by a program, whose arguments everybody could read.
if [ -n "${KSH_VERSION:-}" ]; then
    put() { print -rn -- "$1"; }
else
    put() { printf '%s' "$1"; }
fi

last_words() { put "$1" | tail -n 1; }

# find_runtime RUNTIMES: RT_KIND and RT_PROGRAM of the first one that works here.
find_runtime() {
    FR_WHY=''
    for RT_KIND in $1; do
        if ! RT_PROGRAM=$(command -v "$RT_KIND"); then
            FR_WHY="$FR_WHY${FR_WHY:+; }there is no $RT_KIND"
            continue
        fi
        # The client alone may be there, without the service that it talks to.
        if FR_SAID=$("$RT_PROGRAM" version 2>&1 </dev/null); then return 0; fi
        FR_WHY="$FR_WHY${FR_WHY:+; }$RT_KIND does not work: $(last_words "$FR_SAID")"
    done
    echo "no container runtime on this node: $FR_WHY" >&2
    return 1
}

# drop_containers RUNTIMES NODE [KEY]: removes those of this node, or of one attempt.
drop_containers() {
    DC_RC=0
    for DC_KIND in $1; do
        command -v "$DC_KIND" >/dev/null || continue
        case $DC_KIND in
        apptainer)
            for DC_NAME in $(apptainer instance list 2>/dev/null | while read -r DC_ONE DC_REST; do echo "$DC_ONE"; done); do
                case $DC_NAME in "ostler-$2-${3:-}"*) apptainer instance stop --force "$DC_NAME" || DC_RC=1 ;; esac
            done
            ;;
        *)
            # A service that is not there has no containers that run.
            DC_IDS=$("$DC_KIND" ps --all --quiet --filter "label=ostler.node=$2" ${3:+--filter "label=ostler.key=$3"} 2>/dev/null)
            # shellcheck disable=SC2086
            if [ -n "$DC_IDS" ]; then "$DC_KIND" rm --force $DC_IDS >/dev/null || DC_RC=1; fi
            ;;
        esac
    done
    return $DC_RC
}

# container_stop RUNTIMES NODE KEY: undoes container_start, however far it came.
container_stop() {
    drop_containers "$1" "$2" "$3" || return 1
    rm -f -- "$SETUP_ROOT/setup/$3.container"
}

# sign_in: at the registry, with the password from our environment; into a folder of our own that is removed after the pull.
sign_in() {
    (umask 077 && mkdir -p "$SETUP_DIR/auth") || return 1
    export DOCKER_CONFIG="$SETUP_DIR/auth" REGISTRY_AUTH_FILE="$SETUP_DIR/auth/config.json"
    # shellcheck disable=SC2086
    SI_SAID=$(put "$OSTLER_REGISTRY_PASSWORD" | "$RT_PROGRAM" login --username "$CS_USER" --password-stdin $CS_SERVER 2>&1) && return 0
    echo "cannot sign in to ${CS_SERVER:-the registry} as $CS_USER: $(last_words "$SI_SAID")" >&2
    return 1
}

# pull_image: unless the node has it.
pull_image() {
    if "$RT_PROGRAM" image inspect "$CS_IMAGE" >/dev/null 2>&1; then return 0; fi
    PU_RC=0
    if [ -n "$CS_USER" ]; then sign_in || PU_RC=1; fi
    if [ $PU_RC = 0 ] && ! PU_SAID=$("$RT_PROGRAM" pull "$CS_IMAGE" 2>&1 </dev/null); then
        echo "cannot pull $CS_IMAGE: $(last_words "$PU_SAID")" >&2
        PU_RC=1
    fi
    rm -rf -- "$SETUP_DIR/auth"
    return $PU_RC
}

# What keeps the container there; whatever is run by exec is not its child, and it takes in what they leave.
KEEPER='trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done'

start_container() {
    pull_image || return 1
    SC_LEFT=$#
    while [ $SC_LEFT -gt 0 ]; do
        set -- "$@" --volume "$1:$1"
        shift
        SC_LEFT=$((SC_LEFT - 1))
    done
    [ -z "$CS_SHM" ] || set -- "$@" --shm-size "$CS_SHM"
    case $CS_GPUS.$RT_KIND in
    0.*) ;;
    *.docker) set -- "$@" --gpus all ;;
    *.podman) set -- "$@" --device nvidia.com/gpu=all ;;
    esac
    # Files that it makes on the node have to be ours; the other runtimes see to that.
    if [ "$RT_KIND" = docker ] && [ "$(id -u)" != 0 ]; then set -- "$@" --user "$(id -u):$(id -g)"; fi
    if SC_SAID=$("$RT_PROGRAM" run --detach --name "$CS_NAME" --label "ostler.node=$CS_NODE" --label "ostler.key=$CS_KEY" \
        --network host --security-opt label=disable "$@" --entrypoint /bin/sh "$CS_IMAGE" -c "$KEEPER" 2>&1 </dev/null) &&
        SC_SAID=$("$RT_PROGRAM" exec "$CS_NAME" /bin/sh -c : 2>&1 </dev/null); then
        return 0
    fi
    echo "cannot start a container of $CS_IMAGE: $(last_words "$SC_SAID")" >&2
    return 1
}

start_apptainer() {
    case $CS_IMAGE in
    *://* | /* | *.sif) ;;
    *) CS_IMAGE=docker://$CS_IMAGE ;;
    esac
    SA_LEFT=$#
    while [ $SA_LEFT -gt 0 ]; do
        set -- "$@" --bind "$1"
        shift
        SA_LEFT=$((SA_LEFT - 1))
    done
    [ "$CS_GPUS" = 0 ] || set -- "$@" --nv
    [ -z "$CS_SHM" ] || echo "shmSize: apptainer has the node's own /dev/shm"
    if [ -n "$CS_USER" ]; then
        export APPTAINER_DOCKER_USERNAME="$CS_USER" APPTAINER_DOCKER_PASSWORD="$OSTLER_REGISTRY_PASSWORD"
    fi
    SA_SAID=$("$RT_PROGRAM" instance start "$@" "$CS_IMAGE" "$CS_NAME" 2>&1 </dev/null) && return 0
    case $SA_SAID in
    *nauthorized* | *denied* | *authentication*) echo "cannot sign in for $CS_IMAGE: $(last_words "$SA_SAID")" >&2 ;;
    *) echo "cannot pull or start $CS_IMAGE: $(last_words "$SA_SAID")" >&2 ;;
    esac
    return 1
}

# container_start RUNTIMES NODE KEY LEFTOVERS IMAGE SHM GPUS SERVER USER WRITTEN-PATHS READ-PATH...   LEFTOVERS is empty, or
# the key of the only attempt whose leftovers may be removed; the first WRITTEN-PATHS paths are made when missing.
container_start() {
    CS_RUNTIMES=$1 CS_NODE=$2 CS_KEY=$3 CS_LEFTOVERS=$4 CS_IMAGE=$5 CS_SHM=$6 CS_GPUS=$7 CS_SERVER=$8 CS_USER=$9
    shift 9
    CS_WRITTEN=$1 CS_NAME=ostler-$CS_NODE-$CS_KEY
    shift
    find_runtime "$CS_RUNTIMES" || return 1
    drop_containers "$CS_RUNTIMES" "$CS_NODE" "$CS_LEFTOVERS" || return 1
    CS_LEFT=$#
    while [ $CS_LEFT -gt 0 ]; do
        if [ "$CS_WRITTEN" -gt 0 ]; then
            mkdir -p -- "$1" || return 1
            CS_WRITTEN=$((CS_WRITTEN - 1))
        fi
        # What is not on the node may be in the image.
        [ ! -e "$1" ] || set -- "$@" "$1"
        shift
        CS_LEFT=$((CS_LEFT - 1))
    done
    # Where a link stands for a mount, what it points to has to be there too.
    for CS_LINK in $(find "$SETUP_ROOT/mounts" -xdev -type l 2>/dev/null); do
        CS_TARGET=$(readlink -f "$CS_LINK") && set -- "$@" "$CS_TARGET"
    done
    case $RT_KIND in
    apptainer) start_apptainer "$SETUP_ROOT" "$@" || return 1 ;;
    *) start_container "$SETUP_ROOT" "$@" || return 1 ;;
    esac
    echo "$RT_PROGRAM runs $CS_NAME"
    printf '%s\n%s\n' "$RT_KIND" "$RT_PROGRAM" >"$SETUP_ROOT/setup/$CS_KEY.container"
}
