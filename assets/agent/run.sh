# Runs a command for whoever holds the other end, and ends it when that one goes away. Standard input: a word, the number of
# lines of the command, those lines; its end is the order to stop. Standard error ends with the word and the exit code.
IFS= read -r word && IFS= read -r count || exit 0
command=
while [ "$count" -gt 0 ]; do
	IFS= read -r line || exit 0
	command="$command$line
"
	count=$((count - 1))
done
# What runs in the background would have no standard input.
exec 3<&0
# A session of its own, so that all of it can be ended.
if command -v setsid >/dev/null 2>&1; then
	setsid sh -c "$command" </dev/null 3<&- &
else
	sh -c "$command" </dev/null 3<&- &
fi
pid=$!
(
	exec >/dev/null 2>&1
	while read -r line <&3; do :; done
	kill -HUP "-$pid" || kill -HUP "$pid"
	sleep 2
	kill -KILL "-$pid" || kill -KILL "$pid"
) &
watcher=$!
exec 3<&-
wait "$pid"
code=$?
kill "$watcher" 2>/dev/null
printf '%s %d\n' "$word" "$code" >&2
