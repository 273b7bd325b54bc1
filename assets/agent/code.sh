# Keeps the code of jobs on this node, in code/ of its spool: each snapshot has its name, which is the sum of its archive, once it is
# whole and read-only. Constant text: all that varies comes as lines on standard input: the spool, the sum, the size of the
# archive, how many that nobody needs may stay, the sums of those that are needed, one a line, and an empty line. When it
# answers `send`, the archive follows, to the end of the input.
exec 2>/dev/null
LC_ALL=C
export LC_ALL
umask 077
IFS= read -r root && IFS= read -r sum && IFS= read -r size && IFS= read -r spare || exit 0
needed=" $sum "
while IFS= read -r line && [ -n "$line" ]; do needed="$needed$line "; done
printf '\nOSTLER-DATA 1\n'

fail() {
	[ -z "$part" ] || drop "$part"
	printf 'fail %s\n' "$(printf '%s' "$1" | tr '\n' ' ')"
	exit 0
}

# What is read-only cannot be removed as it is.
drop() {
	find "$1" -type d ! -perm -200 -exec chmod u+w {} +
	rm -rf -- "$1"
}

# The SHA-256 of a file, by whatever program there is.
sum_of() {
	if command -v sha256sum >/dev/null; then
		sha256sum <"$1"
	elif command -v shasum >/dev/null; then
		shasum -a 256 <"$1"
	elif command -v openssl >/dev/null; then
		openssl dgst -sha256 -r <"$1"
	else
		fail 'there is no program that makes SHA-256 sums: sha256sum, shasum or openssl'
	fi
}

part=
e=$(mkdir -p -- "$root/code" 2>&1) || fail "$e"
cd -- "$root/code" || fail "cannot enter $root/code"
# What a lost link or a dead node has left half.
for old in part.*; do
	[ -d "$old" ] || continue
	kill -s 0 "${old#part.}" || drop "$old"
done
if [ ! -d "$sum" ]; then
	command -v tar >/dev/null || fail 'there is no program tar'
	e=$(mkdir -- "part.$$" "part.$$/tree" 2>&1) || fail "$e"
	part=part.$$
	printf 'send\n'
	e=$( (cat >"$part/tar") 2>&1) || fail "${e:-it cannot be written}"
	set -- $(wc -c <"$part/tar")
	if [ "$1" != "$size" ]; then
		# The link was cut: nobody hears us.
		drop "$part"
		exit 0
	fi
	set -- $(sum_of "$part/tar")
	[ "$1" = "$sum" ] || fail "what came has another sum: ${1:-none}"
	e=$( (cd -- "$part/tree" && tar -xof ../tar) 2>&1) || fail "${e:-tar failed}"
	find "$part/tree" ! -type l -exec chmod a-w {} + || fail 'it cannot be made read-only'
	# A directory that may not be written is not renamed everywhere.
	chmod u+w "$part/tree"
	[ -d "$sum" ] || e=$(mv -- "$part/tree" "$sum" 2>&1) || fail "$e"
	chmod a-w "$sum"
	drop "$part"
	part=
fi
: >"$sum.used"
touch "$sum.used"
# Of those that nobody needs the ones that were used last stay: they may be wanted again.
for used in $(ls -t -- *.used); do
	one=${used%.used}
	case $needed in *" $one "*) continue ;; esac
	if [ "$spare" -gt 0 ]; then
		spare=$((spare - 1))
	else
		drop "$one"
		rm -f -- "$used"
	fi
done
line=there
for used in *.used; do [ ! -d "${used%.used}" ] || line="$line ${used%.used}"; done
printf '%s\n' "$line"
