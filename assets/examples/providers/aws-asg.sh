#!/bin/sh
# Machines of an AWS Auto Scaling group: aws-asg.sh GROUP acquire|release|list. Needs aws (version 1 or 2) and jq.
# The group's own scaling policies should be off and its maximum high enough; its launch template decides what a machine is.
# PRICE (per hour) and ADDRESS (PublicIpAddress, PrivateIpAddress or PrivateDnsName) may be set.
set -eu
group=$1 verb=$2
address=${ADDRESS:-PrivateIpAddress}

described() { # the group's machines as JSON
    ids=$(aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names "$group" --output json |
        jq -r '.AutoScalingGroups[0].Instances // [] | .[] | select(.LifecycleState | test("^(Pending|InService)")) | .InstanceId')
    [ -n "$ids" ] || { echo '[]'; return; }
    aws ec2 describe-instances --instance-ids $ids --output json |
        jq '[.Reservations[].Instances[] | select(.State.Name == "pending" or .State.Name == "running")]'
}
tag_of='(.Tags // [] | map(select(.Key == "ostler")) | .[0].Value)'

case $verb in
acquire)
    # Others may be buying for the same group: one at a time.
    exec 9>"${TMPDIR:-/tmp}/ostler-aws-$group.lock"
    flock 9
    free() { described | jq -r "[.[] | select($tag_of == null)][0].InstanceId // empty"; }
    id=$(free)
    if [ -z "$id" ]; then
        now=$(aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names "$group" --output json |
            jq '.AutoScalingGroups[0].DesiredCapacity')
        aws autoscaling set-desired-capacity --auto-scaling-group-name "$group" --desired-capacity $((now + 1)) >/dev/null
        tries=0
        until id=$(free); [ -n "$id" ]; do
            tries=$((tries + 1))
            [ "$tries" -lt 60 ] || { echo "group $group gives no machine: look at its activity history" >&2; exit 1; }
            sleep 5
        done
    fi
    aws ec2 create-tags --resources "$id" --tags "Key=ostler,Value=$OSTLER_TAG" "Key=ostler-cluster,Value=$OSTLER_CLUSTER" >/dev/null
    # A machine that came without a tag must not be taken by the group's own scale-in.
    printf '{"machine": {"id": "%s"}}\n' "$id" ;;
release)
    aws autoscaling terminate-instance-in-auto-scaling-group --instance-id "$OSTLER_MACHINE" \
        --should-decrement-desired-capacity >/dev/null 2>"${TMPDIR:-/tmp}/ostler-aws-$$" || {
        # One that is gone is given back.
        grep -q 'not found\|terminated' "${TMPDIR:-/tmp}/ostler-aws-$$" || { cat "${TMPDIR:-/tmp}/ostler-aws-$$" >&2; exit 1; }
    }
    rm -f "${TMPDIR:-/tmp}/ostler-aws-$$" ;;
list)
    described | jq --argjson price "${PRICE:-null}" "{machines: [.[] | select($tag_of != null) |
        {id: .InstanceId, tag: $tag_of, host: .$address} + (if \$price then {pricePerHour: \$price} else {} end)]}" ;;
*) echo "aws-asg.sh GROUP acquire|release|list" >&2; exit 2 ;;
esac
