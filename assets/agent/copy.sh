# Copies files of this node from and to whoever holds the other end. Constant text: all that varies comes as lines on
# standard input, and the bytes of files behind `write`. Answers as look.sh gives them. No arithmetic here: some shells count
# to 2^31 only.
exec 2>/dev/null
IFS= read -r end || exit 0
printf '\nOSTLER-DATA 1\n'

# Takes so many bytes of standard input and not one more, or they would be missing in the next line.
if [ "$(printf abc | { head -c 1 >/dev/null && cat; })" = bc ]; then
	take() { head -c "$1"; }
elif [ "$(printf abc | { dd bs=1 count=1 iflag=fullblock >/dev/null && cat; })" = bc ]; then
	take() { dd bs="$1" count=1 iflag=fullblock; }
else
	take() { dd bs=1 count="$1"; }
fi

# The first bytes of a file and their length as cksum (POSIX) sums them up.
sum() {
	[ -f "$1" ] && [ ! -h "$1" ] || return
	head -c "$2" <"$1" | cksum
}

# Says what went wrong and ends: what is left of the bytes cannot be told from lines.
fail() {
	printf '%s\n\n%s %s\n' "$1" "$end" "0 none 0"
	exit 0
}

path= root= part=
while IFS= read -r line; do
	case $line in
	'root '*) root=${line#root } && continue ;;
	'path '*) path=${line#path } && continue ;;
	'part '*) part=${path%/*}/${line#part } && continue ;;
	stat) ;;
	about)
		if regular; then
			if [ ! -r "$path" ]; then
				echo unreadable
			else
				stat -c '%f %s %Y %i ./it' "$path" || {
					set -- $(fields "$path")
					echo "81a4 $3 0 $1 ./it"
				}
			fi
		fi
		;;
	'tree '*)
		set -- $line
		(entries "$2") | head -n "$3"
		;;
	'read '*)
		# Whole blocks; the asker cuts off what it did not want.
		set -- $line
		! regular || dd if="$path" bs=65536 skip="$2" count="$3"
		;;
	'sum '*)
		set -- $line
		! regular || sum "$path" "$2"
		;;
	folder)
		inside || fail 'it leads out of the directory'
		[ -d "$path" ] && [ ! -h "$path" ] || e=$(mkdir -- "$path" 2>&1) || fail "$e"
		;;
	begun)
		[ ! -h "$part" ] && inside || fail 'it leads out of the directory'
		fields "$part"
		;;
	'sum-part '*)
		set -- $line
		sum "$part" "$2"
		;;
	restart) e=$(rm -f -- "$part" 2>&1) || fail "$e" ;;
	'write '*)
		# OFFSET COUNT, then the bytes.
		set -- $line
		offset=$2 count=$3
		set -- $(fields "$part")
		[ "$3" = "$offset" ] && [ ! -h "$part" ] || fail 'somebody else writes the same file'
		e=$( (take "$count" >>"$part") 2>&1) || fail "${e:-it cannot be written}"
		;;
	'done '*)
		# MODE SIZE keep|replace
		set -- $line
		mode=$2 size=$3 existing=$4
		[ "$size" != 0 ] || [ -f "$part" ] || e=$( (: >>"$part") 2>&1) || fail "$e"
		set -- $(fields "$part")
		[ "$2 $3" = "file $size" ] || fail 'not all of it was written'
		[ ! -d "$path" ] || fail 'a directory of that name is there'
		if [ "$existing" = keep ]; then
			[ ! -e "$path" ] && [ ! -h "$path" ] || fail 'it is there already'
		fi
		e=$(chmod "$mode" "$part" 2>&1 && mv -f -- "$part" "$path" 2>&1) || fail "$e"
		;;
	*) exit 0 ;;
	esac
	printf '\n%s %s\n' "$end" "$(facts "$path")"
done
