# What the programs that look at files have in common. A path may not leave its folder, `root`, and no link is followed:
# a job may have put one, or a pipe or a device, where something else was. `root` itself may be reached by links.
LC_ALL=C
export LC_ALL
set -f
nl='
'

# The fields that count come first, so a strange name does no harm.
fields() {
	set -- $(ls -lnid "$@" 2>/dev/null)
	case ${2-} in
	-*) echo "$1 file $6" ;;
	d*) echo "$1 folder 0" ;;
	'') echo "0 none 0" ;;
	*) echo "$1 other 0" ;;
	esac
}

# The inode of a path, what it is, its size.
facts() {
	if [ "$1" = "$root" ]; then
		fields -L "$1"
	elif inside; then
		fields "$1"
	else
		echo "0 other 0"
	fi
}

# Where the path's folder really is, all links followed: in the root. What is not there is nowhere else.
inside() {
	[ "$path" != "$root" ] && [ "${path%/*}" != "$root" ] || return 0
	i_root=$(cd -P "${root:-/}" 2>/dev/null && pwd -P) || return 0
	i_path=$(cd -P "${path%/*}" 2>/dev/null && pwd -P) || return 0
	case $i_path/ in "${i_root%/}"/*) return 0 ;; esac
	return 1
}

regular() {
	[ -f "$path" ] && [ ! -h "$path" ] && inside
}

folder() {
	[ -d "$path" ] && { [ "$path" = "$root" ] || [ ! -h "$path" ]; } && inside
}

# entries DEPTH: one line for each, down to a depth: mode and kind in hexadecimal as stat has them, size, seconds of its last
# change, inode, name. One whose name has a line feed is `odd`, with that as a question mark.
entries() {
	folder && cd -P "${path:-/}" || return
	if stat -c %f . >/dev/null 2>&1; then
		find . -maxdepth "$1" ! -name . ! -path "*$nl*" -exec stat -c '%f %s %Y %i %n' {} + 2>/dev/null
	else
		plain . "$1"
	fi
	find . -maxdepth "$1" -name "*$nl*" -exec sh -c 'for n; do printf "%s" "$n" | tr "\n" "?" | sed "s/^/odd /"; echo; done' sh {} + 2>/dev/null
}

# Without a stat: no times.
plain() {
	set +f
	for p_name in "$1"/* "$1"/.[!.]* "$1"/..?*; do
		[ -e "$p_name" ] || [ -h "$p_name" ] || continue
		case $p_name in *"$nl"*) continue ;; esac
		p_kind=$(ls -lnid "$p_name" 2>/dev/null) || continue
		set -f
		set -- "$1" "$2" $p_kind
		set +f
		case $4 in
		-*) echo "81a4 $8 0 $3 $p_name" ;;
		d*) echo "41ed 0 0 $3 $p_name" ;;
		l*) echo "a1ff 0 0 $3 $p_name" ;;
		*) echo "1000 0 0 $3 $p_name" ;;
		esac
		case $4 in
		d*) [ "$2" -le 1 ] || (plain "$p_name" $(($2 - 1))) ;;
		esac
	done
	set -f
}

