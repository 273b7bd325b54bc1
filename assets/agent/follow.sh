# Sends what is appended to a file of this node, as raw bytes, until standard input ends. Constant text: all that varies
# comes as lines on standard input. Standard output: `waiting` while the file is not there, its facts (inode, what it is,
# size), then, once asked to begin, its bytes and nothing else. Standard error: `size N` when asked, `moved N` when another file took
# its place and it had N bytes, and what `tail` says of a file that was truncated.
IFS= read -r root && IFS= read -r path || exit 0
printf '\nOSTLER-DATA 1\n'

# The size of the file that is open as 3, whatever its name is by now.
size() {
	set -- $(fields -L /dev/fd/3)
	[ "$2" = file ] || set -- $(facts "$path")
	echo "$3"
}

moved() {
	set -- $(facts "$path")
	[ "$2" = file ] && [ "$1" != "$inode" ]
}

nap() { sleep 0.2 2>/dev/null || sleep 1; }
# The shell that reads standard input: gone when the connection is.
held() { kill -0 $$ 2>/dev/null; }

waiter=
if [ -e "$path" ] || [ -h "$path" ]; then
	facts "$path"
else
	echo waiting
	(
		while held; do
			if [ -e "$path" ] || [ -h "$path" ]; then
				facts "$path"
				exit
			fi
			nap
		done
	) &
	waiter=$!
fi
if ! IFS= read -r line; then
	[ -z "$waiter" ] || kill "$waiter"
	exit 0
fi
set -- $line
inode=$1 from=$2
moved && exit 0
inside || exit 0
exec 3<"$path" || exit 0

# Without a tail that is woken by the kernel: look at the size five times a second.
poll() {
	at=$((from - 1))
	while held; do
		now=$(size)
		if [ "$now" -lt "$at" ]; then
			echo "file truncated" >&2
			exit
		elif [ "$now" -gt "$at" ]; then
			skip=$((at / 4096))
			dd if=/dev/fd/3 bs=4096 skip="$skip" count=$((now / 4096 - skip + 1)) 2>/dev/null |
				tail -c "+$((at - skip * 4096 + 1))" | head -c $((now - at)) || exit
			at=$now
		else
			nap
		fi
	done
}

case $(tail --version 2>/dev/null) in
*GNU*) tail -c "+$from" -f -s 0.2 -- "$path" & ;;
*) poll & ;;
esac
follower=$!
exec >/dev/null
(
	while sleep 1 && held && kill -0 "$follower" 2>/dev/null; do
		if moved; then
			echo "moved $(size)" >&2
			exit
		fi
	done
) &
watcher=$!
while IFS= read -r line; do
	if moved; then
		echo "moved $(size)" >&2
	else
		echo "size $(size)" >&2
	fi
done
kill "$follower" "$watcher" 2>/dev/null
