#!/bin/sh
# Machines of a managed instance group of Google Cloud: gcp-mig.sh ZONE GROUP acquire|release|list. Needs gcloud and jq.
# Each machine is named after its tag, so that one tag can never have two: create-instance refuses the second.
set -eu
zone=$1 group=$2 verb=$3
# A name has at most 63 characters and begins with a letter, as the tag does.
case $verb in
acquire)
    gcloud compute instance-groups managed create-instance "$group" --zone "$zone" --instance "$OSTLER_TAG" --quiet >&2
    printf '{"machine": {"id": "%s"}}\n' "$OSTLER_TAG" ;;
release)
    gcloud compute instance-groups managed delete-instances "$group" --zone "$zone" --instances "$OSTLER_MACHINE" \
        --skip-instances-on-validation-error --quiet >&2 ;;
list)
    gcloud compute instances list --zones "$zone" --filter "name ~ ^ostler-$OSTLER_POOL-" --format json |
        jq '{machines: [.[] | {id: .name, tag: .name} +
            (if .networkInterfaces[0].networkIP then {host: .networkInterfaces[0].networkIP} else {} end)]}' ;;
*) echo "gcp-mig.sh ZONE GROUP acquire|release|list" >&2; exit 2 ;;
esac
