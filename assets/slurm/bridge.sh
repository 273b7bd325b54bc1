# bridge.sh - runs on a node that a pilot holds: has it start a shell, and carries its three streams. $1 is the pilot's folder below the
# state directory, $2 what the shell runs.
base=${XDG_STATE_HOME:-}
case $base in /*) ;; *) base=$HOME/.local/state ;; esac
read -r node door < "$base/ostler-node/$1/at" || { echo "the pilot has not said where it is" >&2; exit 1; }
[ -O "$door" ] && [ -p "$door/ask" ] || { echo "the pilot on $node is gone" >&2; exit 1; }
umask 077
id=$$.$(date +%s)
f=$door/$id
mkfifo "$f.in" "$f.out" "$f.err" && printf '%s\n' "$2" > "$f.run" || exit 1
exec 4<&0
cat "$f.out" &
out=$!
cat "$f.err" >&2 &
err=$!
cat <&4 > "$f.in" 2>/dev/null &
in=$!
trap 'kill $in $out $err 2>/dev/null; rm -f "$f".*' EXIT
trap 'exit 1' TERM INT HUP
printf '%s\n' "$id" > "$door/ask"
wait "$out"
wait "$err"
