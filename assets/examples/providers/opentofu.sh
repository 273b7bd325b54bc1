#!/bin/sh
# Machines of an OpenTofu (or Terraform) folder: opentofu.sh FOLDER acquire|release|list. Needs tofu and jq.
# The folder has a variable `tags` (a set of strings), makes one machine for each of them, and has an output `machines`,
# a map from tag to {id, host}. So the state of OpenTofu is the book, and one tag has one machine.
set -eu
cd "$1"
verb=$2 wanted=ostler.auto.tfvars.json
exec 9>.ostler.lock
flock 9
[ -s "$wanted" ] || echo '{"tags": []}' > "$wanted"
apply() { # JQ-FILTER
    jq --arg tag "$OSTLER_TAG" "$1" "$wanted" > "$wanted.new"
    mv "$wanted.new" "$wanted"
    tofu apply -auto-approve -input=false -no-color >&2
}
case $verb in
acquire)
    apply '.tags = (.tags + [$tag] | unique)'
    tofu output -json machines | jq --arg tag "$OSTLER_TAG" '{machine: .[$tag]}' ;;
release) apply '.tags -= [$tag]' ;;
list) { tofu output -json machines 2>/dev/null || echo '{}'; } |
    jq '{machines: [to_entries[] | {tag: .key} + .value]}' ;;
*) echo "opentofu.sh FOLDER acquire|release|list" >&2; exit 2 ;;
esac
