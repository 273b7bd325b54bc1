#!/bin/sh
# Servers of Hetzner Cloud: hetzner.sh TYPE IMAGE SSH_KEY acquire|release|list. Needs hcloud with a context, and jq.
# Labels carry the pool and the tag; a server's name is its tag, which Hetzner allows only once in a project.
set -eu
type=$1 image=$2 key=$3 verb=$4
case $verb in
acquire)
    hcloud server create --name "$OSTLER_TAG" --type "${OSTLER_CLASS:-$type}" --image "$image" --ssh-key "$key" \
        --label "ostler-pool=$OSTLER_POOL" --label "ostler=$OSTLER_TAG" -o json |
        jq '{machine: {id: (.server.id | tostring), name: .server.name, host: .server.public_net.ipv4.ip}}' ;;
release) hcloud server describe "$OSTLER_MACHINE" -o json >/dev/null 2>&1 || exit 0
    hcloud server delete "$OSTLER_MACHINE" >&2 ;;
list)
    hcloud server list --selector "ostler-pool=$OSTLER_POOL" -o json |
        jq '{machines: [.[] | {id: (.id | tostring), name: .name, tag: .labels.ostler, host: .public_net.ipv4.ip}]}' ;;
*) echo "hetzner.sh TYPE IMAGE SSH_KEY acquire|release|list" >&2; exit 2 ;;
esac
