# Looks at files of this node for whoever holds the other end. Constant text: all that varies comes as lines on standard
# input, first a word that ends each answer. An answer is its bytes, a line feed, that word, and the facts of the path:
# its inode, what it is, its size. No arithmetic here: some shells count to 2^31 only.
exec 2>/dev/null
IFS= read -r end || exit 0
printf '\nOSTLER-DATA 1\n'

# One line a file: size, seconds of its last change, name. Folders one level down hold the logs of former attempts.
list() {
	cd "$path" || return
	if stat -c '%s %Y %n' . >/dev/null; then
		find . -maxdepth 2 -type f ! -name "*$nl*" ! -path "*$nl*" -exec stat -c '%s %Y %n' {} +
	else
		set +f
		for file in ./* ./*/*; do
			[ -f "$file" ] && [ ! -h "$file" ] || continue
			case $file in *"$nl"*) continue ;; esac
			set -- "$file" $(ls -lnid -- "$file")
			echo "$7 0 $1"
		done
		set -f
	fi
}

# As list, but of all folders below, however deep.
tree() {
	folder && cd -P "$path" || return
	if stat -c '%s %Y %n' . >/dev/null; then
		find . -type f ! -name "*$nl*" ! -path "*$nl*" -exec stat -c '%s %Y %n' {} +
	else
		find . -type f ! -name "*$nl*" ! -path "*$nl*" | while IFS= read -r file; do
			set -- "$file" $(ls -lnid -- "$file")
			echo "$7 0 $1"
		done
	fi
}

# The logs of one job on this node, which are too old; with the folder that is named after it, once it is empty.
drop() {
	folder && [ "$path" != "$root" ] && rm -rf -- "$path" && rmdir -- "${path%/*}"
}

# Where the text stands in standard input: the first or the last place. Only GNU grep says both at once.
if [ "$(printf 'xa\n' | grep -a -o -b -F -m 1 -e a)" = 1:a ]; then
	# Bytes, whatever the locale takes for letters.
	first() { LC_ALL=C grep -a -o -b -F -m 1 -e "$text" | head -n 1; }
	last() { LC_ALL=C grep -a -o -b -F -e "$text" | tail -n 1; }
	both=1
else
	first() { places 1; }
	last() { places 0; }
	both=
fi
places() {
	# Not every awk can hold a NUL; as line feeds they keep all places.
	tr '\000' '\n' | TEXT=$text FIRST=$1 awk '
		BEGIN { text = ENVIRON["TEXT"]; first = ENVIRON["FIRST"] + 0; found = -1; at = 0 }
		{
			begin = 1
			place = index($0, text)
			while (place && (found < 0 || !first)) {
				found = at + begin + place - 2
				begin += place
				place = index(substr($0, begin), text)
			}
			if (found >= 0 && first) exit
			at += length($0) + 1
		}
		END { if (found >= 0) printf "%d:\n", found }'
}

# part BLOCKS COUNT LEAD BYTES START: so many bytes from a place on. GNU dd counts bytes; others count blocks, of which the rest
# is cut off, and each program in between copies all of it. Blocks of what a pipe holds: with larger ones both ends wait.
if [ "$(printf abcde | dd iflag=skip_bytes,count_bytes,fullblock bs=3 skip=1 count=2)" = bc ]; then
	part() { dd if="$path" bs=65536 iflag=skip_bytes,count_bytes skip="$5" count="$4"; }
else
	part() { dd if="$path" bs=65536 skip="$1" count="$2" | tail -c "+$3" | head -c "$4"; }
fi

# first_from START: the first place from there on, to the end of the file, however far that is; `parts` where only parts can be asked for.
# grep reads the file itself: a pipe would take a third of its speed. Whoever asked says with a line that the answer has come; at
# the end of standard input nobody waits for it any more, and grep is ended. An empty line says that it found nothing, for mksh
# keeps copies of the pipe, so that this has no end.
first_from() {
	# Not asked at the start: most who look at a file do not search it.
	if [ -z "$both" ] || [ "$(printf abc | dd iflag=skip_bytes bs=2 skip=1)" != bc ]; then
		echo parts
		answered
		return
	fi
	{
		exec 3<"$path"
		dd bs=65536 iflag=skip_bytes skip="$1" count=0 <&3
		{
			trap 'kill "$!"' TERM
			LC_ALL=C grep -a -o -b -F -m 1 -e "$text" <&3 &
			wait
			echo
		} &
		exec 3<&-
		IFS= read -r line || end_it "$!"
	} | { head -n 1 && answered; }
}

# end_it PID: a shell may take a signal and go to sleep all the same, when it comes just before it waits: so more than once.
end_it() {
	for try in 1 2 3 4 5; do
		kill "$1" || break
		sleep 1
	done
}

answered() {
	printf '\n%s %s\n' "$end" "$(facts "$path")"
}

path= root= text=
while IFS= read -r line; do
	case $line in
	'root '*) root=${line#root } && continue ;;
	'path '*) path=${line#path } && continue ;;
	'text '*) text=${line#text } && continue ;;
	stat) ;;
	'read '*)
		# Whole blocks; the asker cuts off what it did not want.
		set -- $line
		! regular || dd if="$path" bs=4096 skip="$2" count="$3"
		;;
	'first '*)
		set -- $line
		if regular; then first_from "$2"; else answered; fi
		continue
		;;
	'scan '*)
		set -- $line
		! regular || part "$3" "$4" "$5" "$6" "$7" | "$2"
		;;
	# That an answer has come which nothing had to wait for.
	.) continue ;;
	'list '*)
		set -- $line
		(list) | head -n "$2"
		;;
	'dir '*)
		set -- $line
		(entries 1) | head -n "$2"
		;;
	tree) (tree) ;;
	drop) drop ;;
	*) exit 0 ;;
	esac
	answered
done
