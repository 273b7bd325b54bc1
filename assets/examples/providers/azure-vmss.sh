#!/bin/sh
# Machines of an Azure scale set with uniform orchestration: azure-vmss.sh RESOURCE_GROUP SCALE_SET acquire|release|list.
# Needs az, signed in, and jq. Tags of single machines are set by their resource id.
set -eu
rg=$1 set=$2 verb=$3
machines() { az vmss list-instances -g "$rg" -n "$set" -o json; }
addresses() { az vmss nic list -g "$rg" --vmss-name "$set" -o json; }

case $verb in
acquire)
    exec 9>"${TMPDIR:-/tmp}/ostler-azure-$set.lock"
    flock 9
    free() { machines | jq -r '[.[] | select((.tags.ostler // "") == "" and .provisioningState != "Deleting")][0].id // empty'; }
    id=$(free)
    if [ -z "$id" ]; then
        now=$(az vmss show -g "$rg" -n "$set" --query sku.capacity -o tsv)
        az vmss scale -g "$rg" -n "$set" --new-capacity $((now + 1)) -o none
        id=$(free)
    fi
    [ -n "$id" ] || { echo "the scale set gives no machine" >&2; exit 1; }
    az tag update --resource-id "$id" --operation merge --tags "ostler=$OSTLER_TAG" -o none
    printf '{"machine": {"id": "%s"}}\n' "${id##*/}" ;;
release) az vmss delete-instances -g "$rg" -n "$set" --instance-ids "$OSTLER_MACHINE" -o none ;;
list)
    nics=$(addresses)
    machines | jq --argjson nics "$nics" '{machines: [.[] | select((.tags.ostler // "") != "") | . as $vm |
        {id: .instanceId, name: .name, tag: .tags.ostler} +
        ([$nics[] | select(.virtualMachine.id == $vm.id) | .ipConfigurations[0].privateIPAddress][0]
            | if . then {host: .} else {} end)]}' ;;
*) echo "azure-vmss.sh RESOURCE_GROUP SCALE_SET acquire|release|list" >&2; exit 2 ;;
esac
